"""Validation of arguments, and the precision of computations and results."""

import functools
import operator
from collections.abc import Callable
from typing import Any, TypeVar, cast

from structmat._backend import dtypes, memory, namespaces
from structmat._backend.types import Array, DType, Namespace
from structmat.core.base import LinearOperator
from structmat.core.bilinear import Bilinear

F = TypeVar("F", bound=Callable[..., Any])


def namespace_of(A: LinearOperator) -> Namespace:
    """Return the operator's namespace; NumPy for an operator without arrays."""
    return namespaces.resolve(None) if A.xp is None else A.xp


def checked(*, square: bool = False, casts: bool = True) -> Callable[[F], F]:
    """Decorate a function of an operator: validate its first argument, and cast the result to the operator's precision.

    Half precision is computed in single. With `casts` False the operator and the result are passed through unchanged.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(A: LinearOperator, *arguments: Any, **options: Any) -> Any:
            name = f"linalg.{function.__name__}"
            if not isinstance(A, LinearOperator):
                raise TypeError(f"{name}: A is a {type(A).__name__}; expected an operator, such as sm.Dense(matrix).")
            if square and A.m != A.n:
                raise ValueError(f"{name}: A is {A._label}; expected a square operator.")
            if not casts:
                return function(A, *arguments, **options)
            return _cast_result(A, function(in_own_precision(A), *arguments, **options))

        return cast("F", call)

    return decorate


def in_own_precision(A: LinearOperator) -> LinearOperator:
    """Return A with all arrays native and in the precision of `A.dtype`, at least single; A itself if they are."""
    if all(_fits(A, array) for array in A._arrays):
        return A
    return A._map(functools.cache(functools.partial(_converted, A)))  # a leaf that occurs twice is converted once


def _precision(A: LinearOperator) -> DType:
    """The real dtype to compute functions of A in; None for an operator without dtype."""
    return None if A.dtype is None else dtypes.real_dtype(A.xp, dtypes.compute_dtype(A.xp, A.dtype))


def _fits(A: LinearOperator, x: Array) -> bool:
    same = A.dtype is None or dtypes.kind(A.xp, x.dtype) is None or dtypes.real_dtype(A.xp, x.dtype) == _precision(A)
    return same and memory.native(x) is x


def _converted(A: LinearOperator, leaf: LinearOperator) -> LinearOperator:
    if isinstance(leaf, Bilinear) and A.dtype is not None:
        leaf = leaf._in_precision(A.xp, _precision(A))
    natives = list(map(memory.native, leaf._arrays))
    return leaf if all(map(operator.is_, natives, leaf._arrays)) else leaf._with_arrays(natives)


def _cast_result(A: LinearOperator, result: Any) -> Any:
    """Cast arrays and operators to the precision of A; complex results of half precision stay in single."""
    if A.dtype is None:
        return result
    if isinstance(result, tuple):
        make = getattr(result, "_make", tuple)
        return make(_cast_result(A, each) for each in result)
    real = dtypes.real_dtype(A.xp, A.dtype)
    if isinstance(result, LinearOperator):
        return result if result._is_complex or result.dtype is None else result.to(dtype=real)
    if not namespaces.is_array(result):
        return result
    return dtypes.astype(
        A.xp, result, dtypes.complex_dtype(A.xp, real) if dtypes.is_complex(A.xp, result.dtype) else real
    )


def right_hand_side(call: str, A: LinearOperator, b: Any) -> tuple[Namespace, Array, Callable[[Array], Array]]:
    """Validate a right-hand side, (n,) or columns (..., n, k).

    Returns the namespace, the vectors along the last axis, and a function that brings solutions to the shape of b.
    """
    columns = getattr(b, "ndim", 1) > 1
    xp, inner = A._admit(call, "b", b, 0, axis=-2 if columns else -1)

    def finish(x: Array) -> Array:
        return A._finish(xp, b, xp.matrix_transpose(x) if columns else x)

    return xp, xp.matrix_transpose(inner) if columns else inner, finish
