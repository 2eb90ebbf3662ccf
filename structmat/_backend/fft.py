"""Discrete Fourier transforms along the last axis, by the provider that fits the array."""

import importlib
import math
from functools import lru_cache
from types import ModuleType
from typing import Any, cast

import array_api_compat as compat
import numpy as np
import scipy.fft

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
    namespace_name,
    real_dtype,
)


@lru_cache(maxsize=16)
def provider(xp: Namespace) -> ModuleType:
    """Return the module whose fft, ifft, rfft and irfft transform arrays of a namespace.

    NumPy arrays go through `scipy.fft` and CuPy arrays through `cupyx.scipy.fft`, which keep single precision and may
    overwrite a temporary; all others have their own, which for PyTorch `torch_fft` wraps.
    """
    if compat.is_numpy_namespace(xp):
        return cast("ModuleType", scipy.fft)
    if compat.is_cupy_namespace(xp):
        return importlib.import_module("cupyx.scipy.fft")
    if compat.is_torch_namespace(xp):
        from structmat._backend import torch_fft

        return torch_fft
    return cast("ModuleType", xp.fft)


def provider_name(xp: Namespace) -> str:
    """Return the provider's name for people."""
    module = provider(xp)
    return module.__name__ if module.__name__.endswith("scipy.fft") else f"{namespace_name(xp)}.fft"


def dft(xp: Namespace, x: Array, n: int | None = None) -> Array:
    """Transform vectors (..., n), unnormalised: the half spectrum (..., n//2 + 1) of real ones, else the full one.

    With `n` the vectors are cropped or zero-padded to that length first.
    """
    n = x.shape[-1] if n is None else n
    real = not is_complex(xp, x.dtype)
    if 0 in x.shape:
        width = n // 2 + 1 if real else n
        return xp.zeros((*x.shape[:-1], width), dtype=complex_dtype(xp, x.dtype), device=device(x))
    return (provider(xp).rfft if real else provider(xp).fft)(x, n=n, axis=-1)


def idft(xp: Namespace, X: Array, n: int, *, real: bool) -> Array:
    """Undo `dft`: real vectors (..., n) from half spectra, or complex ones from full spectra.

    X is a temporary of the caller's: it may be overwritten.
    """
    if 0 in X.shape:
        dtype = real_dtype(xp, X.dtype) if real else X.dtype
        return xp.zeros((*X.shape[:-1], n), dtype=dtype, device=device(X))
    module = provider(xp)
    inverse = module.irfft if real else module.ifft
    if module.__name__.endswith("scipy.fft"):
        return inverse(X, n=n, axis=-1, overwrite_x=True)
    return inverse(X, n=n, axis=-1)


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


def idftn(xp: Namespace, X: Array, shape: tuple[int, ...], *, real: bool) -> Array:
    """Undo `dftn` for tensors of a shape; X may be overwritten."""
    for width in shape[:-1]:
        X = idft(xp, _rotated(xp, X, len(shape), -1), width, real=False)
    return idft(xp, _rotated(xp, X, len(shape), -1), shape[-1], real=real)


@lru_cache(maxsize=256)
def next_fast_len(n: int) -> int:
    """Return the least length of n or more without prime factors over 5, which every provider is fast at.

    This is `scipy.fft.next_fast_len(n, real=True)` in Python, which PyTorch can trace and SciPy's extension it can't.
    """
    best = 1 << (n - 1).bit_length()
    fives = 1
    while fives < best:
        odd = fives
        while odd < best:
            best = min(best, odd << (-(-n // odd) - 1).bit_length())
            odd *= 3
        fives *= 5
    return best


def root_powers(xp: Namespace, f: Any, n: int, *, dtype: DType, device: Device) -> Array:
    """Return the powers w^0, ..., w^(n - 1) of a root w^n = f, real where f is real and has a real one.

    They are computed on the host in double precision, then rounded to the precision of the dtype: an angle that was
    rounded to single precision first would be off by n times as much.
    """
    share = np.arange(n, dtype=np.float64) / n  # PyTorch, when it traces this, makes single precision of int / int
    modulus = abs(f) ** share
    single = dtype_name(real_dtype(xp, dtype)) == "float32"
    if isinstance(f, complex) or (f < 0 and n % 2 == 0):
        angle = math.atan2(f.imag, f.real)
        powers, target = modulus * np.exp(1j * angle * share), xp.complex64 if single else xp.complex128
    else:
        signs = 1 if f > 0 else 1 - 2 * (np.arange(n) % 2)
        powers, target = modulus * signs, xp.float32 if single else xp.float64
    return from_host(powers.astype(dtype_name(target)), xp, device=device, dtype=target)  # ONNX casts nothing complex
