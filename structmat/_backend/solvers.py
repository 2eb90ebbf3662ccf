"""Iterative solvers and linear assignment, of SciPy and CuPy."""

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import array_api_compat as compat

from structmat._backend import devices, libraries, namespaces
from structmat._backend.types import Array, Namespace

RESTART = 50  #: largest number of steps between two restarts of GMRES
METHODS = ("cg", "gmres", "minres")  #: the methods that both libraries have


def has_krylov(xp: Namespace) -> bool:
    """Tell whether there are Krylov methods for arrays of a library."""
    return libraries.of_namespace(xp).solvers is not None


def _solvers(xp: Namespace) -> ModuleType:
    module = libraries.of_namespace(xp).solvers
    if module is None:
        raise TypeError(
            f"linalg: there is no iterative solver for arrays of {namespaces.name(xp)}; expected arrays of NumPy or "
            f"CuPy: move the operator with A.to(xp=numpy), and the vectors with it."
        )
    return importlib.import_module(module)


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
    """Solve A x = b for one vector by a Krylov method in at most `maxiter` products; GMRES takes two at least."""
    module = _solvers(xp)
    on_host = compat.is_numpy_namespace(xp)
    A, M = (
        None if function is None else module.LinearOperator((b.shape[0],) * 2, matvec=function, dtype=b.dtype)
        for function in (product, preconditioner)
    )
    solver = getattr(module, method)
    # SciPy and CuPy 14 have `rtol`; CuPy 13, and CuPy's `minres`, have `tol`
    options: dict[str, Any] = {"rtol" if "rtol" in inspect.signature(solver).parameters else "tol": rtol}
    if not on_host:
        maxiter = max(1, maxiter - 1)  # CuPy's methods multiply the zero vector first
    if method == "gmres":
        restart = min(b.shape[0], RESTART, max(1, maxiter - 1))
        options |= {"restart": restart, "callback_type": "x"}
        rounds = max(1, maxiter // (restart + 1))  # the residual at the end of each takes a product
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

    Products are computed in the precision of b, the recurrences in double precision, since SciPy's start at 1e100.
    """
    module = _solvers(xp)
    wide = xp.result_type(b.dtype, xp.float64)

    def rounded(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
        return lambda v: xp.astype(function(xp.astype(v, b.dtype, copy=False)), wide, copy=False)

    A = module.LinearOperator(shape, matvec=rounded(product), rmatvec=rounded(adjoint_product), dtype=wide)
    x, stop, steps, *_ = module.lsmr(A, xp.astype(b, wide), atol=rtol, btol=rtol, conlim=0.0, maxiter=maxiter)
    return xp.astype(x, b.dtype, copy=False), int(stop) != 7, int(steps)


def linear_assignment(xp: Namespace, scores: Array) -> Array:
    """Return the permutation that maximises Σ_i scores[i, index[i]], as int64; computed on the host."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    index = linear_sum_assignment(devices.to_host(scores), maximize=True)[1]
    return devices.from_host(index, xp, device=devices.of(scores), dtype=xp.int64)
