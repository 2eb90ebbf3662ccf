"""Compiled kernels on arrays on the host: which arrays they take, and their plans."""

from collections import OrderedDict
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from structmat import _kernels
from structmat._backend import libraries, threads
from structmat._backend.types import Array, Device, DType, Namespace

HostView = np.ndarray[Any, Any]

_HELD_BYTES = 2**26  #: of the tables of plans that no operator holds
_COMPARED_BYTES = 2**20  #: of an array; larger ones take longer to transform than a copy of them would save


def workers(x: Array) -> int:
    """Return how many threads a product with an array may take: those of `set_threads`, else those of its library."""
    return threads.count() if type(x) is np.ndarray else threads.chosen() or libraries.of_array(x).workers()


def are_built() -> bool:
    """Tell whether there are compiled kernels."""
    return _kernels.loaded is not None


def serve(device: Device) -> bool:
    """Tell whether there may be kernels for a device: compiled ones, or those for GPUs, which compile when needed."""
    return _kernels.loaded is not None or "cuda" in str(device).lower()


def host_view(x: Array) -> HostView | None:
    """Return the entries of an array as a NumPy array that shares their memory.

    None if the array has no memory on the host, no values, as in a trace, or a graph that would miss the operation.
    """
    return x if type(x) is np.ndarray else libraries.of_array(x).host_view(x)


def is_on_host(x: Array) -> bool:
    """Tell whether an array has values in the memory of the host, whatever its dtype and graph."""
    return libraries.of_array(x).is_on_host(x)


def values(arrays: tuple[Array, ...]) -> tuple[bytes, ...] | None:
    """Return the bytes of arrays, which show changes; None if one is large or has no host view."""
    found = []
    for array in arrays:
        view = host_view(array)
        if view is None or view.nbytes > _COMPARED_BYTES:
            return None
        found.append(view.tobytes())
    return tuple(found)


def from_host(xp: Namespace, y: HostView) -> Array:
    """Return a new NumPy array as an array of a library whose arrays have host views, without a copy."""
    return libraries.of_namespace(xp).from_host_view(y)


def char_of(xp: Namespace, dtype: DType) -> str | None:
    """Return NumPy's character of a dtype that the kernels compute in, for libraries with host views; else None."""
    return libraries.of_namespace(xp).host_char(dtype) if _kernels.loaded is not None else None


def _extension() -> Any:
    """Return the module of the kernels, for callers that asked `char_of`."""
    return _kernels.loaded


@lru_cache(maxsize=1024)
def is_supported(n: int, char: str, root: int) -> bool:
    """Tell whether the kernels convolve vectors of length n modulo z^n - root without padding."""
    if n % 2 and root == -1 and char in "fd":
        return False
    for factor in (2, 3, 5, 7):
        while n % factor == 0:
            n //= factor
    return n == 1


class _Plans:
    """Plans by their arguments; those used last are kept, up to a number of bytes."""

    def __init__(self) -> None:
        self.held: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        self.lock = Lock()

    def __call__(self, n: int, char: str, root: int, batched: bool, blocks: tuple[int, ...] = ()) -> Any:
        key = n, char, root, batched, *blocks
        with self.lock:
            if key in self.held:
                self.held.move_to_end(key)
                return self.held[key]
        if not batched and (shared := self(n, char, root, True, blocks)).layout == "along":
            plan = shared
        else:
            plan = _extension().Plan(n, char, root, batched, _kernels.isa(), *blocks)
        with self.lock:
            self.held[key] = plan
            while len(self.held) > 1 and sum(each.nbytes for each in self.held.values()) > _HELD_BYTES:
                self.held.popitem(last=False)
        return plan


plan = _Plans()


def rows(x: HostView) -> HostView:
    """Return vectors (..., n) as aligned and contiguous rows (B, n), which the kernels take, a copy if need be."""
    if x.ndim != 2:
        x = x.reshape(-1, x.shape[-1])
    return x if x.flags.aligned and (x.strides[1] == x.itemsize or x.shape[1] == 1) else x.copy()


def walsh(x: HostView, y: HostView, n: int, width: int, *options: Any, workers: int) -> None:
    """Write y = scale * after * ((H x core) (before * x)), of real x padded with zeros to length n, and y cropped.

    The options are core, or None for the identity matrix of order `width`, before, after and scale.
    """
    _extension().walsh(x, y, n, width, *options, _kernels.isa(), workers)
