"""Systems without an exact inverse, by Krylov methods."""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from structmat._backend import dtypes, ops, solvers
from structmat._backend.types import Array, Device, DType, Namespace
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.linalg._validation import checked, in_own_precision, right_hand_side
from structmat.linalg.history import SolveState
from structmat.linalg.preconditioners import default_preconditioner

ROUNDS = 3  # restarts from the true residual, from which that of the recursion drifts away
PRODUCTS = 2000  # default of the most products with A for one right-hand side


class ConvergenceWarning(UserWarning):
    """An iterative solver has stopped before it reached the tolerance."""


class Iteration(NamedTuple):
    """Options of an iterative solver."""

    method: str | None = None
    rtol: float | None = None
    maxiter: int = PRODUCTS
    callback: Callable[[SolveState], Any] | None = None
    preconditioner: LinearOperator | None = None
    guessed: bool = False  # whether the method was chosen here and not by the user


class _NotDefiniteError(Exception):
    """Conjugate gradients have met a direction p with p^H A p <= 0."""


class SolveResult(NamedTuple):
    """The outcome of an iterative solver.

    Attributes
    ----------
    x : array, shape of b
        The solution, or the best that was found.
    converged : bool
        Whether every right-hand side reached the tolerance.
    residual : float
        Largest ‖b - A x‖ / ‖b‖ of all right-hand sides, from a product with A and not from the solver's recursion.
    products : int
        Products with A, over all right-hand sides.
    method : str
        The Krylov method.
    """

    x: Array
    converged: bool
    residual: float
    products: int
    method: str


def probes(xp: Namespace, n: int, dtype: DType, where: Device) -> Array:
    """Return two deterministic vectors (2, n) that serve as random ones."""
    places = xp.arange(1, n + 1, dtype=dtypes.real_dtype(xp, dtype), device=where)
    turns = [((share * places) % 1 * places) % 1 for share in (0.6180339887498949, 0.41421356237309515)]
    return dtypes.astype(xp, xp.stack([xp.cos(2 * math.pi * turn) for turn in turns]), dtype)


def _seems_definite(xp: Namespace, A: LinearOperator, dtype: DType) -> bool:
    """Tell whether u^H A v = conj(v^H A u), u^H A u > 0 and v^H A v > 0 for two test vectors."""
    u = probes(xp, A.n, dtype, A.device)
    y = A._apply(xp, u)
    forms = xp.matmul(xp.conj(u), xp.matrix_transpose(y))  # u^H A u, u^H A v; v^H A u, v^H A v
    sizes = xp.linalg.vector_norm(u, axis=-1), xp.linalg.vector_norm(y, axis=-1)
    rounding = 64 * math.sqrt(A.n) * float(xp.finfo(dtype).eps) * float(xp.max(sizes[0]) * xp.max(sizes[1]))
    off = float(xp.max(xp.abs(forms - xp.conj(xp.matrix_transpose(forms)))))
    return off <= rounding and float(xp.min(xp.real(xp.linalg.diagonal(forms)))) > rounding


def tolerance(xp: Namespace, dtype: DType) -> float:
    """Return the default tolerance of residuals relative to ‖b‖."""
    return float(xp.finfo(dtype).eps ** (2 / 3))


def planned(xp: Namespace, A: LinearOperator, dtype: DType, how: Iteration) -> Iteration:
    """Choose the preconditioner, and CG where A and the preconditioner seem definite, unless the user has."""
    method, preconditioner = how.method, how.preconditioner
    if preconditioner is None:
        preconditioner = default_preconditioner(A, definite=method == "minres")
    if method is None:
        both = (A,) if preconditioner is None else (A, preconditioner)
        method = "cg" if all(_seems_definite(xp, each, dtype) for each in both) else "gmres"
        return how._replace(method=method, preconditioner=preconditioner, guessed=True)
    return how._replace(preconditioner=preconditioner)


