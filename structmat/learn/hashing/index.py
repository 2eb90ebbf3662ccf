"""Search for near neighbours in tables of hashed vectors."""

import math
from typing import Any

from structmat._backend import devices, namespaces, ops
from structmat._backend.types import Array
from structmat.core.fields import checked_size
from structmat.learn.hashing.base import Hash


class HashIndex:
    """Tables of hashed vectors, to find near neighbours without comparing with all vectors.

    A table has two arrays: the sorted keys of all vectors, and the indices of these vectors. A query is compared only
    with vectors that have its whole code in at least one table.

    Parameters
    ----------
    hash : HyperplaneHash, DHHash or CrossPolytopeHash
        Computes the codes.
    X : array, shape (N, d)
        The vectors to search; of length 1 for a hash for angles.

    Raises
    ------
    ValueError
        X does not have two axes, or has products with the projection of `hash` that are NaN or too large.

    Notes
    -----
    More hashes in a table give fewer candidates, more tables give more. A key is a polynomial of the code modulo 2^64.
    Equal codes have equal keys; other equal keys are rare, and only add a candidate.

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
        self._sorted = namespaces.resolve(None).take_along_axis(keys, self._order, axis=0)

    def _keys(self, x: Array) -> Any:
        """Return the key of each vector in each table, (N, n_tables), on the host."""
        codes = devices.to_host(self.hash(x)).astype("uint64")
        keys = codes[..., 0]
        for i in range(1, codes.shape[-1]):
            keys = keys * 0x9E3779B97F4A7C15 + codes[..., i]  # Knuth's multiplier, odd and near 2^64 / φ
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
            For each query the rows of X, ascending, as NumPy arrays.
        """
        host = namespaces.resolve(None)
        keys, tables = self._keys(ops.flatten_batch(namespaces.of(x), x)), range(self.hash.n_tables)
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
            Number of neighbours of each query.

        Returns
        -------
        neighbours : array of int64, shape (..., k)
            Rows of X, the nearest first; -1 where a query has fewer candidates.
        distances : array, shape (..., k)
            Euclidean distances; infinite where the row is -1.

        Raises
        ------
        ValueError
            k is not a positive int.
        """
        checked_size("HashIndex.query", "k", k)
        xp, host = namespaces.of(x), namespaces.resolve(None)
        queries = ops.flatten_batch(xp, x)
        found = self.candidates(queries)
        neighbours = host.full((len(found), k), -1, dtype="int64")
        distances = host.full((len(found), k), math.inf)
        for b, indices in enumerate(found):
            near = xp.take(self.X, devices.from_host(indices, xp, device=devices.of(self.X)), axis=0)
            lengths = devices.to_host(xp.linalg.vector_norm(near - queries[b, :], axis=-1))
            best = lengths.argsort(kind="stable")[:k]
            neighbours[b, : len(best)], distances[b, : len(best)] = indices[best], lengths[best]
        shape = (*x.shape[:-1], k)
        return (
            xp.reshape(devices.from_host(neighbours, xp, device=devices.of(x)), shape),
            xp.reshape(devices.from_host(distances, xp, device=devices.of(x), dtype=x.dtype), shape),
        )
