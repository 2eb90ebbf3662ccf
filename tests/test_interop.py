"""The way to PyLops and back from other libraries' operators."""

import pickle

import numpy as np
import pylops
import pytest
import scipy.sparse
import scipy.sparse.linalg as spla

import structmat as sm
from structmat.core import OPERATORS

rng = np.random.default_rng(0)
NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))


@pytest.mark.parametrize("name", NAMES)
def test_pylops_judges_every_adjoint(name: str) -> None:
    A = OPERATORS[name].example(9, np.random.default_rng(0))
    assert pylops.utils.dottest(A.to_pylops(), *A.shape, complexflag=3 if A._is_complex else 0, rtol=1e-10)


def test_a_solver_of_pylops() -> None:
    A = sm.vstack([sm.Circulant(np.r_[4.0, rng.standard_normal(15) / 4]), sm.Diagonal(rng.standard_normal(16))])
    b = rng.standard_normal(32)
    x = pylops.optimization.basic.cgls(A.to_pylops(), b, niter=100, tol=1e-14)[0]
    assert np.allclose(x, np.linalg.lstsq(A.to_dense(), b)[0])


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
        lambda M: pylops.MatrixMult(M, dtype=M.dtype),
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
    S = sm.aslinearoperator(scipy.sparse.eye_array(3).tocsr())
    assert np.array_equal(pickle.loads(pickle.dumps(S)) @ np.ones(3), np.ones(3))


@pytest.mark.parametrize("thing", [3, "matrix", [[1.0]], None])
def test_other_things_are_no_operators(thing: object) -> None:
    with pytest.raises(TypeError, match=rf"aslinearoperator: obj is a {type(thing).__name__}; expected an operator"):
        sm.aslinearoperator(thing)
