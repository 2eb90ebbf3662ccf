"""Tables of hashed vectors."""

import math
from typing import Any

from structmat._backend import Array, as_namespace, device, from_host, namespace, rows, to_host
from structmat.core.fields import checked_size
from structmat.learn.hashing.base import Hash


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
