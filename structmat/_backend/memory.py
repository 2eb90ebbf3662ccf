"""Memory of arrays: layout, overlap, and whether entries may be set in place."""

from typing import Any

import array_api_compat as compat
import numpy as np

from structmat._backend import dtypes, libraries, namespaces
from structmat._backend.types import Array, Namespace

CHUNK_BYTES = 2**21  #: size of the chunks that large batches are divided into
LARGE_BYTES = 2 * CHUNK_BYTES  #: size over which batches are large


def nbytes(x: Array) -> int:
    """Return the size in bytes of the entries of an array."""
    xp = namespaces.of(x)
    info = xp.iinfo if dtypes.is_integer(xp, x.dtype) else xp.finfo
    return compat.size(x) * int(info(x.dtype).bits) // 8 * (2 if dtypes.is_complex(xp, x.dtype) else 1)


def is_large(x: Array) -> bool:
    """Tell whether a batch is divided into chunks by default: on the host, of more than two chunks.

    Batches in a trace or a PyTorch graph are not.
    """
    if x.ndim < 2:
        return False
    if type(x) is np.ndarray:
        return x.nbytes > LARGE_BYTES
    return libraries.of_array(x).is_large(x, LARGE_BYTES)


def layout(x: Array) -> str:
    """Return "strided", or another storage layout of PyTorch: "sparse_coo", "jagged", ..."""
    return "strided" if type(x) is np.ndarray else libraries.of_array(x).layout(x)


def native(x: Array) -> Array:
    """Return a NumPy array in native byte order, aligned, with strides that are multiples of the size of an entry.

    Compiled functions refuse other arrays or misread them: `numpy.linalg` misreads a field of a structured array. An
    array of another library is returned as it is.
    """
    if not isinstance(x, np.ndarray):
        return x
    flags = x.flags
    if flags.aligned and x.dtype.isnative and (flags.forc or not any(stride % x.itemsize for stride in x.strides)):
        return x
    return np.array(x, x.dtype.newbyteorder("="), order="C")


def from_memmap(x: Array) -> Array:
    """Return a memory-mapped NumPy array as a plain ndarray view; any other array as it is."""
    return x.view(np.ndarray) if isinstance(x, np.memmap) else x


def copy(xp: Namespace, x: Array) -> Array:
    """Return a copy of an array that gradients flow through."""
    return libraries.of_array(x).copy(xp, x)


def contiguous(xp: Namespace, x: Array) -> Array:
    """Return x with its entries in C order; products of many strided matrices are slow."""
    return libraries.of_array(x).contiguous(xp, x)


def takes_writes(x: Array) -> bool:
    """Tell whether entries of a fresh array like x can be set in place without harm to a graph or a trace."""
    return type(x) is np.ndarray or libraries.of_array(x).takes_writes(x)


def is_writable(x: Array) -> bool:
    """Tell whether an array is not read-only, where its library has such a flag."""
    return bool(x.flags.writeable) if isinstance(x, np.ndarray) else True


def read_only(value: Any) -> Any:
    """Return a read-only view of a NumPy array, also in tuples; anything else as it is."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if isinstance(value, tuple):
        return getattr(value, "_make", tuple)(map(read_only, value))
    return value


def overlap(x: Array, y: Array) -> bool:
    """Tell whether writing to y might change x."""
    library = libraries.of_array(x)
    return library is libraries.of_array(y) and library.overlap(x, y)


def self_overlaps(x: Array) -> bool:
    """Tell whether entries of an array share memory, as in a broadcast view, where its library shows strides.

    The rare views whose entries interleave without sharing memory count as overlapping too.
    """
    found = libraries.of_array(x).strides(x)
    if found is None:
        return False
    strides, width = found
    for stride, size in sorted((abs(stride), size) for stride, size in zip(strides, x.shape, strict=True) if size > 1):
        if stride < width:
            return True
        width += stride * (size - 1)
    return False
