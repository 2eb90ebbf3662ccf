"""Random and learned projections, and structure fitted to matrices and data."""

from structmat.projections.circulant import circulant_projection
from structmat.projections.fit import fit
from structmat.projections.nearest import nearest

__all__ = ["circulant_projection", "fit", "nearest"]
