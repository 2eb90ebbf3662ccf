"""Hashes for angles: sides of hyperplanes, and vertices of the cross-polytope."""

import dataclasses
import math
from types import ModuleType
from typing import ClassVar, Self

from structmat._backend.types import RNG, Array, Device, DType, Namespace
from structmat.core.blocks import vstack
from structmat.core.fields import checked_size
from structmat.learn.hashing.base import Hash, gaussian_products
from structmat.projections.parts import (
    RandomSource,
    checked_sizes,
    hadamard_order,
    pad,
    truncate,
    warn_of_few_rotations,
)


class HyperplaneHash(Hash):
    r"""Hash for angles: the sides of random hyperplanes on which a vector lies.

    .. math:: h_i(x) = [(P x)_i \ge 0].

    Parameters
    ----------
    projection : LinearOperator
        P, real, of shape (n_tables · n_hashes, d). `random` draws one; the functions of `structmat.projections` draw
        others, and `circulant_projection` gives the circulant binary embedding.
    n_tables : int, optional
        Number of tables.

    Attributes
    ----------
    n_hashes : int
        Number of bits of a code.

    Raises
    ------
    ValueError
        The number of rows of P is not a multiple of `n_tables`.

    Notes
    -----
    Two vectors at an angle θ agree in a bit with probability 1 - θ/π exactly, if each row of P is a Gaussian
    vector [1]_; dependence between the rows changes the variance only.

    References
    ----------
    .. [1] M. S. Charikar, "Similarity estimation techniques from rounding algorithms", *STOC* 2002.
    .. [2] A. Dasgupta, R. Kumar and T. Sarlós, "Fast locality-sensitive hashing", *KDD* 2011.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> bits = sm.learn.HyperplaneHash.random(100, n_hashes=8, rng=0)
    >>> x = np.random.default_rng(1).standard_normal(100)
    >>> bits(np.stack([x, 3 * x])).shape, bool(np.all(bits(x) == bits(3 * x)))
    ((2, 1, 8), True)
    """

    _title = "HyperplaneHash"

    @classmethod
    def random(
        cls,
        d: int,
        *,
        n_hashes: int,
        n_tables: int = 1,
        rng: RNG = None,
        dtype: DType = None,
        xp: ModuleType | None = None,
        device: Device = None,
    ) -> Self:
        """Draw hyperplanes by double Hadamard transforms √n H G M H D, as for `DHHash`.

        Parameters
        ----------
        d : int
            Dimension of the vectors.
        n_hashes : int
            Number of bits of a code.
        n_tables : int, optional
            Number of tables.
        rng, dtype, xp, device : optional
            Seed, dtype, library and device of the random arrays; see `structmat.projections`.

        Returns
        -------
        HyperplaneHash
            A hash of cost O(n log n) a vector for each n bits, where n ≥ d is the next order of `Hadamard`.

        Raises
        ------
        ValueError
            d, `n_hashes` or `n_tables` is not a positive int.
        """
        d, n_hashes, n_tables = checked_sizes(cls._title, d=d, n_hashes=n_hashes, n_tables=n_tables)
        source = RandomSource.of(rng, dtype, xp, device)
        return cls(gaussian_products(d, n_tables * n_hashes, source), n_tables=n_tables)

    def collision_probability(self, angle: float) -> float:
        """Return the probability that two vectors agree in a bit.

        Parameters
        ----------
        angle : float
            Angle between them, from 0 to π.

        Returns
        -------
        float
            1 - angle/π.
        """
        return 1 - angle / math.pi

    def _codes(self, xp: Namespace, y: Array) -> Array:
        return xp.astype(y >= 0, xp.int64)


