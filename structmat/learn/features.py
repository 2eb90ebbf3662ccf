"""Random features: maps whose inner products are kernels on average, through a fast projection."""

import dataclasses
import math
from collections.abc import Sequence
from types import ModuleType
from typing import Any, ClassVar, Self

from structmat._backend import (
    RNG,
    Array,
    Device,
    DType,
    Namespace,
    as_namespace,
    astype,
    dtype_name,
    is_array,
    is_complex,
    is_traced,
    namespace,
    pad,
)
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_floating
from structmat.projections.kinds import GAUSSIAN, Draw, chosen
from structmat.projections.parts import RandomSource, checked_sizes, warn_of_few_rotations


@dataclasses.dataclass(frozen=True)
class Features:
    """A function of each product with a projection, and its gradients."""

    projection: LinearOperator

    _title: ClassVar[str] = "Features"

    @property
    def n_features(self) -> int:
        """Features of a vector."""
        return self.projection.m

    @property
    def params(self) -> tuple[Array, ...]:
        """The parameters of the projection."""
        return self.projection.params

    def with_params(self, params: Sequence[Array]) -> Self:
        """Return the same map with other parameters.

        Parameters
        ----------
        params : sequence of array
            As ``params``.

        Returns
        -------
        Features
            Of the same kind.
        """
        return dataclasses.replace(self, projection=self.projection.with_params(params))

    def __call__(self, x: Array) -> Array:
        """Map vectors.

        Parameters
        ----------
        x : array, shape (..., d)
            Real vectors along the last axis; leading axes are a batch.

        Returns
        -------
        array, shape (..., n_features)
            Their features.
        """
        y = self.projection.matvec(x)
        return self._map(namespace(y), y)[0]

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Map vectors, and keep what `backward` needs.

        Parameters
        ----------
        x : array, shape (..., d)
            Real vectors.

        Returns
        -------
        z : array, shape (..., n_features)
            Their features.
        saved : object
            For `backward`.
        """
        y, saved = self.projection.forward(x)
        z, kept = self._map(namespace(y), y)
        return z, (saved, kept)

    def backward(self, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        """Return the gradients of a scalar whose gradient with respect to the features is given.

        Parameters
        ----------
        saved : object
            From `forward`.
        g : array, shape (..., n_features)
            That gradient.

        Returns
        -------
        dx : array, shape (..., d)
            Gradient with respect to the vectors.
        grads : tuple of array
            With respect to each of ``params``, summed over the batch.
        """
        products, kept = saved
        return self.projection.backward(products, self._pull(namespace(g), kept, g))

    def _map(self, xp: Namespace, y: Array) -> tuple[Array, Any]:
        """Features of products, and what the gradient needs."""
        raise NotImplementedError

    def _pull(self, xp: Namespace, kept: Any, g: Array) -> Array:
        """Gradient with respect to the products."""
        raise NotImplementedError


_BIASED = "so that products of features are biased"


def _gaussian_rows(draw: Draw, d: int, k: int, source: RandomSource) -> LinearOperator:
    """Draw k rows that are like standard Gaussian vectors."""
    P = draw(d, k, rng=source.rng, dtype=source.dtype, xp=source.xp, device=source.device)
    return math.sqrt(k) * P


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
        rng : int, numpy.random.Generator or None, optional
            Seed or generator; one seed gives the same features on every backend.
        dtype : dtype or str, optional
            Of what is drawn; the default of the library unless given.
        xp : module, optional
            Array library, NumPy unless given.
        device : device, optional
            Device of that library.

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
        draw = chosen(cls._title, kind, GAUSSIAN)
        if kind == "sorf":
            warn_of_few_rotations(cls._title, d, _BIASED, "another kind, such as 'circulant'")
        W = scale * _gaussian_rows(draw, d, k, source)
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


@dataclasses.dataclass(frozen=True)
class ArcCosineFeatures(Features):
    r"""Random features of the arc-cosine kernels of order 0 and 1: a layer of steps or of rectified linear units.

    .. math::

       z(x) = \sqrt{\tfrac 2 n}\, \Theta(W x)\, (W x)^p, \qquad
       \mathbb E\, z(x)^T z(y) = \begin{cases} 1 - \theta / \pi, & p = 0, \\
       \|x\| \|y\|\, (\sin \theta + (\pi - \theta) \cos \theta) / \pi, & p = 1, \end{cases}

    where Θ is 1 for numbers of more than 0 and 0 for others, θ the angle between x and y, and the rows of W have the
    distribution N(0, I).

    Parameters
    ----------
    projection : LinearOperator
        W, of shape (n, d), real; `random` draws one of a fast kind.
    order : {0, 1}, optional
        The order p.

    Attributes
    ----------
    n_features : int
        The rows n of W.
    params : tuple of array
        The parameters of W.

    Raises
    ------
    ValueError
        The order is neither 0 nor 1.

    Notes
    -----
    Cost: one product with W.

    Gradient: for order 1 as that of a layer; zero for order 0, whose steps are constant almost everywhere.

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
        _checked_order(self._title, self.order)

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
            Features n.
        order : {0, 1}, optional
            The order p.
        kind : {"circulant", "fastfood", "gaussian", "sorf", "toeplitz"}, optional
            The projection of `structmat.projections` that W is a multiple of. "gaussian" is dense.
        rng : int, numpy.random.Generator or None, optional
            Seed or generator; one seed gives the same features on every backend.
        dtype : dtype or str, optional
            Of what is drawn; the default of the library unless given.
        xp : module, optional
            Array library, NumPy unless given.
        device : device, optional
            Device of that library.

        Returns
        -------
        ArcCosineFeatures
            With the parameters of that projection.

        Warns
        -----
        UserWarning
            The kind is "sorf" and d is 8 or less.

        Raises
        ------
        ValueError
            d or `n_features` is not a positive int, or `order` or `kind` is unknown.
        """
        d, n_features = checked_sizes(cls._title, d=d, n_features=n_features)
        draw = chosen(cls._title, kind, GAUSSIAN)
        if kind == "sorf":
            warn_of_few_rotations(cls._title, d, _BIASED, "another kind, such as 'circulant'")
        return cls(_gaussian_rows(draw, d, n_features, RandomSource.of(rng, dtype, xp, device)), order)

    @property
    def _scale(self) -> float:
        return math.sqrt(2 / self.n_features)

    def _map(self, xp: Namespace, y: Array) -> tuple[Array, Any]:
        positive = astype(xp, y > 0, y.dtype)
        return (positive * y if self.order else positive) * self._scale, positive

    def _pull(self, xp: Namespace, kept: Any, g: Array) -> Array:
        return g * kept * (self._scale * self.order)


def gaussian_kernel(x: Array, y: Array, *, gamma: float) -> Array:
    r"""Gaussian kernel of all pairs of vectors, :math:`e^{-\gamma \|x_i - y_j\|^2}`.

    Parameters
    ----------
    x : array, shape (..., M, d)
        Vectors as rows.
    y : array, shape (..., N, d)
        Others.
    gamma : float
        The kernel's γ.

    Returns
    -------
    array, shape (..., M, N)
        The kernel matrix.

    Raises
    ------
    ValueError
        γ is not positive and finite, or x and y are not rows of one length.
    TypeError
        x or y is no array, has no real floating dtype, or they belong to two libraries.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.learn.gaussian_kernel(np.asarray([[0.0], [1.0]]), np.asarray([[0.0]]), gamma=np.log(2))
    array([[1. ],
           [0.5]])
    """
    if not (is_array(gamma) and is_traced(gamma)) and not 0 < gamma < math.inf:
        raise ValueError(f"gaussian_kernel: gamma is {gamma!r}; expected a finite number of more than 0.")
    xp, (x, y) = _checked_vectors("gaussian_kernel", x, y)
    # squared lengths are to be no larger than distances, or these would be lost in their rounding
    centre = xp.sum(y, axis=-2, keepdims=True) / max(1, y.shape[-2])
    products, squares_x, squares_y = _gram(xp, x - centre, y - centre)
    distances = squares_x + squares_y - 2 * products
    return xp.exp(-gamma * xp.where(distances > 0, distances, 0))


def arc_cosine_kernel(x: Array, y: Array, *, order: int = 1) -> Array:
    """Arc-cosine kernel of all pairs of vectors; see `ArcCosineFeatures`.

    Parameters
    ----------
    x : array, shape (..., M, d)
        Vectors as rows; not zero for order 0.
    y : array, shape (..., N, d)
        Others.
    order : {0, 1}, optional
        The order.

    Returns
    -------
    array, shape (..., M, N)
        The kernel matrix.

    Raises
    ------
    ValueError
        The order is neither 0 nor 1, or x and y are not rows of one length.
    TypeError
        x or y is no array, has no real floating dtype, or they belong to two libraries.

    References
    ----------
    .. [1] Y. Cho and L. K. Saul, "Kernel methods for deep learning", *NeurIPS* 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.learn.arc_cosine_kernel(np.asarray([[3.0, 0.0]]), np.asarray([[2.0, 0.0], [0.0, 2.0]]), order=0)
    array([[1. , 0.5]])
    """
    _checked_order("arc_cosine_kernel", order)
    xp, (x, y) = _checked_vectors("arc_cosine_kernel", x, y)
    products, squares_x, squares_y = _gram(xp, x, y)
    lengths = xp.sqrt(squares_x * squares_y)
    cosine = products / xp.where(lengths > 0, lengths, 1)
    cosine = xp.where(cosine > 1, 1, xp.where(cosine < -1, -1, cosine))
    angle = xp.acos(cosine)
    if order == 0:
        return 1 - angle / math.pi
    return lengths * (xp.sin(angle) + (math.pi - angle) * cosine) / math.pi


def _checked_vectors(title: str, x: Array, y: Array) -> tuple[Namespace, list[Array]]:
    """Check two sets of vectors, and bring half precision to single."""
    xp, found = checked_floating(title, x=x, y=y)
    for name, array in (("x", x), ("y", y)):
        if is_complex(xp, array.dtype):
            raise TypeError(f"{title}: {name} is complex; expected real vectors.")
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"{title}: x has shape {tuple(x.shape)}, y {tuple(y.shape)}; expected (..., M, d) and (..., N, d)."
        )
    return xp, found


def _gram(xp: Namespace, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Inner products of all pairs of rows, and squared lengths to go with them."""
    squares = xp.sum(x * x, axis=-1)[..., :, None], xp.sum(y * y, axis=-1)[..., None, :]
    return xp.matmul(x, xp.matrix_transpose(y)), *squares


def _checked_order(title: str, order: int) -> None:
    if order not in (0, 1):
        raise ValueError(f"{title}: order is {order!r}; expected 0 or 1.")
