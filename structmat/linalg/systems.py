"""Systems of equations: inverses, solutions, least squares."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from structmat._backend import (
    Array,
    LinAlgError,
    Namespace,
    astype,
    fixed,
    is_traced,
)
from structmat.core.base import LinearOperator, NoExactInverseError
from structmat.core.bilinear import Adjoint, Conjugate
from structmat.core.blocks import BlockDiag, Kron, Repeat
from structmat.core.compose import Power, Product, Scaled, Sum, added
from structmat.linalg._door import admits, in_single, known, namespace_of, right_hand_side, singular_values_of
from structmat.linalg.iterative import PRODUCTS, Iteration, checked_iteration, iterate, least_squares, tolerance, warn
from structmat.linalg.toeplitz import toeplitz_solution
from structmat.operators import Dense, Hankel, LowRank, SymmetricToeplitz, Toeplitz
from structmat.rewrite import simplify

DENSE = 1024  # columns up to which a dense matrix is factored where there is no structure


@admits(square=True, rounds=False)
def inv(A: LinearOperator) -> LinearOperator:
    """Invert an operator exactly: an operator with the same parameters, whose products solve systems.

    Parameters
    ----------
    A : LinearOperator
        Square: a leaf that knows how (circulants by their spectrum, block-circulant by a small system at each
        frequency, diagonal, signs, permutation, transform, banded, dense), or a product, multiple, power, block
        diagonal or Kronecker product of such. The catalogue says it of each.

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
        A has no exact inverse, as a general sum or a Toeplitz operator: `solve` finds solutions all the same.

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
    return A**-1


@admits(square=True, rounds=False)
def solve(
    A: LinearOperator,
    b: Array,
    *,
    rtol: float | None = None,
    maxiter: int = PRODUCTS,
    callback: Callable[[Array], Any] | None = None,
) -> Array:
    """Solve A x = b by the best way that the structure of A offers.

    Parameters
    ----------
    A : LinearOperator
        Square.
    b : array, shape (n,) or (..., n, k)
        One right-hand side, or the columns of a matrix, as for `numpy.linalg.solve`. For a batch of vectors (..., n)
        take `inv(A).matvec(b)`.
    rtol, maxiter, callback : optional
        For the iterative ways only; as for `solve_iterative`.

    Returns
    -------
    array, shape of b
        The solution x; of NaN for a right-hand side that has NaN or infinite entries.

    Warns
    -----
    ConvergenceWarning
        An iterative way was taken and has not reached the tolerance, or refinement has not; x is the best that was
        found.

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
    The ways, of which the first that fits is taken, for A or what `simplify` makes of it:

    1. the exact inverse, see `inv`, at the cost of a product;
    2. the factors of a product one after the other; the blocks of a block diagonal; the parts of a Kronecker product;
    3. Sherman, Morrison and Woodbury's formula [1]_ for a sum with low-rank terms: r + 1 systems with the rest, and a
       step of refinement where the residual asks for it; the ways below go on where that does not help;
    4. for Toeplitz and Hankel operators, their adjoints, conjugates and transposes, one of those below;
    5. the pseudoinverse where singular values are known, as for matrices of low rank: most are singular, and refused;
    6. a dense factorisation up to n = 1024;
    7. iteration, see `solve_iterative`.

    For a Toeplitz matrix the fastest way is taken whose solution holds: its backward error
    ‖b - A x‖ / (‖A‖ ‖x‖ + ‖b‖), after refinement, is that of rounding, as for a dense matrix. A warning says where none
    holds. The ways are power series inversion for triangular matrices, O(n log n); for few right-hand sides and
    n > 4096 a preconditioned iteration, O(n log n) a step; two columns of the inverse from Levinson's recursion, O(n²),
    by which each right-hand side takes O(n log n) [2]_; dense factors, where n is small or there are nearly as many
    right-hand sides as rows; Gaussian elimination with partial pivoting of a Cauchy-like matrix, O(n²) operations and
    O(n) memory [3]_, [4]_, which needs no nonsingular leading minors. The columns, and dense factors up to n = 512, are
    kept for the next right-hand sides. NumPy's arrays are computed with in double precision at least. Arrays of other
    libraries take dense factors up to n = 8192, then elimination. Above n = 65536 only iteration is left.

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
    return finish(solved(xp, A, vectors, how))


@admits(square=True, rounds=False)
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
    x = solved(xp, A, vectors, Iteration())
    _, cotangent = A._admit("solve_vjp", "g", g, 0)
    h = solved(xp, A.H, astype(xp, cotangent, x.dtype), Iteration())
    _, grads = A.vjp(x, -h)
    return astype(xp, h, b.dtype), grads


@admits()
def pinv(A: LinearOperator, rtol: float | None = None) -> LinearOperator:
    """Moore-Penrose inverse as an operator.

    Parameters
    ----------
    A : LinearOperator
        A circulant, skew-circulant, multilevel or block circulant, diagonal, low-rank, dense, zero or unitary operator,
        a restriction, a multiple, block diagonal or Kronecker product of such, or a product of one with unitary ones;
        or a nonsingular operator with an exact inverse.
    rtol : float, optional
        Singular values at most `rtol` times the largest count as zero; max(m, n) times the machine epsilon of A's dtype
        unless given. In a Kronecker product each factor has the cut-off for itself.

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
        relative = max(A.shape) * float(xp.finfo(values.dtype).eps) if rtol is None else rtol
        found = known(A, lambda form: form._pseudoinverse(xp, relative * values[0]))
    if found is None and A.m == A.n:
        with contextlib.suppress(NoExactInverseError, LinAlgError):
            found = A**-1
    if found is not None:
        return found  # type: ignore[no-any-return]
    raise TypeError(f"linalg.pinv: no structure is known for the pseudoinverse of {A._label}; `lstsq` finds solutions.")


