"""Hankel matrices."""

from typing import Any

from structmat._backend import Array, Namespace, astype, batch_sum, dft, idft, next_fast_len, pad
from structmat.core import Leaf, cached, operator, param


def _example(n: int, rng: Any) -> "Hankel":
    return Hankel(rng.standard_normal(n // 2 + 1), rng.standard_normal(n))


@operator(cost="O((m + n) log(m + n))", references=("Pan2001",), example=_example)
class Hankel(Leaf):
    r"""Hankel matrix: constant along each antidiagonal, given by its first column and last row.

    .. math:: A_{ij} = h_{i + j}, \qquad h = (c_0, \dots, c_{m-1}, r_1, \dots, r_{n-1}),

    as `scipy.linalg.hankel(c, r)`. A product is a correlation with h: it multiplies by the conjugate spectrum of
    conj(x), which reverses x without a copy, and needs no longer transforms than h itself.

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
    Cost: two transforms of a length of m + n - 1 or a little more a product, O((m + n) log(m + n)), O(m + n) memory.

    Gradient: with spectra X of conj(x) and G of g, both padded, dL/dh = idft(Σ X G), one inverse transform for the
    whole batch. Its first m entries are dL/dc, the rest dL/dr after an exact zero.

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

    @property
    def _length(self) -> int:
        return next_fast_len(self.m + self.n - 1)

    @cached
    def _spectrum(self) -> Array:
        column, row = (astype(self.xp, side, self.dtype) for side in (self.column, self.row))
        return dft(self.xp, self.xp.concat((column, row[1:])), self._length)

    def _right(self, xp: Namespace, x: Array) -> Array:
        return dft(xp, xp.conj(x), self._length)

    def _left(self, xp: Namespace, g: Array) -> Array:
        return dft(xp, g, self._length)

    def _matvec(self, xp: Namespace, X: Array) -> Array:
        return self._back(xp, self._spectrum * xp.conj(X))[..., : self.m]

    def _rmatvec(self, xp: Namespace, G: Array) -> Array:
        return xp.conj(self._back(xp, self._spectrum * xp.conj(G))[..., : self.n])

    def _grad(self, xp: Namespace, X: Array, G: Array) -> tuple[Array, ...]:
        sums = self._back(xp, batch_sum(xp, X * G))
        return sums[: self.m], pad(xp, sums[self.m : self.m + self.n - 1], 1, 0)

    def _back(self, xp: Namespace, Y: Array) -> Array:
        return idft(xp, Y, self._length, real=not self._is_complex)

    def _entry(self, i: Any, j: Any) -> Any:
        k, first = i + j, i + j < self.m
        return self.column[k * first] * first + self.row[(k - self.m + 1) * (1 - first)] * (1 - first)
