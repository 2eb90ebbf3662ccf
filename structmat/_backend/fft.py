"""Fourier transforms along the last axis: by `providers` for NumPy arrays, else by the library of the array."""

import math
from functools import lru_cache

import array_api_compat as compat
import numpy as np

from structmat._backend import devices, dtypes, libraries, memory, ops, providers
from structmat._backend.types import Array, Namespace


@lru_cache(maxsize=16)
def _of_library(xp: Namespace) -> providers.Module:
    """Return the provider for a library other than NumPy: its own functions, for PyTorch through `torch_fft`."""
    name, module, options = libraries.of_namespace(xp).transforms(xp)
    return providers.Module(name, module, **options)


def provider_name(xp: Namespace) -> str:
    """Return the name of the provider for arrays of a library, for messages."""
    return providers.choice() if compat.is_numpy_namespace(xp) else _of_library(xp).name


def dft(xp: Namespace, x: Array, n: int | None = None) -> Array:
    """Transform vectors (..., n), unnormalised: the half spectrum (..., n//2 + 1) of real vectors, else the full one.

    With `n`, the vectors are cropped or zero-padded to that length first.
    """
    n = x.shape[-1] if n is None else n
    real = not dtypes.is_complex(xp, x.dtype)
    if 0 in x.shape:
        width = n // 2 + 1 if real else n
        return xp.zeros((*x.shape[:-1], width), dtype=dtypes.complex_dtype(xp, x.dtype), device=devices.of(x))
    provider = providers.provider_for(x, n) if type(x) is np.ndarray else _of_library(xp)
    return provider.forward(x, n, real)


def idft(xp: Namespace, X: Array, n: int, *, real: bool, temporary: bool = False) -> Array:
    """Undo `dft`: real vectors (..., n) from half spectra, or complex ones from full spectra.

    X is overwritten only if it is a temporary of the caller.
    """
    if 0 in X.shape:
        dtype = dtypes.real_dtype(xp, X.dtype) if real else X.dtype
        return xp.zeros((*X.shape[:-1], n), dtype=dtype, device=devices.of(X))
    if type(X) is np.ndarray:
        return providers.provider_for(X, n).inverse(X, n, real, temporary=temporary)
    X = memory.contiguous(xp, X)  # PyTorch would copy a strided X itself, more slowly
    return _of_library(xp).inverse(X, n, real, temporary=temporary)


def apply_spectrum(xp: Namespace, X: Array, kernel: Array, n: int, *, real: bool, temporary: bool = False) -> Array:
    """Multiply spectra by a kernel, and return the `idft` of the product.

    X is overwritten only if it is a temporary of the caller.
    """
    apart = 0 not in X.shape and libraries.of_namespace(xp).scales_apart(X)
    if apart:
        kernel = kernel / n
    if temporary and memory.takes_writes(X) and memory.takes_writes(kernel):
        X *= kernel
    else:
        X = X * kernel  # in the order of the line above, so that both round alike
    return _of_library(xp).unscaled_inverse(X, n, real) if apart else idft(xp, X, n, real=real, temporary=True)


def convolve(xp: Namespace, x: Array, column: Array, kernel: Array) -> Array:
    """Convolve vectors (..., n) circularly with a column (n,) of the same dtype.

    The kernel is the column's transform if n is the `convolution_length`, else its `embedding_spectrum`.
    """
    n = x.shape[-1]
    if type(x) is not np.ndarray or x.size == 0:
        length, real = convolution_length(n), not dtypes.is_complex(xp, x.dtype)
        return apply_spectrum(xp, dft(xp, x, length), kernel, length, real=real, temporary=True)[..., :n]
    length, real = _convolution_length(n), x.dtype.kind != "c"
    provider = providers.provider_for(x, length)
    if provider.convolve is not None and length == n:
        return provider.convolve(x, column)
    X = provider.forward(x, length, real)
    X *= kernel
    y = provider.inverse(X, length, real, temporary=True)
    return y if length == n else y[..., :n]


def _rotated(xp: Namespace, x: Array, axes: int, by: int) -> Array:
    """Rotate the last axes: 1 moves the very last one to their front, -1 undoes it."""
    batch = x.ndim - axes
    order = range(batch, x.ndim)
    return xp.permute_dims(x, (*range(batch), *order[-by:], *order[:-by]))


def dftn(xp: Namespace, x: Array, axes: int) -> Array:
    """Transform along each of the last axes; the very last one has half spectra for real tensors."""
    for _ in range(axes):
        x = _rotated(xp, dft(xp, x), axes, 1)
    return x


def idftn(xp: Namespace, X: Array, shape: tuple[int, ...], *, real: bool, temporary: bool = False) -> Array:
    """Undo `dftn` for tensors of a shape; X is overwritten only if it is a temporary of the caller."""
    for level, width in enumerate(shape):
        last = level == len(shape) - 1
        X = idft(xp, _rotated(xp, X, len(shape), -1), width, real=real and last, temporary=temporary or level > 0)
    return X


def fast_length(n: int) -> int:
    """Return the length N >= n without prime factors over 5 at which transforms should take the least time.

    The time is N (a + 2b + 3c) for N = 2^a 3^b 5^c, which fits the measurements of `python -m benchmarks.providers`;
    the smallest such N, `scipy.fft.next_fast_len`, takes up to a half longer. PyTorch can trace this function.
    """
    return _fast_length(int(n))  # int() specialises a torch.SymInt to its value


@lru_cache(maxsize=256)
def _fast_length(n: int) -> int:
    best, least = 1 << (n - 1).bit_length(), math.inf
    for fives, five in _powers(5, n):
        for threes, three in _powers(3, -(-n // five)):
            odd = five * three
            twos = (-(-n // odd) - 1).bit_length()
            time = (odd << twos) * (twos + 2 * threes + 3 * fives)
            if time < least:
                best, least = odd << twos, time
    return best


def convolution_length(n: int) -> int:
    """Return the length of the transforms that convolve vectors of n entries circularly in the least time.

    It is n, unless n has a prime factor over 80: then transforms of vectors zero-padded to twice the length or a little
    more are up to ten times as fast (`python -m benchmarks.providers`).
    """
    return _convolution_length(int(n))


@lru_cache(maxsize=256)
def _convolution_length(n: int) -> int:
    rest, factor = n, 2
    while factor <= 80 and rest > 1:
        while rest % factor == 0:
            rest //= factor
        factor += 1
    return n if rest == 1 else _fast_length(2 * n - 1)


def embedding_column(xp: Namespace, column: Array) -> Array:
    """Return c_0, ..., c_(n - 1), 0, ..., 0, c_1, ..., c_(n - 1), of a length with fast transforms.

    Linear convolution with it is circular convolution with the column.
    """
    gap = fast_length(2 * column.shape[0] - 1) - 2 * column.shape[0] + 1
    return xp.concat((ops.pad(xp, column, 0, gap), column[1:]))


def fold_aliased(xp: Namespace, sums: Array, n: int) -> Array:
    """Add the gradients of the two copies of each entry in the column that `embedding_spectrum` extends."""
    length = sums.shape[-1]
    return sums if length == n else sums[..., :n] + ops.pad(xp, sums[..., length - n + 1 :], 1, 0)


def _powers(base: int, least: int) -> list[tuple[int, int]]:
    """Return pairs of an exponent and its power, up to the first power that is at least `least`."""
    pairs = [(0, 1)]
    while pairs[-1][1] < least:
        pairs.append((pairs[-1][0] + 1, pairs[-1][1] * base))
    return pairs
