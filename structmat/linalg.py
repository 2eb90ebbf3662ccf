"""Linear algebra with operators: exact and fast where the structure gives it, dense within a limit otherwise."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

from structmat._backend import Array, Namespace, as_namespace, is_complex
from structmat.core.compose import Product
from structmat.core.operator import DENSE_LIMIT, LinearOperator
from structmat.operators import Dense

__all__ = [
    "cond",
    "det",
    "diagonal",
    "eigvals",
    "expm",
    "funm",
    "inv",
    "logm",
    "lstsq",
    "norm",
    "pinv",
    "slogdet",
    "solve",
    "solve_vjp",
    "sqrtm",
    "svdvals",
    "trace",
]

Order = Literal[1, 2, "fro"] | float


class SlogdetResult(NamedTuple):
    """Sign (or phase) of a determinant and logarithm of its modulus."""

    sign: Array
    logabsdet: Array


def _namespace(A: LinearOperator) -> Namespace:
    return as_namespace(None) if A.xp is None else A.xp


def _square(name: str, A: LinearOperator) -> None:
    if A.m != A.n:
        raise ValueError(f"linalg.{name}: A is {A._label}; expected a square operator.")


def inv(A: LinearOperator) -> LinearOperator:
    """Invert an operator exactly: an operator with the same parameters, whose products solve systems.

    Parameters
    ----------
    A : LinearOperator
        Square: a leaf that knows how (a circulant by its spectrum, block-circulant by a small system at each frequency,
        diagonal, signs, dense), or a product, multiple, power or block diagonal of such.

    Returns
    -------
    LinearOperator
        A^{-1}, also written `A ** -1`. Its gradients are exact, with respect to the parameters of A.

    Raises
    ------
    ValueError
        A is not square.
    numpy.linalg.LinAlgError
        A is singular to working precision.
    TypeError
        A has no exact inverse, as a general sum.

    Notes
    -----
    Cost: that of a product with A, after one look at its singular values.

    Gradient: with y = A^{-1} b and h = A^{-H} g, that of -Re⟨h, A y⟩ at fixed h and y.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([4.0, 1.0, 0.0, 1.0]))
    >>> bool(np.allclose(sm.linalg.inv(A) @ (A @ np.ones(4)), 1))
    True
    """
    _square("inv", A)
    return A**-1


def solve(A: LinearOperator, b: Array) -> Array:
    """Solve A x = b exactly.

    Parameters
    ----------
    A : LinearOperator
        Square, with an exact inverse; see `inv`.
    b : array, shape (n,) or (..., n, k)
        One right-hand side, or the columns of a matrix, as for `numpy.linalg.solve`. For a batch of vectors (..., n)
        take `inv(A).matvec(b)`.

    Returns
    -------
    array, shape of b
        The solution x.

    Raises
    ------
    ValueError
        A is not square, or b has the wrong shape.
    numpy.linalg.LinAlgError
        A is singular to working precision.
    TypeError
        A has no exact inverse: give it, or `A.to_scipy()`, to an iterative solver of SciPy's.

    Notes
    -----
    Cost: that of a product with A.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.solve(sm.Diagonal(np.asarray([1.0, 2.0, 4.0])), np.ones(3))
    array([1.  , 0.5 , 0.25])
    """
    return inv(A) @ b


def solve_vjp(A: LinearOperator, b: Array, g: Array) -> tuple[Array, tuple[Array, ...]]:
    """Gradients of a loss of x = A^{-1} b with respect to b and to the parameters of A.

    Parameters
    ----------
    A : LinearOperator
        Square, with an exact inverse; see `inv`.
    b : array, shape (..., n)
        Right-hand sides along the last axis; leading axes are a batch.
    g : array, shape (..., n)
        Gradient of a real loss with respect to x.

    Returns
    -------
    db : array, shape (..., n)
        A^{-H} g, real if b is.
    grads : tuple of array
        One for each of `A.params`, summed over the batch.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As for `inv` and `LinearOperator.vjp`.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Diagonal(np.asarray([1.0, 2.0]))
    >>> db, (ddiagonal,) = sm.linalg.solve_vjp(A, np.ones(2), np.ones(2))
    >>> db, ddiagonal
    (array([1. , 0.5]), array([-1.  , -0.25]))
    """
    return inv(A).vjp(b, g)


def pinv(A: LinearOperator, rtol: float | None = None) -> LinearOperator:
    """Moore-Penrose inverse as an operator.

    Parameters
    ----------
    A : LinearOperator
        A circulant, diagonal or dense operator, or a block diagonal of such: others have no exact one.
    rtol : float, optional
        Singular values at most `rtol` times the largest count as zero; max(m, n) times the machine epsilon of A's dtype
        unless given.

    Returns
    -------
    LinearOperator
        Of shape (n, m) and the same structure, with parameters of its own.

    Raises
    ------
    TypeError
        A has no exact pseudoinverse.

    Examples
    --------
    The matrix of ones, which is singular:

    >>> import numpy as np
    >>> import structmat as sm
    >>> bool(np.allclose(sm.linalg.pinv(sm.Circulant(np.ones(3))).to_dense(), 1 / 9))
    True
    """
    xp = _namespace(A)
    if isinstance(A, Dense):
        return Dense(xp.linalg.pinv(A.matrix, rtol=rtol))

    def reciprocal(values: Array) -> Array:
        sizes = xp.abs(values)
        relative = max(A.shape) * float(xp.finfo(values.dtype).eps) if rtol is None else rtol
        kept = sizes > relative * float(xp.max(svdvals(A)))
        return xp.where(kept, 1 / xp.where(kept, values, xp.ones_like(values)), xp.zeros_like(values))

    return funm(A, reciprocal)


def lstsq(A: LinearOperator, b: Array, rtol: float | None = None) -> Array:
    """Solve A x = b in the least-squares sense, with the shortest x.

    Parameters
    ----------
    A : LinearOperator
        With an exact pseudoinverse; see `pinv`.
    b : array, shape (m,) or (..., m, k)
        One right-hand side, or the columns of a matrix.
    rtol : float, optional
        As for `pinv`.

    Returns
    -------
    array, shape (n,) or (..., n, k)
        The solution.

    Raises
    ------
    TypeError
        A has no exact pseudoinverse: give it to SciPy's `lsqr` or `lsmr`.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.lstsq(sm.Diagonal(np.asarray([2.0, 0.0])), np.ones(2))
    array([0.5, 0. ])
    """
    return pinv(A, rtol) @ b


def slogdet(A: LinearOperator, max_bytes: int = DENSE_LIMIT) -> SlogdetResult:
    """Sign and logarithm of the modulus of the determinant.

    Parameters
    ----------
    A : LinearOperator
        Square.
    max_bytes : int, optional
        Largest dense matrix to make where there is no exact formula.

    Returns
    -------
    sign : array, shape ()
        Or the phase, for a complex operator; 0 for a singular one.
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
    the factors' for products of square operators; O(n³) otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sign, logabsdet = sm.linalg.slogdet(sm.Diagonal(np.asarray([-2.0, 3.0])))
    >>> float(sign), round(float(np.exp(logabsdet)), 12)
    (-1.0, 6.0)
    """
    _square("slogdet", A)
    xp = _namespace(A)
    if isinstance(A, Product) and all(part.m == part.n for part in A.parts):
        signs, logarithms = zip(*[slogdet(part, max_bytes) for part in A.parts], strict=True)
        return SlogdetResult(math.prod(signs), sum(logarithms))
    found, values = A._slogdet(xp), A._eigenvalues(xp)
    if found is None:
        found = xp.linalg.slogdet(A.to_dense(max_bytes)) if values is None else _slogdet_of(xp, values)
    sign = found[0] if A._is_complex or not is_complex(xp, found[0].dtype) else xp.real(found[0])
    return SlogdetResult(sign, found[1])


def _slogdet_of(xp: Namespace, eigenvalues: Array) -> tuple[Array, Array]:
    moduli = xp.abs(eigenvalues)
    safe = xp.where(moduli > 0, moduli, xp.ones_like(moduli))
    logarithm = xp.sum(xp.log(safe))
    singular = xp.any(moduli == 0)
    return xp.prod(eigenvalues / safe), xp.where(singular, xp.full_like(logarithm, -math.inf), logarithm)


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
    return sign * _namespace(A).exp(logabsdet)


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

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.eigvals(sm.Diagonal(np.asarray([2.0, 1.0])))
    array([2., 1.])
    """
    _square("eigvals", A)
    xp = _namespace(A)
    values = A._eigenvalues(xp)
    return xp.linalg.eigvals(A.to_dense(max_bytes)) if values is None else values


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

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.svdvals(sm.Diagonal(np.asarray([1.0, -3.0])))
    array([3., 1.])
    """
    xp = _namespace(A)
    values = A._singular_values(xp)
    return xp.linalg.svdvals(A.to_dense(max_bytes)) if values is None else values


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
        `ord` is none of these.
    MemoryError
        As for `svdvals`.

    Notes
    -----
    Cost: that of `svdvals` where these are exact; else, but for the spectral norm, n products in blocks of a few
    megabytes.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> [round(float(sm.linalg.norm(A, ord)), 6) for ord in ("fro", 2, 1)]
    [6.480741, 6.0, 6.0]
    """
    xp = _namespace(A)
    if ord == 2:
        return svdvals(A, max_bytes)[0]
    if ord == "fro":
        values = A._singular_values(xp)
        squares = [values**2] if values is not None else [xp.abs(block) ** 2 for _, block in A._column_blocks()]
        return xp.sqrt(sum(xp.sum(square) for square in squares))
    if ord == 1:
        return xp.max(xp.stack([xp.max(xp.sum(xp.abs(block), axis=0)) for _, block in A._column_blocks()]))
    if ord == math.inf:
        return xp.max(sum(xp.sum(xp.abs(block), axis=1) for _, block in A._column_blocks()))
    raise ValueError(f"linalg.norm: ord is {ord!r}; expected 'fro', 2, 1 or inf.")


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
    xp = _namespace(A)
    values = svdvals(A, max_bytes)
    largest, smallest = values[0], values[-1]
    infinity = xp.full_like(largest, math.inf)
    return xp.where(smallest > 0, largest / xp.where(smallest > 0, smallest, xp.ones_like(smallest)), infinity)


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
    Cost: see `LinearOperator.diagonal`, which this is.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.diagonal(sm.Circulant(np.asarray([1.0, 2.0, 3.0])))
    array([1., 1., 1.])
    """
    return A.diagonal()


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
    _square("trace", A)
    xp = _namespace(A)
    values = A._eigenvalues(xp) if A._entries(xp, *[xp.arange(1, device=A.device)] * 2) is None else None
    total = xp.sum(A.diagonal() if values is None else values)
    return total if A._is_complex or not is_complex(xp, total.dtype) else xp.real(total)


def funm(A: LinearOperator, function: Callable[[Array], Array]) -> LinearOperator:
    """Apply a function to the eigenvalues of a normal operator whose structure keeps it.

    Parameters
    ----------
    A : LinearOperator
        A circulant or diagonal operator, or a block diagonal or repetition of such.
    function : callable
        Of the array of eigenvalues, elementwise; for a circulant they are complex.

    Returns
    -------
    LinearOperator
        Of the same structure, with parameters of its own; real if A and the result are.

    Raises
    ------
    ValueError
        A is not square.
    TypeError
        A has no such structure.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> bool(np.allclose(sm.linalg.funm(A, np.square).to_dense(), (A @ A).to_dense()))
    True
    """
    _square("funm", A)
    found = A._function(_namespace(A), function)
    if found is None:
        raise TypeError(f"linalg.funm: no structure is known for functions of {A._label}; take A.to_dense().")
    return found


def expm(A: LinearOperator) -> LinearOperator:
    """Exponential of an operator; arguments, result and errors as for `funm`.

    Parameters
    ----------
    A : LinearOperator
        As for `funm`.

    Returns
    -------
    LinearOperator
        exp(A).

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.expm(sm.Diagonal(np.zeros(2))).to_dense()
    array([[1., 0.],
           [0., 1.]])
    """
    return funm(A, _namespace(A).exp)


def _complex_if_negative(A: LinearOperator, function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Functions that leave the real line for negative numbers do so here as well."""
    xp = _namespace(A)

    def wide(values: Array) -> Array:
        if not is_complex(xp, values.dtype) and bool(xp.any(values < 0)):
            values = xp.astype(values, xp.result_type(values.dtype, xp.complex64))
        return function(values)

    return wide


def sqrtm(A: LinearOperator) -> LinearOperator:
    """Principal square root of an operator; arguments, result and errors as for `funm`.

    Parameters
    ----------
    A : LinearOperator
        As for `funm`.

    Returns
    -------
    LinearOperator
        S with S @ S = A and no eigenvalue of negative real part; complex where it has to be.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.sqrtm(sm.Diagonal(np.asarray([4.0, 9.0]))).entries
    array([2., 3.])
    """
    return funm(A, _complex_if_negative(A, _namespace(A).sqrt))


def logm(A: LinearOperator) -> LinearOperator:
    """Principal logarithm of an operator; arguments, result and errors as for `funm`.

    Parameters
    ----------
    A : LinearOperator
        As for `funm`, and nonsingular.

    Returns
    -------
    LinearOperator
        L with exp(L) = A; complex where it has to be.

    Raises
    ------
    numpy.linalg.LinAlgError
        A is singular to working precision.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.logm(sm.Diagonal(np.ones(2))).entries
    array([0., 0.])
    """
    inv(A)  # refuses singular operators
    return funm(A, _complex_if_negative(A, _namespace(A).log))
