"""Products with matrices of signs, which are exact wherever sums are.

NumPy's products of small matrices are several times faster than additions and subtractions, and as exact. Other
libraries may round the factors of a product, so their entries are added.
"""

from functools import lru_cache
from typing import Any

import array_api_compat as compat
import numpy as np

from structmat._backend import devices, kernels, memory
from structmat._backend.types import Array, DType, Namespace

BITS = 6  # largest k for which a product with the matrix of order 2^k is faster than butterflies


@lru_cache(maxsize=64)
def _sylvester(order: int, dtype: DType) -> np.ndarray[Any, Any]:
    from scipy.linalg import hadamard

    return memory.read_only(hadamard(order, dtype=dtype))  # type: ignore[no-any-return]


def signed_sums(xp: Namespace, x: Array, signs: list[list[int]]) -> Array:
    """Multiply the last axis by a small matrix of signs, from the right."""
    matrix = xp.asarray(signs, dtype=x.dtype, device=devices.of(x))
    if compat.is_numpy_namespace(xp):
        return x @ matrix
    return sum(x[..., place : place + 1] * matrix[place, :] for place in range(len(signs)))


def fwht(xp: Namespace, x: Array) -> Array:
    """Multiply the second to last axis, of length 2^k, by Sylvester's Hadamard matrix."""
    if kernels.char_of(xp, x.dtype) is not None and (view := kernels.host_view(x)) is not None:
        return kernels.from_host(xp, _compiled(view))
    if compat.is_numpy_namespace(xp):
        return _products(x)
    return _butterflies(xp, x)


def _compiled(x: kernels.HostView) -> kernels.HostView:
    """Multiply by the compiled transform; complex entries are pairs of reals."""
    x = np.ascontiguousarray(x)
    y = np.empty_like(x)
    width, size = x.shape[-1] * (x.itemsize // x.real.itemsize), x.shape[-2]
    rows, out = (each.view(x.real.dtype).reshape(-1, size * width) for each in (x, y))
    kernels.walsh(rows, out, width)
    return y


def _products(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Multiply by the small matrices whose Kronecker product is Sylvester's, the last axis first."""
    shape, width = x.shape, x.shape[-1]
    bits = shape[-2].bit_length() - 1
    if x.size == 0 or bits == 0:
        return x.copy()
    count = -(-bits // BITS)
    for place in range(count):
        order = 1 << (bits * (place + 1) // count - bits * place // count)
        small = _sylvester(order, x.dtype)
        x = x.reshape(-1, order) @ small if width == 1 else small @ x.reshape(-1, order, width)
        width *= order
    return x.reshape(shape)


def _butterflies(xp: Namespace, x: Array) -> Array:
    """Add and subtract halves, of the whole first, of pairs of neighbours last."""
    shape, width = x.shape, x.shape[-1]
    h = int(shape[-2])  # sizes are tensors in torch.jit.trace
    while h > 1:
        h //= 2
        pairs = xp.reshape(x, (*shape[:-2], shape[-2] // (2 * h), 2, h * width))
        upper, lower = pairs[..., 0:1, :], pairs[..., 1:2, :]
        x = xp.concat((upper + lower, upper - lower), axis=-2)
    return xp.reshape(x, shape)
