"""Toeplitz and Hankel matrices."""

from typing import Any

from structmat._backend import dtypes, fft, memory, ops
from structmat._backend.convolution import Convolution, corner
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator
from structmat.core.contract import Solver
from structmat.core.fields import conjugate_of


class Embedded(Leaf):
    """A Toeplitz matrix as the upper left corner of a circulant matrix whose length has fast transforms."""

    def _toeplitz_sides(self) -> tuple[Array, Array]:
        raise NotImplementedError

    @property
    def _length(self) -> int:
        return fft.fast_length(self.m + self.n - 1)

    def _extended(self) -> Array:
        """First column of the circulant matrix."""
        column, row = (dtypes.astype(self.xp, side, self.dtype) for side in self._toeplitz_sides())
        gap = self._length - (self.m + self.n - 1)
        return self.xp.concat((ops.pad(self.xp, column, 0, gap), self.xp.flip(row[1:])))

    @cached
    def _spectrum(self) -> Array:
        return fft.dft(self.xp, self._extended())

    def _compile(self) -> Convolution | None:
        return corner(self.xp, self._extended(), self.shape, reverses_input=self._is_hankel)

    def _right(self, xp: Namespace, x: Array) -> Array:
        return fft.dft(xp, x, self._length)

    _left = _right

    def _matvec(self, xp: Namespace, X: Array, *, temporary: bool = False) -> Array:
        return self._filtered(xp, X, self._spectrum, temporary=temporary)[..., : self.m]

    def _rmatvec(self, xp: Namespace, G: Array, *, temporary: bool = False) -> Array:
        return self._filtered(xp, G, ops.conj(xp, self._spectrum), temporary=temporary)[..., : self.n]

    def _apply_fused(self, xp: Namespace, x: Array) -> Array:
        return self._matvec(xp, self._right(xp, x), temporary=True)

    def _apply_adjoint_fused(self, xp: Namespace, g: Array) -> Array:
        return self._rmatvec(xp, self._left(xp, g), temporary=True)

    def _grad(self, xp: Namespace, X: Array, G: Array) -> tuple[Array, ...]:
        return self._column_grads(xp, self._back(xp, ops.batch_sum(xp, xp.conj(X) * G)))

    def _side_grads(self, xp: Namespace, column: Array) -> tuple[Array, Array]:
        """Gradients of the first column and row from that of the extended column."""
        return column[: self.m], ops.pad(xp, xp.flip(column[self._length - self.n + 1 :]), 1, 0)

    def _filtered(self, xp: Namespace, X: Array, kernel: Array, *, temporary: bool) -> Array:
        return fft.apply_spectrum(xp, X, kernel, self._length, real=not self._is_complex, temporary=temporary)

    def _back(self, xp: Namespace, Y: Array) -> Array:
        return fft.idft(xp, Y, self._length, real=not self._is_complex)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        column, row = self._toeplitz_sides()
        return xp.where(i >= j, column[xp.clip(i - j, 0, self.m - 1)], row[xp.clip(j - i, 0, self.n - 1)])

    def _solve_adjoint_by_parts(self, xp: Namespace, g: Array, solve: Solver) -> Array:
        """With the exchange matrix J, T^H = J conj(T) J."""
        return xp.flip(ops.conj(xp, solve(self, ops.conj(xp, xp.flip(g, axis=-1)))), axis=-1)


