"""Operators in files: the arrays as safetensors, the tree as JSON in the metadata; no pickle."""

from structmat.io.reading import described, load
from structmat.io.writing import describe, save

__all__ = ["describe", "described", "load", "save"]
