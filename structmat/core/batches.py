"""Large batches, some vectors at a time: the arrays between stay in the cache, and their memory is bounded."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from structmat._backend import BLOCK, Array, Namespace, device, is_large, rows, takes_writes
from structmat.core.fields import checked_size

if TYPE_CHECKING:
    from structmat.core.operator import LinearOperator

AMORTISED = 4  # bytes of vectors for each byte of the operator's arrays, which every piece reads anew


def chunk(A: "LinearOperator", call: str, x: Array, chunk_size: int | None) -> int | None:
    """Return how many of the vectors (..., k) to take at a time, None for all at once."""
    if chunk_size is None:
        if not is_large(x):
            return None
        vector = max(A.shape) * x.itemsize
        chunk_size = max(1, BLOCK // vector, AMORTISED * A.nbytes // vector)
    else:
        checked_size(f"{A._head}.{call}", "chunk_size", chunk_size)
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


def gathered(xp: Namespace, parts: Iterator[Array], x: Array, step: int | None, out: Array | None = None) -> Array:
    """Put the results (..., m) for the pieces of x together again, in `out` if it is given."""
    if step is None and out is None:
        return next(parts)
    batch = tuple(x.shape[:-1])
    whole = rows(xp, out) if out is not None and out.ndim <= 2 else None  # of more axes that might be a copy
    held: list[Array] = []
    start = 0
    for part in parts:
        vectors = rows(xp, part)
        if whole is None and not held and takes_writes(vectors):
            whole = xp.empty((math.prod(batch), vectors.shape[-1]), dtype=vectors.dtype, device=device(vectors))
        if whole is None:
            held.append(vectors)
        else:
            whole[start : start + vectors.shape[0], :] = vectors
            start += vectors.shape[0]
    whole = xp.concat(held) if whole is None else whole
    shaped = xp.reshape(whole, (*batch, whole.shape[-1]))
    if out is None:
        return shaped
    if out.ndim > 2:
        out[...] = shaped
    return out
