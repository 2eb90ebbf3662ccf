"""The structured operator that maps given vectors to given ones best."""

import functools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from structmat._backend import Array, DType, Namespace, astype, device, pad, sum_dtype
from structmat.core.base import LinearOperator
from structmat.operators import BlockCirculant, Circulant, LowRank, SignFlip
from structmat.projections.least_squares import (
    least_squares,
    reduced,
    ridge_solution,
    row_blocks,
    transform_noise,
)
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
        `ridge` is negative or infinite, or an option is missing, wrong or not for this structure.

    Notes
    -----
    Cost: circulant and block-circulant operators, as far as no row is cut away, take one system of q unknowns at each
    of b frequencies, O(B (m + n) log b + B q² b) [1]_; "diagonal" one of 1 unknown for each entry; "low_rank" is
    reduced-rank regression, a QR decomposition of X and a singular value decomposition of what is fitted [2]_;
    "permutation" an assignment of O(n³). All others go through conjugate gradients on the parameters: a product with A
    and a gradient for each step, until the gradient of the loss is a rounding error of what it was, or for about twice
    as many steps as there are parameters. Where X is close to singular, a ridge makes these both fast and sure.

    Data in single precision lose no more: rows are taken in double precision, where the library has it, a bounded
    number at a time, and turned into no more rows than columns by QR decompositions. Columns of X may differ in size by
    any factor. With a ridge no singular value is cut off. Without one, those count as zero that are rounding errors in
    their own system, its columns scaled to one length, and frequencies that are rounding errors of the transform.
    Conjugate gradients scale parameters by the lengths of what they multiply where these differ by more than a factor
    of 32, and the smallest parameters are then meant in this scale.

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
    if not 0 <= ridge < math.inf:
        raise ValueError(f"{title}: ridge is {ridge!r}; expected 0 or more, and finite.")
    wide = xp.result_type(sum_dtype(X_), sum_dtype(Y_))
    flips = None if signs is None else SignFlip(signs)
    data = _Data(xp, X_ if flips is None else flips.matvec(X_), Y_, ridge, wide)
    options = {"block_size": block_size, "rank": rank, "bands": bands}
    A = solver_of(title, like, _SOLVERS, _of_operator, options)(data).to(dtype=xp.result_type(X.dtype, Y.dtype))
    return A if flips is None else A @ flips


class _Data(NamedTuple):
    xp: Namespace
    X: Array
    Y: Array
    ridge: float
    dtype: DType

    @property
    def shape(self) -> tuple[int, int]:
        return self.Y.shape[1], self.X.shape[1]

    def blocks(self, width: int = 1) -> Iterator[tuple[Array, Array]]:
        """Some rows at a time, in the dtype that is computed in; `width` is that of what they are reduced to."""
        for rows in row_blocks(self.X.shape[0], sum(self.shape), width):
            x, y = (astype(self.xp, side[rows, :], self.dtype) for side in (self.X, self.Y))
            yield x, y

    def reduced(self) -> tuple[Array, Array]:
        """Rows that have the same loss, no more than columns."""
        return reduced(self.xp, self.blocks(self.X.shape[1]))

    @property
    def like(self) -> Array:
        """An array where the operator is to be, of its dtype."""
        return astype(self.xp, self.X[:1, :1], self.dtype)


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
    A = BlockCirculant(xp.ones((m // b, -(-n // b), b), dtype=data.dtype, device=device(data.X)))
    spectra = ((A._right(xp, pad(xp, x, 0, -n % b))[0], A._left(xp, y)[0]) for x, y in data.blocks())
    R, C = reduced(xp, spectra)
    Z = ridge_solution(xp, R, C, data.ridge, transform_noise(xp, R, b))
    return A._replace(blocks=A._back(xp, xp.matrix_transpose(Z)))


def _diagonal(data: _Data) -> LinearOperator:
    A, xp = of_ones("fit", "diagonal", data.shape, data.like), data.xp
    entries = (tuple(xp.matrix_transpose(side)[..., None] for side in block) for block in data.blocks())
    return A.with_params([ridge_solution(xp, *reduced(xp, entries), data.ridge)[:, 0, 0]])


def _low_rank(data: _Data, rank: int) -> LinearOperator:
    """What ridge regression fits, the rows of the ridge included, is projected to its first right singular vectors."""
    xp, rank = data.xp, checked_rank("fit", rank, data.shape)
    R, C = data.reduced()
    Z = ridge_solution(xp, R, C, data.ridge)
    fitted = xp.concat((xp.matmul(R, Z), data.ridge**0.5 * Z))
    left = xp.matrix_transpose(xp.linalg.svd(fitted, full_matrices=False)[2][:rank, :])
    return LowRank(left, xp.matmul(xp.conj(Z), left))


def _permutation(data: _Data) -> LinearOperator:
    """Σ ‖P x - y‖² = Σ ‖x‖² + Σ ‖y‖² - 2 Re Σ_i (Y^H X)[i, index[i]]."""
    xp = data.xp
    units = [float(xp.max(xp.abs(side))) or 1.0 for side in (data.X, data.Y)]
    products = (
        xp.matmul(xp.conj(xp.matrix_transpose(y / units[1])), x / units[0]) for x, y in data.blocks(data.shape[1])
    )
    return permutation("fit", functools.reduce(operator.add, products))


def _general(like: str, data: _Data, **options: Any) -> LinearOperator:
    return least_squares(of_ones("fit", like, data.shape, data.like, **options), *data.reduced(), data.ridge)


def _of_operator(like: LinearOperator, data: _Data) -> LinearOperator:
    return least_squares(affine("fit", like, data.shape, data.like), *data.reduced(), data.ridge)


_SOLVERS: dict[str, Callable[..., LinearOperator]] = {
    **{like: functools.partial(_general, like) for like in PATTERNS},
    "block_circulant": _block_circulant,
    "circulant": _circulant,
    "diagonal": _diagonal,
    "low_rank": _low_rank,
    "permutation": _permutation,
}
