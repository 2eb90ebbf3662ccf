"""Normwise accuracy of circulant products at every length, against direct sums in higher precision."""

import numpy as np
import pytest

import structmat as sm

RATIO = 30


def direct(column: np.ndarray, x: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The entries sum_j c[(i - j) mod n] x[j] of a circulant product, for chosen rows i, summed in wider precision."""
    n, wide = len(column), {"float32": np.float64, "float64": np.longdouble}[column.dtype.name]
    doubled = np.concatenate((column, column))[::-1].astype(wide)  # doubled[n - 1 - i + j] = c[(i - j) mod n]
    windows = np.lib.stride_tricks.sliding_window_view(doubled, n)
    return windows[n - 1 - rows] @ x.astype(wide) if len(rows) < n else (windows[:n] @ x.astype(wide))[::-1]


def ratio(got: np.ndarray, wanted: np.ndarray, scale: float, rows: np.ndarray) -> float:
    """‖error‖ / (eps scale); from a sample of the entries, the norm of all of them."""
    error = np.linalg.norm((got[rows] - wanted).astype(float)) * np.sqrt(len(got) / len(rows))
    return float(error / (np.finfo(got.dtype).eps * scale))


def reversed_(c: np.ndarray) -> np.ndarray:
    """The first column of the transpose."""
    return np.roll(c[::-1], 1)


def worst(n: int, dtype: str, sample: int | None = None) -> float:
    """The worst error ratio of a product, an adjoint product and a parameter gradient."""
    rng = np.random.default_rng(n)
    c, x, g = (rng.standard_normal(n).astype(dtype) for _ in range(3))
    rows = np.arange(n) if sample is None else rng.choice(n, sample, replace=False)
    A = sm.Circulant(c)
    norm = float(np.max(np.abs(np.fft.fft(c.astype(float)))))
    dx, (dc,) = A.vjp(x, g)
    size_x, size_g = np.linalg.norm(x), np.linalg.norm(g)
    norm_x = float(np.max(np.abs(np.fft.fft(x.astype(float)))))  # of dc as a circulant product with x
    return max(
        ratio(A.matvec(x), direct(c, x, rows), norm * size_x, rows),
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


@pytest.mark.skipif(np.finfo(np.longdouble).eps == np.finfo(float).eps, reason="no precision beyond double here")
def test_reference_is_finer_than_what_it_judges() -> None:
    c, x = np.asarray([1.0, 2.0**-60, 0.0]), np.asarray([1.0, 1.0, 1.0])
    assert direct(c, x, np.arange(3))[1] != 1.0
