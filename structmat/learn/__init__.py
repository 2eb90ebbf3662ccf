"""Learning with structured operators: binary embeddings, and regression on all shifts of the data."""

from structmat.learn.embedding import encode, hamming, hamming_neighbors, optimize_embedding
from structmat.learn.ridge import (
    circulant_ridge,
    cyclic_scores,
    gaussian_correlation,
    kernel_circulant_ridge,
    kernel_cyclic_scores,
)

__all__ = [
    "circulant_ridge",
    "cyclic_scores",
    "encode",
    "gaussian_correlation",
    "hamming",
    "hamming_neighbors",
    "kernel_circulant_ridge",
    "kernel_cyclic_scores",
    "optimize_embedding",
]