@dataclasses.dataclass(frozen=True)
class CrossPolytopeHash(Hash):
    r"""Hash for angles: the vertex of the cross-polytope nearest to a rotated vector.

    .. math:: h(x) = \arg\max_{0 \le c < 2 n} \begin{pmatrix} P x \\ -P x \end{pmatrix}_c,

    where P is a random rotation: the index of the entry of P x of largest modulus, plus n if this entry is negative.

    Parameters
    ----------
    projection : LinearOperator
        The rotations of all hashes, stacked, real, of shape (n_tables · n_hashes · n, d); `random` draws them as
        `structmat.projections.hd3`.
    vertices : int
        The number n of coordinates of a rotation that are used; codes run from 0 to 2 n - 1.
    n_tables : int, optional
        Number of tables.

    Attributes
    ----------
    n_hashes : int
        Number of integers of a code.

    Raises
    ------
    ValueError
        `vertices` is not a positive int, or the number of rows of P is not a multiple of n_tables · n.

    Notes
    -----
    Cost: O(n log n) a vector and hash.

    For Gaussian rotations two vectors of length 1 at the distance τ, 0 < τ < 2, collide with a probability p that
    satisfies ln 1/p = τ² / (4 - τ²) ln n + O(ln ln n), which is optimal up to lower-order terms [1]_. In practice,
    `hd3` behaves like them for n ≥ 12. For smaller n there are few rotations, and tables are not independent: up to the
    names of vertices they partition space in 1 way for n = 1 and 2, in 3 ways for n = 4 and in 1383 for n = 8. Vectors
    along the axes then collide more often: e1 and a vector at the angle 1.5 in the plane of e1 and e2 with probability
    0.50, 0.38 and 0.14 for n = 2, 4 and 8, instead of 0.05 or less. [2]_ has proofs for a fast variant.

    References
    ----------
    .. [1] A. Andoni, P. Indyk, T. Laarhoven, I. Razenshteyn and L. Schmidt, "Practical and optimal LSH for angular
       distance", *NeurIPS* 2015.
    .. [2] C. Kennedy and R. Ward, "Fast cross-polytope locality-sensitive hashing", *ITCS* 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> vertex = sm.learn.CrossPolytopeHash.random(16, n_hashes=3, rng=0)
    >>> x = np.random.default_rng(1).standard_normal(16)
    >>> np.abs(vertex(x) - vertex(-x))
    array([[16, 16, 16]])
    """

    vertices: int

    _title: ClassVar[str] = "CrossPolytopeHash"

    @property
    def _outputs(self) -> int:
        return checked_size(self._title, "vertices", self.vertices)

    @classmethod
    def random(
        cls,
        d: int,
        *,
        n_hashes: int,
        n_tables: int = 1,
        vertices: int | None = None,
        rng: RNG = None,
        dtype: DType = None,
        xp: ModuleType | None = None,
        device: Device = None,
    ) -> Self:
        """Draw an `hd3` rotation for each hash.

        Parameters
        ----------
        d : int
            Dimension of the vectors.
        n_hashes : int
            Number of integers of a code.
        n_tables : int, optional
            Number of tables.
        vertices : int, optional
            Number of coordinates of a rotation that are used, fewer for a coarser hash; all n unless given, where n ≥ d
            is the next order of `Hadamard`.
        rng, dtype, xp, device : optional
            Seed, dtype, library and device of the random arrays; see `structmat.projections`.

        Returns
        -------
        CrossPolytopeHash
            A hash with n_tables · n_hashes rotations.

        Warns
        -----
        UserWarning
            d ≤ 8.

        Raises
        ------
        ValueError
            d, `n_hashes`, `n_tables` or `vertices` is not a positive int, or there are more vertices than coordinates.
        """
        d, n_hashes, n_tables = checked_sizes(cls._title, d=d, n_hashes=n_hashes, n_tables=n_tables)
        n = hadamard_order(d)
        vertices = n if vertices is None else checked_size(cls._title, "vertices", vertices)
        if vertices > n:
            raise ValueError(f"{cls._title}: vertices is {vertices}; expected at most n = {n}.")
        fault, remedy = "so that tables partition space alike", "`HyperplaneHash`, or dense rotations"
        warn_of_few_rotations(cls._title, d, fault, remedy)
        source = RandomSource.of(rng, dtype, xp, device)
        rotations = [truncate(vertices, n) @ source.rotation(n) for _ in range(n_tables * n_hashes)]
        return cls(vstack(rotations) @ pad(d, n), vertices, n_tables=n_tables)

    def _codes(self, xp: Namespace, y: Array) -> Array:
        pieces = xp.reshape(y, (*y.shape[:-1], y.shape[-1] // self.vertices, self.vertices))
        return xp.argmax(xp.concat((pieces, -pieces), axis=-1), axis=-1)
