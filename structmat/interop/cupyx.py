"""Operators as CuPy's own `LinearOperator`s."""

import cupyx.scipy.sparse.linalg as spla

from structmat._backend import namespaces
from structmat._backend.types import Array, DType
from structmat.core.base import LinearOperator
from structmat.interop.scipy import Products, own_dtype
from structmat.interop.template import check_library


class CuPyOperator(Products, spla.LinearOperator):  # type: ignore[misc]
    """A structmat operator as a `cupyx.scipy.sparse.linalg.LinearOperator`, made by `LinearOperator.to_cupyx`.

    Attributes
    ----------
    operator : structmat.LinearOperator
        The operator inside.
    """

    # CuPy's solvers pass the pointers of products to cuBLAS with stride 1, whatever the strides are.

    def _matvec(self, x: Array) -> Array:
        return namespaces.of(x).ascontiguousarray(super()._matvec(x))

    def _rmatvec(self, x: Array) -> Array:
        return namespaces.of(x).ascontiguousarray(super()._rmatvec(x))


def to_cupyx(A: LinearOperator, dtype: DType = None) -> CuPyOperator:
    """Wrap an operator for CuPy; see `LinearOperator.to_cupyx`."""
    check_library(f"{A._head}.to_cupyx: the operator", A, "cupy")
    return CuPyOperator(A, own_dtype(A) if dtype is None else dtype)
