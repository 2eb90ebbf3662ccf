"""The way to CuPy's operators: their logic is what SciPy's tests exercise, so here is what binds it to CuPy."""

import importlib
import inspect
import pickle
import sys
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse.linalg as spla
from backends import ALL

import structmat as sm
from structmat._backend import linear_algebra, solvers

rng = np.random.default_rng(0)
N = 16
general = sm.Circulant(np.r_[4.0, rng.standard_normal(N - 1) / 4]) + sm.Diagonal(rng.uniform(0, 1, N))
tall = sm.vstack([general, sm.DCT(N, norm="ortho")])


@pytest.fixture
def adapter(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The module of the adapter, with SciPy's base class in the place of CuPy's, after which CuPy's is made."""
    for name in ("cupyx", "cupyx.scipy", "cupyx.scipy.sparse"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "cupyx.scipy.sparse.linalg", spla)
    monkeypatch.delitem(sys.modules, "structmat.interop.cupyx", raising=False)
    yield importlib.import_module("structmat.interop.cupyx")
    del sys.modules["structmat.interop.cupyx"]  # the next test may run beside the true CuPy


def test_products(adapter: ModuleType) -> None:
    S, dense = adapter.CuPyOperator(tall, np.float64), tall.to_dense()
    assert (S.shape, S.ndim, S.dtype) == ((2 * N, N), 2, np.float64)
    X, Y = rng.standard_normal((N, 3)), rng.standard_normal((2 * N, 3))
    for operator, matrix in [(S, dense), (S.H.H, dense), (S.T.T, dense), (S.H @ S, dense.T @ dense)]:
        assert np.allclose(operator @ X, matrix @ X)
        assert np.allclose(operator @ X[:, 0], matrix @ X[:, 0])
    assert np.allclose(S.rmatvec(Y[:, 0]), dense.T @ Y[:, 0])
    assert np.allclose(S.rmatmat(Y), dense.T @ Y)
    assert isinstance(S.H, adapter.CuPyOperator)
    assert np.array_equal(pickle.loads(pickle.dumps(S)) @ X, S @ X)


@pytest.mark.parametrize("A", [sm.Dense(rng.standard_normal((N, N))), sm.Diagonal(np.full(N, 1j)), sm.DCT(N)], ids=repr)
def test_vectors_are_contiguous(adapter: ModuleType, A: sm.LinearOperator, monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy's solvers pass the pointer of a product to cuBLAS, and stride 1."""
    strided = type(A).matvec
    for name in ("matvec", "rmatvec"):
        product = getattr(type(A), name)
        monkeypatch.setattr(type(A), name, lambda A, x, product=product: np.repeat(product(A, x), 2)[::2])
    x = rng.standard_normal(N)
    assert not A.matvec(x).flags.c_contiguous
    S = adapter.CuPyOperator(A, np.complex128)
    assert S.matvec(x).flags.c_contiguous
    assert S.rmatvec(x).flags.c_contiguous
    assert np.allclose(S.matvec(x), strided(A, x))


def test_a_solver(adapter: ModuleType) -> None:
    b = rng.standard_normal(N)
    x, info = spla.gmres(adapter.CuPyOperator(general, np.float64), b, rtol=1e-12)
    assert info == 0
    assert np.allclose(x, np.linalg.solve(general.to_dense(), b))


def test_arrays_of_other_libraries_are_refused(adapter: ModuleType) -> None:
    with pytest.raises(TypeError, match=r"Sum\(16×16\).to_cupyx: the operator has arrays of numpy; expected cupy"):
        general.to_cupyx()
    assert sm.DCT(N).to_cupyx().dtype == np.float64
    assert sm.DFT(N).to_cupyx().dtype == np.complex128
    assert sm.DCT(N).to_cupyx(np.float32).dtype == np.float32


def test_without_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupyx", None)
    with pytest.raises(ImportError, match=r"needs the package cupyx: pip install 'cupy-cuda12x>="):
        general.to_cupyx()


@pytest.mark.parametrize("tolerance", ["tol", "rtol"])
@pytest.mark.parametrize("method", solvers.METHODS)
def test_the_tolerance_has_the_name_that_a_solver_gives_it(
    method: str, tolerance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CuPy 13 has tol, CuPy 14 has rtol, but for `minres`; SciPy has rtol."""
    scope: dict[str, Any] = {}
    exec(f"def solver(A, b, x0=None, *, {tolerance}=1e-5, **options): given.append({tolerance}); return b, 0", scope)
    scope["given"] = given = []
    module = SimpleNamespace(LinearOperator=spla.LinearOperator, **{method: scope["solver"]})
    monkeypatch.setattr(solvers, "_solvers", lambda xp: module)
    b = np.ones(4)
    options: dict[str, Any] = {"rtol": 0.125, "maxiter": 10, "callback": None}
    assert solvers.krylov(np, method, lambda v: v, None, b, **options) is b
    assert given == [0.125]


def test_eigenvalues_where_the_library_has_none() -> None:
    """CuPy has them from 14 on."""
    xp = SimpleNamespace(__name__="cupy", linalg=SimpleNamespace())
    with pytest.raises(TypeError, match=r"cupy has no eigenvalues .*; expected CuPy 14 or later, or arrays of NumPy"):
        linear_algebra.eigvals(xp, np.eye(2))


@pytest.mark.skipif("cupy" not in map(repr, ALL), reason="needs CuPy and a GPU")
def test_solvers_of_cupy() -> None:
    import cupy
    import cupyx.scipy.sparse.linalg as theirs

    symmetric = general + general.T
    A, S, T = (operator.to(xp=cupy) for operator in (general, symmetric, tall))
    b, rhs = rng.standard_normal(N), rng.standard_normal(2 * N)
    for solver, operator, dense in [
        (theirs.cg, S, symmetric.to_dense()),
        (theirs.minres, S, symmetric.to_dense()),
        (theirs.gmres, A, general.to_dense()),
        (theirs.cgs, A, general.to_dense()),
    ]:
        tolerance = "rtol" if "rtol" in inspect.signature(solver).parameters else "tol"
        x, info = solver(operator.to_cupyx(), cupy.asarray(b), **{tolerance: 1e-12})
        assert info == 0
        assert np.allclose(x.get(), np.linalg.solve(dense, b), rtol=1e-7)
    x = theirs.lsmr(T.to_cupyx(), cupy.asarray(rhs), atol=1e-13, btol=1e-13)[0]
    assert np.allclose(x.get(), np.linalg.lstsq(tall.to_dense(), rhs)[0], rtol=1e-6)
    values = theirs.eigsh(S.to_cupyx(), k=3, return_eigenvectors=False)
    wanted = np.linalg.eigvalsh(symmetric.to_dense())
    assert np.allclose(np.sort(np.abs(values.get())), np.sort(np.abs(wanted))[-3:])
    values = theirs.svds(T.to_cupyx(), k=3, return_singular_vectors=False)
    assert np.allclose(np.sort(values.get()), np.sort(np.linalg.svd(tall.to_dense(), compute_uv=False))[-3:])
