"""The operators: one file of mathematics each, independent of each other."""

from structmat.operators.banded import Banded, Tridiagonal
from structmat.operators.block_circulant import BlockCirculant
from structmat.operators.butterfly import Butterfly
from structmat.operators.circulant import Circulant
from structmat.operators.dense import Dense
from structmat.operators.dft import DFT
from structmat.operators.diagonal import Diagonal
from structmat.operators.f_circulant import FCirculant, SkewCirculant
from structmat.operators.function import FunctionOperator
from structmat.operators.hadamard import Hadamard
from structmat.operators.householder import Householder
from structmat.operators.identity import Identity, identity
from structmat.operators.low_rank import LowRank
from structmat.operators.monarch import Monarch
from structmat.operators.multilevel_circulant import MultilevelCirculant
from structmat.operators.permutation import Permutation
from structmat.operators.restriction import Restriction
from structmat.operators.shift import Shift
from structmat.operators.sign_flip import SignFlip
from structmat.operators.sparse import Sparse
from structmat.operators.toeplitz import Hankel, SymmetricToeplitz, Toeplitz
from structmat.operators.trigonometric import DCT, DST
from structmat.operators.zero import Zero

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
    "identity",
]
