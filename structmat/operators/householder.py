"""Householder reflections."""

from typing import Any

from structmat._backend import ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator


def _example(n: int, rng: Any) -> "Householder":
    return Householder(rng.standard_normal(n))


@register_operator(cost="O(n)", references=("Householder1958", "GolubVanLoan2013"), example=_example)
class Householder(Leaf):
    r"""Householder reflection: reflects vectors at the hyperplane orthogonal to a given vector.

    .. math:: A = I - 2\, \frac{v v^H}{v^H v}, \qquad A_{ij} = \delta_{ij} - \frac{2 v_i \overline{v_j}}{v^H v}.

    It is unitary, Hermitian and its own inverse, whatever the length of v. Every orthogonal
    matrix with the determinant (-1)^n is a product of n reflections, so they parametrise orthogonal layers.

    Parameters
    ----------
    vector : array, shape (n,)
        The vector v, real or complex and not zero: the products of a zero vector are NaN, as its direction is
        undefined.

    Raises
    ------
    TypeError
        The vector is not an array or has no floating dtype.
    ValueError
        The vector is not one-dimensional, or is empty.

    Notes
    -----
    Cost: O(n) time and memory. The vector is scaled before it is squared, which avoids overflow and underflow.

    Gradient: A is not linear in v. With the unit vector w = v / ‖v‖, a = w^H x and b = w^H g,
    dL/dv = (4 Re(conj(b) a) w − 2 (conj(a) g + conj(b) x)) / ‖v‖, summed over the batch; it is orthogonal to v.

    References
    ----------
    .. [1] A. S. Householder, "Unitary triangularization of a nonsymmetric matrix", *Journal of the ACM* 5(4), 1958.
    .. [2] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.Householder(np.asarray([1.0, 0.0, 1.0])).to_dense().round(3) + 0.0
    array([[ 0.,  0., -1.],
           [ 0.,  1.,  0.],
           [-1.,  0.,  0.]])
    """

    dims = "n", "n"
    _is_unitary = True
    _conjugated_by_params = True
    _linear_in_params = False
    vector: Array = param("n")

    @cached
    def _largest(self) -> Array:
        return self.xp.max(self.xp.abs(self.vector), axis=-1)

    @cached
    def _unit(self) -> Array:
        """The vector w of length 1."""
        scaled = self.vector / self._largest
        return scaled / self.xp.linalg.vector_norm(scaled)

    def _prepare(self, xp: Namespace, x: Array) -> tuple[Array, Array]:
        """A vector and its component along w."""
        return x, xp.matmul(x, xp.conj(self._unit))[..., None]

    _right = _left = _prepare

    def _matvec(self, xp: Namespace, X: tuple[Array, Array]) -> Array:
        return X[0] - (2 * X[1]) * self._unit

    _rmatvec = _matvec

    def _grad(self, xp: Namespace, X: tuple[Array, Array], G: tuple[Array, Array]) -> tuple[Array, ...]:
        (x, a), (g, b) = X, G
        along = ops.batch_sum(xp, xp.real(xp.conj(b) * a) if self._is_complex else a * b)
        across = ops.batch_sum(xp, xp.conj(a) * g + xp.conj(b) * x)
        length = self._largest * xp.linalg.vector_norm(self.vector / self._largest)
        return ((4 * along * self._unit - 2 * across) / length,)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        v = self.vector / self._largest  # whose squares neither overflow nor underflow
        return xp.astype(i == j, v.dtype) - 2 * v[i] * xp.conj(v[j]) / xp.sum(v * xp.conj(v))

    def _adjoint(self) -> LinearOperator:
        return self

    def _inverse(self) -> LinearOperator:
        return self
