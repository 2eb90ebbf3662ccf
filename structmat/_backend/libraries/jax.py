"""JAX: immutable arrays, tracers, and no 64-bit dtypes unless jax_enable_x64 is set.

Where a mesh has explicit axes, the type of an array tells how it is sharded, and JAX refuses operations of which it
can't tell it. Vectors whose batch is sharded are therefore multiplied under `shard_map`, each part on its device.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import array_api_compat as compat
import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec, Sharding

from structmat._backend.libraries.generic import Library
from structmat._backend.types import Array, Device, DType, Namespace


class Jax(Library):
    def double_dtype(self, xp: Namespace) -> DType:
        return xp.zeros(()).dtype

    def takes_writes(self, x: Array) -> bool:
        return False

    def from_host(self, x: np.ndarray[Any, Any], xp: Namespace, device: Device, dtype: DType) -> Array:
        device = replicated(device)
        if dtype is None and x.dtype.kind in "iu":
            return xp.asarray(x.copy(), device=device)  # narrowed without 64 bits, with a warning if a dtype is given
        return super().from_host(x, xp, device, dtype)

    def is_traced(self, x: Array) -> bool:
        return isinstance(x, jax.core.Tracer)

    def is_constant(self, x: Array) -> bool:
        return not self.is_traced(x) and all(device.platform == "cpu" for device in x.devices())

    def may_keep(self, value: Array, sources: tuple[Array, ...]) -> bool:
        return not isinstance(value, jax.core.Tracer)

    def stop_gradient(self, x: Array) -> Array:
        return jax.lax.stop_gradient(x)

    def index_add(self, xp: Namespace, x: Array, index: Array, n: int) -> Array:
        return xp.zeros((*x.shape[:-1], n), dtype=x.dtype).at[..., index].add(x)

    def device(self, x: Array) -> Device:
        return replicated(compat.device(x))

    def place(self, device: Device) -> Device:
        return replicated(device)

    def is_divided(self, x: Array) -> bool:
        return any(axes is not None for axes in _axes(x)[:-1])

    def parts_of_axis(self, x: Array, axis: int) -> str | None:
        axes = _axes(x)
        return None if not axes or axes[axis] is None else f"parts on the mesh axes {axes[axis]}"

    def joined_hint(self, x: Array, name: str, axis: int) -> str:
        axes = _axes(x)
        axes[axis] = None
        return f"jax.sharding.reshard({name}, jax.NamedSharding(mesh, jax.P({', '.join(map(repr, axes))})))"

    def parts_of_batch(self, x: Array) -> str:
        return str(_axes(x)[:-1])

    def map_vectors(
        self, function: Callable[..., Array], A: Any, x: Array, width: int, dtype: DType, **options: Any
    ) -> Array:
        spec = PartitionSpec(*_axes(x))
        product = partial(function, **options)
        return jax.shard_map(product, mesh=_mesh(x), in_specs=(spec, PartitionSpec()), out_specs=spec)(x, A)

    def pull_back(self, function: Callable[..., Any], A: Any, x: Array, g: Array, **options: Any) -> Any:
        spec = PartitionSpec(*_axes(x))
        names = [name for axes in spec for name in (axes if isinstance(axes, tuple) else (axes,)) if name is not None]

        def on_each_device(x: Array, g: Array, A: Any) -> Any:
            dx, grads = function(x, g, A, **options)
            return dx, jax.lax.psum(grads, tuple(names))

        whole = PartitionSpec()
        mapped = jax.shard_map(on_each_device, mesh=_mesh(x), in_specs=(spec, spec, whole), out_specs=(spec, whole))
        return mapped(x, g, A)


def _axes(x: Array) -> list[Any]:
    """Return the explicit mesh axes, or None, along which each axis of an array is divided; empty in older releases."""
    if not (hasattr(jax, "typeof") and hasattr(jax, "shard_map")):
        return []
    spec = tuple(jax.typeof(x).sharding.spec)
    return [*spec, *[None] * (x.ndim - len(spec))]


def _mesh(x: Array) -> Any:
    return jax.typeof(x).sharding.mesh


def replicated(where: Device) -> Device:
    """Return the place of whole arrays on each device of a sharding; another device as it is."""
    if not isinstance(where, Sharding) or where.is_fully_replicated:
        return where
    if isinstance(where, NamedSharding):
        return NamedSharding(where.mesh, PartitionSpec())
    return NamedSharding(jax.sharding.Mesh(np.array([*where.device_set]), ("each",)), PartitionSpec())


adapter = Jax()
