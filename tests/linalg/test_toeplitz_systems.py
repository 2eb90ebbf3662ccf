"""Toeplitz systems: every way to solve them, of every kind of matrix, against dense matrices in extended precision."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from backends import ALL, library

import structmat as sm
from structmat._backend import devices, linear_algebra
from structmat.linalg import displacement, toeplitz
from structmat.linalg.iterative import Iteration

L = sm.linalg
LIBRARIES = [backend for backend in ALL if backend.name in ("numpy", "strict", "strict-device1", "torch", "jax")]
Sides = tuple[np.ndarray, np.ndarray]


def draw(*shape: int, seed: int = 0, dtype: str = "float64") -> Any:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if "complex" in dtype else x).astype(dtype)


def symbol(n: int, condition: float) -> np.ndarray:
    """Column of a symmetric definite matrix whose symbol runs from 1/condition to 1, which bounds its condition."""
    angles = 2 * np.pi * np.arange(8 * n) / (8 * n)
    return np.fft.ifft(condition ** (-0.5 + 0.5 * np.cos(angles))).real[:n]


def matrices(n: int) -> dict[str, Sides]:
    """One of each kind: definite of any condition, not symmetric, complex, with singular leading minors."""
    k, zeros = np.arange(n), np.zeros(n)
    kinds = {f"definite 1e{e}": (symbol(n, 10.0**e), symbol(n, 10.0**e)) for e in (2, 6, 10, 12)}
    kinds["Hermitian"] = symbol(n, 1e8) * np.exp(0.3j * k), symbol(n, 1e8) * np.exp(-0.3j * k)
    kinds["nearly symmetric"] = symbol(n, 1e8) + 1e-11 * draw(n, seed=1), symbol(n, 1e8)
    kinds["random"] = draw(n, seed=1), draw(n, seed=2)
    kinds["complex"] = draw(n, seed=1, dtype="complex128"), draw(n, seed=2, dtype="complex128")
    kinds["zero diagonal"] = draw(n, seed=3) * (k > 0), draw(n, seed=4)
    kinds["zero diagonal, complex"] = draw(n, seed=3, dtype="complex128") * (k > 0), draw(n, seed=4)
    # the leading minors of orders 1 to n // 2 are all zero
    kinds["singular minors"] = np.where(k == n // 2, 3.0, 0.1 * (k == n // 2 + 3)), np.where(k == n - n // 2, -2.0, 0.0)
    kinds["lower triangular"] = 0.5**k, zeros
    kinds["upper triangular"] = np.where(k == 0, 3.0, 0.0), 0.7**k
    return kinds


KINDS = list(matrices(8))


def dense(sides: Sides) -> np.ndarray:
    return scipy.linalg.toeplitz(*(side.astype(np.result_type(side, np.longdouble)) for side in sides))


def backward_error(M: np.ndarray, sides: Sides, x: np.ndarray, b: np.ndarray) -> float:
    """Of each column, by a product in extended precision; the sum of all entries that occur bounds the norm."""
    norm = float(sum(np.sum(np.abs(side)) for side in sides))
    left = np.linalg.norm((M @ x - b).astype(np.result_type(x, b)), axis=0)
    return float(np.max(left / (norm * np.linalg.norm(x, axis=0) + np.linalg.norm(b, axis=0))))


def rounding(n: int) -> float:
    """What passes for rounding: that of a product by Fourier transforms of length 2n."""
    return 8 * math.log2(2 * n) * float(np.finfo(np.float64).eps)


@pytest.mark.parametrize(
    ("kind", "n"),
    [
        (kind, n)
        for kind in KINDS
        for n in (1, 2, 5, 64, 700, 1100, 1601)
        if n > 2 or not kind.startswith(("zero", "singular"))  # which are singular of such a size
    ],
)
def test_solutions_of_every_kind(kind: str, n: int) -> None:
    """No more than rounding is left of any system, of few right-hand sides and of many."""
    sides = matrices(n)[kind]
    A, M = sm.Toeplitz(*sides), dense(sides)
    B = draw(n, 6, seed=5, dtype=str(np.result_type(*sides)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x, one = L.solve(A, B), L.solve(A, B[:, 0])
    assert x.dtype == np.result_type(*sides)
    assert backward_error(M, sides, x, B) <= 2 * rounding(n)
    assert backward_error(M, sides, one[:, None], B[:, :1]) <= 2 * rounding(n)


@pytest.mark.parametrize("n", [700, 1100, 4200])
@pytest.mark.parametrize("exponent", [2, 6, 10, 12])
def test_errors_are_those_of_the_condition(exponent: int, n: int) -> None:
    """The solution is as near as the condition, known from the symbol, lets a backward stable one be."""
    column, x = symbol(n, 10.0**exponent), draw(n, seed=6)
    b = (dense((column, column)) @ x).astype(float) if n < 2000 else sm.SymmetricToeplitz(column) @ x
    for A in (sm.SymmetricToeplitz(column), sm.Toeplitz(column, column)):
        found = L.solve(A, b)
        assert np.linalg.norm(found - x) <= 4 * 10.0**exponent * rounding(n) * np.linalg.norm(x)


@pytest.mark.parametrize("n", [60, 1100])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_all_sides_share_what_is_kept(dtype: str, n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adjoints, conjugates and transposes, of Hankel matrices too; nothing is factored twice."""
    column, row = draw(n, seed=1, dtype=dtype), draw(n, seed=2, dtype=dtype)
    hermitian = np.concatenate((column[:1].real, column[1:]))
    for leaf in (sm.Toeplitz(column, row), sm.Hankel(column, row), sm.SymmetricToeplitz(hermitian)):
        b = draw(n, 2, seed=3, dtype=dtype)
        L.solve(leaf, b)
        with monkeypatch.context() as patched:
            patched.setattr(linear_algebra, "levinson", None)
            for name in ("eliminated", "DenseFactors"):
                patched.setattr(toeplitz, name, None)
            for A in (leaf, leaf.H, leaf.T, leaf.conj()):
                for right in (b, b.real, (1 + 2j) * b):
                    x, D = L.solve(A, right), A.to_dense()
                    left = np.linalg.norm(D @ x - right)
                    size = np.linalg.norm(D, 1) * np.linalg.norm(x) + np.linalg.norm(right)
                    assert left <= 4 * rounding(n) * size
                    assert x.dtype == np.result_type(D, right)


