"""CuPy: arrays on a GPU, and transforms that may overwrite their input."""

import importlib
import sys
from typing import Any

import numpy as np

from structmat._backend import cuda
from structmat._backend.libraries.generic import Library
from structmat._backend.types import Array, DType, Namespace


class CuPy(Library):
    solvers = "cupyx.scipy.sparse.linalg"
    lacks_graphs = True

    def is_constant(self, x: Array) -> bool:
        return False  # to read it would be a transfer

    def device_view(self, x: Array) -> Array | None:
        return x if cuda.is_on() and x.device.id == sys.modules["cupy"].cuda.runtime.getDevice() else None

    def device_char(self, dtype: DType) -> str | None:
        return dtype.char if dtype.char in "fdFD" else None

    def contiguous(self, xp: Namespace, x: Array) -> Array:
        return sys.modules["cupy"].ascontiguousarray(x)

    def address(self, x: Array) -> int:
        return int(x.data.ptr)

    def empty(self, like: Array, shape: tuple[int, ...]) -> Array:
        return sys.modules["cupy"].empty(shape, like.dtype)

    def overlap(self, x: Array, y: Array) -> bool:
        return bool(sys.modules["cupy"].may_share_memory(x, y))

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        return np.asarray(x.get())

    def index_add(self, xp: Namespace, x: Array, index: Array, n: int) -> Array:
        """Sort and add neighbours: `add.at` takes no complex entries, and adds in another order at each call."""
        if index.size == 0:
            return xp.zeros((*x.shape[:-1], n), dtype=x.dtype)
        order = xp.argsort(index)
        bounds = xp.searchsorted(index[order], xp.arange(n + 1))
        starts, is_empty = bounds[:-1], bounds[:-1] == bounds[1:]
        sums = xp.add.reduceat(x[..., order], xp.minimum(starts, index.size - 1), axis=-1)
        return xp.where(is_empty, xp.zeros((), dtype=x.dtype), sums)

    def transforms(self, xp: Namespace) -> tuple[str, Any, dict[str, Any]]:
        return "cupyx.scipy.fft", importlib.import_module("cupyx.scipy.fft"), {"overwrite_x": True}

    def scales_apart(self, X: Array) -> bool:
        return True


adapter = CuPy()
