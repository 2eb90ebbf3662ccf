"""Random Fourier features of the Gaussian kernel."""

import dataclasses
import math
from types import ModuleType
from typing import Any, Self

from structmat._backend import dtypes, namespaces, ops
from structmat._backend.types import RNG, Array, Device, DType, Namespace
from structmat.learn.features.base import Features, gaussian_rows
from structmat.projections.parts import RandomSource, checked_sizes


@dataclasses.dataclass(frozen=True)
class FourierFeatures(Features):
    r"""Random Fourier features of the Gaussian kernel, in pairs.

    .. math::

       z(x) = \sqrt{\tfrac 2 n} \begin{pmatrix} \cos W x \\ \sin W x \end{pmatrix}, \qquad
       \mathbb E\, z(x)^T z(y) = e^{-\gamma \|x - y\|^2},

    where the rows of W have the distribution N(0, 2 γ I) [1]_. For odd n the last row has a cosine only, with a random
    phase. [3]_ uses a circulant W.

    Parameters
    ----------
    projection : LinearOperator
        W, real, of shape (k, d); `random` draws a structured one.
    phase : array, shape (k,), optional
        Added to W x: zeros, and a last entry that is uniform on [0, 2π), whose row has no sine.

    Attributes
    ----------
    n_features : int
        n = 2 k, or 2 k - 1 with a phase.
    params : tuple of array
        The parameters of W.

    Notes
    -----
    Cost: one product with W, of k = n/2 rows, and n evaluations of cosine or sine.

    Compared with √(2/n) cos(W x + b) with n rows and phases b, pairs need half the product and no phases, give
    z(x)^T z(x) = 1 exactly, and have the smaller variance for n features at every bandwidth of the Gaussian
    kernel [2]_.

    The variance of z(x)^T z(y) is (1 - K²)² / n for independent rows [2]_, where K is the kernel. Rows of a circulant
    matrix are dependent, which adds (2 K ln K)² / n for k ≥ d ≫ 1 and less for k < d, so the variance at most doubles.
    Rows of "sorf" are orthogonal and have a smaller variance [4]_. Their mean is within 1 / d of the kernel for d ≥ 9
    and distances at which it is not zero; for d ≤ 8 the error may be 0.45 to 1, and `random` warns. See
    `structmat.projections.sorf`.

    Gradient: `forward` and `backward` give it with respect to x and the parameters of W.

    References
    ----------
    .. [1] A. Rahimi and B. Recht, "Random features for large-scale kernel machines", *NeurIPS* 2007.
    .. [2] D. J. Sutherland and J. Schneider, "On the error of random Fourier features", *UAI* 2015.
    .. [3] F. X. Yu, S. Kumar, H. Rowley and S.-F. Chang, "Compact nonlinear maps and circulant extensions",
       arXiv 1503.03893, 2015.
    .. [4] F. X. Yu, A. T. Suresh, K. Choromanski, D. Holtmann-Rice and S. Kumar, "Orthogonal random features",
       *NeurIPS* 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> features = sm.learn.FourierFeatures.random(64, 4096, gamma=0.01, rng=0)
    >>> x = np.random.default_rng(1).standard_normal((3, 64))
    >>> z = features(x)
    >>> bool(np.max(np.abs(z @ z.T - sm.learn.gaussian_kernel(x, x, gamma=0.01))) < 0.05)
    True
    """

    phase: Array | None = None

    _title = "FourierFeatures"

    def __post_init__(self) -> None:
        if self.phase is not None and tuple(self.phase.shape) != (self.projection.m,):
            raise ValueError(
                f"FourierFeatures: phase has shape {tuple(self.phase.shape)}; expected ({self.projection.m},)."
            )

    @property
    def n_features(self) -> int:
        """Number of features."""
        return 2 * self.projection.m - (self.phase is not None)

    @classmethod
    def random(
        cls,
        d: int,
        n_features: int,
        *,
        gamma: float,
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
        gamma : float
            γ > 0 of the kernel: 1 / (2 σ²) for the bandwidth σ.
        kind : {"circulant", "fastfood", "gaussian", "sorf", "toeplitz"}, optional
            The projection of `structmat.projections` that W is a multiple of. "gaussian" is dense.
        rng, dtype, xp, device : optional
            Seed, dtype, library and device of the random arrays; see `structmat.projections`.

        Returns
        -------
        FourierFeatures
            Features with the parameters of the projection.

        Warns
        -----
        UserWarning
            `kind` is "sorf" and d ≤ 8.

        Raises
        ------
        ValueError
            d or `n_features` is not a positive int, γ is not positive and finite, its square root over- or underflows
            in the dtype, or `kind` is unknown.
        """
        d, n_features = checked_sizes(cls._title, d=d, n_features=n_features)
        if not 0 < gamma < math.inf:
            raise ValueError(f"{cls._title}: gamma is {gamma!r}; expected a finite number of more than 0.")
        source, k = RandomSource.of(rng, dtype, xp, device), (n_features + 1) // 2
        scale, limits = math.sqrt(2) * math.sqrt(gamma), namespaces.resolve(xp).finfo(source.dtype)
        if not float(limits.smallest_normal) <= scale <= float(limits.max):
            raise ValueError(
                f"{cls._title}: gamma is {gamma!r}, whose square root {dtypes.name(source.dtype)} does not represent; "
                f"scale the vectors, or use a dtype of larger range."
            )
        W = scale * gaussian_rows(cls._title, kind, d, k, source)
        if n_features % 2 == 0:
            return cls(W)
        phase = source.rng.uniform(0, 2 * math.pi, k)
        phase[:-1] = 0
        return cls(W, source.array(phase))

    def _map(self, xp: Namespace, y: Array) -> tuple[Array, Any]:
        if self.phase is not None:
            y = y + dtypes.astype(xp, self.phase, y.dtype)
        cos, sin = xp.cos(y), xp.sin(y)
        n, k = self.n_features, self.projection.m
        return xp.concat((cos, sin[..., : n - k]), axis=-1) * math.sqrt(2 / n), (cos, sin)

    def _pull(self, xp: Namespace, residuals: Any, g: Array) -> Array:
        (cos, sin), n, k = residuals, self.n_features, self.projection.m
        return (ops.pad(xp, g[..., k:], 0, 2 * k - n) * cos - g[..., :k] * sin) * math.sqrt(2 / n)
