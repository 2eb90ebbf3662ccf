"""The array libraries and devices that the contract is held on."""

import dataclasses
import importlib.util
from collections.abc import Callable
from typing import Any

import array_api_strict
import jax
import numpy as np
import torch

from structmat import LinearOperator


def _read_only(value: Any) -> Any:
    value = value.copy()
    value.flags.writeable = False
    return value


def _with_read_only(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: function(*map(_read_only, arguments))


@dataclasses.dataclass(frozen=True)
class Backend:
    """An array library, a device of it, and what products are wrapped in."""

    name: str
    xp: Any
    device: Any = None
    transform: Callable[[Callable[..., Any]], Callable[..., Any]] | None = None
    sizes: tuple[int, ...] = (1, 2, 9)  # one, even, odd
    dtypes: tuple[str, ...] = ("float32", "float64", "complex64", "complex128")
    batches: tuple[tuple[int, ...], ...] = ((), (0,), (3,), (2, 3))

    def bring(self, A: LinearOperator, dtype: str | None = None) -> LinearOperator:
        """Move an operator here."""
        moved = A.to(xp=self.xp, device=self.device, dtype=dtype)
        if self.transform is _with_read_only:
            for array in moved._arrays:
                array.flags.writeable = False
        return moved

    def asarray(self, host: np.ndarray) -> Any:
        """Move an array here."""
        return self.xp.asarray(host.copy(), device=self.device)

    def __repr__(self) -> str:
        return self.name


MORE_SIZES = (1, 2, 9, 16, 31)  # a power of two and a prime as well
# JAX compiles every shape anew, at up to a second each, so it takes fewer of them.
FEW_SHAPES = {"sizes": (9,), "batches": ((), (2, 3))}

ALL = [
    Backend("numpy", np, sizes=MORE_SIZES),
    Backend("numpy-readonly", np, transform=_with_read_only, sizes=MORE_SIZES),
    Backend("strict", array_api_strict),
    Backend("strict-device1", array_api_strict, array_api_strict.Device("device1")),
    Backend("torch", torch),
    Backend("jax", jax.numpy, dtypes=("float32",), **FEW_SHAPES),
    Backend("jax-jit", jax.numpy, transform=jax.jit, dtypes=("float32", "complex128"), **FEW_SHAPES),
]
if importlib.util.find_spec("cupy"):  # on a machine with a GPU
    import cupy

    ALL.append(Backend("cupy", cupy))
