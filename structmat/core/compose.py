"""Sums, scalar multiples and powers of operators; products are in `core.product`."""

import dataclasses
import functools
import operator
from numbers import Complex
from typing import Any

from structmat._backend import dtypes, memory
from structmat._backend.linear_algebra import LinAlgError
from structmat._backend.types import Array, Device, DType, Namespace
from structmat.core.base import LinearOperator
from structmat.core.composite import Composite, NaryOperator, Parallel, UnaryOperator
from structmat.core.contract import NonzeroEntry, Solver
from structmat.core.entries import Indices, as_index_array
from structmat.core.extensions import extensions
from structmat.core.fields import checked_size
from structmat.core.notation import Notation
from structmat.core.product import Product, block_of_product, product

__all__ = ["Composite", "NaryOperator", "Power", "Product", "Scaled", "Sum", "added", "power", "product", "scaled"]


class Sum(Parallel):
    """A sum of operators of one shape."""

    _notation = Notation("+", between=" + ", binds=1, holds=2)

    _sides = False, False

    def _shape_of_children(self) -> tuple[int, int]:
        first = self.parts[0]
        for place, part in enumerate(self.parts[1:], 2):
            if part.shape != first.shape:
                raise ValueError(f"Sum: term 1 is {first._label} but term {place} is {part._label}.")
        return first.shape

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        found = [part._entries(xp, i, j) for part in self.parts]
        return None if any(entries is None for entries in found) else functools.reduce(operator.add, found)

    def _block(self, xp: Namespace, i: Indices, j: Indices, where: Device) -> Array:
        return functools.reduce(operator.add, [part._block(xp, i, j, where) for part in self.parts])


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Scaled(UnaryOperator):
    """A scalar times an operator; the scalar is a constant, not a parameter."""

    _notation = Notation("α", frame=r"{scalar} \, {parts}", binds=2, holds=2)

    of: LinearOperator
    scalar: Any

    def _check_fields(self) -> None:
        super()._check_fields()
        if isinstance(self.scalar, bool) or not isinstance(self.scalar, Complex):
            raise TypeError(f"Scaled: scalar is {self.scalar!r}; expected a number.")

    def _setup(self) -> None:
        super()._setup()
        if type(self.scalar) not in (float, complex):
            self.__dict__["scalar"] = dtypes.as_scalar(self.xp, self.dtype, self.scalar)
        if dtypes.is_complex_number(self.scalar):
            dtype = None if self.dtype is None else dtypes.complex_dtype(self.xp, self.dtype)
            self._settle(self.shape, dtype, self.xp, self.device, True)

    def _times(self, xp: Namespace, scalar: Any, x: Array) -> Array:
        if dtypes.is_complex_number(scalar) and not dtypes.is_complex(xp, x.dtype):
            x = dtypes.astype(xp, x, dtypes.complex_dtype(xp, x.dtype))
        return scalar * x

    @property
    def _compiles(self) -> bool:  # type: ignore[override]
        return self.of._compiles and not dtypes.is_complex_number(self.scalar)

    def _compiled_for(self, dtype: DType, side: int) -> Any:
        if dtypes.is_complex_number(self.scalar) or (inner := self.of._compiled_for(dtype, 1)) is None:
            return None
        whole = inner.scaled(self.scalar)
        return whole if side or whole is None else whole.adjoint

    def _column_grads(self, xp: Namespace, column: Array) -> tuple[Array, ...]:
        return self.of._column_grads(xp, column)

    def _apply(self, xp: Namespace, x: Array) -> Array:
        y = None if (compiled := self._compiled_for(x.dtype, 1)) is None else compiled.apply(xp, x)
        return self._times(xp, self.scalar, self.of._apply(xp, x)) if y is None else y

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        x = None if (compiled := self._compiled_for(g.dtype, 0)) is None else compiled.apply(xp, g)
        return self.of._apply_adjoint(xp, self._times(xp, self.scalar.conjugate(), g)) if x is None else x

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        y, saved = self.of._forward(xp, x)
        return self._times(xp, self.scalar, y), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        return self.of._backward(xp, saved, self._times(xp, self.scalar.conjugate(), g))

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        entries = self.of._entries(xp, i, j)
        return None if entries is None else self._times(xp, self.scalar, entries)

    def _block(self, xp: Namespace, i: Indices, j: Indices, where: Device) -> Array:
        return self._times(xp, self.scalar, self.of._block(xp, i, j, where))

    def _row_entry(self, xp: Namespace, i: Array) -> NonzeroEntry:
        return self._scaled_entry(xp, self.of._row_entry(xp, i))

    def _column_entry(self, xp: Namespace, j: Array) -> NonzeroEntry:
        return self._scaled_entry(xp, self.of._column_entry(xp, j))

    def _scaled_entry(self, xp: Namespace, found: NonzeroEntry) -> NonzeroEntry:
        if found is None:
            return None
        place, value = found
        dtype = self.of._matrix_dtype(xp)
        value = xp.ones_like(place, dtype=dtype) if value is None else dtypes.astype(xp, value, dtype)
        return place, self._times(xp, self.scalar, value)

    def _conj(self) -> LinearOperator:
        return Scaled(self.of.conj(), self.scalar.conjugate())

    def _adjoint(self) -> LinearOperator:
        return Scaled(self.of.H, self.scalar.conjugate())

    def _inverse(self) -> LinearOperator:
        if self.scalar == 0:
            raise LinAlgError(f"{self._head} ** -1: the operator is singular: it is 0 times {self.of._label}.")
        return scaled(1 / self.scalar, self.of**-1)

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator | None:
        found = self.of._pseudoinverse(xp, cutoff / abs(self.scalar)) if self.scalar else None
        return None if found is None else scaled(1 / self.scalar, found)

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        values = self.of._eigenvalues(xp)
        return None if values is None else self._times(xp, self.scalar, values)

    def _singular_values(self, xp: Namespace) -> Array | None:
        values = self.of._singular_values(xp)
        return None if values is None else abs(self.scalar) * values

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        return solve(self.of, self._times(xp, 1 / self.scalar, b))

    def _low_rank_factors(self, xp: Namespace) -> tuple[Array, Array] | None:
        found = self.of._low_rank_factors(xp)
        return None if found is None else (self._times(xp, self.scalar, found[0]), found[1])

    @property
    def _details(self) -> str:
        return f", scalar={self.scalar}"


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Power(UnaryOperator):
    """A square operator applied several times, its parameters tied; the power 0 is the identity."""

    _notation = Notation("Aᵏ", frame="{parts}^{{{exponent}}}", binds=3, holds=4)

    of: LinearOperator
    exponent: int

    def _check_fields(self) -> None:
        super()._check_fields()
        self.__dict__["exponent"] = checked_size("Power", "exponent", self.exponent, least=0)

    def _shape_of_children(self) -> tuple[int, int]:
        if self.of.m != self.of.n:
            raise ValueError(f"Power: of is {self.of._label}; expected a square operator.")
        return self.of.shape

    def _start(self, xp: Namespace, x: Array) -> Array:
        """The input of the first factor; a copy for the power 0, since results have memory of their own."""
        return x if self.exponent else memory.copy(xp, x)

    def _apply(self, xp: Namespace, x: Array) -> Array:
        x = self._start(xp, x)
        for _ in range(self.exponent):
            x = self.of._apply(xp, x)
        return x

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        g = self._start(xp, g)
        for _ in range(self.exponent):
            g = self.of._apply_adjoint(xp, g)
        return g

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        x = self._start(xp, x)
        tape = []
        for _ in range(self.exponent):
            x, saved = self.of._forward(xp, x)
            tape.append(saved)
        return x, tuple(tape)

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        g = self._start(xp, g)
        total = tuple(xp.zeros_like(value) for value in self.params)
        for kept in reversed(saved):
            g, grads = self.of._backward(xp, kept, g)
            total = tuple(old + new for old, new in zip(total, grads, strict=True))
        return g, total

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        if not self.exponent:
            return dtypes.astype(xp, i == j, self._matrix_dtype(xp))
        return Product((self.of,) * self.exponent)._entries(xp, i, j) if self.of._row_entry(xp, i) else None

    def _block(self, xp: Namespace, i: Indices, j: Indices, where: Device) -> Array:
        if not self.exponent or self.of._row_entry(xp, as_index_array(xp, range(1), where)):
            return super()._block(xp, i, j, where)
        parts = self.of, power(self.of, self.exponent - 1)
        return block_of_product(xp, parts, (i, j), self._matrix_dtype(xp), where)

    def _inverse(self) -> LinearOperator:
        return power(self.of**-1, self.exponent) if self.exponent else self

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        values = self.of._eigenvalues(xp)
        return None if values is None else values**self.exponent

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        return functools.reduce(lambda x, _: solve(self.of, x), range(self.exponent), b)

    @property
    def _details(self) -> str:
        return f", exponent={self.exponent}"


def added(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    """Add two operators; sums are flattened."""
    return Sum(tuple(part for side in (left, right) for part in (side.parts if isinstance(side, Sum) else (side,))))


def scaled(scalar: Any, of: LinearOperator) -> LinearOperator:
    """Scale an operator by a Python or NumPy number; scalars of scalars multiply."""
    if isinstance(of, Scaled):
        scalar, of = number(scalar, of) * of.scalar, of.of
    factor = number(scalar, of)
    return of if factor == 1 else Scaled(of, factor)


def number(scalar: Any, of: LinearOperator) -> Any:
    """Return a scalar as a Python number: the dtype of a NumPy scalar would promote the products of an operator."""
    try:
        return dtypes.as_scalar(of.xp, of.dtype, scalar)
    except OverflowError:
        raise OverflowError(f"{of._head}: the scalar is too large; expected one that double precision holds.") from None


def power(of: LinearOperator, exponent: int) -> LinearOperator:
    """Raise a square operator to a power of zero or more."""
    return of if exponent == 1 else Power(of, exponent)


extensions.added, extensions.scaled, extensions.number, extensions.power = added, scaled, number, power
