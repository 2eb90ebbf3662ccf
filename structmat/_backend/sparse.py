"""Sparse matrices of SciPy, which multiply vectors of NumPy faster than sums of gathered entries do."""

from typing import Any

import numpy as np
import scipy.sparse

from structmat._backend.arrays import Array, read_only


def compressed(values: Array, rows: Array, columns: Array, shape: tuple[int, int]) -> Any:
    """Return SciPy's matrix with entries of NumPy at some places, where several add up; None for entries of others."""
    if type(values) is not np.ndarray:
        return None
    made = scipy.sparse.coo_array((_native(values), (_native(rows), _native(columns))), shape=shape).tocsr()
    made.data, made.indices, made.indptr = map(read_only, (made.data, made.indices, made.indptr))  # it is kept
    return made


def sparse_product(matrix: Any, x: Array) -> Array:
    """Multiply vectors (..., n) of NumPy by a matrix (m, n) of SciPy."""
    y = (matrix @ _native(x).reshape(-1, x.shape[-1]).T).T
    return np.ascontiguousarray(y).reshape(*x.shape[:-1], matrix.shape[0])


def _native(x: Array) -> Array:
    """Return x in the machine's byte order, the only one that SciPy's matrices know."""
    return x.astype(x.dtype.newbyteorder("="), copy=False)
