"""Random features: maps whose inner products are kernels on average, through a fast projection."""

from structmat.learn.features.arc_cosine import ArcCosineFeatures
from structmat.learn.features.base import Features
from structmat.learn.features.fourier import FourierFeatures
from structmat.learn.features.kernels import arc_cosine_kernel, gaussian_kernel

__all__ = ["ArcCosineFeatures", "Features", "FourierFeatures", "arc_cosine_kernel", "gaussian_kernel"]