def test_compositions() -> None:
    """Multiples, products, powers, blocks and Kronecker products of matrices above the size of dense fallbacks."""
    n = 1100
    T = sm.Toeplitz(draw(n, seed=1) * (np.arange(n) > 0), draw(n, seed=2))
    H, b = sm.Hankel(draw(n, seed=3), draw(n, seed=4)), draw(n, 2)
    D = sm.Diagonal(2 + np.abs(draw(n)))
    for A in (-3 * T, T @ D, H @ T.H, sm.block_diag([T, H.H]), sm.repeat(T, 2), sm.kron(sm.identity(2), T)):
        right = np.concatenate([b] * (A.n // n))
        x = L.solve(A, right)
        assert np.linalg.norm(A @ x - right) <= 1e-9 * np.linalg.norm(right)  # of a condition of under 1e6
    db, grads = L.solve_vjp(T, b[:, 0], b[:, 1])
    x, h = np.linalg.solve(T.to_dense(), b[:, 0]), np.linalg.solve(T.to_dense().T, b[:, 1])
    assert np.allclose(db, h, atol=1e-9)
    assert np.allclose(grads[0][1], -np.sum(h[1:] * x[:-1]), atol=1e-8)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "longdouble", "clongdouble"])
@pytest.mark.parametrize("n", [50, 1100, 1601])
def test_precisions(n: int, dtype: str) -> None:
    """Solutions are right to their last digit: single precision is computed in double, extended is refined."""
    sides = draw(n, seed=1, dtype=dtype), draw(n, seed=2, dtype=dtype)
    A, b = sm.Toeplitz(*sides), draw(n, 1, seed=3, dtype=dtype)
    x = L.solve(A, b)
    assert x.dtype == b.dtype
    assert backward_error(dense(sides), sides, x, b) <= 16 * math.log2(2 * n) * float(np.finfo(dtype).eps)
    if dtype == "float32":
        exact = np.linalg.solve(dense(sides).astype(float), b.astype(float))
        assert np.linalg.norm(x - exact) <= 2 * float(np.finfo(dtype).eps) * np.linalg.norm(exact)


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e290])
def test_scales(scale: float) -> None:
    """Squares and products of entries may lie beyond the range of numbers."""
    for n in (60, 1100):
        column, row, b = draw(n, seed=1), draw(n, seed=2), draw(n)
        x = np.linalg.solve(dense((column, row)).astype(float), b)
        with np.errstate(over="raise", invalid="raise"):
            for found in (
                L.solve(sm.Toeplitz(scale * column, scale * row), scale * b),
                L.solve(sm.Toeplitz(column, row), scale * b) / scale,
            ):
                assert np.linalg.norm(found - x) <= 1e-9 * np.linalg.norm(x)


