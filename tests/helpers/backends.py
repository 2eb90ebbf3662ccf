"""The array libraries and devices that the contract is held on."""

import dataclasses
import importlib.util
import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import array_api_strict
import numpy as np
import pytest

from structmat import LinearOperator

# Packages that a run does without, as `make test-matrix` does where one has no build. Nothing is left out unasked: a
# package that is neither installed nor named here is an error.
WITHOUT = frozenset(os.environ.get("STRUCTMAT_TEST_WITHOUT", "").split())


class _LeftOut(ModuleType):
    """A library that the run does without: tests that touch it are skipped."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        pytest.skip(f"STRUCTMAT_TEST_WITHOUT leaves {self.__name__} out", allow_module_level=True)


def library(name: str) -> ModuleType:
    """Import a library, or stand in for one that is left out."""
    return _LeftOut(name) if name.partition(".")[0] in WITHOUT else importlib.import_module(name)


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
        options = {} if self.device is None else {"device": self.device}
        return self.xp.asarray(host.copy(), **options)

    def __repr__(self) -> str:
        return self.name


MORE_SIZES = (1, 2, 9, 16, 31)  # a power of two and a prime as well
# JAX compiles every shape anew, at up to a second each, so it takes fewer of them; compiled whole, each takes longer.
FEW_SHAPES = {"sizes": (9,), "batches": ((), (2, 3))}
ONE_SHAPE = {"sizes": (9,), "batches": ((2, 3),)}

ALL = [
    Backend("numpy", np, sizes=MORE_SIZES),
    Backend("numpy-readonly", np, transform=_with_read_only, sizes=MORE_SIZES),
    Backend("strict", array_api_strict),
    Backend("strict-device1", array_api_strict, array_api_strict.Device("device1")),
]
if "torch" not in WITHOUT:
    ALL.append(Backend("torch", library("torch")))
    if library("torch").cuda.is_available():
        ALL.append(Backend("torch-cuda", library("torch"), "cuda", sizes=MORE_SIZES))
if "jax" not in WITHOUT:
    jax, jnp = library("jax"), library("jax.numpy")
    ALL += [
        Backend("jax", jnp, dtypes=("float32",), **FEW_SHAPES),
        Backend("jax-jit", jnp, transform=jax.jit, dtypes=("float32", "complex128"), **ONE_SHAPE),
    ]
if (
    "cupy" not in WITHOUT and importlib.util.find_spec("cupy") and library("cupy").is_available()
):  # on a machine with a GPU
    ALL.append(Backend("cupy", library("cupy"), sizes=MORE_SIZES))
