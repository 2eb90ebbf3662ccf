"""Exact values from the structure of an operator, or of its simplified form."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from structmat._backend import dtypes
from structmat._backend.types import Array
from structmat.core.base import LinearOperator, NoExactInverseError
from structmat.linalg._validation import namespace_of
from structmat.rewrite import simplify


def forms(A: LinearOperator) -> Iterator[LinearOperator]:
    """Yield A and, if that is another operator, its simplified form, which is made only if A is not enough."""
    yield A
    if (simple := simplify(A)) is not A:
        yield simple


def exact_or_none(A: LinearOperator, of: Callable[[LinearOperator], Any]) -> Any:
    """Return `of(A)`, or `of(simplify(A))` where that is None; None where both are."""
    return next((found for form in forms(A) if (found := of(form)) is not None), None)


def exact_values(A: LinearOperator, of: Callable[[LinearOperator], Any], whole: LinearOperator | None = None) -> Any:
    """Return `exact_or_none(A, of)` in the namespace, device and precision of A, or of an operator A is part of."""
    return exact_or_none(A, lambda form: of(placed_in(form, A if whole is None else whole)))


def placed_in(A: LinearOperator, whole: LinearOperator) -> LinearOperator:
    """Give leaves without a dtype the namespace, device and dtype of an operator that A is part of.

    The result is for numerical values only: an operator composed of it would have a dtype that is not its own.
    """

    def placed(leaf: LinearOperator) -> LinearOperator:
        if leaf.dtype is not None:
            return leaf
        xp, dtype = whole._library
        dtype = dtypes.as_dtype(
            xp, dtypes.complex_dtype(xp, dtype) if leaf._is_complex else dtypes.real_dtype(xp, dtype)
        )
        made = leaf._replace()
        made._settle(leaf.shape, dtype, xp, whole.device, leaf._is_complex)
        return made

    return A._map(functools.cache(placed))


def inverse_or_none(A: LinearOperator) -> LinearOperator | None:
    """Return the exact inverse of A or of A simplified; LinAlgError for a singular operator."""
    return exact_or_none(A, _inverse)  # type: ignore[no-any-return]


def _inverse(A: LinearOperator) -> LinearOperator | None:
    try:
        return A**-1
    except NoExactInverseError:
        return None


def eigenvalues_of(A: LinearOperator, whole: LinearOperator | None = None) -> Array | None:
    """Return all eigenvalues where the structure gives them."""
    return exact_values(A, lambda form: form._eigenvalues(namespace_of(form)), whole)


def singular_values_of(A: LinearOperator) -> Array | None:
    """Return all singular values in descending order where the structure gives them."""
    return exact_values(A, lambda form: form._singular_values(namespace_of(form)))
