"""Operators side by side, on top of each other, along a diagonal, repeated, and Kronecker products."""

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from structmat._backend import Array, Device, DType, Namespace, astype, descending, pad
from structmat.core.base import LinearOperator, Places, Solver, as_places
from structmat.core.compose import NaryOperator, UnaryOperator, checked_parts
from structmat.core.fields import checked_size


def _pieces(x: Array, widths: Sequence[int]) -> list[Array]:
    """Cut the last axis into pieces of given widths."""
    ends = list(itertools.accumulate(widths))
    return [x[..., end - width : end] for width, end in zip(widths, ends, strict=True)]


def joined(xp: Namespace, pieces: list[Array | None]) -> Array | None:
    """Concatenate vectors, none of which may be unknown."""
    if any(piece is None for piece in pieces):
        return None
    return xp.concat(pieces)


def _added(arrays: list[Array]) -> Array:
    return functools.reduce(operator.add, arrays)


def _shares(places: range, widths: Sequence[int]) -> list[range]:
    """Divide places among parts of given widths: for each part those that lie in it, counted from its start."""
    ends = list(itertools.accumulate(widths))
    spans = (
        (max(places.start, end - width), min(places.stop, end), end - width)
        for width, end in zip(widths, ends, strict=True)
    )
    return [range(first - start, max(first, last) - start) for first, last, start in spans]


def _from_parts(
    xp: Namespace,
    parts: Sequence[LinearOperator],
    places: tuple[Array, Array],
    sides: tuple[bool, bool],
    read: Callable[[LinearOperator, Array, Array], Array | None],
) -> Array | None:
    """Read entries from the parts that they lie in; parts follow one another along the sides that say so."""
    found, starts = None, [0, 0]
    for part in parts:
        inside, local = [], []
        for side, at in enumerate(places):
            off = at - starts[side]
            inside.append((off >= 0) & (off < part.shape[side]))
            local.append(xp.clip(off, 0, part.shape[side] - 1))
            starts[side] += part.shape[side] * sides[side]
        entries = read(part, *local)
        if entries is None:
            return None
        found = xp.where(inside[0] & inside[1], entries, 0 if found is None else found)
    return found


class Stack(NaryOperator):
    """Operators that follow one another along rows, columns or both, with zeros beside them."""

    _sides: ClassVar[tuple[bool, bool]]

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        return _from_parts(xp, self.parts, (i, j), self._sides, lambda part, i, j: part._entries(xp, i, j))

    def _block(self, xp: Namespace, i: Places, j: Places, where: Device) -> Array:
        return _block_of_parts(xp, self.parts, (i, j), self._sides, where)


def _block_of_parts(
    xp: Namespace,
    parts: Sequence[LinearOperator],
    places: tuple[Places, Places],
    sides: tuple[bool, bool],
    where: Device,
) -> Array:
    """Put the blocks of parts that follow one another beside each other, between zeros."""
    split = [at for at, apart in zip(places, sides, strict=True) if apart]
    if not all(isinstance(at, range) for at in split):
        rows, columns = (as_places(xp, at, where) for at in places)
        found = _from_parts(
            xp,
            parts,
            (rows[:, None], columns[None, :]),
            sides,
            lambda part, rows, columns: part._block(xp, rows[:, 0], columns[0, :], where),
        )
        assert found is not None  # blocks are always known
        return found
    shares = [
        _shares(at, [part.shape[side] for part in parts]) if sides[side] else [at] * len(parts)
        for side, at in enumerate(places)
    ]
    several = zip(parts, *shares, strict=True)
    if not all(sides):
        axis = sides.index(True)
        return xp.concat([part._block(xp, *share, where) for part, *share in several if share[axis]], axis=axis)
    read = functools.cache(lambda part, rows, columns: part._block(xp, rows, columns, where))  # a part may stand often
    bands, before = [], 0
    for part, rows, columns in several:
        if rows:
            empty = xp.zeros((len(rows), 0), dtype=part._matrix_dtype(xp), device=where)
            block = read(part, rows, columns) if columns else empty
            bands.append(pad(xp, block, before, len(places[1]) - before - len(columns)))
        before += len(columns)
    return xp.concat(bands, axis=0)


