"""The zero matrix."""

from structmat._backend import devices
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, register_operator, size


@register_operator(cost="O(m)", references=("GolubVanLoan2013",), example=lambda n, _: Zero(n // 2 + 1, n))
class Zero(Leaf):
    r"""Matrix of zeros, for example an empty block.

    .. math:: A_{ij} = 0.

    Parameters
    ----------
    m, n : int
        Rows and columns.

    Raises
    ------
    ValueError
        m or n is not a positive int.

    Notes
    -----
    Cost: O(m) for a new array of zeros. Products have zeros even where x has infinities.

    Gradient: none, the operator has no parameters. It has no arrays either, so it takes vectors of any library.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.hstack([sm.identity(2), sm.Zero(2, 1)]).to_dense()
    array([[1., 0., 0.],
           [0., 1., 0.]])
    """

    dims = "m", "n"
    _mixes = True
    m: int = size()
    n: int = size()

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return xp.zeros((*x.shape[:-1], self.m), dtype=x.dtype, device=devices.of(x))

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return xp.zeros((*g.shape[:-1], self.n), dtype=g.dtype, device=devices.of(g))

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.zeros_like(i + j)

    def _adjoint(self) -> LinearOperator:
        return Zero(self.n, self.m)

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator:
        return Zero(self.n, self.m)

    def _singular_values(self, xp: Namespace) -> Array:
        return xp.zeros(min(self.shape), dtype=self._value_dtype(xp), device=self.device)
