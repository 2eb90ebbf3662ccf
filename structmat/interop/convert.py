"""Operators from the arrays, sparse matrices and linear operators of other libraries."""

import functools
from typing import Any

from structmat._backend import devices, dtypes, namespaces, ops
from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.operators import Dense, FunctionOperator


def _rowwise(product: Any, width: int, x: Array) -> Array:
    """Multiply vectors (..., n) by a product that takes them as the columns, one at least, of a matrix."""
    xp = namespaces.of(x)
    if 0 in x.shape:
        return xp.zeros((*x.shape[:-1], width), dtype=x.dtype, device=devices.of(x))
    y = xp.asarray(product(xp.matrix_transpose(ops.flatten_batch(xp, x))), dtype=x.dtype)
    return xp.reshape(xp.matrix_transpose(y), (*x.shape[:-1], y.shape[0]))


def _sparse_product(matrix: Any, X: Array) -> Array:
    return matrix @ X


def _adjoint_product(obj: Any, X: Array) -> Array:
    try:
        return obj.rmatmat(X)
    except TypeError:
        obj.rmatvec(X[:, 0])  # SciPy raises NotImplementedError for a missing rmatvec only from rmatvec itself
        raise


def aslinearoperator(obj: Any) -> LinearOperator:
    """Make an operator of what another library calls one.

    Parameters
    ----------
    obj : LinearOperator, array, sparse matrix or operator of another library
        An operator of this library is returned as it is, and one that `to_scipy` or its like has wrapped is
        unwrapped. A two-dimensional array, of any library, becomes a `Dense`, integers in double precision. A sparse
        matrix of SciPy's, and anything with `shape`, `matmat` and `rmatmat`, such as the operators of SciPy and PyLops,
        becomes a `FunctionOperator`, which has no parameters.

    Returns
    -------
    LinearOperator
        Of the shape of `obj`. Products of a `FunctionOperator` have the dtype of the vectors. Where SciPy's operator
        was made without `rmatvec`, adjoint products raise NotImplementedError.

    Raises
    ------
    TypeError
        `obj` is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> import structmat as sm
    >>> D = sm.aslinearoperator(scipy.sparse.diags_array([1.0, 2.0]))
    >>> (D @ sm.Circulant(np.asarray([3.0, 4.0]))).to_dense()
    array([[3., 4.],
           [8., 6.]])
    """
    for operator in (obj, getattr(obj, "operator", None)):  # the second was wrapped by `to_scipy`, `to_cupyx`, ...
        if isinstance(operator, LinearOperator):
            return operator
    if namespaces.is_array(obj):
        xp = namespaces.of(obj)
        return Dense(xp.astype(obj, xp.float64) if dtypes.is_integer(xp, obj.dtype) or obj.dtype == xp.bool else obj)
    if hasattr(obj, "tocsr"):
        products = [functools.partial(_sparse_product, matrix) for matrix in (obj.tocsr(), obj.conj().T.tocsr())]
    elif all(hasattr(obj, name) for name in ("shape", "matmat", "rmatmat")):
        products = [obj.matmat, functools.partial(_adjoint_product, obj)]
    else:
        raise TypeError(
            f"aslinearoperator: obj is a {type(obj).__name__}; expected an operator, a two-dimensional array, a sparse "
            f"matrix, or something with shape, matmat and rmatmat."
        )
    m, n = (int(size) for size in obj.shape)
    matvec, rmatvec = (functools.partial(_rowwise, *pair) for pair in zip(products, (m, n), strict=True))
    has_complex = dtypes.name(getattr(obj, "dtype", None)).startswith("complex")
    return FunctionOperator((m, n), matvec, rmatvec, dtype=complex if has_complex else None)
