"""Base classes of operators that are made of operators."""

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from structmat._backend import devices, dtypes, namespaces
from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator

if TYPE_CHECKING:
    from structmat.core.leaf import Leaf


def checked_parts(title: str, parts: Any, name: str = "parts") -> tuple[LinearOperator, ...]:
    """Validate a nonempty sequence of operators, and return it as a tuple."""
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
                        f"{type(self).__name__}: part {first} is of {namespaces.name(xp)} and part {place} "
                        f"({child._label}) of {namespaces.name(child.xp)}; convert one with A.to(xp=...)."
                    )
                elif devices.are_apart(child.device, where):
                    raise TypeError(
                        f"{type(self).__name__}: part {first} is on {where} and part {place} ({child._label}) on "
                        f"{child.device}; move one with A.to(device=...)."
                    )
                dtype = dtypes.result_dtype(xp, dtype, child.dtype)
        complex_entries = any(child._is_complex for child in self._children)
        if complex_entries and dtype is not None:  # a complex part may have no dtype of its own
            dtype = dtypes.complex_dtype(xp, dtype)
        self._settle(self._shape_of_children(), dtype, xp, where, complex_entries)

    def _map(self, change: Callable[["Leaf"], LinearOperator]) -> LinearOperator:
        return self._rebuilt(tuple(child._map(change) for child in self._children))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NaryOperator(Composite):
    """A composite of a tuple of operators."""

    parts: tuple[LinearOperator, ...]

    def _check_fields(self) -> None:
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
        """The same composition of other operators; None if one of them is None."""
        known = tuple(part for part in parts if part is not None)
        return type(self)(known) if len(known) == len(parts) else None

    def _conj(self) -> LinearOperator:
        return type(self)(tuple(part.conj() for part in self.parts))

    def _adjoint(self) -> LinearOperator:
        return type(self)(tuple(part.H for part in self.parts))


class Parallel(NaryOperator):
    """Operators that multiply the same vector, or pieces of it; their products are added, or concatenated."""

    _sides: ClassVar[tuple[bool, bool]]  # whether parts follow one another along rows and along columns

    def _cut(self, x: Array, side: int = 1) -> list[Array]:
        """The vector of each part, for x (side 1) or g (side 0)."""
        if not self._sides[side]:
            return [x] * len(self.parts)
        widths = [part.shape[side] for part in self.parts]
        return [x[..., end - width : end] for width, end in zip(widths, itertools.accumulate(widths), strict=True)]

    def _combined(self, xp: Namespace, results: list[Array], side: int) -> Array:
        """Sum or concatenation of the parts' products, for y (side 0) or dx (side 1)."""
        return xp.concat(results, axis=-1) if self._sides[side] else functools.reduce(operator.add, results)

    def _apply(self, xp: Namespace, x: Array) -> Array:
        pairs = zip(self.parts, self._cut(x), strict=True)
        return self._combined(xp, [part._apply(xp, piece) for part, piece in pairs], 0)

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        pairs = zip(self.parts, self._cut(g, 0), strict=True)
        return self._combined(xp, [part._apply_adjoint(xp, piece) for part, piece in pairs], 1)

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        pairs = zip(self.parts, self._cut(x), strict=True)
        products, saved = zip(*[part._forward(xp, piece) for part, piece in pairs], strict=True)
        return self._combined(xp, list(products), 0), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        triples = zip(self.parts, saved, self._cut(g, 0), strict=True)
        shares, grads = zip(*[part._backward(xp, kept, piece) for part, kept, piece in triples], strict=True)
        return self._combined(xp, list(shares), 1), tuple(itertools.chain.from_iterable(grads))


class UnaryOperator(Composite):
    """A composite of one operator, whose parameters are that operator's."""

    of: LinearOperator

    def _check_fields(self) -> None:
        if not isinstance(self.of, LinearOperator):
            raise TypeError(f"{type(self).__name__}: of is a {type(self.of).__name__}; expected a LinearOperator.")

    @property
    def _children(self) -> tuple[LinearOperator, ...]:
        return (self.of,)

    def _shape_of_children(self) -> tuple[int, int]:
        return self.of.shape

    def _rebuilt(self, children: tuple[LinearOperator, ...]) -> LinearOperator:
        return self._replace(of=children[0])

    def _conj(self) -> LinearOperator:
        return self._replace(of=self.of.conj())

    def _adjoint(self) -> LinearOperator:
        return self._replace(of=self.of.H)

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator | None:
        return self.of._eigenvectors(basis)
