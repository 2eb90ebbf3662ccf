"""Random features of the arc-cosine kernels."""

import dataclasses
import math
from types import ModuleType
from typing import Any, Self

from structmat._backend import dtypes
from structmat._backend.types import RNG, Array, Device, DType, Namespace
from structmat.learn.features.base import Features, gaussian_rows
from structmat.learn.features.kernels import checked_order
from structmat.projections.parts import RandomSource, checked_sizes


@dataclasses.dataclass(frozen=True)
class ArcCosineFeatures(Features):
    r"""Random features of the arc-cosine kernels of order 0 and 1: a layer of step functions or of ReLUs.

    .. math::

       z(x) = \sqrt{\tfrac 2 n}\, \Theta(W x)\, (W x)^p, \qquad
       \mathbb E\, z(x)^T z(y) = \begin{cases} 1 - \theta / \pi, & p = 0, \\
       \|x\| \|y\|\, (\sin \theta + (\pi - \theta) \cos \theta) / \pi, & p = 1, \end{cases}

    where Θ is 1 for positive numbers and 0 otherwise, θ is the angle between x and y, and the rows of W have the
    distribution N(0, I).

    Parameters
    ----------
    projection : LinearOperator
        W, real, of shape (n, d); `random` draws a structured one.
    order : {0, 1}, optional
        The order p.

    Attributes
    ----------
    n_features : int
        The number n of rows of W.
    params : tuple of array
        The parameters of W.

    Raises
    ------
    ValueError
        The order is neither 0 nor 1.

    Notes
    -----
    Cost: one product with W.

    Gradient: for order 1 as of a ReLU layer; zero for order 0, whose features are piecewise constant.

    References
    ----------
    .. [1] Y. Cho and L. K. Saul, "Kernel methods for deep learning", *NeurIPS* 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> features = sm.learn.ArcCosineFeatures.random(64, 4096, order=1, rng=0)
    >>> x = np.random.default_rng(1).standard_normal((3, 64)) / 8
    >>> z = features(x)
    >>> bool(np.max(np.abs(z @ z.T - sm.learn.arc_cosine_kernel(x, x, order=1))) < 0.1)
    True
    """

    order: int = 1

    _title = "ArcCosineFeatures"

    def __post_init__(self) -> None:
        checked_order(self._title, self.order)

    @classmethod
    def random(
        cls,
        d: int,
        n_features: int,
        *,
        order: int = 1,
        kind: str = "circulant",
        rng: RNG = None,
        dtype: DType = None,
        xp: ModuleType | None = None,
        device: Device = None,
    ) -> Self:
        """Draw W.

        Parameters
        ----------
        d : int
            Dimension of the vectors.
        n_features : int
            Number n of features.
        order : {0, 1}, optional
            The order p.
        kind, rng, dtype, xp, device : optional
            As for `FourierFeatures.random`.

        Returns
        -------
        ArcCosineFeatures
            Features with the parameters of the projection.

        Warns
        -----
        UserWarning
            `kind` is "sorf" and d ≤ 8.

        Raises
        ------
        ValueError
            d or `n_features` is not a positive int, or `order` or `kind` is unknown.
        """
        d, n_features = checked_sizes(cls._title, d=d, n_features=n_features)
        source = RandomSource.of(rng, dtype, xp, device)
        return cls(gaussian_rows(cls._title, kind, d, n_features, source), order)

    @property
    def _scale(self) -> float:
        return math.sqrt(2 / self.n_features)

    def _map(self, xp: Namespace, y: Array) -> tuple[Array, Any]:
        positive = dtypes.astype(xp, y > 0, y.dtype)
        return (positive * y if self.order else positive) * self._scale, positive

    def _pull(self, xp: Namespace, residuals: Any, g: Array) -> Array:
        return g * residuals * (self._scale * self.order)
