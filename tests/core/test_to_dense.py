"""Matrices written out are those of the definition: exact integers, every scale, symmetric, on all libraries."""

import dataclasses
from collections.abc import Callable
from typing import Any

import backends
import numpy as np
import pytest
import scipy.linalg
from backends import library

import structmat as sm
from structmat._backend import devices

LIBRARIES = [backend for backend in backends.ALL if backend.transform is None]
N = 6
COLUMN, ROW = np.asarray([1.0, 1e20, 0.0, -3.0, 1e-20, 7.0]), np.asarray([5.0, 0.0, -2.0, 1e10, 0.0, 4.0])
T, MATRIX = sm.Toeplitz(COLUMN, ROW), scipy.linalg.toeplitz(COLUMN, ROW)
C = sm.Circulant(COLUMN)
D, DIAGONAL = sm.Diagonal(ROW + 2), np.diag(ROW + 2)
ORDER = np.asarray([3, 0, 5, 1, 4, 2])
P, PERMUTATION = sm.Permutation(ORDER), np.eye(N)[ORDER]
S, SIGNS = sm.SignFlip(np.asarray([1, -1, -1, 1, -1, 1])), np.diag([1.0, -1, -1, 1, -1, 1])
SHIFT = sm.Shift(N, 2)
KEPT = np.asarray([4, 1, 3])
R, SELECTION = sm.Restriction(N, KEPT), np.eye(N)[KEPT]
EVEN, EVEN_ROWS = sm.Restriction(N, slice(None, None, -2)), np.eye(N)[::-2]
Z = sm.Circulant(COLUMN + 1j * ROW)
COMPLEX = scipy.linalg.circulant(COLUMN + 1j * ROW)
ROLLED = np.roll(np.eye(N), 2, axis=0)
SLOW = sm.FunctionOperator((N, N), lambda x: 2 * x, lambda g: 2 * g)

