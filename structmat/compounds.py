"""Functions that return compositions of operators."""

import math
from collections.abc import Sequence
from typing import Any

from structmat._backend import Array, Namespace, astype, dtype_name, is_array, is_integer, is_traced, namespace
from structmat.core.fields import as_integer, checked_index, checked_size, widened
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
        `blocks` has not three axes, or one is empty; `shape` is no pair, or m or n is not a positive int; or the blocks
        are too few or too many for the shape.

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
    sizes: Any = shape
    if not isinstance(sizes, Sequence) or len(sizes) != 2:
        raise ValueError(f"block_circulant: shape is {shape!r}; expected (m, n).")
    m, n = (checked_size("block_circulant", name, value) for name, value in zip("mn", shape, strict=True))
    wanted = math.ceil(m / b), math.ceil(n / b)
    if (p, q) != wanted:
        raise ValueError(
            f"block_circulant: blocks has shape {tuple(blocks.shape)}, which is {p}×{q} blocks; expected "
            f"{wanted[0]}×{wanted[1]} blocks of size {b} for the shape {m}×{n}."
        )
    result: LinearOperator = whole[:m, :n]
    return result


def select(A: LinearOperator, rows: Any, columns: Any = slice(None)) -> Any:
    """Select rows and columns of an operator; also written `A[rows, columns]`.

    Parameters
    ----------
    A : LinearOperator
        Of shape (m, n).
    rows, columns : int, slice, or sequence or array of int or bool
        An int takes one row or column. A slice or the places of several, none of them twice, take these in their
        order, rows and columns independently, as `numpy.ix_` does. Negative places count from the end.

    Returns
    -------
    LinearOperator or array
        The entry A[i, j], of shape (), for two ints; the row or column, a vector, for one; else the operator
        `Restriction(m, rows) @ A @ Restriction(n, columns).H`, which shares the parameters of A.

    Raises
    ------
    TypeError
        A is no operator.
    IndexError
        A place is out of range, a mask has the wrong length, or an index is none of the above.
    ValueError
        Nothing is selected, or a place stands twice.

    Notes
    -----
    Cost: an entry is read from the definition in O(1), a row or column in O(n), of leaves, their adjoints, sums and
    Kronecker products; of other compositions they cost one product.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> float(A[0, 1]), A[:, 1], A[::2, 1:].to_dense()
    (3.0, array([3., 1., 2.]), array([[3., 2.],
           [2., 1.]]))
    """
    if not isinstance(A, LinearOperator):
        raise TypeError(f"select: A is a {type(A).__name__}; expected a LinearOperator.")
    keys = _places(A, "row", rows, A.m), _places(A, "column", columns, A.n)
    if any(isinstance(key, int) for key in keys):
        return _read(A, *keys)
    if keys[1] is not None:
        A = A @ Restriction(A.n, keys[1]).H
    return A if keys[0] is None else Restriction(A.m, keys[0]) @ A


def _places(A: LinearOperator, side: str, key: Any, size: int) -> Any:
    """Bring a key to an int from 0 to size - 1, a slice, an array of such ints, or None where it takes all."""
    if isinstance(key, slice):
        return None if key.indices(size) == (0, size, 1) else key
    place = as_integer(key)
    if place is not None:
        _require_place(A, side, place, size)
        return place % size
    xp = A._library[0]
    if isinstance(key, list | tuple | range):
        key = xp.asarray(list(key), device=A.device)
    if not is_array(key) or key.ndim != 1:
        raise IndexError(f"{A._head}: {side}s is {key!r}; expected an int, a slice or a one-dimensional array of ints.")
    xp = namespace(key)
    if key.dtype == xp.bool:
        if key.shape[0] != size:
            raise IndexError(f"{A._head}: {side}s is a mask of {key.shape[0]} entries; expected {size}.")
        key = xp.nonzero(key)[0]
    if key.shape[0] == 0:
        raise ValueError(f"{A._head}: {side}s selects nothing; expected at least one.")
    if not is_integer(xp, key.dtype):
        raise IndexError(f"{A._head}: {side}s has dtype {dtype_name(key.dtype)}; expected integers or bool.")
    key = widened(xp, key)
    if not is_traced(key):
        for place in (xp.min(key), xp.max(key)):
            _require_place(A, side, int(place), size)
    return checked_index(f"{A._head}: {side}s", xp.where(key < 0, key + size, key), size)


def _require_place(A: LinearOperator, side: str, place: int, size: int) -> None:
    if not -size <= place < size:
        raise IndexError(f"{A._head}: {side} {place} is out of range; expected {-size} to {size - 1}.")


def _read(A: LinearOperator, rows: Any, columns: Any) -> Array:
    """Read an entry, or a row or column or a part of one."""
    xp, dtype = A._library
    i, j = (_as_array(xp, A, key, size) for key, size in zip((rows, columns), A.shape, strict=True))
    entries = A._entries(xp, i, j)
    if entries is None:
        B, fixed, free = (A, j, i) if isinstance(columns, int) else (A.T, i, j)
        entries = xp.take(B._unit_products(xp, fixed)[:, 0], free)
    entries = astype(xp, entries, dtype)
    return entries[0] if isinstance(rows, int) and isinstance(columns, int) else entries


def _as_array(xp: Namespace, A: LinearOperator, key: Any, size: int) -> Array:
    if is_array(key):
        return key
    places = range(key, key + 1) if isinstance(key, int) else range(size)[key or slice(None)]
    return xp.arange(places.start, places.stop, places.step, device=A.device)
