"""Systems without an exact inverse: Toeplitz, updates, least squares, iteration; eigenvectors and pseudoinverses."""

import dataclasses
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg
from backends import ALL, library
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat._backend import devices

L = sm.linalg
torch, jax = library("torch"), library("jax")
LIBRARIES = [backend for backend in ALL if backend.name in ("strict", "strict-device1", "torch", "jax")]


def draw(*shape: int, dtype: str = "float64", seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    real = rng.standard_normal(shape)
    return (real + 1j * rng.standard_normal(shape) if "complex" in dtype else real).astype(dtype)


def sides(n: int, dtype: str = "float64") -> tuple[Any, Any]:
    """Column and row of a Toeplitz matrix far from singular: its symbol stays near 2."""
    column, row = (draw(n, dtype=dtype, seed=seed) * 0.5 ** np.arange(n) / 4 for seed in (1, 2))
    column[0] += 2
    return column.astype(dtype), row.astype(dtype)


def systems(dtype: str) -> dict[str, sm.LinearOperator]:
    """Operators without an exact inverse, one for each way that `solve` takes."""
    column, row = sides(9, dtype)
    T, C = sm.Toeplitz(column, row), sm.Circulant(column)
    U, V = draw(9, 2, dtype=dtype, seed=3), draw(9, 2, dtype=dtype, seed=4)
    D = sm.Diagonal(draw(9, dtype=dtype, seed=5) / 4 + 2)
    zeros = np.zeros(9, dtype)
    return {
        "toeplitz": T,
        "adjoint toeplitz": T.H,
        "symmetric": sm.SymmetricToeplitz(np.concatenate(([2], 0.5 ** np.arange(1.0, 9))).astype(dtype)),
        "lower triangular": sm.Toeplitz(column, zeros),
        "upper triangular": sm.Toeplitz(np.concatenate((column[:1], zeros[1:])), row),
        "hankel": sm.Hankel(np.flip(row), column),
        "update": C + sm.LowRank(U, V),
        "scaled update": D - 0.5 * sm.LowRank(U, V) + C,
        "two updates": D + sm.LowRank(U, V) + 2 * sm.LowRank(V, U),
        "toeplitz update": T + sm.LowRank(U, V),
        "sum": C + D,
        "product": T @ D @ C,
        "multiple": -3 * T,
        "power": T**3,
        "blocks": sm.block_diag([T, D, C]),
        "copies": sm.repeat(T, 2),
        "kron": sm.kron(T, C),
        "kron sum": sm.kron(C, T) + sm.identity(81),
        "part": sm.Circulant(sides(11, dtype)[0])[:9, :9],
    }


DTYPES = ["float64", "complex128", "float32"]
each = pytest.mark.parametrize("name", list(systems("float64")))


def near(got: Any, wanted: Any, dtype: str) -> bool:
    tolerance = 3e-4 if dtype == "float32" else 1e-9
    return bool(np.linalg.norm(devices.to_host(got) - wanted) <= tolerance * np.linalg.norm(wanted))


@pytest.mark.parametrize("dtype", DTYPES)
@each
def test_solutions(name: str, dtype: str) -> None:
    A = systems(dtype)[name]
    b = draw(A.n, 3, dtype=dtype, seed=1)
    x = L.solve(A, b)
    assert x.dtype == (A @ b).dtype
    assert near(x, np.linalg.solve(A.to_dense(), b), dtype)
    assert near(L.solve(A, b[:, 0]), np.linalg.solve(A.to_dense(), b[:, 0]), dtype)
    if dtype == "float64":
        assert near(L.solve(A, b * (1 + 2j)), np.linalg.solve(A.to_dense(), b * (1 + 2j)), dtype)


@pytest.mark.parametrize("backend", LIBRARIES, ids=repr)
@each
def test_solutions_on_other_libraries(name: str, backend: Any) -> None:
    A = systems("float64")[name]
    b = draw(A.n, seed=1)
    x = L.solve(backend.bring(A), backend.asarray(b))
    assert near(x, np.linalg.solve(A.to_dense(), b), "float64")


def lifted(n: int, smallest: float) -> Any:
    """A circulant with one eigenvalue near zero, which terms of low rank lift: the sum is far from singular."""
    spectrum = np.ones(n // 2 + 1, complex)
    spectrum[0] = smallest
    return sm.Circulant.from_spectrum(spectrum, n=n) + sm.LowRank(*[draw(n, 2)] * 2)


@pytest.mark.parametrize("backend", LIBRARIES, ids=repr)
@pytest.mark.parametrize("smallest", [1e-9, 1e-12, 1e-16])
def test_updates_that_make_a_matrix_regular(smallest: float, backend: Any) -> None:
    A, b = lifted(64, smallest), draw(64, 3, seed=1)
    x = L.solve(backend.bring(A), backend.asarray(b))
    assert near(x, np.linalg.solve(A.to_dense(), b), "float64")
    db, grads = L.solve_vjp(A, b[:, 0], b[:, 1])
    assert near(db, np.linalg.solve(A.to_dense().T, b[:, 1]), "float64")
    _, wanted = A.vjp(devices.to_host(x)[:, 0], -db)
    assert all(near(got, grad, "float64") for got, grad in zip(grads, wanted, strict=True))


def test_large_updates_that_make_a_matrix_regular() -> None:
    """Iteration goes on from the formula's result; where there is none, the result is given with a warning."""
    A, b = lifted(1500, 1e-9), draw(1500, seed=1)
    x = L.solve(A, b)
    assert np.linalg.norm(A @ x - b) <= 1e-10 * np.linalg.norm(b)
    with pytest.warns(L.ConvergenceWarning, match="refinement has not solved the system with Sum 1500×1500"):
        x = L.solve(A.to(xp=torch), torch.asarray(b)).numpy()
    assert np.linalg.norm(A @ x - b) <= 0.5 * np.linalg.norm(b)


@pytest.mark.parametrize("smallest", [1e-5, 1e-6])
def test_large_updates_that_one_step_of_refinement_solves(smallest: float) -> None:
    """Where there is no iteration to go on with, the step after the formula is what reaches the tolerance."""
    A, b, backend = lifted(1500, smallest), draw(1500, seed=1), LIBRARIES[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        x = devices.to_host(L.solve(backend.bring(A), backend.asarray(b)))
    assert np.linalg.norm(A @ x - b) <= float(np.finfo(float).eps) ** (2 / 3) * np.linalg.norm(b)


def test_updates_in_traces() -> None:
    """The residual is looked at only where there are values."""
    A, b = systems("float64")["update"], draw(3, 9, seed=1)
    wanted = np.linalg.solve(A.to_dense(), b.T).T
    T = A.to(xp=torch)
    assert near(torch.func.vmap(lambda v: L.solve(T, v))(torch.asarray(b)), wanted, "float64")
    inverse = torch.func.jacrev(lambda v: L.solve(T, v))(torch.asarray(b[0]))
    assert near(inverse, np.linalg.inv(A.to_dense()), "float64")
    J = A.to(xp=jax.numpy)
    for wrap in (jax.jit, jax.vmap):
        assert near(wrap(lambda v: L.solve(J, v.T).T)(jax.numpy.asarray(b)), wanted, "float64")


@each
def test_gradients_of_solutions(name: str) -> None:
    """d⟨g, A^{-1} b⟩ = -⟨A^{-H} g, dA A^{-1} b⟩, with the derivative of the matrix from its definition."""
    A = systems("complex128")[name]
    b, g = draw(2, A.n, seed=1), draw(2, A.n, dtype="complex128", seed=2)
    db, grads = L.solve_vjp(A, b, g)
    directions = [draw(*value.shape, dtype="complex128", seed=3) for value in A.params]
    matrix, change = (part.astype(complex) for part in sm.testing.dense_pair(A, directions))
    x, h = np.linalg.solve(matrix, b.T), np.linalg.solve(matrix.conj().T, g.T)
    wanted = -np.sum(h.conj() * (change @ x)).real
    assert np.isclose(sum(np.sum(grad.conj() * d).real for grad, d in zip(grads, directions, strict=True)), wanted)
    assert db.dtype == np.float64
    assert np.allclose(db, h.T.real)


@given(n=st.integers(1, 40), seed=st.integers(0, 99))
def test_triangular_toeplitz_of_integers(n: int, seed: int) -> None:
    """Unit triangular matrices with small integers have integer inverses, which substitution gives exactly."""
    column = np.random.default_rng(seed).integers(-1, 2, n).astype(float)
    column[0] = 1
    x = np.random.default_rng(seed + 1).integers(-9, 10, n).astype(float)
    T = sm.Toeplitz(column, np.zeros(n))
    b = scipy.linalg.toeplitz(column, np.zeros(n)) @ x
    assert np.allclose(L.solve(T, b), x, atol=1e-6 * np.linalg.cond(T.to_dense()))


def test_a_million_unknowns() -> None:
    """A well-conditioned Toeplitz system of 10^6: the residual is that of a product, not of a recursion."""
    n = 10**6
    column = np.concatenate(([1.5], 0.5 ** np.arange(1, 60), np.zeros(n - 60)))
    row = np.concatenate(([0.0], 0.3 ** np.arange(1, 60), np.zeros(n - 60)))
    T, b = sm.Toeplitz(column, row), draw(n)
    result = L.solve_iterative(T, b, rtol=1e-8)
    assert result.converged
    assert result.products < 30
    assert np.linalg.norm(T @ result.x - b) <= 1e-8 * np.linalg.norm(b)


@pytest.mark.parametrize("kind", ["chan", "strang"])
@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_preconditioners(kind: Any, dtype: str) -> None:
    for n in (1, 8, 9):
        column, row = sides(n, dtype)
        C = L.circulant_approximation(sm.Toeplitz(column, row), kind)
        M = L.circulant_preconditioner(sm.Toeplitz(column, row), kind)
        assert C.dtype == M.dtype == dtype
        assert near((M @ C).to_dense(), np.eye(n), dtype)
        T = scipy.linalg.toeplitz(column, row)
        shifts = [np.roll(np.eye(n), k, axis=0) for k in range(n)]
        if kind == "chan":  # the nearest circulant: the mean of each wrapped diagonal
            wanted = [np.sum(T * shift) / n for shift in shifts]
        else:
            wanted = [T[k, 0] if 2 * k < n else T[0, n - k] if 2 * k > n else (T[k, 0] + T[0, k]) / 2 for k in range(n)]
        assert np.allclose(C.column, wanted)


def test_preconditioning_pays() -> None:
    """A prolate-like matrix, whose condition grows: steps fall by a factor, and Hermitian definite ones go by CG."""
    n = 2048
    T = sm.SymmetricToeplitz(1 / (1 + np.arange(n)) ** 1.1)
    plain = L.solve_iterative(T, np.ones(n), method="cg", preconditioner=sm.identity(n), rtol=1e-8)
    chan = L.solve_iterative(T, np.ones(n), rtol=1e-8)
    strang = L.solve_iterative(T, np.ones(n), rtol=1e-8, preconditioner=L.circulant_preconditioner(T, "strang"))
    assert all(result.converged for result in (plain, chan, strang))
    assert chan.method == "cg"
    assert strang.method == "cg"
    assert 2 * chan.products < plain.products
    assert 2 * strang.products < plain.products


@pytest.mark.parametrize("kind", ["chan", "strang"])
def test_preconditioners_are_what_scipy_calls_M(kind: Any) -> None:
    n = 2048
    T, b = sm.SymmetricToeplitz(1 / (1 + np.arange(n)) ** 1.1), draw(n)
    steps: dict[str, int] = {}
    for name, M in (("without", None), ("with", L.circulant_preconditioner(T, kind))):
        seen: list[Any] = []
        x, failed = scipy.sparse.linalg.cg(T, b, rtol=1e-10, M=M, callback=seen.append)
        assert not failed
        assert np.linalg.norm(T @ x - b) <= 1e-9 * np.linalg.norm(b)
        steps[name] = len(seen)
    assert 3 * steps["with"] < steps["without"]


def test_preconditioners_of_singular_approximations() -> None:
    """T. Chan's circulant of [[1, -1], [-1, 1]] has the eigenvalues 0 and 2, of which the first counts as 2."""
    T = sm.SymmetricToeplitz(np.asarray([1.0, -1.0]))
    assert np.allclose(L.circulant_preconditioner(T).to_dense(), np.eye(2) / 2)
    assert np.allclose(L.circulant_preconditioner(sm.Toeplitz(*np.zeros((2, 3)))).to_dense(), np.eye(3))


def definite(n: int) -> dict[str, sm.LinearOperator]:
    """Hermitian and positive definite operators without an exact inverse."""
    D, T = sm.Diagonal(1 + np.arange(n) / n), sm.SymmetricToeplitz(0.5 ** np.arange(float(n)))
    C = sm.Circulant(np.concatenate(([3.0, 1.0], np.zeros(n - 3), [1.0])))
    H = sm.SymmetricToeplitz((0.5 * np.exp(0.3j)) ** np.arange(n))
    return {
        "toeplitz": T,
        "Hermitian toeplitz": H,
        "sum": C + D,
        "Gram": (T @ D).H @ (T @ D),
        "dense": sm.Dense((C + D).to_dense()),
        "function": sm.FunctionOperator((n, n), (C + D).matvec, (C + D).matvec, dtype=np.float64),
    }


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", list(definite(3)))
def test_conjugate_gradients_where_they_fit(name: str, dtype: str) -> None:
    """CG for definite operators and preconditioners, GMRES where either is not."""
    n = 200
    A = definite(n)[name] if name == "function" else definite(n)[name].to(dtype=dtype if "H" not in name else None)
    b = draw(n, 2, dtype=dtype)
    for P in (None, sm.identity(n), sm.Diagonal(np.full(n, 2.0, dtype))):
        result = L.solve_iterative(A, b, preconditioner=P)
        assert result.converged
        assert result.method == "cg"
    nonsymmetric = sm.Diagonal(np.full(n, 2.0, dtype)) + 0.1 * sm.Shift(n, 1)
    for P in (nonsymmetric, -sm.identity(n)):
        assert L.solve_iterative(A, b, preconditioner=P).method == "gmres"
    for B in (-1 * A, A @ nonsymmetric):
        assert L.solve_iterative(B, b, preconditioner=sm.identity(n)).method == "gmres"


def test_conjugate_gradients_give_way() -> None:
    """One negative eigenvalue, which only directions of CG find: GMRES goes on, and nobody is told of a failure."""
    n = 60
    for A, P in (
        (sm.SymmetricToeplitz(np.concatenate(([1.97, -1.0], np.zeros(n - 2)))), None),
        (sm.Diagonal(np.concatenate(([-1e-3], np.linspace(1, 2, n - 1)))), sm.identity(n)),
    ):
        assert min(np.linalg.eigvalsh(A.to_dense())) < 0
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            result = L.solve_iterative(A, draw(n, 2), preconditioner=P)
        assert result.converged
        assert result.method == "gmres"
        assert near(result.x, np.linalg.solve(A.to_dense(), draw(n, 2)), "float32")


def test_iterations() -> None:
    T = sm.SymmetricToeplitz(0.5 ** np.arange(3000.0))
    seen: list[Any] = []
    b = draw(3000, 2)
    result = L.solve_iterative(T, b, callback=seen.append, rtol=1e-10)
    assert result.x.shape == b.shape
    assert np.all(np.linalg.norm(T @ result.x - b, axis=0) <= 1e-10 * np.linalg.norm(b, axis=0))
    assert result.residual <= 1e-10
    assert all(state.x.shape == (3000,) for state in seen)
    assert np.allclose(seen[-1].x, result.x[:, 1], rtol=1e-6)
    for method in ("cg", "gmres", "minres"):
        assert L.solve_iterative(T, b[:, 0], method=method, rtol=1e-6).converged
    assert L.solve_iterative(T, 0 * b).products == 0
    single = L.solve_iterative(T.to(dtype="float32"), b.astype("float32"))
    assert single.x.dtype == np.float32
    assert single.converged


@pytest.mark.parametrize("method", ["cg", "gmres", "minres"])
def test_iterations_keep_to_the_limit(method: Any) -> None:
    """Slow convergence uses the products up, and one more for the residual."""
    n = 300
    T, count = sm.SymmetricToeplitz(np.concatenate(([2.0, -1.0], np.zeros(n - 2)))), 0

    def product(x: Any) -> Any:
        nonlocal count
        count += 1
        return T @ x

    A = sm.FunctionOperator((n, n), product, product, dtype=np.float64)
    for maxiter in (1, 2, 3, 7, 49, 50, 51, 52, 53, 75, 102, 103, 104, 105, 120):
        count = 0
        with pytest.warns(L.ConvergenceWarning):
            result = L.solve_iterative(A, draw(n), method=method, maxiter=maxiter)
        assert result.products == count
        assert maxiter - 2 <= count - 1 <= max(maxiter, 2 if method == "gmres" else 1)


def test_symmetric_indefinite_systems() -> None:
    """MINRES on eigenvalues of both signs: T. Chan's circulant is indefinite, so its absolute value preconditions."""
    n = 200
    column = np.concatenate(([0.3, 1.0, 0.2], np.zeros(n - 3)))
    T, b = sm.SymmetricToeplitz(column), draw(n, 2, dtype="complex128")
    for A in (T, sm.Diagonal(3 * np.sign(draw(n))) + T):
        dense = A.to_dense()
        assert min(np.linalg.eigvalsh(dense)) < 0 < max(np.linalg.eigvalsh(dense))
        for right in (b, b.real, b.real + 0j):
            result = L.solve_iterative(A, right, method="minres")
            assert result.converged
            assert result.x.dtype == right.dtype
            assert np.linalg.norm(dense @ result.x - right) <= 1e-9 * np.linalg.norm(right)
            assert near(result.x, np.linalg.solve(dense, right), "float32")
    hermitian = sm.Circulant(np.asarray([2, 1j, 0, -1j]))
    with pytest.raises(ValueError, match=r"solve_iterative: method is 'minres' and A is .*; expected a real symmetric"):
        L.solve_iterative(hermitian, np.ones(4), method="minres")
    for P, message in ((sm.DFT(n), "and preconditioner is DFT"), (-sm.identity(n), "expected .* positive definite")):
        with pytest.raises(ValueError, match=f"solve_iterative: method is 'minres'.*{message}"):
            L.solve_iterative(T, b.real, method="minres", preconditioner=P)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_systems_without_numbers(wrong: float) -> None:
    """The solution of a right-hand side with NaN is NaN, soon and for that one alone, as NumPy has it."""
    for n in (9, 1100):
        b = draw(n, 3)
        b[2, 1] = wrong
        T = sm.Toeplitz(*sides(n))
        for A in (T, T.H, T + sm.LowRank(np.ones((n, 1)), np.ones((n, 1))), sm.SymmetricToeplitz(sides(n)[0])):
            with warnings.catch_warnings(record=True) as seen, np.errstate(invalid="ignore"):
                warnings.simplefilter("always", L.ConvergenceWarning)
                x = L.solve(A, b)
            assert not np.any(np.isfinite(x[:, 1]))
            assert near(x[:, ::2], np.linalg.solve(A.to_dense(), b[:, ::2]), "float64")
            assert bool(seen) == (n == 1100 and isinstance(A, sm.core.compose.Sum))  # which goes on by iteration
    with pytest.warns(L.ConvergenceWarning, match=r"after 0 products ‖b - A x‖ / ‖b‖ is nan"):
        result = L.solve_iterative(T, b[:, 1])
    assert not result.converged
    assert np.isnan(result.residual)
    tall = sm.vstack([T, sm.identity(n)])
    with pytest.warns(L.ConvergenceWarning, match="after 0 products"):
        assert np.all(np.isnan(L.lstsq(tall, np.concatenate((b[:, 1], b[:, 0])))))


def test_silence_is_never_the_answer() -> None:
    """A solver that stops early warns and flags; a singular operator raises, or warns where only iteration is left."""
    n = 1500
    T = sm.SymmetricToeplitz(np.concatenate(([2.0, -1.0], np.zeros(n - 2))))  # condition ~ n²
    with pytest.warns(L.ConvergenceWarning, match=r"cg has not solved the system with SymmetricToeplitz 1500×1500"):
        result = L.solve_iterative(T, draw(n), maxiter=3, preconditioner=sm.identity(n), method="cg")
    assert not result.converged
    assert result.residual > 1e-3
    with pytest.warns(L.ConvergenceWarning, match="gmres has not solved"):
        L.solve(sm.Circulant(draw(n)) + sm.Diagonal(draw(n)), draw(n), maxiter=5)
    singular = [
        sm.Toeplitz(np.ones(5), np.ones(5)),
        sm.Toeplitz(np.asarray([0.0, 1, 2]), np.zeros(3)),
        sm.Hankel(np.ones(5), np.ones(5)),
        sm.identity(3) - sm.LowRank(np.ones((3, 1)), np.ones((3, 1)) / 3),
        sm.Tridiagonal(np.ones(2), np.asarray([1.0, 1.0, 0.0]), np.ones(2))[:2, :2],
        sm.Banded(np.asarray([[1.0, 0.0, 1.0]]), 0, 0),
        0 * sm.Toeplitz(*sides(4)),
        sm.Zero(4, 4),
        sm.kron(sm.Restriction(4, slice(0, 2)), sm.Restriction(4, slice(0, 2)).H),
    ]
    for A in singular:
        with pytest.raises(np.linalg.LinAlgError, match="singular"):
            L.solve(A, np.ones(A.n))
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        L.solve(sm.Toeplitz(np.ones(2000), np.ones(2000)), draw(2000))


@pytest.mark.parametrize("n", [5, 1100])
def test_no_right_hand_sides_have_no_solutions(n: int) -> None:
    T = sm.Toeplitz(*sides(n))
    for A in (T, T + sm.LowRank(np.ones((n, 1)), np.ones((n, 1))), sm.Circulant(draw(n)) + sm.Diagonal(draw(n))):
        assert L.solve(A, np.ones((n, 0))).shape == L.lstsq(A, np.ones((n, 0))).shape == (n, 0)
        assert L.solve_iterative(A, np.ones((n, 0))).converged


@pytest.mark.parametrize("n", [9, 1000])
def test_nearly_singular_toeplitz_systems_raise(n: int) -> None:
    """The shifted second difference is singular to 1e-17; Levinson's solution of it must not pass for one."""
    T = sm.SymmetricToeplitz(np.concatenate(([np.cos(np.pi / (n + 1)) * 2, -1.0], np.zeros(n - 2))))
    with pytest.raises(np.linalg.LinAlgError, match="singular values run from"):
        L.solve(T, draw(n))


def test_least_squares() -> None:
    R, C = sm.Restriction(9, slice(0, 7)), sm.Circulant(sides(9)[0])
    for A in (R @ C, (R @ C).H, sm.Toeplitz(draw(7), draw(4)), sm.vstack([C, sm.identity(9)]), sm.Toeplitz(*sides(6))):
        b = draw(A.m, 2, seed=3)
        assert np.allclose(L.lstsq(A, b), np.linalg.lstsq(A.to_dense(), b)[0])
        assert np.allclose(L.lstsq(A, b[:, 0]), np.linalg.lstsq(A.to_dense(), b[:, 0])[0])
    tall = sm.vstack([sm.Circulant(sides(1200)[0]), sm.identity(1200)])
    b = draw(2400)
    x = L.lstsq(tall, b)
    assert np.linalg.norm(tall.rmatvec(tall @ x - b)) < 1e-8 * np.linalg.norm(b)
    with pytest.warns(L.ConvergenceWarning, match="lsmr has not solved"):
        L.lstsq(tall, b, maxiter=1)


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_least_squares_in_single_precision(dtype: str) -> None:
    """No overflow and no warning in LSMR; as near as its tolerance, and in the dtype of the product."""
    column, wide = sides(1200, dtype)[0], np.result_type(dtype, np.float64)
    tall, precise = (sm.vstack([sm.Circulant(column.astype(kind)), 2 * sm.identity(1200)]) for kind in (dtype, wide))
    for scale in (1e-15, 1, 1e15):
        b = (scale * draw(2400, 2, dtype=dtype)).astype(dtype)
        with np.errstate(over="raise", invalid="raise", divide="raise"), warnings.catch_warnings():
            warnings.simplefilter("error")
            x = L.lstsq(tall, b)
        assert x.dtype == dtype
        assert near(x, L.lstsq(precise, b.astype(wide)), "float32")


def pseudoinvertible() -> dict[str, sm.LinearOperator]:
    ones, some = sm.Circulant(np.ones(4)), sm.BlockCirculant(draw(2, 3, 4))
    thin = sm.LowRank(draw(5, 2), draw(6, 2))
    dependent = sm.LowRank(draw(5, 1) * np.ones(3), draw(6, 3))
    D = sm.Diagonal(np.asarray([2.0, 0.0, -1.0, 1e-30]))
    return {
        "circulant": ones,
        "skew": sm.SkewCirculant(np.asarray([1.0, 1.0, 1.0])),
        "levels": sm.MultilevelCirculant(np.ones((2, 3))),
        "diagonal": D,
        "blocks": some,
        "complex blocks": sm.BlockCirculant(draw(3, 2, 5, dtype="complex128")),
        "adjoint blocks": some.H,
        "low rank": thin,
        "dependent": dependent,
        "adjoint low rank": dependent.H,
        "dense": sm.Dense(np.ones((2, 3))),
        "zero": sm.Zero(2, 3),
        "restriction": sm.Restriction(5, slice(0, 2)),
        "padding": sm.Restriction(5, slice(0, 2)).H,
        "permutation": sm.Permutation.random(5, rng=0),
        "multiple": -2 * ones,
        "blocks along": sm.block_diag([ones, some, D]),
        "copies": sm.repeat(dependent, 2),
        "kron": sm.kron(ones, thin),
        "signs": ones @ sm.SignFlip.random(4, rng=0),
        "reflected": sm.Householder(draw(5)) @ thin @ sm.Permutation.random(6, rng=1),
    }


@pytest.mark.parametrize("name", list(pseudoinvertible()))
def test_pseudoinverses(name: str) -> None:
    A = pseudoinvertible()[name]
    P, dense = L.pinv(A), A.to_dense()
    assert P.shape == (A.n, A.m)
    assert np.allclose(P.to_dense(), np.linalg.pinv(dense), atol=1e-12)
    assert np.allclose(L.svdvals(A), np.linalg.svd(dense, compute_uv=False), atol=1e-12)
    b = draw(A.m, 2, seed=2)
    assert np.allclose(L.lstsq(A, b), np.linalg.pinv(dense) @ b, atol=1e-12)
    if not A._is_complex:
        assert L.pinv(A.to(dtype="float32")).dtype in (np.float32, None)


def hermitian() -> dict[str, sm.LinearOperator]:
    c = draw(6, dtype="complex128")
    column = c + np.roll(np.flip(c), 1).conj()
    C, S = sm.Circulant(column), sm.Circulant(column.real + np.roll(np.flip(column.real), 1))
    skew = np.asarray([2.0, 1.0, 0.5, -0.5, -1.0])
    M = draw(5, 5)
    return {
        "circulant": C,
        "real circulant": S,
        "skew": sm.SkewCirculant(skew),
        "levels": sm.MultilevelCirculant(np.asarray([[4.0, 1, 1], [2, 0.5, 0.5]])),
        "diagonal": sm.Diagonal(draw(6)),
        "signs": sm.SignFlip.random(6, rng=0),
        "identity": sm.identity(4),
        "dense": sm.Dense(M + M.T),
        "symmetric": sm.SymmetricToeplitz(draw(6)),
        "kron": sm.kron(C, S),
        "blocks": sm.block_diag([C, sm.Diagonal(draw(3))]),
        "copies": sm.repeat(-2 * S, 2),
        "sum": S + 3 * sm.identity(6),
    }


@pytest.mark.parametrize("name", list(hermitian()))
def test_eigenvectors(name: str) -> None:
    A = hermitian()[name]
    values, V = L.eigh(A)
    dense = A.to_dense()
    assert values.dtype == np.float64
    assert np.allclose(values, np.linalg.eigvalsh(dense))
    assert np.allclose(V.to_dense().conj().T @ V.to_dense(), np.eye(A.n))
    assert np.allclose((A @ V).to_dense(), V.to_dense() * values)
    if name not in ("dense", "symmetric"):
        assert not any(isinstance(part, sm.Dense) for part in [V, *V._children])
        assert np.allclose(L.expm(A).to_dense(), scipy.linalg.expm(dense))


@pytest.mark.parametrize("backend", LIBRARIES, ids=repr)
def test_eigenvectors_on_other_libraries(backend: Any) -> None:
    for name in ("circulant", "dense", "blocks"):
        A = backend.bring(hermitian()[name])
        values, V = L.eigh(A)
        assert near(values, np.linalg.eigvalsh(devices.to_host(A.to_dense())), "float64")
        assert near((V.H @ (A @ V)).to_dense(), np.diag(devices.to_host(values)), "float64")


def test_powers() -> None:
    C = sm.Circulant(np.asarray([3.0, 1.0, 0.0, 1.0]))
    for t in (0.5, -0.5, 2, -1, 1.7):
        assert np.allclose(
            L.fractional_matrix_power(C, t).to_dense(), scipy.linalg.fractional_matrix_power(C.to_dense(), t)
        )
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        L.fractional_matrix_power(sm.Circulant(np.ones(3)), -0.5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype: str) -> None:
    C = sm.Circulant(np.asarray([4.0, 1.0, 0.0, 1.0])).to(xp=torch, dtype=dtype)
    assert L.svdvals(C).tolist() == [6.0, 4.0, 4.0, 2.0]
    assert L.svdvals(C).dtype == L.trace(C).dtype == L.norm(C).dtype == L.cond(C).dtype == C.dtype
    assert L.pinv(C).dtype == L.expm(C).dtype == C.dtype
    assert L.slogdet(C).sign.dtype == C.dtype
    T = sm.Toeplitz(*sides(4)).to(xp=torch, dtype=dtype)
    assert L.solve(T, torch.ones(4, dtype=C.dtype)).dtype == C.dtype
    x = L.solve(T, torch.ones(4))
    assert x.dtype == torch.float32
    assert torch.allclose(T @ x, torch.ones(4), atol=1e-5)


@pytest.mark.parametrize("wide", ["float32", "float64", "complex64"])
def test_half_precision_within_wider_operators(wide: str) -> None:
    """The parts in half precision are computed with in single, whatever the others are; results have A's dtype."""
    half, other = sm.Dense((draw(3, 3) + 3 * np.eye(3)).astype("float16")), sm.Dense(draw(3, 3, dtype=wide, seed=1))
    for A in (sm.block_diag([half, other]), sm.kron(half, other), half @ other, half + other, half.H @ (half @ other)):
        dense, b = devices.to_host(A.to_dense()), draw(A.n, dtype=wide)
        assert A.dtype == wide
        assert near(L.svdvals(A), np.linalg.svd(dense, compute_uv=False), "float32")
        assert near(L.norm(A, 2), np.linalg.norm(dense, 2), "float32")
        assert near(L.cond(A), np.linalg.cond(dense), "float32")
        assert near(L.det(A), np.linalg.det(dense), "float32")
        assert near(L.solve(A, b), np.linalg.solve(dense, b), "float32")
        assert near(L.lstsq(A, b), np.linalg.solve(dense, b), "float32")
        assert L.svdvals(A).dtype == L.norm(A).dtype == np.zeros(1, wide).real.dtype
        if not isinstance(A, sm.core.compose.Sum | sm.core.compose.Product):
            assert near(L.pinv(A).to_dense(), np.linalg.inv(dense), "float32")
            assert "svdvals" in L.exact(A)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda T: L.solve(np.eye(2), np.ones(2)), TypeError, "linalg.solve: A is a ndarray; expected an operator"),
        (L.eigh, ValueError, r"which is not Hermitian: its entries differ .* of up to"),
        (lambda T: L.eigh(sm.Circulant(draw(5))), ValueError, "which is not Hermitian: its eigenvalues have imaginary"),
        (lambda T: L.eigh(sm.Zero(2, 3)), ValueError, "linalg.eigh: A is Zero 2×3; expected a square operator"),
        (lambda T: L.solve(T, np.ones(3)), ValueError, r"Toeplitz\(4×4\).solve: b has shape \(3,\)"),
        (lambda T: L.solve(T, np.ones(4), rtol=-1), ValueError, "linalg.solve: rtol is -1; expected a number between"),
        (lambda T: L.solve(T, np.ones(4), maxiter=0), ValueError, "linalg.solve: maxiter is 0"),
        (lambda T: L.solve_iterative(T, np.ones(4), method="lu"), ValueError, "method is 'lu'; expected one of cg"),
        (lambda T: L.solve_iterative(T, np.ones(4), callback=3), TypeError, "callback is a int"),
        (
            lambda T: L.solve_iterative(T, np.ones(4), preconditioner=sm.identity(3)),
            TypeError,
            r"preconditioner is Identity\(3×3.*; expected an operator of shape 4×4",
        ),
        (lambda T: L.circulant_approximation(sm.identity(2)), TypeError, "circulant_approximation: A is .* a Toeplitz"),
        (
            lambda T: L.circulant_preconditioner(sm.identity(2)),
            TypeError,
            "circulant_preconditioner: A is .* a Toeplitz",
        ),
        (lambda T: L.circulant_preconditioner(sm.Toeplitz(np.ones(2), np.ones(3))), ValueError, "expected a square"),
        (lambda T: L.circulant_preconditioner(T, "x"), ValueError, "kind is 'x'; expected 'chan' or 'strang'"),
        (L.pinv, TypeError, "no structure is known for the pseudoinverse of Toeplitz 4×4"),
        (L.inv, TypeError, r"Toeplitz has no exact inverse; structmat.linalg.solve finds solutions"),
    ],
)
def test_bad_input(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(sm.Toeplitz(*sides(4)))


def test_iteration_needs_a_library_that_has_solvers() -> None:
    A = (sm.Circulant(sides(1100)[0]) + sm.Diagonal(draw(1100))).to(xp=torch)
    with pytest.raises(TypeError, match="no iterative solver for arrays of torch; expected arrays of NumPy or CuPy"):
        L.solve(A, torch.ones(1100, dtype=torch.float64))


def test_no_warnings_where_all_is_well() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        L.solve(sm.Toeplitz(*sides(1200)), draw(1200))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Outer(sm.custom.Leaf):
    """u u^H, of another package."""

    dims = "n", "n"
    u: Any = sm.custom.param("n")  # noqa: RUF009 (`register_operator` makes a dataclass too)

    def _matvec(self, xp: Any, x: Any) -> Any:
        return xp.sum(x * xp.conj(self.u), axis=-1, keepdims=True) * self.u

    _rmatvec = _matvec

    def _low_rank_factors(self, xp: Any) -> tuple[Any, Any]:
        return self.u[:, None], self.u[:, None]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reversed(sm.custom.Leaf):
    """T J with a symmetric Toeplitz matrix T, of another package."""

    dims = "n", "n"
    _is_hankel = True
    column: Any = sm.custom.param("n")  # noqa: RUF009

    def _matvec(self, xp: Any, x: Any) -> Any:
        return sm.SymmetricToeplitz(self.column)._apply(xp, xp.flip(x, axis=-1))

    def _toeplitz_sides(self) -> tuple[Any, Any]:
        return self.column, self.column


def test_classes_declare_how_systems_are_solved() -> None:
    """A leaf of any package takes the fast ways that its class declares: nothing is iterated or made dense."""
    n = 1500

    def iterated(state: L.SolveState) -> None:
        pytest.fail("an iteration was taken")

    T = sm.Tridiagonal(np.ones(n - 1), np.full(n, 4.0), np.ones(n - 1))
    for A in (T - 3 * Outer(draw(n, seed=1) / 100), Reversed(0.5 ** np.arange(n))):
        wanted = draw(A.n, seed=2)
        assert np.allclose(L.solve(A, A @ wanted, callback=iterated), wanted, atol=1e-11)
