"""The identity."""

from collections.abc import Callable

from structmat._backend import memory
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, register_operator, size


@register_operator(cost="O(n)", references=("GolubVanLoan2013",), example=lambda n, _: Identity(n))
class Identity(Leaf):
    r"""Identity matrix.

    .. math:: A_{ij} = \delta_{ij}.

    Parameters
    ----------
    n : int
        Rows and columns.

    Raises
    ------
    ValueError
        n is not a positive int.

    Notes
    -----
    Cost: a copy of x; products of operators omit it.

    Gradient: none, the operator has no parameters. It has no arrays either, so it takes vectors of any library.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Identity(3).to_dense()
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]])
    """

    dims = "n", "n"
    _mixes = True
    _is_identity = _is_unitary = True
    n: int = size()

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return memory.copy(xp, x)

    _rmatvec = _matvec

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.astype(i == j, xp.int8)

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None]:
        return i, None

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None]:
        return j, None

    def _adjoint(self) -> LinearOperator:
        return self

    def _inverse(self) -> LinearOperator:
        return self

    def _as_diagonal(self, like: LinearOperator) -> Array:
        return like.xp.ones(self.n, dtype=like.dtype, device=like.device)

    def _as_circulant(self, like: LinearOperator) -> Array:
        return like.xp.eye(1, self.n, dtype=like.dtype, device=like.device)[0, :]

    def _eigenvalues(self, xp: Namespace) -> Array:
        return xp.ones(self.n, dtype=self._value_dtype(xp), device=self.device)

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator:
        return basis(self.n)


def identity(n: int) -> Identity:
    """Return the identity operator.

    Parameters
    ----------
    n : int
        Rows and columns.

    Returns
    -------
    Identity
        Of shape (n, n), for arrays of any library.

    Raises
    ------
    ValueError
        n is not a positive int.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.identity(2)
    Identity(2×2, params=0)
    """
    return Identity(n)
