"""Small operators as dense matrices, for those who ask: a product of few columns is mostly overhead."""

from typing import TYPE_CHECKING

from structmat._backend import Array, HostArray, Namespace, Restore, device, may_keep, read_only
from structmat.core.fields import checked_size

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator

_largest = 0


def set_dense_crossover(n: int) -> Restore:
    """Let `matvec` and `rmatvec` of small operators multiply by a dense matrix.

    Parameters
    ----------
    n : int
        The most rows and columns that an operator may have for that; 0, the default, is none.

    Returns
    -------
    context manager
        Restores the earlier number at the end of a `with` block. Outside of one it stays.

    Raises
    ------
    ValueError
        n is no integer, or negative.

    Notes
    -----
    The matrix is written out at the first product, and the operator keeps it: up to n² numbers. Results change by
    rounding, and infinities and NaN spread over the whole of a product. Gradients, and operators that are traced or
    carry a graph, go their usual way. `python -m benchmarks.peers` measures up to which n it pays on a machine.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> with sm.set_dense_crossover(64):
    ...     A @ np.asarray([1.0, 0.0, 0.0])
    array([1., 2., 3.])
    """
    global _largest
    before, _largest = _largest, 0 if n == 0 else checked_size("set_dense_crossover", "n", n)
    return Restore(lambda: set_dense_crossover(before))


def is_small(A: "LinearOperator") -> bool:
    """Tell whether an operator may be multiplied as a dense matrix."""
    return A.m <= _largest and A.n <= _largest


def dense_product(A: "LinearOperator", xp: Namespace, x: Array, *, side: int) -> Array | None:
    """Multiply vectors with as many entries as one side by the dense matrix; None where that can't be kept."""
    key = "dense", x.dtype
    if not (type(x) is HostArray or may_keep(x, A._arrays)):
        return None
    if key not in A._cache:
        A._cache[key] = read_only(A._apply(xp, xp.eye(A.n, dtype=x.dtype, device=device(x))))
    rows = A._cache[key]
    return xp.matmul(x, rows if side else xp.conj(xp.matrix_transpose(rows)))
