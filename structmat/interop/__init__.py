"""Thin adapters between operators and other libraries, imported on demand."""

import importlib
from typing import Any

from structmat.core.base import LinearOperator
from structmat.core.extensions import extensions
from structmat.interop.convert import aslinearoperator

__all__ = ["aslinearoperator"]


def _converted(A: LinearOperator, library: str, *arguments: Any) -> Any:
    """Wrap an operator for a library, whose adapter is imported at first use."""
    return getattr(importlib.import_module(f"{__name__}.{library}"), f"to_{library}")(A, *arguments)


extensions.converted = _converted
extensions.adapt_to_jax = lambda: importlib.import_module(f"{__name__}.jax")
