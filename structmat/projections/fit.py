"""The structured operator that maps given vectors to given ones best."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from structmat._backend import Array, Namespace, astype, device, pad
from structmat.core.operator import LinearOperator
from structmat.operators import BlockCirculant, Circulant, LowRank, SignFlip
from structmat.projections.least_squares import least_squares, ridge_solution
from structmat.projections.structures import (
    PATTERNS,
    affine,
    checked_rank,
    matrices,
    of_ones,
    permutation,
    solver_of,
)


def fit(
    X: Array,
    Y: Array,
    like: str | LinearOperator,
    *,
    ridge: float = 0.0,
    signs: Array | None = None,
    block_size: int | None = None,
    rank: int | None = None,
    bands: tuple[int, int] | None = None,
) -> LinearOperator:
    r"""Find the operator of a structure that maps given vectors to given ones best.

    .. math:: \min_\theta \sum_i \lVert A(\theta) x_i - y_i \rVert^2 + \rho \lVert \theta \rVert^2

    Parameters
    ----------
    X : array, shape (B, n)
        Input vectors x, as rows.
    Y : array, shape (B, m)
        What they should be mapped to.
    like : str or LinearOperator
        The structure, as for `nearest`, but for "kron" and "monarch"; or an operator that is linear in all its
        parameters together and gets new ones.
    ridge : float, optional
        The weight ρ ≥ 0 of the squared parameters; of ‖A‖² for "low_rank", and without effect for "permutation".
    signs : array of ±1, shape (n,), optional
        Signs D of the columns: the operator is A D, and A of the structure.
    block_size : int
        For "block_circulant" alone.
    rank : int
        For "low_rank" alone; min(m, n) at most.
    bands : tuple of int
        For "banded" alone: how many diagonals there are below and above the main one.

    Returns
    -------
    LinearOperator
        Of shape (m, n). Where several are equally good and there is no ridge, the one of the smallest parameters.

    Raises
    ------
    TypeError
        X or Y is no floating array, they are of two libraries, or `like` is an operator that is not linear in its
        parameters.
    ValueError
        X or Y has not two axes or is empty, their numbers of rows differ, `like` is unknown or does not fit the shape,
        `ridge` is negative, or an option is missing, wrong or not for this structure.

    Notes
    -----
    Cost: circulant and block-circulant operators, as far as no row is cut away, take one system of q unknowns at each
    of b frequencies, O(B (m + n) log b + B q² b) [1]_; "diagonal" one of 1 unknown for each entry; "low_rank" is
    reduced-rank regression, a singular value decomposition of X and one of what is fitted [2]_; "permutation" an
    assignment of O(n³). All others go through conjugate gradients on the parameters: a product with A and a gradient
    for each step, until the gradient of the loss is a rounding error of what it was, or for about twice as many steps
    as there are parameters. Where X is close to singular, a ridge makes these both fast and sure.

    References
    ----------
    .. [1] J. F. Henriques, J. Carreira, R. Caseiro and J. Batista, "Beyond hard negative mining: efficient detector
       learning via block-circulant decomposition", *ICCV* 2013.
    .. [2] A. Mukherjee and J. Zhu, "Reduced rank ridge regression and its kernel extensions", *Statistical Analysis and
       Data Mining* 4(6), 2011.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> X = np.asarray([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]])
    >>> Y = sm.Circulant(np.asarray([1.0, 2.0, 3.0])).matvec(X)
    >>> sm.projections.fit(X, Y, "circulant").column
    array([1., 2., 3.])
    """
    title = "fit"
    xp, (X_, Y_) = matrices(title, X=X, Y=Y)
    if X.shape[0] != Y.shape[0]:
        raise ValueError(f"{title}: X has {X.shape[0]} rows and Y {Y.shape[0]}; expected equally many.")
    if not ridge >= 0:
        raise ValueError(f"{title}: ridge is {ridge!r}; expected 0 or more.")
    wide = xp.result_type(X_.dtype, Y_.dtype)
    X_, Y_ = astype(xp, X_, wide), astype(xp, Y_, wide)
    flips = None if signs is None else SignFlip(signs)
    data = _Data(xp, X_ if flips is None else flips.matvec(X_), Y_, ridge)
    options = {"block_size": block_size, "rank": rank, "bands": bands}
    A = solver_of(title, like, _SOLVERS, _of_operator, options)(data).to(dtype=xp.result_type(X.dtype, Y.dtype))
    return A if flips is None else A @ flips


class _Data(NamedTuple):
    xp: Namespace
    X: Array
    Y: Array
    ridge: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.Y.shape[1], self.X.shape[1]


def _circulant(data: _Data) -> LinearOperator:
    m, n = data.shape
    if m < n:
        return _general("circulant", data)
    return Circulant(_blocks(data, m).blocks[0, 0, :])[:m, :n]  # type: ignore[no-any-return]


def _block_circulant(data: _Data, block_size: int) -> LinearOperator:
    if data.shape[0] % block_size:
        return _general("block_circulant", data, block_size=block_size)
    m, n = data.shape
    return _blocks(data, block_size)[:m, :n]  # type: ignore[no-any-return]


def _blocks(data: _Data, b: int) -> BlockCirculant:
    """One ridge system for each frequency; the last piece of x is filled with zeros."""
    xp, (m, n) = data.xp, data.shape
    X = pad(xp, data.X, 0, -n % b)
    A = BlockCirculant(xp.ones((m // b, X.shape[1] // b, b), dtype=X.dtype, device=device(X)))
    spectra = ridge_solution(xp, A._right(xp, X)[0], A._left(xp, data.Y)[0], data.ridge)
    return A._replace(blocks=A._back(xp, xp.matrix_transpose(spectra)))


def _diagonal(data: _Data) -> LinearOperator:
    A = of_ones("fit", "diagonal", data.shape, data.X)
    x, y = (data.xp.matrix_transpose(side)[..., None] for side in (data.X, data.Y))
    return A.with_params([ridge_solution(data.xp, x, y, data.ridge)[:, 0, 0]])


def _low_rank(data: _Data, rank: int) -> LinearOperator:
    """What ridge regression fits, the rows of the ridge included, is projected to its first right singular vectors."""
    xp, rank = data.xp, checked_rank("fit", rank, data.shape)
    Z = ridge_solution(xp, data.X, data.Y, data.ridge)
    fitted = xp.concat((xp.matmul(data.X, Z), data.ridge**0.5 * Z))
    left = xp.matrix_transpose(xp.linalg.svd(fitted, full_matrices=False)[2][:rank, :])
    return LowRank(left, xp.matmul(xp.conj(Z), left))


def _permutation(data: _Data) -> LinearOperator:
    """Σ ‖P x - y‖² = Σ ‖x‖² + Σ ‖y‖² - 2 Re Σ_i (Y^H X)[i, index[i]]."""
    xp = data.xp
    return permutation("fit", xp.matmul(xp.conj(xp.matrix_transpose(data.Y)), data.X))


def _general(like: str, data: _Data, **options: Any) -> LinearOperator:
    return least_squares(of_ones("fit", like, data.shape, data.X, **options), data.X, data.Y, data.ridge)


def _of_operator(like: LinearOperator, data: _Data) -> LinearOperator:
    return least_squares(affine("fit", like, data.shape, data.X), data.X, data.Y, data.ridge)


_SOLVERS: dict[str, Callable[..., LinearOperator]] = {
    **{like: functools.partial(_general, like) for like in PATTERNS},
    "block_circulant": _block_circulant,
    "circulant": _circulant,
    "diagonal": _diagonal,
    "low_rank": _low_rank,
    "permutation": _permutation,
}
