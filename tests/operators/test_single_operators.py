"""What single operators promise beyond the contract: oracles, exact inverses, and messages."""

# ruff: noqa: E501 (the tables have one row a case)

from typing import Any

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from backends import library

import structmat as sm

jax = library("jax")
jnp = library("jax.numpy")
torch = library("torch")

rng = np.random.default_rng(0)
x = rng.standard_normal(7).astype(np.float32)


def inverts(A: sm.LinearOperator, tolerance: float = 1e-12) -> bool:
    """Whether A ** -1 undoes A on both sides."""
    eye, dense, inverse = np.eye(A.n), A.to_dense(), (A**-1).to_dense()
    return bool(np.allclose(inverse @ dense, eye, atol=tolerance) and np.allclose(dense @ inverse, eye, atol=tolerance))


def test_permutations_reorder() -> None:
    index = rng.permutation(7)
    P = sm.Permutation(index)
    assert np.array_equal(P @ x, x[index])
    assert np.array_equal(P.H @ (P @ x), x)
    assert np.array_equal(P**-1 @ (P @ x), x)
    assert P.H.H is P


def test_random_permutations_agree_between_libraries() -> None:
    drawn = [sm.Permutation.random(9, rng=3, xp=xp).index for xp in (np, array_api_strict, jnp)]
    assert all(np.array_equal(np.asarray(index), drawn[0]) for index in drawn)
    assert sorted(drawn[0].tolist()) == list(range(9))


def test_permutation_of_a_traced_index() -> None:
    apply = jax.jit(lambda index, v: sm.Permutation(index).H @ v)
    assert np.array_equal(apply(jnp.asarray([2, 0, 1]), jnp.asarray([1.0, 2.0, 3.0])), [2.0, 3.0, 1.0])


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("counts", [(1, 1), (1, 3), (3, 1)])
def test_few_blocks(counts: tuple[int, int], dtype: str) -> None:
    """A single row or column of blocks is multiplied by entries, not by matrices at each frequency."""
    blocks = rng.standard_normal((*counts, 5)) + (1j * rng.standard_normal((*counts, 5)) if dtype[0] == "c" else 0)
    for xp in (np, array_api_strict, torch):
        sm.testing.check_operator(sm.BlockCirculant(blocks).to(xp=xp))


@pytest.mark.parametrize("k", [0, 1, 6, 7, 8, -1, -20])
def test_shifts_roll(k: int) -> None:
    S = sm.Shift(7, k)
    assert np.array_equal(S @ x, np.roll(x, k))
    assert np.array_equal(S.H @ (S @ x), x)
    assert np.array_equal(S**-1 @ (S @ x), x)
    assert repr(S) == f"Shift(7×7, k={k}, params=0)"


def test_shift_takes_any_library() -> None:
    assert np.array_equal(np.asarray(sm.Shift(3, 1) @ jnp.asarray([1.0, 2.0, 3.0])), [3.0, 1.0, 2.0])


def test_low_rank_is_the_product() -> None:
    U, V = rng.standard_normal((5, 2)), rng.standard_normal((4, 2)) * (1 + 1j)
    assert np.allclose(sm.LowRank(U, V).to_dense(), U @ V.conj().T, rtol=1e-14)


def test_zero_hides_infinities() -> None:
    assert np.array_equal(sm.Zero(2, 3) @ np.full(3, np.inf), np.zeros(2))


@pytest.mark.parametrize(("lower", "upper"), [(0, 0), (1, 2), (2, 0), (0, 3), (6, 6), (9, 1)])
def test_bands_are_scipys(lower: int, upper: int) -> None:
    bands = rng.standard_normal((lower + upper + 1, 7))
    A, b = sm.Banded(bands, lower, upper), rng.standard_normal(7)
    dense = np.zeros((7, 7))
    for i in range(7):
        for j in range(7):
            if -upper <= i - j <= lower:
                dense[i, j] = bands[upper + i - j, j]
    assert np.array_equal(A.to_dense(), dense)
    if lower + upper < 7:
        solution = scipy.linalg.solve_banded((lower, upper), bands, b)
        assert np.allclose(A @ solution, b, atol=1e-9 * np.linalg.norm(solution))


