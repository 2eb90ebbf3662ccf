"""Kronecker products of circulants, and their sums, as multilevel circulants."""

import functools
import itertools
import operator
from typing import Any

from structmat._backend import dtypes
from structmat._backend.types import Array
from structmat.core import LinearOperator
from structmat.core.blocks import Kron, Repeat, repeat
from structmat.core.compose import Sum, added
from structmat.core.leaf import Leaf
from structmat.operators import Identity, MultilevelCirculant
from structmat.rewrite.common import Maybe, may_merge, same, scaled, split_scalar


def factors(A: LinearOperator) -> tuple[LinearOperator, ...]:
    """Return the factors of a Kronecker product, or of a repetition I ⊗ A; () for other operators."""
    return (Identity(A.times), A.of) if isinstance(A, Repeat) else A.parts if isinstance(A, Kron) else ()


def add_krons(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Add Kronecker products that share a factor, A ⊗ B + C ⊗ B = (A + C) ⊗ B; an identity is I ⊗ I."""
    (s, A), (t, B) = split_scalar(a), split_scalar(b)
    mine, theirs = factors(A), factors(B)
    if type(B) is Identity:
        theirs = tuple(Identity(part.m) for part in mine)
    elif type(A) is Identity:
        mine = tuple(Identity(part.m) for part in theirs)
    if not mine or not theirs:
        return None
    for shared, other in ((1, 0), (0, 1)):
        if same(mine[shared], theirs[shared]) and mine[other].shape == theirs[other].shape:
            whole = added(scaled(s, mine[other]), scaled(t, theirs[other]))
            if shared == 1:
                return Kron((whole, mine[1]))
            return repeat(whole, mine[0].n) if type(mine[0]) is Identity else Kron((mine[0], whole))
    return None


Levels = list[tuple[Any, tuple[int, ...]]]  # circulant leaves, and the sizes of their levels


def _levels(A: LinearOperator) -> Levels | None:
    """Return the factors of a Kronecker product of circulants, the outermost first; None if it has others."""
    if type(A) in (Kron, Repeat):
        found = [_levels(part) for part in factors(A)]
        return None if None in found else [level for levels in found for level in levels or ()]
    if isinstance(A, MultilevelCirculant):
        return [(A, tuple(A.tensor.shape))]
    return [(A, (A.n,))] if isinstance(A, Leaf) and type(A)._as_circulant is not Leaf._as_circulant else None


def _ends(levels: Levels) -> list[int]:
    """Return the cumulative products of the sizes, from 1."""
    return list(itertools.accumulate((width for _, widths in levels for width in widths), operator.mul, initial=1))


def _refined(each: list[Levels]) -> tuple[int, ...] | None:
    """Return sizes of levels common to all terms, None if there are none; only identities may be divided further."""
    ends = sorted({end for levels in each for end in _ends(levels)})
    if any(after % before for before, after in itertools.pairwise(ends)):
        return None
    for levels in each:
        start = 1
        for leaf, widths in levels:
            stops = list(itertools.accumulate(widths, operator.mul, initial=start))
            if type(leaf) is not Identity and [end for end in ends if start <= end <= stops[-1]] != stops:
                return None
            start = stops[-1]
    return tuple(after // before for before, after in itertools.pairwise(ends))


def _tensor(levels: Levels, like: LinearOperator) -> Array:
    """Return the first column of a Kronecker product of circulants, in the dtype of another operator."""
    xp = like.xp
    columns = [leaf.tensor if isinstance(leaf, MultilevelCirculant) else leaf._as_circulant(like) for leaf, _ in levels]
    columns = [dtypes.astype(xp, xp.reshape(column, (-1,)), like.dtype) for column in columns]
    return functools.reduce(lambda outer, inner: xp.reshape(outer[:, None] * inner[None, :], (-1,)), columns)


def multilevel(*terms: LinearOperator) -> Maybe:
    """Write a sum of Kronecker products of circulants as one multilevel circulant, if they have common levels."""
    pairs = [split_scalar(each) for each in terms]
    found = [_levels(of) for _, of in pairs]
    each = [levels for levels in found if levels is not None]
    leaves = [leaf for levels in each for leaf, _ in levels]
    if len(each) < len(terms) or not may_merge(*leaves) or (shape := _refined(each)) is None:
        return None
    whole = Sum(terms)
    columns = [scalar * _tensor(levels, whole) for (scalar, _), levels in zip(pairs, each, strict=True)]
    tensor = whole.xp.reshape(functools.reduce(operator.add, columns), shape)
    return MultilevelCirculant(tensor)._replace(_frozen=any(leaf._frozen for leaf in leaves))


def add_levels(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Add Kronecker products of circulants, such as C ⊗ I and I ⊗ D."""
    kinds = {type(split_scalar(each)[1]) for each in (a, b)}
    return multilevel(a, b) if kinds <= {Kron, Repeat, MultilevelCirculant} and kinds != {MultilevelCirculant} else None
