"""How far a product may be from its reference: error ratios, and vectors of integers whose products are exact."""

import numpy as np
from hypothesis import strategies as st

RATIO = 30  # the limit of an error ratio, that of LAPACK's tests

small = st.integers(-50, 50)


def ratio(got: np.ndarray, wanted: np.ndarray, scale: float, rows: np.ndarray) -> float:
    """‖error‖ / (eps scale); from a sample of the entries, the norm of all of them."""
    error = np.linalg.norm((got[rows] - wanted).astype(float)) * np.sqrt(len(got) / len(rows))
    return float(error / (np.finfo(got.dtype).eps * scale))


def vectors(n: int) -> st.SearchStrategy[list[int]]:
    return st.lists(small, min_size=n, max_size=n)


def rounded(x: np.ndarray) -> list[int]:
    """The nearest integers, which are near: 70 terms of 2,500 at most leave float32 an error below 0.1."""
    assert np.max(np.abs(x - np.rint(x))) < 0.25
    return [int(value) for value in np.rint(x)]
