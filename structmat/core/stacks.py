"""Operators side by side, on top of each other, and along a diagonal."""

import functools
import itertools
from collections.abc import Callable, Sequence

from structmat._backend import ops
from structmat._backend.types import Array, Device, Namespace
from structmat.core.base import LinearOperator
from structmat.core.composite import Parallel, checked_parts
from structmat.core.contract import Solver
from structmat.core.entries import Indices, as_index_array
from structmat.core.notation import Notation


def joined(xp: Namespace, pieces: list[Array | None]) -> Array | None:
    """Concatenate vectors; None if one of them is unknown."""
    return None if any(piece is None for piece in pieces) else xp.concat(pieces)


def _shares(indices: range, widths: Sequence[int]) -> list[range]:
    """Divide a range of indices among parts of given widths, counting from the start of each part."""
    starts = [end - width for width, end in zip(widths, itertools.accumulate(widths), strict=True)]
    spans = ((indices.start - start, indices.stop - start, width) for start, width in zip(starts, widths, strict=True))
    return [range(max(first, 0), min(last, width)) for first, last, width in spans]


def _from_parts(
    xp: Namespace,
    parts: Sequence[LinearOperator],
    indices: tuple[Array, Array],
    sides: tuple[bool, bool],
    read: Callable[[LinearOperator, Array, Array], Array | None],
) -> Array | None:
    """Read each entry from its part, where parts follow one another along the given sides; None if one is unknown."""
    found, starts = None, [0, 0]
    for part in parts:
        inside, local = [], []
        for side, at in enumerate(indices):
            off = at - starts[side]
            inside.append((off >= 0) & (off < part.shape[side]))
            local.append(xp.clip(off, 0, part.shape[side] - 1))
            starts[side] += part.shape[side] * sides[side]
        entries = read(part, *local)
        if entries is None:
            return None
        found = xp.where(inside[0] & inside[1], entries, 0 if found is None else found)
    return found


class Stack(Parallel):
    """Operators that follow one another along rows, columns or both, with zeros beside them."""

    def _shape_of_children(self) -> tuple[int, int]:
        first = self.parts[0]
        for side, unit in enumerate(("rows", "columns")):
            for place, part in enumerate(self.parts[1:], 2):
                if not self._sides[side] and part.shape[side] != first.shape[side]:
                    raise ValueError(
                        f"{type(self).__name__}: part 1 is {first._label} but part {place} has {part.shape[side]} "
                        f"{unit} ({part._label})."
                    )
        m, n = (
            sum(part.shape[side] for part in self.parts) if self._sides[side] else first.shape[side] for side in (0, 1)
        )
        return m, n

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        return _from_parts(xp, self.parts, (i, j), self._sides, lambda part, i, j: part._entries(xp, i, j))

    def _block(self, xp: Namespace, i: Indices, j: Indices, where: Device) -> Array:
        return block_of_parts(xp, self.parts, (i, j), self._sides, where)


def block_of_parts(
    xp: Namespace,
    parts: Sequence[LinearOperator],
    indices: tuple[Indices, Indices],
    sides: tuple[bool, bool],
    where: Device,
) -> Array:
    """Assemble the submatrix of parts that follow one another along the given sides, with zeros beside them."""
    if not all(isinstance(at, range) for at, apart in zip(indices, sides, strict=True) if apart):
        rows, columns = (as_index_array(xp, at, where) for at in indices)
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
        for side, at in enumerate(indices)
    ]
    several = zip(parts, *shares, strict=True)
    if not all(sides):
        axis = sides.index(True)
        return xp.concat([part._block(xp, *share, where) for part, *share in several if share[axis]], axis=axis)
    read = functools.cache(
        lambda part, rows, columns: part._block(xp, rows, columns, where)
    )  # a part may be used often
    bands, before = [], 0
    for part, rows, columns in several:
        if rows:
            empty = xp.zeros((len(rows), 0), dtype=part._matrix_dtype(xp), device=where)
            block = read(part, rows, columns) if columns else empty
            bands.append(ops.pad(xp, block, before, len(indices[1]) - before - len(columns)))
        before += len(columns)
    return xp.concat(bands, axis=0)


class HStack(Stack):
    """Operators side by side, [A B ...]: the products of the pieces of x are added."""

    _notation = Notation("↔", between=" & ", frame=r"\begin{{bmatrix}} {parts} \end{{bmatrix}}")

    _sides = False, True

    def _adjoint(self) -> LinearOperator:
        return VStack(tuple(part.H for part in self.parts))


class VStack(Stack):
    """Operators on top of each other, [A; B; ...]: the products of one x are concatenated."""

    _notation = Notation("↕", between=r" \\ ", frame=r"\begin{{bmatrix}} {parts} \end{{bmatrix}}")

    _sides = True, False

    def _adjoint(self) -> LinearOperator:
        return HStack(tuple(part.H for part in self.parts))


class BlockDiag(Stack):
    """Operators along a diagonal: each multiplies its own piece of x, and the products are concatenated."""

    _notation = Notation("⊕", between=r" \oplus ", binds=1, holds=3)

    _sides = True, True

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
        return None if values is None else ops.sorted_moduli(xp, with_zeros(xp, values, min(self.shape)))

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator | None:
        return self._of_parts([part._eigenvectors(basis) for part in self.parts])

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        if not self._has_square_parts:
            return None
        return xp.concat([solve(part, piece) for part, piece in zip(self.parts, self._cut(b), strict=True)], axis=-1)


def with_zeros(xp: Namespace, values: Array, count: int) -> Array:
    """Append zeros: rectangular parts have fewer singular values than the whole, whose others are zero."""
    return ops.pad(xp, values, 0, count - values.shape[0])


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
