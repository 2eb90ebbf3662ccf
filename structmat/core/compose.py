"""Products, sums, scalar multiples and powers of operators."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterable
from numbers import Complex
from typing import Any

from structmat._backend import (
    Array,
    Device,
    DType,
    LinAlgError,
    Namespace,
    as_number,
    astype,
    complex_dtype,
    copied,
    is_complex,
    is_complex_number,
    kind,
    namespace_name,
    real_dtype,
    result_dtype,
)
from structmat.core.base import LinearOperator, Places, Solver, as_places, count, is_all
from structmat.core.fields import checked_size


def checked_parts(title: str, parts: Any, name: str = "parts") -> tuple[LinearOperator, ...]:
    """Return the operators of a sequence as a tuple; raise if there are none, or one is something else."""
    if not isinstance(parts, Iterable):
        raise TypeError(f"{title}: {name} is a {type(parts).__name__}; expected operators.")
    given = tuple(parts)
    if not given:
        raise ValueError(f"{title}: {name} is empty; expected at least one.")
    for place, part in enumerate(given, 1):
        if not isinstance(part, LinearOperator):
            raise TypeError(f"{title}: part {place} is a {type(part).__name__}; expected a LinearOperator.")
    return given


class Composite(LinearOperator):
    """An operator made of operators."""

    def _shape_of_children(self) -> tuple[int, int]:
        raise NotImplementedError

    def _rebuilt(self, children: tuple[LinearOperator, ...]) -> LinearOperator:
        raise NotImplementedError

    def _setup(self) -> None:
        xp = where = dtype = first = None
        for place, child in enumerate(self._children, 1):
            if child.xp is not None:
                if first is None:
                    first, xp, where = place, child.xp, child.device
                elif child.xp is not xp:
                    raise TypeError(
                        f"{type(self).__name__}: part {first} is of {namespace_name(xp)} and part {place} "
                        f"({child._label}) of {namespace_name(child.xp)}; convert one with A.to(xp=...)."
                    )
                elif child.device != where and None not in (child.device, where):
                    raise TypeError(
                        f"{type(self).__name__}: part {first} is on {where} and part {place} ({child._label}) on "
                        f"{child.device}; move one with A.to(device=...)."
                    )
                dtype = result_dtype(xp, dtype, child.dtype)
        complex_entries = any(child._is_complex for child in self._children)
        if complex_entries and dtype is not None:  # a complex part may have no dtype of its own
            dtype = complex_dtype(xp, dtype)
        self._settle(self._shape_of_children(), dtype, xp, where, complex_entries)

    def _map(self, change: Callable[[LinearOperator], LinearOperator]) -> LinearOperator:
        return self._rebuilt(tuple(child._map(change) for child in self._children))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NaryOperator(Composite):
    """A composite of a tuple of operators."""

    parts: tuple[LinearOperator, ...]

    def _admit_fields(self) -> None:
        self.__dict__["parts"] = checked_parts(type(self).__name__, self.parts)

    @property
    def _children(self) -> tuple[LinearOperator, ...]:
        return self.parts

    @property
    def _details(self) -> str:
        return f", {len(self.parts)} parts"

    @property
    def _has_square_parts(self) -> bool:
        return all(part.m == part.n for part in self.parts)

    def _rebuilt(self, children: tuple[LinearOperator, ...]) -> LinearOperator:
        return type(self)(children)

    def _of_parts(self, parts: list[LinearOperator | None]) -> LinearOperator | None:
        """The same composition of other operators; None where one of them is."""
        known = tuple(part for part in parts if part is not None)
        return type(self)(known) if len(known) == len(parts) else None

    def _conj(self) -> LinearOperator:
        return type(self)(tuple(part.conj() for part in self.parts))

    def _forward_each(self, xp: Namespace, inputs: list[Array]) -> tuple[list[Array], tuple[Any, ...]]:
        results = [part._forward(xp, x) for part, x in zip(self.parts, inputs, strict=True)]
        return [y for y, _ in results], tuple(saved for _, saved in results)

    def _backward_each(
        self, xp: Namespace, saved: tuple[Any, ...], cotangents: list[Array]
    ) -> tuple[list[Array], tuple[Array, ...]]:
        triples = zip(self.parts, saved, cotangents, strict=True)
        results = [part._backward(xp, kept, g) for part, kept, g in triples]
        return [dx for dx, _ in results], tuple(grad for _, grads in results for grad in grads)


class Product(NaryOperator):
    """A product of operators, applied from right to left."""

    def _shape_of_children(self) -> tuple[int, int]:
        for place, (left, right) in enumerate(zip(self.parts, self.parts[1:], strict=False), 1):
            if left.n != right.m:
                raise ValueError(
                    f"Product: factor {place} is {left._label} but factor {place + 1} has {right.m} rows "
                    f"({right._label})."
                )
        return self.parts[0].m, self.parts[-1].n

    def _apply(self, xp: Namespace, x: Array) -> Array:
        for part in reversed(self.parts):
            x = part._apply(xp, x)
        return x

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        for part in self.parts:
            g = part._apply_adjoint(xp, g)
        return g

    def _through(self, xp: Namespace, x: Array, parts: tuple[LinearOperator, ...]) -> tuple[Array, tuple[Any, ...]]:
        tape = []
        for part in reversed(parts):
            x, saved = part._forward(xp, x)
            tape.append(saved)
        return x, tuple(reversed(tape))

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        return self._through(xp, x, self.parts)

    def _residuals(self, xp: Namespace, x: Array) -> Any:
        x, tape = self._through(xp, x, self.parts[1:])
        return (self.parts[0]._residuals(xp, x), *tape)

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        gradients: tuple[Array, ...] = ()
        for part, kept in zip(self.parts, saved, strict=True):
            g, grads = part._backward(xp, kept, g)
            gradients += grads
        return g, gradients

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        core, i, j, factors = _peeled(xp, self.parts, i, j, real_dtype(xp, self._matrix_dtype(xp)))
        if len(core) > 1:
            return None
        entries = core[0]._entries(xp, *(xp.where(at < 0, 0, at) for at in (i, j)))
        return None if entries is None else _with_factors(xp, entries, i, j, factors)

    def _block(self, xp: Namespace, i: Places, j: Places, where: Device) -> Array:
        dtype = self._matrix_dtype(xp)
        rows, columns = (as_places(xp, places, where) for places in (i, j))
        core, at_i, at_j, factors = _peeled(xp, self.parts, rows[:, None], columns[None, :], real_dtype(xp, dtype))
        if len(core) == len(self.parts):
            return _block_of_product(xp, core, (i, j), dtype, where)
        if len(core) == 1 and (block := self._block_of_entries(xp, rows, columns)) is not None:
            return block
        whole: LinearOperator = Product(core) if len(core) > 1 else core[0]
        kept_i, kept_j = (xp.where(at < 0, 0, at) for at in (at_i[:, 0], at_j[0, :]))
        block = whole._block(xp, kept_i, kept_j, where)
        return _with_factors(xp, block, at_i, at_j, factors)

    def _adjoint(self) -> LinearOperator:
        return Product(tuple(part.H for part in reversed(self.parts)))

    def _inverse(self) -> LinearOperator:
        if not self._has_square_parts:
            return super()._inverse()
        return functools.reduce(product, [part**-1 for part in reversed(self.parts)])

    def _singular_values(self, xp: Namespace) -> Array | None:
        others = [part for part in self.parts if not part._is_unitary]
        return others[0]._singular_values(xp) if len(others) == 1 else None

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator | None:
        if sum(not part._is_unitary for part in self.parts) != 1:
            return None
        found = [part._pseudoinverse(xp, cutoff) for part in reversed(self.parts)]
        return functools.reduce(product, [part for part in found if part is not None]) if None not in found else None

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        return functools.reduce(lambda x, part: solve(part, x), self.parts, b) if self._has_square_parts else None


class Sum(NaryOperator):
    """A sum of operators of one shape."""

    def _shape_of_children(self) -> tuple[int, int]:
        first = self.parts[0]
        for place, part in enumerate(self.parts[1:], 2):
            if part.shape != first.shape:
                raise ValueError(f"Sum: term 1 is {first._label} but term {place} is {part._label}.")
        return first.shape

    def _apply(self, xp: Namespace, x: Array) -> Array:
        return functools.reduce(operator.add, [part._apply(xp, x) for part in self.parts])

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        return functools.reduce(operator.add, [part._apply_adjoint(xp, g) for part in self.parts])

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        products, saved = self._forward_each(xp, [x] * len(self.parts))
        return functools.reduce(operator.add, products), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        shares, grads = self._backward_each(xp, saved, [g] * len(self.parts))
        return functools.reduce(operator.add, shares), grads

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        found = [part._entries(xp, i, j) for part in self.parts]
        return None if any(entries is None for entries in found) else functools.reduce(operator.add, found)

    def _block(self, xp: Namespace, i: Places, j: Places, where: Device) -> Array:
        return functools.reduce(operator.add, [part._block(xp, i, j, where) for part in self.parts])

    def _adjoint(self) -> LinearOperator:
        return Sum(tuple(part.H for part in self.parts))


class UnaryOperator(Composite):
    """A composite of one operator, whose parameters are that operator's."""

    of: LinearOperator

    def _admit_fields(self) -> None:
        if not isinstance(self.of, LinearOperator):
            raise TypeError(f"{type(self).__name__}: of is a {type(self.of).__name__}; expected a LinearOperator.")

    @property
    def _children(self) -> tuple[LinearOperator, ...]:
        return (self.of,)

    def _rebuilt(self, children: tuple[LinearOperator, ...]) -> LinearOperator:
        return self._replace(of=children[0])

    def _conj(self) -> LinearOperator:
        return self._replace(of=self.of.conj())

    def _adjoint(self) -> LinearOperator:
        return self._replace(of=self.of.H)

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator | None:
        return self.of._eigenvectors(basis)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Scaled(UnaryOperator):
    """A scalar times an operator; the scalar is a constant, not a parameter."""

    of: LinearOperator
    scalar: Any

    def _admit_fields(self) -> None:
        super()._admit_fields()
        if isinstance(self.scalar, bool) or not isinstance(self.scalar, Complex):
            raise TypeError(f"Scaled: scalar is {self.scalar!r}; expected a number.")

    def _setup(self) -> None:
        super()._setup()
        if type(self.scalar) not in (float, complex):
            self.__dict__["scalar"] = as_number(self.xp, self.dtype, self.scalar)
        if is_complex_number(self.scalar):
            dtype = None if self.dtype is None else complex_dtype(self.xp, self.dtype)
            self._settle(self.shape, dtype, self.xp, self.device, True)

    def _shape_of_children(self) -> tuple[int, int]:
        return self.of.shape

    def _times(self, xp: Namespace, scalar: Any, x: Array) -> Array:
        if is_complex_number(scalar) and not is_complex(xp, x.dtype):
            x = astype(xp, x, complex_dtype(xp, x.dtype))
        return scalar * x

    def _apply(self, xp: Namespace, x: Array) -> Array:
        return self._times(xp, self.scalar, self.of._apply(xp, x))

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        return self.of._apply_adjoint(xp, self._times(xp, self.scalar.conjugate(), g))

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        y, saved = self.of._forward(xp, x)
        return self._times(xp, self.scalar, y), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        return self.of._backward(xp, saved, self._times(xp, self.scalar.conjugate(), g))

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        entries = self.of._entries(xp, i, j)
        return None if entries is None else self._times(xp, self.scalar, entries)

    def _block(self, xp: Namespace, i: Places, j: Places, where: Device) -> Array:
        return self._times(xp, self.scalar, self.of._block(xp, i, j, where))

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None] | None:
        return self._scaled_entry(xp, self.of._row_entry(xp, i))

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None] | None:
        return self._scaled_entry(xp, self.of._column_entry(xp, j))

    def _scaled_entry(
        self, xp: Namespace, found: tuple[Array, Array | None] | None
    ) -> tuple[Array, Array | None] | None:
        if found is None:
            return None
        place, value = found
        dtype = self.of._matrix_dtype(xp)
        value = xp.ones_like(place, dtype=dtype) if value is None else astype(xp, value, dtype)
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

    of: LinearOperator
    exponent: int

    def _admit_fields(self) -> None:
        super()._admit_fields()
        self.__dict__["exponent"] = checked_size("Power", "exponent", self.exponent, least=0)

    def _shape_of_children(self) -> tuple[int, int]:
        if self.of.m != self.of.n:
            raise ValueError(f"Power: of is {self.of._label}; expected a square operator.")
        return self.of.shape

    def _start(self, xp: Namespace, x: Array) -> Array:
        """What the factors are applied to; the power 0 has none, and results have memory of their own."""
        return x if self.exponent else copied(xp, x)

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
            return astype(xp, i == j, self._matrix_dtype(xp))
        return Product((self.of,) * self.exponent)._entries(xp, i, j) if self.of._row_entry(xp, i) else None

    def _block(self, xp: Namespace, i: Places, j: Places, where: Device) -> Array:
        if not self.exponent or self.of._row_entry(xp, as_places(xp, range(1), where)):
            return super()._block(xp, i, j, where)
        parts = self.of, power(self.of, self.exponent - 1)
        return _block_of_product(xp, parts, (i, j), self._matrix_dtype(xp), where)

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


