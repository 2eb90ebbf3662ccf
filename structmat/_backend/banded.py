"""Systems with banded matrices: LAPACK's band solvers for NumPy arrays, dense solvers for other libraries."""

from collections.abc import Callable
from typing import NamedTuple

import array_api_compat as compat
import numpy as np

from structmat._backend import devices, dtypes, ops
from structmat._backend.types import Array, Namespace


class Factors(NamedTuple):
    """LU factors of a banded matrix in LAPACK's form; without pivots, the dense matrix itself."""

    matrix: Array
    pivots: Array | None
    lower: int
    upper: int


def factor(xp: Namespace, bands: Array, lower: int, upper: int) -> Factors:
    """Prepare systems with a matrix given by its diagonals, bands[upper + i - j, j] = A[i, j], shape (d, n)."""
    if compat.is_numpy_namespace(xp):
        from scipy.linalg import get_lapack_funcs  # slow to import

        fill = np.zeros((lower, bands.shape[1]), dtype=bands.dtype)  # rows for the fill-in of pivoting
        (eliminate,) = get_lapack_funcs(("gbtrf",), (bands,))
        matrix, pivots, _ = eliminate(np.concatenate((fill, bands)), lower, upper)
        return Factors(matrix, pivots, lower, upper)
    here = xp.arange(bands.shape[1], device=devices.of(bands))
    place = upper + here[:, None] - here[None, :]
    inside = (place >= 0) & (place < bands.shape[0])
    matrix = xp.where(inside, bands[xp.where(inside, place, 0), here[None, :]], 0)
    return Factors(matrix, None, lower, upper)


def solve(
    xp: Namespace,
    factors: Factors,
    x: Array,
    product: Callable[[Namespace, Array], Array] | None = None,
    *,
    adjoint: bool = False,
) -> Array:
    """Solve A y = x, or A^H y = x, for vectors (..., n).

    LAPACK's factors have double precision at most. For extended precision, two steps of iterative refinement follow,
    with residuals of the given product with the matrix.
    """
    y = _substituted(xp, factors, x, adjoint=adjoint)
    if product is None or dtypes.scalar_arithmetic(xp, x.dtype)[0] is float:
        return y
    y = dtypes.astype(xp, y, x.dtype)
    for _ in range(2):
        y = y + _substituted(xp, factors, x - product(xp, y), adjoint=adjoint)
    return y


def _substituted(xp: Namespace, factors: Factors, x: Array, *, adjoint: bool) -> Array:
    matrix, pivots, lower, upper = factors
    columns = xp.matrix_transpose(ops.flatten_batch(xp, x))
    if pivots is None:
        matrix = xp.conj(xp.matrix_transpose(matrix)) if adjoint else matrix
        dtype = xp.result_type(matrix, columns)
        y = xp.linalg.solve(dtypes.astype(xp, matrix, dtype), dtypes.astype(xp, columns, dtype))
    else:
        from scipy.linalg import get_lapack_funcs

        (substitute,) = get_lapack_funcs(("gbtrs",), (matrix, columns))
        y, _ = substitute(matrix, lower, upper, columns, pivots, trans=2 if adjoint else 0)
    return xp.reshape(xp.matrix_transpose(y), x.shape)


def slogdet(xp: Namespace, factors: Factors) -> tuple[Array, Array]:
    """Return the sign, or phase, of the determinant, and the logarithm of its modulus."""
    matrix, pivots, lower, upper = factors
    if pivots is None:
        sign, logabsdet = xp.linalg.slogdet(matrix)
        return sign, logabsdet
    diagonal = matrix[lower + upper]
    moduli = np.abs(diagonal)
    if not np.all(moduli):
        return np.zeros_like(diagonal[0]), np.full_like(moduli[0], -np.inf)
    swaps = np.count_nonzero(pivots != np.arange(len(pivots)))
    sign = np.prod(diagonal / moduli)
    return (-sign if swaps % 2 else sign), np.sum(np.log(moduli))


def inverse_norm(xp: Namespace, factors: Factors) -> Array:
    """Return a norm of A^{-1}, inf for a singular A: Higham and Tisseur's estimate of the 1-norm, or the 2-norm."""
    matrix, pivots, lower, upper = factors
    if pivots is None:
        return 1 / xp.linalg.svdvals(matrix)[-1]
    if not np.all(matrix[lower + upper]):
        return np.inf
    from scipy.sparse.linalg import LinearOperator, onenormest

    def inverse(*, adjoint: bool) -> Callable[[Array], Array]:
        return lambda x: solve(xp, factors, x.T, adjoint=adjoint).T

    products = {name: inverse(adjoint=name[0] == "r") for name in ("matvec", "rmatvec", "matmat", "rmatmat")}
    with np.errstate(over="ignore", invalid="ignore"):
        norm = onenormest(LinearOperator((matrix.shape[1],) * 2, dtype=matrix.dtype, **products))
    return norm if np.isfinite(norm) else np.inf
