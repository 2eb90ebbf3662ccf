"""Classes that are closed under products, such as spectral families, and Fourier transforms around them."""

from typing import Any

from structmat._backend import dtypes, fft, ops
from structmat._backend.types import Array, DType
from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint, Bilinear, Conjugate, Inverse
from structmat.core.compose import Power
from structmat.core.leaf import Leaf
from structmat.operators import DFT, Circulant, Diagonal, Identity
from structmat.rewrite.common import (
    Maybe,
    joint_dtype,
    leaf_of,
    of_one_dtype,
    parameters,
    same,
    same_but_params,
    scaled,
    split_scalar,
)
from structmat.rewrite.linear import as_class_of


def _is_closed(A: LinearOperator) -> bool:
    """Tell whether products of the class of A may be of the class."""
    return isinstance(A, Leaf) and (A._spectral is not None or type(A)._product_fields is not Leaf._product_fields)


def _replaced(A: Any, fields: dict[str, Array] | None, dtype: DType) -> Leaf | None:
    """Return the leaf with other parameters, in a dtype."""
    if fields is None:
        return None
    return A._replace(**{name: dtypes.astype(A.xp, value, dtype) for name, value in fields.items()})  # type: ignore[no-any-return]


def multiply_in_class(a: Any, b: Any) -> Maybe:
    if not _is_closed(a) or not same_but_params(a, b) or (dtype := joint_dtype(a, b)) is None:
        return None
    a, b = (each if of_one_dtype(each, dtype) else _replaced(each, parameters(each), dtype) for each in (a, b))
    return _replaced(a, a._product_fields(b), dtype)


def multiply_included(a: LinearOperator, b: LinearOperator) -> Maybe:
    if _is_closed(b) and (left := as_class_of(b, a)) is not None:
        return multiply_in_class(left, b)
    if _is_closed(a) and (right := as_class_of(a, b)) is not None:
        return multiply_in_class(a, right)
    return None


def power_in_class(A: Power) -> Maybe:
    of: Any = A.of
    if not _is_closed(of) or not of_one_dtype(of):
        return None
    return _replaced(of, of._power_fields(A.exponent), of.dtype) if A.exponent else as_class_of(of, Identity(A.n))


def invert_in_class(A: Inverse) -> Maybe:
    of: Any = A.of
    return _replaced(of, of._power_fields(-1), of.dtype) if _is_closed(of) and of_one_dtype(of) else None


# ---------------------------------------------------------------------- between Fourier transforms


def _fourier(A: LinearOperator) -> tuple[DFT, bool] | None:
    """Return a Fourier transform, and whether A is its adjoint; None if A is neither."""
    leaf = A.of if type(A) is Adjoint else A
    return (leaf, leaf is not A) if type(leaf) is DFT else None


def _fourier_pair(a: LinearOperator, b: LinearOperator) -> tuple[float, bool] | None:
    """Return the scalar s of a b = s I for a transform and an adjoint one, and whether a is the adjoint one."""
    left, right = _fourier(a), _fourier(b)
    if left is None or right is None or left[1] == right[1]:
        return None
    powers = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}  # its scale is n**-power
    return float(a.n) ** (1 - powers[left[0].norm] - powers[right[0].norm]), left[1]


def conjugate_fourier(A: Conjugate) -> Maybe:
    """Replace the conjugate by the adjoint, as the transform is symmetric."""
    return None if _fourier(A.of) is None else A.of.H


def cancel_fourier(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Cancel a transform and an adjoint one, whatever their scales."""
    pair = _fourier_pair(a, b)
    return None if pair is None else scaled(complex(pair[0]), Identity(a.n))


def cancel_transform(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Cancel a transform that has a closed inverse, or a multiple of one, and no arrays."""
    for leaf in (leaf_of(a), leaf_of(b)):
        if leaf._arrays or not isinstance(leaf, Bilinear) or type(leaf)._inverse is Bilinear._inverse:
            return None
    for one, other in ((a, b), (b, a)):
        scalar, inverse = split_scalar(one**-1)
        if same(inverse, other):
            return scaled(1 / scalar, Identity(a.n))
    return None


def between_transforms(a: LinearOperator, middle: LinearOperator, b: LinearOperator) -> Maybe:
    """Write a diagonal between two Fourier transforms as a circulant, and a circulant as a diagonal.

    With W the unnormalised transform, W^-1 diag(d) W has the first column idft(d), and W diag(d) W^-1 its reversal
    modulo n. Conversely, W C W^-1 has the diagonal dft(c), and W^-1 C W its reversal.
    """
    pair = _fourier_pair(a, b)
    if pair is None:
        return None
    scale, back_first = pair
    xp = middle.xp
    if type(middle) is Diagonal:
        diagonal = scale * dtypes.astype(xp, middle.entries, dtypes.complex_dtype(xp, middle.dtype))
        column = fft.idft(xp, diagonal, middle.n, real=False)
        made: Leaf = Circulant(column if back_first else ops.reversed_mod_n(xp, column, 0))
    elif type(middle) is Circulant:
        diagonal = scale * fft.dft(xp, dtypes.astype(xp, middle.column, dtypes.complex_dtype(xp, middle.dtype)))
        made = Diagonal(ops.reversed_mod_n(xp, diagonal, 0) if back_first else diagonal)
    else:
        return None
    return made._replace(_frozen=middle._frozen)
