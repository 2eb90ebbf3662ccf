"""Thin adapters between operators and other libraries, imported on demand."""

from structmat.interop.convert import aslinearoperator

__all__ = ["aslinearoperator"]
