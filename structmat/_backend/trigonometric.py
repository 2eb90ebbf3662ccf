"""Cosine and sine sums along the last axis, through Fourier transforms of the vectors' own length."""

from typing import Any

import numpy as np
import scipy.fft

from structmat._backend.arrays import (
    Array,
    Device,
    DType,
    Namespace,
    astype,
    complex_dtype,
    device,
    dtype_name,
    from_host,
    is_traced,
    pad,
    real_dtype,
    scalars,
    to_host,
    widest_dtype,
)
from structmat._backend.fft import dft, idft
from structmat._backend.providers import threads

_PI = np.longdouble("3.14159265358979323846264338327950288")
TRANSPOSED = {1: 1, 2: 3, 3: 2, 4: 4}  #: the type whose sums have the transposed matrix


class UntraceableError(TypeError):
    """A definition looks at the values of places, and these have none in a trace."""


def unit_root(xp: Namespace, p: Array, r: Array, q: int) -> Array:
    """Return exp(iπ p r / q) for arrays of integers: for definitions, not for kernels.

    It is computed on the host in extended precision, which NumPy arrays keep; other libraries get double precision.
    """
    if is_traced(p) or is_traced(r):
        raise UntraceableError("unit_root: p and r are traced; expected values.")
    exponents = (to_host(p).astype(np.int64) * to_host(r)) % (2 * q)
    distinct = np.arange(2 * q) if exponents.size > 2 * q else exponents
    angle = _PI * distinct / q
    root = np.cos(angle) + 1j * np.sin(angle)
    root = root if distinct is exponents else root[exponents]
    if type(p) is np.ndarray:
        return root
    return from_host(root.astype(np.complex128), xp, device=device(p), dtype=complex_dtype(xp, widest_dtype(xp)))


def singular_values(
    xp: Namespace, n: int, kind: int, norm: str | None, *, sine: bool, dtype: DType, device: Device
) -> Array:
    """Return the singular values of SciPy's cosine or sine transform, the largest first.

    That of norm "ortho" is orthogonal, Q. The others are multiples of E^{-1} Q D, where E and D have √½ at the ends
    where Q has weights, and 1 elsewhere.
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
    return from_host(values.astype(dtype_name(dtype)), xp, device=device, dtype=dtype)


def trigonometric_weights(
    xp: Namespace, dtype: DType, period: int, kind: int, norm: str | None
) -> tuple[Any, Any, Any]:
    """Return the scale of SciPy's transform, twice its own, and the weights of x and y at the ends, for a dtype."""
    number, sqrt = scalars(xp, dtype)
    before, after = (number(0.5 if kind in kinds else 1) for kinds in ((1, 3), (1, 2)))
    if norm == "ortho":
        return 2 / sqrt(number(period)), sqrt(before), sqrt(after)
    return 2 / number(period if norm == "forward" else 1), before, number(1)


def _ratios_above_one(n: int) -> list[Any]:
    """Return what the ends on both sides of Q make of it in the cosine transform of type 1."""
    # E = D: the square D Q D^{-2} Q D has determinant 1 and trace (5 - c²) / 2 on the plane of e and Q e, where e is a
    # principal vector of the ends' span beside its image under Q; the cosines c are singular values of Q's corners
    N = np.longdouble(n - 1)
    squares = (1 / N, 1 / N) if N % 2 else (0 * N, 2 / N)
    traces = [(5 - square) / 2 for square in squares if square < 1]
    return [np.sqrt(trace / 2 + np.sqrt(trace**2 / 4 - 1)) for trace in traces]


def suits_scipy(x: Array, kind: int) -> bool:
    """Tell whether vectors are best transformed by SciPy: NumPy's, but for type 1, of which Fourier transforms are."""
    return type(x) is np.ndarray and kind != 1 and x.size > 0


def scipy_transform(x: Array, kind: int, norm: str | None, *, sine: bool) -> Array:
    """Return SciPy's cosine or sine transform of vectors of NumPy."""
    return (scipy.fft.dst if sine else scipy.fft.dct)(x, kind, norm=norm, workers=threads())