def iterate(xp: Namespace, A: LinearOperator, B: Array, how: Iteration, start: Array | None = None) -> SolveResult:
    """Solve for each of the vectors (..., n), from zero or from a start; libraries without solvers return the start."""
    if start is not None and not solvers.has_krylov(xp):
        how = how._replace(method="refinement", maxiter=0)
    dtype = A._product_dtype(xp, B.dtype)
    how = planned(xp, A, dtype, how) if 0 not in B.shape else how._replace(method=how.method or "gmres")
    if how.method == "minres" and dtypes.is_complex(xp, B.dtype):  # SciPy's MINRES is for real vectors
        result = iterate(xp, A, ops.complex_as_real(xp, B), how)
        return result._replace(x=ops.real_as_complex(xp, result.x))
    rtol = how.rtol or tolerance(xp, dtype)
    vectors = [dtypes.astype(xp, b, dtype) for b in each_vector(xp, B)]
    starts = [None] * len(vectors) if start is None else each_vector(xp, start)
    found = [
        _one(xp, A, b, rtol, how, start=x, column=column)
        for column, (b, x) in enumerate(zip(vectors, starts, strict=True))
    ]
    residual = max([one.residual for one in found], key=lambda each: (math.isnan(each), each), default=0.0)
    x = xp.reshape(xp.stack([one.x for one in found]), B.shape) if found else dtypes.astype(xp, B, dtype)
    products = sum(one.products for one in found)
    methods = {one.method for one in found}
    return SolveResult(x, residual <= rtol, residual, products, methods.pop() if len(methods) == 1 else str(how.method))


def each_vector(xp: Namespace, B: Array) -> list[Array]:
    """Return the vectors (n,) of a batch (..., n)."""
    B = ops.flatten_batch(xp, B)
    return [B[place, :] for place in range(B.shape[0])]


def _one(
    xp: Namespace, A: LinearOperator, b: Array, rtol: float, how: Iteration, *, start: Array | None, column: int
) -> SolveResult:
    products = steps = 0

    def product(x: Array) -> Array:
        nonlocal products
        products += 1
        return A._apply(xp, x)

    def watched(p: Array) -> Array:
        y = product(p)
        if how.guessed and how.method == "cg" and not float(xp.real(xp.vecdot(p, y))) > 0 and bool(xp.any(p != 0)):
            raise _NotDefiniteError
        return y

    def report(callback: Callable[[SolveState], Any], step: Array) -> None:
        nonlocal steps
        steps += 1
        solution = x + step

        def measure() -> float:
            return float(xp.linalg.vector_norm(b - A._apply(xp, solution))) / size

        callback(SolveState(steps, column, solution, products, str(how.method), measure))

    if not bool(xp.all(xp.isfinite(b))):  # all products would be NaN
        return SolveResult(xp.full_like(b, math.nan), False, math.nan, 0, str(how.method))
    P, x, r = how.preconditioner, xp.zeros_like(b), b
    size = left = float(xp.linalg.vector_norm(b))
    if start is not None and (norm := float(xp.linalg.vector_norm(residual := b - product(start)))) < left:
        x, r, left = start, residual, norm
    short = 1.0
    for _ in range(ROUNDS + how.guessed):  # CG may end at once, where A turns out not to be definite
        if left <= rtol * size or (products and products > how.maxiter - 2):  # GMRES makes two
            break
        try:
            step = solvers.krylov(
                xp,
                str(how.method),
                watched,
                None if P is None else lambda v: P._apply(xp, v),
                r,
                rtol=rtol * size / left / short,
                maxiter=how.maxiter - products,
                callback=None if how.callback is None else functools.partial(report, how.callback),
            )
        except _NotDefiniteError:
            how = how._replace(method="gmres")
            continue
        residual = b - product(x + step)
        norm = float(xp.linalg.vector_norm(residual))
        if not norm < left:  # NaN included
            break
        if how.method == "minres":  # its tolerance is relative to ‖A‖ ‖x‖, so that it stops too early
            short = max(1.0, norm / (rtol * size))
        x, r, left = x + step, residual, norm
    return SolveResult(x, left <= rtol * size, left / size if size else 0.0, products, str(how.method))


