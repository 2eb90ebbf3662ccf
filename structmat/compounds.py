"""Functions that return compositions of operators."""

import math

from structmat._backend import Array
from structmat.core.fields import checked_size
from structmat.core.operator import LinearOperator
from structmat.operators import BlockCirculant, Restriction


def block_circulant(blocks: Array, shape: tuple[int, int]) -> LinearOperator:
    """Cut a matrix of circulant blocks to any size.

    Parameters
    ----------
    blocks : array, shape (p, q, b)
        First column of each block, real or complex, as for `BlockCirculant`: as many as cover the shape, p = ⌈m/b⌉ and
        q = ⌈n/b⌉.
    shape : tuple of int
        Rows m and columns n.

    Returns
    -------
    LinearOperator
        The first m rows and n columns of `BlockCirculant(blocks)`: it pads x with zeros and crops the product. Where
        nothing is cut it is the `BlockCirculant` itself. The blocks are its one parameter, so the gradient of entries
        that are cut away is theirs as far as they stand elsewhere in their block, and zero where they don't.

    Raises
    ------
    TypeError
        `blocks` is no array or has no floating dtype.
    ValueError
        `blocks` has not three axes, or one is empty; m or n is not a positive int; or the blocks are too few or too
        many for the shape.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.block_circulant(np.asarray([[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]), shape=(4, 2))
    >>> A.to_dense()
    array([[1., 3.],
           [2., 1.],
           [3., 2.],
           [4., 6.]])
    """
    whole = BlockCirculant(blocks)
    p, q, b = blocks.shape
    m, n = (checked_size("block_circulant", name, value) for name, value in zip("mn", shape, strict=True))
    wanted = math.ceil(m / b), math.ceil(n / b)
    if (p, q) != wanted:
        raise ValueError(
            f"block_circulant: blocks has shape {tuple(blocks.shape)}, which is {p}×{q} blocks; expected "
            f"{wanted[0]}×{wanted[1]} blocks of size {b} for the shape {m}×{n}."
        )
    return cropped(whole, m, n)


def cropped(whole: LinearOperator, m: int, n: int) -> LinearOperator:
    """Keep the first rows and columns of an operator; it is returned as it is where these are all."""
    result = whole if whole.n == n else whole @ Restriction(whole.n, slice(0, n)).H
    return result if whole.m == m else Restriction(whole.m, slice(0, m)) @ result
