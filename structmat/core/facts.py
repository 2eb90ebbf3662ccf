"""Facts that a class of leaves declares of its structure, for `simplify` and `structmat.linalg`."""

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from structmat._backend import ops
from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.core.bilinear import Bilinear

if TYPE_CHECKING:
    from structmat.core.leaf import Leaf

T = TypeVar("T")


class Facts(Bilinear):
    """Facts that hold for all values of the parameters of a class; a class may leave out any of them.

    Subclasses inherit them, except a subclass that defines `_entry` anew, and with it another matrix.
    """

    # linearity, conjugates and transposes

    _linear_over: ClassVar[Literal["real", "complex"] | None] = None  # scalars of linearity in all parameters together
    _scaled_by: ClassVar[tuple[str, ...]] = ()  # parameters that scale the operator, where it is not linear in them all
    _conjugated_by_params: ClassVar[bool] = False  # conjugating all parameters conjugates it, as linearity implies
    _transpose_rounds: ClassVar[bool] = False  # the fields of the transpose are computed, not only moved

    @property
    def _param_fields(self) -> list[str]:
        """Names of the parameters, frozen or not."""
        raise NotImplementedError

    def _conjugated_fields(self) -> dict[str, Any] | None:
        """Fields that turn the operator into its conjugate, if that is of the same class."""
        if self._linear_over is None and not self._conjugated_by_params:
            return None
        return {name: self.xp.conj(getattr(self, name)) for name in self._param_fields}

    def _transposed_fields(self) -> dict[str, Any] | None:
        """Fields that turn the operator into its transpose, if that is of the same class."""
        return None

    # products

    _moves_entries: ClassVar[bool] = False  # products only move entries and flip signs, and so are exact
    _spectral: ClassVar[tuple[str, str] | None] = None  # the one parameter, and the attribute that is its spectrum
    _outer_factors: ClassVar[tuple[str, str] | None] = None  # the leftmost and the rightmost factor

    def _from_spectrum(self, spectrum: Array) -> Array:
        """The parameter with a given spectrum, for a class whose members one transform diagonalises."""
        raise NotImplementedError

    def _product_fields(self, other: Any) -> dict[str, Array] | None:
        """Fields that turn the operator A into A B, if that is of the class; B differs in its parameters only."""
        if self._spectral is None or getattr(self, self._spectral[0]).shape != getattr(other, self._spectral[0]).shape:
            return None
        param, spectrum = self._spectral
        return {param: self._from_spectrum(getattr(self, spectrum) * getattr(other, spectrum))}

    def _power_fields(self, exponent: int) -> dict[str, Array] | None:
        """Fields that turn the operator into its power of 1 or more, or into its inverse for -1."""
        if self._spectral is None:
            return None
        values = getattr(self, self._spectral[1])
        powers = 1 / values if exponent < 0 else power_of(values, exponent, operator.mul)
        return {self._spectral[0]: self._from_spectrum(powers)}

    # inclusions: a special class returns arrays of its own, or of the library, dtype and device of `like`

    def _as_diagonal(self, like: LinearOperator) -> Array | None:
        """Entries (n,) of the diagonal, for a diagonal matrix."""
        return None

    def _as_banded(self, like: LinearOperator) -> tuple[Array, int, int] | None:
        """Diagonals in the layout of `Banded`, and the numbers of them below and above, for a banded matrix."""
        diagonal = self._as_diagonal(like)
        return None if diagonal is None else (diagonal[None, :], 0, 0)

    def _as_circulant(self, like: LinearOperator) -> Array | None:
        """First column (n,), for a circulant matrix."""
        return None

    def _as_toeplitz(self, like: LinearOperator) -> tuple[Array, Array] | None:
        """First column (m,) and first row (n,), whose first entry is ignored, for a Toeplitz matrix."""
        column = self._as_circulant(like)
        return None if column is None else (column, ops.reversed_mod_n(like.xp, column, 0))

    def _including(self, A: "Leaf") -> dict[str, Array] | None:
        """Fields that turn this operator into A of a special class, for a class that includes that one."""
        return None


def power_of(x: T, exponent: int, times: Callable[[T, T], T]) -> T:
    """Raise to a positive power by squaring."""
    if exponent == 1:
        return x
    half = power_of(times(x, x), exponent // 2, times)
    return times(half, x) if exponent % 2 else half


FACTS = {name for name in vars(Facts) if not name.startswith("__")} - {"_param_fields"}
