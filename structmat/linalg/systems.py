"""Systems of equations: exact inverses, and solutions by the structure, a dense matrix or an iteration."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from structmat._backend import dtypes, tracing
from structmat._backend.linear_algebra import LinAlgError, rounding
from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator, NoExactInverseError
from structmat.core.bilinear import Bilinear
from structmat.core.compose import Sum, added
from structmat.linalg._structure import forms, singular_values_of
from structmat.linalg._validation import checked, in_own_precision, right_hand_side
from structmat.linalg.history import SolveState
from structmat.linalg.iterative import PRODUCTS, Iteration, checked_iteration, iterate, tolerance, warn
from structmat.linalg.toeplitz import toeplitz_solution
from structmat.operators import Dense

DENSE = 1024  # columns up to which a dense matrix is factored where there is no structure


@checked(square=True, casts=False)
def inv(A: LinearOperator) -> LinearOperator:
    """Invert an operator exactly: an operator with the same parameters, whose products solve systems.

    Parameters
    ----------
    A : LinearOperator
        Square: a leaf with an exact inverse (circulants by their spectrum, block-circulant by a small system at each
        frequency, diagonal, signs, permutation, transform, banded, dense), or a product, multiple, power, block
        diagonal or Kronecker product of such leaves. The catalogue lists the exact functions of each operator.

    Returns
    -------
    LinearOperator
        A^{-1}, also written `A ** -1`. Its gradients are exact, with respect to the parameters of A.

    Raises
    ------
    ValueError
        A is not square.
    numpy.linalg.LinAlgError
        A is singular to working precision: its least singular value is at most min(n, 2 log2(2n)) machine epsilons
        times the largest.
    TypeError
        A has no exact inverse, as a general sum or a Toeplitz operator; `solve` finds solutions nevertheless.

    Notes
    -----
    Cost: a product with the inverse costs about as much as one with A. `inv` itself computes the singular values once.

    Gradient: with y = A^{-1} b and h = A^{-H} g, that of -Re⟨h, A y⟩ at fixed h and y.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([4.0, 1.0, 0.0, 1.0]))
    >>> bool(np.allclose(sm.linalg.inv(A) @ (A @ np.ones(4)), 1))
    True
    """
    return A**-1


@checked(square=True, casts=False)
def solve(
    A: LinearOperator,
    b: Array,
    *,
    rtol: float | None = None,
    maxiter: int = PRODUCTS,
    callback: Callable[[SolveState], Any] | None = None,
) -> Array:
    """Solve A x = b by the fastest way that the structure of A offers.

    Parameters
    ----------
    A : LinearOperator
        Square.
    b : array, shape (n,) or (..., n, k)
        One right-hand side, or the columns of a matrix, as for `numpy.linalg.solve`. For a batch of vectors (..., n)
        use `inv(A).matvec(b)`.
    rtol, maxiter, callback : optional
        Options of an iteration, as for `solve_iterative`; other ways ignore them.

    Returns
    -------
    array, shape of b
        The solution x; NaN for a right-hand side with NaN or infinite entries.

    Warns
    -----
    ConvergenceWarning
        Iteration or refinement has not reached the tolerance; x is the best solution found.

    Raises
    ------
    ValueError
        A is not square, or b has the wrong shape, or an option is out of range.
    numpy.linalg.LinAlgError
        A is singular to working precision.
    TypeError
        Only an iteration is left, and the arrays are not NumPy's or CuPy's.

    Notes
    -----
    The first way that fits is taken, for A and then for `simplify(A)`:

    1. the exact inverse, see `inv`, at the cost of a product;
    2. the factors of a product one after the other; the blocks of a block diagonal; the parts of a Kronecker product;
    3. Sherman, Morrison and Woodbury's formula [1]_ for a sum with low-rank terms: r + 1 systems with the other terms,
       and a step of refinement where the residual is too large; if it stays too large, the next ways are tried;
    4. for Toeplitz and Hankel operators, their adjoints, conjugates and transposes, the ways described below;
    5. the pseudoinverse where singular values are known, as for matrices of low rank; singular ones are refused;
    6. a dense factorisation up to n = 1024;
    7. iteration, see `solve_iterative`.

    For a Toeplitz matrix the fastest way is taken whose solution, after refinement, has a backward error
    ‖b - A x‖ / (‖A‖ ‖x‖ + ‖b‖) of rounding size, as for a dense matrix; if there is none, a warning is issued. The ways
    are power series inversion for triangular matrices, O(n log n); for few right-hand sides and n > 4096 a
    preconditioned iteration, O(n log n) a step; two columns of the inverse from Levinson's recursion, O(n²), and then
    O(n log n) for each right-hand side [2]_; dense factors, where n is small or there are nearly as many right-hand
    sides as rows; Gaussian elimination with partial pivoting of a Cauchy-like matrix, O(n²) operations and O(n) memory
    [3]_, [4]_, which needs no nonsingular leading minors. The columns, and dense factors up to n = 512, are kept for
    later right-hand sides. NumPy arrays are computed in double precision at least. Arrays of other libraries use dense
    factors up to n = 8192, then elimination. Above n = 65536 only iteration is left.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.solve(sm.Diagonal(np.asarray([1.0, 2.0, 4.0])), np.ones(3))
    array([1.  , 0.5 , 0.25])
    >>> A = sm.identity(3) + sm.LowRank(np.ones((3, 1)), np.ones((3, 1)))
    >>> sm.linalg.solve(A, np.ones(3))
    array([0.25, 0.25, 0.25])

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.
    .. [2] G. Ammar and P. Gader, "A variant of the Gohberg–Semencul formula involving circulant matrices", *SIAM
       Journal on Matrix Analysis and Applications* 12(3), 1991.
    .. [3] I. Gohberg, T. Kailath and V. Olshevsky, "Fast Gaussian elimination with partial pivoting for matrices with
       displacement structure", *Mathematics of Computation* 64(212), 1995.
    .. [4] G. Rodriguez, "Fast solution of Toeplitz- and Cauchy-like least-squares problems", *SIAM Journal on Matrix
       Analysis and Applications* 28(3), 2006.
    """
    how = checked_iteration("solve", A, Iteration(rtol=rtol, maxiter=maxiter, callback=callback))
    xp, vectors, finish = right_hand_side("solve", A, b)
    return finish(solve_vectors(xp, A, vectors, how))


@checked(square=True, casts=False)
def solve_vjp(A: LinearOperator, b: Array, g: Array) -> tuple[Array, tuple[Array, ...]]:
    """Gradients of a loss of x = A^{-1} b with respect to b and to the parameters of A.

    Parameters
    ----------
    A : LinearOperator
        Square.
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

    Warns
    -----
    ConvergenceWarning
        As for `solve`.

    Raises
    ------
    ValueError, TypeError, numpy.linalg.LinAlgError
        As for `solve` and `LinearOperator.vjp`.

    Notes
    -----
    Cost: two systems and one `vjp` of A.

    Gradient: with x = A^{-1} b and h = A^{-H} g, that of -Re⟨h, A x⟩ at fixed h and x.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Diagonal(np.asarray([1.0, 2.0]))
    >>> db, (dentries,) = sm.linalg.solve_vjp(A, np.ones(2), np.ones(2))
    >>> db, dentries
    (array([1. , 0.5]), array([-1.  , -0.25]))
    """
    xp, vectors = A._admit("solve_vjp", "b", b, 0)
    x = solve_vectors(xp, A, vectors, Iteration())
    _, cotangent = A._admit("solve_vjp", "g", g, 0)
    h = solve_vectors(xp, A.H, dtypes.astype(xp, cotangent, x.dtype), Iteration())
    _, grads = A.vjp(x, -h)
    return dtypes.astype(xp, h, b.dtype), grads


def solve_vectors(xp: Namespace, A: LinearOperator, B: Array, how: Iteration) -> Array:
    """A^{-1} of vectors (..., n), by the first way that fits."""
    for form in forms(in_own_precision(A)):
        with contextlib.suppress(NoExactInverseError):
            return (form**-1)._apply(xp, B)
        # a leaf before it is simplified, since it keeps its factors; parts of a composition may merge first
        if isinstance(form, Bilinear) and (x := _by_structure(xp, form, B, how)) is not None:
            return x
    for way in (_by_structure, _by_pseudoinverse, _by_dense_factors):
        if (x := way(xp, form, B, how)) is not None:
            return x
    return warn(form._label, iterate(xp, form, B, how)).x


def _by_structure(xp: Namespace, A: LinearOperator, B: Array, how: Iteration) -> Array | None:
    """Solve a Toeplitz system, systems with the parts of A, or a sum with low-rank terms."""
    if (x := toeplitz_solution(xp, A, B, how)) is not None:
        return x
    if (x := A._solve_by_parts(xp, B, lambda part, b: solve_vectors(xp, part, b, how))) is not None:
        return x
    return _by_low_rank_update(xp, A, B, how) if isinstance(A, Sum) else None


def _by_low_rank_update(xp: Namespace, A: Sum, B: Array, how: Iteration) -> Array | None:
    """(C + U V^H)^{-1} = C^{-1} - C^{-1} U (I + V^H C^{-1} U)^{-1} V^H C^{-1}, where C has an inverse itself.

    The formula may lose all digits where C is nearly singular and the sum is not, which the residual shows.
    """
    factors = [part._low_rank_factors(xp) for part in A.parts]
    low = [pair for pair in factors if pair is not None]
    if len(low) in (0, len(factors)):
        return None
    dtype = A._product_dtype(xp, B.dtype)
    U, V = (xp.concat([dtypes.astype(xp, pair[side], dtype) for pair in low], axis=1) for side in (0, 1))
    if 2 * U.shape[1] > A.n:
        return None
    rest = functools.reduce(added, [part for part, pair in zip(A.parts, factors, strict=True) if pair is None])
    try:
        y = dtypes.astype(xp, solve_vectors(xp, rest, B, how), dtype)
        W = dtypes.astype(xp, solve_vectors(xp, rest, xp.matrix_transpose(U), how), dtype)  # rows C^{-1} u
        core = xp.eye(U.shape[1], dtype=dtype, device=A.device) + xp.matrix_transpose(xp.matmul(W, xp.conj(V)))
        small = Dense(core) ** -1
    except LinAlgError:
        return None  # the sum may have an inverse all the same

    def updated(y: Array) -> Array:
        return y - xp.matmul(small._apply(xp, xp.matmul(y, xp.conj(V))), W)

    x = updated(y)
    if tracing.is_traced(x) or _solves(xp, A, x, B):
        return x
    x = x + updated(dtypes.astype(xp, solve_vectors(xp, rest, B - A._apply(xp, x), how), dtype))
    if _solves(xp, A, x, B):
        return x
    return None if A.n <= DENSE else warn(A._label, iterate(xp, A, B, how, x)).x


def _solves(xp: Namespace, A: LinearOperator, x: Array, B: Array) -> bool:
    """Tell whether all residuals of A x = b are within the tolerance of an iteration."""
    x = dtypes.astype(xp, x, A._product_dtype(xp, B.dtype))
    off, size = (xp.linalg.vector_norm(v, axis=-1) for v in (A._apply(xp, x) - B, B))
    return bool(xp.all(off <= tolerance(xp, x.dtype) * size))


def _by_pseudoinverse(xp: Namespace, A: LinearOperator, B: Array, how: Iteration) -> Array | None:  # noqa: ARG001 (a way)
    """Solve where singular values are known without an inverse, as for low rank; they show whether A is singular."""
    values = singular_values_of(A)
    if values is None or tracing.is_traced(values):
        return None
    least, most = float(tracing.stop_gradient(values[-1])), float(tracing.stop_gradient(values[0]))
    if not least > rounding(A.n) * float(xp.finfo(values.dtype).eps) * most:
        raise LinAlgError(
            f"linalg.solve: A is {A._label}, which is singular to working precision: its singular values run from "
            f"{least:.3g} to {most:.3g}. `lstsq` finds the shortest solution."
        )
    inverse = A._pseudoinverse(xp, 0 * values[0])
    return None if inverse is None else inverse._apply(xp, B)


def _by_dense_factors(xp: Namespace, A: LinearOperator, B: Array, how: Iteration) -> Array | None:  # noqa: ARG001
    return (Dense(A.to_dense()) ** -1)._apply(xp, B) if A.n <= DENSE else None