def warn(label: str, result: SolveResult) -> SolveResult:
    """Issue a ConvergenceWarning if a solver has not converged; return its result."""
    if not result.converged:
        warnings.warn(
            f"linalg: {result.method} has not solved the system with {label} to the tolerance: after "
            f"{result.products} products ‖b - A x‖ / ‖b‖ is {result.residual:.3g}. The operator may be singular or "
            f"ill-conditioned; give a preconditioner, more iterations or a looser rtol.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return result


def checked_iteration(name: str, A: LinearOperator, how: Iteration) -> Iteration:
    """Validate the options of an iterative solver."""
    if how.method not in (None, *solvers.METHODS):
        raise ValueError(f"linalg.{name}: method is {how.method!r}; expected one of {', '.join(solvers.METHODS)}.")
    if how.rtol is not None and not 0 < how.rtol < 1:
        raise ValueError(f"linalg.{name}: rtol is {how.rtol!r}; expected a number between 0 and 1.")
    checked_size(f"linalg.{name}", "maxiter", how.maxiter)
    callback: Any = how.callback
    if callback is not None and not callable(callback):
        raise TypeError(f"linalg.{name}: callback is a {type(callback).__name__}; expected a function.")
    P: Any = how.preconditioner
    if P is not None and not (isinstance(P, LinearOperator) and P.shape == A.shape):
        raise TypeError(f"linalg.{name}: preconditioner is {P!r}; expected an operator of shape {A.m}×{A.n}.")
    if how.method == "minres":
        for role, operator in (("A", A), ("preconditioner", P)):
            if operator is not None and operator._is_complex:
                raise ValueError(
                    f"linalg.{name}: method is 'minres' and {role} is {operator._label} of complex entries; expected a "
                    f"real symmetric one: 'cg' takes Hermitian positive definite ones, 'gmres' all."
                )
    return how


@checked(square=True, casts=False)
def solve_iterative(
    A: LinearOperator,
    b: Array,
    *,
    method: Literal["cg", "gmres", "minres"] | None = None,
    rtol: float | None = None,
    maxiter: int = PRODUCTS,
    callback: Callable[[SolveState], Any] | None = None,
    preconditioner: LinearOperator | None = None,
) -> SolveResult:
    """Solve A x = b by a Krylov method, and return residual and number of products with the solution.

    Parameters
    ----------
    A : LinearOperator
        Square, on NumPy or CuPy: the solvers are SciPy's or CuPy's, such as `scipy.sparse.linalg.cg`.
    b : array, shape (n,) or (..., n, k)
        One right-hand side, or the columns of a matrix, which are solved one after the other.
    method : {"cg", "gmres", "minres"}, optional
        Conjugate gradients for Hermitian positive definite A, MINRES for real symmetric ones (with the real and the
        imaginary part of b one after the other), GMRES with restarts for all. By default conjugate gradients if A
        and the preconditioner are Hermitian and positive for two test vectors, until a search direction shows that A
        is not positive definite; else GMRES.
    rtol : float, optional
        Largest ‖b - A x‖ / ‖b‖; by default eps^(2/3) of the dtype, 3.7e-11 in double precision.
    maxiter : int, optional
        Most products with A for one right-hand side, not counting the product for the last residual. GMRES, which
        restarts after at most 50 steps, makes at least two.
    callback : callable, optional
        `callback(state)` is called with a `SolveState` after each step, or after each restart of GMRES; `History` is
        one that keeps the residuals.
    preconditioner : LinearOperator, optional
        An approximation of the inverse of A, SciPy's M; positive definite for CG and MINRES. By default the inverse of
        T. Chan's circulant for Toeplitz operators (of its absolute value for MINRES), else none. `identity(n)` turns
        preconditioning off.

    Returns
    -------
    SolveResult
        The named tuple x, converged, residual, products, method.

    Warns
    -----
    ConvergenceWarning
        The tolerance is not reached.

    Raises
    ------
    ValueError
        A is not square, b has the wrong shape, `method`, `rtol` or `maxiter` is none of the above; or, with MINRES, A
        or the preconditioner is complex or not symmetric, or the preconditioner is not definite.
    TypeError
        The arrays belong to another library, or `callback` or `preconditioner` is none of the above.

    Notes
    -----
    Cost: one product with A and one with the preconditioner a step. To choose a method takes two more of each, which
    are not counted. The solver is restarted from the true residual where the residual of its recursion has drifted.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> T = sm.SymmetricToeplitz(0.5 ** np.arange(2000.0))
    >>> result = sm.linalg.solve_iterative(T, np.ones(2000), rtol=1e-8)
    >>> result.converged, result.method, result.products < 20
    (True, 'cg', True)
    """
    how = Iteration(method, rtol, maxiter, callback, preconditioner)
    checked_iteration("solve_iterative", A, how)
    xp, vectors, finish = right_hand_side("solve_iterative", A, b)
    result = iterate(xp, in_own_precision(A), vectors, how)
    return warn(A._label, result._replace(x=finish(result.x)))
