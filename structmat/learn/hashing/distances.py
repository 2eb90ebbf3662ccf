"""Hash for Euclidean distances."""

import dataclasses
import math
from types import ModuleType
from typing import ClassVar, Self

from structmat._backend import dtypes, tracing
from structmat._backend.types import RNG, Array, Device, DType, Namespace
from structmat.learn.hashing.base import Hash, gaussian_products
from structmat.projections.parts import RandomSource, checked_sizes


@dataclasses.dataclass(frozen=True)
class DHHash(Hash):
    r"""Hash for Euclidean distances, by double Hadamard transforms.

    .. math:: h_i(x) = \left\lfloor \frac{(P x)_i + b_i}{w} \right\rfloor, \qquad P = \sqrt n\, H G M H D,

    with random signs D, a random permutation M, standard Gaussians G, the orthogonal Hadamard matrix H of order n, and
    offsets b that are uniform on [0, w).

    Parameters
    ----------
    projection : LinearOperator
        P, real, of shape (n_tables · n_hashes, d); `random` draws it as above.
    offsets : array, shape (n_tables · n_hashes,)
        The offsets b.
    width : float
        The width w > 0 of a bucket.
    n_tables : int, optional
        Number of tables.

    Attributes
    ----------
    n_hashes : int
        Number of integers of a code.

    Raises
    ------
    ValueError
        The number of rows of P is not a multiple of `n_tables`, or not the number of offsets, or w is not positive.

    Notes
    -----
    Cost: O(n log n) a vector for each n hashes, instead of O(n d) for dense Gaussian rows. Each (P x)_i is exactly
    Gaussian, so collisions are as probable as for dense rows [2]_; see `collision_probability`.

    References
    ----------
    .. [1] A. Dasgupta, R. Kumar and T. Sarlós, "Fast locality-sensitive hashing", *KDD* 2011.
    .. [2] M. Datar, N. Immorlica, P. Indyk and V. S. Mirrokni, "Locality-sensitive hashing scheme based on p-stable
       distributions", *SoCG* 2004.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> buckets = sm.learn.DHHash.random(100, width=4.0, n_hashes=8, n_tables=2, rng=0)
    >>> buckets(np.zeros((5, 100))).shape
    (5, 2, 8)
    """

    offsets: Array
    width: float

    _title: ClassVar[str] = "DHHash"

    def __post_init__(self) -> None:
        super().__post_init__()
        if tuple(self.offsets.shape) != (self.projection.m,):
            raise ValueError(f"DHHash: offsets has shape {tuple(self.offsets.shape)}; expected ({self.projection.m},).")
        if not self.width > 0:
            raise ValueError(f"DHHash: width is {self.width!r}; expected more than 0.")

    @classmethod
    def random(
        cls,
        d: int,
        *,
        width: float,
        n_hashes: int,
        n_tables: int = 1,
        rng: RNG = None,
        dtype: DType = None,
        xp: ModuleType | None = None,
        device: Device = None,
    ) -> Self:
        """Draw the projection and the offsets.

        Parameters
        ----------
        d : int
            Dimension of the vectors.
        width : float
            Width of a bucket, a small multiple of the distance of near neighbours.
        n_hashes : int
            Number of integers of a code.
        n_tables : int, optional
            Number of tables.
        rng, dtype, xp, device : optional
            Seed, dtype, library and device of the random arrays; see `structmat.projections`.

        Returns
        -------
        DHHash
            A hash with an offset for each row of its projection.

        Raises
        ------
        ValueError
            d, `n_hashes` or `n_tables` is not a positive int, or the width is not positive.
        """
        d, n_hashes, n_tables = checked_sizes(cls._title, d=d, n_hashes=n_hashes, n_tables=n_tables)
        source, k = RandomSource.of(rng, dtype, xp, device), n_tables * n_hashes
        projection = gaussian_products(d, k, source)
        return cls(projection, source.array(source.rng.random(k) * width), width, n_tables=n_tables)

    def collision_probability(self, distance: float) -> float:
        """Return the probability that two vectors agree in one hash.

        Parameters
        ----------
        distance : float
            Their distance r.

        Returns
        -------
        float
            1 - 2 Φ(-t) - 2 (1 - exp(-t²/2)) / (√(2π) t), with t = width / r and the normal distribution function Φ.
        """
        if distance == 0:
            return 1.0
        t = self.width / distance
        return math.erf(t / math.sqrt(2)) + math.sqrt(2 / math.pi) / t * math.expm1(-t * t / 2)

    def _codes(self, xp: Namespace, y: Array) -> Array:
        buckets = xp.floor((y + xp.astype(self.offsets, y.dtype)) / self.width)
        most = 1 / float(xp.finfo(y.dtype).eps)  # from here on, a bucket has at most one number of the dtype
        if not tracing.is_traced(y) and not bool(xp.all(xp.abs(buckets) < most)):
            raise ValueError(
                f"DHHash: a product of a vector with the projection is {most:.3g} times the width {self.width:g} or "
                f"more, where {dtypes.name(y.dtype)} does not separate buckets; expected shorter vectors, a larger "
                f"width or higher precision."
            )
        return xp.astype(buckets, xp.int64)
