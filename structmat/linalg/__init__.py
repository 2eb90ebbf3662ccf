"""Linear algebra with operators: exact and fast where the structure gives it, dense or iterative where it does not.

Results have the precision of `A.dtype`, whatever the precision of its parts; half precision is computed in single, and
complex results of half precision stay in single. An operator without parameters has no dtype; its results are in
double precision.
"""

from structmat.core.base import NoExactInverseError
from structmat.linalg.eigenvectors import EighResult, eigh
from structmat.linalg.exact import exact
from structmat.linalg.functions import expm, fractional_matrix_power, funm, logm, sqrtm
from structmat.linalg.history import History, SolveState
from structmat.linalg.iterative import ConvergenceWarning, SolveResult, solve_iterative
from structmat.linalg.least_squares import lstsq, pinv
from structmat.linalg.preconditioners import circulant_approximation, circulant_preconditioner
from structmat.linalg.spectra import SlogdetResult, cond, det, diagonal, eigvals, norm, slogdet, svdvals, trace
from structmat.linalg.systems import inv, solve, solve_vjp

__all__ = [
    "ConvergenceWarning",
    "EighResult",
    "History",
    "NoExactInverseError",
    "SlogdetResult",
    "SolveResult",
    "SolveState",
    "circulant_approximation",
    "circulant_preconditioner",
    "cond",
    "det",
    "diagonal",
    "eigh",
    "eigvals",
    "exact",
    "expm",
    "fractional_matrix_power",
    "funm",
    "inv",
    "logm",
    "lstsq",
    "norm",
    "pinv",
    "slogdet",
    "solve",
    "solve_iterative",
    "solve_vjp",
    "sqrtm",
    "svdvals",
    "trace",
]
