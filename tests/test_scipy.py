"""Bare operators in SciPy's solvers, without a wrapper."""

import numpy as np
import pytest
import scipy.sparse.linalg as spla

import structmat as sm

rng = np.random.default_rng(0)
N = 32
b = rng.standard_normal(N)
# Diagonally dominant, so every solver converges; symmetric ones for the solvers that ask for it.
column = np.r_[4.0, 0.5 * rng.standard_normal(N - 1) / np.sqrt(N)]
general = sm.Circulant(column) + sm.Diagonal(rng.uniform(0, 1, N))
symmetric = sm.Circulant(column) + sm.Circulant(column).T


@pytest.mark.parametrize("solver", ["cg", "minres"])
def test_symmetric_systems(solver: str) -> None:
    x, info = getattr(spla, solver)(symmetric, b, rtol=1e-10)
    assert info == 0
    assert np.allclose(x, np.linalg.solve(symmetric.to_dense(), b), rtol=1e-7)


@pytest.mark.parametrize("solver", ["gmres", "bicgstab", "bicg", "qmr", "lgmres", "tfqmr", "cgs"])
def test_general_systems(solver: str) -> None:
    x, info = getattr(spla, solver)(general, b, rtol=1e-10)
    assert info == 0
    assert np.allclose(x, np.linalg.solve(general.to_dense(), b), rtol=1e-7)


@pytest.mark.parametrize("solver", ["lsqr", "lsmr"])
def test_least_squares(solver: str) -> None:
    A = sm.vstack([general, sm.Circulant(column)]).to(dtype="float64")
    rhs = rng.standard_normal(2 * N)
    x = getattr(spla, solver)(A, rhs, atol=1e-13, btol=1e-13)[0]
    assert np.allclose(x, np.linalg.lstsq(A.to_dense(), rhs)[0], rtol=1e-7, atol=1e-9)


def test_extreme_eigenvalues() -> None:
    wanted = np.sort(np.linalg.eigvalsh(symmetric.to_dense()))[-3:]
    assert np.allclose(np.sort(spla.eigsh(symmetric, k=3, return_eigenvectors=False, v0=b)), wanted)
