"""Solvers of other libraries: Levinson's recursion of SciPy, and the Krylov methods of SciPy and CuPy."""

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import array_api_compat as compat
import numpy as np

from structmat._backend.arrays import Array, Namespace, namespace_name

RESTART = 50  #: most steps between two restarts of GMRES
METHODS = ("cg", "gmres", "minres")  #: the methods that both libraries have


def levinson(column: Array, row: Array, b: Array) -> Array | None:
    """Solve a square Toeplitz system for vectors (..., n); None where the recursion breaks down.

    It needs every leading principal minor to be nonzero, and O(n²) operations.
    """
    from scipy.linalg import solve_toeplitz

    try:
        x = solve_toeplitz((column, row), b.reshape(-1, b.shape[-1]).T, check_finite=False)
    except np.linalg.LinAlgError:
        return None
    return np.ascontiguousarray(x.T).reshape(b.shape)


def general_eigenvalues(xp: Namespace, matrix: Array) -> Array:
    """Return the eigenvalues of a general matrix."""
    if not hasattr(xp.linalg, "eigvals"):
        raise TypeError(
            f"linalg.eigvals: this release of {namespace_name(xp)} has no eigenvalues of general matrices; expected "
            f"CuPy 14 or later, or arrays of NumPy: move the operator with A.to(xp=numpy)."
        )
    return xp.linalg.eigvals(matrix)


def has_levinson(xp: Namespace) -> bool:
    """Tell whether there is Levinson's recursion for arrays of a library."""
    return bool(compat.is_numpy_namespace(xp))


def has_krylov(xp: Namespace) -> bool:
    """Tell whether there are Krylov methods for arrays of a library."""
    return bool(compat.is_numpy_namespace(xp) or compat.is_cupy_namespace(xp))


def _solvers(xp: Namespace) -> ModuleType:
    if compat.is_numpy_namespace(xp):
        return importlib.import_module("scipy.sparse.linalg")
    if compat.is_cupy_namespace(xp):
        return importlib.import_module("cupyx.scipy.sparse.linalg")
    raise TypeError(
        f"linalg: there is no iterative solver for arrays of {namespace_name(xp)}; expected arrays of NumPy or CuPy: "
        f"move the operator with A.to(xp=numpy), and the vectors with it."
    )