# Each entry of these is one entry of a part times factors, or a sum of two: rounded once or not at all.
EXACT: dict[str, tuple[Callable[[], sm.LinearOperator], Any]] = {
    "toeplitz": (lambda: T, MATRIX),
    "symmetric": (lambda: sm.SymmetricToeplitz(COLUMN), scipy.linalg.toeplitz(COLUMN)),
    "hankel": (lambda: sm.Hankel(COLUMN, ROW + 2), scipy.linalg.hankel(COLUMN, ROW + 2)),
    "circulant": (lambda: C, scipy.linalg.circulant(COLUMN)),
    "complex": (lambda: Z, COMPLEX),
    "adjoint": (lambda: T.H, MATRIX.T),
    "complex adjoint": (lambda: Z.H, COMPLEX.conj().T),
    "conjugate": (Z.conj, COMPLEX.conj()),
    "multiple": (lambda: -3 * T, -3 * MATRIX),
    "complex multiple": (lambda: 2j * T, 2j * MATRIX),
    "sum": (lambda: T + C, MATRIX + scipy.linalg.circulant(COLUMN)),
    "difference": (lambda: T - T.H, MATRIX - MATRIX.T),
    "beside": (lambda: sm.hstack([T, R.H, SLOW]), np.hstack([MATRIX, SELECTION.T, 2 * np.eye(N)])),
    "above": (lambda: sm.vstack([R, T, SLOW]), np.vstack([SELECTION, MATRIX, 2 * np.eye(N)])),
    "diagonal blocks": (lambda: sm.block_diag([R, T, SLOW]), scipy.linalg.block_diag(SELECTION, MATRIX, 2 * np.eye(N))),
    "repeated": (lambda: sm.repeat(T, 3), np.kron(np.eye(3), MATRIX)),
    "kronecker": (lambda: sm.kron(R, T), np.kron(SELECTION, MATRIX)),
    "kronecker with a function": (lambda: sm.kron(T, SLOW), np.kron(MATRIX, 2 * np.eye(N))),
    "rows scaled": (lambda: D @ T, DIAGONAL @ MATRIX),
    "columns scaled": (lambda: T @ D, MATRIX @ DIAGONAL),
    "rows moved": (lambda: P @ S @ SHIFT @ T, PERMUTATION @ SIGNS @ ROLLED @ MATRIX),
    "columns moved": (lambda: T @ P @ S @ SHIFT, MATRIX @ PERMUTATION @ SIGNS @ ROLLED),
    "moved back": (lambda: P.H @ T @ SHIFT.H @ P.H, PERMUTATION.T @ MATRIX @ ROLLED.T @ PERMUTATION.T),
    "cut": (lambda: R @ T @ EVEN.H, SELECTION @ MATRIX @ EVEN_ROWS.T),
    "padded": (lambda: EVEN.H @ R @ T @ R.H @ EVEN, EVEN_ROWS.T @ SELECTION @ MATRIX @ SELECTION.T @ EVEN_ROWS),
    "scaled twice": (lambda: 2 * D @ T @ (-2 * S), -4 * DIAGONAL @ MATRIX @ SIGNS),
    "complex factors": (lambda: sm.Diagonal(1j * ROW).H @ T, np.diag(-1j * ROW) @ MATRIX),
    "moved by a kronecker product": (
        lambda: sm.kron(P, S) @ sm.repeat(T, N) @ sm.kron(S, SHIFT),
        np.kron(PERMUTATION, SIGNS) @ np.kron(np.eye(N), MATRIX) @ np.kron(SIGNS, ROLLED),
    ),
    "complex factors on the right": (lambda: T @ sm.Diagonal(1j * ROW).H, MATRIX @ np.diag(-1j * ROW)),
    "cut by a kronecker product": (
        lambda: sm.repeat(T, 3) @ sm.kron(P, R),
        np.kron(np.eye(3), MATRIX) @ np.kron(PERMUTATION, SELECTION),
    ),
    "known beside": (lambda: sm.hstack([T, R.H, C]), np.hstack([MATRIX, SELECTION.T, scipy.linalg.circulant(COLUMN)])),
    "known above": (lambda: sm.vstack([R, T]), np.vstack([SELECTION, MATRIX])),
    "known diagonal blocks": (lambda: sm.block_diag([R, T]), scipy.linalg.block_diag(SELECTION, MATRIX)),
    "moved function": (lambda: P @ SLOW @ D, 2 * PERMUTATION @ DIAGONAL),
    "power of a shift": (lambda: T + SHIFT**4, MATRIX + np.linalg.matrix_power(ROLLED, 4)),
    "power 0": (lambda: T**0 + T, np.eye(N) + MATRIX),
    "sum with a function": (lambda: T + SLOW, MATRIX + 2 * np.eye(N)),
}
ON = [
    pytest.param(name, backend, id=f"{name}-{backend}")
    for name in EXACT
    for backend in LIBRARIES
    if backend.name != "jax"
]


@pytest.mark.parametrize(("name", "backend"), ON)
def test_matrices_are_exact(name: str, backend: backends.Backend) -> None:
    make, wanted = EXACT[name]
    A = backend.bring(make())
    matrix = devices.to_host(A.to_dense())
    assert matrix.shape == A.shape
    assert np.all(np.abs(matrix - wanted) <= np.finfo(float).eps * np.abs(wanted))
    for i, j in ((0, 0), (A.m - 1, 1), (2, A.n - 1)):
        assert devices.to_host(A[i, j]) == matrix[i, j]
    assert np.array_equal(devices.to_host(A[1]), matrix[1])
    assert np.array_equal(devices.to_host(A[:, 1:4].to_dense()), matrix[:, 1:4])
    assert np.array_equal(devices.to_host(A.diagonal()), matrix.diagonal())


