"""Structured-matrix linear algebra: operators that are never stored densely."""

from structmat import custom, projections, testing
from structmat.core import LinearOperator, block_array, block_diag, hstack, repeat, vstack
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
from structmat.rewrite import simplify

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
    "projections",
    "repeat",
    "simplify",
    "testing",
    "vstack",
]
