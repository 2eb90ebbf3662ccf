"""Systems without an exact inverse, by Krylov methods; circulant preconditioners of Toeplitz systems."""

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, cast

from structmat._backend import (
    METHODS,
    Array,
    Device,
    DType,
    Namespace,
    astype,
    complex_as_real,
    has_krylov,
    is_complex,
    krylov,
    lsmr,
    real_as_complex,
    real_dtype,
    rows,
)
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.linalg._door import admits, in_single, right_hand_side
from structmat.operators import Circulant, SymmetricToeplitz, Toeplitz

ROUNDS = 3  # restarts from the true residual, from which that of the recursion drifts away
PRODUCTS = 2000  # most products with A for one right-hand side, unless the user says otherwise


class ConvergenceWarning(UserWarning):
    """An iterative solver has stopped before it reached the tolerance."""


class Iteration(NamedTuple):
    """What the user asks of an iterative solver."""

    method: str | None = None
    rtol: float | None = None
    maxiter: int = PRODUCTS
    callback: Callable[[Array], Any] | None = None
    preconditioner: LinearOperator | None = None
    guessed: bool = False  # whether the method is not the user's


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


def circulant_approximation(A: LinearOperator, kind: Literal["chan", "strang"] = "chan") -> Circulant:
    r"""Circulant matrix near a square Toeplitz matrix.

    .. math::

       c_k = \frac{(n - k)\, t_k + k\, t_{k - n}}{n} \quad\text{("chan")}, \qquad
       c_k = \begin{cases} t_k, & k < n / 2, \\ t_{k - n}, & k > n / 2, \end{cases} \quad\text{("strang")},

    where t_k stands on the k-th diagonal below the main one. Strang's has the mean of both at k = n/2.

    Parameters
    ----------
    A : Toeplitz or SymmetricToeplitz
        Square.
    kind : {"chan", "strang"}, optional
        T. Chan's, the nearest circulant matrix in the Frobenius norm, which is positive definite if A is; or Strang's,
        which copies the middle diagonals.

    Returns
    -------
    Circulant
        Its own parameter, the column. `circulant_preconditioner` is its inverse.

    Raises
    ------
    TypeError
        A is no Toeplitz operator.
    ValueError
        A is not square, or `kind` is unknown.

    Notes
    -----
    Cost: O(n). The formulas are those of [1]_ and [2]_.

    References
    ----------
    .. [1] G. Strang, "A proposal for Toeplitz matrix calculations", *Studies in Applied Mathematics* 74(2), 1986.
    .. [2] T. F. Chan, "An optimal circulant preconditioner for Toeplitz systems", *SIAM Journal on Scientific and
       Statistical Computing* 9(4), 1988.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> T = sm.SymmetricToeplitz(np.asarray([4.0, 2.0, 0.0, 0.0]))
    >>> sm.linalg.circulant_approximation(T).column
    array([4. , 1.5, 0. , 1.5])
    >>> sm.linalg.circulant_approximation(T, "strang").column
    array([4., 2., 0., 2.])
    """
    return _approximation("circulant_approximation", A, kind)


def circulant_preconditioner(A: LinearOperator, kind: Literal["chan", "strang"] = "chan") -> Circulant:
    """Preconditioner of a square Toeplitz matrix: the inverse of a circulant matrix near it.

    Parameters
    ----------
    A : Toeplitz or SymmetricToeplitz
        Square.
    kind : {"chan", "strang"}, optional
        The circulant matrix, as for `circulant_approximation`. Strang's converges faster where the middle diagonals
        hold nearly all of A; T. Chan's is positive definite if A is.

    Returns
    -------
    Circulant
        An approximation of the inverse of A, which SciPy calls `M`, and `solve_iterative` `preconditioner`. Where the
        circulant matrix is singular to working precision, its smallest eigenvalues count as large as the largest.

    Raises
    ------
    TypeError
        A is no Toeplitz operator.
    ValueError
        A is not square, or `kind` is unknown.

    Notes
    -----
    Cost: O(n log n), and two transforms a product. For a symmetric matrix whose symbol is positive and smooth,
    conjugate gradients then need a number of steps that does not grow with n [1]_.

    References
    ----------
    .. [1] R. H. Chan and M. K. Ng, "Conjugate gradient methods for Toeplitz systems", *SIAM Review* 38(3), 1996.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> from scipy.sparse.linalg import cg
    >>> T = sm.SymmetricToeplitz(0.5 ** np.arange(2000.0))
    >>> x, info = cg(T, np.ones(2000), rtol=1e-8, M=sm.linalg.circulant_preconditioner(T))
    >>> info, bool(np.linalg.norm(T @ x - 1) < 1e-6)
    (0, True)
    """
    return _safe_inverse(_approximation("circulant_preconditioner", A, kind), definite=False)


