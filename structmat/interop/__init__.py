"""Thin adapters between operators and other libraries, imported on demand."""

import importlib

from structmat.core.extensions import extensions
from structmat.interop.convert import aslinearoperator

__all__ = ["aslinearoperator"]

extensions.adapter = lambda library: importlib.import_module(f"{__name__}.{library}")