def _example(n: int, rng: Any) -> "Toeplitz":
    return Toeplitz(rng.standard_normal(n // 2 + 1), rng.standard_normal(n))


@register_operator(cost="O((m + n) log(m + n))", references=("GolubVanLoan2013", "ChanNg1996"), example=_example)
class Toeplitz(Embedded):
    r"""Toeplitz matrix: constant along each diagonal, given by its first column and first row.

    .. math:: A_{ij} = \begin{cases} c_{i - j}, & i \ge j, \\ r_{j - i}, & i < j, \end{cases}

    as `scipy.linalg.toeplitz`. It is the upper left corner of the circulant matrix with the column
    :math:`(c_0, \dots, c_{m-1}, 0, \dots, 0, r_{n-1}, \dots, r_1)`, whose length N ≥ m + n - 1 has fast Fourier
    transforms.

    Parameters
    ----------
    column : array, shape (m,)
        First column c, real or complex.
    row : array, shape (n,), optional
        First row r, real or complex. Its first entry is ignored: A_00 is c_0. By default it is a copy of the
        conjugate of the column, as in SciPy, and a separate parameter.

    Raises
    ------
    TypeError
        The column or the row is not an array or has no floating dtype, or they belong to two libraries or devices.
    ValueError
        The column or the row is not one-dimensional, or is empty.

    Notes
    -----
    Cost: two transforms of length N per product, O((m + n) log(m + n)), O(m + n) memory.

    Gradient: with spectra X and G of the padded x and g, e = idft(Σ conj(X) G), one inverse transform for the whole
    batch. dL/dc is the first m entries of e; dL/dr is 0, e_{N-1}, ..., e_{N-n+1}. The first is exactly zero.

    Accuracy is normwise, as for `Circulant`. `SymmetricToeplitz` has the column alone as its parameter.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.
    .. [2] R. H. Chan and M. K. Ng, "Conjugate gradient methods for Toeplitz systems", *SIAM Review* 38(3), 1996.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Toeplitz(np.asarray([1.0, 2.0, 3.0]), np.asarray([1.0, 4.0, 5.0]))
    >>> A.to_dense()
    array([[1., 4., 5.],
           [2., 1., 4.],
           [3., 2., 1.]])
    >>> dx, (dc, dr) = A.vjp(np.asarray([0.0, 0.0, 1.0]), np.asarray([1.0, 0.0, 2.0]))
    >>> dc, dr
    (array([2., 0., 0.]), array([0., 0., 1.]))
    """

    dims = "m", "n"
    _linear_over = "complex"
    column: Array = param("m")
    row: Array = param("n", default=conjugate_of("column"))

    def _toeplitz_sides(self) -> tuple[Array, Array]:
        return self.column, self.row

    def _transposed_fields(self) -> dict[str, Array]:
        return {"column": self.xp.concat((self.column[:1], self.row[1:])), "row": self.column}

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        sides = A._as_toeplitz(self)
        return None if sides is None else {"column": sides[0], "row": sides[1]}

    def _column_grads(self, xp: Namespace, column: Array) -> tuple[Array, ...]:
        return self._side_grads(xp, column)


def _symmetric_example(n: int, rng: Any) -> "SymmetricToeplitz":
    return SymmetricToeplitz(rng.standard_normal(n))


@register_operator(cost="O(n log n)", references=("GolubVanLoan2013", "ChanNg1996"), example=_symmetric_example)
class SymmetricToeplitz(Embedded):
    r"""Symmetric or Hermitian Toeplitz matrix, given by its first column.

    .. math:: A_{ij} = \begin{cases} c_{i - j}, & i \ge j, \\ \bar{c}_{j - i}, & i < j, \end{cases}

    as `scipy.linalg.toeplitz`: symmetric for a real column, Hermitian for a complex one whose first entry is real.

    Parameters
    ----------
    column : array, shape (n,)
        First column c, real or complex. The imaginary part of c_0 is on the diagonal, as in SciPy.

    Raises
    ------
    TypeError
        The column is not an array or has no floating dtype.
    ValueError
        The column is not one-dimensional, or is empty.

    Notes
    -----
    Cost: as `Toeplitz`, two transforms of length 2n - 1 or a little more per product.

    Gradient: with the gradients dc and dr of `Toeplitz`, whose row is conj(c), it is dc + conj(dr).

    This is a class, not a constructor of `Toeplitz`, which has two parameters: a step along both gradients would make
    the matrix unsymmetric.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.
    .. [2] R. H. Chan and M. K. Ng, "Conjugate gradient methods for Toeplitz systems", *SIAM Review* 38(3), 1996.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.SymmetricToeplitz(np.asarray([1.0, 2.0, 3.0])).to_dense()
    array([[1., 2., 3.],
           [2., 1., 2.],
           [3., 2., 1.]])
    """

    dims = "n", "n"
    _linear_over = "real"  # the row is the conjugate of the column
    column: Array = param("n")

    def _toeplitz_sides(self) -> tuple[Array, Array]:
        return self.column, self.xp.conj(self.column)

    def _transposed_fields(self) -> dict[str, Array]:
        """Conjugate the column except its first entry, which is on the diagonal."""
        return {"column": self.xp.concat((self.column[:1], self.xp.conj(self.column[1:])))}

    def _as_toeplitz(self, like: LinearOperator) -> tuple[Array, Array]:
        return self._toeplitz_sides()

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        return {"column": A._as_circulant(self)} if A._is_identity else None

    def _column_grads(self, xp: Namespace, column: Array) -> tuple[Array, ...]:
        below, above = self._side_grads(xp, column)
        return (below + xp.conj(above),)

    def _adjoint(self) -> LinearOperator:
        return super()._adjoint() if self._is_complex else self


def _hankel_example(n: int, rng: Any) -> "Hankel":
    return Hankel(rng.standard_normal(n // 2 + 1), rng.standard_normal(n))


@register_operator(cost="O((m + n) log(m + n))", references=("Pan2001",), example=_hankel_example)
class Hankel(Embedded):
    r"""Hankel matrix: constant along each antidiagonal, given by its first column and last row.

    .. math:: A_{ij} = h_{i + j}, \qquad h = (c_0, \dots, c_{m-1}, r_1, \dots, r_{n-1}),

    as `scipy.linalg.hankel`. It is a Toeplitz matrix with its columns reversed: a product reverses x and
    multiplies by a circulant matrix of a length N ≥ m + n - 1 with fast Fourier transforms.

    Parameters
    ----------
    column : array, shape (m,)
        First column c, real or complex.
    row : array, shape (n,)
        Last row r, real or complex. Its first entry is ignored: A_{m-1,0} is c_{m-1}.

    Raises
    ------
    TypeError
        The column or the row is not an array or has no floating dtype, or they belong to two libraries or devices.
    ValueError
        The column or the row is not one-dimensional, or is empty.

    Notes
    -----
    Cost: two transforms of length N per product, O((m + n) log(m + n)), O(m + n) memory.

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
    _linear_over = "complex"
    _is_hankel = True
    column: Array = param("m")
    row: Array = param("n")

    def _transposed_fields(self) -> dict[str, Array]:
        entries = self.xp.concat((self.column, self.row[1:]))
        return {"column": entries[: self.n], "row": entries[self.n - 1 :]}

    def _toeplitz_sides(self) -> tuple[Array, Array]:
        column, row = (dtypes.astype(self.xp, side, self.dtype) for side in (self.column, self.row))
        diagonals = self.xp.concat((column, row[1:]))
        return diagonals[self.n - 1 :], self.xp.flip(diagonals[: self.n])

    def _solve_adjoint_by_parts(self, xp: Namespace, g: Array, solve: Solver) -> Array:
        return ops.conj(xp, solve(self, ops.conj(xp, g)))

    def _right(self, xp: Namespace, x: Array) -> Array:
        return fft.dft(xp, xp.flip(x, axis=-1), self._length)

    def _rmatvec(self, xp: Namespace, G: Array, *, temporary: bool = False) -> Array:
        x = xp.flip(super()._rmatvec(xp, G, temporary=temporary), axis=-1)
        return memory.copy(xp, x)  # some libraries do not accept views with negative strides

    def _column_grads(self, xp: Namespace, column: Array) -> tuple[Array, ...]:
        diagonals = xp.concat((column[self._length - self.n + 1 :], column[: self.m]))
        return diagonals[: self.m], ops.pad(xp, diagonals[self.m :], 1, 0)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        k, last = i + j, self.m - 1
        return xp.where(k <= last, self.column[xp.clip(k, 0, last)], self.row[xp.clip(k - last, 0, self.n - 1)])
