"""Circulant preconditioners of Toeplitz systems."""

from typing import Any, Literal, cast

from structmat._backend import dtypes
from structmat._backend.linear_algebra import rounding
from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.operators import Circulant


def circulant_approximation(A: LinearOperator, kind: Literal["chan", "strang"] = "chan") -> Circulant:
    r"""Circulant matrix near a square Toeplitz matrix.

    .. math::

       c_k = \frac{(n - k)\, t_k + k\, t_{k - n}}{n} \quad\text{("chan")}, \qquad
       c_k = \begin{cases} t_k, & k < n / 2, \\ t_{k - n}, & k > n / 2, \end{cases} \quad\text{("strang")},

    where t_k is the entry of the k-th diagonal below the main one. Strang's has the mean of both at k = n/2.

    Parameters
    ----------
    A : Toeplitz or SymmetricToeplitz
        Square.
    kind : {"chan", "strang"}, optional
        T. Chan's, the nearest circulant matrix in the Frobenius norm, positive definite if A is; or Strang's, with the
        middle diagonals of A.

    Returns
    -------
    Circulant
        With a parameter of its own, the column. `circulant_preconditioner` returns its inverse.

    Raises
    ------
    TypeError
        A is not a Toeplitz operator.
    ValueError
        A is not square, or `kind` is none of the above.

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
    """Preconditioner of a square Toeplitz matrix: the inverse of a nearby circulant matrix.

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
        An approximation of the inverse of A: the argument `M` of SciPy's solvers and `preconditioner` of
        `solve_iterative`. Eigenvalues of the circulant matrix that are zero to working precision count as the largest.

    Raises
    ------
    TypeError
        A is not a Toeplitz operator.
    ValueError
        A is not square, or `kind` is none of the above.

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


def default_preconditioner(A: LinearOperator, *, definite: bool) -> Circulant | None:
    """T. Chan's preconditioner of a Toeplitz operator, positive definite on request; None for other operators."""
    if A._toeplitz_sides() is None or A._is_hankel:
        return None
    return _safe_inverse(_approximation("solve", A, "chan"), definite=definite)


def _approximation(name: str, A: Any, kind: str) -> Circulant:
    sides = A._toeplitz_sides() if isinstance(A, LinearOperator) and not A._is_hankel else None
    if sides is None:
        raise TypeError(f"linalg.{name}: A is {A!r}; expected a Toeplitz operator.")
    if A.m != A.n:
        raise ValueError(f"linalg.{name}: A is {A._label}; expected a square operator.")
    if kind not in ("chan", "strang"):
        raise ValueError(f"linalg.{name}: kind is {kind!r}; expected 'chan' or 'strang'.")
    xp, n = A.xp, A.n
    below, above = (dtypes.astype(xp, side, A.dtype) for side in sides)
    aliased = xp.concat((below[:1], xp.flip(above[1:])))  # t_{k - n}; there is none for k = 0
    places = xp.arange(n, device=A.device)
    if kind == "strang":
        far = xp.where(2 * places == n, (below + aliased) / 2, aliased)
        return Circulant(xp.where(2 * places < n, below, far))
    share = xp.astype(places, dtypes.real_dtype(xp, A.dtype)) / n
    return Circulant((1 - share) * below + share * aliased)


def _safe_inverse(C: Circulant, *, definite: bool) -> Circulant:
    """Invert a circulant matrix, or its absolute value; eigenvalues that are zero to rounding count as the largest."""
    xp = C.xp
    largest = xp.max(xp.abs(C.spectrum))
    largest = xp.where(largest > 0, largest, 1)
    cutoff = rounding(C.n) * float(xp.finfo(C.dtype).eps) * largest

    def reciprocals(values: Array) -> Array:
        moduli = xp.abs(values)
        return 1 / xp.where(moduli > cutoff, moduli if definite else values, largest + 0 * values)

    return cast("Circulant", C._function(xp, reciprocals))
