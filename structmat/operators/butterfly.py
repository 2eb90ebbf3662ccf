"""Butterfly matrices."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from structmat._backend import ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, param, register_operator


def _example(n: int, rng: Any) -> "Butterfly":
    depth = max(1, n.bit_length() - 1)
    return Butterfly(rng.standard_normal((depth, 2 ** (depth - 1), 2, 2)))


@register_operator(cost="O(n log n)", references=("Dao2019", "Parker1995"), example=_example)
class Butterfly(Leaf):
    r"""Butterfly matrix: log n sparse factors that mix pairs of entries, as the stages of a Fourier transform do.

    .. math::

       A = B_{k-1} \cdots B_1 B_0, \qquad
       \begin{pmatrix} (B_l x)_i \\ (B_l x)_{i + 2^l} \end{pmatrix}
       = F_{l p} \begin{pmatrix} x_i \\ x_{i + 2^l} \end{pmatrix},
       \qquad i = 2^{l+1} q + r, \quad p = 2^l q + r, \quad 0 \le r < 2^l,

    for n = 2^k. The strides 1, 2, 4, ... are the order of Cooley and Tukey: after the bit-reversing `Permutation` of x,
    butterflies hold the discrete Fourier transform; Hadamard's matrix has all 2×2 blocks equal.

    Parameters
    ----------
    factors : array, shape (k, h, 2, 2)
        The 2×2 blocks F of each factor, real or complex, the factor of stride 1 first; h = 2^(k-1) = n / 2.

    Raises
    ------
    TypeError
        `factors` is not an array or has no floating dtype.
    ValueError
        `factors` has another shape.

    Notes
    -----
    Cost: O(n log n) time and parameters. A training step keeps the input of each factor, log n vectors per vector.

    Gradient: A is multilinear in the factors. With x_l the input of factor l and g_l the cotangent of its output,
    dL/dF_lp = Σ g_l x_l^H of the pair p over the batch; each x_l and g_l is computed once.

    References
    ----------
    .. [1] T. Dao, A. Gu, M. Eichhorn, A. Rudra and C. Ré, "Learning fast algorithms for linear transforms using
       butterfly factorizations", *ICML* 2019.
    .. [2] D. S. Parker, "Random butterfly transformations with applications in computational linear algebra", UCLA
       Computer Science Department, 1995.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> block = np.asarray([[1.0, 1.0], [1.0, -1.0]])
    >>> sm.Butterfly(np.broadcast_to(block, (2, 2, 2, 2))).to_dense()
    array([[ 1.,  1.,  1.,  1.],
           [ 1., -1.,  1., -1.],
           [ 1.,  1., -1., -1.],
           [ 1., -1., -1.,  1.]])
    """

    dims = "2*h", "2*h"
    _mixes = True
    _conjugated_by_params = True
    _linear_in_params = False  # all factors are one field
    factors: Array = param("k", "h", "2", "2")

    def _bound(self) -> dict[str, int]:
        depth, half, *block = self.factors.shape
        if block != [2, 2] or half != 2 ** (depth - 1):
            raise ValueError(
                f"Butterfly: factors has shape {tuple(self.factors.shape)}; expected (k, 2^(k-1), 2, 2), such as "
                f"{(depth, 2 ** (depth - 1), 2, 2)}."
            )
        return {}

    def _pairs(self, xp: Namespace, x: Array, level: int) -> tuple[Array, Array]:
        """The two entries of each pair, (..., q, r) for i = 2^(l+1) q + r."""
        cut = xp.reshape(x, (*x.shape[:-1], self.n >> (level + 1), 2, 1 << level))
        return cut[..., 0, :], cut[..., 1, :]

    def _stage(self, xp: Namespace, x: Array, level: int, blocks: Array) -> Array:
        """One factor, its blocks (n / 2, 2, 2)."""
        (a, b), (c, d) = ([xp.reshape(blocks[:, row, column], (-1, 1 << level)) for column in (0, 1)] for row in (0, 1))
        upper, lower = self._pairs(xp, x, level)
        return xp.reshape(xp.stack((a * upper + b * lower, c * upper + d * lower), axis=-2), x.shape)

    def _through(self, xp: Namespace, x: Array) -> Iterator[Array]:
        """The input of each factor, and the output of the last."""
        yield x
        for level in range(self.factors.shape[0]):
            x = self._stage(xp, x, level, self.factors[level, ...])
            yield x

    def _back(self, xp: Namespace, g: Array) -> Iterator[Array]:
        """The cotangents of the outputs of the factors, the last first, and of x."""
        yield g
        adjoint = xp.conj(xp.matrix_transpose(self.factors))
        for level in reversed(range(self.factors.shape[0])):
            g = self._stage(xp, g, level, adjoint[level, ...])
            yield g

    def _right(self, xp: Namespace, x: Array) -> list[Array]:
        return list(self._through(xp, x))

    def _left(self, xp: Namespace, g: Array) -> list[Array]:
        return list(self._back(xp, g))

    def _matvec(self, xp: Namespace, X: Iterable[Array]) -> Array:
        return deque(X, maxlen=1).pop()

    _rmatvec = _matvec

    def _apply_fused(self, xp: Namespace, x: Array) -> Array:
        return self._matvec(xp, self._through(xp, x))

    def _apply_adjoint_fused(self, xp: Namespace, g: Array) -> Array:
        return self._rmatvec(xp, self._back(xp, g))

    def _grad(self, xp: Namespace, X: list[Array], G: list[Array]) -> tuple[Array, ...]:
        blocks = []
        for level, (x, g) in enumerate(zip(X[:-1], reversed(G[:-1]), strict=True)):
            sides = [self._pairs(xp, side, level) for side in (g, x)]
            flat = (*x.shape[:-1], self.n // 2)
            products = [
                ops.batch_sum(xp, xp.reshape(out * xp.conj(into), flat)) for out in sides[0] for into in sides[1]
            ]
            blocks.append(xp.reshape(xp.stack(products, axis=-1), (-1, 2, 2)))
        return (xp.stack(blocks),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        entry = 1  # factor l replaces bit l of the column by that of the row
        for level in range(self.factors.shape[0]):
            pair = ((j >> (level + 1)) << level) + (i & ((1 << level) - 1))
            entry = entry * self.factors[level, pair, (i >> level) & 1, (j >> level) & 1]
        return entry
