"""Leaves that are linear in their parameters: multiples, sums, conjugates, adjoints; special leaves as general ones."""

from typing import Any

from structmat._backend import dtypes
from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate
from structmat.core.compose import Scaled
from structmat.core.leaf import Leaf
from structmat.rewrite.common import (
    Maybe,
    joint_dtype,
    may_merge,
    of_one_dtype,
    parameters,
    same,
    same_but_params,
    scaled,
    split_scalar,
)


def scale_params(A: Scaled) -> Maybe:
    """Scale the parameters of a leaf; a complex scalar stays outside of a real leaf, whose memory it would double."""
    of = A.of
    if not isinstance(of, Leaf) or not of_one_dtype(of):
        return None
    if dtypes.is_complex_number(A.scalar) and (not of._is_complex or of._linear_over == "real"):
        return None
    names = of._param_fields if of._linear_over else of._scaled_by
    return of._replace(**{name: A.scalar * getattr(of, name) for name in names}) if names else None


def conjugate_leaf(A: LinearOperator) -> Leaf | None:
    """Return the conjugate as a leaf of the same class, where its fields give it."""
    if not isinstance(A, Leaf) or not A._is_complex:
        return A if isinstance(A, Leaf) else None
    fields = A._conjugated_fields()
    return None if fields is None else A._replace(**fields)


def adjoint_leaf(A: LinearOperator) -> Leaf | None:
    """Return the adjoint as a leaf of the same class, where its fields give it."""
    fields = A._transposed_fields() if isinstance(A, Leaf) else None
    return None if fields is None else conjugate_leaf(A._replace(**fields))


def conjugate_params(A: Conjugate) -> Maybe:
    return conjugate_leaf(A.of)


def adjoint_by_moves(A: Adjoint) -> Maybe:
    return _adjoint_rewritten(A.of, rounds=False)


def adjoint_by_rounding(A: Adjoint) -> Maybe:
    return _adjoint_rewritten(A.of, rounds=True)


def _adjoint_rewritten(of: LinearOperator, *, rounds: bool) -> Maybe:
    if not isinstance(of, Leaf) or of._transpose_rounds != rounds or not of_one_dtype(of):
        return None
    return adjoint_leaf(of)


# ---------------------------------------------------------------------- sums


def _linear_combination(s: Any, A: Leaf, t: Any, B: Leaf) -> Maybe:
    """Return s A + t B of one class."""
    if not A._linear_over or not same_but_params(A, B) or (dtype := joint_dtype(A, B)) is None:
        return None
    mine, theirs = parameters(A), parameters(B)
    if any(mine[name].shape != theirs[name].shape for name in mine):
        return None
    if dtypes.is_complex_number(s) or dtypes.is_complex_number(t):
        if A._linear_over == "real":
            return None
        dtype = dtypes.complex_dtype(A.xp, dtype)
    pairs = {name: (dtypes.astype(A.xp, mine[name], dtype), dtypes.astype(A.xp, theirs[name], dtype)) for name in mine}
    return A._replace(**{name: s * first + t * second for name, (first, second) in pairs.items()})


def add_params(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = split_scalar(a), split_scalar(b)
    return _linear_combination(s, A, t, B) if isinstance(A, Leaf) and isinstance(B, Leaf) else None


def add_like_terms(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = split_scalar(a), split_scalar(b)
    return scaled(s + t, A) if same(A, B) else None


# ---------------------------------------------------------------------- inclusions


def as_class_of(like: LinearOperator, A: LinearOperator) -> Leaf | None:
    """Write A as a leaf of the class of another one, which includes it; None where that is impossible."""
    if not isinstance(A, Leaf) or not isinstance(like, Leaf) or type(A) is type(like) or not may_merge(A, like):
        return None
    fields = like._including(A)
    return None if fields is None else like._replace(**fields)


def of_one_class(a: LinearOperator, b: LinearOperator) -> tuple[Leaf, Leaf] | None:
    """Write one of two leaves as one of the other's class."""
    if (left := as_class_of(b, a)) is not None:
        return left, b  # type: ignore[return-value]
    return None if (right := as_class_of(a, b)) is None else (a, right)  # type: ignore[return-value]


def add_included(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = split_scalar(a), split_scalar(b)
    pair = of_one_class(A, B)
    return None if pair is None else _linear_combination(s, pair[0], t, pair[1])
