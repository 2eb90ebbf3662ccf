"""Operators as SciPy's own `LinearOperator`s."""

import inspect
from typing import Any

import numpy as np
import scipy.sparse.linalg as spla

from structmat._backend import Array, as_namespace, kind, namespace_name
from structmat.core.operator import LinearOperator

_TAKES_XP = "xp" in inspect.signature(spla.LinearOperator.__init__).parameters  # SciPy 1.18 and later


class SciPyOperator(spla.LinearOperator):  # type: ignore[misc]
    """A structmat operator as a `scipy.sparse.linalg.LinearOperator`, made by `LinearOperator.to_scipy`.

    Products of several columns are one batched product, and the adjoint and transpose are operators of the same kind.

    Attributes
    ----------
    operator : structmat.LinearOperator
        The operator inside.
    """

    def __init__(self, operator: LinearOperator, dtype: Any) -> None:
        self.operator = operator
        foreign = operator.xp is not None and operator.xp is not as_namespace(None)
        if foreign and not _TAKES_XP:
            raise TypeError(
                f"{operator._head}.to_scipy: the operator is of {namespace_name(operator.xp)}; this SciPy takes NumPy "
                f"only: convert it with A.to(xp=numpy), or install SciPy 1.18."
            )
        super().__init__(dtype, operator.shape, **({"xp": operator.xp} if foreign else {}))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.operator, self.dtype)

    def _floating(self, x: Array) -> Array:
        """SciPy multiplies integers too."""
        if isinstance(x, np.ndarray) and kind(as_namespace(None), x.dtype) is None:
            return x.astype(np.result_type(self.dtype, x.dtype))
        return x

    def _vectors(self, x: Array, length: int) -> Array:
        """Vectors along the last axis; SciPy hands a column (length, 1) through as it is."""
        return self._floating(x[..., 0] if x.shape[-1] != length else x)

    def _matvec(self, x: Array) -> Array:
        return self.operator.matvec(self._vectors(x, self.shape[-1]))

    def _rmatvec(self, x: Array) -> Array:
        return self.operator.rmatvec(self._vectors(x, self.shape[-2]))

    def _matmat(self, X: Array) -> Array:
        return self.operator.matmat(self._floating(X))

    def _rmatmat(self, X: Array) -> Array:
        return self.operator.rmatmat(self._floating(X))

    def _adjoint(self) -> "SciPyOperator":
        return SciPyOperator(self.operator.H, self.dtype)

    def _transpose(self) -> "SciPyOperator":
        return SciPyOperator(self.operator.T, self.dtype)


def to_scipy(A: LinearOperator, dtype: Any = None) -> SciPyOperator:
    """Wrap an operator for SciPy; see `LinearOperator.to_scipy`."""
    if dtype is None:
        dtype = np.complex128 if A._is_complex else np.float64
        dtype = dtype if A.dtype is None else A.dtype
    return SciPyOperator(A, dtype)
