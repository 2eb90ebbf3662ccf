"""SciPy's sparse matrices, which multiply NumPy vectors faster than sums of gathered entries do."""

from typing import Any

import numpy as np
import scipy.sparse

from structmat._backend import memory
from structmat._backend.types import Array


def csr(values: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> Any:
    """Return a read-only CSR matrix of NumPy entries, duplicates summed; None for entries of other libraries."""
    if type(values) is not np.ndarray:
        return None
    values, rows, columns = map(memory.native, (values, rows, columns))
    made = scipy.sparse.coo_array((values, (rows, columns)), shape=shape).tocsr()
    made.data, made.indices, made.indptr = map(memory.read_only, (made.data, made.indices, made.indptr))
    return made


def matmul(matrix: Any, x: Array) -> Array:
    """Multiply NumPy vectors (..., n) by a sparse matrix (m, n)."""
    y = (matrix @ memory.native(x).reshape(-1, x.shape[-1]).T).T
    return np.ascontiguousarray(y).reshape(*x.shape[:-1], matrix.shape[0])
