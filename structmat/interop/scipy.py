"""Operators as SciPy's own `LinearOperator`s."""

import inspect
from typing import Any

import numpy as np
import scipy.sparse.linalg as spla

from structmat._backend import dtypes, namespaces
from structmat._backend.types import Array, DType
from structmat.core.base import LinearOperator

_TAKES_XP = "xp" in inspect.signature(spla.LinearOperator.__init__).parameters  # SciPy 1.18 and later


class Products:
    """The methods that the base classes of SciPy and CuPy call, implemented by an operator of this library.

    A product with several columns is one batched product; the adjoint and the transpose have the same class.
    """

    operator: LinearOperator
    dtype: Any
    shape: tuple[int, ...]
    args = ()  # the operands, for SciPy

    def __init__(self, operator: LinearOperator, dtype: DType, **options: Any) -> None:
        self.operator = operator
        super().__init__(dtype, operator.shape, **options)  # type: ignore[call-arg]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.operator, self.dtype)

    def _floating(self, x: Array) -> Array:
        """Convert integers to floating, and `np.matrix` to an array: SciPy passes both on."""
        x = np.asarray(x) if isinstance(x, np.matrix) else x
        xp = namespaces.of(x)
        if not xp.isdtype(x.dtype, ("bool", "integral")):
            return x
        dtype = xp.result_type(self.dtype, x.dtype)
        return dtypes.astype(xp, x, dtype if dtypes.kind(xp, dtype) else own_dtype(self.operator))

    def _vectors(self, x: Array, length: int) -> Array:
        """Return vectors along the last axis; SciPy passes a column (length, 1) on as it is."""
        x = self._floating(x)
        return x[..., 0] if x.shape[-1] != length else x

    def _matvec(self, x: Array) -> Array:
        return self.operator.matvec(self._vectors(x, self.shape[-1]))

    def _rmatvec(self, x: Array) -> Array:
        return self.operator.rmatvec(self._vectors(x, self.shape[-2]))

    def _matmat(self, X: Array) -> Array:
        return self.operator.matmat(self._floating(X))

    def _rmatmat(self, X: Array) -> Array:
        return self.operator.rmatmat(self._floating(X))

    def _adjoint(self) -> "Products":
        return type(self)(self.operator.H, self.dtype)

    def _transpose(self) -> "Products":
        return type(self)(self.operator.T, self.dtype)


class SciPyOperator(Products, spla.LinearOperator):  # type: ignore[misc]
    """A structmat operator as a `scipy.sparse.linalg.LinearOperator`, made by `LinearOperator.to_scipy`.

    Attributes
    ----------
    operator : structmat.LinearOperator
        The operator inside.
    """

    def __init__(self, operator: LinearOperator, dtype: DType) -> None:
        foreign = operator.xp is not None and operator.xp is not namespaces.resolve(None)
        if foreign and not _TAKES_XP:
            raise TypeError(
                f"{operator._head}.to_scipy: the operator is of {namespaces.name(operator.xp)}; this SciPy takes NumPy "
                f"only: convert it with A.to(xp=numpy), or install SciPy 1.18."
            )
        super().__init__(operator, dtype, **({"xp": operator.xp} if foreign else {}))


def own_dtype(A: LinearOperator) -> DType:
    """Return the dtype of an operator, or double precision if its products have the dtype of the vectors."""
    if A.dtype is not None:
        return A.dtype
    return np.dtype(np.complex128 if A._is_complex else np.float64)


def to_scipy(A: LinearOperator, dtype: DType = None) -> SciPyOperator:
    """Wrap an operator for SciPy; see `LinearOperator.to_scipy`."""
    return SciPyOperator(A, own_dtype(A) if dtype is None else dtype)