def _peeled(
    xp: Namespace, parts: tuple[LinearOperator, ...], i: Array, j: Array, dtype: DType
) -> tuple[tuple[LinearOperator, ...], Array, Array, list[Array]]:
    """Take factors that only move and scale entries off both ends of a product.

    Returns what is left, one factor at least, the rows and columns of it that rows i and columns j of the product are
    multiples of, -1 where these are zero, and what they are multiplied by: an array for each side that has any.
    """
    first, last = 0, len(parts)
    sides: tuple[list[Array], list[Array]] = [], []
    while last - first > 1 and (found := parts[first]._row_entry(xp, xp.where(i < 0, 0, i))) is not None:
        i, first = xp.where(i < 0, -1, found[0]), first + 1
        sides[0].append(found[1])
    while last - first > 1 and (found := parts[last - 1]._column_entry(xp, xp.where(j < 0, 0, j))) is not None:
        j, last = xp.where(j < 0, -1, found[0]), last - 1
        sides[1].append(found[1])
    factors = []
    for side in sides:
        values = [value if kind(xp, value.dtype) else xp.astype(value, dtype) for value in side if value is not None]
        factors += [functools.reduce(operator.mul, values)] if values else []
    return parts[first:last], i, j, factors


def _with_factors(xp: Namespace, entries: Array, i: Array, j: Array, factors: list[Array]) -> Array:
    """Multiply entries by the factors from both sides; those whose row i or column j is -1 are zero.

    Both factors first, so that D A D is symmetric where A is; unless their product overflows or loses digits.
    """
    if len(factors) == 2:
        left, right = factors
        both, apart = left * right, entries * right * left
        size = xp.abs(both)
        info = xp.finfo(both.dtype)
        entries = xp.where((size >= info.smallest_normal) & (size <= info.max), entries * both, apart)
    elif factors:
        entries = entries * factors[0]
    return xp.where((i < 0) | (j < 0), 0, entries)


