"""Locality-sensitive hashing: vectors that are near each other get the same code, others seldom do."""

import dataclasses
import math
from types import ModuleType
from typing import Any, ClassVar, Self

from structmat._backend import (
    RNG,
    Array,
    Device,
    DType,
    Namespace,
    as_namespace,
    device,
    dtype_name,
    from_host,
    is_traced,
    namespace,
    rows,
    to_host,
)
from structmat.core.base import LinearOperator
from structmat.core.blocks import vstack
from structmat.core.fields import checked_size
from structmat.operators import Diagonal
from structmat.projections.fastfood import double_hadamard
from structmat.projections.parts import (
    RandomSource,
    checked_sizes,
    hadamard_order,
    pad,
    stack,
    truncate,
    warn_of_few_rotations,
)


@dataclasses.dataclass(frozen=True)
class Hash:
    """Codes from the products of a projection: its outputs in equal shares to the tables, and to their hashes."""

    projection: LinearOperator
    n_tables: int = dataclasses.field(default=1, kw_only=True)

    _title: ClassVar[str] = "Hash"

    def __post_init__(self) -> None:
        share = checked_size(self._title, "n_tables", self.n_tables) * self._outputs
        if self.projection.m % share:
            raise ValueError(
                f"{self._title}: projection is {self.projection._label}; its {self.projection.m} rows must be a "
                f"multiple of {share}, the outputs of one hash a table."
            )

    @property
    def _outputs(self) -> int:
        """Outputs of the projection that make one hash."""
        return 1

    @property
    def n_hashes(self) -> int:
        """Hashes of a table: a vector's code there is a tuple of so many integers."""
        return self.projection.m // (self.n_tables * self._outputs)

    def __call__(self, x: Array) -> Array:
        """Hash vectors.

        Parameters
        ----------
        x : array, shape (..., d)
            Real vectors along the last axis; leading axes are a batch.

        Returns
        -------
        array of int64, shape (..., n_tables, n_hashes)
            Their codes, on x's library and device.

        Raises
        ------
        ValueError
            A product with the projection is NaN or infinite, or for `DHHash` too many buckets from 0 to tell them
            apart. Inside a trace, where values are not known, it goes unnoticed.
        """
        y = checked_finite(self._title, self.projection.matvec(x))
        xp = namespace(y)
        return xp.reshape(self._codes(xp, y), (*y.shape[:-1], self.n_tables, self.n_hashes))

    def _codes(self, xp: Namespace, y: Array) -> Array:
        raise NotImplementedError


def checked_finite(title: str, y: Array) -> Array:
    """Return the products that codes are made from, which must be numbers: there is no code of others."""
    xp = namespace(y)
    if not is_traced(y) and not bool(xp.all(xp.isfinite(y))):
        raise ValueError(
            f"{title}: a product of a vector with the projection is NaN or infinite; expected finite vectors, of less "
            f"length than what overflows."
        )
    return y


