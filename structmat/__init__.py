"""Structured-matrix linear algebra: operators that are never stored densely."""

from structmat import custom, projections, testing
from structmat.core import LinearOperator, block_array, block_diag, hstack, repeat, vstack
from structmat.io import load, save
from structmat.operators import (
    BlockCirculant,
    Circulant,
    Dense,
    Diagonal,
    Identity,
    Restriction,
    SignFlip,
    identity,
)

__version__ = "0.1.0"

__all__ = [
    "BlockCirculant",
    "Circulant",
    "Dense",
    "Diagonal",
    "Identity",
    "LinearOperator",
    "Restriction",
    "SignFlip",
    "block_array",
    "block_diag",
    "custom",
    "hstack",
    "identity",
    "load",
    "projections",
    "repeat",
    "save",
    "testing",
    "vstack",
]
