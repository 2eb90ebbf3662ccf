"""Operators that move entries or flip their signs: permutations, shifts, selections and sign flips."""

from typing import Any

from structmat._backend import devices, namespaces
from structmat._backend.types import Array
from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint
from structmat.core.compose import Power
from structmat.core.facts import power_of
from structmat.operators import Identity, Permutation, Restriction, Shift, SignFlip
from structmat.rewrite.common import Maybe, leaf_of, same


def multiply_signs(a: SignFlip, b: SignFlip) -> Maybe:
    return a._replace(signs=a.signs * b.signs)


def power_signs(A: Power) -> Maybe:
    return A.of if A.exponent % 2 else Identity(A.n)


# ---------------------------------------------------------------------- (A x)_i = x_{index_i}

SELECTIONS = (Permutation, Restriction, Shift)


def _index(A: Any, like: Array) -> Array:
    """Return the indices that A selects, as an array of the dtype and device of another."""
    if namespaces.is_array(kept := getattr(A, "index", None)):
        return kept
    xp = namespaces.of(like)
    places = range(A.n) if type(A) is Shift else A._span
    index = xp.arange(places.start, places.stop, places.step, dtype=like.dtype, device=devices.of(like))
    return xp.roll(index, A.k % A.n) if type(A) is Shift else index


def select_twice(a: Any, b: Any) -> Maybe:
    """Compose two selections."""
    if type(a) not in SELECTIONS or type(b) not in SELECTIONS:
        return None
    arrays = [each.index for each in (a, b) if namespaces.is_array(getattr(each, "index", None))]
    if not arrays:
        return _select_spans(a, b)
    index = namespaces.of(arrays[0]).take(_index(b, arrays[0]), _index(a, arrays[0]))
    if Restriction in (type(a), type(b)):
        return Restriction._make({"n": b.n, "index": index, "_frozen": False})
    return (a if type(a) is Permutation else b)._replace(index=index)


def _select_spans(a: Any, b: Any) -> Maybe:
    """Add two shifts, or compose slices; a slice of a shifted vector may wrap around, which no slice describes."""
    if type(a) is Shift:
        return a._replace(k=(a.k + b.k) % a.n) if type(b) is Shift else None
    if type(b) is Restriction:
        kept = b._span[_as_slice(a._span)]
    else:
        ahead = (a._span[0] - b.k) % b.n - a._span[0]
        kept = range(a._span.start + ahead, a._span.stop + ahead, a._span.step)
    whole = min(kept[0], kept[-1]) >= 0 and max(kept[0], kept[-1]) < b.n
    return a._replace(n=b.n, index=_as_slice(kept)) if whole else None


def _as_slice(places: range) -> slice:
    return slice(places.start, None if places.stop < 0 else places.stop, places.step)


def move_padding(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Compose a move and a padding into the adjoint of one selection."""
    if (type(a) is Adjoint) == (type(b) is Adjoint) or {type(leaf_of(a)), type(leaf_of(b))} - {*SELECTIONS}:
        return None
    kept = select_twice(b.H, a.H)
    return None if kept is None else kept.H


def select_what_was_padded(a: Restriction, b: Adjoint) -> Maybe:
    return Identity(a.m) if same(a, b.of) else None


def select_all(A: Restriction) -> Maybe:
    return Identity(A.n) if not namespaces.is_array(A.index) and A._span == range(A.n) else None


def shift_by_none(A: Shift) -> Maybe:
    return Identity(A.n) if A.k % A.n == 0 else None


def power_moves(A: Power) -> Maybe:
    """Raise a permutation or a shift to a power."""
    of: Any = A.of
    if type(of) is Shift:
        return of._replace(k=of.k * A.exponent % of.n)
    return None if A.exponent == 0 else power_of(of, A.exponent, select_twice)
