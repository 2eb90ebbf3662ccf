"""Roots of unity, and cosine and sine transforms along the last axis."""

from typing import Any

import numpy as np
import scipy.fft

from structmat._backend import devices, dtypes, fft, ops, threads, tracing
from structmat._backend.types import Array, Device, DType, Namespace

_PI = np.longdouble("3.14159265358979323846264338327950288")
TRANSPOSED = {1: 1, 2: 3, 3: 2, 4: 4}  #: type of the transposed matrix, by type


def unit_root(xp: Namespace, p: Array, r: Array, q: int) -> Array:
    """Return exp(iπ p r / q) for arrays of integers, for definitions of entries.

    It is computed on the host in extended precision, and rounded to double precision for libraries other than NumPy.
    """
    if tracing.is_traced(p) or tracing.is_traced(r):
        raise tracing.UntraceableError("unit_root: p and r are traced; expected values.")
    exponents = (devices.to_host(p).astype(np.int64) * devices.to_host(r)) % (2 * q)
    distinct = np.arange(2 * q) if exponents.size > 2 * q else exponents
    angle = _PI * distinct / q
    root = np.cos(angle) + 1j * np.sin(angle)
    root = root if distinct is exponents else root[exponents]
    if type(p) is np.ndarray:
        return root
    dtype = dtypes.complex_dtype(xp, dtypes.double_dtype(xp))
    return devices.from_host(root.astype(np.complex128), xp, device=devices.of(p), dtype=dtype)


def root_powers(xp: Namespace, f: Any, n: int, *, dtype: DType, device: Device) -> Array:
    """Return the powers w^0, ..., w^(n - 1) of a root w^n = f, real if f is real and has a real root.

    They are computed on the host, in double precision or in extended precision for a dtype of that precision, and then
    rounded to the precision of the dtype: the error of an angle rounded to single precision would grow n-fold.
    """
    number, _ = dtypes.scalar_arithmetic(xp, dtype)
    share = np.arange(n, dtype=number) / n  # int / int would be traced by PyTorch in single precision
    modulus = np.hypot(number(f.real), number(f.imag)) ** share
    target = dtypes.real_dtype(xp, dtype)
    if dtypes.is_complex_number(f) or (f < 0 and n % 2 == 0):
        angle = np.arctan2(number(f.imag), number(f.real)) * share
        powers, target = modulus * (np.cos(angle) + 1j * np.sin(angle)), dtypes.complex_dtype(xp, target)
    else:
        powers = modulus * (1 if f > 0 else 1 - 2 * (np.arange(n) % 2))
    powers = powers.astype(dtypes.name(target))  # ONNX cannot cast complex numbers
    return devices.from_host(powers, xp, device=device, dtype=target)


def singular_values(
    xp: Namespace, n: int, kind: int, norm: str | None, *, sine: bool, dtype: DType, device: Device
) -> Array:
    """Return the singular values of SciPy's cosine or sine transform, the largest first.

    The transform of norm "ortho" is orthogonal, Q. The others are multiples of E^{-1} Q D, with diagonal matrices E and
    D of √½ at the ends where Q has weights, and 1 elsewhere.
    """
    values = np.ones(n, dtype=np.longdouble)
    if norm != "ortho":
        two, period = np.longdouble(2), np.longdouble(2 * (n + (kind == 1) * (1 if sine else -1)))
        above = _ratios_above_one(n) if kind == 1 and not sine else [np.sqrt(two)] * (kind in (2, 3))
        below = [1 / ratio for ratio in reversed(above)] * (kind != 2)
        above = above * (kind != 3)
        values[: len(above)] = above
        values[n - len(below) :] = below
        values *= 1 / np.sqrt(period) if norm == "forward" else np.sqrt(period)
    return devices.from_host(values.astype(dtypes.name(dtype)), xp, device=device, dtype=dtype)


def weights(xp: Namespace, dtype: DType, period: int, kind: int, norm: str | None) -> tuple[Any, Any, Any]:
    """Return twice the scale of SciPy's transform, and the weights of x and y at the ends, as scalars for a dtype."""
    number, sqrt = dtypes.scalar_arithmetic(xp, dtype)
    before, after = (number(0.5 if kind in kinds else 1) for kinds in ((1, 3), (1, 2)))
    if norm == "ortho":
        return 2 / sqrt(number(period)), sqrt(before), sqrt(after)
    return 2 / number(period if norm == "forward" else 1), before, number(1)


def _ratios_above_one(n: int) -> list[Any]:
    """Return the singular values above 1 of E^{-1} Q D for the cosine transform of type 1."""
    # E = D: the square D Q D^{-2} Q D has determinant 1 and trace (5 - c²) / 2 on the plane of e and Q e, where e is a
    # principal vector of the ends' span beside its image under Q; the cosines c are singular values of Q's corners
    N = np.longdouble(n - 1)
    squares = (1 / N, 1 / N) if N % 2 else (0 * N, 2 / N)
    traces = [(5 - square) / 2 for square in squares if square < 1]
    return [np.sqrt(trace / 2 + np.sqrt(trace**2 / 4 - 1)) for trace in traces]