def test_many_right_hand_sides() -> None:
    """Each solution is that of its right-hand side alone, in blocks or not, by whichever way."""
    for n, k in ((60, 70), (300, 100), (700, 5), (700, 200), (1100, 150), (1700, 90)):
        sides = draw(n, seed=1), draw(n, seed=2)
        A, B = sm.Toeplitz(*sides), draw(2, n, k, seed=3)
        x = L.solve(A, B)
        assert x.shape == B.shape
        M = dense(sides).astype(float)
        for got, wanted in zip(x, B, strict=True):
            assert backward_error(M, sides, got, wanted) <= 4 * rounding(n)


def test_what_is_kept_is_read_only() -> None:
    A = sm.Toeplitz(draw(60, seed=1), draw(60, seed=2))
    L.solve(A, draw(60))
    (kept,) = (value for value in A._cache.values() if isinstance(value, toeplitz.ToeplitzSystem))
    assert kept.factors is not None
    assert not kept.factors._lu.flags.writeable


# ---------------------------------------------------------------------- ways


def system(backend: Any, sides: Sides) -> toeplitz.ToeplitzSystem:
    A = backend.bring(sm.Toeplitz(*sides))
    return toeplitz.ToeplitzSystem(A.xp, A.column, A.row, A._label)


@pytest.mark.parametrize("backend", LIBRARIES, ids=repr)
def test_elimination_on_every_library(backend: Any) -> None:
    kinds = [(6, "float64")] if backend.name == "jax" else [(1, "float64"), (6, "float64"), (7, "complex128")]
    for n, dtype in kinds:  # JAX compiles each step of each
        sides = draw(n, seed=1, dtype=dtype), draw(n, seed=2, dtype=dtype)
        if n > 1:
            sides[0][0] = 0
        S, B = system(backend, sides), draw(3, n, seed=3, dtype=dtype)
        x = devices.to_host(displacement.eliminated(S.xp, S.T.column, S.T.row, backend.asarray(B)))
        M = dense((sides[0], np.concatenate((sides[0][:1], sides[1][1:])))).astype(dtype)
        assert np.allclose(M @ x.T, B.T, atol=1e-12)
        if backend.name == "jax":
            continue
        found = S._by_elimination(backend.asarray(B), Iteration())
        assert np.allclose(M @ devices.to_host(found.x).T, B.T, atol=1e-13)
        assert S.columns is not None
        assert np.allclose(
            devices.to_host(S.columns.apply(S.xp, backend.asarray(B))), np.linalg.solve(M, B.T).T, atol=1e-12
        )


def test_elimination_chooses_pivots() -> None:
    """The first entry of the Cauchy-like matrix, a sum over all of T, is made zero, or 1e-14 of the others."""
    n = 64
    turns = np.exp(1j * np.pi * np.arange(n) / n)
    column, row = draw(n, seed=1, dtype="complex128"), draw(n, seed=2, dtype="complex128")
    for rest in (0.0, 1e-13):
        row[0] = column[0]
        column[0] -= np.sum(scipy.linalg.toeplitz(column, row) @ turns) / np.sum(turns) - rest
        row[0] = column[0]
        M, B = scipy.linalg.toeplitz(column, row), draw(2, n, seed=3, dtype="complex128")
        x = displacement.eliminated(np, column, row, B)
        assert x is not None
        assert np.linalg.norm(M @ x.T - B.T) <= 1e-10 * np.linalg.norm(B)


def test_refinement() -> None:
    """With the inverse to three digits it goes on to the last one; what does no good leaves the solution as it is."""
    column, row = draw(40, seed=1), draw(40, seed=2)
    column[0] += 20
    S, B = toeplitz.ToeplitzSystem(np, column, row, "T"), draw(3, 40)
    inverse = np.linalg.inv(S.T.to_dense()).T

    def roughly(R: np.ndarray) -> np.ndarray:
        return R @ (inverse * (1 + 1e-3 * draw(40, 40, seed=3)))

    assert S._candidate(roughly(B), B).error > 1e-6
    assert S._refined(roughly(B), B, roughly).error <= S.enough
    kept = S._refined(roughly(B), B, lambda R: 1e3 * R)
    assert np.array_equal(kept.x, roughly(B))
    assert S._refined(np.full_like(B, np.nan), B, roughly).error == math.inf