def _approximation(name: str, A: LinearOperator, kind: str) -> Circulant:
    if not isinstance(A, Toeplitz | SymmetricToeplitz):
        raise TypeError(f"linalg.{name}: A is {A!r}; expected a Toeplitz operator.")
    if A.m != A.n:
        raise ValueError(f"linalg.{name}: A is {A._label}; expected a square operator.")
    if kind not in ("chan", "strang"):
        raise ValueError(f"linalg.{name}: kind is {kind!r}; expected 'chan' or 'strang'.")
    xp, n = A.xp, A.n
    below, above = (astype(xp, side, A.dtype) for side in A._sides())
    wrapped = xp.concat((below[:1], xp.flip(above[1:])))  # t_{k - n}; k = 0 has none
    places = xp.arange(n, device=A.device)
    if kind == "strang":
        far = xp.where(2 * places == n, (below + wrapped) / 2, wrapped)
        return Circulant(xp.where(2 * places < n, below, far))
    share = xp.astype(places, real_dtype(xp, A.dtype)) / n
    return Circulant((1 - share) * below + share * wrapped)


def _safe_inverse(C: Circulant, *, definite: bool) -> Circulant:
    """Invert a circulant matrix, or its absolute value; where it is singular it does nothing but scale."""
    xp = C.xp
    largest = xp.max(xp.abs(C.spectrum))
    largest = xp.where(largest > 0, largest, 1)
    cutoff = C.n * float(xp.finfo(C.dtype).eps) * largest

    def reciprocals(values: Array) -> Array:
        moduli = xp.abs(values)
        return 1 / xp.where(moduli > cutoff, moduli if definite else values, largest + 0 * values)

    return cast("Circulant", C._function(xp, reciprocals))


def probes(xp: Namespace, n: int, dtype: DType, where: Device) -> Array:
    """Two vectors, whose angles with all that matters here are those of random ones."""
    places = xp.arange(1, n + 1, dtype=real_dtype(xp, dtype), device=where)
    turns = [((share * places) % 1 * places) % 1 for share in (0.6180339887498949, 0.41421356237309515)]
    return astype(xp, xp.stack([xp.cos(2 * math.pi * turn) for turn in turns]), dtype)


def _seems_definite(xp: Namespace, A: LinearOperator, dtype: DType) -> bool:
    """Tell whether A is Hermitian and positive for two vectors u and v, so that conjugate gradients are worth a try."""
    u = probes(xp, A.n, dtype, A.device)
    y = A._apply(xp, u)
    forms = xp.matmul(xp.conj(u), xp.matrix_transpose(y))  # u^H A u, u^H A v; v^H A u, v^H A v
    sizes = xp.linalg.vector_norm(u, axis=-1), xp.linalg.vector_norm(y, axis=-1)
    rounding = 64 * math.sqrt(A.n) * float(xp.finfo(dtype).eps) * float(xp.max(sizes[0]) * xp.max(sizes[1]))
    off = float(xp.max(xp.abs(forms - xp.conj(xp.matrix_transpose(forms)))))
    return off <= rounding and float(xp.min(xp.real(xp.linalg.diagonal(forms)))) > rounding


def tolerance(xp: Namespace, dtype: DType) -> float:
    """The residual, relative to ‖b‖, that counts as solved unless the user says otherwise."""
    return float(xp.finfo(dtype).eps ** (2 / 3))


