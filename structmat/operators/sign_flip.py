"""Diagonal matrices of signs."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

from structmat._backend import devices, dtypes, random, tracing
from structmat._backend.types import RNG, Array, Device, Namespace
from structmat.core import Leaf, LinearOperator, constant, register_operator
from structmat.core.fields import checked_size


def _example(n: int, rng: Any) -> "SignFlip":
    return SignFlip.random(n, rng=rng)


@register_operator(cost="O(n)", references=("AilonChazelle2009", "Cheng2015"), example=_example)
class SignFlip(Leaf):
    r"""Diagonal matrix of signs: flips the sign of chosen entries.

    .. math:: A_{ij} = s_i \delta_{ij}, \qquad s_i \in \{-1, +1\}.

    It is its own inverse and transpose. Random sign flips before a fixed transform make fast random projections
    preserve distances.

    Parameters
    ----------
    signs : array, shape (n,)
        The signs s: an integer or floating array of -1 and +1, kept as int8. They are constants, not parameters.

    Raises
    ------
    TypeError
        `signs` is not an array, or a bool, complex or other non-numeric one.
    ValueError
        An entry is neither -1 nor +1, or the array is not one-dimensional, or is empty.

    Notes
    -----
    Cost: O(n) time, n bytes of memory. Products are exact, bit by bit.

    Gradient: none, the operator has no parameters.

    References
    ----------
    .. [1] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest neighbors",
       *SIAM Journal on Computing* 39(1), 2009.
    .. [2] Y. Cheng, F. X. Yu, R. S. Feris, S. Kumar, A. Choudhary and S.-F. Chang, "An exploration of parameter
       redundancy in deep networks with circulant projections", *ICCV* 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.SignFlip(np.asarray([1, -1, 1])).to_dense()
    array([[ 1.,  0.,  0.],
           [ 0., -1.,  0.],
           [ 0.,  0.,  1.]])
    """

    dims = "n", "n"
    _mixes = True
    _moves_entries = True
    _is_unitary = True
    signs: Array = constant("n")

    @classmethod
    def random(cls, n: int, *, rng: RNG = None, xp: ModuleType | None = None, device: Device = None) -> "SignFlip":
        """Draw independent fair signs.

        Parameters
        ----------
        n : int
            Number of signs.
        rng, xp, device : optional
            Seed or generator, and where the array is made; see `structmat.projections`.

        Returns
        -------
        SignFlip
            Of size n.

        Raises
        ------
        ValueError
            n is not a positive int.

        Examples
        --------
        >>> import structmat as sm
        >>> sm.SignFlip.random(4, rng=0).signs
        array([ 1, -1, -1, -1], dtype=int8)
        """
        return cls(random.signs(random.generator(rng), checked_size("SignFlip.random", "n", n), xp=xp, device=device))

    def _check(self) -> None:
        xp, given = self.xp, self.signs
        signed = dtypes.is_integer(xp, given.dtype) and xp.iinfo(given.dtype).min < 0
        if not signed and dtypes.kind(xp, given.dtype) != "real":
            found = dtypes.name(given.dtype)
            raise TypeError(f"SignFlip: signs has dtype {found}; expected integers or floats of -1 and +1.")
        # functions of xp would be traced in a trace
        if not tracing.is_traced(given) and not (abs(devices.to_host(given)) == 1).all():
            raise ValueError("SignFlip: signs has entries other than -1 and +1; expected only these.")
        self.__dict__["signs"] = xp.astype(given, xp.int8, copy=False)

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return dtypes.astype(xp, self.signs, x.dtype) * x

    _rmatvec = _matvec

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.where(i == j, self.signs[i], 0)

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None]:
        return i, self.signs[i]

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None]:
        return j, self.signs[j]

    def _adjoint(self) -> LinearOperator:
        return self

    def _inverse(self) -> LinearOperator:
        return self

    def _as_diagonal(self, like: LinearOperator) -> Array:
        return dtypes.astype(self.xp, self.signs, like.dtype)

    def _eigenvalues(self, xp: Namespace) -> Array:
        return xp.astype(self.signs, self._value_dtype(xp))

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator:
        return basis(self.n)
