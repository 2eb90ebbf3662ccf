"""Eigenvalues, singular values, determinants, norms, condition numbers and traces."""

import math
from typing import Literal, NamedTuple

from structmat._backend import dtypes, linear_algebra, memory
from structmat._backend.types import Array, Namespace
from structmat.core.base import DENSE_LIMIT, LinearOperator
from structmat.core.compose import Product
from structmat.linalg._structure import eigenvalues_of, exact_values, placed_in, singular_values_of
from structmat.linalg._validation import checked, namespace_of

Order = Literal[1, 2, "fro"] | float


class SlogdetResult(NamedTuple):
    """Sign (or phase) of a determinant and logarithm of its modulus."""

    sign: Array
    logabsdet: Array


@checked(square=True)
def slogdet(A: LinearOperator, max_bytes: int = DENSE_LIMIT) -> SlogdetResult:
    """Sign and logarithm of the modulus of the determinant.

    Parameters
    ----------
    A : LinearOperator
        Square.
    max_bytes : int, optional
        Largest dense matrix to make where there is no exact formula, as for Toeplitz operators and sums.

    Returns
    -------
    sign : array, shape ()
        The sign, or the phase for a complex operator; 0 for a singular operator.
    logabsdet : array, shape ()
        -inf for a singular operator.

    Raises
    ------
    ValueError
        A is not square.
    MemoryError
        There is no exact formula, and the dense matrix would be larger than `max_bytes`.

    Notes
    -----
    Cost: O(n log n) for circulants, O(n) for diagonals, one small determinant at each frequency for block-circulants,
    the sum of the factors' costs for products of square operators; otherwise, also for Toeplitz and Hankel operators,
    O(n³) operations and O(n²) memory for a dense matrix. `exact` lists the exact functions of an operator.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sign, logabsdet = sm.linalg.slogdet(sm.Diagonal(np.asarray([-2.0, 3.0])))
    >>> float(sign), round(float(np.exp(logabsdet)), 12)
    (-1.0, 6.0)
    """
    return _slogdet(A, A, max_bytes)


def _slogdet(A: LinearOperator, whole: LinearOperator, max_bytes: int) -> SlogdetResult:
    xp = namespace_of(whole)
    if isinstance(A, Product) and A._has_square_parts:
        signs, logarithms = zip(*[_slogdet(part, whole, max_bytes) for part in A.parts], strict=True)
        return SlogdetResult(_phase(xp, math.prod(signs)), sum(logarithms))
    found = exact_values(A, lambda form: form._slogdet(xp), whole)
    values = eigenvalues_of(A, whole) if found is None else None
    if found is None:
        dense = values is None
        found = xp.linalg.slogdet(placed_in(A, whole).to_dense(max_bytes)) if dense else _slogdet_of(xp, values)
    sign = found[0] if A._is_complex or not dtypes.is_complex(xp, found[0].dtype) else xp.real(found[0])
    return SlogdetResult(_phase(xp, sign), found[1])


def _phase(xp: Namespace, z: Array) -> Array:
    """Return z / |z|, exactly ±1 for real z, and 0 for 0: the rounding of a long product changes the modulus."""
    if not dtypes.is_complex(xp, z.dtype):
        return xp.sign(z)
    modulus = xp.abs(z)
    return z / xp.where(modulus > 0, modulus, xp.ones_like(modulus))


def _slogdet_of(xp: Namespace, eigenvalues: Array) -> tuple[Array, Array]:
    moduli = xp.abs(eigenvalues)
    safe = xp.where(moduli > 0, moduli, xp.ones_like(moduli))
    logarithm = xp.sum(xp.log(safe))
    zero = xp.zeros_like(logarithm)
    singular = xp.where(xp.any(moduli == 0), zero - math.inf, zero)
    return xp.prod(eigenvalues / safe), logarithm + singular


@checked(square=True)
def det(A: LinearOperator, max_bytes: int = DENSE_LIMIT) -> Array:
    """Determinant; it overflows where `slogdet` does not.

    Parameters
    ----------
    A : LinearOperator
        Square.
    max_bytes : int, optional
        Largest dense matrix to make where there is no exact formula.

    Returns
    -------
    array, shape ()
        The determinant.

    Raises
    ------
    ValueError, MemoryError
        As for `slogdet`.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> round(float(sm.linalg.det(sm.Circulant(np.asarray([1.0, 2.0, 3.0])))), 12)
    18.0
    """
    sign, logabsdet = slogdet(A, max_bytes)
    return sign * namespace_of(A).exp(logabsdet)


@checked(square=True)
def eigvals(A: LinearOperator, max_bytes: int = DENSE_LIMIT) -> Array:
    """All eigenvalues, in no particular order.

    Parameters
    ----------
    A : LinearOperator
        Square.
    max_bytes : int, optional
        Largest dense matrix to make where there is no exact formula.

    Returns
    -------
    array, shape (n,)
        For a circulant the Fourier transform of its column, in the order of the FFT.

    Raises
    ------
    ValueError
        A is not square.
    MemoryError
        There is no exact formula, and the dense matrix would be larger than `max_bytes`.

    Notes
    -----
    Cost: O(n log n) for circulants, O(n³) operations and O(n²) memory where `exact(A)` does not list "eigvals".

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.eigvals(sm.Diagonal(np.asarray([2.0, 1.0])))
    array([2., 1.])
    """
    xp = namespace_of(A)
    values = eigenvalues_of(A)
    return linear_algebra.eigvals(xp, A.to_dense(max_bytes)) if values is None else memory.copy(xp, values)


