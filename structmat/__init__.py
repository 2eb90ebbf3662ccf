"""Structured-matrix linear algebra: operators that are never stored densely."""

from structmat import custom, projections, testing
from structmat.core import LinearOperator, block_array, block_diag, hstack, repeat, vstack
from structmat.operators import (
    DCT,
    DFT,
    DST,
    Banded,
    BlockCirculant,
    Circulant,
    Dense,
    Diagonal,
    Hadamard,
    Householder,
    Identity,
    LowRank,
    Permutation,
    Restriction,
    Shift,
    SignFlip,
    Tridiagonal,
    Zero,
    identity,
)

__version__ = "0.1.0"

__all__ = [
    "DCT",
    "DFT",
    "DST",
    "Banded",
    "BlockCirculant",
    "Circulant",
    "Dense",
    "Diagonal",
    "Hadamard",
    "Householder",
    "Identity",
    "LinearOperator",
    "LowRank",
    "Permutation",
    "Restriction",
    "Shift",
    "SignFlip",
    "Tridiagonal",
    "Zero",
    "block_array",
    "block_diag",
    "custom",
    "hstack",
    "identity",
    "projections",
    "repeat",
    "testing",
    "vstack",
]
