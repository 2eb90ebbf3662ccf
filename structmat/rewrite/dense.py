"""Dense and low-rank matrices, which absorb their neighbours."""

import math
from typing import Any

from structmat._backend import dtypes
from structmat.core import LinearOperator
from structmat.core.bilinear import Bilinear, Inverse
from structmat.core.compose import Product
from structmat.core.leaf import Leaf
from structmat.operators import FunctionOperator, LowRank, Zero
from structmat.rewrite.common import Maybe, leaf_of, may_merge, of_one_dtype, parameters, split_scalar
from structmat.rewrite.linear import adjoint_leaf

#: Never absorbed: an inverse may still cancel, a zero needs no matrix, and functions of users are not called.
NOT_ABSORBED = {FunctionOperator, Inverse, Zero}


def _numbers(A: LinearOperator) -> int:
    """Count the real numbers among the parameters of a leaf."""
    leaf = leaf_of(A)
    arrays = parameters(leaf).values()
    return sum(math.prod(value.shape) * (1 + dtypes.is_complex(leaf.xp, value.dtype)) for value in arrays)


def _into_left(host: Any, a: LinearOperator, whole: LinearOperator) -> Leaf:
    """Multiply the columns of the left factor by a."""
    xp, field = whole.xp, host._outer_factors[0]
    columns = xp.matrix_transpose(dtypes.astype(xp, getattr(host, field), whole.dtype))
    return host._replace(**{field: xp.matrix_transpose(a._apply(xp, columns))})  # type: ignore[no-any-return]


def _into_right(host: Any, b: LinearOperator, whole: LinearOperator) -> Leaf | None:
    """Multiply the right factor by b, A b = (b^H A^H)^H."""
    return adjoint_leaf(_into_left(adjoint_leaf(host), b.H, whole))


def absorb(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Multiply a neighbouring leaf into a dense matrix or low-rank factor, if no more real numbers are stored then."""
    if any(not isinstance(A, Bilinear) or {type(A), type(leaf_of(A))} & NOT_ABSORBED for A in (a, b)):
        return None
    if not may_merge(leaf_of(a), leaf_of(b)):
        return None
    whole = Product((a, b))
    choices = []
    for host, into, place, (old, new) in ((b, _into_left, 0, (b.m, a.m)), (a, _into_right, 1, (a.n, b.n))):
        if isinstance(host, Leaf) and host._outer_factors is not None and of_one_dtype(host):
            count = math.prod(getattr(host, host._outer_factors[place]).shape)
            size = _numbers(host) - count * (1 + host._is_complex) + count // old * new * (1 + whole._is_complex)
            choices.append((size, place, into, host))
    if not choices:
        return None
    size, place, into, host = min(choices, key=lambda choice: choice[:2])
    return into(host, (a, b)[place], whole) if size <= _numbers(a) + _numbers(b) else None


def absorb_moves(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Absorb a leaf that only moves entries or flips signs, which rounds nothing."""
    return absorb(a, b) if any(getattr(leaf_of(each), "_moves_entries", False) for each in (a, b)) else None


def add_low_ranks(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Concatenate the factors, if the sum of the ranks is below full rank."""
    (s, A), (t, B) = split_scalar(a), split_scalar(b)
    if type(A) is not LowRank or type(B) is not LowRank or not may_merge(A, B):
        return None
    complex_scalar = dtypes.is_complex_number(s) or dtypes.is_complex_number(t)
    if not (of_one_dtype(A) and of_one_dtype(B) and A.dtype == B.dtype) or (complex_scalar and not A._is_complex):
        return None
    if A.left.shape[1] + B.left.shape[1] >= min(A.shape):
        return None
    left = A.xp.concat((s * A.left, t * B.left), axis=1)
    return A._replace(left=left, right=A.xp.concat((A.right, B.right), axis=1))
