"""Families that one transform makes diagonal, all members at once: they multiply as their spectra do."""

import operator
from collections.abc import Callable
from typing import Any, NamedTuple

from structmat._backend import Array, DType, astype, complex_dtype, dft, idft, reversed_mod_n
from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate, Inverse
from structmat.core.compose import Power
from structmat.core.leaf import Leaf
from structmat.operators import (
    DCT,
    DFT,
    DST,
    BlockCirculant,
    Circulant,
    Diagonal,
    FCirculant,
    Hadamard,
    Identity,
    MultilevelCirculant,
    SkewCirculant,
)
from structmat.rewrite.common import Maybe, alike, joint_dtype, leaf_of, power_of, same, scaled, term, uniform
from structmat.rewrite.linear import embedded, one_class


class Family(NamedTuple):
    """The way from the arrays of a class to its spectra, and back."""

    field: str
    spectrum: str
    back: Callable[[Any, Array], Array]
    matrices: bool = False  # whether there is a matrix at each frequency, and not a number


FAMILIES: dict[type, Family] = {
    BlockCirculant: Family("blocks", "spectra", lambda A, spectra: A._back(A.xp, spectra), matrices=True),
    Circulant: Family("column", "spectrum", lambda A, spectrum: A._back(A.xp, spectrum)),
    Diagonal: Family("entries", "entries", lambda _, spectrum: spectrum),
    FCirculant: Family("column", "spectrum", lambda A, spectrum: A._from(A.xp, spectrum, A._untwist)),
    MultilevelCirculant: Family("tensor", "spectrum", lambda A, spectrum: A._back(A.xp, spectrum)),
    SkewCirculant: Family("column", "spectrum", lambda A, spectrum: A._from(A.xp, spectrum, A._untwist)),
}


def _cast(A: Leaf, dtype: DType) -> Leaf:
    """Return an operator with its array in a dtype."""
    field = FAMILIES[type(A)].field
    array = getattr(A, field)
    return A if array.dtype == dtype else A._replace(**{field: astype(A.xp, array, dtype)})


def _spectrum(A: Leaf) -> Array:
    return getattr(A, FAMILIES[type(A)].spectrum)


def _with_spectrum(A: Leaf, spectrum: Array) -> Leaf:
    family = FAMILIES[type(A)]
    return A._replace(**{family.field: astype(A.xp, family.back(A, spectrum), A.dtype)})


def not_larger(a: LinearOperator, b: LinearOperator) -> bool:
    """Tell whether the product of two matrices has no more entries than they have: thin factors stay factors."""
    return a.m * b.n <= a.m * a.n + b.m * b.n


def multiply_spectra(a: LinearOperator, b: LinearOperator) -> Maybe:
    family = FAMILIES.get(type(a))
    if family is None or not isinstance(a, Leaf) or not isinstance(b, Leaf) or not alike(a, b):
        return None
    dtype = joint_dtype(a, b)
    levels = [getattr(each, family.field).shape[2 if family.matrices else 0 :] for each in (a, b)]
    if dtype is None or levels[0] != levels[1] or (family.matrices and not not_larger(a, b)):
        return None
    whole = _cast(a, dtype)
    times = a.xp.matmul if family.matrices else operator.mul
    return _with_spectrum(whole, times(_spectrum(whole), _spectrum(_cast(b, dtype))))


def multiply_embedded(a: LinearOperator, b: LinearOperator) -> Maybe:
    if not {type(a), type(b)} & FAMILIES.keys():
        return None
    pair = one_class(a, b)
    return None if pair is None else multiply_spectra(*pair)


def power_by_spectrum(A: Power) -> Maybe:
    of = A.of
    if type(of) not in FAMILIES or not isinstance(of, Leaf) or not uniform(of):
        return None
    if A.exponent == 0:
        return embedded(Identity(A.n), of)
    times = of.xp.matmul if FAMILIES[type(of)].matrices else operator.mul
    return _with_spectrum(of, power_of(_spectrum(of), A.exponent, times))


def invert_spectrum(A: Inverse) -> Maybe:
    of, family = A.of, FAMILIES.get(type(A.of))
    if family is None or family.matrices or not isinstance(of, Leaf) or not uniform(of):
        return None
    return _with_spectrum(of, 1 / _spectrum(of))


# ---------------------------------------------------------------------- between Fourier transforms


def _fourier(A: LinearOperator) -> tuple[DFT, bool] | None:
    """Tell a Fourier transform, and whether it is an adjoint one."""
    leaf = A.of if type(A) is Adjoint else A
    return (leaf, leaf is not A) if type(leaf) is DFT else None


def _fourier_pair(a: LinearOperator, b: LinearOperator) -> tuple[float, bool] | None:
    """Tell the scalar s of a b = s I for two transforms there and back, and whether a is the one back."""
    left, right = _fourier(a), _fourier(b)
    if left is None or right is None or left[1] == right[1]:
        return None
    powers = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}  # of 1/n, in the transform's scale
    return float(a.n) ** (1 - powers[left[0].norm] - powers[right[0].norm]), left[1]


def conjugate_fourier(A: Conjugate) -> Maybe:
    """Take the adjoint, as the transform is symmetric."""
    return None if _fourier(A.of) is None else A.of.H


def cancel_fourier(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Cancel transforms there and back, whatever their scales."""
    pair = _fourier_pair(a, b)
    return None if pair is None else scaled(complex(pair[0]), Identity(a.n))


def cancel_transform(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Cancel a real transform and its inverse, or a multiple of it."""
    if any(type(leaf_of(each)) not in (DCT, DST, Hadamard) for each in (a, b)):
        return None
    for one, other in ((a, b), (b, a)):
        scalar, inverse = term(one**-1)
        if same(inverse, other):
            return scaled(1 / scalar, Identity(a.n))
    return None


def between_transforms(a: LinearOperator, middle: LinearOperator, b: LinearOperator) -> Maybe:
    """Write a diagonal between two Fourier transforms as a circulant, and a circulant as a diagonal.

    With W the unnormalised transform, W^-1 diag(d) W has the first column idft(d), and W diag(d) W^-1 the same in
    reverse. Backwards, W C W^-1 has the diagonal dft(c), and W^-1 C W the same in reverse.
    """
    pair = _fourier_pair(a, b)
    if pair is None:
        return None
    scale, back_first = pair
    xp = middle.xp
    if type(middle) is Diagonal:
        diagonal = scale * astype(xp, middle.entries, complex_dtype(xp, middle.dtype))
        column = idft(xp, diagonal, middle.n, real=False)
        made: Leaf = Circulant(column if back_first else reversed_mod_n(xp, column, 0))
    elif type(middle) is Circulant:
        diagonal = scale * dft(xp, astype(xp, middle.column, complex_dtype(xp, middle.dtype)))
        made = Diagonal(reversed_mod_n(xp, diagonal, 0) if back_first else diagonal)
    else:
        return None
    return made._replace(_frozen=middle._frozen)
