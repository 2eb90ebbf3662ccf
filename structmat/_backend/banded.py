"""Systems with banded matrices: LAPACK's band solvers for NumPy arrays, dense ones for all others."""

import array_api_compat as compat
import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, onenormest

from structmat._backend.arrays import Array, Namespace, astype, device, rows


def factor_banded(xp: Namespace, bands: Array, lower: int, upper: int) -> tuple[Array, ...]:
    """Prepare systems with a matrix given by its diagonals, bands[upper + i - j, j] = A[i, j], shape (d, n)."""
    if compat.is_numpy_namespace(xp):
        room = np.zeros((lower, bands.shape[1]), dtype=bands.dtype)  # for what pivoting fills in
        (factor,) = scipy.linalg.get_lapack_funcs(("gbtrf",), (bands,))
        factors, pivots, _ = factor(np.concatenate((room, bands)), lower, upper)
        return factors, pivots
    n = bands.shape[1]
    here = xp.arange(n, device=device(bands))
    place = upper + here[:, None] - here[None, :]
    inside = (place >= 0) & (place < bands.shape[0])
    return (xp.where(inside, bands[xp.where(inside, place, 0), here[None, :]], 0),)


def solve_banded(
    xp: Namespace, factors: tuple[Array, ...], lower: int, upper: int, x: Array, *, adjoint: bool = False
) -> Array:
    """Solve A y = x, or A^H y = x, for vectors (..., n), with what `factor_banded` returned."""
    if len(factors) == 1:
        (dense,) = factors
        columns = xp.matrix_transpose(rows(xp, x))
        dense = astype(xp, xp.conj(xp.matrix_transpose(dense)) if adjoint else dense, xp.result_type(dense, x))
        y = xp.linalg.solve(dense, astype(xp, columns, dense.dtype))
        return xp.reshape(xp.matrix_transpose(y), x.shape)
    matrix, pivots = factors
    columns = np.reshape(x, (-1, x.shape[-1])).T
    (solve,) = scipy.linalg.get_lapack_funcs(("gbtrs",), (matrix, columns))
    y, _ = solve(matrix, lower, upper, columns, pivots, trans=2 if adjoint else 0)
    return np.ascontiguousarray(y.T).reshape(x.shape)


def inverse_norm(xp: Namespace, factors: tuple[Array, ...], lower: int, upper: int) -> Array:
    """Return a norm of A^{-1}, inf for a singular A: Higham and Tisseur's estimate of the 1-norm, or the 2-norm."""
    if len(factors) == 1:
        return 1 / xp.linalg.svdvals(factors[0])[-1]
    matrix = factors[0]
    if not np.all(matrix[lower + upper]):
        return np.inf

    def product(x: Array) -> Array:
        return solve_banded(xp, factors, lower, upper, x.T).T

    def adjoint_product(x: Array) -> Array:
        return solve_banded(xp, factors, lower, upper, x.T, adjoint=True).T

    n = matrix.shape[1]
    functions = {"matvec": product, "rmatvec": adjoint_product, "matmat": product, "rmatmat": adjoint_product}
    with np.errstate(over="ignore", invalid="ignore"):
        norm = onenormest(LinearOperator((n, n), dtype=matrix.dtype, **functions))
    return norm if np.isfinite(norm) else np.inf
