"""Pseudoinverses and least squares."""

import contextlib
import math

from structmat._backend import dtypes, solvers
from structmat._backend.linear_algebra import LinAlgError, rounding
from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator, NoExactInverseError
from structmat.linalg._structure import exact_or_none, singular_values_of
from structmat.linalg._validation import checked, in_own_precision, namespace_of, right_hand_side
from structmat.linalg.iterative import PRODUCTS, Iteration, SolveResult, checked_iteration, each_vector, tolerance, warn
from structmat.operators import Dense

DENSE = 1024  # rows and columns up to which a dense matrix is factored where there is no structure


@checked()
def pinv(A: LinearOperator, rtol: float | None = None) -> LinearOperator:
    """Moore-Penrose inverse as an operator.

    Parameters
    ----------
    A : LinearOperator
        A circulant, skew-circulant, multilevel or block circulant, diagonal, low-rank, dense, zero or unitary operator,
        a restriction, a multiple, block diagonal or Kronecker product of these, or a product of one of them with
        unitary operators; or a nonsingular operator with an exact inverse.
    rtol : float, optional
        Singular values of at most `rtol` times the largest count as zero; by default min(k, 2 log2(2k)) machine
        epsilons of A's dtype, where k = max(m, n). In a Kronecker product the cut-off applies to each factor
        separately.

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
    found = None
    if (values := singular_values_of(A)) is not None:
        xp = namespace_of(A)
        relative = rounding(max(A.shape)) * float(xp.finfo(values.dtype).eps) if rtol is None else rtol
        found = exact_or_none(A, lambda form: form._pseudoinverse(xp, relative * values[0]))
    if found is None and A.m == A.n:
        with contextlib.suppress(NoExactInverseError, LinAlgError):
            found = A**-1
    if found is not None:
        return found  # type: ignore[no-any-return]
    raise TypeError(f"linalg.pinv: no structure is known for the pseudoinverse of {A._label}; `lstsq` finds solutions.")


@checked(casts=False)
def lstsq(A: LinearOperator, b: Array, rtol: float | None = None, *, maxiter: int = PRODUCTS) -> Array:
    """Solve A x = b in the least-squares sense, with the shortest x.

    Parameters
    ----------
    A : LinearOperator
        Of shape (m, n).
    b : array, shape (m,) or (..., m, k)
        One right-hand side, or the columns of a matrix.
    rtol : float, optional
        Cut-off for singular values, as for `pinv`; where LSMR is used, its tolerance.
    maxiter : int, optional
        Most steps of LSMR for one right-hand side.

    Returns
    -------
    array, shape (n,) or (..., n, k)
        The solution.

    Warns
    -----
    ConvergenceWarning
        LSMR has not reached the tolerance.

    Raises
    ------
    ValueError
        b has the wrong shape, or an option is out of range.
    TypeError
        Only an iteration is left, and the arrays are not NumPy's or CuPy's.

    Notes
    -----
    The first way that fits is taken: `pinv`; a dense pseudoinverse where m and n are at most 1024; LSMR of SciPy or
    CuPy, without preconditioner.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.lstsq(sm.Diagonal(np.asarray([2.0, 0.0])), np.ones(2))
    array([0.5, 0. ])
    """
    how = checked_iteration("lstsq", A, Iteration(rtol=rtol, maxiter=maxiter))
    xp, vectors, finish = right_hand_side("lstsq", A, b)
    precise = in_own_precision(A)
    try:
        inverse = pinv(precise, rtol)
    except TypeError:
        if max(A.shape) > DENSE:
            return finish(_lsmr_solutions(xp, precise, vectors, how))
        inverse = pinv(Dense(precise.to_dense()), rtol)
    return finish(inverse._apply(xp, vectors))


def _lsmr_solutions(xp: Namespace, A: LinearOperator, B: Array, how: Iteration) -> Array:
    """Solve in the least-squares sense for each of the vectors (..., m)."""
    dtype = A._product_dtype(xp, B.dtype)
    rtol = how.rtol or tolerance(xp, dtype)
    found = []
    for b in each_vector(xp, B):
        if not bool(xp.all(xp.isfinite(b))):
            found.append(xp.full((A.n,), math.nan, dtype=dtype))
            warn(A._label, SolveResult(found[-1], False, math.nan, 0, "lsmr"))
            continue
        x, converged, steps = solvers.lsmr(
            xp,
            A.shape,
            lambda v: A._apply(xp, v),
            lambda v: A._apply_adjoint(xp, v),
            dtypes.astype(xp, b, dtype),
            rtol=rtol,
            maxiter=how.maxiter,
        )
        if not converged:
            residual = float(xp.linalg.vector_norm(b - A._apply(xp, x)) / xp.linalg.vector_norm(b))
            warn(A._label, SolveResult(x, False, residual, steps, "lsmr"))
        found.append(x)
    return xp.reshape(xp.stack(found), (*B.shape[:-1], A.n)) if found else xp.zeros((*B.shape[:-1], A.n), dtype=dtype)