class HStack(Stack):
    """Operators side by side, [A B ...]: the products of the pieces of x are added."""

    _sides = False, True

    def _shape_of_children(self) -> tuple[int, int]:
        first = self.parts[0]
        for place, part in enumerate(self.parts[1:], 2):
            if part.m != first.m:
                raise ValueError(
                    f"HStack: part 1 is {first._label} but part {place} has {part.m} rows ({part._label})."
                )
        return first.m, sum(part.n for part in self.parts)

    def _cut(self, x: Array) -> list[Array]:
        return _pieces(x, [part.n for part in self.parts])

    def _apply(self, xp: Namespace, x: Array) -> Array:
        return _added([part._apply(xp, piece) for part, piece in zip(self.parts, self._cut(x), strict=True)])

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        return xp.concat([part._apply_adjoint(xp, g) for part in self.parts], axis=-1)

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        products, saved = self._forward_each(xp, self._cut(x))
        return _added(products), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        shares, grads = self._backward_each(xp, saved, [g] * len(self.parts))
        return xp.concat(shares, axis=-1), grads

    def _adjoint(self) -> LinearOperator:
        return VStack(tuple(part.H for part in self.parts))


class VStack(Stack):
    """Operators on top of each other, [A; B; ...]: the products of one x are concatenated."""

    _sides = True, False

    def _shape_of_children(self) -> tuple[int, int]:
        first = self.parts[0]
        for place, part in enumerate(self.parts[1:], 2):
            if part.n != first.n:
                raise ValueError(
                    f"VStack: part 1 is {first._label} but part {place} has {part.n} columns ({part._label})."
                )
        return sum(part.m for part in self.parts), first.n

    def _cut(self, g: Array) -> list[Array]:
        return _pieces(g, [part.m for part in self.parts])

    def _apply(self, xp: Namespace, x: Array) -> Array:
        return xp.concat([part._apply(xp, x) for part in self.parts], axis=-1)

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        return _added([part._apply_adjoint(xp, piece) for part, piece in zip(self.parts, self._cut(g), strict=True)])

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        products, saved = self._forward_each(xp, [x] * len(self.parts))
        return xp.concat(products, axis=-1), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        shares, grads = self._backward_each(xp, saved, self._cut(g))
        return _added(shares), grads

    def _adjoint(self) -> LinearOperator:
        return HStack(tuple(part.H for part in self.parts))


