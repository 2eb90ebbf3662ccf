"""Random and learned projections: functions that return compositions of operators."""

from structmat.projections.baselines import gaussian_projection, low_rank
from structmat.projections.cascades import acdc, diagonal_circulant
from structmat.projections.circulant import block_circulant_projection, circulant_projection
from structmat.projections.fastfood import fastfood
from structmat.projections.hadamard import fjlt, hd3, sorf, srht
from structmat.projections.toeplitz import toeplitz_projection

__all__ = [
    "acdc",
    "block_circulant_projection",
    "circulant_projection",
    "diagonal_circulant",
    "fastfood",
    "fjlt",
    "gaussian_projection",
    "hd3",
    "low_rank",
    "sorf",
    "srht",
    "toeplitz_projection",
]
