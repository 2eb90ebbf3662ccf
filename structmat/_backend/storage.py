"""Arrays in the form of safetensors files: complex numbers as pairs of floats, bfloat16 as its bits."""

from typing import Any

import array_api_compat.numpy as numpy_namespace
import numpy as np

from structmat._backend import devices, dtypes, namespaces, tracing
from structmat._backend.types import Array, Device, DType, Namespace

DTYPES = {  #: dtypes of arrays, and safetensors' names of the dtypes that they are stored in
    "bool": "BOOL",
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    "bfloat16": "U16",
    "complex64": "F32",
    "complex128": "F64",
}


def encode(x: Array) -> np.ndarray[Any, Any]:
    """Copy an array to the host in its stored form (`DTYPES`), bit by bit."""
    bfloat16 = dtypes.name(x.dtype) == "bfloat16"
    if bfloat16:
        x = tracing.stop_gradient(x).view(namespaces.of(x).int16)
    host: np.ndarray[Any, Any] = devices.to_host(x)
    host = np.asarray(host.astype(host.dtype.newbyteorder("="), copy=False), order="C")
    if host.dtype.kind == "c":
        pairs: np.ndarray[Any, Any] = host.reshape(-1).view(dtypes.real_dtype(numpy_namespace, host.dtype))
        return pairs.reshape(*host.shape, 2)
    return host.view(np.uint16) if bfloat16 else host


def decode(
    stored: np.ndarray[Any, Any], name: str, xp: Namespace, *, device: Device = None, wanted: DType = None
) -> Array:
    """Undo `encode` in any namespace, given the dtype's name; convert where another floating dtype is wanted."""
    target = name if wanted is None else dtypes.name(wanted)
    library = namespaces.name(xp)
    if not hasattr(xp, target):
        raise TypeError(
            f"{library} has no dtype {target}; choose another one with dtype=, or another library with xp=."
        )
    host = stored
    if name == "bool":
        host = stored.view(np.uint8) != 0
    elif name == "bfloat16" == target:
        return xp.asarray(stored.view(np.int16), device=device).view(xp.bfloat16)
    elif name == "bfloat16":
        host = (stored.astype(np.uint32) << 16).view(np.float32)
    elif name.startswith("complex"):
        host = stored.reshape(-1).view(name).reshape(stored.shape[:-1])
        if not target.startswith("complex"):
            raise TypeError(f"dtype is {target} and a parameter is complex; expected a complex one.")
    if target != name and hasattr(np, target):
        host = host.astype(target)
    made = xp.asarray(np.asarray(host), device=device)
    if wanted is not None:
        made = dtypes.astype(xp, made, wanted)
    got = dtypes.name(made.dtype)
    if got != target and not (dtypes.is_integer(xp, made.dtype) and np.array_equal(devices.to_host(made), host)):
        raise TypeError(f"{library} makes {got} of {target} here; allow it 64 bits (jax_enable_x64), or pass dtype=.")
    return made
