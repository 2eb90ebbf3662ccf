"""The structured operator nearest to a dense matrix."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from structmat._backend import devices, dtypes, namespaces
from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.core.blocks import kron
from structmat.operators import Dense, LowRank, Monarch, SignFlip
from structmat.projections.least_squares import least_squares, positive_or_one
from structmat.projections.structures import (
    PATTERNS,
    best_permutation,
    checked_affine,
    checked_matrices,
    checked_rank,
    of_ones,
    solver_for,
)


class Nearest(NamedTuple):
    """An operator, and the fraction of the squared Frobenius norm of the matrix that it retains."""

    operator: LinearOperator
    energy: Array


def nearest(
    W: Array,
    like: str | LinearOperator,
    *,
    signs: Array | None = None,
    block_size: int | None = None,
    rank: int | None = None,
    bands: tuple[int, int] | None = None,
    factors: tuple[tuple[int, int], tuple[int, int]] | None = None,
    blocks: tuple[int, int] | None = None,
) -> Nearest:
    r"""Find the operator of a structure nearest to a dense matrix in the Frobenius norm.

    .. math:: \min_{A \text{ of the structure}} \lVert W - A \rVert_F

    If each entry of A depends on one parameter only, as in circulant and Toeplitz matrices, a parameter is the mean of
    W over its entries.

    Parameters
    ----------
    W : array, shape (m, n)
        Dense matrix, real or complex.
    like : str or LinearOperator
        The structure: "banded", "block_circulant", "circulant", "diagonal", "hankel", "kron", "low_rank", "monarch",
        "permutation", "skew_circulant", "symmetric_toeplitz", "toeplitz" or "tridiagonal"; or an operator that is
        jointly linear in its parameters, such as the sum of a diagonal and a circulant, which are replaced.
        Block-circulant and circulant operators of other shapes are the first rows and columns of a larger one.
    signs : array of ±1, shape (n,), optional
        Signs D of the columns: the operator is A D with A of the structure, as in a circulant projection.
    block_size : int
        For "block_circulant" only.
    rank : int
        For "low_rank" only; at most min(m, n).
    bands : tuple of int
        For "banded" only: the numbers of diagonals below and above the main one.
    factors : pair of tuple of int
        For "kron" only: the shapes of the two factors.
    blocks : tuple of int
        For "monarch" only: the numbers of blocks r of the left factor, a divisor of m, and p of the right one, a
        divisor of n.

    Returns
    -------
    operator : LinearOperator
        Of shape (m, n), with parameters of the dtype of W.
    energy : array, shape ()
        The fraction of ‖W‖² retained, 1 - ‖W - A‖²/‖W‖². It equals ‖A‖²/‖W‖², except for "permutation", where it may be
        negative.

    Raises
    ------
    TypeError
        W is not a floating array, or `like` is an operator that is not linear in its parameters.
    ValueError
        W does not have two axes or is empty, `like` is unknown or does not match the shape, or an option is missing,
        invalid or of another structure.

    Notes
    -----
    Cost: n products and their gradients, O(n² log n) for circulant and Toeplitz matrices; a singular value
    decomposition of W for "low_rank" and "kron" [1]_, of its r p blocks for "monarch" [2]_; O(n³) for "permutation".

    Little of an unstructured matrix is retained: if its entries are independent, the circulant part has 1/n of ‖W‖² on
    average, so a network has to be trained afterwards. `fit` uses the data as well.

    References
    ----------
    .. [1] C. F. Van Loan and N. Pitsianis, "Approximation with Kronecker products", in *Linear Algebra for Large Scale
       and Real-Time Applications*, Kluwer, 1993.
    .. [2] T. Dao et al., "Monarch: expressive structured matrices for efficient and accurate training", *ICML* 2022.
    .. [3] T. F. Chan, "An optimal circulant preconditioner for Toeplitz systems", *SIAM Journal on Scientific and
       Statistical Computing* 9(4), 1988.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> W = np.asarray([[1.0, 3.0, 2.0], [2.0, 1.0, 3.0], [3.0, 2.0, 4.0]])
    >>> A, energy = sm.projections.nearest(W, "circulant")
    >>> A.column
    array([2., 2., 3.])
    >>> round(float(energy), 4)
    0.8947
    """
    title = "nearest"
    xp, (single,) = checked_matrices(title, W=W)
    M, flips = dtypes.astype(xp, single, dtypes.sum_dtype(single)), None if signs is None else SignFlip(signs)
    if flips is not None:
        M = flips.matvec(M)
    options = {"block_size": block_size, "rank": rank, "bands": bands, "factors": factors, "blocks": blocks}
    A = solver_for(title, like, _SOLVERS, _of_operator, options)(M).to(dtype=W.dtype)
    unit = positive_or_one(xp, xp.max(xp.abs(M)))
    misfit, total = (xp.sum(xp.abs(part / unit) ** 2) for part in (M - A.matmat(_units(M)), M))
    energy = xp.where(total > 0, 1 - misfit / positive_or_one(xp, total), xp.ones_like(total))
    return Nearest(A if flips is None else A @ flips, dtypes.astype(xp, energy, dtypes.real_dtype(xp, single.dtype)))


def _units(W: Array) -> Array:
    return namespaces.of(W).eye(W.shape[1], dtype=W.dtype, device=devices.of(W))


def _means(like: str, W: Array, **options: Any) -> LinearOperator:
    """Average W over the entries of each parameter: the gradient of Re⟨W, A⟩ has their sums, of ‖A‖²/2 their counts."""
    xp = namespaces.of(W)
    A = of_ones("nearest", like, tuple(W.shape), W, **options)
    columns, saved = A.forward(_units(W))
    sums, counts = (A.backward(saved, g)[1] for g in (xp.matrix_transpose(W), columns))
    means = []
    for total, count in zip(sums, counts, strict=True):
        used = xp.abs(count) > 0.5  # a parameter may have no entry; counts have rounding errors
        means.append(xp.where(used, total / xp.where(used, count, xp.ones_like(count)), xp.zeros_like(total)))
    return A.with_params(means)


def _of_operator(like: LinearOperator, W: Array) -> LinearOperator:
    A = checked_affine("nearest", like, tuple(W.shape), W)
    return least_squares(A, _units(W), namespaces.of(W).matrix_transpose(W))


def _factors(W: Array, rank: int) -> tuple[Array, Array]:
    """Return the best factors (..., m, r) and (..., r, n) of matrices (Eckart and Young), of equal norm."""
    xp = namespaces.of(W)
    U, values, Vh = xp.linalg.svd(W, full_matrices=False)
    weights = xp.astype(xp.sqrt(values[..., :rank]), W.dtype)
    return U[..., :rank] * weights[..., None, :], weights[..., :, None] * Vh[..., :rank, :]


def _low_rank(W: Array, rank: int) -> LinearOperator:
    xp = namespaces.of(W)
    left, right = _factors(W, checked_rank("nearest", rank, tuple(W.shape)))
    return LowRank(left, xp.conj(xp.matrix_transpose(right)))


def _kron(W: Array, factors: tuple[tuple[int, int], tuple[int, int]]) -> LinearOperator:
    """Rearrange W so that B ⊗ C becomes the outer product of vec B and vec C (Van Loan and Pitsianis 1993)."""
    xp, ((m, n), (p, q)) = namespaces.of(W), factors
    if (m * p, n * q) != tuple(W.shape):
        raise ValueError(
            f"nearest: factors are {factors}, whose product is {m * p}×{n * q}; the matrix has the shape "
            f"{tuple(W.shape)}."
        )
    tiles = xp.permute_dims(xp.reshape(W, (m, p, n, q)), (0, 2, 1, 3))
    left, right = _factors(xp.reshape(tiles, (m * n, p * q)), 1)
    return kron(Dense(xp.reshape(left, (m, n))), Dense(xp.reshape(right, (p, q))))


def _monarch(W: Array, blocks: tuple[int, int]) -> LinearOperator:
    """Rearrange W into blocks of rank 1, one for each pair of a left and a right block (Dao et al. 2022)."""
    xp, (m, n), (r, p) = namespaces.of(W), W.shape, blocks
    if m % r or n % p:
        raise ValueError(f"nearest: blocks is {blocks}; expected divisors of m = {m} and n = {n}.")
    tiles = xp.permute_dims(xp.reshape(W, (m // r, r, p, n // p)), (1, 2, 0, 3))
    left, right = _factors(tiles, 1)
    return Monarch(xp.permute_dims(left[..., 0], (0, 2, 1)), xp.permute_dims(right[..., 0, :], (1, 0, 2)))


_SOLVERS: dict[str, Callable[..., LinearOperator]] = {
    **{like: functools.partial(_means, like) for like in PATTERNS},
    "kron": _kron,
    "low_rank": _low_rank,
    "monarch": _monarch,
    "permutation": functools.partial(best_permutation, "nearest"),
}
