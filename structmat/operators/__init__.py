"""The operators: one file of mathematics each, independent of each other."""

from structmat.operators.block_circulant import BlockCirculant
from structmat.operators.circulant import Circulant
from structmat.operators.dense import Dense
from structmat.operators.diagonal import Diagonal
from structmat.operators.identity import Identity, identity
from structmat.operators.restriction import Restriction
from structmat.operators.sign_flip import SignFlip

__all__ = [
    "BlockCirculant",
    "Circulant",
    "Dense",
    "Diagonal",
    "Identity",
    "Restriction",
    "SignFlip",
    "identity",
]