def _roots(xp: Namespace, like: Array, count: int, start: float, step: float) -> Array:
    """Return exp(iπ (start + step j)) for j = 0, ..., count - 1, in the precision of an array and where it is."""
    dtype = real_dtype(xp, like.dtype)
    angles = (start + step * xp.arange(count, dtype=dtype, device=device(like))) * np.pi
    return xp.cos(angles) + astype(xp, xp.sin(angles), complex_dtype(xp, dtype)) * 1j  # ONNX has no complex exp


def _alternated(xp: Namespace, x: Array) -> Array:
    """Flip the sign of every second entry."""
    places = xp.arange(x.shape[-1], dtype=x.dtype, device=device(x))
    return x * (1 - 2 * (places % 2))


def _interleaved(xp: Namespace, even: Array, odd: Array) -> Array:
    """Put entries at even places and at odd ones; there may be one more of the even ones."""
    n = even.shape[-1] + odd.shape[-1]
    pairs = xp.stack((even, pad(xp, odd, 0, even.shape[-1] - odd.shape[-1])), axis=-1)
    return xp.reshape(pairs, (*pairs.shape[:-2], 2 * pairs.shape[-2]))[..., :n]


def cosine_sums(xp: Namespace, x: Array, kind: int) -> Array:
    """Return Σ_j x_j cos(π (j + a) (k + b) / N) of real vectors (..., n), without weights.

    By kind, 1: a = b = 0 and N = n - 1; else N = n and (a, b) is, 2: (1/2, 0), 3: (0, 1/2), 4: (1/2, 1/2).
    """
    n = x.shape[-1]
    middle = n - n // 2
    if kind == 1:
        return xp.real(dft(xp, x, 2 * (n - 1)))
    if kind == 2:
        # Makhoul 1980: even entries, then odd ones backwards; each frequency gives two sums
        order = xp.concat((x[..., ::2], xp.flip(x[..., 1::2], axis=-1)), axis=-1)
        spectrum = dft(xp, order) * _roots(xp, x, n // 2 + 1, 0, -0.5 / n)
        return xp.concat((xp.real(spectrum), -xp.flip(xp.imag(spectrum)[..., 1:middle], axis=-1)), axis=-1)
    if kind == 3:
        # the transpose of 2, step by step
        low = xp.concat((2 * x[..., :1], x[..., 1 : n // 2 + 1]), axis=-1)
        high = pad(xp, xp.flip(x[..., middle:], axis=-1), 1, 0)
        turn = _roots(xp, x, n // 2 + 1, 0, 0.5 / n) * (0.5 * n)
        order = idft(xp, low * turn + high * (turn * -1j), n, real=True)
        return _interleaved(xp, order[..., :middle], xp.flip(order[..., middle:], axis=-1))
    # the sums at even k of one complex transform; those at odd k are at 2n - 1 - k, with the other sign
    spectrum = dft(xp, x * _roots(xp, x, n, 0, -0.5 / n))
    sums = xp.real(spectrum * _roots(xp, x, n, -0.25 / n, -1.0 / n))
    return _interleaved(xp, sums[..., :middle], -xp.flip(sums[..., middle:], axis=-1))


def sine_sums(xp: Namespace, x: Array, kind: int) -> Array:
    """Return Σ_j x_j sin(π (j + a) (k + b) / N) of real vectors (..., n), without weights.

    By kind, 1: a = b = 1 and N = n + 1; else N = n and (a, b) is, 2: (1/2, 1), 3: (1, 1/2), 4: (1/2, 1/2).
    """
    n = x.shape[-1]
    if kind == 1:
        return -xp.imag(dft(xp, pad(xp, x, 1, 0), 2 * (n + 1)))[..., 1 : n + 1]
    if kind == 2:
        return xp.flip(cosine_sums(xp, _alternated(xp, x), 2), axis=-1)
    return _alternated(xp, cosine_sums(xp, xp.flip(x, axis=-1), kind))


def trigonometric_sums(xp: Namespace, x: Array, kind: int, *, sine: bool) -> Array:
    """Return `sine_sums` or `cosine_sums`."""
    return (sine_sums if sine else cosine_sums)(xp, x, kind)