def test_corners_of_bands_are_ignored() -> None:
    bands = np.ones((3, 4))
    bands[0, 0] = bands[2, 3] = np.nan
    A = sm.Banded(bands, 1, 1)
    dx, (dbands,) = A.vjp(np.ones(4), np.ones(4))
    assert np.array_equal(A @ np.ones(4), [2, 3, 3, 2])
    assert np.array_equal(dx, [2, 3, 3, 2])
    assert np.array_equal(dbands, [[0, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 0]])


def test_tridiagonal_is_banded() -> None:
    a, b, c = rng.standard_normal(4), rng.standard_normal(5), rng.standard_normal(4)
    assert np.array_equal(sm.Tridiagonal(a, b, c).to_dense(), np.diag(a, -1) + np.diag(b) + np.diag(c, 1))


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_reflections_neither_overflow_nor_underflow(scale: float) -> None:
    A = sm.Householder((x * scale).astype(np.float32))
    assert np.allclose(A @ x, -x, rtol=1e-5)
    assert np.allclose(A.to_dense() @ A.to_dense(), np.eye(7), atol=1e-6)
    assert A**-1 is A
    assert A.H is A


def test_the_gradient_of_a_reflection_is_orthogonal_to_its_vector() -> None:
    v, u, g = rng.standard_normal((3, 7)) + 1j * rng.standard_normal((3, 7))
    _, (dv,) = sm.Householder(v).vjp(u, g)
    assert abs(np.vdot(v, dv).real) < 1e-13
    _, frozen = sm.Householder(v).freeze().vjp(u, g)
    assert frozen == ()


def test_references_of_what_is_not_linear() -> None:
    """The extrapolated differences agree with the derivative, worked out by hand."""
    v, d = rng.standard_normal((2, 5))
    _, derivative = sm.testing.dense_pair(sm.Householder(v), [d])
    square = v @ v
    by_hand = -2 * (np.outer(d, v) + np.outer(v, d)) / square + 4 * (v @ d) * np.outer(v, v) / square**2
    assert np.allclose(derivative.astype(float), by_hand, rtol=0, atol=1e-13)


