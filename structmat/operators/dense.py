"""Matrices stored densely."""

from typing import Any

from structmat._backend import linear_algebra, ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator


def _example(n: int, rng: Any) -> "Dense":
    return Dense(rng.standard_normal((n // 2 + 1, n)))


@register_operator(cost="O(m n)", references=("GolubVanLoan2013",), example=_example)
class Dense(Leaf):
    r"""Matrix stored densely: a baseline, and a part of larger operators.

    .. math:: A_{ij} = W_{ij}.

    Parameters
    ----------
    matrix : array, shape (m, n)
        The matrix W, real or complex.

    Raises
    ------
    TypeError
        The matrix is not an array or has no floating dtype.
    ValueError
        The matrix is not two-dimensional, or one is empty.

    Notes
    -----
    Cost: O(m n) time and memory; products are those of the array library.

    Gradient: dL/dW = Σ g x^H over the batch.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Dense(np.asarray([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]))
    >>> A.to_dense()
    array([[1., 2., 3.],
           [4., 5., 6.],
           [7., 8., 9.]])
    """

    dims = "m", "n"
    _linear_over = "complex"
    _outer_factors = "matrix", "matrix"
    matrix: Array = param("m", "n")

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return xp.matmul(x, xp.matrix_transpose(self.matrix))

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return xp.matmul(g, xp.conj(self.matrix))

    def _grad(self, xp: Namespace, x: Array, g: Array) -> tuple[Array, ...]:
        return (ops.outer_sum(xp, g, x),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return self.matrix[i, j]

    def _transposed_fields(self) -> dict[str, Array]:
        return {"matrix": self.xp.matrix_transpose(self.matrix)}

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        diagonal = A._as_diagonal(self)
        unit = None if diagonal is None else self.xp.eye(A.n, dtype=self.dtype, device=self.device)
        return None if diagonal is None else {"matrix": unit * diagonal[:, None]}

    def _solve(self, xp: Namespace, y: Array) -> Array:
        return xp.matmul(y, xp.matrix_transpose(self._inverted))

    def _rsolve(self, xp: Namespace, x: Array) -> Array:
        return xp.matmul(x, xp.conj(self._inverted))

    @cached
    def _inverted(self) -> Array:
        return self.xp.linalg.inv(self.matrix)

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator:
        return self._replace(matrix=linear_algebra.pseudoinverse(xp, self.matrix, cutoff))

    def _singular_values(self, xp: Namespace) -> Array:
        return xp.linalg.svdvals(self.matrix)
