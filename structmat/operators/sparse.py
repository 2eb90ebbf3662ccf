"""Sparse matrices."""

from typing import Any

from structmat._backend import devices, ops, sparse
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, cached, constant, param, register_operator, size
from structmat.core.fields import checked_index


def _example(n: int, rng: Any) -> "Sparse":
    m, k = n // 2 + 1, 2 * n
    return Sparse(rng.standard_normal(k), rng.integers(0, m, k), rng.integers(0, n, k), m, n)


@register_operator(cost="O(k + m + n)", references=("Saad2003", "AilonChazelle2009"), example=_example)
class Sparse(Leaf):
    r"""Sparse matrix, given by its entries and their indices: a part of larger operators.

    .. math:: A_{ij} = \sum_{e \,:\, r_e = i,\ c_e = j} v_e,

    as `scipy.sparse.coo_array` of ``(values, (rows, columns))``: duplicate entries are summed.

    Parameters
    ----------
    values : array, shape (k,)
        The entries v, real or complex.
    rows : array of int, shape (k,)
        The row of each entry. It is a constant, not a parameter.
    columns : array of int, shape (k,)
        The column of each entry, a constant as well.
    m : int
        Rows.
    n : int
        Columns.

    Raises
    ------
    TypeError
        `values` is not an array or has no floating dtype, or `rows` or `columns` is not an array of integers.
    ValueError
        An array is not one-dimensional, or is empty, or their lengths differ; a row or column is out of range; m or n
        is not a positive int.

    Notes
    -----
    Cost: O(k + m + n) time and O(k) memory. NumPy arrays use the product of `scipy.sparse`; other libraries gather,
    multiply and sum by index.

    Gradient: dL/dv_e = Σ conj(x_{c_e}) g_{r_e} over the batch, at the given indices only.

    References
    ----------
    .. [1] Y. Saad, *Iterative Methods for Sparse Linear Systems*, 2nd edition, SIAM, 2003.
    .. [2] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest neighbors",
       *SIAM Journal on Computing* 39(1), 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Sparse(np.asarray([1.0, 2.0, 3.0]), np.asarray([0, 2, 2]), np.asarray([1, 0, 2]), 3, 3)
    >>> A.to_dense()
    array([[0., 1., 0.],
           [0., 0., 0.],
           [2., 0., 3.]])
    """

    dims = "m", "n"
    values: Array = param("k")
    rows: Array = constant("k")
    columns: Array = constant("k")
    m: int = size()
    n: int = size()

    def _check(self) -> None:
        for name, symbol in (("rows", "m"), ("columns", "n")):
            index, width = getattr(self, name), getattr(self, symbol)
            self.__dict__[name] = checked_index("Sparse", index, width, name=name, size=symbol, distinct=False)

    @cached
    def _compressed(self) -> Any:
        return sparse.csr(self.values, self.rows, self.columns, self.shape)

    @cached
    def _compressed_adjoint(self) -> Any:
        return sparse.csr(self.xp.conj(self.values), self.columns, self.rows, (self.n, self.m))

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        if self._compressed is not None:
            return sparse.matmul(self._compressed, x)
        return ops.index_add(xp, self.values * xp.take(x, self.columns, axis=-1), self.rows, self.m)

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        if self._compressed_adjoint is not None:
            return sparse.matmul(self._compressed_adjoint, g)
        return ops.index_add(xp, xp.conj(self.values) * xp.take(g, self.rows, axis=-1), self.columns, self.n)

    def _grad(self, xp: Namespace, x: Array, g: Array) -> tuple[Array, ...]:
        return (ops.batch_sum(xp, xp.conj(xp.take(x, self.columns, axis=-1)) * xp.take(g, self.rows, axis=-1)),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        nothing = xp.zeros((), dtype=self.values.dtype, device=devices.of(self.values))
        return sum(
            xp.where((i == self.rows[e]) & (j == self.columns[e]), self.values[e], nothing)
            for e in range(self.values.shape[0])
        )

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        return None  # `_entry` reads all k values for each entry, and a product does not
