"""The algebra: adjoint, transpose and conjugate, products, sums, multiples and powers of operators."""

import weakref
from numbers import Complex
from typing import TYPE_CHECKING, Any, overload

from structmat._backend import devices, namespaces, tracing
from structmat._backend.types import HostArray
from structmat.core.extensions import extensions
from structmat.core.fields import as_integer
from structmat.core.vector_products import VectorProducts

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator


class Algebra(VectorProducts):
    """Notations that make operators of operators; `core.compose` has the classes of the results."""

    @property
    def H(self) -> "LinearOperator":
        """Conjugate transpose; `A.H.H is A`."""
        if self._adjoint_of is not None:
            return self._adjoint_of
        adjoint = None if self._adjoint_ref is None else self._adjoint_ref()
        if adjoint is None:
            adjoint = self._adjoint()
            if adjoint is not self:
                adjoint.__dict__["_adjoint_of"] = self
                self.__dict__["_adjoint_ref"] = weakref.ref(adjoint)  # weak: a cycle would keep device memory
        return adjoint

    @property
    def T(self) -> "LinearOperator":
        """Transpose, without conjugation."""
        return self.H.conj()

    def conj(self) -> "LinearOperator":
        """Return the elementwise complex conjugate; the operator itself if it is real."""
        return self._conj() if self._is_complex else self  # type: ignore[return-value]

    def adjoint(self) -> "LinearOperator":
        """Return the conjugate transpose, `A.H`, under SciPy's name for it."""
        return self.H

    def transpose(self) -> "LinearOperator":
        """Return the transpose, `A.T`, under SciPy's name for it."""
        return self.T

    def dot(self, other: Any) -> Any:
        """Multiply by an array or operator, `A @ other`, or by a scalar, under SciPy's name for it."""
        return self * other if isinstance(other, Complex) or getattr(other, "ndim", 1) == 0 else self @ other

    @property
    def args(self) -> tuple[Any, ...]:
        """The parts of a composition: operators, a scalar, an exponent; empty for other operators, as in SciPy."""
        held = [value for name, value in self._fields.items() if not name.startswith("_")] if self._children else []
        return tuple(each for value in held for each in (value if isinstance(value, tuple) else (value,)))

    @overload
    def __matmul__(self, other: "LinearOperator") -> "LinearOperator": ...
    @overload
    def __matmul__(self, other: Any) -> Any: ...
    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, Algebra):
            return extensions.product(self, other)
        if type(other) is HostArray or namespaces.is_array(other):
            return self.matvec(other) if other.ndim < 2 else self.matmat(other)
        if hint := _operand_hint(other):
            raise TypeError(f"{self._head} @ {_described(other)}: @ takes operators and arrays; {hint}.")
        return NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        if namespaces.is_array(other):
            return self.T.matvec(other)
        if hint := _operand_hint(other):
            raise TypeError(f"{_described(other)} @ {self._head}: @ takes operators and arrays; {hint}.")
        return NotImplemented

    def __array__(self, *arguments: Any, **options: Any) -> HostArray[Any, Any]:
        """Raise, since NumPy's functions would make an array of objects of an operator."""
        raise TypeError(
            f"{self._head}: NumPy's functions take no operators; write A @ x, or take A.to_dense(). SciPy's functions "
            f"of linear operators take A.to_scipy()."
        )

    def __mul__(self, other: Any) -> "LinearOperator":
        other = _scalar(other)
        if isinstance(other, Complex):
            return extensions.scaled(other, self)
        if namespaces.is_array(other) and other.ndim == 0:
            return extensions.scaled_by_array(other, self)
        if isinstance(other, Algebra) or namespaces.is_array(other):
            raise TypeError(f"{self._head} * {_described(other)}: * takes scalars; use @ for products.")
        return NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "LinearOperator":
        other = _scalar(other)
        if not isinstance(other, Complex):
            scalar = namespaces.is_array(other) and other.ndim == 0
            return extensions.scaled_by_array(1 / other, self) if scalar else NotImplemented
        if other == 0:
            raise ZeroDivisionError(f"{self._head} / {other!r}: division by zero.")
        return extensions.scaled(1 / extensions.number(other, self), self)

    def __neg__(self) -> "LinearOperator":
        return extensions.scaled(-1, self)

    def __add__(self, other: Any) -> "LinearOperator":
        return extensions.added(self, other) if isinstance(other, Algebra) else _refuse_term(self, "+", other)

    def __radd__(self, other: Any) -> "LinearOperator":
        return self if as_integer(other) == 0 else _refuse_term(other, "+", self)  # type: ignore[return-value] # `sum` starts from 0

    def __sub__(self, other: Any) -> "LinearOperator":
        return extensions.added(self, -other) if isinstance(other, Algebra) else _refuse_term(self, "-", other)

    def __rsub__(self, other: Any) -> Any:
        return _refuse_term(other, "-", self)

    def __pow__(self, exponent: Any) -> "LinearOperator":
        power = as_integer(exponent)
        if power is None:
            raise TypeError(f"{self._head} ** {exponent!r}: expected an int.")
        if self.m != self.n:
            raise ValueError(f"{self._head} ** {power}: powers need a square operator.")
        return extensions.power(self if power >= 0 else self._inverse(), abs(power))


def _refuse_term(left: Any, sign: str, right: Any) -> Any:
    """Raise for numbers and arrays, which don't add to operators; leave other types to their own methods."""
    if all(isinstance(x, Algebra | Complex) or namespaces.is_array(x) for x in (left, right)):
        hint = (
            " SciPy's functions take A.to_scipy()." if namespaces.is_array(left) or namespaces.is_array(right) else ""
        )
        raise TypeError(
            f"{_described(left)} {sign} {_described(right)}: operators add to operators, such as sm.identity(n).{hint}"
        )
    return NotImplemented


def _scalar(x: Any) -> Any:
    """Return the number in an array without axes; one that is traced or has a gradient stays, as do other objects."""
    constant = namespaces.is_array(x) and x.ndim == 0 and tracing.is_constant(x)
    return devices.to_host(x)[()] if constant else x


def _operand_hint(x: Any) -> str | None:
    """Return a hint for an operand that is neither an array nor an operator."""
    if isinstance(x, Complex):
        return f"scale with {x!r} * A"
    if hasattr(x, "to_numpy"):  # pandas, polars
        return "x.to_numpy() is an array"
    if isinstance(x, list | tuple):
        return "make an array of it"
    if isinstance(x, HostArray):  # a subclass
        return "convert it to a plain array"
    foreign = hasattr(x, "tocsr") or (hasattr(x, "matvec") and hasattr(x, "rmatvec"))
    return "sm.aslinearoperator makes operators of sparse matrices and of SciPy's operators" if foreign else None


def _described(x: Any) -> str:
    return x._head if isinstance(x, Algebra) else repr(x) if isinstance(x, Complex) else f"a {type(x).__name__}"
