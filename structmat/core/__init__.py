"""The operator contract: what an operator is, how operators compose, and how new ones are made; no mathematics."""

from structmat.core.base import LinearOperator, Saved
from structmat.core.blocks import block_diag, hstack, kron, repeat, vstack
from structmat.core.crossover import set_dense_crossover
from structmat.core.fields import cached, constant, param, size
from structmat.core.leaf import Leaf
from structmat.core.registry import OPERATORS, register_operator

__all__ = [
    "OPERATORS",
    "Leaf",
    "LinearOperator",
    "Saved",
    "block_diag",
    "cached",
    "constant",
    "hstack",
    "kron",
    "param",
    "register_operator",
    "repeat",
    "set_dense_crossover",
    "size",
    "vstack",
]
