"""JAX: immutable arrays, tracers, and no 64-bit dtypes unless jax_enable_x64 is set."""

from typing import Any

import jax
import numpy as np

from structmat._backend.libraries.generic import Library
from structmat._backend.types import Array, Device, DType, Namespace


class Jax(Library):
    def double_dtype(self, xp: Namespace) -> DType:
        return xp.zeros(()).dtype

    def takes_writes(self, x: Array) -> bool:
        return False

    def from_host(self, x: np.ndarray[Any, Any], xp: Namespace, device: Device, dtype: DType) -> Array:
        if dtype is None and x.dtype.kind in "iu":
            return xp.asarray(x.copy(), device=device)  # narrowed without 64 bits, with a warning if a dtype is given
        return super().from_host(x, xp, device, dtype)

    def is_traced(self, x: Array) -> bool:
        return isinstance(x, jax.core.Tracer)

    def may_keep(self, value: Array, sources: tuple[Array, ...]) -> bool:
        return not isinstance(value, jax.core.Tracer)

    def stop_gradient(self, x: Array) -> Array:
        return jax.lax.stop_gradient(x)

    def index_add(self, xp: Namespace, x: Array, index: Array, n: int) -> Array:
        return xp.zeros((*x.shape[:-1], n), dtype=x.dtype).at[..., index].add(x)


adapter = Jax()
