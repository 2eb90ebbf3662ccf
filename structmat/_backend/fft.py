"""Fourier transforms along the last axis, by the library of the array: for NumPy arrays `scipy.fft`."""

import math
from functools import lru_cache
from typing import Any

import array_api_compat as compat

from structmat._backend import devices, dtypes, libraries, memory, ops, threads
from structmat._backend.types import Array, Namespace


@lru_cache(maxsize=16)
def _of_library(xp: Namespace) -> tuple[str, Any, dict[str, Any]]:
    return libraries.of_namespace(xp).transforms(xp)


def library_name(xp: Namespace) -> str:
    """Return the name of the library that transforms arrays, for messages."""
    return _of_library(xp)[0]


def _transform(xp: Namespace, name: str, x: Array, n: int, *, temporary: bool = False, **options: Any) -> Array:
    _, module, overwriting = _of_library(xp)
    if temporary:
        options |= overwriting
    if compat.is_numpy_namespace(xp):
        x = memory.native(x.copy() if 0 in x.strides else x)  # some backends misread repeated entries
        options["workers"] = threads.count()
    return getattr(module, name)(x, n=n, axis=-1, **options)


def dft(xp: Namespace, x: Array, n: int | None = None) -> Array:
    """Transform vectors (..., n), unnormalised: the half spectrum (..., n//2 + 1) of real vectors, else the full one.

    With `n`, the vectors are cropped or zero-padded to that length first.
    """
    n = x.shape[-1] if n is None else n
    real = not dtypes.is_complex(xp, x.dtype)
    if 0 in x.shape:
        width = n // 2 + 1 if real else n
        return xp.zeros((*x.shape[:-1], width), dtype=dtypes.complex_dtype(xp, x.dtype), device=devices.of(x))
    return _transform(xp, "rfft" if real else "fft", x, n)


def idft(xp: Namespace, X: Array, n: int, *, real: bool, temporary: bool = False, is_scaled: bool = True) -> Array:
    """Undo `dft`: real vectors (..., n) from half spectra, or complex ones from full spectra.

    X is overwritten only if it is a temporary of the caller. Without the scale, the result is n times as large.
    """
    if 0 in X.shape:
        dtype = dtypes.real_dtype(xp, X.dtype) if real else X.dtype
        return xp.zeros((*X.shape[:-1], n), dtype=dtype, device=devices.of(X))
    if not compat.is_numpy_namespace(xp):
        X = memory.contiguous(xp, X)  # PyTorch would copy a strided X itself, more slowly
    norm = {} if is_scaled else {"norm": "forward"}
    return _transform(xp, "irfft" if real else "ifft", X, n, temporary=temporary, **norm)


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
    return idft(xp, X, n, real=real, temporary=True, is_scaled=not apart)


def dftn(xp: Namespace, x: Array, axes: int) -> Array:
    """Transform along each of the last axes; the very last one has half spectra for real tensors."""
    for _ in range(axes):
        x = xp.moveaxis(dft(xp, x), -1, -axes)
    return x


def idftn(xp: Namespace, X: Array, shape: tuple[int, ...], *, real: bool, temporary: bool = False) -> Array:
    """Undo `dftn` for tensors of a shape; X is overwritten only if it is a temporary of the caller."""
    for level, width in enumerate(shape):
        last = level == len(shape) - 1
        X = xp.moveaxis(X, -len(shape), -1)
        X = idft(xp, X, width, real=real and last, temporary=temporary or level > 0)
    return X


def fast_length(n: int) -> int:
    """Return the length N >= n without prime factors over 5 at which transforms should take the least time.

    The time is N (a + 2b + 3c) for N = 2^a 3^b 5^c, which fits the measurements of `python -m benchmarks.lengths`;
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
    more are up to ten times as fast (`python -m benchmarks.lengths`).
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
