"""SciPy's solvers against dense answers: bare operators where SciPy takes them, wrapped ones everywhere."""

import inspect
import os
import pickle
import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import scipy.sparse.linalg as spla
from backends import library

import structmat as sm
from structmat._backend import devices

jax = library("jax")
VERSION = tuple(map(int, scipy.__version__.split(".")[:2]))
HAS_BATCHES = VERSION >= (1, 18)
SEED = {"rng" if VERSION >= (1, 15) else "random_state": 0}

rng = np.random.default_rng(0)
N = 32
b = rng.standard_normal(N)
# Diagonally dominant, so every solver converges; symmetric ones for the solvers that ask for it.
column = np.r_[4.0, 0.5 * rng.standard_normal(N - 1) / np.sqrt(N)]
general = sm.Circulant(column) + sm.Diagonal(rng.uniform(0, 1, N))
symmetric = sm.Circulant(column) + sm.Circulant(column).T
tall = sm.vstack([general, sm.Circulant(column)])

bare_and_wrapped = pytest.mark.parametrize("wrap", [lambda A: A, lambda A: A.to_scipy()], ids=["bare", "wrapped"])


@bare_and_wrapped
@pytest.mark.parametrize("solver", ["cg", "minres"])
def test_symmetric_systems(solver: str, wrap: object) -> None:
    x, info = getattr(spla, solver)(wrap(symmetric), b, rtol=1e-10)
    assert info == 0
    assert np.allclose(x, np.linalg.solve(symmetric.to_dense(), b), rtol=1e-7)


@bare_and_wrapped
@pytest.mark.parametrize("solver", ["gmres", "bicgstab", "bicg", "qmr", "lgmres", "tfqmr", "cgs", "gcrotmk"])
def test_general_systems(solver: str, wrap: object) -> None:
    x, info = getattr(spla, solver)(wrap(general), b, rtol=1e-10, atol=0.0)
    assert info == 0
    assert np.allclose(x, np.linalg.solve(general.to_dense(), b), rtol=1e-7)


