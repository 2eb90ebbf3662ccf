"""Dense references in extended precision, from the definitions of the entries only: no kernel, no transform."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from structmat._backend import devices, namespaces
from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate, Inverse
from structmat.core.blocks import BlockDiag, HStack, Kron, Repeat, VStack
from structmat.core.compose import NaryOperator, Power, Product, Scaled, Sum
from structmat.core.leaf import Leaf

Matrix: TypeAlias = np.ndarray[Any, Any]
Pair: TypeAlias = tuple[Matrix, Matrix]

# Extrapolated central differences over h, h/2 and h/4 have truncation errors O(h^6) and rounding errors O(eps / h).
STEP = float(np.finfo(np.longdouble).eps) ** (1 / 7)
#: Error of derivatives of operators that are not linear in a parameter, relative to ‖A‖ ‖direction‖ / ‖parameter‖: a
#: few times 5e-17 if long doubles have 64 bits, 4e-14 if they are doubles.
DIFFERENCE_ERROR = 8 * STEP**6


def dense_pair(A: LinearOperator, directions: Sequence[Array] | None = None) -> Pair:
    """Return the matrices of an operator and its derivative, in extended precision, from the definition of its entries.

    Parameters
    ----------
    A : LinearOperator
        Any tree of operators.
    directions : sequence of array, optional
        Direction of the derivative, an array for each of `A.params`; zero unless given.

    Returns
    -------
    matrix, derivative : numpy.ndarray, shape (m, n)
        In `numpy.longdouble` or `numpy.clongdouble`.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Diagonal(np.asarray([2.0, 3.0]))
    >>> matrix, derivative = sm.testing.dense_pair(A @ A, [np.asarray([1.0, 0.0])] * 2)
    >>> derivative.astype(float)
    array([[4., 0.],
           [0., 0.]])
    """
    given = (
        [np.zeros(value.shape) for value in A.params]
        if directions is None
        else [devices.to_host(d) for d in directions]
    )
    return _pair(A, iter(given))


def norm_bound(A: LinearOperator) -> float:
    """Return a bound of ‖A‖ from the spectral norms of its parts, as the scale of the rounding errors of a product.

    If parts cancel, as in A - A, the errors are not relative to ‖A‖ itself.
    """
    parts = [norm_bound(part) for part in A._children]
    if isinstance(A, Product | Kron):
        return float(math.prod(parts))
    if isinstance(A, Power):
        return float(parts[0] ** A.exponent)
    if isinstance(A, Scaled):
        return float(abs(A.scalar) * parts[0])
    if isinstance(A, BlockDiag):
        return max(parts)
    if isinstance(A, NaryOperator):
        return sum(parts)
    if isinstance(A, Repeat | Adjoint | Conjugate):
        return parts[0]
    matrix = dense_pair(A)[0]
    return float(np.linalg.norm(matrix.astype(np.complex128 if matrix.dtype.kind == "c" else np.float64), 2))


def _wide(x: Matrix) -> Matrix:
    return x.astype(np.clongdouble if x.dtype.kind == "c" else np.longdouble)


@functools.singledispatch
def _pair(A: LinearOperator, directions: Iterator[Matrix]) -> Pair:  # noqa: ARG001 (used by the cases below)
    raise TypeError(f"no dense reference for {type(A).__name__}")


@_pair.register
def _(A: Leaf, directions: Iterator[Matrix]) -> Pair:
    i, j = np.arange(A.m)[:, None], np.arange(A.n)[None, :]
    arrays = {name: devices.to_host(value) for name, value in A._array_fields.items()}
    params = {name: _wide(arrays[name]) for name in A._param_fields}
    here, xp = A._replace(**{**arrays, **params}), namespaces.of(i)
    matrix = _wide(np.asarray(here._entry(xp, i, j) + np.zeros((A.m, A.n))))
    if not A._own_params:
        return matrix, np.zeros_like(matrix)
    derivative = np.zeros_like(matrix)
    for name, value in params.items():  # one at a time, as A is linear in each but not jointly
        direction = next(directions)

        def moved(step: Any, name: str = name, value: Matrix = value, direction: Matrix = direction) -> Matrix:
            return np.asarray(here._replace(**{name: value + step * direction})._entry(xp, i, j))

        derivative = derivative + (moved(1) - matrix if A._linear_in_params else _slope(moved, value, direction))
    return matrix, derivative


def _slope(moved: Callable[[Any], Matrix], value: Matrix, direction: Matrix) -> Matrix:
    """Differentiate at 0 by Richardson's extrapolation of central differences."""
    sizes = [np.sqrt(np.sum(np.abs(x) ** 2)) for x in (value, direction)]
    first = np.longdouble(STEP) * (sizes[0] / sizes[1] if all(sizes) else 1)
    differences = [(moved(h) - moved(-h)) / (2 * h) for h in (first, first / 2, first / 4)]
    better = [(4 * fine - coarse) / 3 for coarse, fine in itertools.pairwise(differences)]
    return (16 * better[1] - better[0]) / 15