class BlockDiag(Stack):
    """Operators along a diagonal: each takes its own piece of x and gives its own piece of y."""

    _sides = True, True

    def _shape_of_children(self) -> tuple[int, int]:
        return sum(part.m for part in self.parts), sum(part.n for part in self.parts)

    def _cut(self, x: Array) -> list[Array]:
        return _pieces(x, [part.n for part in self.parts])

    def _apply(self, xp: Namespace, x: Array) -> Array:
        return xp.concat(
            [part._apply(xp, piece) for part, piece in zip(self.parts, self._cut(x), strict=True)], axis=-1
        )

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        cut = zip(self.parts, _pieces(g, [part.m for part in self.parts]), strict=True)
        return xp.concat([part._apply_adjoint(xp, piece) for part, piece in cut], axis=-1)

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        products, saved = self._forward_each(xp, self._cut(x))
        return xp.concat(products, axis=-1), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        shares, grads = self._backward_each(xp, saved, _pieces(g, [part.m for part in self.parts]))
        return xp.concat(shares, axis=-1), grads

    def _adjoint(self) -> LinearOperator:
        return BlockDiag(tuple(part.H for part in self.parts))

    def _inverse(self) -> LinearOperator:
        return BlockDiag(tuple(part**-1 for part in self.parts)) if self._has_square_parts else super()._inverse()

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator | None:
        return self._of_parts([part._function(xp, function) for part in self.parts])

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        return joined(xp, [part._eigenvalues(xp) for part in self.parts]) if self._has_square_parts else None

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator | None:
        return self._of_parts([part._pseudoinverse(xp, cutoff) for part in self.parts])

    def _singular_values(self, xp: Namespace) -> Array | None:
        values = joined(xp, [part._singular_values(xp) for part in self.parts])
        return None if values is None else descending(xp, _with_zeros(xp, values, min(self.shape)))

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator | None:
        return self._of_parts([part._eigenvectors(basis) for part in self.parts])

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        if not self._has_square_parts:
            return None
        return xp.concat([solve(part, piece) for part, piece in zip(self.parts, self._cut(b), strict=True)], axis=-1)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Repeat(UnaryOperator):
    """One operator along the whole diagonal, I_k ⊗ A, with one set of parameters: the copies' gradients add up."""

    of: LinearOperator
    times: int

    def _admit_fields(self) -> None:
        super()._admit_fields()
        self.__dict__["times"] = checked_size("Repeat", "times", self.times)

    def _shape_of_children(self) -> tuple[int, int]:
        return self.times * self.of.m, self.times * self.of.n

    def _cut(self, xp: Namespace, x: Array) -> Array:
        return xp.reshape(x, (*x.shape[:-1], self.times, x.shape[-1] // self.times))

    def _flat(self, xp: Namespace, y: Array) -> Array:
        return xp.reshape(y, (*y.shape[:-2], y.shape[-2] * y.shape[-1]))

    def _apply(self, xp: Namespace, x: Array) -> Array:
        return self._flat(xp, self.of._apply(xp, self._cut(xp, x)))

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        return self._flat(xp, self.of._apply_adjoint(xp, self._cut(xp, g)))

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        y, saved = self.of._forward(xp, self._cut(xp, x))
        return self._flat(xp, y), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        dx, grads = self.of._backward(xp, saved, self._cut(xp, g))
        return self._flat(xp, dx), grads

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        m, n = self.of.shape
        entries = self.of._entries(xp, i % m, j % n)
        return None if entries is None else xp.where(i // m == j // n, entries, 0)

    def _block(self, xp: Namespace, i: Places, j: Places, where: Device) -> Array:
        if isinstance(i, range) and isinstance(j, range):
            return _block_of_parts(xp, [self.of] * self.times, (i, j), (True, True), where)
        (m, n), (i, j) = self.of.shape, (as_places(xp, at, where) for at in (i, j))
        return xp.where((i // m)[:, None] == (j // n)[None, :], self.of._block(xp, i % m, j % n, where), 0)

    def _inverse(self) -> LinearOperator:
        return repeat(self.of**-1, self.times)

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator | None:
        of = self.of._function(xp, function)
        return None if of is None else repeat(of, self.times)

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator | None:
        of = self.of._pseudoinverse(xp, cutoff)
        return None if of is None else repeat(of, self.times)

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        return joined(xp, [self.of._eigenvalues(xp)] * self.times)

    def _singular_values(self, xp: Namespace) -> Array | None:
        values = joined(xp, [self.of._singular_values(xp)] * self.times)
        return None if values is None else descending(xp, values)

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator | None:
        of = self.of._eigenvectors(basis)
        return None if of is None else repeat(of, self.times)

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        return self._flat(xp, solve(self.of, self._cut(xp, b)))

    @property
    def _details(self) -> str:
        return f", times={self.times}"


class Kron(NaryOperator):
    """The Kronecker product of two operators: B acts on the rows of x as a matrix, then A on the columns."""

    def _shape_of_children(self) -> tuple[int, int]:
        if len(self.parts) != 2:
            raise ValueError(f"Kron: parts has {len(self.parts)} operators; expected two.")
        A, B = self.parts
        return A.m * B.m, A.n * B.n

    def _cut(self, xp: Namespace, x: Array, side: int) -> Array:
        A, B = self.parts
        return xp.reshape(x, (*x.shape[:-1], A.shape[side], B.shape[side]))

    def _flat(self, xp: Namespace, y: Array) -> Array:
        return xp.reshape(y, (*y.shape[:-2], y.shape[-2] * y.shape[-1]))

    def _apply(self, xp: Namespace, x: Array) -> Array:
        A, B = self.parts
        y = A._apply(xp, xp.matrix_transpose(B._apply(xp, self._cut(xp, x, 1))))
        return self._flat(xp, xp.matrix_transpose(y))

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        A, B = self.parts
        x = A._apply_adjoint(xp, xp.matrix_transpose(self._cut(xp, g, 0)))
        return self._flat(xp, B._apply_adjoint(xp, xp.matrix_transpose(x)))

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        A, B = self.parts
        y, kept_b = B._forward(xp, self._cut(xp, x, 1))
        y, kept_a = A._forward(xp, xp.matrix_transpose(y))
        return self._flat(xp, xp.matrix_transpose(y)), (kept_a, kept_b)

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        A, B = self.parts
        g, grads_a = A._backward(xp, saved[0], xp.matrix_transpose(self._cut(xp, g, 0)))
        g, grads_b = B._backward(xp, saved[1], xp.matrix_transpose(g))
        return self._flat(xp, g), grads_a + grads_b

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        A, B = self.parts
        outer, inner = A._entries(xp, i // B.m, j // B.n), B._entries(xp, i % B.m, j % B.n)
        return None if outer is None or inner is None else outer * inner

    def _block(self, xp: Namespace, i: Places, j: Places, where: Device) -> Array:
        A, B = self.parts
        if not (isinstance(i, range) and isinstance(j, range)):
            i, j = (as_places(xp, at, where) for at in (i, j))
            return A._block(xp, i // B.m, j // B.n, where) * B._block(xp, i % B.m, j % B.n, where)
        outer, inner = [], []
        for places, size in ((i, B.m), (j, B.n)):
            outer.append(range(places.start // size, -(-places.stop // size)))
            start, alone = outer[-1].start * size, len(outer[-1]) == 1
            inner.append(range(places.start - start, places.stop - start) if alone else range(size))
        of_blocks, of_entries = A._block(xp, outer[0], outer[1], where), B._block(xp, inner[0], inner[1], where)
        products = of_blocks[:, None, :, None] * of_entries[None, :, None, :]
        shape = products.shape[0] * products.shape[1], products.shape[2] * products.shape[3]
        first, left = (
            0 if len(across) == 1 else places.start - across.start * size
            for places, across, size in zip((i, j), outer, self.parts[1].shape, strict=True)
        )
        return xp.reshape(products, shape)[first : first + len(i), left : left + len(j)]

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None] | None:
        A, B = self.parts
        return _crossed(xp, A._row_entry(xp, i // B.m), B._row_entry(xp, i % B.m), B.n, self._matrix_dtype(xp))

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None] | None:
        A, B = self.parts
        return _crossed(xp, A._column_entry(xp, j // B.n), B._column_entry(xp, j % B.n), B.m, self._matrix_dtype(xp))

    def _adjoint(self) -> LinearOperator:
        return Kron(tuple(part.H for part in self.parts))

    def _inverse(self) -> LinearOperator:
        return Kron(tuple(part**-1 for part in self.parts)) if self._has_square_parts else super()._inverse()

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        return self._products(xp, [part._eigenvalues(xp) for part in self.parts]) if self._has_square_parts else None

    def _singular_values(self, xp: Namespace) -> Array | None:
        values = self._products(xp, [part._singular_values(xp) for part in self.parts])
        return None if values is None else descending(xp, _with_zeros(xp, values, min(self.shape)))

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator | None:
        found = []
        for part, other in zip(self.parts, reversed(self.parts), strict=True):
            values = other._singular_values(xp)
            if values is None or not float(values[0]):
                return None
            found.append(part._pseudoinverse(xp, cutoff / float(values[0])))
        return self._of_parts(found)

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator | None:
        """f(A ⊗ I) = f(A) ⊗ I; of other products it has no such form."""
        A, B = self.parts
        of = A._function(xp, function) if B._is_identity else B._function(xp, function) if A._is_identity else None
        return None if of is None else Kron((of, B) if B._is_identity else (A, of))

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator | None:
        return self._of_parts([part._eigenvectors(basis) for part in self.parts])

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        if not self._has_square_parts:
            return None
        A, B = self.parts
        x = solve(A, xp.matrix_transpose(solve(B, self._cut(xp, b, 1))))
        return self._flat(xp, xp.matrix_transpose(x))

    def _products(self, xp: Namespace, found: list[Array | None]) -> Array | None:
        first, second = found
        return None if first is None or second is None else xp.reshape(first[:, None] * second[None, :], (-1,))


def _crossed(
    xp: Namespace,
    outer: tuple[Array, Array | None] | None,
    inner: tuple[Array, Array | None] | None,
    size: int,
    dtype: DType,
) -> tuple[Array, Array | None] | None:
    """The one nonzero entry of a row or column of a Kronecker product, from those of its factors."""
    if outer is None or inner is None:
        return None
    place = xp.where((outer[0] < 0) | (inner[0] < 0), -1, outer[0] * size + inner[0])
    values = [astype(xp, value, dtype) for _, value in (outer, inner) if value is not None]
    return place, functools.reduce(operator.mul, values) if values else None


def _with_zeros(xp: Namespace, values: Array, count: int) -> Array:
    """Rectangular parts have fewer singular values together than the whole: its others are zero."""
    return pad(xp, values, 0, count - values.shape[0])


def _built(
    name: str, kind: Callable[[tuple[LinearOperator, ...]], LinearOperator], operators: Sequence[LinearOperator]
) -> LinearOperator:
    parts = checked_parts(name, operators, "operators")
    return kind(parts) if len(parts) > 1 else parts[0]


def hstack(operators: Sequence[LinearOperator]) -> LinearOperator:
    """Put operators side by side, [A B ...].

    Parameters
    ----------
    operators : sequence of LinearOperator
        Of equally many rows.

    Returns
    -------
    LinearOperator
        Of shape (m, n_1 + n_2 + ...); the parts keep their parameters.

    Raises
    ------
    ValueError
        There are none, or their rows differ.
    TypeError
        A part is no operator, or the parts are of several array libraries or devices.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.hstack([sm.identity(2), 3 * sm.identity(2)]).to_dense()
    array([[1., 0., 3., 0.],
           [0., 1., 0., 3.]])
    """
    return _built("hstack", HStack, operators)


def vstack(operators: Sequence[LinearOperator]) -> LinearOperator:
    """Put operators on top of each other, [A; B; ...].

    Parameters
    ----------
    operators : sequence of LinearOperator
        Of equally many columns.

    Returns
    -------
    LinearOperator
        Of shape (m_1 + m_2 + ..., n); the parts keep their parameters.

    Raises
    ------
    ValueError
        There are none, or their columns differ.
    TypeError
        A part is no operator, or the parts are of several array libraries or devices.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.vstack([sm.identity(2), 3 * sm.identity(2)]).to_dense()
    array([[1., 0.],
           [0., 1.],
           [3., 0.],
           [0., 3.]])
    """
    return _built("vstack", VStack, operators)


def block_diag(operators: Sequence[LinearOperator]) -> LinearOperator:
    """Put operators along a diagonal.

    Parameters
    ----------
    operators : sequence of LinearOperator
        Of any shapes.

    Returns
    -------
    LinearOperator
        Of shape (m_1 + m_2 + ..., n_1 + n_2 + ...); the parts keep their parameters.

    Raises
    ------
    ValueError
        There are none.
    TypeError
        A part is no operator, or the parts are of several array libraries or devices.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.block_diag([sm.identity(1), 3 * sm.identity(2)]).to_dense()
    array([[1., 0., 0.],
           [0., 3., 0.],
           [0., 0., 3.]])
    """
    return _built("block_diag", BlockDiag, operators)


def repeat(A: LinearOperator, times: int) -> LinearOperator:
    """Repeat one operator along a diagonal, I_k ⊗ A, with one set of parameters.

    Parameters
    ----------
    A : LinearOperator
        Of shape (m, n).
    times : int
        How often, k.

    Returns
    -------
    LinearOperator
        Of shape (k m, k n) with the parameters of A; their gradient is the sum over the copies.

    Raises
    ------
    ValueError
        `times` is not a positive int.
    TypeError
        A is no operator.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.repeat(sm.Diagonal(np.asarray([1.0, 2.0])), 2).to_dense()
    array([[1., 0., 0., 0.],
           [0., 2., 0., 0.],
           [0., 0., 1., 0.],
           [0., 0., 0., 2.]])
    """
    (part,) = checked_parts("repeat", [A])
    times = checked_size("repeat", "times", times)
    return part if times == 1 else Repeat(part, times)


def kron(A: LinearOperator, B: LinearOperator) -> LinearOperator:
    """Return the Kronecker product of two operators, A ⊗ B.

    Parameters
    ----------
    A, B : LinearOperator
        Of shapes (m_A, n_A) and (m_B, n_B).

    Returns
    -------
    LinearOperator
        Of shape (m_A m_B, n_A n_B), with the parameters of A and then those of B. A product takes n_A products of B
        and m_B of A, each kind in one batch.

    Raises
    ------
    TypeError
        A or B is no operator, or they are of two array libraries or devices.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.kron(sm.Diagonal(np.asarray([1.0, 10.0])), sm.Circulant(np.asarray([1.0, 2.0]))).to_dense()
    array([[ 1.,  2.,  0.,  0.],
           [ 2.,  1.,  0.,  0.],
           [ 0.,  0., 10., 20.],
           [ 0.,  0., 20., 10.]])
    """
    return Kron(checked_parts("kron", [A, B]))
