"""Products of operators."""

import functools
import operator
from typing import Any

from structmat._backend import dtypes, kernels
from structmat._backend.types import Array, Device, DType, Namespace
from structmat.core.base import LinearOperator
from structmat.core.composite import NaryOperator
from structmat.core.contract import Solver
from structmat.core.entries import Indices, as_index_array, index_count, is_full_range
from structmat.core.extensions import extensions
from structmat.core.fusion import runs
from structmat.core.notation import Notation


class Product(NaryOperator):
    """A product of operators, applied from right to left."""

    _notation = Notation("×", between=r" \, ", binds=2, holds=2)

    def _shape_of_children(self) -> tuple[int, int]:
        for place, (left, right) in enumerate(zip(self.parts, self.parts[1:], strict=False), 1):
            if left.n != right.m:
                raise ValueError(
                    f"Product: factor {place} is {left._label} but factor {place + 1} has {right.m} rows "
                    f"({right._label})."
                )
        return self.parts[0].m, self.parts[-1].n

    @property
    def _runs(self) -> tuple[Any, ...]:
        """The factors, with a run in the place of those that one compiled call multiplies."""
        found = self._cache.get("runs")
        if found is None:
            if not kernels.are_built() or not all(map(kernels.is_on_host, self._arrays)):
                return self.parts
            found = self._cache["runs"] = runs(self.parts)
        return found

    def _compiled_for(self, dtype: DType, side: int) -> Any:
        return self._runs[0]._compiled_for(dtype, side) if len(self._runs) == 1 else None

    def _apply(self, xp: Namespace, x: Array) -> Array:
        for part in reversed(self._runs):
            x = part._apply(xp, x)
        return x

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        for part in self._runs:
            g = part._apply_adjoint(xp, g)
        return g

    def _through(self, xp: Namespace, x: Array, parts: tuple[Any, ...]) -> tuple[Array, tuple[Any, ...]]:
        tape = []
        for part in reversed(parts):
            x, saved = part._forward(xp, x)
            tape.append(saved)
        return x, tuple(reversed(tape))

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        return self._through(xp, x, self._runs)

    def _residuals(self, xp: Namespace, x: Array) -> Any:
        first, *others = self._runs
        x, tape = self._through(xp, x, tuple(others))
        return (first._residuals(xp, x), *tape)

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        gradients: tuple[Array, ...] = ()
        parts = self.parts if len(saved) == len(self.parts) else self._runs  # `forward` may have seen a graph
        for part, kept in zip(parts, saved, strict=True):
            g, grads = part._backward(xp, kept, g)
            gradients += grads
        return g, gradients

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        core, i, j, factors = _peeled(xp, self.parts, i, j, dtypes.real_dtype(xp, self._matrix_dtype(xp)))
        if len(core) > 1:
            return None
        entries = core[0]._entries(xp, *(xp.where(at < 0, 0, at) for at in (i, j)))
        return None if entries is None else _with_factors(xp, entries, i, j, factors)

    def _block(self, xp: Namespace, i: Indices, j: Indices, where: Device) -> Array:
        dtype = self._matrix_dtype(xp)
        rows, columns = (as_index_array(xp, indices, where) for indices in (i, j))
        core, at_i, at_j, factors = _peeled(
            xp, self.parts, rows[:, None], columns[None, :], dtypes.real_dtype(xp, dtype)
        )
        if len(core) == len(self.parts):
            return block_of_product(xp, core, (i, j), dtype, where)
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


def _peeled(
    xp: Namespace, parts: tuple[LinearOperator, ...], i: Array, j: Array, dtype: DType
) -> tuple[tuple[LinearOperator, ...], Array, Array, list[Array]]:
    """Take factors that only move and scale entries off both ends of a product.

    Entry (i, j) of the product is entry (i', j') of the remaining factors, at least one, times one number for each
    side. Returns these factors, i' and j', which are -1 where the entry is zero, and the numbers, as an array for each
    side that has any.
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
        values = [
            value if dtypes.kind(xp, value.dtype) else xp.astype(value, dtype) for value in side if value is not None
        ]
        factors += [functools.reduce(operator.mul, values)] if values else []
    return parts[first:last], i, j, factors


def _with_factors(xp: Namespace, entries: Array, i: Array, j: Array, factors: list[Array]) -> Array:
    """Multiply entries by the factors of both sides; an entry whose row i or column j is -1 is zero.

    The two factors are multiplied first, so that D A D is symmetric if A is, unless their product overflows or loses
    digits.
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


def block_of_product(
    xp: Namespace, parts: tuple[LinearOperator, ...], indices: tuple[Indices, Indices], dtype: DType, where: Device
) -> Array:
    """Multiply columns of the last factor by the others; or rows of the first one, if fewer rows than columns."""

    def cast(block: Array) -> Array:
        return dtypes.astype(xp, block, dtype if dtypes.is_complex(xp, block.dtype) else dtypes.real_dtype(xp, dtype))

    (i, j), first, last = indices, parts[0], parts[-1]
    if is_full_range(i, first.m) or index_count(j) <= index_count(i):
        block = functools.reduce(product, parts[:-1]).matmat(cast(last._block(xp, range(last.m), j, where)))
        return block if is_full_range(i, first.m) else xp.take(block, as_index_array(xp, i, where), axis=0)
    block = functools.reduce(product, parts[1:]).T.matvec(cast(first._block(xp, i, range(first.n), where)))
    return block if is_full_range(j, last.n) else xp.take(block, as_index_array(xp, j, where), axis=1)


def product(left: LinearOperator, right: LinearOperator) -> LinearOperator:
    """Multiply two operators: products are flattened and identities dropped, nothing else."""
    parts = tuple(part for side in (left, right) for part in (side.parts if isinstance(side, Product) else (side,)))
    whole = Product(parts)
    kept = tuple(part for part in parts if not part._is_identity)
    return whole if len(kept) == len(parts) else Product(kept) if len(kept) > 1 else (kept or parts)[0]


extensions.product = product
