"""Diagonal matrices."""

from collections.abc import Callable
from typing import Any

from structmat._backend import ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, param, register_operator


def _example(n: int, rng: Any) -> "Diagonal":
    return Diagonal(rng.standard_normal(n))


@register_operator(cost="O(n)", references=("GolubVanLoan2013",), example=_example)
class Diagonal(Leaf):
    r"""Diagonal matrix.

    .. math:: A_{ij} = d_i \delta_{ij}, \qquad (A x)_i = d_i x_i.

    Parameters
    ----------
    entries : array, shape (n,)
        Entries d of the diagonal, real or complex.

    Raises
    ------
    TypeError
        `entries` is not an array or has no floating dtype.
    ValueError
        `entries` is not one-dimensional, or is empty.

    Notes
    -----
    Cost: O(n) time and memory.

    Gradient: dL/dd = Σ conj(x) g over the batch.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.Diagonal(np.asarray([1.0, 2.0, 3.0])).to_dense()
    array([[1., 0., 0.],
           [0., 2., 0.],
           [0., 0., 3.]])
    """

    dims = "n", "n"
    _mixes = True
    _is_normal = True
    _linear_over = "complex"
    _spectral = "entries", "entries"
    entries: Array = param("n")

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return self.entries * x

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return xp.conj(self.entries) * g

    def _grad(self, xp: Namespace, x: Array, g: Array) -> tuple[Array, ...]:
        return (ops.batch_sum(xp, xp.conj(x) * g),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.where(i == j, self.entries[i], 0)

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None]:
        return i, self.entries[i]

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None]:
        return j, self.entries[j]

    def _adjoint(self) -> LinearOperator:
        return super()._adjoint() if self._is_complex else self

    def _transposed_fields(self) -> dict[str, Array]:
        return {}

    def _from_spectrum(self, spectrum: Array) -> Array:
        return spectrum

    def _as_diagonal(self, like: LinearOperator) -> Array:
        return self.entries

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        entries = A._as_diagonal(self)
        return None if entries is None else {"entries": entries}

    def _solve(self, xp: Namespace, y: Array) -> Array:
        return y / self.entries

    def _rsolve(self, xp: Namespace, x: Array) -> Array:
        return x / xp.conj(self.entries)

    def _eigenvalues(self, xp: Namespace) -> Array:
        return self.entries

    def _singular_values(self, xp: Namespace) -> Array:
        return ops.sorted_moduli(xp, self.entries)

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator:
        return basis(self.n)

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator:
        return self._replace(entries=function(self.entries))
