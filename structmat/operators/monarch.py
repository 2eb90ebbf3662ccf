"""Monarch matrices."""

import math
from typing import Any

from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, param, register_operator


def _example(n: int, rng: Any) -> "Monarch":
    p = max(d for d in range(1, math.isqrt(n) + 1) if n % d == 0)
    return Monarch(rng.standard_normal((2, 3, p)), rng.standard_normal((p, 2, n // p)))


@register_operator(cost="O(r p (s + b))", references=("Dao2022",), example=_example)
class Monarch(Leaf):
    r"""Monarch matrix: two block-diagonal factors with permutations between them.

    .. math::

       A = P_2 \operatorname{diag}(L_1, \dots, L_r)\, P_1 \operatorname{diag}(R_1, \dots, R_p), \qquad
       A_{(t, k), (i, j)} = L_{k t i} R_{i k j},

    where the row is (t, k) ↦ r t + k and the column (i, j) ↦ b i + j. R acts on the p pieces of x, P_1 reads the
    results by columns instead of rows, L acts on those r columns, and P_2 reads its results by columns again. With
    r = p = s = b = √n these are the square matrices of Dao et al. The rows of one k and the columns of one i hold a
    matrix of rank 1.

    Parameters
    ----------
    left : array, shape (r, s, p)
        The blocks L, real or complex. The operator has s r rows.
    right : array, shape (p, r, b)
        The blocks R. The operator has p b columns.

    Raises
    ------
    TypeError
        An argument is not an array or has no floating dtype, or they belong to two libraries or devices.
    ValueError
        An argument is not three-dimensional, or their sizes do not fit, or one is empty.

    Notes
    -----
    Cost: O(r p (s + b)) time and memory, O(n^(3/2)) in the square case, by batched products of small matrices.

    Gradient: dL/dL and dL/dR are the sums, over the batch, of the outer products of the cotangent and the input of each
    block; the products compute both.

    References
    ----------
    .. [1] T. Dao et al., "Monarch: expressive structured matrices for efficient and accurate training", *ICML* 2022.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> left = np.asarray([[[1.0, 2.0]], [[3.0, 4.0]]])  # two blocks of 1×2
    >>> right = np.asarray([[[1.0, 1.0], [1.0, -1.0]], [[1.0, 1.0], [1.0, -1.0]]])  # two of 2×2
    >>> sm.Monarch(left, right).to_dense()
    array([[ 1.,  1.,  2.,  2.],
           [ 3., -3.,  4., -4.]])
    """

    dims = "s*r", "p*b"
    _scaled_by = ("left",)
    _conjugated_by_params = True
    left: Array = param("r", "s", "p")
    right: Array = param("p", "r", "b")

    def _cut(self, xp: Namespace, x: Array, pieces: int) -> Array:
        return xp.reshape(x, (math.prod(x.shape[:-1]), pieces, x.shape[-1] // pieces))

    def _right(self, xp: Namespace, x: Array) -> tuple[Array, Array, tuple[int, ...]]:
        """The inputs of the blocks of R, (p, B, b), and of L, (r, B, p)."""
        into = xp.permute_dims(self._cut(xp, x, self.right.shape[0]), (1, 0, 2))
        between = xp.matmul(into, xp.matrix_transpose(self.right))
        return into, xp.permute_dims(between, (2, 1, 0)), x.shape[:-1]

    def _left(self, xp: Namespace, g: Array) -> tuple[Array, Array, tuple[int, ...]]:
        """The cotangents of the outputs of the blocks of L, (r, B, s), and of R, (p, B, r)."""
        back = xp.permute_dims(self._cut(xp, g, self.left.shape[1]), (2, 0, 1))
        between = xp.matmul(back, xp.conj(self.left))
        return back, xp.permute_dims(between, (2, 1, 0)), g.shape[:-1]

    def _matvec(self, xp: Namespace, X: tuple[Array, Array, tuple[int, ...]]) -> Array:
        y = xp.matmul(X[1], xp.matrix_transpose(self.left))
        return xp.reshape(xp.permute_dims(y, (1, 2, 0)), (*X[2], self.m))

    def _rmatvec(self, xp: Namespace, G: tuple[Array, Array, tuple[int, ...]]) -> Array:
        x = xp.matmul(G[1], xp.conj(self.right))
        return xp.reshape(xp.permute_dims(x, (1, 0, 2)), (*G[2], self.n))

    def _grad(self, xp: Namespace, X: Any, G: Any) -> tuple[Array, ...]:
        pairs = ((G[0], X[1]), (G[1], X[0]))
        return tuple(xp.matmul(xp.matrix_transpose(back), xp.conj(into)) for back, into in pairs)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        (r, _, _), (_, _, b) = self.left.shape, self.right.shape
        return self.left[i % r, i // r, j // b] * self.right[j // b, i % r, j % b]
