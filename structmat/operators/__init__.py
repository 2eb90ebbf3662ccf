"""The operators: one file of mathematics each, independent of each other."""

from typing import TYPE_CHECKING

from structmat.operators.banded import Banded as Banded
from structmat.operators.banded import Tridiagonal as Tridiagonal
from structmat.operators.block_circulant import BlockCirculant as BlockCirculant
from structmat.operators.butterfly import Butterfly as Butterfly
from structmat.operators.circulant import Circulant as Circulant
from structmat.operators.dense import Dense as Dense
from structmat.operators.dft import DFT as DFT
from structmat.operators.diagonal import Diagonal as Diagonal
from structmat.operators.f_circulant import FCirculant as FCirculant
from structmat.operators.f_circulant import SkewCirculant as SkewCirculant
from structmat.operators.function import FunctionOperator as FunctionOperator
from structmat.operators.hadamard import Hadamard as Hadamard
from structmat.operators.householder import Householder as Householder
from structmat.operators.identity import Identity as Identity
from structmat.operators.identity import identity as identity
from structmat.operators.low_rank import LowRank as LowRank
from structmat.operators.monarch import Monarch as Monarch
from structmat.operators.multilevel_circulant import MultilevelCirculant as MultilevelCirculant
from structmat.operators.permutation import Permutation as Permutation
from structmat.operators.restriction import Restriction as Restriction
from structmat.operators.shift import Shift as Shift
from structmat.operators.sign_flip import SignFlip as SignFlip
from structmat.operators.sparse import Sparse as Sparse
from structmat.operators.toeplitz import Hankel as Hankel
from structmat.operators.toeplitz import SymmetricToeplitz as SymmetricToeplitz
from structmat.operators.toeplitz import Toeplitz as Toeplitz
from structmat.operators.trigonometric import DCT as DCT
from structmat.operators.trigonometric import DST as DST
from structmat.operators.zero import Zero as Zero

if not TYPE_CHECKING:  # type checkers take what is imported "as" itself, and only a literal list otherwise
    __all__ = [name for name, value in globals().items() if getattr(value, "__module__", "").startswith(__name__)]
