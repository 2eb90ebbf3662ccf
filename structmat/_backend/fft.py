"""Discrete Fourier transforms along the last axis, by the provider that fits the array."""

import importlib
import math
from functools import lru_cache
from typing import Any

import array_api_compat as compat
import numpy as np

from structmat._backend.arrays import (
    Array,
    Device,
    DType,
    Namespace,
    complex_dtype,
    device,
    dtype_name,
    from_host,
    is_complex,
    is_complex_number,
    namespace_name,
    packed,
    pad,
    real_dtype,
    scalars,
    takes_writes,
)
from structmat._backend.providers import Module, choice, provider_for


@lru_cache(maxsize=16)
def _of_library(xp: Namespace) -> Module:
    """Return who transforms arrays of a library other than NumPy: its own functions, which ours wrap for PyTorch."""
    if compat.is_cupy_namespace(xp):
        return Module("cupyx.scipy.fft", importlib.import_module("cupyx.scipy.fft"), overwrite_x=True)
    if compat.is_torch_namespace(xp):
        from structmat._backend import torch_fft

        return Module("torch.fft", torch_fft)
    return Module(f"{namespace_name(xp)}.fft", xp.fft)


def provider_name(xp: Namespace) -> str:
    """Return the name of who transforms arrays of a library, for people."""
    return choice() if compat.is_numpy_namespace(xp) else _of_library(xp).name


def dft(xp: Namespace, x: Array, n: int | None = None) -> Array:
    """Transform vectors (..., n), unnormalised: the half spectrum (..., n//2 + 1) of real ones, else the full one.

    With `n` the vectors are cropped or zero-padded to that length first.
    """
    n = x.shape[-1] if n is None else n
    real = not is_complex(xp, x.dtype)
    if 0 in x.shape:
        width = n // 2 + 1 if real else n
        return xp.zeros((*x.shape[:-1], width), dtype=complex_dtype(xp, x.dtype), device=device(x))
    provider = provider_for(x, n) if type(x) is np.ndarray else _of_library(xp)
    return provider.forward(x, n, real)


def idft(xp: Namespace, X: Array, n: int, *, real: bool, temporary: bool = False) -> Array:
    """Undo `dft`: real vectors (..., n) from half spectra, or complex ones from full spectra.

    X is only overwritten if it is a temporary of the caller's.
    """
    if 0 in X.shape:
        dtype = real_dtype(xp, X.dtype) if real else X.dtype
        return xp.zeros((*X.shape[:-1], n), dtype=dtype, device=device(X))
    if type(X) is np.ndarray:
        return provider_for(X, n).inverse(X, n, real, temporary=temporary)
    X = packed(xp, X)  # PyTorch would copy a strided X itself, more slowly
    return _of_library(xp).inverse(X, n, real, temporary=temporary)


def apply_spectrum(xp: Namespace, X: Array, kernel: Array, n: int, *, real: bool, temporary: bool = False) -> Array:
    """Multiply spectra by a kernel, and undo their transform: the `idft` of the product.

    X is only overwritten if it is a temporary of the caller's.
    """
    apart = 0 not in X.shape and _scales_apart(xp, X)
    if apart:
        kernel = kernel / n
    if temporary and takes_writes(X) and takes_writes(kernel):
        X *= kernel
    else:
        X = X * kernel  # in this order: then both round alike
    return _of_library(xp).unscaled_inverse(X, n, real) if apart else idft(xp, X, n, real=real, temporary=True)


def _scales_apart(xp: Namespace, X: Array) -> bool:
    """Tell whether the inverse transform takes a pass over its result to divide it by n, which a kernel can save."""
    return compat.is_cupy_namespace(xp) or (compat.is_torch_namespace(xp) and X.device.type != "cpu")


def convolve(xp: Namespace, x: Array, column: Array, kernel: Array) -> Array:
    """Convolve vectors (..., n) circularly with a column (n,) of the same dtype.

    The kernel is the column's transform, or if n is not the `convolution_length`, that of the column extended to it.
    """
    n = x.shape[-1]
    if type(x) is not np.ndarray or x.size == 0:
        length, real = convolution_length(n), not is_complex(xp, x.dtype)
        return apply_spectrum(xp, dft(xp, x, length), kernel, length, real=real, temporary=True)[..., :n]
    length, real = _convolution_length(n), x.dtype.kind != "c"
    provider = provider_for(x, length)
    if provider.convolve is not None and length == n:
        return provider.convolve(x, column)
    X = provider.forward(x, length, real)
    X *= kernel
    y = provider.inverse(X, length, real, temporary=True)
    return y if length == n else y[..., :n]


