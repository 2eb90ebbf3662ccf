"""Estimators for scikit-learn: random projections, random features, binary codes and ridge regression on all shifts."""

from structmat._backend import packages

packages.import_optional("structmat.sklearn", "sklearn", "sklearn")

from structmat.sklearn.embedding import CirculantBinaryEmbedding
from structmat.sklearn.features import StructuredRFF
from structmat.sklearn.projections import CirculantProjection, StructuredProjection
from structmat.sklearn.ridge import CirculantRidge

__all__ = [
    "CirculantBinaryEmbedding",
    "CirculantProjection",
    "CirculantRidge",
    "StructuredProjection",
    "StructuredRFF",
]