def planned(xp: Namespace, A: LinearOperator, dtype: DType, how: Iteration) -> Iteration:
    """Choose what the user has left open: T. Chan's preconditioner, and CG where A and it seem to be definite."""
    method, preconditioner = how.method, how.preconditioner
    if isinstance(A, Toeplitz | SymmetricToeplitz) and preconditioner is None:
        preconditioner = _safe_inverse(_approximation("solve", A, "chan"), definite=method == "minres")
    if method is None:
        both = (A,) if preconditioner is None else (A, preconditioner)
        method = "cg" if all(_seems_definite(xp, each, dtype) for each in both) else "gmres"
        return how._replace(method=method, preconditioner=preconditioner, guessed=True)
    return how._replace(preconditioner=preconditioner)


def iterate(xp: Namespace, A: LinearOperator, B: Array, how: Iteration, start: Array | None = None) -> SolveResult:
    """Solve for each of the vectors (..., n), from zero or from a start, which is all where there are no methods."""
    if start is not None and not has_krylov(xp):
        how = how._replace(method="refinement", maxiter=0)
    dtype = A._product_dtype(xp, B.dtype)
    how = planned(xp, A, dtype, how) if 0 not in B.shape else how._replace(method=how.method or "gmres")
    if how.method == "minres" and is_complex(xp, B.dtype):  # which takes real numbers only
        result = iterate(xp, A, complex_as_real(xp, B), how)
        return result._replace(x=real_as_complex(xp, result.x))
    rtol = how.rtol or tolerance(xp, dtype)
    vectors = [astype(xp, b, dtype) for b in _each(xp, B)]
    starts = [None] * len(vectors) if start is None else _each(xp, start)
    found = [_one(xp, A, b, rtol, how, start=x) for b, x in zip(vectors, starts, strict=True)]
    residual = max([one.residual for one in found], key=lambda each: (math.isnan(each), each), default=0.0)
    x = xp.reshape(xp.stack([one.x for one in found]), B.shape) if found else astype(xp, B, dtype)
    products = sum(one.products for one in found)
    methods = {one.method for one in found}
    return SolveResult(x, residual <= rtol, residual, products, methods.pop() if len(methods) == 1 else str(how.method))


def _each(xp: Namespace, B: Array) -> list[Array]:
    B = rows(xp, B)
    return [B[place, :] for place in range(B.shape[0])]


def _from(callback: Callable[[Array], Any], start: Array, step: Array) -> None:
    callback(start + step)


def _one(
    xp: Namespace, A: LinearOperator, b: Array, rtol: float, how: Iteration, *, start: Array | None
) -> SolveResult:
    products = 0

    def product(x: Array) -> Array:
        nonlocal products
        products += 1
        return A._apply(xp, x)

    def watched(p: Array) -> Array:
        y = product(p)
        if how.guessed and how.method == "cg" and not float(xp.real(xp.vecdot(p, y))) > 0 and bool(xp.any(p != 0)):
            raise _NotDefiniteError
        return y

    if not bool(xp.all(xp.isfinite(b))):  # all products would be of NaN
        return SolveResult(xp.full_like(b, math.nan), False, math.nan, 0, str(how.method))
    P, x, r = how.preconditioner, xp.zeros_like(b), b
    size = left = float(xp.linalg.vector_norm(b))
    if start is not None and (norm := float(xp.linalg.vector_norm(rest := b - product(start)))) < left:
        x, r, left = start, rest, norm
    short = 1.0
    rounds = ROUNDS + how.guessed  # one may end where A is found indefinite
    for _ in range(rounds):
        if left <= rtol * size or (products and products > how.maxiter - 2):  # GMRES makes two
            break
        try:
            step = krylov(
                xp,
                str(how.method),
                watched,
                None if P is None else lambda v: P._apply(xp, v),
                r,
                rtol=rtol * size / left / short,
                maxiter=how.maxiter - products,
                callback=None if how.callback is None else functools.partial(_from, how.callback, x),
            )
        except _NotDefiniteError:
            how = how._replace(method="gmres")
            continue
        rest = b - product(x + step)
        norm = float(xp.linalg.vector_norm(rest))
        if not norm < left:  # NaN included
            break
        if how.method == "minres":  # which measures a residual against ‖A‖ ‖x‖, so that it stops too early
            short = max(1.0, norm / (rtol * size))
        x, r, left = x + step, rest, norm
    return SolveResult(x, left <= rtol * size, left / size if size else 0.0, products, str(how.method))