def suits_scipy(x: Array, kind: int) -> bool:
    """Tell whether SciPy transforms vectors fastest: NumPy vectors, except type 1, where `sums` are faster."""
    return type(x) is np.ndarray and kind != 1 and x.size > 0


def scipy_transform(x: Array, kind: int, norm: str | None, *, sine: bool) -> Array:
    """Return SciPy's cosine or sine transform of NumPy vectors."""
    return (scipy.fft.dst if sine else scipy.fft.dct)(x, kind, norm=norm, workers=threads.count())


def _roots(xp: Namespace, like: Array, count: int, start: float, step: float) -> Array:
    """Return exp(iπ (start + step j)) for j = 0, ..., count - 1, in the precision and on the device of an array."""
    dtype = dtypes.real_dtype(xp, like.dtype)
    angles = (start + step * xp.arange(count, dtype=dtype, device=devices.of(like))) * np.pi
    return (
        xp.cos(angles) + dtypes.astype(xp, xp.sin(angles), dtypes.complex_dtype(xp, dtype)) * 1j
    )  # ONNX has no complex exponential


def _alternated(xp: Namespace, x: Array) -> Array:
    """Change the sign of every second entry."""
    places = xp.arange(x.shape[-1], dtype=x.dtype, device=devices.of(x))
    return x * (1 - 2 * (places % 2))


def _interleaved(xp: Namespace, even: Array, odd: Array) -> Array:
    """Interleave entries at even and at odd places; there may be one more at even places."""
    n = even.shape[-1] + odd.shape[-1]
    pairs = xp.stack((even, ops.pad(xp, odd, 0, even.shape[-1] - odd.shape[-1])), axis=-1)
    return xp.reshape(pairs, (*pairs.shape[:-2], 2 * pairs.shape[-2]))[..., :n]


def _cosine_sums(xp: Namespace, x: Array, n: int, kind: int) -> Array:
    """Return Σ_j x_j cos(π (j + a) (k + b) / N) of real vectors (..., n), without weights.

    By kind, 1: a = b = 0 and N = n - 1; else N = n and (a, b) is, 2: (1/2, 0), 3: (0, 1/2), 4: (1/2, 1/2).
    """
    middle = n - n // 2
    if kind == 1:
        return xp.real(fft.dft(xp, x, 2 * (n - 1)))
    if kind == 2:
        # Makhoul 1980: even entries, then odd entries backwards; each frequency gives two sums
        order = xp.concat((x[..., ::2], xp.flip(x[..., 1::2], axis=-1)), axis=-1)
        spectrum = fft.dft(xp, order) * _roots(xp, x, n // 2 + 1, 0, -0.5 / n)
        return xp.concat((xp.real(spectrum), -xp.flip(xp.imag(spectrum)[..., 1:middle], axis=-1)), axis=-1)
    if kind == 3:
        # the transpose of type 2, step by step
        low = xp.concat((2 * x[..., :1], x[..., 1 : n // 2 + 1]), axis=-1)
        high = ops.pad(xp, xp.flip(x[..., middle:], axis=-1), 1, 0)
        turn = _roots(xp, x, n // 2 + 1, 0, 0.5 / n) * (0.5 * n)
        order = fft.idft(xp, low * turn + high * (turn * -1j), n, real=True)
        return _interleaved(xp, order[..., :middle], xp.flip(order[..., middle:], axis=-1))
    # one complex transform gives the sums at even k; the sum at odd k is the one at 2n - 1 - k with the sign changed
    spectrum = fft.dft(xp, x * _roots(xp, x, n, 0, -0.5 / n))
    sums = xp.real(spectrum * _roots(xp, x, n, -0.25 / n, -1.0 / n))
    return _interleaved(xp, sums[..., :middle], -xp.flip(sums[..., middle:], axis=-1))


def sums(xp: Namespace, x: Array, n: int, kind: int, *, sine: bool) -> Array:
    """Return `_cosine_sums`, or Σ_j x_j sin(π (j + a) (k + b) / N) of real vectors (..., n), without weights.

    By kind, the sines have 1: a = b = 1 and N = n + 1; else N = n and (a, b) is, 2: (1/2, 1), 3: (1, 1/2),
    4: (1/2, 1/2). n is an argument, since `torch.jit.trace` makes a tensor of `x.shape[-1]` and divides by it in single
    precision.
    """
    if not sine:
        return _cosine_sums(xp, x, n, kind)
    if kind == 1:
        return -xp.imag(fft.dft(xp, ops.pad(xp, x, 1, 0), 2 * (n + 1)))[..., 1 : n + 1]
    if kind == 2:
        return xp.flip(_cosine_sums(xp, _alternated(xp, x), n, 2), axis=-1)
    return _alternated(xp, _cosine_sums(xp, xp.flip(x, axis=-1), n, kind))
