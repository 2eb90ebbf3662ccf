"""The kernels that random features approximate, of all pairs of vectors."""

import math

from structmat._backend import dtypes, namespaces, tracing
from structmat._backend.types import Array, Namespace
from structmat.core.fields import checked_floating


def gaussian_kernel(x: Array, y: Array, *, gamma: float) -> Array:
    r"""Gaussian kernel of all pairs of vectors, :math:`e^{-\gamma \|x_i - y_j\|^2}`.

    Parameters
    ----------
    x : array, shape (..., M, d)
        Vectors as rows.
    y : array, shape (..., N, d)
        Other vectors as rows.
    gamma : float
        γ of the kernel.

    Returns
    -------
    array, shape (..., M, N)
        The kernel matrix.

    Raises
    ------
    ValueError
        γ is not positive and finite, or x and y do not have rows of equal length.
    TypeError
        x or y is not an array of a real floating dtype, or they are of different libraries.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.learn.gaussian_kernel(np.asarray([[0.0], [1.0]]), np.asarray([[0.0]]), gamma=np.log(2))
    array([[1. ],
           [0.5]])
    """
    if not (namespaces.is_array(gamma) and tracing.is_traced(gamma)) and not 0 < gamma < math.inf:
        raise ValueError(f"gaussian_kernel: gamma is {gamma!r}; expected a finite number of more than 0.")
    xp, (x, y) = _checked_vectors("gaussian_kernel", x, y)
    # without centring, rounding errors of long vectors' squares could exceed the distances
    centre = xp.sum(y, axis=-2, keepdims=True) / max(1, y.shape[-2])
    products, squares_x, squares_y = _gram(xp, x - centre, y - centre)
    distances = squares_x + squares_y - 2 * products
    return xp.exp(-gamma * xp.where(distances > 0, distances, 0))


def arc_cosine_kernel(x: Array, y: Array, *, order: int = 1) -> Array:
    """Arc-cosine kernel of all pairs of vectors; see `ArcCosineFeatures`.

    Parameters
    ----------
    x : array, shape (..., M, d)
        Vectors as rows; not zero for order 0.
    y : array, shape (..., N, d)
        Other vectors as rows.
    order : {0, 1}, optional
        The order.

    Returns
    -------
    array, shape (..., M, N)
        The kernel matrix.

    Raises
    ------
    ValueError
        The order is neither 0 nor 1, or x and y do not have rows of equal length.
    TypeError
        x or y is not an array of a real floating dtype, or they are of different libraries.

    References
    ----------
    .. [1] Y. Cho and L. K. Saul, "Kernel methods for deep learning", *NeurIPS* 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.learn.arc_cosine_kernel(np.asarray([[3.0, 0.0]]), np.asarray([[2.0, 0.0], [0.0, 2.0]]), order=0)
    array([[1. , 0.5]])
    """
    checked_order("arc_cosine_kernel", order)
    xp, (x, y) = _checked_vectors("arc_cosine_kernel", x, y)
    products, squares_x, squares_y = _gram(xp, x, y)
    lengths = xp.sqrt(squares_x * squares_y)
    cosine = products / xp.where(lengths > 0, lengths, 1)
    cosine = xp.where(cosine > 1, 1, xp.where(cosine < -1, -1, cosine))
    angle = xp.acos(cosine)
    if order == 0:
        return 1 - angle / math.pi
    return lengths * (xp.sin(angle) + (math.pi - angle) * cosine) / math.pi


def _checked_vectors(title: str, x: Array, y: Array) -> tuple[Namespace, list[Array]]:
    """Validate two sets of vectors; return them with half precision cast to single."""
    xp, found = checked_floating(title, x=x, y=y)
    for name, array in (("x", x), ("y", y)):
        if dtypes.is_complex(xp, array.dtype):
            raise TypeError(f"{title}: {name} is complex; expected real vectors.")
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1]:
        raise ValueError(
            f"{title}: x has shape {tuple(x.shape)}, y {tuple(y.shape)}; expected (..., M, d) and (..., N, d)."
        )
    return xp, found


def _gram(xp: Namespace, x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Return the inner products of all pairs of rows, and the squared lengths, shaped to be added to them."""
    squares = xp.sum(x * x, axis=-1)[..., :, None], xp.sum(y * y, axis=-1)[..., None, :]
    return xp.matmul(x, xp.matrix_transpose(y)), *squares


def checked_order(title: str, order: int) -> None:
    """Raise ValueError unless the order of an arc-cosine kernel is 0 or 1."""
    if order not in (0, 1):
        raise ValueError(f"{title}: order is {order!r}; expected 0 or 1.")
