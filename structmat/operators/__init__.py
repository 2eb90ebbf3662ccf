"""The operators: one file of mathematics each, independent of each other."""

from structmat.operators.block_circulant import BlockCirculant
from structmat.operators.circulant import Circulant
from structmat.operators.dense import Dense
from structmat.operators.diagonal import Diagonal
from structmat.operators.f_circulant import FCirculant, SkewCirculant
from structmat.operators.hankel import Hankel
from structmat.operators.identity import Identity, identity
from structmat.operators.multilevel_circulant import MultilevelCirculant
from structmat.operators.restriction import Restriction
from structmat.operators.sign_flip import SignFlip
from structmat.operators.toeplitz import SymmetricToeplitz, Toeplitz

__all__ = [
    "BlockCirculant",
    "Circulant",
    "Dense",
    "Diagonal",
    "FCirculant",
    "Hankel",
    "Identity",
    "MultilevelCirculant",
    "Restriction",
    "SignFlip",
    "SkewCirculant",
    "SymmetricToeplitz",
    "Toeplitz",
    "identity",
]
