"""Functions that return compositions of operators: cut block circulants, selections, arrays of blocks."""

import math
from collections.abc import Sequence
from typing import Any

from structmat._backend import devices, dtypes, namespaces, tracing
from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator
from structmat.core.entries import Indices, as_index_array
from structmat.core.extensions import extensions
from structmat.core.fields import as_integer, checked_size, widened
from structmat.core.stacks import hstack, vstack
from structmat.operators import BlockCirculant, Diagonal, Restriction, Zero


def block_circulant(blocks: Array, shape: tuple[int, int]) -> LinearOperator:
    """Crop a matrix of circulant blocks to any size.

    Parameters
    ----------
    blocks : array, shape (p, q, b)
        First column of each block, real or complex, as for `BlockCirculant`, with p = ⌈m/b⌉ and q = ⌈n/b⌉.
    shape : tuple of int
        Rows m and columns n.

    Returns
    -------
    LinearOperator
        The first m rows and n columns of `BlockCirculant(blocks)`: x is padded with zeros and the product is cropped.
        Where nothing is cropped it is the `BlockCirculant` itself. The blocks are the only parameter. Each parameter
        fills a diagonal of its block, and its gradient is the sum over the entries that are left; zero if none are.

    Raises
    ------
    TypeError
        `blocks` is not an array of a floating dtype.
    ValueError
        `blocks` does not have three axes, or one is empty; `shape` is not a pair of positive ints; or the number of
        blocks does not fit the shape.

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


def select(A: LinearOperator, rows: Any = slice(None), columns: Any = slice(None)) -> Any:
    """Select rows and columns of an operator; also written `A[rows, columns]`.

    Parameters
    ----------
    A : LinearOperator
        Of shape (m, n).
    rows, columns : int, slice, Ellipsis, or sequence or array of int or bool
        An int selects one row or column. A slice or the indices of several select them in the given order, rows and
        columns independently, as `numpy.ix_` does (its result is accepted too). A mask has one bool for each row or
        column. Negative indices count from the end; an ellipsis selects all.

    Returns
    -------
    LinearOperator or array
        If rows or columns are an int, an array of entries: of shape () if both are, else of the shape of the other
        index, which may be empty, repeat an index or have several axes. Otherwise the operator
        `Restriction(m, rows) @ A @ Restriction(n, columns).H`, which shares the parameters of A; its rows are distinct
        and at least one, and so are its columns.

    Raises
    ------
    TypeError
        A is not an operator, or an index is an array of another library.
    IndexError
        An index is out of range or none of the above, or a mask has the wrong length.
    ValueError
        The result would be an operator without rows or columns, or with a repeated one.

    Notes
    -----
    Cost: O(1) for an entry and O(n) for a row or column where entries are computed from the definition (see
    `LinearOperator.to_dense`); one product for other compositions.

    `A[mask]` with a mask of shape (m, n) reads the entries where it is true, row by row.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> float(A[0, 1]), A[:, 1], A[[0, 0, 2], 1], A[::2, 1:].to_dense()
    (3.0, array([3., 1., 2.]), array([3., 3., 2.]), array([[3., 2.],
           [2., 1.]]))
    """
    if not isinstance(A, LinearOperator):
        raise TypeError(f"select: A is a {type(A).__name__}; expected a LinearOperator.")
    keys = [_places(A, side, key, size) for side, key, size in zip(_SIDES, (rows, columns), A.shape, strict=True)]
    if any(isinstance(key, int) or (namespaces.is_array(key) and key.ndim == 0) for key in keys):
        return _read(A, *keys)
    if all(namespaces.is_array(key) for key in keys) and keys[0].shape[1:] == (1,) and keys[1].shape[:-1] == (1,):
        keys = [namespaces.of(key).reshape(key, (-1,)) for key in keys]  # of `numpy.ix_`
    index = [_distinct(A, side, key, size) for side, key, size in zip(_SIDES, keys, A.shape, strict=True)]
    if index[1] is not None:
        A = A @ Restriction(A.n, index[1]).H
    return A if index[0] is None else Restriction(A.m, index[0]) @ A


_SIDES = "row", "column"


def selected(A: LinearOperator, key: Any) -> Any:
    """Evaluate `A[key]`, reading the key as NumPy does."""
    keys = key if isinstance(key, tuple) else (key,)
    dots = sum(each is Ellipsis for each in keys)
    if len(keys) == 3 and dots == 1:
        keys = tuple(each for each in keys if each is not Ellipsis)
    if dots > 1 or len(keys) > 2:
        raise IndexError(f"{A._head}: {len(keys)} indices; expected one for rows and one for columns.")
    if (
        len(keys) == 1
        and namespaces.is_array(keys[0])
        and keys[0].ndim == 2
        and keys[0].dtype == namespaces.of(keys[0]).bool
    ):
        return _masked(A, keys[0])
    return select(A, *keys)


def _masked(A: LinearOperator, mask: Array) -> Array:
    """Return the entries where a mask of the shape of A is true, row by row."""
    if tuple(mask.shape) != A.shape:
        raise IndexError(f"{A._head}: the mask has shape {tuple(mask.shape)}; expected {A.shape}.")
    xp, dtype = _library(A, "mask", mask)
    entries = A._in_one_precision(xp)._entries(xp, *(widened(xp, places) for places in xp.nonzero(mask)))
    return A.to_dense()[mask] if entries is None else dtypes.astype(xp, entries, dtype)


def _library(A: LinearOperator, name: str, *keys: Any) -> tuple[Namespace, Any]:
    """Namespace and dtype of entries: from A, or from an index array if A has no arrays."""
    xp = A.xp
    for key in keys:
        if namespaces.is_array(key) and xp is not None and namespaces.of(key) is not xp:
            raise TypeError(
                f"{A._head}: {name} is an array of {namespaces.name(namespaces.of(key))}; expected one of "
                f"{namespaces.name(xp)}, or a list."
            )
        xp = namespaces.of(key) if namespaces.is_array(key) else xp
    xp = A._library[0] if xp is None else xp
    return xp, A._matrix_dtype(xp)


def _places(A: LinearOperator, side: str, key: Any, size: int) -> Any:
    """Normalise a key to an int from 0 to size - 1, a slice, an array of such ints, or None if it selects all."""
    name = f"{A._head}: {side}s"
    if key is Ellipsis:
        return None
    if isinstance(key, slice):
        try:
            return None if key.indices(size) == (0, size, 1) else key
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name} is {key!r}: {error}.") from None
    place = as_integer(key)
    if place is not None:
        _require_place(A, side, place, size)
        return place % size
    given, xp = key, A._library[0]
    if isinstance(key, list | tuple | range):
        try:
            key = xp.asarray(list(key), dtype=None if len(key) else xp.int64, device=A.device)
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise IndexError(f"{name} is {_shortened(given)}, which makes no array of ints: {error}") from error
    if not namespaces.is_array(key) or (key.ndim == 0 and key.dtype == namespaces.of(key).bool):
        extra = " None adds an axis, which an operator can't have." if key is None else ""
        raise IndexError(
            f"{name} is {_shortened(given)}; expected an int, a slice, or a sequence or array of ints or bools.{extra}"
        )
    xp = _library(A, f"{side}s", key)[0]
    if key.dtype == xp.bool:
        if tuple(key.shape) != (size,):
            found = f"{key.shape[0]} entries" if key.ndim == 1 else f"shape {tuple(key.shape)}"
            raise IndexError(f"{name} is a mask of {found}; expected {size}.")
        return xp.nonzero(key)[0]
    if not dtypes.is_integer(xp, key.dtype):
        raise IndexError(f"{name} has dtype {dtypes.name(key.dtype)}; expected integers or bool.")
    key = widened(xp, key)
    if 0 in key.shape or tracing.is_traced(key):
        return xp.where(key < 0, key + size, key)
    for place in (xp.min(key), xp.max(key)):
        _require_place(A, side, int(place), size)
    return xp.where(key < 0, key + size, key)


def _shortened(key: Any) -> str:
    text = " ".join(repr(key).split())
    return text if len(text) <= 60 else text[:57] + "..."


def _require_place(A: LinearOperator, side: str, place: int, size: int) -> None:
    if not -size <= place < size:
        raise IndexError(f"{A._head}: {side} {place} is out of range; expected {-size} to {size - 1}.")


def _distinct(A: LinearOperator, side: str, key: Any, size: int) -> Any:
    """Validate a key that selects rows or columns of an operator: one axis, not empty, no repetition."""
    name = f"{A._head}: {side}s"
    if namespaces.is_array(key) and key.ndim != 1:
        raise IndexError(
            f"{name} has shape {tuple(key.shape)}; expected one axis, unless the other index is an int: rows and "
            f"columns are selected independently."
        )
    if key is not None and not (key.shape[0] if namespaces.is_array(key) else len(range(size)[key])):
        raise ValueError(
            f"{name} selects nothing; expected at least one, as an operator has a row and a column at least. An index "
            f"beside an int may be empty."
        )
    if namespaces.is_array(key) and not tracing.is_traced(key):
        places = devices.to_host(key).tolist()
        if len(set(places)) < len(places):
            raise ValueError(
                f"{name} has an entry twice; expected each of 0 to {size - 1} once at most, unless the other index is "
                f"an int. A.to_dense()[rows, :] has rows twice."
            )
    return key


def _read(A: LinearOperator, rows: Any, columns: Any) -> Array:
    """Return an entry, or entries of a row or column."""
    xp, dtype = _library(A, "rows", rows, columns)
    shape: tuple[int, ...] = ()
    sides: list[Indices] = []
    for key, size in zip((rows, columns), A.shape, strict=True):
        if namespaces.is_array(key):
            shape += tuple(key.shape)
            sides.append(xp.reshape(key, (-1,)))
        else:
            places = range(key, key + 1) if isinstance(key, int) else range(size)[key or slice(None)]
            shape += () if isinstance(key, int) else (len(places),)
            sides.append(places if places.step == 1 else as_index_array(xp, places, A.device))
    if 0 in shape:
        return xp.zeros(shape, dtype=dtype, device=A.device)
    block = dtypes.astype(xp, A._in_one_precision(xp)._block(xp, sides[0], sides[1], A.device), dtype)
    return xp.reshape(block, shape) if shape else block[0, 0]


def block_array(operators: Sequence[Sequence[LinearOperator | None]]) -> LinearOperator:
    """Assemble operators from rows of blocks, as `scipy.sparse.block_array` does with matrices.

    Parameters
    ----------
    operators : sequence of sequence of LinearOperator or None
        Rows of blocks, each of the same number. None is a block of zeros, with the rows and columns of the other blocks
        in its row and column.

    Returns
    -------
    LinearOperator
        The rows, each an `hstack`, in a `vstack`.

    Raises
    ------
    ValueError
        There are no blocks, a row or column of blocks has only None, or sizes differ.
    TypeError
        A block is neither an operator nor None, or the blocks are of several array libraries or devices.

    Examples
    --------
    >>> import structmat as sm
    >>> eye = sm.identity(1)
    >>> sm.block_array([[eye, 2 * eye], [None, 4 * eye]]).to_dense()
    array([[1., 2.],
           [0., 4.]])
    """
    if any(isinstance(row, LinearOperator) for row in operators):
        raise TypeError("block_array: operators is a sequence of operators; expected rows of them, [[A, B], [C, D]].")
    rows: list[list[Any]] = [list(row) for row in operators]
    for i, row in enumerate(rows, 1):
        for j, block in enumerate(row, 1):
            if not (block is None or isinstance(block, LinearOperator)):
                raise TypeError(
                    f"block_array: block {j} of row {i} is a {type(block).__name__}; expected a LinearOperator or None."
                )
    if any(block is None for row in rows for block in row):
        rows = _with_zeros(rows)
    return vstack([hstack(row) for row in rows])


def _with_zeros(rows: list[list[Any]]) -> list[list[Any]]:
    """Replace None by blocks of zeros."""
    if len({len(row) for row in rows}) > 1:
        widths = ", ".join(str(len(row)) for row in rows)
        raise ValueError(f"block_array: the rows have {widths} blocks; expected equally many, where one is None.")
    sizes: list[list[int]] = []
    for side, lines in enumerate((rows, zip(*rows, strict=True))):
        sizes.append([])
        for place, line in enumerate(lines, 1):
            known = [block.shape[side] for block in line if block is not None]
            if not known:
                raise ValueError(
                    f"block_array: {_SIDES[side]} {place} of blocks is all None, which leaves its size open; put a "
                    f"structmat.Zero there."
                )
            sizes[side].append(known[0])
    return [
        [Zero(m, n) if block is None else block for n, block in zip(sizes[1], row, strict=True)]
        for m, row in zip(sizes[0], rows, strict=True)
    ]


def scaled_by_array(scalar: Array, A: LinearOperator) -> LinearOperator:
    """Scale by an array without axes that has a gradient or no value yet: a diagonal matrix of it times A."""
    xp = namespaces.of(scalar)
    real, dtype = dtypes.kind(xp, scalar.dtype), scalar.dtype
    if A.xp is xp and A.dtype is not None:
        same = dtypes.complex_dtype if real == "complex" else dtypes.real_dtype
        dtype = same(xp, A.dtype)
    return Diagonal(xp.broadcast_to(dtypes.astype(xp, scalar, dtype), (A.m,))) @ A


extensions.selected, extensions.scaled_by_array = selected, scaled_by_array
