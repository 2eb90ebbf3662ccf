"""Algorithms for Toeplitz matrices by their displacement structure: columns of the inverse, elimination, power series.

A Toeplitz matrix T = (t_{i-j}) of n rows is inverted by the solutions of T x = e_1 and T z = (0, t_{1-n}, ..., t_{-1}):

    T^{-1} = 1/2 (S(x) C(e_1 - z) + S(e_1 + z) C(x)),

where C and S are the circulant and the skew-circulant matrix with a first column. It follows from the displacement
Z_1 T - T Z_{-1} of rank 2, as in G. Ammar and P. Gader (1991), and holds for every T that has an inverse.
"""

import math
from typing import NamedTuple

from structmat._backend import devices, dtypes, fft, memory, trigonometric
from structmat._backend.types import Array, Namespace
from structmat.operators import Circulant, SkewCirculant


class InverseColumns(NamedTuple):
    """The inverse of a Toeplitz matrix, given by its generators x and z."""

    circulants: tuple[Circulant, Circulant]
    skews: tuple[SkewCirculant, SkewCirculant]

    @classmethod
    def of(cls, xp: Namespace, x: Array, z: Array) -> "InverseColumns":
        """Construct from the solutions of T x = e_1 and T z = (0, t_{1-n}, ..., t_{-1})."""
        first = unit_vector(xp, x)
        return cls((Circulant(first - z), Circulant(x)), (SkewCirculant(x), SkewCirculant(first + z)))

    def apply(self, xp: Namespace, b: Array) -> Array:
        """Multiply vectors (k, n) by the inverse: 6 Fourier transforms for each."""
        C, S = self.circulants, self.skews
        B = C[0]._right(xp, b)
        Y = [s.spectrum * s._right(xp, c._matvec(xp, B)) for c, s in zip(C, S, strict=True)]
        return S[0]._from(xp, (Y[0] + Y[1]) / 2, S[0]._untwist)


def eliminated(xp: Namespace, column: Array, row: Array, B: Array) -> Array | None:
    """Solve a Toeplitz system for vectors (k, n) by Gaussian elimination in O(n²) operations and O(n k) memory.

    Fourier transforms turn the matrix into a Cauchy-like one, C_ij = (g_i · b_j) / (s_i - t_j) with roots of 1 and of
    -1. Row exchanges keep it Cauchy-like, so that pivots can be chosen (Gohberg, Kailath and Olshevsky, 1995). The
    elimination of -I, appended below C, turns zeros appended below the right-hand sides into the solution (Rodriguez,
    2006); its row k replaces the k-th pivot row. Returns None where a column has no nonzero pivot.
    """
    n, dtype = column.shape[0], dtypes.complex_dtype(xp, column.dtype)
    places = xp.arange(n, device=devices.of(column))
    # exp(-i pi k / n)
    half_turns = xp.conj(trigonometric.root_powers(xp, -1 + 0j, n, dtype=column.dtype, device=devices.of(column)))
    nodes = xp.concat((half_turns, -half_turns))
    angles = (dtypes.astype(xp, places, dtypes.real_dtype(xp, column.dtype)) + 1) * (math.pi / (2 * n))
    near = 0.5 - 0.5j * dtypes.astype(xp, 1 / xp.tan(angles), dtype)  # 1 / (1 - exp(-i pi d / n)) for d = 1, ..., n
    zero = xp.zeros_like(near[:1])
    turn = xp.concat((zero, near, xp.conj(xp.flip(near[: n - 1]))))
    gaps = xp.concat((turn, turn))  # of period 2n, so that no index is negative

    def transformed(v: Array) -> Array:
        return fft.dft(xp, dtypes.astype(xp, v, dtype)) / math.sqrt(n)

    first = xp.stack((unit_vector(xp, column), xp.concat((column[:1], column[1:] + xp.flip(row[1:])))))
    last = xp.stack((xp.concat((xp.flip(column[1:]) - row[1:], column[:1])), xp.flip(unit_vector(xp, column))))
    W = xp.concat((transformed(first), transformed(B)))  # generators of the rows, and right-hand sides
    V = xp.conj(transformed(half_turns * xp.conj(last)))  # generators of the columns
    at, open_ = 2 * places, xp.ones_like(angles)
    weights = xp.conj(xp.take(nodes, at))
    odd = 2 * places + 1 + 2 * n
    writes = memory.takes_writes(W)

    def put(x: Array, place: int, value: Array) -> Array:
        if not writes:
            return xp.where(places == place, value, x)
        x[..., place : place + 1] = value
        return x

    for k in range(n):
        v = V[:, k]
        c = xp.matmul(v, W[:2, :]) * weights * xp.take(gaps, 2 * k + 1 + 2 * n - at)
        sizes = (xp.real(c) ** 2 + xp.imag(c) ** 2) * open_
        p = int(xp.argmax(sizes))
        if not as_float(sizes[p]) > 0:  # NaN included
            return None
        pivot, w = c[p], W[:, p : p + 1] + 0  # a copy
        r = xp.matmul(w[:2, 0], V) * xp.take(gaps, odd - at[p]) * (weights[p] / pivot)
        W = put(W - w * (c / pivot)[None, :], p, w / pivot)
        V = V - v[:, None] * r[None, :]
        at, open_, weights = put(at, p, 2 * k + 1), put(open_, p, 0), put(weights, p, xp.conj(nodes[2 * k + 1]))
    x = xp.take(W[2:, :], xp.argsort(at), axis=1)
    return xp.conj(half_turns) * fft.idft(xp, x, n, real=False) * math.sqrt(n)


def reciprocal_series(xp: Namespace, column: Array) -> Array:
    """The first n coefficients of the series 1 / c(z), by Newton's iteration."""
    n, real = column.shape[0], not dtypes.is_complex(xp, column.dtype)
    z = 1 / column[:1]
    while z.shape[0] < n:
        k = min(2 * z.shape[0], n)
        length = fft.fast_length(2 * k)
        Z = fft.dft(xp, z, length)
        rest = fft.idft(xp, Z * fft.dft(xp, column[:k], length), length, real=real)[:k]
        rest = xp.concat((2 - rest[:1], -rest[1:]))
        z = fft.idft(xp, Z * fft.dft(xp, rest, length), length, real=real)[:k]
    return z


def unit_vector(xp: Namespace, like: Array) -> Array:
    """Return e_1 of the size and dtype of another vector."""
    return xp.concat((xp.ones_like(like[:1]), xp.zeros_like(like[1:])))


def as_float(x: Array) -> float:
    """Return the value of an array of shape (), detached from any graph."""
    return float(devices.to_host(x))
