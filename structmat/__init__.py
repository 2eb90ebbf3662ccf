"""Structured-matrix linear algebra: operators that are never stored densely."""

import importlib
from typing import Any

from structmat import custom, learn, linalg, projections, testing
from structmat._backend import set_fft_provider, set_threads
from structmat.compounds import block_array, block_circulant, select
from structmat.core import LinearOperator, block_diag, hstack, kron, repeat, set_dense_crossover, vstack
from structmat.interop import aslinearoperator
from structmat.io import load, save
from structmat.operators import (
    DCT,
    DFT,
    DST,
    Banded,
    BlockCirculant,
    Butterfly,
    Circulant,
    Dense,
    Diagonal,
    FCirculant,
    FunctionOperator,
    Hadamard,
    Hankel,
    Householder,
    Identity,
    LowRank,
    Monarch,
    MultilevelCirculant,
    Permutation,
    Restriction,
    Shift,
    SignFlip,
    SkewCirculant,
    Sparse,
    SymmetricToeplitz,
    Toeplitz,
    Tridiagonal,
    Zero,
    identity,
)
from structmat.rewrite import simplify

__version__ = "0.1.0"

__all__ = [
    "DCT",
    "DFT",
    "DST",
    "Banded",
    "BlockCirculant",
    "Butterfly",
    "Circulant",
    "Dense",
    "Diagonal",
    "FCirculant",
    "FunctionOperator",
    "Hadamard",
    "Hankel",
    "Householder",
    "Identity",
    "LinearOperator",
    "LowRank",
    "Monarch",
    "MultilevelCirculant",
    "Permutation",
    "Restriction",
    "Shift",
    "SignFlip",
    "SkewCirculant",
    "Sparse",
    "SymmetricToeplitz",
    "Toeplitz",
    "Tridiagonal",
    "Zero",
    "aslinearoperator",
    "block_array",
    "block_circulant",
    "block_diag",
    "custom",
    "hstack",
    "identity",
    "kron",
    "learn",
    "linalg",
    "load",
    "projections",
    "repeat",
    "save",
    "select",
    "set_dense_crossover",
    "set_fft_provider",
    "set_threads",
    "simplify",
    "testing",
    "vstack",
]


def __getattr__(name: str) -> Any:
    """Import the modules that require a framework on demand."""
    if name in _ON_DEMAND:
        return importlib.import_module(f"structmat.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_ON_DEMAND = "nn", "sklearn"


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})
