"""Random and learned projections, and structure fitted to matrices and data."""

from structmat.projections.baselines import gaussian_projection, low_rank
from structmat.projections.cascades import acdc, diagonal_circulant
from structmat.projections.circulant import block_circulant_projection, circulant_projection
from structmat.projections.fastfood import fastfood
from structmat.projections.fit import fit
from structmat.projections.hadamard import fjlt, hd3, sorf, srht
from structmat.projections.nearest import nearest
from structmat.projections.toeplitz import toeplitz_projection

__all__ = [
    "acdc",
    "block_circulant_projection",
    "circulant_projection",
    "diagonal_circulant",
    "fastfood",
    "fit",
    "fjlt",
    "gaussian_projection",
    "hd3",
    "low_rank",
    "nearest",
    "sorf",
    "srht",
    "toeplitz_projection",
]