@admits(rounds=False)
def lstsq(
    A: LinearOperator,
    b: Array,
    rtol: float | None = None,
    *,
    maxiter: int = PRODUCTS,
) -> Array:
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
    The ways, of which the first that fits is taken: `pinv`; a dense one where m and n are at most 1024; LSMR of SciPy
    or CuPy, without preconditioner.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.lstsq(sm.Diagonal(np.asarray([2.0, 0.0])), np.ones(2))
    array([0.5, 0. ])
    """
    how = checked_iteration("lstsq", A, Iteration(rtol=rtol, maxiter=maxiter))
    xp, vectors, finish = right_hand_side("lstsq", A, b)
    precise = in_single(A)
    try:
        inverse = pinv(precise, rtol)
    except TypeError:
        if max(A.shape) > DENSE:
            return finish(least_squares(xp, precise, vectors, how))
        inverse = pinv(Dense(precise.to_dense()), rtol)
    return finish(inverse._apply(xp, vectors))


def solved(xp: Namespace, A: LinearOperator, B: Array, how: Iteration) -> Array:
    """A^{-1} of vectors (..., n), by the first way that fits."""
    A = in_single(A)
    simple = simplify(A)
    for form in (simple,) if simple is A else (A, simple):
        with contextlib.suppress(NoExactInverseError):
            return (form**-1)._apply(xp, B)
        way = WAYS.get(type(form))
        if (form is simple or way is toeplitz_solution) and way and (x := way(xp, form, B, how)) is not None:
            return x  # of a Toeplitz leaf as it stands, which keeps its factors
    if (x := _by_pseudoinverse(xp, simple, B)) is not None:
        return x
    if form.n <= DENSE:
        return (Dense(form.to_dense()) ** -1)._apply(xp, B)
    return warn(form._label, iterate(xp, form, B, how)).x


def _by_pseudoinverse(xp: Namespace, A: LinearOperator, B: Array) -> Array | None:
    """Where singular values are known without an inverse, as those of matrices of low rank, these say what there is."""
    values = singular_values_of(A)
    if values is None or is_traced(values):
        return None
    least, most = float(fixed(values[-1])), float(fixed(values[0]))
    if not least > A.n * float(xp.finfo(values.dtype).eps) * most:
        raise LinAlgError(
            f"linalg.solve: A is {A._label}, which is singular to working precision: its singular values run from "
            f"{least:.3g} to {most:.3g}. `lstsq` finds the shortest solution."
        )
    inverse = A._pseudoinverse(xp, 0 * values[0])
    return None if inverse is None else inverse._apply(xp, B)


def _by_factors(xp: Namespace, A: Product, B: Array, how: Iteration) -> Array | None:
    if not A._has_square_parts:
        return None
    return functools.reduce(lambda x, part: solved(xp, part, x, how), A.parts, B)


def _by_powers(xp: Namespace, A: Power, B: Array, how: Iteration) -> Array:
    return functools.reduce(lambda x, _: solved(xp, A.of, x, how), range(A.exponent), B)


def _by_multiple(xp: Namespace, A: Scaled, B: Array, how: Iteration) -> Array:
    return solved(xp, A.of, A._times(xp, 1 / A.scalar, B), how)


def _by_blocks(xp: Namespace, A: BlockDiag, B: Array, how: Iteration) -> Array | None:
    if not A._has_square_parts:
        return None
    pieces = zip(A.parts, A._cut(B), strict=True)
    return xp.concat([solved(xp, part, piece, how) for part, piece in pieces], axis=-1)


def _by_copies(xp: Namespace, A: Repeat, B: Array, how: Iteration) -> Array:
    return A._flat(xp, solved(xp, A.of, A._cut(xp, B), how))


def _by_sides(xp: Namespace, A: Kron, B: Array, how: Iteration) -> Array | None:
    if not A._has_square_parts:
        return None
    rows, columns = A.parts
    x = solved(xp, columns, A._cut(xp, B, 1), how)
    x = solved(xp, rows, xp.matrix_transpose(x), how)
    return A._flat(xp, xp.matrix_transpose(x))


def _by_low_rank_update(xp: Namespace, A: Sum, B: Array, how: Iteration) -> Array | None:
    """(C + U V^H)^{-1} = C^{-1} - C^{-1} U (I + V^H C^{-1} U)^{-1} V^H C^{-1}, where C has an inverse itself.

    The formula may lose all digits where C is nearly singular and the sum is not, which the residual shows.
    """
    terms = [(part.scalar, part.of) if isinstance(part, Scaled) else (1, part) for part in A.parts]
    low = [(scalar, of) for scalar, of in terms if isinstance(of, LowRank)]
    if len(low) in (0, len(terms)):
        return None
    dtype = A._product_dtype(xp, B.dtype)
    U = xp.concat([scalar * astype(xp, of.left, dtype) for scalar, of in low], axis=1)
    V = xp.concat([astype(xp, of.right, dtype) for _, of in low], axis=1)
    if 2 * U.shape[1] > A.n:
        return None
    others = [part for part, (_, of) in zip(A.parts, terms, strict=True) if not isinstance(of, LowRank)]
    rest = functools.reduce(added, others)
    try:
        y = astype(xp, solved(xp, rest, B, how), dtype)
        W = astype(xp, solved(xp, rest, xp.matrix_transpose(U), how), dtype)  # rows C^{-1} u
        core = xp.eye(U.shape[1], dtype=dtype, device=A.device) + xp.matrix_transpose(xp.matmul(W, xp.conj(V)))
        small = Dense(core) ** -1
    except LinAlgError:
        return None  # the whole may have an inverse all the same

    def updated(y: Array) -> Array:
        return y - xp.matmul(small._apply(xp, xp.matmul(y, xp.conj(V))), W)

    x = updated(y)
    if is_traced(x) or _solves(xp, A, x, B):
        return x
    x = x + updated(astype(xp, solved(xp, rest, B - A._apply(xp, x), how), dtype))
    if _solves(xp, A, x, B):
        return x
    return None if A.n <= DENSE else warn(A._label, iterate(xp, A, B, how, x)).x


def _solves(xp: Namespace, A: LinearOperator, x: Array, B: Array) -> bool:
    """Tell whether x solves A x = b for all vectors as well as an iteration would."""
    x = astype(xp, x, A._product_dtype(xp, B.dtype))
    off, size = (xp.linalg.vector_norm(v, axis=-1) for v in (A._apply(xp, x) - B, B))
    return bool(xp.all(off <= tolerance(xp, x.dtype) * size))


#: What `solved` does with operators that have no exact inverse.
WAYS: dict[type, Callable[[Namespace, Any, Array, Iteration], Array | None]] = {
    Adjoint: toeplitz_solution,
    BlockDiag: _by_blocks,
    Conjugate: toeplitz_solution,
    Hankel: toeplitz_solution,
    Kron: _by_sides,
    Power: _by_powers,
    Product: _by_factors,
    Repeat: _by_copies,
    Scaled: _by_multiple,
    Sum: _by_low_rank_update,
    SymmetricToeplitz: toeplitz_solution,
    Toeplitz: toeplitz_solution,
}
