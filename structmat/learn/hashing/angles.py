"""Hashes for angles: sides of hyperplanes, and vertices of the cross-polytope."""

import dataclasses
import math
from types import ModuleType
from typing import ClassVar, Self

from structmat._backend import RNG, Array, Device, DType, Namespace
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
    r"""Hash for angles: on which side of random hyperplanes a vector lies.

    .. math:: h_i(x) = [(P x)_i \ge 0].

    Parameters
    ----------
    projection : LinearOperator
        P, of shape (n_tables · n_hashes, d), real. `random` draws one; any of `structmat.projections` will do, and a
        circulant one gives the circulant binary embedding.
    n_tables : int, optional
        Number of tables.

    Attributes
    ----------
    n_hashes : int
        Bits of a code.

    Raises
    ------
    ValueError
        The rows of P are no multiple of `n_tables`.

    Notes
    -----
    Two vectors at an angle θ agree in a bit with probability 1 - θ/π, exactly, if each row of P is a Gaussian vector
    by itself [1]_; that bits share their random numbers changes the variance only.

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
        """Draw the hyperplanes, as double Hadamard transforms √n H G M H D.

        Parameters
        ----------
        d : int
            Dimension of the vectors.
        n_hashes : int
            Bits of a code.
        n_tables : int, optional
            Number of tables.
        rng, dtype, xp, device : optional
            Seed, dtype, library and device of the random arrays; see `structmat.projections`.

        Returns
        -------
        HyperplaneHash
            Of cost O(n log n) a vector for each n bits, n ≥ d the next order of `Hadamard`.

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
    r"""Hash for angles: the vertex of the cross-polytope that a rotated vector is nearest to.

    .. math:: h(x) = \arg\max_{0 \le c < 2 n} \begin{pmatrix} P x \\ -P x \end{pmatrix}_c,

    where P is a random rotation: the coordinate of the largest modulus, and n more if it is negative.

    Parameters
    ----------
    projection : LinearOperator
        The rotations of all hashes on top of each other, of shape (n_tables · n_hashes · n, d), real; `random` draws
        them as `structmat.projections.hd3`.
    vertices : int
        The coordinates n of one rotation that are looked at; codes run from 0 to 2 n - 1.
    n_tables : int, optional
        Number of tables.

    Attributes
    ----------
    n_hashes : int
        Integers of a code.

    Raises
    ------
    ValueError
        `vertices` is not a positive int, or the rows of P are no multiple of n_tables · n.

    Notes
    -----
    Cost: O(n log n) a vector and hash.

    For Gaussian rotations two vectors of length 1 at the distance τ, 0 < τ < 2, collide with a probability p that
    satisfies ln 1/p = τ² / (4 - τ²) ln n + O(ln ln n), which is optimal up to lower terms [1]_. That `hd3` behaves like
    them is seen in practice for n of 12 and more. For smaller n there are few rotations, and tables are no longer
    independent: up to the names of vertices they cut space in 1 way for n = 1 and 2, in 3 ways for n = 4 and in 1383
    for n = 8. Vectors along the axes then collide more often: e1 and one at the angle 1.5 in the plane of e1 and e2
    with probability 0.50, 0.38 and 0.14 for n = 2, 4 and 8, in the place of 0.05 and less. A fast variant is proved
    in [2]_.

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
            Integers of a code.
        n_tables : int, optional
            Number of tables.
        vertices : int, optional
            How many coordinates of a rotation are looked at; all n unless given, n ≥ d the next order of `Hadamard`.
            Fewer make a coarser hash.
        rng, dtype, xp, device : optional
            Seed, dtype, library and device of the random arrays; see `structmat.projections`.
            `dtype` has no effect: signs and indices have dtypes of their own, and products have the dtype of x.

        Returns
        -------
        CrossPolytopeHash
            With n_tables · n_hashes rotations.

        Warns
        -----
        UserWarning
            d is 8 or less.

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
        fault, remedy = "so that tables cut space in like ways", "`HyperplaneHash`, or dense rotations"
        warn_of_few_rotations(cls._title, d, fault, remedy)
        source = RandomSource.of(rng, dtype, xp, device)
        rotations = [truncate(vertices, n) @ source.rotation(n) for _ in range(n_tables * n_hashes)]
        return cls(vstack(rotations) @ pad(d, n), vertices, n_tables=n_tables)

    def _codes(self, xp: Namespace, y: Array) -> Array:
        pieces = xp.reshape(y, (*y.shape[:-1], y.shape[-1] // self.vertices, self.vertices))
        return xp.argmax(xp.concat((pieces, -pieces), axis=-1), axis=-1)
