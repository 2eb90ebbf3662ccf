"""Layers of neural networks, one module for each framework, imported when it is asked for: `structmat.nn.torch`."""

import importlib
from typing import Any

_MODULES = ["equinox", "flax", "jax", "keras", "peft", "torch"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"structmat.nn.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULES)}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
