"""Cumulative sums, in one file."""

import math

from structmat.custom import Array, Leaf, Namespace, pad, register_operator, size


@register_operator(cost="O(n)", example=lambda n, _: CumulativeSum(n))
class CumulativeSum(Leaf):
    r"""Cumulative sum of the entries of a vector: the lower triangular matrix of ones.

    .. math:: A_{ij} = 1 \ \text{for}\ i \ge j, \ \text{else}\ 0, \qquad (A x)_i = x_0 + \dots + x_i.

    Its inverse takes differences. The eigenvalues are all 1, and the singular values are
    :math:`1 / (2 \sin((2 k - 1) \pi / (4 n + 2)))` for k = 1, ..., n.

    Parameters
    ----------
    n : int
        Rows and columns.

    Notes
    -----
    Cost: O(n) time, no memory, for products and solutions.

    Gradient: none, the operator has no parameters.
    """

    dims = "n", "n"
    _mixes = True
    n: int = size()

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return xp.cumulative_sum(x, axis=-1)

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return xp.flip(xp.cumulative_sum(xp.flip(g, axis=-1), axis=-1), axis=-1)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.astype(i >= j, xp.int8)

    def _solve(self, xp: Namespace, y: Array) -> Array:
        return y - pad(xp, y[..., :-1], 1, 0)

    def _rsolve(self, xp: Namespace, x: Array) -> Array:
        return x - pad(xp, x[..., 1:], 0, 1)

    def _eigenvalues(self, xp: Namespace) -> Array:
        return xp.ones(self.n, dtype=self._value_dtype(xp), device=self.device)

    def _singular_values(self, xp: Namespace) -> Array:
        odd = 2 * xp.arange(self.n, dtype=self._value_dtype(xp), device=self.device) + 1
        return 0.5 / xp.sin(odd * (math.pi / (4 * self.n + 2)))

    def _as_toeplitz(self, like: Leaf) -> tuple[Array, Array]:
        xp, dtype, where = like.xp, like.dtype, like.device
        return xp.ones(self.n, dtype=dtype, device=where), xp.zeros(self.n, dtype=dtype, device=where)
