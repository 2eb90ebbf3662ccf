"""Large batches, one chunk at a time: intermediate arrays stay in the cache, and their memory is bounded."""

import itertools
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from structmat._backend import devices, memory, namespaces, ops, threads
from structmat._backend.types import Array, DType, Namespace
from structmat.core.fields import checked_size

if TYPE_CHECKING:
    from structmat.core.parameters import Parameters

AMORTISED = 4  # bytes of vectors for each byte of the operator's arrays, which every chunk reads anew


def chunk_length(A: "Parameters", call: str, x: Array, chunk_size: int | None) -> int | None:
    """Return the number of vectors (..., k) in a chunk; None if the batch is not divided."""
    if chunk_size is None:
        if not (memory.is_large(x) and all(map(memory.takes_writes, A._arrays))):
            return None
        vector = max(A.shape) * x.itemsize
        chunk_size = max(1, memory.CHUNK_BYTES // vector, AMORTISED * A.nbytes // vector)
    else:
        chunk_size = checked_size(f"{A._head}.{call}", "chunk_size", chunk_size)
    return chunk_size if chunk_size < math.prod(x.shape[:-1]) else None


def chunks(xp: Namespace, x: Array, length: int) -> Iterable[Array]:
    """Divide vectors (..., n) into chunks (length, n), of which the last one may be shorter."""
    vectors = ops.flatten_batch(xp, x)
    count = vectors.shape[0]
    return (vectors[start : min(start + length, count), :] for start in range(0, count, length))


class OutputSpec(NamedTuple):
    """Shape and dtype of the results of a batch, and the array to write them to, if there is one."""

    xp: Namespace
    batch: tuple[int, ...]
    width: int
    dtype: DType
    out: Array | None = None


def map_chunks(
    function: Callable[..., tuple[Array, Any]],
    inputs: Iterable[tuple[Any, ...]],
    length: int,
    spec: OutputSpec,
    collect: Callable[[Any], object] | None = None,
) -> Array:
    """Apply a function to each chunk of a batch and assemble its results.

    The function returns vectors (k, width) and an auxiliary output; `collect` is called with each auxiliary output, in
    the order of the chunks. Chunks of NumPy arrays are computed on as many threads as `set_threads` allows.
    """
    xp, batch, width, dtype, out = spec
    size, is_numpy = math.prod(batch), xp is namespaces.resolve(None)
    whole = out if out is not None and out.ndim == 2 else None  # of more axes a reshaped one may be a copy
    if whole is None and is_numpy:
        whole = xp.empty((size, width), dtype=dtype)
    held: list[Array] = []

    def compute(start: int, arguments: tuple[Any, ...]) -> Any:
        nonlocal whole
        vectors, auxiliary = function(*arguments)
        if whole is None and not held and memory.takes_writes(vectors):
            whole = xp.empty((size, width), dtype=vectors.dtype, device=devices.of(vectors))
        if whole is None:
            held.append(vectors)
        else:
            whole[start : start + vectors.shape[0], :] = vectors
        return auxiliary

    numbered = zip(range(0, size, length), inputs, strict=True)
    for auxiliary in (threads.starmap if is_numpy else itertools.starmap)(compute, numbered):
        if collect is not None:
            collect(auxiliary)
    whole = xp.concat(held) if whole is None else whole
    if out is None:
        return xp.reshape(whole, (*batch, width))
    if whole is not out:
        out[...] = xp.reshape(whole, (*batch, width))
    return out