def sensitivity(A: LinearOperator, norm: float) -> float:
    """Return the largest ‖A‖ / ‖θ‖ over parameters θ in which A is not linear, a bound of its relative change."""
    if isinstance(A, Leaf):
        lengths = [float(np.linalg.norm(_wide(devices.to_host(value)).astype(complex))) for _, value in A._own_params]
        return 0.0 if A._linear_in_params else max([norm / length for length in lengths if length], default=0.0)
    return max([sensitivity(child, norm) for child in A._children], default=0.0)


@_pair.register
def _(A: Adjoint, directions: Iterator[Matrix]) -> Pair:
    matrix, derivative = _pair(A.of, directions)
    return matrix.conj().T, derivative.conj().T


@_pair.register
def _(A: Conjugate, directions: Iterator[Matrix]) -> Pair:
    matrix, derivative = _pair(A.of, directions)
    return matrix.conj(), derivative.conj()


@_pair.register
def _(A: Inverse, directions: Iterator[Matrix]) -> Pair:
    matrix, derivative = _pair(A.of, directions)
    narrow = np.complex128 if matrix.dtype.kind == "c" else np.float64
    inverse = _wide(np.linalg.inv(matrix.astype(narrow)))
    for _ in range(3):  # Newton's iteration doubles the correct digits
        inverse = inverse @ (2 * np.eye(A.n) - matrix @ inverse)
    return inverse, -inverse @ derivative @ inverse


def _times(left: Pair, right: Pair) -> Pair:
    return left[0] @ right[0], left[1] @ right[0] + left[0] @ right[1]


@_pair.register
def _(A: Product, directions: Iterator[Matrix]) -> Pair:
    return functools.reduce(_times, [_pair(part, directions) for part in A.parts])


@_pair.register
def _(A: Scaled, directions: Iterator[Matrix]) -> Pair:
    matrix, derivative = _pair(A.of, directions)
    return A.scalar * matrix, A.scalar * derivative


@_pair.register
def _(A: Power, directions: Iterator[Matrix]) -> Pair:
    one = _pair(A.of, directions)
    return functools.reduce(_times, [one] * A.exponent, (np.eye(A.n), np.zeros((A.n, A.n))))


def _along_diagonal(blocks: Sequence[Matrix]) -> Matrix:
    rows = [0, *np.cumsum([block.shape[0] for block in blocks])]
    columns = [0, *np.cumsum([block.shape[1] for block in blocks])]
    whole = np.zeros((rows[-1], columns[-1]), dtype=np.result_type(*blocks))
    for place, block in enumerate(blocks):
        whole[rows[place] : rows[place + 1], columns[place] : columns[place + 1]] = block
    return whole


#: Functions that make the matrix of a composite from the matrices of its parts, jointly linear in these.
_COMBINE: dict[type, Callable[..., Any]] = {
    BlockDiag: _along_diagonal,
    HStack: np.hstack,
    Sum: sum,
    VStack: np.vstack,
}


@_pair.register
def _(A: BlockDiag | HStack | Sum | VStack, directions: Iterator[Matrix]) -> Pair:
    matrices, derivatives = zip(*[_pair(part, directions) for part in A.parts], strict=True)
    return _COMBINE[type(A)](matrices), _COMBINE[type(A)](derivatives)


@_pair.register
def _(A: Repeat, directions: Iterator[Matrix]) -> Pair:
    matrix, derivative = _pair(A.of, directions)
    return _along_diagonal([matrix] * A.times), _along_diagonal([derivative] * A.times)


@_pair.register
def _(A: Kron, directions: Iterator[Matrix]) -> Pair:
    left, right = (_pair(part, directions) for part in A.parts)
    return np.kron(left[0], right[0]), np.kron(left[1], right[0]) + np.kron(left[0], right[1])
