"""NumPy, whose dtypes include strings and records, and whose arrays SciPy transforms."""

from typing import Any

import numpy as np
import scipy.fft

from structmat._backend.libraries.generic import Library
from structmat._backend.types import Array, DType, Namespace


class NumPy(Library):
    solvers = "scipy.sparse.linalg"

    def kind(self, xp: Namespace, dtype: DType) -> str | None:
        return {"f": "real", "c": "complex"}.get(np.dtype(dtype).kind)

    def is_integer(self, xp: Namespace, dtype: DType) -> bool:
        return np.dtype(dtype).kind in "iu"  # NumPy's own function rejects dtypes of strings and records

    def default_dtype(self, xp: Namespace) -> DType:
        return np.dtype(np.float64)

    def host_char(self, dtype: DType) -> str | None:
        dtype = np.dtype(dtype)
        return dtype.char if dtype.isnative and dtype.char in "fdFD" else None

    def host_view(self, x: Array) -> Array:
        return x

    def is_on_host(self, x: Array) -> bool:
        return True

    def from_host_view(self, y: Array) -> Array:
        return y

    def overlap(self, x: Array, y: Array) -> bool:
        return np.may_share_memory(x, y)

    def transforms(self, xp: Namespace) -> tuple[str, Any, dict[str, Any]]:
        return "scipy.fft", scipy.fft, {"overwrite_x": True}


adapter = NumPy()
