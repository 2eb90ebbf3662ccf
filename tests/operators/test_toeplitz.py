"""Toeplitz, Hankel, f-circulant and multilevel circulant operators beyond the contract."""

import functools
from collections import Counter
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from accuracy import RATIO, ratio, rounded, vectors
from backends import library
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat._backend import fft

torch = library("torch")

sizes = st.integers(1, 20)
B = 7


def draw(shape: int | tuple[int, ...], seed: int, *, complex_: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0)


def f_circulant(column: np.ndarray, f: complex) -> np.ndarray:
    n = len(column)
    d = np.subtract.outer(np.arange(n), np.arange(n))
    return np.where(d >= 0, 1, f) * column[d % n]


# ---------------------------------------------------------------------- definitions and gradients


@given(m=sizes, n=sizes, kinds=st.tuples(st.booleans(), st.booleans()))
def test_as_scipy(m: int, n: int, kinds: tuple[bool, bool]) -> None:
    """Column and row may be of different kinds, and any shape."""
    c, r = draw(m, 1, complex_=kinds[0]), draw(n, 2, complex_=kinds[1])
    assert np.allclose(sm.Toeplitz(c, r).to_dense(), scipy.linalg.toeplitz(c, r), atol=1e-13)
    assert np.allclose(sm.Hankel(c, r).to_dense(), scipy.linalg.hankel(c, r), atol=1e-13)
    assert np.allclose(sm.SymmetricToeplitz(c).to_dense(), scipy.linalg.toeplitz(c), atol=1e-13)
    x = draw((n, 3), 3)
    assert np.allclose(sm.Toeplitz(c, r).matmat(x), scipy.linalg.matmul_toeplitz((c, r), x), atol=1e-12)


OTHERS = {
    "tall": sm.Toeplitz(draw(9, 0, complex_=True), draw(4, 1, complex_=True)),
    "wide": sm.Toeplitz(draw(2, 0, complex_=True), draw(9, 1, complex_=True)),
    "one row": sm.Toeplitz(draw(1, 0), draw(6, 1)),
    "one column": sm.Toeplitz(draw(6, 0), draw(1, 1)),
    "mixed kinds": sm.Toeplitz(draw(5, 0), draw(6, 1, complex_=True)),
    "mixed precisions": sm.Toeplitz(draw(5, 0).astype(np.float32), draw(6, 1)),
    "Hermitian": sm.SymmetricToeplitz(draw(8, 0, complex_=True)),
    "tall Hankel": sm.Hankel(draw(9, 0, complex_=True), draw(4, 1, complex_=True)),
    "wide Hankel": sm.Hankel(draw(2, 0, complex_=True), draw(9, 1)),
    "Hankel of one row": sm.Hankel(draw(1, 0), draw(6, 1)),
    "Hankel of one column": sm.Hankel(draw(6, 0, complex_=True), draw(1, 1)),
    "skew": sm.SkewCirculant(draw(8, 0, complex_=True)),
    "one level": sm.MultilevelCirculant(draw(6, 0, complex_=True)),
    "four levels": sm.MultilevelCirculant(draw((2, 1, 3, 4), 0, complex_=True)),
    "cut blocks": sm.block_circulant(draw((3, 2, 4), 0, complex_=True), shape=(9, 7)),
} | {
    f"f = {f}, {kind}, n = {n}": sm.FCirculant(draw(n, 0, complex_=kind == "complex"), f)
    for f in (1, 2.0, -1, -3, 1j, 0.5 - 0.5j)
    for kind in ("real", "complex")
    for n in (1, 6, 7)
}


@pytest.mark.parametrize("name", OTHERS)
def test_contract_of_other_kinds_and_shapes(name: str) -> None:
    sm.testing.check_operator(OTHERS[name])


