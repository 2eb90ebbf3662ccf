"""The structured operator that best maps given inputs to given outputs."""

import functools
import math
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from structmat._backend import devices, dtypes, ops
from structmat._backend.types import Array, DType, Namespace
from structmat.core.base import LinearOperator
from structmat.operators import BlockCirculant, Circulant, LowRank, SignFlip
from structmat.projections.least_squares import least_squares, reduce_rows, ridge_solution, row_blocks, transform_noise
from structmat.projections.structures import (
    PATTERNS,
    best_permutation,
    checked_affine,
    checked_matrices,
    checked_rank,
    of_ones,
    solver_for,
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
    r"""Find the operator of a structure that best maps given inputs to given outputs.

    .. math:: \min_\theta \sum_i \lVert A(\theta) x_i - y_i \rVert^2 + \rho \lVert \theta \rVert^2

    Parameters
    ----------
    X : array, shape (B, n)
        Input vectors x, as rows.
    Y : array, shape (B, m)
        Output vectors y, as rows.
    like : str or LinearOperator
        The structure, as for `nearest`, except "kron" and "monarch"; or an operator that is jointly linear in its
        parameters, which are replaced.
    ridge : float, optional
        The weight ρ ≥ 0 of the squared parameters; of ‖A‖² for "low_rank", and without effect for "permutation".
    signs, block_size, rank, bands : optional
        As for `nearest`.

    Returns
    -------
    LinearOperator
        Of shape (m, n). Without a ridge, the minimiser whose parameters have the least norm.

    Raises
    ------
    TypeError, ValueError
        As for `nearest`; or X and Y are of different libraries (TypeError), their numbers of rows differ, or `ridge` is
        negative or infinite.

    Notes
    -----
    Cost: circulant and block-circulant operators without truncated rows take one system of q unknowns for each of b
    frequencies, O(B (m + n) log b + B q² b) [1]_; "diagonal" takes one quotient for each entry; "low_rank" is
    reduced-rank regression, a QR decomposition of X and a singular value decomposition of the fitted values [2]_;
    "permutation" is an assignment of O(n³). All others take conjugate gradients on the parameters: a product with A and
    a gradient for each step, until the gradient of the loss is within rounding errors of the initial one, for at most
    about twice as many steps as there are parameters. If X is nearly singular, a ridge improves speed and accuracy.

    Data in single precision lose no accuracy: blocks of rows are cast to double precision, where the library has it,
    and reduced to at most as many rows as columns by QR decompositions. Columns of X may differ in scale by any factor.
    With a ridge no singular value is discarded. Without one, singular values count as zero if they are rounding errors
    in their own system with its columns scaled to equal length, as do frequencies that are rounding errors of the
    transform. Conjugate gradients scale parameters by the norms of their derivatives if these differ by more than a
    factor of 32; the least norm of the parameters is then measured in this scale.

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
    xp, (X_, Y_) = checked_matrices(title, X=X, Y=Y)
    if X.shape[0] != Y.shape[0]:
        raise ValueError(f"{title}: X has {X.shape[0]} rows and Y {Y.shape[0]}; expected equally many.")
    if not 0 <= ridge < math.inf:
        raise ValueError(f"{title}: ridge is {ridge!r}; expected 0 or more, and finite.")
    wide = xp.result_type(dtypes.sum_dtype(X_), dtypes.sum_dtype(Y_))
    flips = None if signs is None else SignFlip(signs)
    data = _Data(xp, X_ if flips is None else flips.matvec(X_), Y_, ridge, wide)
    options = {"block_size": block_size, "rank": rank, "bands": bands}
    A = solver_for(title, like, _SOLVERS, _of_operator, options)(data).to(dtype=xp.result_type(X.dtype, Y.dtype))
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
        """Yield blocks of rows in the dtype of the computation; `width` is the number of rows they are reduced to."""
        for rows in row_blocks(self.X.shape[0], sum(self.shape), width):
            x, y = (dtypes.astype(self.xp, side[rows, :], self.dtype) for side in (self.X, self.Y))
            yield x, y

    def reduce_rows(self) -> tuple[Array, Array]:
        """Return at most as many rows as columns, with the same loss up to a constant."""
        return reduce_rows(self.xp, self.blocks(self.X.shape[1]))

    @property
    def like(self) -> Array:
        """An array of the dtype and device of the operator."""
        return dtypes.astype(self.xp, self.X[:1, :1], self.dtype)


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
    """Solve one ridge system for each frequency; the last block of x is padded with zeros."""
    xp, (m, n) = data.xp, data.shape
    A = BlockCirculant(xp.ones((m // b, -(-n // b), b), dtype=data.dtype, device=devices.of(data.X)))
    spectra = ((A._right(xp, ops.pad(xp, x, 0, -n % b))[0], A._left(xp, y)[0]) for x, y in data.blocks())
    R, C = reduce_rows(xp, spectra)
    Z = ridge_solution(xp, R, C, data.ridge, transform_noise(xp, R, b))
    return A._replace(blocks=A._back(xp, xp.matrix_transpose(Z)))


def _diagonal(data: _Data) -> LinearOperator:
    A, xp = of_ones("fit", "diagonal", data.shape, data.like), data.xp
    entries = (tuple(xp.matrix_transpose(side)[..., None] for side in block) for block in data.blocks())
    return A.with_params([ridge_solution(xp, *reduce_rows(xp, entries), data.ridge)[:, 0, 0]])


def _low_rank(data: _Data, rank: int) -> LinearOperator:
    """Project the fit of ridge regression, including the rows of the ridge, to its first right singular vectors."""
    xp, rank = data.xp, checked_rank("fit", rank, data.shape)
    R, C = data.reduce_rows()
    Z = ridge_solution(xp, R, C, data.ridge)
    fitted = xp.concat((xp.matmul(R, Z), data.ridge**0.5 * Z))
    left = xp.matrix_transpose(xp.linalg.svd(fitted, full_matrices=False)[2][:rank, :])
    return LowRank(left, xp.matmul(xp.conj(Z), left))


def _permutation(data: _Data) -> LinearOperator:
    """Minimise Σ ‖P x - y‖² = Σ ‖x‖² + Σ ‖y‖² - 2 Re Σ_i (Y^H X)[i, index[i]]."""
    xp = data.xp
    units = [float(xp.max(xp.abs(side))) or 1.0 for side in (data.X, data.Y)]
    products = (
        xp.matmul(xp.conj(xp.matrix_transpose(y / units[1])), x / units[0]) for x, y in data.blocks(data.shape[1])
    )
    return best_permutation("fit", functools.reduce(operator.add, products))


def _general(like: str, data: _Data, **options: Any) -> LinearOperator:
    return least_squares(of_ones("fit", like, data.shape, data.like, **options), *data.reduce_rows(), data.ridge)


def _of_operator(like: LinearOperator, data: _Data) -> LinearOperator:
    return least_squares(checked_affine("fit", like, data.shape, data.like), *data.reduce_rows(), data.ridge)


_SOLVERS: dict[str, Callable[..., LinearOperator]] = {
    **{like: functools.partial(_general, like) for like in PATTERNS},
    "block_circulant": _block_circulant,
    "circulant": _circulant,
    "diagonal": _diagonal,
    "low_rank": _low_rank,
    "permutation": _permutation,
}
