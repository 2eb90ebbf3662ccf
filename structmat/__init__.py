"""Structured-matrix linear algebra: operators that are never stored densely."""

__version__ = "0.1.0"
