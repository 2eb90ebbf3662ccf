"""Normwise accuracy of circulant products at every length, against direct sums that are exact."""

import numpy as np
import pytest
import scipy.linalg
from accuracy import RATIO, ratio

import structmat as sm

STEP = 2.0**-16


def draw(rng: np.random.Generator, n: int) -> np.ndarray:
    """Normal numbers, rounded to multiples of STEP, which single precision holds."""
    return np.rint(rng.standard_normal(n) / STEP) * STEP


def direct(column: np.ndarray, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The entries sum_j c[(i - j) mod n] x[j] of a circulant product, for chosen rows i or all, without rounding."""
    # Products are multiples of STEP², and no partial sum exceeds ‖c‖ ‖x‖: double precision holds every one.
    assert np.linalg.norm(column) * np.linalg.norm(x) < 2**53 * STEP**2
    n = len(column)
    doubled = np.concatenate((column, column))[::-1]  # doubled[n - 1 - i + j] = c[(i - j) mod n]
    if len(rows) < n:
        return np.lib.stride_tricks.sliding_window_view(doubled, n)[n - 1 - rows] @ x
    return np.correlate(doubled, x, "valid")[n - 1 - rows]


def reversed_(c: np.ndarray) -> np.ndarray:
    """The first column of the transpose."""
    return np.roll(c[::-1], 1)


def worst(n: int, dtype: str, sample: int | None = None) -> float:
    """The worst error ratio of a product, an adjoint product and a parameter gradient."""
    rng = np.random.default_rng(n)
    c, x, g = (draw(rng, n) for _ in range(3))
    rows = np.arange(n) if sample is None else rng.choice(n, sample, replace=False)
    A = sm.Circulant(c.astype(dtype))
    norm = float(np.max(np.abs(np.fft.fft(c))))
    dx, (dc,) = A.vjp(x.astype(dtype), g.astype(dtype))
    size_x, size_g = np.linalg.norm(x), np.linalg.norm(g)
    norm_x = float(np.max(np.abs(np.fft.fft(x))))  # of dc as a circulant product with x
    return max(
        ratio(A.matvec(x.astype(dtype)), direct(c, x, rows), norm * size_x, rows),
        ratio(dx, direct(reversed_(c), g, rows), norm * size_g, rows),
        ratio(dc, direct(reversed_(x), g, rows), norm_x * size_g, rows),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("first", range(1, 2048, 256))
def test_every_length(first: int, dtype: str) -> None:
    ratios = {n: worst(n, dtype) for n in range(first, min(first + 256, 2048))}
    assert max(ratios.values()) <= RATIO, max(ratios, key=ratios.get)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", range(11, 21))
def test_powers_of_two(exponent: int, dtype: str) -> None:
    assert worst(2**exponent, dtype, sample=32) <= RATIO


def test_the_reference_is_exact() -> None:
    """As in Python's integers, whatever the order of the sum; single precision holds its arguments."""
    rng = np.random.default_rng(0)
    c, x = draw(rng, 2000), draw(rng, 2000)
    assert np.array_equal(c.astype("float32"), c)
    whole = [[int(number) for number in v / STEP] for v in (c, x)]
    rows = np.asarray([0, 1, 999, 1999])
    wanted = [sum(whole[0][i - j] * whole[1][j] for j in range(2000)) for i in rows.tolist()]
    assert (direct(c, x, np.arange(2000))[rows] / STEP**2).tolist() == (direct(c, x, rows) / STEP**2).tolist() == wanted
    assert np.array_equal(direct(c[:7], x[:7], np.arange(7)), scipy.linalg.circulant(c[:7]) @ x[:7])
