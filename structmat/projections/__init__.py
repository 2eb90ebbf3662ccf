"""Random and learned projections, and structure fitted to matrices and data.

All functions of the library that draw random operators share four optional keyword arguments:

rng : int, numpy.random.Generator or None
    Seed or generator. NumPy draws all numbers on the host, in double precision, so one seed gives the same operator on
    every library and device. None takes fresh entropy from the system.
dtype : dtype or str
    Real or complex floating dtype of the arrays of numbers; the default of the library unless given. Signs and indices
    have integer dtypes; an operator that has no other arrays gives products of the dtype of x.
xp : module
    Array library, NumPy unless given.
device : device
    Device of that library.
"""

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
