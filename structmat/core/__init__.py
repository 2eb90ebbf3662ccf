"""The operator contract: what an operator is, how operators compose, and how new ones are made; no mathematics."""

from structmat.core.base import LinearOperator, Saved
from structmat.core.fields import cached, constant, param, size
from structmat.core.leaf import Leaf
from structmat.core.registry import OPERATORS, register_operator

__all__ = [
    "OPERATORS",
    "Leaf",
    "LinearOperator",
    "Saved",
    "cached",
    "constant",
    "param",
    "register_operator",
    "size",
]
