"""Devices of arrays, and transfers between devices and libraries."""

from typing import Any

import array_api_compat as compat
import numpy as np

from structmat._backend import dtypes, libraries, memory, namespaces
from structmat._backend.types import Array, Device, DType, Namespace


def of(x: Array) -> Device:
    """Return the device of an array; None for a JAX tracer, which has none.

    For an array that JAX shards over several devices, this is the place of an array that each of them has.
    """
    return "cpu" if type(x) is np.ndarray else libraries.of_array(x).device(x)


def are_apart(first: Device, second: Device) -> bool:
    """Tell whether two devices differ, where both are known; JAX's shardings are equal on the same set of devices."""
    if first is None or second is None or first == second:
        return False
    sets = [getattr(each, "device_set", {each}) for each in (first, second)]
    return bool(sets[0] != sets[1])


def to_host(x: Array) -> np.ndarray[Any, Any]:
    """Copy an array of any library to a NumPy array on the host; bfloat16 becomes float32."""
    return libraries.of_array(x).to_host(x)


def from_host(x: np.ndarray[Any, Any], xp: Namespace, *, device: Device = None, dtype: DType = None) -> Array:
    """Copy a NumPy array to another namespace and device; without a dtype, in the dtype of the same name."""
    return libraries.of_namespace(xp).from_host(x, xp, device, dtype)


def move(x: Array, *, xp: Namespace | None = None, device: Device = None) -> Array:
    """Move an array to a namespace, a device or both, in its dtype; return it as it is if it is there already."""
    source = namespaces.of(x)
    if xp is None or xp is source:
        device = libraries.of_array(x).place(device)
        return x if device is None or device == compat.device(x) else compat.to_device(x, device)
    name = dtypes.name(x.dtype)
    if not hasattr(xp, name):
        raise TypeError(f"{namespaces.name(xp)} has no dtype {name}; convert the operator first, with A.to(dtype=...).")
    host = memory.native(to_host(x))  # other libraries have native byte order only
    return from_host(host, xp, device=device, dtype=dtypes.as_dtype(xp, name) if dtypes.kind(source, x.dtype) else None)
