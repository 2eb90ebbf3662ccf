"""Base classes of operators that are made of operators."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from structmat._backend import Array, Namespace, complex_dtype, namespace_name, result_dtype
from structmat.core.base import LinearOperator

if TYPE_CHECKING:
    from structmat.core.leaf import Leaf


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

    def _map(self, change: Callable[["Leaf"], LinearOperator]) -> LinearOperator:
        return self._rebuilt(tuple(child._map(change) for child in self._children))


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class NaryOperator(Composite):
    """A composite of a tuple of operators."""

    parts: tuple[LinearOperator, ...]

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


class UnaryOperator(Composite):
    """A composite of one operator, whose parameters are that operator's."""

    of: LinearOperator

    @property
    def _children(self) -> tuple[LinearOperator, ...]:
        return (self.of,)

    def _rebuilt(self, children: tuple[LinearOperator, ...]) -> LinearOperator:
        return self._replace(of=children[0])

    def _conj(self) -> LinearOperator:
        return self._replace(of=self.of.conj())

    def _adjoint(self) -> LinearOperator:
        return self._replace(of=self.of.H)