def test_the_ignored_entry_has_no_gradient() -> None:
    c, r, x, g = draw(5, 0), draw(6, 1), draw((3, 6), 2), draw((3, 5), 3)
    for cls in (sm.Toeplitz, sm.Hankel):
        assert cls(c, r).vjp(x, g)[1][1][0] == 0


def test_a_symmetric_toeplitz_is_its_own_adjoint() -> None:
    A, H = sm.SymmetricToeplitz(draw(5, 0)), sm.SymmetricToeplitz(draw(5, 0, complex_=True))
    assert A.H is A
    assert H.H is not H  # c[0] may have an imaginary part


# ---------------------------------------------------------------------- exact integers


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data(), m=sizes, n=sizes)
def test_integers(data: st.DataObject, m: int, n: int, dtype: type) -> None:
    c, r, x, g = (np.asarray(data.draw(vectors(k))) for k in (m, n, n, m))
    wide = [np.asarray(v, dtype=dtype) for v in (c, r, x, g)]
    for cls, matrix in ((sm.Toeplitz, scipy.linalg.toeplitz(c, r)), (sm.Hankel, scipy.linalg.hankel(c, r))):
        A = cls(wide[0], wide[1])
        assert rounded(A.matvec(wide[2])) == (matrix @ x).tolist()
        assert rounded(A.rmatvec(wide[3])) == (matrix.T @ g).tolist()
    assert rounded(sm.SkewCirculant(wide[0]).matvec(wide[3])) == (f_circulant(c, -1) @ g).tolist()


# ---------------------------------------------------------------------- many levels


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("shape", [(5,), (1,), (3, 4), (2, 3, 1, 4), (2, 2, 2, 2, 3)])
def test_multilevel(shape: tuple[int, ...], complex_: bool) -> None:
    t, x = draw(shape, 0, complex_=complex_), draw((B, *shape), 1)
    A = sm.MultilevelCirculant(t)
    axes = tuple(range(1, x.ndim))
    wanted = np.fft.ifftn(np.fft.fftn(t) * np.fft.fftn(x, axes=axes), axes=axes)
    y = A.matvec(x.reshape(B, -1))
    assert np.allclose(y, wanted.reshape(B, -1), atol=1e-12)
    assert y.dtype == t.dtype
    assert np.allclose(A.spectrum, np.fft.fftn(t) if complex_ else np.fft.rfftn(t), atol=1e-12)
    # the sum of the shifts by each index, which are Kronecker products of cyclic shifts
    shifts = (
        t[index] * functools.reduce(np.kron, [np.roll(np.eye(n), k, axis=0) for n, k in zip(shape, index, strict=True)])
        for index in np.ndindex(shape)
    )
    assert np.allclose(A.to_dense(), sum(shifts), atol=1e-12)


def test_one_level_is_a_circulant() -> None:
    c, x = draw(9, 0), draw((B, 9), 1)
    assert np.allclose(sm.MultilevelCirculant(c).matvec(x), sm.Circulant(c).matvec(x), atol=1e-14)


def test_a_kronecker_product_of_columns_is_one_of_circulants() -> None:
    u, v = draw(3, 0), draw(4, 1)
    wanted = np.kron(scipy.linalg.circulant(u), scipy.linalg.circulant(v))
    assert np.allclose(sm.MultilevelCirculant(np.multiply.outer(u, v)).to_dense(), wanted, atol=1e-13)


# ---------------------------------------------------------------------- spectra and inverses


@pytest.mark.parametrize(("n", "kept"), [(1, 1), (6, 3), (7, 4)])
def test_eigenvalues_of_a_real_skew_circulant(n: int, kept: int) -> None:
    A = sm.SkewCirculant(draw(n, 0))
    half = A.spectrum
    assert half.shape == (kept,)
    wanted = np.linalg.eigvals(A.to_dense())
    both = np.concatenate((half, half.conj()))
    assert all(np.min(np.abs(both - value)) < 1e-12 for value in wanted)
    assert all(np.min(np.abs(wanted - value)) < 1e-12 for value in both)


