"""Dense matrices and those of low rank, which take in their neighbours."""

import math

from structmat._backend import astype, is_complex, is_complex_number
from structmat.core import LinearOperator
from structmat.core.bilinear import Bilinear, Inverse
from structmat.core.compose import Product
from structmat.core.leaf import Leaf
from structmat.operators import Dense, FunctionOperator, LowRank, Permutation, Restriction, Shift, SignFlip, Zero
from structmat.rewrite.common import Maybe, agree, leaf_of, parameters, term, uniform

#: The factors that stand outermost, on the left and on the right: a neighbour can multiply these.
OUTER: dict[type, tuple[str, str]] = {Dense: ("matrix", "matrix"), LowRank: ("left", "right")}

MOVES = {Permutation, Restriction, Shift, SignFlip}

#: An inverse may cancel yet, zeros need no matrix, and functions are the user's.
CLOSED = {FunctionOperator, Inverse, Zero}


def _numbers(A: LinearOperator) -> int:
    """Count the real numbers among the parameters of a leaf."""
    leaf = leaf_of(A)
    arrays = parameters(leaf).values()
    return sum(math.prod(value.shape) * (1 + is_complex(leaf.xp, value.dtype)) for value in arrays)


def _into_left(host: Leaf, a: LinearOperator, whole: LinearOperator) -> LinearOperator:
    """Multiply the columns of the left factor by a."""
    xp, field = whole.xp, OUTER[type(host)][0]
    columns = xp.matrix_transpose(astype(xp, getattr(host, field), whole.dtype))
    return host._replace(**{field: xp.matrix_transpose(a._apply(xp, columns))})


def _into_right(host: Leaf, b: LinearOperator, whole: LinearOperator) -> LinearOperator:
    """Multiply the right factor by b: the rows of a matrix, or V in U V^H b = U (b^H V)^H."""
    xp, field = whole.xp, OUTER[type(host)][1]
    factor = astype(xp, getattr(host, field), whole.dtype)
    if type(host) is LowRank:
        return host._replace(right=xp.matrix_transpose(b._apply_adjoint(xp, xp.matrix_transpose(factor))))
    return host._replace(matrix=xp.conj(b._apply_adjoint(xp, xp.conj(factor))))


def absorb(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Let a dense matrix or a factor of low rank take in a neighbouring leaf, where fewer numbers are left."""
    if any(not isinstance(A, Bilinear) or {type(A), type(leaf_of(A))} & CLOSED for A in (a, b)):
        return None
    if not agree(leaf_of(a), leaf_of(b)):
        return None
    whole = Product((a, b))
    choices = []
    for host, into, place, (old, new) in ((b, _into_left, 0, (b.m, a.m)), (a, _into_right, 1, (a.n, b.n))):
        if isinstance(host, Leaf) and type(host) in OUTER and uniform(host):
            count = math.prod(getattr(host, OUTER[type(host)][place]).shape)
            size = _numbers(host) - count * (1 + host._is_complex) + count // old * new * (1 + whole._is_complex)
            choices.append((size, place, into, host))
    if not choices:
        return None
    size, place, into, host = min(choices, key=lambda choice: choice[:2])
    return into(host, (a, b)[place], whole) if size <= _numbers(a) + _numbers(b) else None


def absorb_moves(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Let it take in what moves or signs entries, which rounds nothing."""
    return absorb(a, b) if {type(leaf_of(a)), type(leaf_of(b))} & MOVES else None


def add_low_ranks(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Put factors side by side, while the rank stays below the full one."""
    (s, A), (t, B) = term(a), term(b)
    if type(A) is not LowRank or type(B) is not LowRank or not agree(A, B):
        return None
    complex_scalar = is_complex_number(s) or is_complex_number(t)
    if not (uniform(A) and uniform(B) and A.dtype == B.dtype) or (complex_scalar and not A._is_complex):
        return None
    if A.left.shape[1] + B.left.shape[1] >= min(A.shape):
        return None
    left = A.xp.concat((s * A.left, t * B.left), axis=1)
    return A._replace(left=left, right=A.xp.concat((A.right, B.right), axis=1))