def least_squares(xp: Namespace, A: LinearOperator, B: Array, how: Iteration) -> Array:
    """Solve in the least-squares sense for each of the vectors (..., m)."""
    dtype = A._product_dtype(xp, B.dtype)
    rtol = how.rtol or tolerance(xp, dtype)
    found = []
    for b in _each(xp, B):
        if not bool(xp.all(xp.isfinite(b))):
            found.append(xp.full((A.n,), math.nan, dtype=dtype))
            warn(A._label, SolveResult(found[-1], False, math.nan, 0, "lsmr"))
            continue
        x, converged, steps = lsmr(
            xp,
            A.shape,
            lambda v: A._apply(xp, v),
            lambda v: A._apply_adjoint(xp, v),
            astype(xp, b, dtype),
            rtol=rtol,
            maxiter=how.maxiter,
        )
        if not converged:
            residual = float(xp.linalg.vector_norm(b - A._apply(xp, x)) / xp.linalg.vector_norm(b))
            warn(A._label, SolveResult(x, False, residual, steps, "lsmr"))
        found.append(x)
    return xp.reshape(xp.stack(found), (*B.shape[:-1], A.n)) if found else xp.zeros((*B.shape[:-1], A.n), dtype=dtype)


def warn(label: str, result: SolveResult) -> SolveResult:
    """Say aloud that a solver has stopped early."""
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
    """Check what a user asks of an iterative solver."""
    if how.method not in (None, *METHODS):
        raise ValueError(f"linalg.{name}: method is {how.method!r}; expected one of {', '.join(METHODS)}.")
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


@admits(square=True, rounds=False)
def solve_iterative(
    A: LinearOperator,
    b: Array,
    *,
    method: Literal["cg", "gmres", "minres"] | None = None,
    rtol: float | None = None,
    maxiter: int = PRODUCTS,
    callback: Callable[[Array], Any] | None = None,
    preconditioner: LinearOperator | None = None,
) -> SolveResult:
    """Solve A x = b by a Krylov method, and report how that went.

    Parameters
    ----------
    A : LinearOperator
        Square, on NumPy or CuPy: the solvers are SciPy's or CuPy's.
    b : array, shape (n,) or (..., n, k)
        One right-hand side, or the columns of a matrix, which are solved one after the other.
    method : {"cg", "gmres", "minres"}, optional
        Conjugate gradients for Hermitian positive definite A, MINRES for real symmetric ones (with the real and the
        imaginary part of b one after the other), GMRES with restarts for all. Unless given, conjugate gradients
        where A and the preconditioner are Hermitian and positive for two vectors, as long as they find A positive in
        all their directions; else GMRES.
    rtol : float, optional
        Largest ‖b - A x‖ / ‖b‖; eps^(2/3) of the dtype unless given, 3.7e-11 in double precision.
    maxiter : int, optional
        Most products with A for one right-hand side, not counting the one that the last residual takes. GMRES, which
        restarts after at most 50 steps, makes two at least.
    callback : callable, optional
        Called with the present solution, shape (n,), after each step, or after each restart of GMRES.
    preconditioner : LinearOperator, optional
        An approximation of the inverse of A, which SciPy calls M; a positive definite one for CG and MINRES. For
        Toeplitz operators the inverse of T. Chan's circulant, of its absolute value for MINRES, unless given;
        `identity(n)` does without.

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
        A is not square, b has the wrong shape, `method`, `rtol` or `maxiter` is none of the above, or MINRES is given
        a complex operator, or finds that one is not symmetric or a preconditioner not definite.
    TypeError
        The arrays belong to another library, or `callback` or `preconditioner` is none of the above.

    Notes
    -----
    Cost: one product with A and one with the preconditioner a step, and two of each, which are not counted, to choose
    a method. The solver is started again from the true residual
    where that of its recursion has drifted away from it.

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
    result = iterate(xp, in_single(A), vectors, how)
    return warn(A._label, result._replace(x=finish(result.x)))