def test_large_matrices_are_written_in_pieces() -> None:
    column, row = np.arange(1.0, 1001), -np.arange(1.0, 1501)
    assert np.array_equal(sm.Toeplitz(column, row).to_dense(), scipy.linalg.toeplitz(column, row))
    A = sm.kron(sm.Diagonal(np.arange(1.0, 31)), sm.Toeplitz(column[:40], row[:50]))
    wanted = np.kron(np.diag(np.arange(1.0, 31)), scipy.linalg.toeplitz(column[:40], row[:50]))
    assert np.array_equal(A.to_dense(), wanted)
    blocks = np.concatenate([block for _, block in A._column_blocks()], axis=1)
    assert np.array_equal(blocks, wanted)
    assert sm.linalg.norm(A, 1) == np.linalg.norm(wanted, 1)
    assert sm.linalg.norm(A, np.inf) == np.linalg.norm(wanted, np.inf)


@pytest.mark.parametrize(("kind", "n"), [("DCT", 90), ("DST", 90), ("DFT", 90)])
def test_roots_of_unity_are_looked_up(kind: str, n: int) -> None:
    """Many entries and few read the same numbers."""
    A = getattr(sm, kind)(n)
    matrix = A.to_dense()
    assert [A[i, j] for i in (0, 7, 89) for j in (1, 88)] == [matrix[i, j] for i in (0, 7, 89) for j in (1, 88)]
    i, j = np.ogrid[:n, :n]
    wanted = {
        "DFT": lambda: np.exp(-2j * np.pi * (i * j % n) / n),
        "DCT": lambda: 2 * np.cos(np.pi * (i * (2 * j + 1) % (4 * n)) / (2 * n)),
        "DST": lambda: 2 * np.sin(np.pi * ((i + 1) * (2 * j + 1) % (4 * n)) / (2 * n)),
    }[kind]()
    scale = wanted[1, 1] / matrix[1, 1]
    assert np.allclose(matrix * scale, wanted, rtol=0, atol=1e-14)


SYMMETRIC: dict[str, Callable[[np.random.Generator], sm.LinearOperator]] = {
    "toeplitz": lambda rng: sm.SymmetricToeplitz(rng.standard_normal(40)),
    "hankel": lambda rng: sm.Hankel(rng.standard_normal(40), np.ones(40)),
    "circulant": lambda rng: sm.Circulant(np.r_[1.0, c := rng.standard_normal(19), 2.0, c[::-1]]),
    "low rank": lambda rng: sm.LowRank(U := rng.standard_normal((40, 7)), U),
    "scaled": lambda rng: (d := sm.Diagonal(rng.standard_normal(40))) @ sm.SymmetricToeplitz(d.entries[::-1]) @ d,
    "householder": lambda rng: sm.Householder(rng.standard_normal(40)),
    "kronecker": lambda rng: sm.kron(sm.Householder(rng.standard_normal(8)), sm.SymmetricToeplitz(np.ones(5) / 3)),
    "sum": lambda rng: (t := sm.Toeplitz(rng.standard_normal(40), rng.standard_normal(40))) + t.H,
}


@pytest.mark.parametrize("kind", SYMMETRIC)
def test_symmetric_stays_symmetric(kind: str) -> None:
    matrix = SYMMETRIC[kind](np.random.default_rng(0)).to_dense()
    assert np.array_equal(matrix, matrix.T)


def test_factors_that_overflow_together_are_taken_one_by_one() -> None:
    """d_i d_j is beyond double precision, and d_i A_ij d_j is not."""
    large, small = sm.Diagonal(np.full(2, 1e200)), sm.Diagonal(np.full(2, 1e-200))
    with np.errstate(over="ignore", under="ignore"):
        assert (large @ sm.Toeplitz(np.full(2, 1e-300), np.full(2, 1e-300)) @ large).to_dense()[0, 0] == pytest.approx(
            1e100
        )
        assert (small @ sm.Toeplitz(np.full(2, 1e300), np.full(2, 1e300)) @ small).to_dense()[0, 0] == pytest.approx(
            1e-100
        )