@pytest.mark.parametrize("backend", LIBRARIES, ids=repr)
def test_large_systems_on_every_library(backend: Any) -> None:
    """Above the size of general dense fallbacks there is a way without any iterative solver."""
    n = 1100
    sides = draw(n, seed=3) * (np.arange(n) > 0), draw(n, seed=4)
    A, b = backend.bring(sm.Toeplitz(*sides)), draw(n, 2)
    for operator, M in ((A, dense(sides)), (A.H, dense(sides).T)):
        x = L.solve(operator, backend.asarray(b))
        assert backward_error(M.astype(float), sides, devices.to_host(x), b) <= 4 * rounding(n)


def test_traces_and_graphs() -> None:
    """Where there are no values to look at, or a graph goes through them, small systems are dense ones."""
    torch, jax = library("torch"), library("jax")
    sides, B = (draw(9, seed=1), draw(9, seed=2)), draw(3, 9)
    sides[0][0] += 9
    for A in (sm.Toeplitz(*sides), sm.Toeplitz(*sides).H, sm.Hankel(*sides)):
        wanted = np.linalg.solve(A.to_dense(), B.T).T
        J, T = A.to(xp=jax.numpy), A.to(xp=torch)
        assert np.allclose(jax.jit(lambda b, J=J: L.solve(J, b.T).T)(jax.numpy.asarray(B)), wanted)
        assert np.allclose(torch.func.vmap(lambda b, T=T: L.solve(T, b))(torch.asarray(B)), wanted)
        jacobian = torch.func.jacrev(lambda b, T=T: L.solve(T, b))(torch.asarray(B[0]))
        assert np.allclose(jacobian, np.linalg.inv(A.to_dense()))
    for n, zero in ((9, 0), (9, 1), (1100, 1)):
        column, row = (torch.asarray(draw(n, seed=seed)) for seed in (1, 2))
        column[0] += 60
        b = torch.asarray(draw(n)).requires_grad_()
        T = sm.Toeplitz(column.requires_grad_(), zero * row)
        with warnings.catch_warnings():
            # the general dense way looks at singular values, of which PyTorch warns
            warnings.simplefilter("ignore" if n == 9 and zero else "error")
            L.solve(T, b).sum().backward()
        matrix = torch.asarray(scipy.linalg.toeplitz(column.detach(), zero * row))
        assert np.allclose(b.grad, torch.linalg.solve(matrix.T, torch.ones(n, dtype=torch.float64)))
        assert np.allclose(column.grad[0], -torch.dot(b.grad, torch.linalg.solve(matrix, b.detach())))


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_columns_give_the_inverse(dtype: str) -> None:
    """The formula against the inverse, with the two columns from the dense matrix."""
    for n in (1, 2, 5, 8, 31):
        column, row = draw(n, seed=1, dtype=dtype), draw(n, seed=2, dtype=dtype)
        row[0] = column[0]
        inverse = np.linalg.inv(dense((column, row)).astype(dtype))
        h = np.concatenate(([0], np.flip(row[1:])))
        columns = displacement.InverseColumns.of(np, inverse[:, 0], inverse @ h)
        assert np.allclose(columns.apply(np, np.eye(n, dtype=dtype)).T, inverse, atol=1e-10 * np.abs(inverse).max())


def test_the_fast_ways_are_taken() -> None:
    """Levinson's recursion gives the columns wherever it can, elimination where it breaks down."""
    n = 1601
    for kind, many in (("definite 1e10", 1), ("random", 1), ("zero diagonal", 1), ("zero diagonal", 9)):
        S = system(LIBRARIES[0], matrices(n)[kind])
        assert S.solve(draw(many, n), Iteration()) is not None
        assert S.columns is not None
        assert S.factors is None
    S = system(LIBRARIES[0], matrices(4200)["definite 1e2"])
    assert S.solve(draw(1, 4200), Iteration()) is not None
    assert S.columns is None  # an iteration has converged


