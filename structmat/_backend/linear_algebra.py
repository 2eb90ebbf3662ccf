"""Dense linear algebra beyond the array API standard: LAPACK's through SciPy with NumPy, else the library's."""

import math
from collections.abc import Callable

import array_api_compat as compat
import numpy as np

from structmat._backend import devices, dtypes, memory, namespaces, ops, tracing
from structmat._backend.types import Array, Namespace

LinAlgError = np.linalg.LinAlgError


def eigvals(xp: Namespace, matrix: Array) -> Array:
    """Return the eigenvalues of a general matrix."""
    if not hasattr(xp.linalg, "eigvals"):
        raise TypeError(
            f"linalg.eigvals: this release of {namespaces.name(xp)} has no eigenvalues of general matrices; expected "
            f"CuPy 14 or later, or arrays of NumPy: move the operator with A.to(xp=numpy)."
        )
    return xp.linalg.eigvals(matrix)


def rounding(n: int) -> float:
    """Machine epsilons, relative to the largest, up to which a singular value of n may be a rounding error.

    For few it is n, as in `numpy.linalg.matrix_rank`; for many it is the error of a Fourier transform of n numbers.
    """
    return min(n, 2 * math.log2(2 * n))


def reciprocal(xp: Namespace, values: Array, cutoff: Array) -> Array:
    """Return 1 / values, and zero for values of modulus at most the cutoff."""
    kept = xp.abs(values) > cutoff
    return xp.where(kept, 1 / xp.where(kept, values, 1), 0)


def pseudoinverse(xp: Namespace, matrices: Array, cutoff: Array) -> Array:
    """Return the Moore-Penrose inverses of matrices (..., m, n), with one cutoff for all singular values."""
    U, values, Vh = xp.linalg.svd(matrices, full_matrices=False)
    V = xp.conj(xp.matrix_transpose(Vh))
    return xp.matmul(V * reciprocal(xp, values, cutoff)[..., None, :], xp.conj(xp.matrix_transpose(U)))


def function_of_spectrum(
    xp: Namespace,
    function: Callable[[Array], Array],
    spectrum: Array,
    back: Callable[[Array], Array],
    pairs: int | None,
) -> Array:
    """Apply a function to eigenvalues that a Fourier transform computed, and transform them back.

    Eigenvalues of a real matrix are conjugate to the eigenvalues at the indices of `reversed_mod_n` by `pairs`. If the
    results are so too, as for every function that is real on the real line, the entries are real. For complex matrices
    `pairs` is None.
    """

    def partners(values: Array) -> Array:
        return xp.conj(ops.reversed_mod_n(xp, values, *range(values.ndim), by=pairs or 1))

    if pairs is not None:
        spectrum = (spectrum + partners(spectrum)) / 2  # exactly conjugate, whatever the slope of the function
    values = on_real_axis(xp, xp.reshape(spectrum, (-1,)))
    spectrum = xp.reshape(dtypes.astype(xp, function(values), spectrum.dtype), spectrum.shape)
    if pairs is None:
        return back(spectrum)
    off = spectrum - partners(spectrum)
    error, largest = (float(xp.max(xp.abs(tracing.stop_gradient(part)))) for part in (off, spectrum))
    paired = error <= 64 * float(xp.finfo(spectrum.dtype).eps) * largest
    return xp.real(back(spectrum)) if paired else back(spectrum)


def on_real_axis(xp: Namespace, values: Array) -> Array:
    """Set imaginary parts to zero that are within the rounding of a Fourier transform of as many numbers.

    So eigenvalues on the negative real axis, the branch cut of roots and logarithms, stay on it. Gradients are not
    affected.
    """
    part = tracing.stop_gradient(xp.imag(values))
    limit = 4 * math.log2(2 * values.shape[0]) * float(xp.finfo(values.dtype).eps) * xp.max(xp.abs(values))
    return values - 1j * dtypes.astype(xp, xp.where(xp.abs(part) <= limit, part, 0), values.dtype)


def has_levinson(xp: Namespace) -> bool:
    """Tell whether `levinson` takes arrays of a library."""
    return bool(compat.is_numpy_namespace(xp))


def levinson(column: Array, row: Array, b: Array) -> Array | None:
    """Solve a square Toeplitz system for vectors (..., n) in O(n²); None if a leading principal minor is zero."""
    from scipy.linalg import solve_toeplitz

    try:
        x = solve_toeplitz((column, row), b.reshape(-1, b.shape[-1]).T, check_finite=False)
    except LinAlgError:
        return None
    return np.ascontiguousarray(x.T).reshape(b.shape)


def toeplitz_matrix(xp: Namespace, column: Array, row: Array) -> Array:
    """Return the dense Toeplitz matrix with a first column and, from its second entry on, a first row."""
    if compat.is_numpy_namespace(xp):
        from scipy.linalg import toeplitz

        return toeplitz(column, row)
    n = column.shape[0]
    places = xp.arange(n, device=devices.of(column))
    index = places[:, None] - places[None, :] + (row.shape[0] - 1)
    return xp.reshape(xp.take(xp.concat((xp.flip(row[1:]), column)), xp.reshape(index, (-1,))), (n, n))


class DenseFactors:
    """LU factors of a square matrix and its reciprocal condition number: LAPACK's with NumPy, else the library's.

    The matrix is given transposed, since LAPACK stores columns contiguously. On the host it is overwritten.
    """

    def __init__(self, xp: Namespace, transposed: Array) -> None:
        self.xp = xp
        self.reciprocal_condition: float | None = None  # in the 1-norm, estimated; with NumPy only
        if not compat.is_numpy_namespace(xp):
            self._matrix = xp.matrix_transpose(transposed)
            return
        from scipy.linalg import get_lapack_funcs

        getrf, gecon, self._getrs = get_lapack_funcs(("getrf", "gecon", "getrs"), (transposed,))
        size = np.max(np.sum(np.abs(transposed), axis=1))  # before it is overwritten
        *factors, info = getrf(transposed.T, overwrite_a=True)
        self.reciprocal_condition = 0.0 if info > 0 else float(gecon(factors[0], size)[0])
        self._lu, self._pivots = map(memory.read_only, factors)

    def solve(self, b: Array) -> Array:
        """Solve for vectors (k, n)."""
        if compat.is_numpy_namespace(self.xp):
            x, _ = self._getrs(self._lu, self._pivots, b.T)
            return x.T
        try:
            return self.xp.matrix_transpose(self.xp.linalg.solve(self._matrix, self.xp.matrix_transpose(b)))
        except RuntimeError as error:  # PyTorch's own class
            raise LinAlgError(str(error)) from error


def solve_triangular(xp: Namespace, matrix: Array, b: Array, *, lower: bool) -> Array | None:
    """Solve a triangular system for vectors (k, n) by substitution; None where the library has no such function."""
    if not compat.is_numpy_namespace(xp):
        return None
    import scipy.linalg

    return np.ascontiguousarray(scipy.linalg.solve_triangular(matrix, b.T, lower=lower, check_finite=False).T)
