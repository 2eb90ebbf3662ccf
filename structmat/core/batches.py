"""Large batches, some vectors at a time: the arrays between stay in the cache, and their memory is bounded."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from structmat._backend import (
    BLOCK,
    Array,
    DType,
    HostArray,
    Namespace,
    device,
    is_large,
    rows,
    side_by_side,
    takes_writes,
)
from structmat.core.fields import checked_size

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator

AMORTISED = 4  # bytes of vectors for each byte of the operator's arrays, which every piece reads anew


def chunk(A: "LinearOperator", call: str, x: Array, chunk_size: int | None) -> int | None:
    """Return how many of the vectors (..., k) to take at a time, None for all at once."""
    if chunk_size is None:
        if not (is_large(x) and all(map(takes_writes, A._arrays))):
            return None
        vector = max(A.shape) * x.itemsize
        chunk_size = max(1, BLOCK // vector, AMORTISED * A.nbytes // vector)
    else:
        chunk_size = checked_size(f"{A._head}.{call}", "chunk_size", chunk_size)
    return chunk_size if chunk_size < math.prod(x.shape[:-1]) else None


def pieces(xp: Namespace, x: Array, step: int | None) -> Iterator[Array]:
    """Take vectors (..., n) `step` at a time: (step, n), the last ones fewer; None takes x as it is."""
    if step is None:
        yield x
        return
    vectors = rows(xp, x)
    count = vectors.shape[0]
    for start in range(0, count, step):
        yield vectors[start : min(start + step, count), :]


class Target(NamedTuple):
    """Where the results of a batch go: vectors of a width and dtype, in memory that may be given."""

    xp: Namespace
    batch: tuple[int, ...]
    width: int
    dtype: DType
    out: Array | None = None


def _forget(other: Any) -> None:
    """Do nothing with what comes beside the vectors."""


def piecewise(
    function: Callable[..., tuple[Array, Any]],
    parts: Iterator[tuple[Any, ...]],
    step: int | None,
    target: Target,
    collect: Callable[[Any], object] = _forget,
) -> Array:
    """Apply a function to the pieces of a batch, the first of each a vector or vectors, and put its results together.

    It returns vectors (k, m), and something else that `collect` is given, in the order of the pieces.
    """
    xp, batch, width, dtype, out = target
    first = next(parts)
    if step is None and out is None:
        y, other = function(*first)
        collect(other)
        return y
    whole = rows(xp, out) if out is not None and out.ndim <= 2 else None  # of more axes that might be a copy
    shape = math.prod(batch), width
    parts = itertools.chain((first,), parts)
    if type(first[0]) is HostArray:
        whole = _filled(function, parts, step or 1, xp.empty(shape, dtype=dtype) if whole is None else whole, collect)
    else:
        held: list[Array] = []
        start = 0
        for arguments in parts:
            y, other = function(*arguments)
            collect(other)
            vectors = rows(xp, y)
            if whole is None and not held and takes_writes(vectors):
                whole = xp.empty(shape, dtype=vectors.dtype, device=device(vectors))
            if whole is None:
                held.append(vectors)
            else:
                whole[start : start + vectors.shape[0], :] = vectors
                start += vectors.shape[0]
        whole = xp.concat(held) if whole is None else whole
    shaped = xp.reshape(whole, (*batch, width))
    if out is None:
        return shaped
    if out.ndim > 2:
        out[...] = shaped
    return out


def _filled(
    function: Callable[..., tuple[Array, Any]],
    parts: Iterator[tuple[Any, ...]],
    step: int,
    whole: Array,
    collect: Callable[[Any], object],
) -> Array:
    """Fill an array of NumPy with the results, some pieces side by side."""

    def place(number: int, arguments: tuple[Any, ...]) -> Any:
        y, other = function(*arguments)
        vectors = y.reshape(-1, whole.shape[1])
        whole[number * step : number * step + len(vectors)] = vectors
        return other

    for other in side_by_side(place, enumerate(parts)):
        collect(other)
    return whole
