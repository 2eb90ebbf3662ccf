"""Repeated operators and Kronecker products; stacks are in `core.stacks`."""

import dataclasses
import functools
import operator
from collections.abc import Callable
from typing import Any

from structmat._backend import dtypes, ops
from structmat._backend.types import Array, Device, DType, Namespace
from structmat.core.base import LinearOperator
from structmat.core.composite import NaryOperator, UnaryOperator, checked_parts
from structmat.core.contract import NonzeroEntry, Solver
from structmat.core.entries import Indices, as_index_array
from structmat.core.fields import checked_size
from structmat.core.notation import Notation
from structmat.core.stacks import (
    BlockDiag,
    HStack,
    Stack,
    VStack,
    block_diag,
    block_of_parts,
    hstack,
    joined,
    vstack,
    with_zeros,
)

__all__ = [
    "BlockDiag",
    "HStack",
    "Kron",
    "Repeat",
    "Stack",
    "VStack",
    "block_diag",
    "hstack",
    "kron",
    "repeat",
    "vstack",
]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Repeat(UnaryOperator):
    """One operator along the whole diagonal, I_k ⊗ A, with one set of parameters, whose gradient sums over copies."""

    _notation = Notation("⊗", frame=r"I_{{{times}}} \otimes {parts}", binds=1, holds=3)

    of: LinearOperator
    times: int

    def _check_fields(self) -> None:
        super()._check_fields()
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

    def _block(self, xp: Namespace, i: Indices, j: Indices, where: Device) -> Array:
        if isinstance(i, range) and isinstance(j, range):
            return block_of_parts(xp, [self.of] * self.times, (i, j), (True, True), where)
        (m, n), (i, j) = self.of.shape, (as_index_array(xp, at, where) for at in (i, j))
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
        return None if values is None else ops.sorted_moduli(xp, values)

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

    _notation = Notation("⊗", between=r" \otimes ", binds=1, holds=3)

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

    def _block(self, xp: Namespace, i: Indices, j: Indices, where: Device) -> Array:
        A, B = self.parts
        if not (isinstance(i, range) and isinstance(j, range)):
            i, j = (as_index_array(xp, at, where) for at in (i, j))
            return A._block(xp, i // B.m, j // B.n, where) * B._block(xp, i % B.m, j % B.n, where)
        outer, inner = [], []
        for indices, size in ((i, B.m), (j, B.n)):
            outer.append(range(indices.start // size, -(-indices.stop // size)))
            start, alone = outer[-1].start * size, len(outer[-1]) == 1
            inner.append(range(indices.start - start, indices.stop - start) if alone else range(size))
        of_blocks, of_entries = A._block(xp, outer[0], outer[1], where), B._block(xp, inner[0], inner[1], where)
        products = of_blocks[:, None, :, None] * of_entries[None, :, None, :]
        shape = products.shape[0] * products.shape[1], products.shape[2] * products.shape[3]
        first, left = (
            0 if len(across) == 1 else indices.start - across.start * size
            for indices, across, size in zip((i, j), outer, self.parts[1].shape, strict=True)
        )
        return xp.reshape(products, shape)[first : first + len(i), left : left + len(j)]

    def _row_entry(self, xp: Namespace, i: Array) -> NonzeroEntry:
        A, B = self.parts
        return _crossed(xp, A._row_entry(xp, i // B.m), B._row_entry(xp, i % B.m), B.n, self._matrix_dtype(xp))

    def _column_entry(self, xp: Namespace, j: Array) -> NonzeroEntry:
        A, B = self.parts
        return _crossed(xp, A._column_entry(xp, j // B.n), B._column_entry(xp, j % B.n), B.m, self._matrix_dtype(xp))

    def _inverse(self) -> LinearOperator:
        return Kron(tuple(part**-1 for part in self.parts)) if self._has_square_parts else super()._inverse()

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        return self._products(xp, [part._eigenvalues(xp) for part in self.parts]) if self._has_square_parts else None

    def _singular_values(self, xp: Namespace) -> Array | None:
        values = self._products(xp, [part._singular_values(xp) for part in self.parts])
        return None if values is None else ops.sorted_moduli(xp, with_zeros(xp, values, min(self.shape)))

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator | None:
        found = []
        for part, other in zip(self.parts, reversed(self.parts), strict=True):
            values = other._singular_values(xp)
            if values is None or not float(values[0]):
                return None
            found.append(part._pseudoinverse(xp, cutoff / float(values[0])))
        return self._of_parts(found)

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator | None:
        """f(A ⊗ I) = f(A) ⊗ I; other Kronecker products have no such rule."""
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


def _crossed(xp: Namespace, outer: NonzeroEntry, inner: NonzeroEntry, size: int, dtype: DType) -> NonzeroEntry:
    """The nonzero entry of a row or column of a Kronecker product, given the entries of its factors."""
    if outer is None or inner is None:
        return None
    place = xp.where((outer[0] < 0) | (inner[0] < 0), -1, outer[0] * size + inner[0])
    values = [dtypes.astype(xp, value, dtype) for _, value in (outer, inner) if value is not None]
    return place, functools.reduce(operator.mul, values) if values else None


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
        Of shape (m_A m_B, n_A n_B), with the parameters of A, then of B. A product takes n_A products of B
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