@pytest.mark.parametrize(
    "A",
    [
        sm.SkewCirculant(draw(6, 0)),
        sm.SkewCirculant(draw(7, 0, complex_=True)),
        sm.FCirculant(draw(6, 0), -2.0),
        sm.FCirculant(draw(7, 0), 0.5j),
        sm.MultilevelCirculant(draw((3, 4), 0)),
        sm.MultilevelCirculant(draw((3, 1, 4), 0, complex_=True)),
    ],
    ids=str,
)
def test_inverse(A: sm.LinearOperator) -> None:
    assert np.allclose((A**-1 @ A).to_dense(), np.eye(A.n), atol=1e-11)


@pytest.mark.parametrize(
    "A",
    [
        sm.SkewCirculant(np.zeros(3)),
        sm.SkewCirculant(np.asarray([1.0, 1.0, 0.0])),  # 1 + z divides z^3 + 1
        sm.FCirculant(np.asarray([2.0, -1.0]), 4),  # 2 - z divides 4 - z^2
        sm.MultilevelCirculant(np.ones((2, 3))),
    ],
)
def test_singular(A: sm.LinearOperator) -> None:
    with pytest.raises(np.linalg.LinAlgError, match="singular to working precision"):
        _ = A**-1


# ---------------------------------------------------------------------- block circulants of any size


@pytest.mark.parametrize("shape", [(12, 8), (9, 8), (12, 5), (10, 7)])
def test_blocks_are_cut(shape: tuple[int, int]) -> None:
    blocks, x = draw((3, 2, 4), 0), draw((B, shape[1]), 1)
    A, whole = sm.block_circulant(blocks, shape), sm.BlockCirculant(blocks)
    assert A.shape == shape
    assert np.allclose(A.to_dense(), whole.to_dense()[: shape[0], : shape[1]], atol=1e-13)
    assert A.params[0] is blocks
    assert (type(A) is sm.BlockCirculant) == (shape == whole.shape)
    assert A.matvec(x).shape == (B, shape[0])


# ---------------------------------------------------------------------- cost


def step(A: sm.LinearOperator, dtype: type = float) -> None:
    _, saved = A.forward(np.ones((B, A.n), dtype=dtype))
    A.backward(saved, np.ones((B, A.m), dtype=dtype))


REAL = {("rfft", B): 2, ("irfft", B): 2, ("rfft", 1): 1, ("irfft", 1): 1}
FULL = {("fft", B): 2, ("ifft", B): 2, ("fft", 1): 1, ("ifft", 1): 1}


@pytest.mark.parametrize(
    ("A", "wanted"),
    [
        (sm.Toeplitz(np.ones(5), np.ones(7)), REAL),
        (sm.SymmetricToeplitz(np.ones(7)), REAL),
        (sm.Hankel(np.ones(5), np.ones(7)), REAL),
        (sm.SkewCirculant(np.ones(7)), REAL),
        (sm.SkewCirculant(np.ones(8)), FULL),  # of half the length, see below
        (sm.FCirculant(np.ones(8), 2.0), REAL),
        (sm.FCirculant(np.ones(8), 2.0j), FULL),
        (sm.MultilevelCirculant(np.ones(8)), REAL),
    ],
    ids=str,
)
def test_transforms_of_a_step(counted: Counter, A: sm.LinearOperator, wanted: dict[Any, int]) -> None:
    step(A)
    assert counted == wanted


def test_even_skew_circulants_transform_half_the_length() -> None:
    assert sm.SkewCirculant(np.ones(8))._right(np, np.ones((B, 8))).shape == (B, 4)


