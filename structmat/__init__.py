"""Structured-matrix linear algebra: operators that are never stored densely."""

from structmat import custom, linalg, projections, testing
from structmat.compounds import block_circulant
from structmat.core import LinearOperator, block_array, block_diag, hstack, repeat, vstack
from structmat.io import load, save
from structmat.operators import (
    BlockCirculant,
    Circulant,
    Dense,
    Diagonal,
    FCirculant,
    Hankel,
    Identity,
    MultilevelCirculant,
    Restriction,
    SignFlip,
    SkewCirculant,
    SymmetricToeplitz,
    Toeplitz,
    identity,
)

__version__ = "0.1.0"

__all__ = [
    "BlockCirculant",
    "Circulant",
    "Dense",
    "Diagonal",
    "FCirculant",
    "Hankel",
    "Identity",
    "LinearOperator",
    "MultilevelCirculant",
    "Restriction",
    "SignFlip",
    "SkewCirculant",
    "SymmetricToeplitz",
    "Toeplitz",
    "block_array",
    "block_circulant",
    "block_diag",
    "custom",
    "hstack",
    "identity",
    "linalg",
    "load",
    "projections",
    "repeat",
    "save",
    "testing",
    "vstack",
]