def _gaussian_products(d: int, k: int, source: RandomSource) -> LinearOperator:
    """√n H G M H D of Dasgupta et al.: given the rest, the Gaussians G alone make each output a Gaussian of x."""
    n = hadamard_order(d)

    def block(rows: int) -> LinearOperator:
        D, M = source.signs(n), source.permutation(n)
        return double_hadamard(rows, Diagonal(source.normal((n,), n**0.5)), M, D)

    return (stack(k, n, block) @ pad(d, n)).freeze()


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
        rng : int, numpy.random.Generator or None, optional
            Seed or generator; one seed gives the same hash on every backend.
        dtype : dtype or str, optional
            Of the Gaussians; the default of the library unless given.
        xp : module, optional
            Array library, NumPy unless given.
        device : device, optional
            Device of that library.

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
        return cls(_gaussian_products(d, n_tables * n_hashes, source), n_tables=n_tables)

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
class DHHash(Hash):
    r"""Hash for Euclidean distances, by double Hadamard transforms.

    .. math:: h_i(x) = \left\lfloor \frac{(P x)_i + b_i}{w} \right\rfloor, \qquad P = \sqrt n\, H G M H D,

    with random signs D, a random permutation M, standard Gaussians G, the orthogonal Hadamard matrix H of order n, and
    offsets b that are uniform on [0, w).

    Parameters
    ----------
    projection : LinearOperator
        P, of shape (n_tables · n_hashes, d), real; `random` draws the one above.
    offsets : array, shape (n_tables · n_hashes,)
        The offsets b.
    width : float
        The width w of a bucket, more than 0.
    n_tables : int, optional
        Number of tables.

    Attributes
    ----------
    n_hashes : int
        Integers of a code.

    Raises
    ------
    ValueError
        The rows of P are no multiple of `n_tables`, there are not as many offsets, or w is not positive.

    Notes
    -----
    Cost: O(n log n) a vector for each n hashes, in place of O(n d) for dense Gaussian rows. Each (P x)_i is exactly
    Gaussian, so each hash collides as often as the dense one [2]_ does; see `collision_probability`.

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
        """Draw projection and offsets.

        Parameters
        ----------
        d : int
            Dimension of the vectors.
        width : float
            Width of a bucket, some times the distance of near neighbours.
        n_hashes : int
            Integers of a code.
        n_tables : int, optional
            Number of tables.
        rng : int, numpy.random.Generator or None, optional
            Seed or generator; one seed gives the same hash on every backend.
        dtype : dtype or str, optional
            Of Gaussians and offsets; the default of the library unless given.
        xp : module, optional
            Array library, NumPy unless given.
        device : device, optional
            Device of that library.

        Returns
        -------
        DHHash
            With an offset for each hash.

        Raises
        ------
        ValueError
            d, `n_hashes` or `n_tables` is not a positive int, or the width is not positive.
        """
        d, n_hashes, n_tables = checked_sizes(cls._title, d=d, n_hashes=n_hashes, n_tables=n_tables)
        source, k = RandomSource.of(rng, dtype, xp, device), n_tables * n_hashes
        projection = _gaussian_products(d, k, source)
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
            1 - 2 Φ(-t) - 2 (1 - exp(-t²/2)) / (√(2π) t) with t = width / r and the normal distribution function Φ.
        """
        if distance == 0:
            return 1.0
        t = self.width / distance
        return math.erf(t / math.sqrt(2)) + math.sqrt(2 / math.pi) / t * math.expm1(-t * t / 2)

    def _codes(self, xp: Namespace, y: Array) -> Array:
        buckets = xp.floor((y + xp.astype(self.offsets, y.dtype)) / self.width)
        most = 1 / float(xp.finfo(y.dtype).eps)  # from here on a bucket holds one number, or none
        if not is_traced(y) and not bool(xp.all(xp.abs(buckets) < most)):
            raise ValueError(
                f"DHHash: a product of a vector with the projection is {most:.3g} times the width {self.width:g} or "
                f"more, where {dtype_name(y.dtype)} does not tell buckets apart; expected shorter vectors, a larger "
                f"width or more precision."
            )
        return xp.astype(buckets, xp.int64)


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
        rng : int, numpy.random.Generator or None, optional
            Seed or generator; one seed gives the same hash on every backend.
        dtype : dtype or str, optional
            Without effect, as there are no numbers but signs.
        xp : module, optional
            Array library, NumPy unless given.
        device : device, optional
            Device of that library.

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


