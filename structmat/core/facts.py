"""Facts that a leaf declares of its structure, for `simplify` and `structmat.linalg`; by default none holds."""

from typing import Any, ClassVar, Literal

from structmat._backend import Array, reversed_mod_n
from structmat.core.base import LinearOperator
from structmat.core.bilinear import Bilinear


class Facts(Bilinear):
    """Facts of a class of leaves that hold for all values of its parameters; each may be left out.

    A subclass inherits them, unless it defines `_entry` anew, and with it another matrix.
    """

    # linearity

    _linear_over: ClassVar[Literal["real", "complex"] | None] = None
    """The scalars over which the operator is linear in all its parameters together."""
    _scaled_by: ClassVar[tuple[str, ...]] = ()
    """The parameters by which it is scaled, where it is not linear in all of them together."""
    _conjugated_by_params: ClassVar[bool] = False
    """Whether conjugate parameters give the conjugate operator, as they do where it is linear."""

    @property
    def _param_fields(self) -> list[str]:
        """The names of the parameters, frozen or not."""
        raise NotImplementedError

    def _conjugated_fields(self) -> dict[str, Any] | None:
        """Fields of the conjugate that differ, where it is of the same class."""
        if self._linear_over is None and not self._conjugated_by_params:
            return None
        return {name: self.xp.conj(getattr(self, name)) for name in self._param_fields}

    _transpose_rounds: ClassVar[bool] = False
    """Whether the fields of the transpose are computed, and not only moved."""

    def _transposed_fields(self) -> dict[str, Any] | None:
        """Fields of the transpose that differ, where it is of the same class."""
        return None

    # products

    _spectral: ClassVar[tuple[str, str] | None] = None
    """The one parameter of operators that one transform makes diagonal, and the attribute that holds their spectrum."""
    _has_matrix_spectrum: ClassVar[bool] = False
    """Whether the spectrum has a matrix at each frequency, and not a number."""

    def _from_spectrum(self, spectrum: Array) -> Array:
        """The parameter of an operator of the same class and sizes with the given spectrum."""
        raise NotImplementedError

    _outer_factors: ClassVar[tuple[str, str] | None] = None
    """The parameters that a factor on the left and on the right can be multiplied into; needs `_transposed_fields`."""

    # inclusions: what a special leaf offers has the dtype and device of its arrays, or those of `like` if it has none

    def _as_diagonal(self, like: LinearOperator) -> Array | None:
        """The entries (n,) of a diagonal matrix."""
        return None

    def _as_banded(self, like: LinearOperator) -> tuple[Array, int, int] | None:
        """The diagonals of a banded matrix in the layout of `Banded`, and how many are below and above."""
        diagonal = self._as_diagonal(like)
        return None if diagonal is None else (diagonal[None, :], 0, 0)

    def _as_circulant(self, like: LinearOperator) -> Array | None:
        """The first column (n,) of a circulant matrix."""
        return None

    def _as_toeplitz(self, like: LinearOperator) -> tuple[Array, Array] | None:
        """The first column (m,) and the first row (n,) of a Toeplitz matrix."""
        column = self._as_circulant(like)
        return None if column is None else (column, reversed_mod_n(like.xp, column, 0))

    def _including(self, A: "Facts") -> dict[str, Array] | None:
        """Fields by which A, of a special class, is written as an operator of this class beside this one."""
        return None

    @classmethod
    def _withdraw_inherited(cls) -> None:
        """Keep the facts that the class declares itself, for one that defines another matrix than its base does."""
        for name in vars(Facts).keys() - vars(cls).keys() - {"_param_fields"}:
            if not name.startswith("__"):
                setattr(cls, name, vars(Facts)[name])
