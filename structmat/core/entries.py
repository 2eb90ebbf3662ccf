"""Entries of the matrix: all of them, the diagonal, and submatrices."""

from collections.abc import Iterator
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

from structmat._backend import devices, dtypes, memory, namespaces
from structmat._backend.types import Array, Device, DType, HostArray, Namespace
from structmat.core.algebra import Algebra
from structmat.core.batches import OutputSpec, chunks, map_chunks
from structmat.core.extensions import extensions

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator

DENSE_LIMIT = 2**30  # bytes of the largest matrix that `to_dense` makes by default

Indices: TypeAlias = range | Array  # of rows or columns: consecutive ones, or an index array


class Entries(Algebra):
    """Entries, from the definition if it gives them, else from products."""

    def to_dense(self, max_bytes: int = DENSE_LIMIT) -> Array:
        """Return the matrix as a dense array.

        Parameters
        ----------
        max_bytes : int, optional
            Size of the largest matrix to make, in bytes; 1 GiB by default.

        Returns
        -------
        array, shape (m, n)
            Of the operator's namespace, device and dtype; NumPy and double precision for an operator without arrays.

        Raises
        ------
        MemoryError
            The matrix would be larger than `max_bytes`.
        TypeError
            `max_bytes` is not a number.

        Notes
        -----
        The entries come from the definition, with the same bits as `A[i, j]`, for operators and their adjoints, sums,
        multiples, Kronecker products and blocks, and for products with diagonal matrices, sign flips, permutations,
        shifts and selections. The columns of other products, of powers, of inverses, of `Sparse` and of a
        `FunctionOperator` are products of the operator with unit vectors, accurate to rounding.

        Cost: O(m n) if the entries are known, n products otherwise.

        Examples
        --------
        >>> import numpy as np
        >>> import structmat as sm
        >>> sm.Toeplitz(np.asarray([1.0, 1e20, 0.0]), np.asarray([1.0, 0.0, 0.0])).to_dense()
        array([[1.e+00, 0.e+00, 0.e+00],
               [1.e+20, 1.e+00, 0.e+00],
               [0.e+00, 1.e+20, 1.e+00]])
        """
        limit: Any = max_bytes
        if not isinstance(limit, Real):
            raise TypeError(f"{self._head}.to_dense: max_bytes is {limit!r}; expected a number.")
        xp, dtype = self._library
        needed = self.m * self.n * int(xp.finfo(dtype).bits) // 8 * (2 if dtypes.is_complex(xp, dtype) else 1)
        if needed > max_bytes:
            raise MemoryError(
                f"{self._head}.to_dense: the matrix takes {needed:,} bytes, over the limit of {max_bytes:,}; "
                f"if you want it all the same, pass max_bytes={needed}."
            )
        A = self._in_one_precision(xp)
        return dtypes.astype(xp, A._block(xp, range(A.m), range(A.n), self.device), dtype)

    def diagonal(self) -> Array:
        """Return the diagonal of the matrix.

        Returns
        -------
        array, shape (min(m, n),)
            The entries A[i, i].

        Notes
        -----
        Cost: O(n), exact, if the entries are known (see `to_dense`); n products with the operator, in blocks of a few
        megabytes, for other compositions.

        Examples
        --------
        >>> import numpy as np
        >>> import structmat as sm
        >>> sm.Circulant(np.asarray([1.0, 2.0, 3.0])).diagonal()
        array([1., 1., 1.])
        """
        xp, dtype = self._library
        indices = xp.arange(min(self.shape), device=self.device)
        entries = self._in_one_precision(xp)._entries(xp, indices, indices)
        if entries is not None:
            return dtypes.astype(xp, entries, dtype)
        blocks = ((first, block) for first, block in self._column_blocks() if first < self.m)
        return xp.concat([xp.linalg.diagonal(block[first:, :]) for first, block in blocks])

    def __getitem__(self, key: Any) -> Any:
        """Select rows and columns, `A[rows, columns]`: an operator, a vector, or an entry; see `structmat.select`."""
        return extensions.selected(self, key)

    __contains__ = None  # `x in A` would search the rows, each an array

    @property
    def _library(self) -> tuple[Namespace, DType]:
        """Namespace and dtype of the matrix: NumPy and double precision for an operator without arrays."""
        xp = namespaces.resolve(None) if self.xp is None else self.xp
        return xp, self._matrix_dtype(xp)

    def _matrix_dtype(self, xp: Namespace) -> DType:
        return self._product_dtype(xp, dtypes.double_dtype(xp) if self.dtype is None else self.dtype)

    def _in_one_precision(self, xp: Namespace) -> "LinearOperator":
        """Return the operator with all parts in the precision of its products, so that entries can be combined."""
        if self.dtype is None:
            return self  # type: ignore[return-value]
        dtype = dtypes.compute_dtype(xp, self.dtype)
        precision = dtypes.real_dtype(xp, dtype)
        if all(
            dtypes.kind(xp, value.dtype) is None or dtypes.real_dtype(xp, value.dtype) == precision
            for value in self._arrays
        ):
            return self  # type: ignore[return-value]
        return self._map(lambda leaf: leaf._in_precision(xp, dtype))

    def _value_dtype(self, xp: Namespace) -> DType:
        """Real dtype of singular values, and the precision of eigenvalues."""
        return dtypes.real_dtype(xp, dtypes.compute_dtype(xp, self._matrix_dtype(xp)))

    def _unit_products(self, xp: Namespace, chosen: Array) -> Array:
        """Columns of the matrix with given indices, as products with unit vectors."""
        indices = xp.arange(self.n, device=devices.of(chosen))
        return self.matmat(xp.astype(indices[:, None] == chosen[None, :], self._matrix_dtype(xp)))

    def _column_blocks(self) -> Iterator[tuple[int, Array]]:
        """Blocks of consecutive columns, each of a few megabytes at most, with the index of the first column."""
        xp, dtype = self._library
        width = max(1, min(self.n, 2**20 // max(self.m, self.n)))
        A = self._in_one_precision(xp)
        for first in range(0, self.n, width):
            block = A._block(xp, range(self.m), range(self.n)[first : first + width], self.device)
            yield first, dtypes.astype(xp, block, dtype)

    def _block(self, xp: Namespace, i: Indices, j: Indices, where: Device) -> Array:
        """The submatrix of rows i and columns j: from the definition of the entries, or from products.

        It is made on the device `where`; an operator without arrays has no device of its own.
        """
        rows, columns = (as_index_array(xp, indices, where) for indices in (i, j))
        if (block := self._block_of_entries(xp, rows, columns)) is not None:
            return block
        if is_full_range(i, self.m) or columns.shape[0] <= rows.shape[0]:
            block = self._unit_products(xp, columns)
            return block if is_full_range(i, self.m) else xp.take(block, rows, axis=0)
        block = self.T._unit_products(xp, rows)
        return xp.matrix_transpose(block if is_full_range(j, self.n) else xp.take(block, columns, axis=0))

    def _block_of_entries(self, xp: Namespace, rows: Array, columns: Array) -> Array | None:
        """The submatrix from the definition, or None; some rows at a time, so that index arrays stay small."""
        shape = rows.shape[0], columns.shape[0]
        step = max(1, (2**18 if type(rows) is HostArray else 2**22) // max(1, shape[1]))
        first = self._entries(xp, rows[: shape[0] if shape[0] <= step else 1, None], columns[None, :])
        if first is None:
            return None
        if shape[0] <= step:
            return first if tuple(first.shape) == shape else memory.copy(xp, xp.broadcast_to(first, shape))

        def read(chosen: Array) -> tuple[Array, None]:
            block = self._entries(xp, chosen, columns[None, :])
            return xp.broadcast_to(block, (chosen.shape[0], shape[1])), None

        inputs = zip(chunks(xp, rows[:, None], step), strict=True)
        return map_chunks(read, inputs, step, OutputSpec(xp, shape[:1], shape[1], first.dtype))


def as_index_array(xp: Namespace, indices: Indices, where: Device) -> Array:
    """Return indices as an array."""
    if not isinstance(indices, range):
        return indices
    return xp.arange(indices.start, indices.stop, indices.step, device=where)


def index_count(indices: Indices) -> int:
    """Return the number of indices."""
    return len(indices) if isinstance(indices, range) else int(indices.shape[0])


def is_full_range(indices: Indices, size: int) -> bool:
    """Tell whether indices are the range of all rows or columns; arrays of indices are not compared."""
    return isinstance(indices, range) and indices == range(size)
