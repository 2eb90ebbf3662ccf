"""Algorithms on data that structured operators make fast; they need no framework."""

from structmat.learn.compact import CompactMap
from structmat.learn.embedding import encode, hamming, hamming_neighbors, optimize_embedding
from structmat.learn.features import ArcCosineFeatures, FourierFeatures, arc_cosine_kernel, gaussian_kernel
from structmat.learn.hashing import CrossPolytopeHash, DHHash, HashIndex, HyperplaneHash
from structmat.learn.kernel_ridge import gaussian_correlation, kernel_circulant_ridge, kernel_cyclic_scores
from structmat.learn.ridge import circulant_ridge, cyclic_scores

__all__ = [
    "ArcCosineFeatures",
    "CompactMap",
    "CrossPolytopeHash",
    "DHHash",
    "FourierFeatures",
    "HashIndex",
    "HyperplaneHash",
    "arc_cosine_kernel",
    "circulant_ridge",
    "cyclic_scores",
    "encode",
    "gaussian_correlation",
    "gaussian_kernel",
    "hamming",
    "hamming_neighbors",
    "kernel_circulant_ridge",
    "kernel_cyclic_scores",
    "optimize_embedding",
]
