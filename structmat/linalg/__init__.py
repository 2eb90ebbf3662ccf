"""Linear algebra with operators: exact and fast where the structure gives it, dense or iterative where it does not.

Results have the precision of the operator, `A.dtype`, whatever its parts are: those of single precision are of single
precision, and half precision, which is computed in single, has half-precision results where these are real. An operator
without parameters has no dtype; its results are in double precision.
"""

from structmat.core.base import NoExactInverseError
from structmat.linalg.eigenvectors import EighResult, eigh
from structmat.linalg.exact import exact
from structmat.linalg.functions import expm, fractional_matrix_power, funm, logm, sqrtm
from structmat.linalg.iterative import (
    ConvergenceWarning,
    SolveResult,
    circulant_approximation,
    circulant_preconditioner,
    solve_iterative,
)
from structmat.linalg.spectra import SlogdetResult, cond, det, diagonal, eigvals, norm, slogdet, svdvals, trace
from structmat.linalg.systems import inv, lstsq, pinv, solve, solve_vjp

__all__ = [
    "ConvergenceWarning",
    "EighResult",
    "NoExactInverseError",
    "SlogdetResult",
    "SolveResult",
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
