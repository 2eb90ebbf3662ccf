"""Operators and matrices of other libraries, wrapped by `aslinearoperator`."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg as spla
from backends import library

import structmat as sm
from structmat._backend import devices

rng = np.random.default_rng(0)


M = rng.standard_normal((4, 6))
Z = M + 1j * rng.standard_normal((4, 6))


@pytest.mark.parametrize("matrix", [M, Z], ids=["real", "complex"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda M: M,
        scipy.sparse.csr_array,
        scipy.sparse.coo_matrix,
        spla.aslinearoperator,
        lambda M: library("pylops").MatrixMult(M, dtype=M.dtype),
        sm.Dense,
        lambda M: sm.Dense(M).to_scipy(),
    ],
    ids=["array", "csr_array", "coo_matrix", "scipy", "pylops", "structmat", "wrapped"],
)
def test_operators_of_other_libraries(wrap: object, matrix: np.ndarray) -> None:
    A = sm.aslinearoperator(wrap(matrix))
    assert A.shape == (4, 6)
    assert np.allclose(A.to_dense(), matrix)
    sm.testing.check_operator(A, checks=["products", "adjoint", "forward", "gradients", "dtypes", "untouched"])
    whole = sm.Circulant(np.ones(4)) @ A
    assert np.allclose(whole.H @ np.ones(4), matrix.conj().T @ np.full(4, 4.0))


def test_nothing_is_wrapped_twice() -> None:
    C = sm.Circulant(np.ones(3))
    assert sm.aslinearoperator(C) is C
    assert sm.aslinearoperator(C.to_scipy()) is C
    assert sm.aslinearoperator(C.to_scipy().H).H is C
    S = sm.aslinearoperator(scipy.sparse.eye_array(3).tocsr())
    assert np.array_equal(pickle.loads(pickle.dumps(S)) @ np.ones(3), np.ones(3))


@pytest.mark.parametrize("name", ["torch", "jax.numpy", "array_api_strict"])
def test_arrays_of_other_libraries(name: str) -> None:
    """They become operators of their own library, without a copy."""
    xp = library(name)
    matrix = xp.asarray(Z.copy())
    A = sm.aslinearoperator(matrix)
    assert A.params[0] is matrix
    assert np.allclose(devices.to_host(A.matvec(xp.ones(6, dtype=xp.float64))), Z.sum(axis=1))


@pytest.mark.parametrize(("name", "extra"), [("torch", "linear_operator"), ("jax.numpy", "lineax")])
def test_other_wrappers_are_taken_off(name: str, extra: str) -> None:
    assert hasattr(library(extra), "LinearOperator" if extra == "linear_operator" else "CG")
    C = sm.Circulant(library(name).asarray(np.ones(3)))
    A = sm.aslinearoperator(getattr(C, f"to_{extra}")())
    assert isinstance(A, sm.Circulant)
    assert A.column is C.column


class Bare:
    """What PyLops and SciPy agree on, and an attribute that means something else."""

    shape, operator = (4, 6), "none of ours"
    matmat, rmatmat = M.__matmul__, M.T.__matmul__


def test_duck_typed_operators() -> None:
    assert np.allclose(sm.aslinearoperator(Bare()).to_dense(), M)


def test_scipy_s_operators_without_an_adjoint() -> None:
    A = sm.aslinearoperator(spla.LinearOperator((4, 6), matvec=lambda x: M @ x))
    assert np.allclose(A.to_dense(), M)
    with pytest.raises(NotImplementedError, match="rmatvec is not defined"):
        A.rmatvec(np.ones(4))


@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array], ids=["array", "sparse"])
@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool"])
def test_matrices_of_integers(wrap: Callable[..., object], dtype: str) -> None:
    matrix = np.eye(3, 4, dtype=dtype)
    A = sm.aslinearoperator(wrap(matrix))
    assert (A @ np.ones(4)).dtype == A.to_dense().dtype == np.float64
    assert np.array_equal(A.to_dense(), matrix)


@pytest.mark.parametrize("thing", [3, "matrix", [[1.0]], None])
def test_other_things_are_no_operators(thing: object) -> None:
    with pytest.raises(TypeError, match=rf"aslinearoperator: obj is a {type(thing).__name__}; expected an operator"):
        sm.aslinearoperator(thing)
