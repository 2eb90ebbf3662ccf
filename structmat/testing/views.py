"""Arrays that are not the plain block of memory that most are: strided, repeated, unaligned, swapped and read-only."""

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from structmat._backend import Array, namespace

#: Views that hold as many numbers as they have entries, and take writes.
WRITABLE = ("reversed", "columns first", "every second", "unaligned", "field of records", "memory map")


def same_entries(x: np.ndarray[Any, Any]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield the entries of an array of NumPy in other layouts, with their names."""
    back = (slice(None, None, -1),) * x.ndim
    layouts = {
        "reversed": x[back].copy()[back],
        "columns first": np.asfortranarray(x),
        "every second": np.zeros([2 * width for width in x.shape], x.dtype)[(slice(None, None, 2),) * x.ndim],
        "unaligned": np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape),
        # an aligned field may have strides that are no multiples of its size
        "field of records": np.zeros(x.shape, [("x", x.dtype), ("y", x.real.dtype)])["x"],
        "byte-swapped": x.astype(x.dtype.newbyteorder()),
        "read-only": x.copy(),
    }
    for name, view in layouts.items():
        if name in WRITABLE:
            view[...] = x
        view.flags.writeable = name != "read-only"
        yield name, view
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, x.dtype, "w+", shape=x.shape)
        mapped[...] = x
        yield "memory map", mapped


def layouts(x: Array) -> Iterator[tuple[str, Array]]:
    """Yield vectors (3, k) of any library in other layouts, some of them with other entries, with their names."""
    xp, k = namespace(x), x.shape[-1]
    if isinstance(x, np.ndarray):
        yield from same_entries(x)
        yield "windows", np.lib.stride_tricks.sliding_window_view(x.reshape(-1)[: k + 2], k)
    elif hasattr(x, "unfold"):  # PyTorch
        yield "windows", xp.reshape(x, (-1,))[: k + 2].unfold(0, k, 1)
    yield "transposed", xp.matrix_transpose(xp.asarray(xp.matrix_transpose(x), copy=True))
    yield "every second vector", xp.concat((x, x))[::2, :]
    yield "one number a vector", xp.broadcast_to(x[:, :1], x.shape)
    yield "one vector", xp.broadcast_to(x[0, :], x.shape)
