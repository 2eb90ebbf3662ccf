"""Operations on batches of vectors (..., n) that the array API standard lacks, or that libraries do differently."""

from contextlib import AbstractContextManager

import numpy as np

from structmat._backend import devices, dtypes, libraries
from structmat._backend.libraries.generic import UNCHANGED
from structmat._backend.types import Array, Namespace


def full_precision(x: Array) -> AbstractContextManager[object]:
    """Return a context without PyTorch's autocast, which would round products of matrices to half precision."""
    return UNCHANGED if type(x) is np.ndarray else libraries.of_array(x).full_precision(x)


def conj(xp: Namespace, x: Array) -> Array:
    """Conjugate; can be exported to ONNX, which has no such operation."""
    return xp.conj(x) if type(x) is np.ndarray else libraries.of_array(x).conj(xp, x)


def complex_as_real(xp: Namespace, x: Array) -> Array:
    """Return complex vectors (..., n) as a batch of twice as many real vectors, (2, ..., n)."""
    return xp.stack((xp.real(x), xp.imag(x)), axis=0)


def real_as_complex(xp: Namespace, pair: Array) -> Array:
    """Undo `complex_as_real`."""
    imaginary = xp.astype(pair[1, ...], dtypes.complex_dtype(xp, pair.dtype), copy=False)
    return pair[0, ...] + imaginary * 1j


def flatten_batch(xp: Namespace, x: Array) -> Array:
    """Return vectors (..., n) as the rows of a matrix (B, n)."""
    return xp.reshape(x, (-1, x.shape[-1])) if x.ndim != 2 else x


def batch_sum(xp: Namespace, x: Array) -> Array:
    """Sum over all axes but the last: (..., n) -> (n,)."""
    return xp.sum(x, axis=tuple(range(x.ndim - 1))) if x.ndim > 1 else x


def index_add(xp: Namespace, x: Array, index: Array, n: int) -> Array:
    """Sum the entries that share an index: (..., k) -> (..., n), y[..., i] = sum of x[..., e] over index[e] = i."""
    return libraries.of_array(x).index_add(xp, x, index, n)


def outer_sum(xp: Namespace, u: Array, v: Array) -> Array:
    """Sum the outer products u v^H over the batch: (..., m), (..., n) -> (m, n)."""
    u, v = flatten_batch(xp, u), flatten_batch(xp, v)
    return xp.matmul(xp.matrix_transpose(u), xp.conj(v))


def matmul(xp: Namespace, A: Array, B: Array) -> Array:
    """Multiply stacks of matrices; outer and inner products elementwise, since libraries are slow at stacks of them."""
    if A.shape[-1] == 1:
        return A * B
    if B.shape[-1] == 1 and A.shape[-2] == 1:
        return xp.sum(xp.matrix_transpose(A) * B, axis=-2, keepdims=True)
    return xp.matmul(A, B)


def pad(xp: Namespace, x: Array, before: int, after: int) -> Array:
    """Put zeros before and after the last axis."""
    parts = [
        x if width is None else xp.zeros((*x.shape[:-1], width), dtype=x.dtype, device=devices.of(x))
        for width in (before, None, after)
        if width != 0
    ]
    return xp.concat(parts, axis=-1) if len(parts) > 1 else x


def reversed_mod_n(xp: Namespace, array: Array, *axes: int, by: int = 1) -> Array:
    """Move index k to by - 1 - k modulo the length, along axes.

    By default that is -k, as transposition does to the first column of a circulant matrix.
    """
    return xp.roll(xp.flip(array, axis=axes), (by,) * len(axes), axis=axes)


def sorted_moduli(xp: Namespace, values: Array) -> Array:
    """Return the moduli in descending order."""
    return xp.sort(xp.abs(values), descending=True)


def smallest_k(xp: Namespace, x: Array, k: int) -> Array:
    """Return the k smallest entries along the last axis, in ascending order."""
    if hasattr(xp, "partition") and k < x.shape[-1]:
        x = xp.partition(x, k - 1, axis=-1)[..., :k]
    return xp.sort(x, axis=-1)[..., :k]


def pack_bits(xp: Namespace, bits: Array) -> Array:
    """Pack bools (..., k) into bytes (..., ⌈k/8⌉), the first into the highest bit, as `numpy.packbits`."""
    octets = pad(xp, dtypes.astype(xp, bits, xp.uint8), 0, -bits.shape[-1] % 8)
    octets = xp.reshape(octets, (*bits.shape[:-1], octets.shape[-1] // 8, 8))
    places = xp.asarray([128, 64, 32, 16, 8, 4, 2, 1], dtype=xp.uint8, device=devices.of(bits))
    return xp.sum(octets * places, axis=-1, dtype=xp.uint8)


def popcount(xp: Namespace, x: Array) -> Array:
    """Count the ones in each byte."""
    if hasattr(xp, "bitwise_count"):
        return xp.bitwise_count(x)
    # of pairs, of fours, of all eight (Warren, Hacker's Delight, 2nd edition, section 5-1)
    x = x - ((x >> 1) & 0x55)
    x = (x & 0x33) + ((x >> 2) & 0x33)
    return (x + (x >> 4)) & 0x0F
