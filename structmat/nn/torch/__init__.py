"""Structured layers for PyTorch in the place of `torch.nn.Linear`, and models compressed by them."""

from structmat._backend import packages

packages.import_optional("structmat.nn.torch", "torch", "torch")

from structmat.nn.torch.compression import Compression, Replaced, compress, decompress
from structmat.nn.torch.layers import (
    BlockCirculantLinear,
    CirculantLinear,
    FastfoodLinear,
    LowRankLinear,
    ToeplitzLinear,
)
from structmat.nn.torch.structured import StructuredLinear

__all__ = [
    "BlockCirculantLinear",
    "CirculantLinear",
    "Compression",
    "FastfoodLinear",
    "LowRankLinear",
    "Replaced",
    "StructuredLinear",
    "ToeplitzLinear",
    "compress",
    "decompress",
]
