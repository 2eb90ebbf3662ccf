"""What all functions of the package do with the operator they are given."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from structmat._backend import (
    Array,
    Namespace,
    as_namespace,
    astype,
    compute_dtype,
    is_array,
    is_complex,
    kind,
    native,
    real_dtype,
)
from structmat.core.operator import LinearOperator
from structmat.rewrite import simplify

F = TypeVar("F", bound=Callable[..., Any])


def namespace_of(A: LinearOperator) -> Namespace:
    """Return the operator's namespace, NumPy for one without arrays."""
    return as_namespace(None) if A.xp is None else A.xp


def admits(*, square: bool = False, rounds: bool = True) -> Callable[[F], F]:
    """Check the first argument, an operator; compute in single precision what is half, and round it at the end.

    A function that does not round takes half precision as it comes.
    """

    def decorate(function: F) -> F:
        @functools.wraps(function)
        def call(A: LinearOperator, *arguments: Any, **options: Any) -> Any:
            name = f"linalg.{function.__name__}"
            if not isinstance(A, LinearOperator):
                raise TypeError(f"{name}: A is a {type(A).__name__}; expected an operator, such as sm.Dense(matrix).")
            if square and A.m != A.n:
                raise ValueError(f"{name}: A is {A._label}; expected a square operator.")
            if not rounds or (precise := in_single(A)) is A:
                return function(A, *arguments, **options)
            return _rounded(A, function(precise, *arguments, **options))

        return cast("F", call)

    return decorate


def in_single(A: LinearOperator) -> LinearOperator:
    """Return an operator with half-precision arrays in single precision, and all native; itself if they are so."""
    if all(_computing(A.xp, array) is array for array in A._arrays):
        return A
    return A._map(functools.cache(_widened))  # a leaf that stands twice is converted once


def _computing(xp: Namespace, x: Array) -> Array:
    return native(x if kind(xp, x.dtype) is None else astype(xp, x, compute_dtype(xp, x.dtype)))


def _widened(leaf: LinearOperator) -> LinearOperator:
    return leaf._with_arrays([_computing(leaf.xp, x) for x in leaf._arrays])


def _rounded(A: LinearOperator, result: Any) -> Any:
    """Give single precision the dtype of A; complex numbers keep theirs, as there are no half complex ones."""
    if isinstance(result, tuple):
        make = getattr(result, "_make", tuple)
        return make(_rounded(A, each) for each in result)
    if isinstance(result, LinearOperator):
        return result if result._is_complex or result.dtype is None else result.to(dtype=A.dtype)
    keeps = not is_array(result) or is_complex(A.xp, result.dtype)
    return result if keeps else A.xp.astype(result, real_dtype(A.xp, A.dtype))


def right_hand_side(call: str, A: LinearOperator, b: Any) -> tuple[Namespace, Array, Callable[[Array], Array]]:
    """Check a right-hand side, (n,) or columns (..., n, k); return its vectors and what makes such of solutions."""
    columns = getattr(b, "ndim", 1) > 1
    xp, inner = A._admit(call, "b", b, 0, axis=-2 if columns else -1)

    def finish(x: Array) -> Array:
        return A._finish(xp, b, xp.matrix_transpose(x) if columns else x)

    return xp, xp.matrix_transpose(inner) if columns else inner, finish


def known(A: LinearOperator, values: Callable[[LinearOperator], Any]) -> Any:
    """What the structure of A gives exactly, or that of A simplified; None where neither does."""
    found = values(A)
    return values(simplify(A)) if found is None else found


def eigenvalues_of(A: LinearOperator) -> Array | None:
    """Return all eigenvalues where the structure gives them."""
    return known(A, lambda form: form._eigenvalues(namespace_of(form)))


def singular_values_of(A: LinearOperator) -> Array | None:
    """Return all singular values, the largest first, where the structure gives them."""
    return known(A, lambda form: form._singular_values(namespace_of(form)))