def krylov(
    xp: Namespace,
    method: str,
    product: Callable[[Array], Array],
    preconditioner: Callable[[Array], Array] | None,
    b: Array,
    *,
    rtol: float,
    maxiter: int,
    callback: Callable[[Array], Any] | None,
) -> Array:
    """Return what a Krylov method makes of A x = b, one vector, in `maxiter` products; GMRES takes two at least."""
    module = _solvers(xp)
    on_host = compat.is_numpy_namespace(xp)
    shape = (b.shape[0], b.shape[0])
    A, M = (
        None if function is None else module.LinearOperator(shape, matvec=function, dtype=b.dtype)
        for function in (product, preconditioner)
    )
    solver = getattr(module, method)
    # CuPy 14 has renamed it as SciPy has, but not that of `minres`
    options: dict[str, Any] = {"rtol" if "rtol" in inspect.signature(solver).parameters else "tol": rtol}
    if not on_host:
        maxiter = max(1, maxiter - 1)  # CuPy's methods begin with the product of A and zero
    if method == "gmres":
        restart = min(b.shape[0], RESTART, max(1, maxiter - 1))
        options |= {"restart": restart, "callback_type": "x"}
        rounds = max(1, maxiter // (restart + 1))  # the residual after each takes a product
        maxiter = rounds if on_host else rounds * restart  # CuPy's limit counts steps, SciPy's rounds
    try:
        x, _ = solver(A, b, M=M, maxiter=maxiter, callback=callback, **options)
    except ValueError as error:
        if str(error) not in ("indefinite preconditioner", "non-symmetric matrix"):
            raise
        raise ValueError(
            f"linalg.solve_iterative: method is {method!r}, which found: {error}; expected a real symmetric A and a "
            f"positive definite preconditioner: 'gmres' takes all."
        ) from error
    return x


def lsmr(
    xp: Namespace,
    shape: tuple[int, int],
    product: Callable[[Array], Array],
    adjoint_product: Callable[[Array], Array],
    b: Array,
    *,
    rtol: float,
    maxiter: int,
) -> tuple[Array, bool, int]:
    """Return the least-squares solution for one vector by LSMR, whether it has converged, and the number of steps.

    Products are taken in the precision of b, the recurrences in double: SciPy's begin with 1e100.
    """
    module = _solvers(xp)
    wide = xp.result_type(b.dtype, xp.float64)

    def rounded(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda v: xp.astype(function(xp.astype(v, b.dtype, copy=False)), wide, copy=False)

    A = module.LinearOperator(shape, matvec=rounded(product), rmatvec=rounded(adjoint_product), dtype=wide)
    x, stop, steps, *_ = module.lsmr(A, xp.astype(b, wide), atol=rtol, btol=rtol, conlim=0.0, maxiter=maxiter)
    return xp.astype(x, b.dtype, copy=False), int(stop) != 7, int(steps)


def toeplitz_matrix(xp: Namespace, column: Array, row: Array) -> Array:
    """Return the dense Toeplitz matrix with a first column and, from its second entry on, a first row."""
    if compat.is_numpy_namespace(xp):
        from scipy.linalg import toeplitz

        return toeplitz(column, row)
    n = column.shape[0]
    places = xp.arange(n, device=compat.device(column))
    index = places[:, None] - places[None, :] + (row.shape[0] - 1)
    return xp.reshape(xp.take(xp.concat((xp.flip(row[1:]), column)), xp.reshape(index, (-1,))), (n, n))


class DenseFactors:
    """LU factors of a square matrix, and how near to singular they are: LAPACK's with NumPy, else the library's.

    The host's matrix is given transposed and is overwritten, as LAPACK wants columns one after the other.
    """

    def __init__(self, xp: Namespace, transposed: Array) -> None:
        self.xp = xp
        self.reciprocal_condition: float | None = None  # of the 1-norm, estimated; unknown but with NumPy
        if not compat.is_numpy_namespace(xp):
            self._matrix = xp.matrix_transpose(transposed)
            return
        from scipy.linalg import get_lapack_funcs

        getrf, gecon, self._getrs = get_lapack_funcs(("getrf", "gecon", "getrs"), (transposed,))
        size = np.max(np.sum(np.abs(transposed), axis=1))  # before it is overwritten
        self._lu, self._pivots, info = getrf(transposed.T, overwrite_a=True)
        if info > 0:
            self.reciprocal_condition = 0.0
        else:
            self.reciprocal_condition = float(gecon(self._lu, size)[0])
        for kept in (self._lu, self._pivots):
            kept.flags.writeable = False

    def solve(self, b: Array) -> Array:
        """Solve for vectors (k, n)."""
        if compat.is_numpy_namespace(self.xp):
            x, _ = self._getrs(self._lu, self._pivots, b.T)
            return x.T
        try:
            return self.xp.matrix_transpose(self.xp.linalg.solve(self._matrix, self.xp.matrix_transpose(b)))
        except RuntimeError as error:  # PyTorch's is none of NumPy's
            raise np.linalg.LinAlgError(str(error)) from error


def substituted(xp: Namespace, matrix: Array, b: Array, *, lower: bool) -> Array | None:
    """Solve a triangular system for vectors (k, n) by substitution; None where the library has none."""
    if not compat.is_numpy_namespace(xp):
        return None
    from scipy.linalg import solve_triangular

    return np.ascontiguousarray(solve_triangular(matrix, b.T, lower=lower, check_finite=False).T)
