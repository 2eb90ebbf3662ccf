"""Hankel matrices."""

from typing import Any

from structmat._backend import Array, Namespace, astype, batch_sum, copied, dft, pad
from structmat.core import cached, operator, param
from structmat.operators.toeplitz import Embedded


def _example(n: int, rng: Any) -> "Hankel":
    return Hankel(rng.standard_normal(n // 2 + 1), rng.standard_normal(n))


@operator(cost="O((m + n) log(m + n))", references=("Pan2001",), example=_example)
class Hankel(Embedded):
    r"""Hankel matrix: constant along each antidiagonal, given by its first column and last row.

    .. math:: A_{ij} = h_{i + j}, \qquad h = (c_0, \dots, c_{m-1}, r_1, \dots, r_{n-1}),

    as `scipy.linalg.hankel(c, r)`. It is a Toeplitz matrix with its columns reversed: a product reverses x and
    goes through a circulant matrix of a length N ≥ m + n - 1 that fast Fourier transforms are fast at.

    Parameters
    ----------
    column : array, shape (m,)
        First column c, real or complex.
    row : array, shape (n,)
        Last row r, real or complex. Its first entry is ignored: A_{m-1,0} is c_{m-1}.

    Raises
    ------
    TypeError
        The column or the row is no array or has no floating dtype, or they are of two libraries or devices.
    ValueError
        The column or the row has not one axis, or is empty.

    Notes
    -----
    Cost: two transforms of length N a product, O((m + n) log(m + n)), O(m + n) memory.

    Gradient: with spectra X of the reversed x and G of g, both padded, e = idft(Σ conj(X) G), one inverse transform for
    the whole batch; dL/dh is its last n - 1 entries, then its first m. The first m of these are dL/dc, the rest dL/dr
    after an exact zero.

    Accuracy is normwise, as for `Circulant`.

    References
    ----------
    .. [1] V. Y. Pan, *Structured Matrices and Polynomials: Unified Superfast Algorithms*, Birkhäuser, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.Hankel(np.asarray([1.0, 2.0, 3.0]), np.asarray([3.0, 4.0, 5.0])).to_dense()
    array([[1., 2., 3.],
           [2., 3., 4.],
           [3., 4., 5.]])
    """

    dims = "m", "n"
    column: Array = param("m")
    row: Array = param("n")

    @cached
    def _spectrum(self) -> Array:
        """Of h, rolled so that its entry n - 1, which the reversed x meets first, comes first."""
        column, row = (astype(self.xp, side, self.dtype) for side in (self.column, self.row))
        diagonals = self.xp.concat((column, row[1:]))
        gap = self._length - (self.m + self.n - 1)
        first = self.n - 1
        return dft(self.xp, self.xp.concat((pad(self.xp, diagonals[first:], 0, gap), diagonals[:first])))

    def _right(self, xp: Namespace, x: Array) -> Array:
        return dft(xp, xp.flip(x, axis=-1), self._length)

    def _rmatvec(self, xp: Namespace, G: Array, *, temporary: bool = False) -> Array:
        x = xp.flip(super()._rmatvec(xp, G, temporary=temporary), axis=-1)
        return copied(xp, x)  # not every library takes a view of negative strides

    def _grad(self, xp: Namespace, X: Array, G: Array) -> tuple[Array, ...]:
        sums = self._back(xp, batch_sum(xp, xp.conj(X) * G))
        diagonals = xp.concat((sums[self._length - self.n + 1 :], sums[: self.m]))
        return diagonals[: self.m], pad(xp, diagonals[self.m :], 1, 0)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        k, last = i + j, self.m - 1
        return xp.where(k <= last, self.column[xp.clip(k, 0, last)], self.row[xp.clip(k - last, 0, self.n - 1)])