def _block_of_product(
    xp: Namespace, parts: tuple[LinearOperator, ...], places: tuple[Places, Places], dtype: DType, where: Device
) -> Array:
    """Multiply entries of the last factor by the others, or of the first one where rows are fewer than columns."""

    def cast(block: Array) -> Array:
        return astype(xp, block, dtype if is_complex(xp, block.dtype) else real_dtype(xp, dtype))

    (i, j), first, last = places, parts[0], parts[-1]
    if is_all(i, first.m) or count(j) <= count(i):
        block = functools.reduce(product, parts[:-1]).matmat(cast(last._block(xp, range(last.m), j, where)))
        return block if is_all(i, first.m) else xp.take(block, as_places(xp, i, where), axis=0)
    block = functools.reduce(product, parts[1:]).T.matvec(cast(first._block(xp, i, range(first.n), where)))
    return block if is_all(j, last.n) else xp.take(block, as_places(xp, j, where), axis=1)


def product(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    """Multiply two operators: products are flattened and identities dropped, nothing else."""
    parts = tuple(part for side in (left, right) for part in (side.parts if isinstance(side, Product) else (side,)))
    whole = Product(parts)
    kept = tuple(part for part in parts if not part._is_identity)
    return whole if len(kept) == len(parts) else Product(kept) if len(kept) > 1 else (kept or parts)[0]


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
    """Return a scalar as a plain number: one of NumPy has a dtype, which would widen the products of an operator."""
    try:
        return as_number(of.xp, of.dtype, scalar)
    except OverflowError:
        raise OverflowError(f"{of._head}: the scalar is too large; expected one that double precision holds.") from None


def power(of: LinearOperator, exponent: int) -> LinearOperator:
    """Raise a square operator to a power of zero or more."""
    return of if exponent == 1 else Power(of, exponent)