@pytest.mark.parametrize(
    "make",
    [lambda A: 0.1 * A, lambda A: 0.1 * (A + A), lambda A: sm.kron(A, A)[:4, :4], lambda A: A.H],
    ids=["multiple", "sum", "kronecker", "adjoint"],
)
def test_parts_of_lower_precision_are_widened_first(make: Callable[[sm.LinearOperator], sm.LinearOperator]) -> None:
    """An entry of a tree in double precision has its digits, whatever the precision of the parts."""
    column = np.asarray([0.1, 0.2, 0.3, 0.4])
    A = make(sm.Circulant(column.astype(np.float32))) + sm.Circulant(np.zeros(4))
    wanted = make(sm.Circulant(column.astype(np.float32).astype(np.float64)))
    assert A.dtype == np.float64
    for got, exact in ((A.to_dense(), wanted.to_dense()), (A.diagonal(), wanted.diagonal()), (A[1], wanted[1])):
        assert np.allclose(got, exact, rtol=4e-16, atol=0)


@pytest.mark.parametrize("scales", [(1.0, 1e10, 0.0, 0.0), (2.0, 1e8, 1e16, 1.0), (1.0, 1e20, 0.0, 3.0)])
def test_dense_ways_of_linalg_see_the_entries(scales: tuple[float, ...]) -> None:
    """A triangular matrix has its eigenvalues on the diagonal, however large the entries below are."""
    A = sm.Toeplitz(np.asarray(scales), np.r_[scales[0], np.zeros(3)])
    first = scales[0]
    assert np.isclose(sm.linalg.det(A), first**4, rtol=1e-12)
    assert np.isclose(sm.linalg.slogdet(A).logabsdet, 4 * np.log(first), atol=1e-12)
    assert np.array_equal(sm.linalg.eigvals(A.T), np.full(4, first))
    wanted = np.linalg.svd(scipy.linalg.toeplitz(scales, np.r_[first, np.zeros(3)]), compute_uv=False)
    assert np.allclose(sm.linalg.svdvals(A), wanted, rtol=0, atol=1e-14 * wanted[0])


def test_matrices_carry_gradients() -> None:
    jax, torch = library("jax"), library("torch")
    weights = np.random.default_rng(0).standard_normal((N, N))
    column = np.arange(1.0, N + 1)
    i, j = np.ogrid[:N, :N]
    wanted = [np.sum((weights * np.arange(N)[:, None])[(i - j) % N == k]) for k in range(N)]
    scale = sm.Diagonal(np.arange(0.0, N))

    def loss(column: Any, xp: Any) -> Any:
        A = scale.to(xp=xp) @ sm.Circulant(column)
        return xp.sum(xp.asarray(weights) * A.to_dense())

    c = torch.tensor(column, requires_grad=True)
    loss(c, torch).backward()
    assert np.allclose(c.grad.numpy(), wanted)
    with jax.enable_x64(True):
        jnp = jax.numpy
        assert np.allclose(jax.jit(jax.grad(lambda c: loss(c, jnp)))(jnp.asarray(column)), wanted)


def test_an_operator_without_a_definition_is_multiplied() -> None:
    class Doubled(sm.custom.Leaf):
        dims = "n", "n"
        n: int = sm.custom.size()

        def _matvec(self, xp: Any, x: Any) -> Any:
            return 2 * x

        def _rmatvec(self, xp: Any, g: Any) -> Any:
            return 2 * g

    A = dataclasses.dataclass(frozen=True, eq=False, repr=False)(Doubled)(3)
    assert np.array_equal(A.to_dense(), 2 * np.eye(3))
    assert A[1, 1] == 2


def test_matrices_own_their_memory() -> None:
    entries = np.ones((3, 3))
    for A in (sm.Dense(entries), sm.Dense(entries).H, sm.Zero(3, 3), sm.identity(3)):
        matrix = A.to_dense()
        assert matrix.flags.writeable
        assert not np.shares_memory(matrix, entries)