def test_butterflies_hold_the_fourier_transform() -> None:
    depth, n = 4, 16
    factors = np.zeros((depth, n // 2, 2, 2), dtype=complex)
    for level in range(depth):
        twiddle = np.exp(-2j * np.pi * (np.arange(n // 2) % 2**level) / 2 ** (level + 1))
        factors[level] = np.moveaxis(np.asarray([[np.ones(n // 2), twiddle], [np.ones(n // 2), -twiddle]]), -1, 0)
    reverse = np.asarray([int(f"{i:04b}"[::-1], 2) for i in range(n)])
    A = sm.Butterfly(factors) @ sm.Permutation(reverse)
    assert np.allclose(A.to_dense(), sm.DFT(n).to_dense(), atol=1e-13)


def test_monarch_is_its_factors() -> None:
    r, s, p, b = 2, 3, 4, 5
    left, right = rng.standard_normal((r, s, p)), rng.standard_normal((p, r, b))

    def by_columns(rows: int, columns: int) -> sm.Permutation:
        return sm.Permutation(np.arange(rows * columns).reshape(rows, columns).T.ravel())

    whole = (
        by_columns(r, s)
        @ sm.block_diag([sm.Dense(block) for block in left])
        @ by_columns(p, r)
        @ sm.block_diag([sm.Dense(block) for block in right])
    )
    assert np.allclose(sm.Monarch(left, right).to_dense(), whole.to_dense(), atol=1e-13)


@pytest.mark.parametrize("cls", [sm.LowRank, sm.Monarch])
def test_parameters_of_two_kinds(cls: type) -> None:
    """A real and a complex parameter, in a library that mixes them unwillingly."""
    shapes = ((3, 2), (4, 2)) if cls is sm.LowRank else ((2, 3, 4), (4, 2, 5))
    one, two = (rng.standard_normal(shape) for shape in shapes)
    A = cls(torch.asarray(one), torch.asarray(two * (1 + 1j)))
    sm.testing.check_operator(A, checks=["entries", "products", "adjoint", "gradients"])


W = rng.standard_normal((3, 5))


def test_functions_join_products() -> None:
    A = sm.FunctionOperator((3, 5), lambda v: v @ W.T, lambda g: g @ W)
    B = sm.Circulant(rng.standard_normal(5))
    assert np.allclose((A @ B).to_dense(), W @ B.to_dense(), atol=1e-13)
    assert np.allclose((A @ B).H.to_dense(), (W @ B.to_dense()).T, atol=1e-13)
    assert A.dtype is None
    assert A.params == ()


def test_complex_functions_see_complex_vectors_only() -> None:
    seen = []

    def product(v: np.ndarray) -> np.ndarray:
        seen.append(v.dtype)
        return 1j * v

    A = sm.FunctionOperator((4, 4), product, lambda g: -1j * g, dtype=np.complex128)
    assert (A @ np.ones(4, np.float32)).dtype == np.complex64
    assert A.vjp(np.ones(4), np.ones(4) + 0j)[0].dtype == np.float64
    assert set(seen) == {np.dtype(np.complex64)}


def test_an_adjoint_that_does_not_fit_is_found() -> None:
    A = sm.FunctionOperator((3, 5), lambda v: v @ W.T, lambda g: -(g @ W))
    with pytest.raises(AssertionError, match="adjoint"):
        sm.testing.check_operator(A, checks=["adjoint"])


def test_kron_is_numpys() -> None:
    A, B = rng.standard_normal((2, 3)), rng.standard_normal((4, 2)) + 1j
    whole = sm.kron(sm.Dense(A), sm.Dense(B))
    assert whole.shape == (8, 6)
    assert whole.param_names == ("0.matrix", "1.matrix")
    assert np.allclose(whole.to_dense(), np.kron(A, B), atol=1e-13)
    sm.testing.check_operator(whole)


def test_kron_inverse() -> None:
    assert inverts(sm.kron(sm.Circulant(rng.standard_normal(3)), sm.Hadamard(4)))


@pytest.mark.parametrize("dtype", ["c16", "complex64", complex, np.complex128])
def test_functions_of_complex_dtypes(dtype: object) -> None:
    A = sm.FunctionOperator((4, 4), np.fft.fft, lambda g: 4 * np.fft.ifft(g), dtype=dtype)
    assert np.allclose(A.to_dense(), scipy.linalg.dft(4))


@pytest.mark.parametrize(
    ("error", "message", "function"),
    [
        (ValueError, r"matvec returns the shape \(2, 4\); expected \(2, 3\)", lambda x: x),
        (TypeError, "matvec returns complex numbers; expected real ones, or dtype=complex", lambda x: 1j * x[..., :3]),
        (TypeError, "matvec returns a list; expected an array of numpy", lambda x: [1.0, 2.0, 3.0]),
        (TypeError, "matvec returns an array of array_api_strict", lambda x: array_api_strict.ones((2, 3))),
    ],
)
def test_functions_that_return_something_else(error: type[Exception], message: str, function: Any) -> None:
    A = sm.FunctionOperator((3, 4), function, lambda g: g)
    with pytest.raises(error, match=r"FunctionOperator\(3×4\): " + message):
        A.matvec(np.ones((2, 4)))


@pytest.mark.parametrize("key", [slice(None), slice(None, None, -1), slice(0, 6), slice(5, None, -1)])
def test_a_restriction_to_everything_copies(key: slice) -> None:
    A, x = sm.Restriction(6, key), np.arange(12.0).reshape(2, 6)
    for y in (A.matvec(x), A.rmatvec(x), A.forward(x)[0], A.vjp(x, x)[0], A.H @ x[0], A @ x[0]):
        assert not np.shares_memory(x, y)
    assert np.array_equal(A.matvec(x), x[:, key])
    assert np.array_equal(A.rmatvec(A.matvec(x)), x)


def test_results_have_the_byte_order_of_the_machine() -> None:
    x = np.arange(3, dtype=">f8")
    for A in (sm.identity(3), sm.Circulant(x), sm.Permutation(np.asarray([2, 0, 1]))):
        assert A.matvec(x).dtype == A.forward(x)[0].dtype == np.result_type(x, x)
    with pytest.raises(TypeError, match="out has dtype >f8; expected that of the product, float64"):
        sm.identity(3).matvec(x, out=np.empty(3, ">f8"))


def test_solvers_of_scipy_are_told_of_the_wrapper() -> None:
    with pytest.raises(TypeError, match=r"x has dtype int8; .* SciPy's solvers, .* take A\.to_scipy\(\)\."):
        sm.DCT(8).matvec(np.zeros(8, np.int8))  # as some releases of SciPy ask for a dtype
    assert np.allclose(scipy.sparse.linalg.lsqr(sm.DCT(8).to_scipy(), np.eye(8)[0] * 16)[0], 1)


def test_sparse_entries_at_one_place_add_up() -> None:
    values, rows, columns = rng.standard_normal(9), rng.integers(0, 3, 9), rng.integers(0, 2, 9)
    A = sm.Sparse(values, rows.astype(np.int8), columns, 3, 2)
    assert A.rows.dtype == np.int64
    dense = scipy.sparse.coo_array((values, (rows, columns)), shape=(3, 2)).toarray()
    assert np.allclose(A.to_dense(), dense, rtol=0, atol=1e-15)
    assert np.allclose(A[:, 1], dense[:, 1], rtol=0, atol=1e-15)
    x, g = rng.standard_normal(2), rng.standard_normal(3)
    assert np.array_equal(A.vjp(x, g)[1][0], np.outer(g, x)[rows, columns])


@pytest.mark.parametrize("dtype", [">f8", "f2", "g", "c8", ">c16", "G"])
def test_sparse_matrices_of_awkward_dtypes(dtype: str) -> None:
    """SciPy's sparse matrices know neither half precision nor the other byte order."""
    entries = np.asarray([1, 2, 4, 4])
    wanted = np.asarray([[0, 5, 0], [2, 0, 4]])  # two entries at one place
    for index in ("u1", ">i8"):
        rows, columns = np.asarray([[0, 1, 0, 1], [1, 0, 1, 2]]).astype(index)
        A = sm.Sparse(entries.astype(dtype), rows, columns, 2, 3)
        for shape in ((3,), (2, 3), (0, 3), (4, 2, 3)):
            x = np.asfortranarray(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
            assert np.array_equal(A.matvec(x), x @ wanted.T)
            assert A.matvec(x).flags.c_contiguous
            g = A.matvec(x)
            assert np.array_equal(A.rmatvec(g), g @ wanted)


PLACES = np.asarray([0, 2]), np.asarray([1, 0])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sm.Sparse(np.ones(2), *PLACES, 2, 2), ValueError, r"Sparse: rows runs from 0 to 2; expected 0 to m - 1 = 1\."),
        (lambda: sm.Sparse(np.ones(2), *PLACES, 3, 1), ValueError, r"Sparse: columns runs from 0 to 1; expected 0 to n - 1 = 0\."),
        (lambda: sm.Sparse(np.ones(3), *PLACES, 3, 2), ValueError, r"Sparse: rows has shape \(2,\); its k must be 3 \(set by values\)\."),
        (lambda: sm.Sparse(np.ones(2), np.ones(2), PLACES[1], 3, 2), TypeError, r"Sparse: rows has dtype float64; expected an integer dtype\."),
        (lambda: sm.Sparse(np.ones(2), *PLACES, 0, 2), ValueError, r"Sparse: m is 0; expected a positive int\."),
        (lambda: sm.Permutation(np.asarray([0, 3, 1])), ValueError, r"Permutation: index runs from 0 to 3; expected 0 to n - 1 = 2\."),
        (lambda: sm.Permutation(np.asarray([0, 1, 1])), ValueError, r"Permutation: index has an entry twice; expected each of 0 to n - 1 once at most\."),
        (lambda: sm.Permutation(np.asarray([0.0, 1.0])), TypeError, r"Permutation: index has dtype float64; expected an integer dtype\."),
        (lambda: sm.Permutation([0, 1]), TypeError, r"Permutation: index is a list; expected an array of shape \(n\)\."),
        (lambda: sm.Permutation.random(0), ValueError, r"Permutation.random: n is 0; expected a positive int\."),
        (lambda: sm.Shift(3, 1.0), TypeError, r"Shift: k is 1.0; expected an int\."),
        (lambda: sm.Shift(0, 1), ValueError, r"Shift: n is 0; expected a positive int\."),
        (lambda: sm.LowRank(np.ones((3, 2)), np.ones((4, 3))), ValueError, r"LowRank: right has shape \(4, 3\); its r must be 2 \(set by left\)\."),
        (lambda: sm.LowRank(np.ones((3, 0)), np.ones((4, 0))), ValueError, r"LowRank: left has shape \(3, 0\); expected no empty axis"),
        (lambda: sm.Banded(np.ones((3, 4)), 1, 2), ValueError, r"Banded: bands has shape \(3, 4\); expected lower \+ upper \+ 1 = 4 rows\."),
        (lambda: sm.Banded(np.ones((3, 4)), -1, 3), ValueError, r"Banded: lower is -1; expected an int of 0 or more\."),
        (lambda: sm.Banded(np.ones(3), 1, 1), ValueError, r"Banded: bands has shape \(3,\); expected 2 axes \(d, n\)\."),
        (lambda: sm.Tridiagonal(np.ones(3), np.ones(3), np.ones(3)), ValueError, r"Tridiagonal: lower has shape \(3,\); expected \(2,\), one less than main\."),
        (lambda: sm.Tridiagonal(np.ones(2), np.ones(3), np.ones(3)), ValueError, r"Tridiagonal: upper has shape \(3,\); its k must be 2 \(set by lower\)\."),
        (lambda: sm.Householder(np.ones((2, 2))), ValueError, r"Householder: vector has shape \(2, 2\); expected 1 axes \(n\)\."),
        (lambda: sm.Butterfly(np.ones((3, 3, 2, 2))), ValueError, r"Butterfly: factors has shape \(3, 3, 2, 2\); expected \(k, 2\^\(k-1\), 2, 2\), such as \(3, 4, 2, 2\)\."),
        (lambda: sm.Butterfly(np.ones((3, 4, 3, 3))), ValueError, r"Butterfly: factors has shape \(3, 4, 3, 3\)"),
        (lambda: sm.Monarch(np.ones((2, 3, 4)), np.ones((4, 3, 5))), ValueError, r"Monarch: right has shape \(4, 3, 5\); its r must be 2 \(set by left\)\."),
        (lambda: sm.FunctionOperator((3, 3), None, abs), TypeError, r"FunctionOperator: matvec is a NoneType; expected a function\."),
        (lambda: sm.FunctionOperator(3, abs, abs), ValueError, r"FunctionOperator: shape is 3; expected \(m, n\)\."),
        (lambda: sm.FunctionOperator((3, 0), abs, abs), ValueError, r"FunctionOperator: n is 0; expected a positive int\."),
        (lambda: sm.kron(sm.identity(2), 3), TypeError, r"kron: part 2 is a int; expected a LinearOperator\."),
        (lambda: sm.kron(sm.Zero(2, 3), sm.Zero(3, 2)) ** -1, TypeError, r"Kron\(6×6\) \*\* -1: Kron has no exact inverse"),
        (lambda: sm.Zero(0, 3), ValueError, r"Zero: m is 0; expected a positive int\."),
        (lambda: sm.Zero(2, 2) ** -1, TypeError, r"Zero has no exact inverse"),
    ],
)  # fmt: skip
def test_bad_input(call: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
