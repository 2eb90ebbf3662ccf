"""Matrices of low rank."""

from typing import Any

from structmat._backend import dtypes, linear_algebra, ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator


def _example(n: int, rng: Any) -> "LowRank":
    rank = min(3, n // 2 + 1)
    return LowRank(rng.standard_normal((n // 2 + 1, rank)), rng.standard_normal((n, rank)))


@register_operator(cost="O((m + n) r)", references=("GolubVanLoan2013",), example=_example)
class LowRank(Leaf):
    r"""Matrix of low rank, the product of a tall and a wide one.

    .. math:: A = U V^H, \qquad A_{ij} = \sum_k U_{ik} \overline{V_{jk}}.

    Parameters
    ----------
    left : array, shape (m, r)
        The factor U, real or complex.
    right : array, shape (n, r)
        The factor V, real or complex. It enters conjugated and transposed, as in a singular value decomposition.

    Raises
    ------
    TypeError
        A factor is not an array or has no floating dtype, or they belong to two libraries or devices.
    ValueError
        A factor is not two-dimensional, or their numbers of columns differ, or one is empty.

    Notes
    -----
    Cost: O((m + n) r) time and memory.

    Gradient: dL/dU = Σ g (V^H x)^H and dL/dV = Σ x (U^H g)^H over the batch, from intermediate results of the products.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.LowRank(np.asarray([[1.0], [2.0], [3.0]]), np.asarray([[1.0], [10.0], [100.0]])).to_dense()
    array([[  1.,  10., 100.],
           [  2.,  20., 200.],
           [  3.,  30., 300.]])
    """

    dims = "m", "n"
    _scaled_by = ("left",)
    _conjugated_by_params = True
    _outer_factors = "left", "right"
    left: Array = param("m", "r")
    right: Array = param("n", "r")

    def _right(self, xp: Namespace, x: Array) -> tuple[Array, Array]:
        return x, xp.matmul(x, xp.conj(self.right))

    def _left(self, xp: Namespace, g: Array) -> tuple[Array, Array]:
        return g, xp.matmul(g, xp.conj(self.left))

    def _matvec(self, xp: Namespace, X: tuple[Array, Array]) -> Array:
        return xp.matmul(X[1], xp.matrix_transpose(self.left))

    def _rmatvec(self, xp: Namespace, G: tuple[Array, Array]) -> Array:
        return xp.matmul(G[1], xp.matrix_transpose(self.right))

    def _grad(self, xp: Namespace, X: tuple[Array, Array], G: tuple[Array, Array]) -> tuple[Array, ...]:
        return ops.outer_sum(xp, G[0], X[1]), ops.outer_sum(xp, X[0], G[1])

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return sum(self.left[i, k] * xp.conj(self.right[j, k]) for k in range(self.left.shape[1]))

    def _transposed_fields(self) -> dict[str, Array]:
        return {"left": self.xp.conj(self.right), "right": self.xp.conj(self.left)}

    @cached
    def _core(self) -> tuple[Array, Array, Array]:
        """Q, R S^H and P of the factors U = Q R and V = P S with orthonormal columns in Q and P."""
        xp = self.xp
        (Q, outer), (P, inner) = (xp.linalg.qr(dtypes.astype(xp, side, self.dtype)) for side in (self.left, self.right))
        return Q, xp.matmul(outer, xp.conj(xp.matrix_transpose(inner))), P

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator:
        Q, core, P = self._core
        return self._replace(left=xp.matmul(P, linear_algebra.pseudoinverse(xp, core, cutoff)), right=Q)

    def _singular_values(self, xp: Namespace) -> Array:
        values = xp.linalg.svdvals(self._core[1])
        return ops.pad(xp, values, 0, min(self.shape) - values.shape[0])

    def _low_rank_factors(self, xp: Namespace) -> tuple[Array, Array]:
        return self.left, self.right
