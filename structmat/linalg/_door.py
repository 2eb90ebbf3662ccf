"""What all functions of the package do with the operator they are given."""

import functools
import operator
from collections.abc import Callable
from typing import Any, TypeVar, cast

from structmat._backend import (
    Array,
    DType,
    Namespace,
    as_dtype,
    as_namespace,
    astype,
    complex_dtype,
    compute_dtype,
    is_array,
    is_complex,
    kind,
    native,
    real_dtype,
)
from structmat.core.base import LinearOperator, NoExactInverseError
from structmat.core.bilinear import Bilinear
from structmat.rewrite import simplify

F = TypeVar("F", bound=Callable[..., Any])


def namespace_of(A: LinearOperator) -> Namespace:
    """Return the operator's namespace, NumPy for one without arrays."""
    return as_namespace(None) if A.xp is None else A.xp


def admits(*, square: bool = False, rounds: bool = True) -> Callable[[F], F]:
    """Check the first argument, an operator; compute in single precision what is half, and round to its dtype.

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
            if not rounds:
                return function(A, *arguments, **options)
            return _rounded(A, function(in_single(A), *arguments, **options))

        return cast("F", call)

    return decorate


def in_single(A: LinearOperator) -> LinearOperator:
    """Return an operator whose arrays are native and have its precision, single at least; itself if they have."""
    if all(_fits(A, array) for array in A._arrays):
        return A
    return A._map(functools.cache(functools.partial(_fitted, A)))  # a leaf that stands twice is converted once


def _precision(A: LinearOperator) -> DType:
    """The real dtype that functions of A compute in; None where it has none."""
    return None if A.dtype is None else real_dtype(A.xp, compute_dtype(A.xp, A.dtype))


def _fits(A: LinearOperator, x: Array) -> bool:
    same = A.dtype is None or kind(A.xp, x.dtype) is None or real_dtype(A.xp, x.dtype) == _precision(A)
    return same and native(x) is x


def _fitted(A: LinearOperator, leaf: LinearOperator) -> LinearOperator:
    if isinstance(leaf, Bilinear) and A.dtype is not None:
        leaf = leaf._in_precision(A.xp, _precision(A))
    natives = list(map(native, leaf._arrays))
    return leaf if all(map(operator.is_, natives, leaf._arrays)) else leaf._with_arrays(natives)


def _rounded(A: LinearOperator, result: Any) -> Any:
    """Give numbers the precision of A; there are no half complex ones, so that these are single."""
    if A.dtype is None:
        return result
    if isinstance(result, tuple):
        make = getattr(result, "_make", tuple)
        return make(_rounded(A, each) for each in result)
    real = real_dtype(A.xp, A.dtype)
    if isinstance(result, LinearOperator):
        return result if result._is_complex or result.dtype is None else result.to(dtype=real)
    if not is_array(result):
        return result
    return astype(A.xp, result, complex_dtype(A.xp, real) if is_complex(A.xp, result.dtype) else real)


def settled(A: LinearOperator, whole: LinearOperator) -> LinearOperator:
    """Give leaves that have no arrays, or no dtype, those of the whole they are part of: so have their spectra.

    Ask the result for numbers only: an operator made of it would have a dtype that is not its own.
    """

    def placed(leaf: LinearOperator) -> LinearOperator:
        if leaf.dtype is not None:
            return leaf
        xp, dtype = whole._library
        dtype = as_dtype(xp, complex_dtype(xp, dtype) if leaf._is_complex else real_dtype(xp, dtype))
        made = leaf._replace()
        made._settle(leaf.shape, dtype, xp, whole.device, leaf._is_complex)
        return made

    return A._map(functools.cache(placed))


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
    if found is None and (simple := simplify(A)) is not A:
        found = values(simple)
    return found


def numbers(A: LinearOperator, values: Callable[[LinearOperator], Any], whole: LinearOperator | None = None) -> Any:
    """What `known` gives, in the library, device and precision of A, or of a whole that A is part of."""
    return known(A, lambda form: values(settled(form, A if whole is None else whole)))


def inverse_of(A: LinearOperator) -> LinearOperator | None:
    """Return the inverse of A or of A simplified, where the structure gives it; a singular operator has none."""
    return known(A, _inverse)  # type: ignore[no-any-return]


def _inverse(A: LinearOperator) -> LinearOperator | None:
    try:
        return A**-1
    except NoExactInverseError:
        return None


def eigenvalues_of(A: LinearOperator, whole: LinearOperator | None = None) -> Array | None:
    """Return all eigenvalues where the structure gives them."""
    return numbers(A, lambda form: form._eigenvalues(namespace_of(form)), whole)


def singular_values_of(A: LinearOperator) -> Array | None:
    """Return all singular values, the largest first, where the structure gives them."""
    return numbers(A, lambda form: form._singular_values(namespace_of(form)))
