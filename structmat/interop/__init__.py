"""Thin adapters between operators and other libraries, imported on demand."""

from structmat.interop.scipy import SciPyOperator, to_scipy

__all__ = ["SciPyOperator", "to_scipy"]