def test_successive_transforms_of_many_levels(counted: Counter) -> None:
    step(sm.MultilevelCirculant(np.ones((3, 4, 6))))
    half = 4  # of 6
    many = {("rfft", B * 12): 2, ("fft", B * 3 * half): 2, ("fft", B * 4 * half): 2}
    many |= {("irfft", B * 12): 2, ("ifft", B * 3 * half): 2, ("ifft", B * 4 * half): 2}
    one = {(name, count // B): 1 for name, count in many}
    assert counted == many | one


def test_fast_lengths_cost_least() -> None:
    costs = {
        2**a * 3**b * 5**c: 2**a * 3**b * 5**c * (a + 2 * b + 3 * c)
        for a in range(13)
        for b in range(9)
        for c in range(6)
    }
    for n in range(2, 4096):
        chosen = fft.fast_length(n)
        assert chosen >= n
        assert costs[chosen] == min(cost for length, cost in costs.items() if length >= n)
    assert [fft.fast_length(n) for n in (1, 2, 2**20 + 1, 2**31 - 1)] == [1, 2, 2**13 * 135, 2**31]


def test_embeddings_have_fast_lengths() -> None:
    assert sm.Toeplitz(np.ones(500), np.ones(514))._right(np, np.ones(514)).shape == (1024 // 2 + 1,)
    assert sm.Hankel(np.ones(500), np.ones(514))._right(np, np.ones(514)).shape == (1024 // 2 + 1,)


# ---------------------------------------------------------------------- accuracy at length


def sampled(column: np.ndarray, row: np.ndarray, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Entries of a Toeplitz product in wider precision."""
    wide = {"float32": np.float64, "float64": np.longdouble}[x.dtype.name]
    diagonals = np.concatenate((column[::-1], row[1:])).astype(wide)  # from the lowest up
    windows = np.lib.stride_tricks.sliding_window_view(diagonals, len(x))
    return windows[len(column) - 1 - rows] @ x.astype(wide)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1000, 2**14, 2**16 - 1, 2**20])
def test_accuracy(n: int, dtype: str) -> None:
    """Normwise, against a lower bound of ‖A‖, the length of its first column."""
    rng = np.random.default_rng(n)
    c, r, x = (rng.standard_normal(n).astype(dtype) for _ in range(3))
    c[0] = r[0]
    rows = rng.choice(n, 16, replace=False)
    scale = np.linalg.norm(c) * np.linalg.norm(x)
    cases = {
        "Toeplitz": (sm.Toeplitz(c, r).matvec(x), sampled(c, r, x, rows)),
        "its adjoint": (sm.Toeplitz(r, c).rmatvec(x), sampled(c, r, x, rows)),
        "Hankel": (sm.Hankel(c, r).matvec(x), sampled(*turned(c, r), x[::-1], rows)),
        "skew": (sm.SkewCirculant(c).matvec(x), sampled(c, np.append(c[0], -c[:0:-1]), x, rows)),
    }
    ratios = {name: ratio(got, wanted, scale, rows) for name, (got, wanted) in cases.items()}
    assert max(ratios.values()) <= RATIO, ratios


def turned(c: np.ndarray, r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of the Toeplitz matrix that a Hankel matrix is with its columns reversed."""
    diagonals = np.concatenate((c, r[1:]))
    return diagonals[len(r) - 1 :], diagonals[len(r) - 1 :: -1]


# ---------------------------------------------------------------------- inside PyTorch


MADE = {
    "Toeplitz": lambda dtype: sm.Toeplitz(draw(5, 0).astype(dtype), draw(8, 1).astype(dtype)),
    "SymmetricToeplitz": lambda dtype: sm.SymmetricToeplitz(draw(8, 0).astype(dtype)),
    "Hankel": lambda dtype: sm.Hankel(draw(5, 0).astype(dtype), draw(8, 1).astype(dtype)),
    "SkewCirculant": lambda dtype: sm.SkewCirculant(draw(8, 0).astype(dtype)),
    "FCirculant": lambda dtype: sm.FCirculant(draw(8, 0).astype(dtype), -0.5),
    "MultilevelCirculant": lambda dtype: sm.MultilevelCirculant(draw((2, 4), 0).astype(dtype)),
}


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("name", MADE)
def test_gradients_are_those_of_torch(name: str, dtype: str) -> None:
    A = MADE[name](dtype).to(xp=torch)
    params = [value.clone().requires_grad_() for value in A.params]
    x = torch.asarray(draw((B, A.n), 2).astype(dtype)).requires_grad_()
    g = torch.asarray(draw((B, A.m), 3, complex_=dtype == "complex128"))
    A.with_params(params).matvec(x).backward(g)
    dx, grads = A.vjp(x.detach(), g)
    torch.testing.assert_close(dx, x.grad)
    for ours, theirs in zip(grads, params, strict=True):
        torch.testing.assert_close(ours, theirs.grad)


@pytest.mark.filterwarnings("ignore")  # PyTorch says what it does with functools.lru_cache
@pytest.mark.parametrize("name", MADE)
def test_products_compile_whole_and_keep_their_precision(name: str) -> None:
    A, x = MADE[name]("float64"), draw(8, 2)
    torch.compiler.reset()
    y = torch.compile(A.to(xp=torch).matvec, backend="eager", fullgraph=True)(torch.asarray(x))
    assert np.allclose(y, A.matvec(x), rtol=0, atol=1e-13)


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sm.Toeplitz(np.ones((2, 2)), np.ones(2)), ValueError, r"Toeplitz: column has shape \(2, 2\)"),
        (lambda: sm.Toeplitz(np.ones(2), np.ones(0)), ValueError, r"Toeplitz: row has shape \(0,\)"),
        (lambda: sm.Toeplitz(np.ones(2), [1.0]), TypeError, r"Toeplitz: row is a list"),
        (lambda: sm.Toeplitz(np.ones(3), np.ones(2)).matvec(np.ones(3)), ValueError, r"must be n = 2 \(set by row\)"),
        (lambda: sm.Hankel(np.ones(3), np.ones(2)).rmatvec(np.ones(2)), ValueError, r"must be m = 3 \(set by column\)"),
        (
            lambda: sm.FCirculant(np.ones(3), 0),
            ValueError,
            r"f is 0.0; expected a finite number other than 0",
        ),
        (lambda: sm.FCirculant(np.ones(3), float("nan")), ValueError, r"f is nan"),
        (lambda: sm.FCirculant(np.ones(3), complex("inf")), ValueError, r"f is \(inf"),
        (lambda: sm.FCirculant(np.ones(3), "1"), TypeError, r"FCirculant: f is a str; expected a number"),
        (lambda: sm.FCirculant(np.ones(3), np.ones(3)), TypeError, r"FCirculant: f is a ndarray; expected a number"),
        (lambda: sm.MultilevelCirculant(np.asarray(1.0)), ValueError, r"expected 1 or more axes \(n\.\.\.\)"),
        (lambda: sm.MultilevelCirculant(np.ones((3, 0))), ValueError, r"expected no empty axis"),
        (
            lambda: sm.MultilevelCirculant(np.ones((3, 2))).matvec(np.ones((3, 2))),
            ValueError,
            r"n = 6 \(set by tensor\)",
        ),
        (lambda: sm.Toeplitz(np.ones(3), np.ones(3)) ** -1, TypeError, r"Toeplitz has no exact inverse"),
        (
            lambda: sm.block_circulant(np.ones((3, 2, 4)), (12, 9)),
            ValueError,
            r"3×2 blocks; expected 3×3 blocks of size 4",
        ),
        (
            lambda: sm.block_circulant(np.ones((3, 2, 4)), (12, 0)),
            ValueError,
            r"block_circulant: n is 0; expected a pos",
        ),
        (lambda: sm.block_circulant(np.ones((3, 2)), (12, 8)), ValueError, r"expected 3 axes \(p, q, b\)"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
