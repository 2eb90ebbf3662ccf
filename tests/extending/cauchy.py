"""Cauchy matrices, in one file."""

from collections.abc import Iterator
from typing import Any

from structmat.custom import Array, Leaf, Namespace, param, register_operator

BLOCK = 256  # columns whose entries are held at a time


def _example(n: int, rng: Any) -> "Cauchy":
    return Cauchy(rng.uniform(1, 2, n // 2 + 1), rng.uniform(-2, -1, n))


@register_operator(cost="O(m n)", example=_example)
class Cauchy(Leaf):
    r"""Cauchy matrix: the reciprocal differences of two sets of numbers.

    .. math:: A_{ij} = \frac{1}{p_i - q_j}, \qquad (A x)_i = \sum_j \frac{x_j}{p_i - q_j}.

    Parameters
    ----------
    points : array, shape (m,)
        The numbers p, real or complex.
    poles : array, shape (n,)
        The numbers q, none of which is among the points.

    Notes
    -----
    Cost: O(m n) time. Memory: O(m) for blocks of 256 columns, which are made again for each product.

    Gradient: dL/dp_i = -Σ g_i conj(Σ_j x_j / (p_i - q_j)²) and dL/dq_j = Σ conj(x_j) Σ_i g_i / conj(p_i - q_j)² over
    the batch. A is not linear in either.
    """

    dims = "m", "n"
    _linear_in_params = False
    _conjugated_by_params = True
    points: Array = param("m")
    poles: Array = param("n")

    def _blocks(self) -> Iterator[tuple[slice, Array]]:
        """Some columns, and the matrix of their entries."""
        for start in range(0, self.n, BLOCK):
            columns = slice(start, min(start + BLOCK, self.n))
            yield columns, 1 / (self.points[:, None] - self.poles[None, columns])

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return sum(xp.matmul(x[..., columns], xp.matrix_transpose(block)) for columns, block in self._blocks())

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return xp.concat([xp.matmul(g, xp.conj(block)) for _, block in self._blocks()], axis=-1)

    def _grad(self, xp: Namespace, x: Array, g: Array) -> tuple[Array, ...]:
        x, g = (xp.reshape(vectors, (-1, size)) for vectors, size in ((x, self.n), (g, self.m)))
        of_points, of_poles = [], []
        for columns, block in self._blocks():
            slopes = xp.conj(block) ** 2
            of_points.append(xp.sum(g * xp.matmul(xp.conj(x[:, columns]), xp.matrix_transpose(slopes)), axis=0))
            of_poles.append(xp.sum(xp.conj(x[:, columns]) * xp.matmul(g, slopes), axis=0))
        return -sum(of_points), xp.concat(of_poles)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return 1 / (self.points[i] - self.poles[j])

    def _transposed_fields(self) -> dict[str, Array]:
        return {"points": -self.poles, "poles": -self.points}