@checked()
def svdvals(A: LinearOperator, max_bytes: int = DENSE_LIMIT) -> Array:
    """All singular values, the largest first.

    Parameters
    ----------
    A : LinearOperator
        Any.
    max_bytes : int, optional
        Largest dense matrix to make where there is no exact formula.

    Returns
    -------
    array, shape (min(m, n),)
        Singular values in descending order.

    Raises
    ------
    MemoryError
        There is no exact formula, and the dense matrix would be larger than `max_bytes`.

    Notes
    -----
    Cost: O(n log n) for circulants, O(m n min(m, n)) operations and O(m n) memory where `exact(A)` does not list
    "svdvals".

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.svdvals(sm.Diagonal(np.asarray([1.0, -3.0])))
    array([3., 1.])
    """
    xp = namespace_of(A)
    values = singular_values_of(A)
    return xp.linalg.svdvals(A.to_dense(max_bytes)) if values is None else values


@checked()
def norm(A: LinearOperator, ord: Order = "fro", max_bytes: int = DENSE_LIMIT) -> Array:
    """Norm of an operator, as `numpy.linalg.norm` of its matrix.

    Parameters
    ----------
    A : LinearOperator
        Any.
    ord : {"fro", 2, 1, inf}, optional
        Frobenius norm, spectral norm, largest column sum or largest row sum of moduli.
    max_bytes : int, optional
        Largest dense matrix to make for the spectral norm where there is no exact formula.

    Returns
    -------
    array, shape ()
        The norm.

    Raises
    ------
    ValueError
        `ord` is none of the above.
    MemoryError
        As for `svdvals`.

    Notes
    -----
    Cost: that of `svdvals` where it is exact; else n products in blocks of a few megabytes, except for the spectral
    norm, which is that of a dense matrix.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> [round(float(sm.linalg.norm(A, ord)), 6) for ord in ("fro", 2, 1)]
    [6.480741, 6.0, 6.0]
    """
    xp = namespace_of(A)
    if ord == 2:
        return svdvals(A, max_bytes)[0]
    if ord == "fro":
        values = singular_values_of(A)
        squares = [values**2] if values is not None else [xp.abs(block) ** 2 for _, block in A._column_blocks()]
        return xp.sqrt(sum(xp.sum(square) for square in squares))
    if ord == 1:
        return xp.max(xp.stack([xp.max(xp.sum(xp.abs(block), axis=0)) for _, block in A._column_blocks()]))
    if ord == math.inf:
        return xp.max(sum(xp.sum(xp.abs(block), axis=1) for _, block in A._column_blocks()))
    raise ValueError(f"linalg.norm: ord is {ord!r}; expected 'fro', 2, 1 or inf.")


@checked()
def cond(A: LinearOperator, max_bytes: int = DENSE_LIMIT) -> Array:
    """Condition number for the spectral norm: the largest singular value over the smallest, inf if that is 0.

    Parameters
    ----------
    A : LinearOperator
        Any.
    max_bytes : int, optional
        Largest dense matrix to make where there is no exact formula.

    Returns
    -------
    array, shape ()
        The condition number.

    Raises
    ------
    MemoryError
        As for `svdvals`.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> float(sm.linalg.cond(sm.Diagonal(np.asarray([1.0, -4.0]))))
    4.0
    """
    xp = namespace_of(A)
    values = svdvals(A, max_bytes)
    largest, smallest = values[0], values[-1]
    infinity = xp.full_like(largest, math.inf)
    return xp.where(smallest > 0, largest / xp.where(smallest > 0, smallest, xp.ones_like(smallest)), infinity)


@checked()
def diagonal(A: LinearOperator) -> Array:
    """Diagonal of the matrix.

    Parameters
    ----------
    A : LinearOperator
        Any.

    Returns
    -------
    array, shape (min(m, n),)
        The entries A[i, i].

    Notes
    -----
    Cost: that of `LinearOperator.diagonal`, which this function calls.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.diagonal(sm.Circulant(np.asarray([1.0, 2.0, 3.0])))
    array([1., 1., 1.])
    """
    return A.diagonal()


@checked(square=True)
def trace(A: LinearOperator) -> Array:
    """Sum of the diagonal.

    Parameters
    ----------
    A : LinearOperator
        Square.

    Returns
    -------
    array, shape ()
        The trace.

    Raises
    ------
    ValueError
        A is not square.

    Notes
    -----
    Cost: that of `diagonal`; O(n log n) where eigenvalues are exact and entries take products.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> float(sm.linalg.trace(sm.Circulant(np.asarray([1.0, 2.0, 3.0]))))
    3.0
    """
    xp = namespace_of(A)
    first = xp.arange(1, device=A.device)
    values = eigenvalues_of(A) if A._entries(xp, first, first) is None else None
    total = xp.sum(A.diagonal() if values is None else values)
    return total if A._is_complex or not dtypes.is_complex(xp, total.dtype) else xp.real(total)
