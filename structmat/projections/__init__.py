"""Random and learned projections: functions that return compositions of operators."""

from structmat.projections.circulant import circulant_projection

__all__ = ["circulant_projection"]