@bare_and_wrapped
@pytest.mark.parametrize("solver", ["lsqr", "lsmr"])
def test_least_squares(solver: str, wrap: object) -> None:
    rhs = np.r_[b, -b] + 1
    x = getattr(spla, solver)(wrap(tall), rhs, atol=1e-13, btol=1e-13)[0]
    assert np.allclose(x, np.linalg.lstsq(tall.to_dense(), rhs)[0], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("solver", ["arpack", "lobpcg", "propack"])
def test_singular_values(solver: str) -> None:
    u, s, vh = spla.svds(tall.to_scipy(), k=3, solver=solver, maxiter=200, **SEED)
    wanted = np.linalg.svd(tall.to_dense(), compute_uv=False)[:3]
    assert np.allclose(np.sort(s)[::-1], wanted, rtol=1e-6)
    assert np.allclose(tall.matmat(vh.T), u * s, atol=1e-3)


def test_eigenvalues() -> None:
    wanted = np.linalg.eigvals(general.to_dense())
    largest = wanted[np.argmax(np.abs(wanted))]
    found = spla.eigs(general.to_scipy(), k=1, return_eigenvectors=False, v0=b)
    assert np.isclose(np.abs(found[0]), np.abs(largest))
    wanted = np.linalg.eigvalsh(symmetric.to_dense())
    found = spla.eigsh(symmetric.to_scipy(), k=3, return_eigenvectors=False, v0=b)
    assert np.allclose(np.sort(found), wanted[-3:])
    start = rng.standard_normal((N, 3))
    found, _ = spla.lobpcg(symmetric.to_scipy(), start, tol=1e-6, maxiter=200)
    assert np.allclose(np.sort(found), wanted[-3:], rtol=1e-6)


def test_shift_invert_with_the_exact_inverse() -> None:
    """Interior eigenvalues of a symmetric circulant, through its inverse in closed form."""
    half = rng.standard_normal(N // 2 + 1)
    C = sm.Circulant(np.r_[half, half[1:-1][::-1]])
    shift = 0.3
    inverse = sm.Circulant(C.column - shift * (np.arange(N) == 0)) ** -1
    found = spla.eigsh(C.to_scipy(), k=3, sigma=shift, OPinv=inverse.to_scipy(), return_eigenvectors=False, v0=b)
    wanted = np.linalg.eigvalsh(C.to_dense())
    assert np.allclose(np.sort(found), np.sort(wanted[np.argsort(np.abs(wanted - shift))[:3]]))


def test_functions_of_matrices() -> None:
    dense = general.to_dense()
    S = general.to_scipy()
    assert np.allclose(spla.expm_multiply(S, b, traceA=np.trace(dense)), scipy.linalg.expm(dense) @ b, rtol=1e-9)
    estimate, norm = spla.onenormest(S, t=4), np.linalg.norm(dense, 1)
    assert 0.5 * norm <= estimate <= norm * (1 + 1e-12)


def test_bounded_and_nonlinear_least_squares() -> None:
    rhs = np.r_[b, -b]
    found = scipy.optimize.lsq_linear(tall.to_scipy(), rhs, bounds=(-0.1, 0.1), tol=1e-12, lsmr_tol=1e-13)
    dense = scipy.optimize.lsq_linear(tall.to_dense(), rhs, bounds=(-0.1, 0.1), tol=1e-12)
    assert found.success
    assert np.allclose(found.x, dense.x, atol=1e-5)

    def residual(x: np.ndarray) -> np.ndarray:
        return tall @ x + 0.1 * np.r_[x, x] ** 3 - rhs

    def jacobian(x: np.ndarray) -> spla.LinearOperator:
        return (tall + sm.vstack([sm.Diagonal(0.3 * x**2)] * 2)).to_scipy()

    found = scipy.optimize.least_squares(residual, np.zeros(N), jac=jacobian, xtol=1e-14, gtol=1e-12, ftol=1e-14)
    # the residual's own gradient, J^T r, vanishes there
    assert np.max(np.abs(jacobian(found.x).rmatvec(residual(found.x)))) < 1e-6


def test_the_wrapper_is_scipys() -> None:
    S = general.to_scipy()
    dense = general.to_dense()
    assert isinstance(S, spla.LinearOperator)
    assert S.operator is general
    assert spla.aslinearoperator(S) is S
    assert S.dtype == np.float64
    assert sm.identity(3).to_scipy().dtype == np.float64
    assert sm.identity(3).to_scipy(np.float32).dtype == np.float32
    assert sm.Circulant(np.ones(3, dtype=np.complex64)).to_scipy().dtype == np.complex64
    X = rng.standard_normal((N, 5))
    for T, M in [(S, dense), (S.H, dense.T), (S.T, dense.T), (2 * S, 2 * dense), (S @ S, dense @ dense)]:
        assert np.allclose(T @ X, M @ X)
        assert np.allclose(T.rmatmat(X), M.conj().T @ X)
        assert np.allclose(T.matvec(b), M @ b)
    again = pickle.loads(pickle.dumps(S))
    assert np.array_equal(again.matvec(b), S.matvec(b))
    ones = np.ones(N, dtype=int)
    assert np.allclose(S.matvec(ones), dense @ ones)


def test_a_complex_wrapper_conjugates() -> None:
    C = sm.Circulant(rng.standard_normal(5) + 1j * rng.standard_normal(5))
    S, dense = C.to_scipy(), C.to_dense()
    X = rng.standard_normal((5, 2))
    for T, M in [(S.H, dense.conj().T), (S.T, dense.T), (S.H.T, dense.conj())]:
        assert np.allclose(T @ X, M @ X)
        assert np.allclose(T.rmatvec(X[:, 0]), M.conj().T @ X[:, 0])


@pytest.mark.filterwarnings("ignore:.*column vectors:FutureWarning")  # SciPy 1.18 deprecates columns as vectors
def test_columns_as_vectors() -> None:
    assert np.allclose(general.to_scipy().matvec(b[:, None]), (general @ b)[:, None])


def test_other_libraries_need_a_newer_scipy() -> None:
    A = general.to(xp=jax.numpy)
    if not HAS_BATCHES:
        with pytest.raises(TypeError, match=r"Sum\(32×32\).to_scipy: the operator is of jax; this SciPy takes NumPy"):
            A.to_scipy()


needs_batches = pytest.mark.skipif(not HAS_BATCHES, reason="SciPy 1.18 brings batches and array libraries")


@needs_batches
def test_batches() -> None:
    S, dense = tall.to_scipy(), tall.to_dense()
    for shape in [(0,), (3,), (2, 3)]:
        x, g = rng.standard_normal((*shape, N)), rng.standard_normal((*shape, 2 * N))
        assert np.allclose(S.matvec(x), x @ dense.T)
        assert np.allclose(S.rmatvec(g), g @ dense)
        X, Y = rng.standard_normal((*shape, N, 4)), rng.standard_normal((*shape, 2 * N, 4))
        assert np.allclose(S.matmat(X), dense @ X)
        assert np.allclose(S @ X, dense @ X)
        assert np.allclose(S.rmatmat(Y), dense.T @ Y)


@needs_batches
@pytest.mark.parametrize("name", ["jax.numpy", "array_api_strict", "torch"])
def test_wrappers_of_other_libraries(name: str) -> None:
    xp = library(name)
    S = pickle.loads(pickle.dumps(general.to(xp=xp).to_scipy()))
    X = xp.asarray(rng.standard_normal((2, N)))
    for product, wanted in [(S.matvec, general.matvec), (S.rmatvec, general.rmatvec)]:
        y = product(X)
        assert type(y) is type(X)
        assert np.allclose(devices.to_host(y), wanted(devices.to_host(X)))
    assert np.allclose(devices.to_host(S.matmat(xp.matrix_transpose(X))), general.matmat(devices.to_host(X).T))


@needs_batches
@pytest.mark.parametrize("name", ["jax.numpy", "array_api_strict"])
def test_algebra_of_wrappers_of_other_libraries(name: str) -> None:
    """SciPy reads its own switch when it is imported."""
    assert hasattr(library(name), "asarray")
    code = (
        f"import numpy as np, structmat as sm, {name} as xp\n"
        """if True:
        A = sm.Circulant(np.asarray([1.0, 2.0, 4.0], dtype=np.float32))
        S = A.to(xp=xp).to_scipy()
        x = xp.asarray(np.asarray([1.0, 0.0, 0.0], dtype=np.float32))
        for T, B in [(S, A), (S.H, A.H), (S + S, A + A), (2 * S, 2 * A), (S @ S, A @ A)]:
            assert np.allclose(np.asarray(T @ x), B @ np.asarray(x)), T
    """
    )
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


try:
    import scipy.sparse.linalg.tests.test_interface as of_scipy
except ImportError:  # some distributions leave SciPy's tests out
    of_scipy = None


class Wrapped(spla.LinearOperator):
    """SciPy's class to those who derive from it; of functions with an adjoint it makes an operator of ours, wrapped."""

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        if cls is not Wrapped:
            return super().__new__(cls, *arguments, **options)
        given = spla.LinearOperator(*arguments, **options)
        return given if "rmatvec" not in options else sm.aslinearoperator(given).to_scipy(given.dtype)


def wrapped(M: Any) -> Any:
    """SciPy's `aslinearoperator`, by way of an operator of ours where SciPy would make one."""
    if isinstance(M, spla.LinearOperator):
        return M
    return sm.aslinearoperator(np.asarray(M) if isinstance(M, np.matrix) else M).to_scipy(M.dtype)


def cases_of_scipy() -> list[Any]:
    """Each test function and method with each of its arguments; those that ask for fixtures are left to SciPy."""
    cases = []
    owners = [None, *(each for name, each in vars(of_scipy).items() if name.startswith("Test"))] if of_scipy else []
    for owner in owners:
        for name, test in vars(owner or of_scipy).items():
            if not name.startswith("test_"):
                continue
            marks = [mark.args for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
            values = marks[0][1] if marks else [None]
            if len(inspect.signature(test).parameters) != len(marks) + (owner is not None):
                continue
            label = f"{owner.__name__}-{name}" if owner else name
            cases += [pytest.param(owner, name, value, id=f"{label}-{place}") for place, value in enumerate(values)]
    return cases


@pytest.mark.parametrize(("owner", "name", "value"), cases_of_scipy())
def test_scipy_s_own_tests_of_operators(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, value: Any) -> None:
    """What SciPy's tests say of `LinearOperator`, of operators that are ours inside."""
    names = {**vars(of_scipy.interface), "LinearOperator": Wrapped, "aslinearoperator": wrapped}
    monkeypatch.setattr(of_scipy, "interface", types.SimpleNamespace(**names))
    instance = owner() if owner else of_scipy
    if hasattr(instance, "setup_method"):
        instance.setup_method()
    getattr(instance, name)(*([] if value is None else [value]))
