"""Cyclic shifts."""

from collections.abc import Callable

from structmat._backend import dtypes, fft
from structmat._backend.types import Array, Device, DType, Namespace
from structmat.core import Leaf, LinearOperator, register_operator, size
from structmat.core.fields import as_integer


@register_operator(cost="O(n)", references=("Davis1979",), example=lambda n, rng: Shift(n, int(rng.integers(1, n + 1))))
class Shift(Leaf):
    r"""Cyclic shift of the entries of a vector.

    .. math:: A_{ij} = \delta_{(i - k) \bmod n, j}, \qquad (A x)_i = x_{(i - k) \bmod n}.

    It is the circulant matrix whose first column is the unit vector k; its product is `numpy.roll`.

    Parameters
    ----------
    n : int
        Rows and columns.
    k : int
        Number of places that entries move to higher indices, or to lower ones if k is negative.

    Raises
    ------
    ValueError
        n is not a positive int.
    TypeError
        k is not an int.

    Notes
    -----
    Cost: O(n) time, no memory. Products are exact, bit by bit.

    Gradient: none, the operator has no parameters. It has no arrays either, so it takes vectors of any library.

    References
    ----------
    .. [1] P. J. Davis, *Circulant Matrices*, Wiley, 1979.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Shift(3, 1).to_dense()
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 1., 0.]])
    """

    dims = "n", "n"
    _is_unitary = True
    _mixes = True
    _moves_entries = True
    n: int = size()
    k: int

    def _check(self) -> None:
        k = as_integer(self.k)
        if k is None:
            raise TypeError(f"Shift: k is {self.k!r}; expected an int.")
        self.__dict__["k"] = k

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return xp.roll(x, self.k % self.n, axis=-1)

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return xp.roll(g, -self.k % self.n, axis=-1)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.astype((i - self.k) % self.n == j, xp.int8)

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None]:
        return (i - self.k) % self.n, None

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None]:
        return (j + self.k) % self.n, None

    def _adjoint(self) -> LinearOperator:
        return self._replace(k=-self.k)

    def _inverse(self) -> LinearOperator:
        return self.H

    def _column(self, xp: Namespace, dtype: DType, where: Device) -> Array:
        return xp.eye(1, self.n, k=self.k % self.n, dtype=dtype, device=where)[0, :]

    def _as_circulant(self, like: LinearOperator) -> Array:
        return self._column(like.xp, like.dtype, like.device)

    def _eigenvalues(self, xp: Namespace) -> Array:
        return fft.dft(xp, self._column(xp, dtypes.complex_dtype(xp, self._value_dtype(xp)), self.device))

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator:
        return basis(self.n, (self.n,))

    @property
    def _details(self) -> str:
        return f", k={self.k}"
