"""The measurement of distances, and the figures that are kept of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import distances

FIGURES = json.loads((Path(__file__).parents[2] / "benchmarks/results/distances.json").read_text(encoding="utf-8"))


def test_blocks_of_rows_are_one_matrix() -> None:
    x = np.random.default_rng(0).standard_normal((3, 10))
    sizes = [1, 64, 150]
    lengths = distances.gaussian_lengths(x, sizes, np.random.default_rng(1))
    whole = np.random.default_rng(1).standard_normal((150, 10))
    assert np.allclose(lengths, [np.sum((whole[:k] @ x.T) ** 2, axis=0) / k for k in sizes])


def test_vectors_have_length_one() -> None:
    x = distances.vectors(16, np.random.default_rng(0))
    assert x.shape == (len(distances.VECTORS), 16)
    assert np.allclose(np.linalg.norm(x, axis=1), 1)
    assert np.count_nonzero(x[-1]) == 2


def test_rows_are_the_distortions_of_fresh_projections() -> None:
    rows = list(distances.measured([32], [4, 8], 6))
    assert len(rows) == (1 + len(distances.PROJECTIONS)) * 2 * len(distances.VECTORS)
    found = distances.distortions("srht", 32, [4, 8], 6)
    (row,) = [r for r in rows if (r["projection"], r["k"], r["vectors"]) == ("srht", 8, "wave")]
    assert row["rms"] == pytest.approx(np.sqrt(np.mean(found[:, 1, 2] ** 2)))
    assert row["max"] == found[:, 1, 2].max()


@pytest.mark.parametrize("k", [16, 64, 256, 1024])
def test_gaussian_figures_are_those_of_theory(k: int) -> None:
    """The mean of (χ²/k - 1)² is 2/k, its variance (8 k² + 48 k) / k⁴ a draw; five standard errors."""
    rows = [row for row in FIGURES["rows"] if (row["projection"], row["k"]) == ("gaussian", k)]
    assert len(rows) == 3 * len(distances.VECTORS)
    error = np.sqrt((8 * k**2 + 48 * k) / k**4 / FIGURES["draws"])
    assert all(abs(row["rms"] ** 2 - 2 / k) < 5 * error for row in rows)


def test_signs_are_what_circulants_need_for_constant_vectors() -> None:
    """Outputs that are all alike are worth one, whose mean square distortion is 2, however many there are."""
    bare = [r for r in FIGURES["rows"] if r["projection"] == "circulant without signs" and r["vectors"] == "constant"]
    signed = [r for r in FIGURES["rows"] if r["projection"] == "circulant" and r["vectors"] == "constant"]
    assert min(row["rms"] for row in bare) > 2**0.5 / 2
    assert all(row["rms"] < 2 * np.sqrt(2 / row["k"]) for row in signed)