class HashIndex:
    """Tables of hashed vectors, for near neighbours in less time than looking at all.

    Each table is two plain arrays: the keys of all vectors, sorted, and whose they are. A query looks only at the
    vectors that have its whole code in one table at least.

    Parameters
    ----------
    hash : HyperplaneHash, DHHash or CrossPolytopeHash
        Makes the codes.
    X : array, shape (N, d)
        The vectors to be found; of length 1 where the hash is one for angles.

    Raises
    ------
    ValueError
        X has not two axes, or `hash` refuses it, as it does NaN.

    Notes
    -----
    More hashes a table make candidates fewer, more tables make them more. A key is a polynomial of the code modulo
    2^64: equal codes have equal keys, others so seldom that it costs nothing but a look at one more vector.

    References
    ----------
    .. [1] P. Indyk and R. Motwani, "Approximate nearest neighbors: towards removing the curse of dimensionality",
       *STOC* 1998.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> X = np.random.default_rng(0).standard_normal((1000, 64))
    >>> index = sm.learn.HashIndex(sm.learn.CrossPolytopeHash.random(64, n_hashes=1, n_tables=8, rng=0), X)
    >>> neighbours, distances = index.query(X[:3] + 0.01, 1)
    >>> neighbours
    array([[0],
           [1],
           [2]])
    """

    def __init__(self, hash: Hash, X: Array) -> None:
        if X.ndim != 2:
            raise ValueError(f"HashIndex: X has shape {tuple(X.shape)}; expected (N, d).")
        self.hash, self.X = hash, X
        keys = self._keys(X)
        self._order = keys.argsort(axis=0, kind="stable")
        self._sorted = as_namespace(None).take_along_axis(keys, self._order, axis=0)

    def _keys(self, x: Array) -> Any:
        """One number for the code of each vector in each table, on the host: (N, n_tables)."""
        codes = to_host(self.hash(x)).astype("uint64")
        keys = codes[..., 0]
        for place in range(1, codes.shape[-1]):
            keys = keys * 0x9E3779B97F4A7C15 + codes[..., place]  # Knuth's multiplier, odd and near 2^64 / φ
        return keys

    def candidates(self, x: Array) -> list[Array]:
        """Return the vectors that share a code with each query.

        Parameters
        ----------
        x : array, shape (B, d) or (d,)
            Queries.

        Returns
        -------
        list of array of int64
            For each query the places in X, ascending, as NumPy arrays.
        """
        host = as_namespace(None)
        keys, tables = self._keys(rows(namespace(x), x)), range(self.hash.n_tables)
        spans = [
            [host.searchsorted(self._sorted[:, t], keys[:, t], side=side) for t in tables] for side in ("left", "right")
        ]
        return [
            host.unique(host.concat([self._order[spans[0][t][b] : spans[1][t][b], t] for t in tables]))
            for b in range(keys.shape[0])
        ]

    def query(self, x: Array, k: int) -> tuple[Array, Array]:
        """Find near neighbours.

        Parameters
        ----------
        x : array, shape (..., d)
            Queries.
        k : int
            Neighbours wanted for each.

        Returns
        -------
        neighbours : array of int64, shape (..., k)
            Their places in X, the nearest first; -1 where a query has fewer candidates.
        distances : array, shape (..., k)
            Their Euclidean distances; infinite there.

        Raises
        ------
        ValueError
            k is not a positive int.
        """
        checked_size("HashIndex.query", "k", k)
        xp, host = namespace(x), as_namespace(None)
        queries = rows(xp, x)
        found = self.candidates(queries)
        neighbours = host.full((len(found), k), -1, dtype="int64")
        distances = host.full((len(found), k), math.inf)
        for b, places in enumerate(found):
            near = xp.take(self.X, from_host(places, xp, device=device(self.X)), axis=0)
            lengths = to_host(xp.linalg.vector_norm(near - queries[b, :], axis=-1))
            best = lengths.argsort(kind="stable")[:k]
            neighbours[b, : len(best)], distances[b, : len(best)] = places[best], lengths[best]
        shape = (*x.shape[:-1], k)
        return (
            xp.reshape(from_host(neighbours, xp, device=device(x)), shape),
            xp.reshape(from_host(distances, xp, device=device(x), dtype=x.dtype), shape),
        )