def _rotated(xp: Namespace, x: Array, axes: int, by: int) -> Array:
    """Rotate the last axes: by 1 moves the last of them to their front, by -1 undoes it."""
    batch = x.ndim - axes
    order = range(batch, x.ndim)
    return xp.permute_dims(x, (*range(batch), *order[-by:], *order[:-by]))


def dftn(xp: Namespace, x: Array, axes: int) -> Array:
    """Transform along each of the last axes, the last one first: it is halved for real tensors."""
    for _ in range(axes):
        x = _rotated(xp, dft(xp, x), axes, 1)
    return x


def idftn(xp: Namespace, X: Array, shape: tuple[int, ...], *, real: bool, temporary: bool = False) -> Array:
    """Undo `dftn` for tensors of a shape; X is only overwritten if it is a temporary of the caller's."""
    for level, width in enumerate(shape):
        last = level == len(shape) - 1
        X = idft(xp, _rotated(xp, X, len(shape), -1), width, real=real and last, temporary=temporary or level > 0)
    return X


def fast_length(n: int) -> int:
    """Return the length of n or more, without prime factors over 5, at which transforms should take the least time.

    That is N (a + 2b + 3c) for N = 2^a 3^b 5^c, which fits what `python -m benchmarks.providers` measures; the least
    such N alone, `scipy.fft.next_fast_len`, takes up to a half longer. Computed in Python, PyTorch can trace it.
    """
    return _fast_length(int(n))  # a symbol of PyTorch's is taken for the value it stands for


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

    It is n, unless n has a prime factor over 80: then the transforms of zero-padded vectors of twice the length or a
    little more are the faster ones, up to ten times (`python -m benchmarks.providers`).
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


def embedding_spectrum(xp: Namespace, column: Array) -> Array:
    """Return the transform of c_0, ..., c_(n - 1), 0, ..., 0, c_1, ..., c_(n - 1), where padded vectors don't wrap.

    Its length is the `convolution_length`, which must not be n.
    """
    gap = convolution_length(column.shape[0]) - 2 * column.shape[0] + 1
    return dft(xp, xp.concat((pad(xp, column, 0, gap), column[1:])))


def fold_aliased(xp: Namespace, sums: Array, n: int) -> Array:
    """Add what belongs to entries that stand twice in a column that was extended."""
    length = sums.shape[-1]
    return sums if length == n else sums[..., :n] + pad(xp, sums[..., length - n + 1 :], 1, 0)


def _powers(base: int, least: int) -> list[tuple[int, int]]:
    """Pairs of an exponent and its power, up to the first power that is not under the least."""
    pairs = [(0, 1)]
    while pairs[-1][1] < least:
        pairs.append((pairs[-1][0] + 1, pairs[-1][1] * base))
    return pairs


def root_powers(xp: Namespace, f: Any, n: int, *, dtype: DType, device: Device) -> Array:
    """Return the powers w^0, ..., w^(n - 1) of a root w^n = f, real where f is real and has a real one.

    They are computed on the host in double precision, or in extended precision for a dtype of it, then rounded to the
    precision of the dtype: an angle that was rounded to single precision first would be off by n times as much.
    """
    number, _ = scalars(xp, dtype)
    share = np.arange(n, dtype=number) / n  # PyTorch, when it traces this, makes single precision of int / int
    modulus = np.hypot(number(f.real), number(f.imag)) ** share
    target = real_dtype(xp, dtype)
    if is_complex_number(f) or (f < 0 and n % 2 == 0):
        angle = np.arctan2(number(f.imag), number(f.real)) * share
        powers, target = modulus * (np.cos(angle) + 1j * np.sin(angle)), complex_dtype(xp, target)
    else:
        signs = 1 if f > 0 else 1 - 2 * (np.arange(n) % 2)
        powers = modulus * signs
    return from_host(powers.astype(dtype_name(target)), xp, device=device, dtype=target)  # ONNX casts nothing complex