def test_a_wrong_way_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a way returns is checked: the next one is taken, and where all are wrong there is a warning."""
    n = 1601
    sides, b = (draw(n, seed=1), draw(n, seed=2)), draw(n)

    def wrong(*arguments: Any) -> Any:
        return 1.001 * arguments[-1]

    monkeypatch.setattr(linear_algebra, "levinson", wrong)
    x = L.solve(sm.Toeplitz(*sides), b)
    assert backward_error(dense(sides), sides, x[:, None], b[:, None]) <= 2 * rounding(n)
    monkeypatch.setattr(toeplitz, "CLOSE", math.inf)  # so that elimination of nonsense is not taken for singular
    monkeypatch.setattr(toeplitz, "eliminated", wrong)
    x = L.solve(sm.Toeplitz(*sides), b)
    assert backward_error(dense(sides), sides, x[:, None], b[:, None]) <= 2 * rounding(n)
    monkeypatch.setattr(toeplitz.DenseFactors, "solve", lambda self, B: 1e-9 * B)
    with pytest.warns(L.ConvergenceWarning, match=r"with Toeplitz 1601×1601 to the tolerance.*‖b - A x‖ / ‖b‖ is \d"):
        L.solve(sm.Toeplitz(*sides), b)


def singular(n: int) -> dict[str, Sides]:
    k = np.arange(n)
    second = np.where(k == 0, 2 * np.cos(np.pi / (n + 1)), -1.0 * (k == 1))
    sine = np.sin(0.7 * k)  # of rank 2
    return {"second difference": (second, second), "ones": (np.ones(n), np.ones(n)), "rank two": (sine, -sine)}


@pytest.mark.parametrize("iterated", [4096, 1000])
@pytest.mark.parametrize("n", [9, 400, 1100, 1700])
@pytest.mark.parametrize("kind", list(singular(3)))
def test_singular_matrices_are_refused(kind: str, n: int, iterated: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with a solution for b as well, which an iteration would find."""
    monkeypatch.setattr(toeplitz, "ITERATED", iterated)
    T = sm.Toeplitz(*singular(n)[kind])
    for b in (draw(n), T @ draw(n)):
        with pytest.raises(np.linalg.LinAlgError, match=f"Toeplitz {n}×{n} is singular to working precision"):
            L.solve(T, b)


def test_nearly_singular_matrices_are_not() -> None:
    """Of a condition of 1e11 to 1e12, above and below the size of dense factors."""
    for n in (300, 1100, 1700):
        k = np.arange(n)
        column = np.where(k == 0, 2 * np.cos(np.pi / (n + 1)) + 1e-11, -1.0 * (k == 1))
        T, b = sm.SymmetricToeplitz(column), draw(n, 1)
        assert backward_error(dense((column, column)), (column, column), L.solve(T, b), b) <= 2 * rounding(n)


def test_matrices_that_are_not_finite() -> None:
    for wrong in (np.nan, np.inf):
        column = np.asarray([2.0, wrong, 1.0])
        with pytest.raises(np.linalg.LinAlgError, match="SymmetricToeplitz 3×3"), np.errstate(all="ignore"):
            L.solve(sm.SymmetricToeplitz(column), np.ones(3))


def test_options_of_iterations() -> None:
    """Above the size where an iteration is tried, `rtol` is what it reaches, and `callback` gets its solutions."""
    n = 4200
    column = symbol(n, 1e4)
    T, b, seen = sm.SymmetricToeplitz(1e200 * column), 1e200 * draw(n), []
    x = L.solve(T, b, rtol=1e-3, callback=seen.append)
    residual = np.linalg.norm(T @ (1e-200 * x) - 1e-200 * b) / np.linalg.norm(1e-200 * b)
    assert 1e-12 < residual <= 1e-3
    assert np.allclose(seen[-1].x, x, rtol=1e-6, atol=1e-8 * np.abs(x).max())


def test_beyond_the_size_of_direct_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only iteration is left: it reaches its tolerance or warns."""
    monkeypatch.setattr(toeplitz, "DIRECT", 100)
    T, b = sm.SymmetricToeplitz(symbol(300, 1e2)), draw(300)
    assert np.linalg.norm(T @ L.solve(T, b) - b) <= 1e-10 * np.linalg.norm(b)
    with pytest.warns(L.ConvergenceWarning, match="with SymmetricToeplitz 300×300"):
        L.solve(sm.SymmetricToeplitz(symbol(300, 1e10)), b, maxiter=3)
