"""Random Fourier features of the Gaussian kernel."""

import dataclasses
import math
from types import ModuleType
from typing import Any, Self

from structmat._backend import RNG, Array, Device, DType, Namespace, as_namespace, astype, dtype_name, pad
from structmat.learn.features.base import Features, gaussian_rows
from structmat.projections.parts import RandomSource, checked_sizes


@dataclasses.dataclass(frozen=True)
class FourierFeatures(Features):
    r"""Random Fourier features of the Gaussian kernel, in pairs.

    .. math::

       z(x) = \sqrt{\tfrac 2 n} \begin{pmatrix} \cos W x \\ \sin W x \end{pmatrix}, \qquad
       \mathbb E\, z(x)^T z(y) = e^{-\gamma \|x - y\|^2},

    for rows w of W with the distribution N(0, 2 γ I) [1]_. An odd n gives the last row its cosine only, with a random
    phase. Circulant W were taken for such maps in [3]_.

    Parameters
    ----------
    projection : LinearOperator
        W, of shape (k, d), real; `random` draws one of a fast kind.
    phase : array, shape (k,), optional
        Added to W x: zeros and, last, a phase that is uniform on [0, 2π). Its row then gives no sine.

    Attributes
    ----------
    n_features : int
        n = 2 k, or 2 k - 1 with a phase.
    params : tuple of array
        The parameters of W.

    Notes
    -----
    Cost: one product with W, of k = n/2 rows, and n evaluations of cosine or sine.

    Pairs are taken, and not √(2/n) cos(W x + b) with n rows and phases b, since they need half the product, have no
    phases to keep, give z(x)^T z(x) = 1 exactly, and have the smaller variance for n features at every bandwidth of the
    Gaussian kernel [2]_.

    The variance of z(x)^T z(y) is (1 - K²)² / n for independent rows [2]_, where K is the kernel. Rows of a circulant
    matrix share their numbers, which adds (2 K ln K)² / n for k ≥ d ≫ 1 and less for k < d: never more than as much
    again. Those of "sorf" are orthogonal and have less [4]_. Their mean is within 1 / d of the kernel for d of 9 and
    more and distances that it is not zero at; for d of 8 and less it may be off by 0.45 to 1, and `random` warns. See
    `structmat.projections.sorf`.

    Gradient: `forward` and `backward` lead from z to x and to the parameters of W.

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
        """Features of a vector."""
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
            Features n.
        gamma : float
            The kernel's γ, more than 0: 1 / (2 σ²) for the bandwidth σ.
        kind : {"circulant", "fastfood", "gaussian", "sorf", "toeplitz"}, optional
            The projection of `structmat.projections` that W is a multiple of. "gaussian" is dense.
        rng, dtype, xp, device : optional
            Seed, dtype, library and device of the random arrays; see `structmat.projections`.

        Returns
        -------
        FourierFeatures
            With the parameters of that projection.

        Warns
        -----
        UserWarning
            The kind is "sorf" and d is 8 or less.

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
        scale, limits = math.sqrt(2) * math.sqrt(gamma), as_namespace(xp).finfo(source.dtype)
        if not float(limits.smallest_normal) <= scale <= float(limits.max):
            raise ValueError(
                f"{cls._title}: gamma is {gamma!r}, whose square root {dtype_name(source.dtype)} does not hold; scale "
                f"the vectors, or take a dtype of more range."
            )
        W = scale * gaussian_rows(cls._title, kind, d, k, source)
        if n_features % 2 == 0:
            return cls(W)
        phase = source.rng.uniform(0, 2 * math.pi, k)
        phase[:-1] = 0
        return cls(W, source.array(phase))

    def _map(self, xp: Namespace, y: Array) -> tuple[Array, Any]:
        if self.phase is not None:
            y = y + astype(xp, self.phase, y.dtype)
        cos, sin = xp.cos(y), xp.sin(y)
        n, k = self.n_features, self.projection.m
        return xp.concat((cos, sin[..., : n - k]), axis=-1) * math.sqrt(2 / n), (cos, sin)

    def _pull(self, xp: Namespace, kept: Any, g: Array) -> Array:
        (cos, sin), k = kept, self.projection.m
        return (pad(xp, g[..., k:], 0, 2 * k - self.n_features) * cos - g[..., :k] * sin) * math.sqrt(
            2 / self.n_features
        )
