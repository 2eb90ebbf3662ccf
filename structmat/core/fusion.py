"""Factors of a product that are multiplied by one compiled call: a compiled one, and factors and crops beside it."""

from typing import Any

from structmat._backend import dtypes, kernels, namespaces, tracing
from structmat._backend.convolution import Side, Tape
from structmat._backend.types import Array, DType, Namespace
from structmat.core.base import LinearOperator


class Run:
    """Consecutive factors of a product: a compiled one between operators without parameters that crop and scale."""

    def __init__(self, parts: tuple[LinearOperator, ...], center: LinearOperator, output: Side, input: Side) -> None:
        self.parts, self.center, self.sides = parts, center, (output, input)
        self._last: tuple[Any, Any] = None, None  # the compiled factor, and the same one with its neighbours

    def _compiled_for(self, dtype: DType, side: int = 1) -> Any:
        """Return the compiled factor with its neighbours, or the adjoint for side 0, for vectors that need no cast."""
        inner = self.center._compiled_for(dtype, 1)
        if inner is None:
            return None
        last, whole = self._last
        if last is not inner:
            whole = inner.between(*self.sides)
            self._last = inner, whole
        return whole if side or whole is None else whole.adjoint

    def _apply(self, xp: Namespace, x: Array) -> Array:
        y = None if (compiled := self._compiled_for(x.dtype)) is None else compiled.apply(xp, x)
        if y is not None:
            return y
        for part in reversed(self.parts):
            x = part._apply(xp, x)
        return x

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        x = None if (compiled := self._compiled_for(g.dtype, 0)) is None else compiled.apply(xp, g)
        if x is not None:
            return x
        for part in self.parts:
            g = part._apply_adjoint(xp, g)
        return g

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        if not self.center.params:
            return self._apply(xp, x), x.dtype
        found = None if (compiled := self._compiled_for(x.dtype)) is None else compiled.forward(xp, x)
        return self._forward_by_parts(xp, x) if found is None else found

    def _forward_by_parts(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        tapes = []
        for part in reversed(self.parts):
            x, tape = part._forward(xp, x)
            tapes.append(tape)
        return x, tuple(reversed(tapes))

    def _residuals(self, xp: Namespace, x: Array) -> Any:
        if not self.center.params:
            return x.dtype
        found = None if (compiled := self._compiled_for(x.dtype)) is None else compiled.recorded(x)
        return self._forward_by_parts(xp, x)[1] if found is None else found

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        if type(saved) is Tape:
            native = self.center._native_dtype
            g = g if g.dtype is native else dtypes.astype(xp, g, native)
            found = saved.convolution.pull_back(xp, saved, g)
            if found is not None:
                return found[0], self.center._column_grads(xp, found[1])
            saved = self._forward_by_parts(xp, saved.x)[1]  # g has a graph
        if not isinstance(saved, tuple):
            dx = self._apply_adjoint(xp, dtypes.astype(xp, g, self.center._product_dtype(xp, saved)))
            return dtypes.astype(xp, dx, saved), ()
        gradients: tuple[Array, ...] = ()
        for part, kept in zip(self.parts, saved, strict=True):
            g, grads = part._backward(xp, kept, g)
            gradients += grads
        return g, gradients


def runs(parts: tuple[LinearOperator, ...]) -> tuple[LinearOperator | Run, ...]:
    """Return the factors of a product, with a run in the place of those that one compiled call multiplies."""
    found: list[LinearOperator | Run] = []
    start = 0  # of the factors that are in no run yet
    for place, part in enumerate(parts):
        if place < start or not part._compiles:
            continue
        first, output = place, Side(part.m)
        while first > start and (wider := _extended(output, part, parts[first - 1], True)) is not None:
            first, output = first - 1, wider
        last, input = place + 1, Side(part.n)
        while last < len(parts) and (wider := _extended(input, part, parts[last], False)) is not None:
            last, input = last + 1, wider
        run = Run(parts[first:last], part, output, input) if last - first > 1 else part
        found += [*parts[start:first], run]
        start = last
    return (*found, *parts[start:])


def _extended(side: Side, center: LinearOperator, part: LinearOperator, is_left: bool) -> Side | None:
    """Return the side of a factor with a neighbour, if that one keeps and scales its first entries, else None."""
    width, xp, where = part.m if is_left else part.n, center.xp or part.xp, center.device or part.device
    xp = xp or namespaces.resolve(None)
    char = None if center.dtype is None else kernels.char_of(xp, center.dtype)
    if width > side.width or part.params or part._is_complex or not _are_constant(part._arrays):
        return None
    if char is None and center.dtype is not None:
        return None
    entry = (part._row_entry if is_left else part._column_entry)(xp, xp.arange(width, device=where))
    return None if entry is None else side.extended(*entry, width, char)


def _are_constant(arrays: tuple[Array, ...]) -> bool:
    return all(tracing.may_keep(array, arrays) for array in arrays)
