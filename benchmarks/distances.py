"""Distortion |‖P x‖²/‖x‖² - 1| of random projections P of size k: `python -m benchmarks.distances --help`."""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

import structmat as sm
from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures
from benchmarks.tables import Table
from structmat.__main__ import count

P = sm.projections
Draw = Callable[[int, int, np.random.Generator], sm.LinearOperator]

PROJECTIONS: dict[str, Draw] = {
    "circulant": lambda d, k, rng: P.circulant_projection(d, k, rng=rng),
    "circulant without signs": lambda d, k, rng: (
        sm.Restriction(d, slice(0, k)) @ sm.Circulant(rng.standard_normal(d) / math.sqrt(k))
    ),
    "toeplitz": lambda d, k, rng: P.toeplitz_projection(d, k, rng=rng),
    "srht": lambda d, k, rng: P.srht(d, k, rng=rng),
    "fjlt": lambda d, k, rng: P.fjlt(d, k, rng=rng),
    "sorf": lambda d, k, rng: P.sorf(d, k, rng=rng),
    "fastfood": lambda d, k, rng: P.fastfood(d, k, rng=rng),
}
VECTORS = ("random", "constant", "wave", "two entries")
ROWS = 64  # of a Gaussian matrix that exist at a time


def vectors(d: int, rng: np.random.Generator) -> np.ndarray:
    """Return one vector of each kind, of length 1; all but the first are hard for a projection that mixes badly."""
    sparse = np.zeros(d)
    sparse[rng.choice(d, 2, replace=False)] = rng.choice([-1.0, 1.0], 2)
    wave = np.cos(2 * np.pi * rng.integers(1, d // 2) * np.arange(d) / d + rng.uniform(0, 2 * np.pi))
    x = np.stack([rng.standard_normal(d), np.ones(d), wave, sparse])
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def gaussian_lengths(x: np.ndarray, sizes: list[int], rng: np.random.Generator) -> np.ndarray:
    """‖P x‖² for dense Gaussian P of each size, the larger ones with the rows of the smaller; never stored whole."""
    products = [
        x @ rng.standard_normal((min(ROWS, sizes[-1] - start), x.shape[1])).T for start in range(0, sizes[-1], ROWS)
    ]
    squares = np.cumsum(np.concatenate(products, axis=1) ** 2, axis=1)
    return np.stack([squares[:, k - 1] / k for k in sizes])


def distortions(name: str, d: int, sizes: list[int], draws: int) -> np.ndarray:
    """|‖P x‖² / ‖x‖² - 1| for fresh P and x: (draws, sizes, kinds of vectors)."""
    rng = np.random.default_rng([d, *name.encode()])
    lengths = []
    for _ in range(draws):
        x = vectors(d, rng)
        if name == "gaussian":
            lengths.append(gaussian_lengths(x, sizes, rng))
        else:
            lengths.append(np.stack([np.sum(PROJECTIONS[name](d, k, rng).matvec(x) ** 2, axis=1) for k in sizes]))
    return np.abs(np.asarray(lengths) - 1)


def measured(dims: list[int], sizes: list[int], draws: int) -> Iterator[dict[str, object]]:
    """Return quantiles of the distortion: one row for each projection, dimension, size and kind of vectors."""
    for d in dims:
        for name in ("gaussian", *PROJECTIONS):
            found = distortions(name, d, sizes, draws)
            for place, k in enumerate(sizes):
                for kind, values in zip(VECTORS, found[:, place].T, strict=True):
                    median, most = np.quantile(values, [0.5, 0.95])
                    rms = float(np.sqrt(np.mean(values**2)))
                    row = {"projection": name, "d": d, "k": k, "vectors": kind}
                    yield {**row, "rms": rms, "median": float(median), "q95": float(most), "max": float(values.max())}


def options(parser: argparse.ArgumentParser) -> None:
    """Add dimensions, sizes and draws."""
    parser.add_argument("--dims", nargs="+", type=count, default=[2**10, 2**13, 2**16], metavar="D", help="dimensions")
    parser.add_argument("--sizes", nargs="+", type=count, default=[16, 64, 256, 1024], metavar="K", help="sizes k")
    parser.add_argument("--draws", type=count, default=200, metavar="N", help="projections a figure (%(default)s)")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure all projections."""
    dims, sizes, draws = (
        ([32], [4, 8], 6) if arguments.quick else (arguments.dims, sorted(set(arguments.sizes)), arguments.draws)
    )
    if min(dims) < max(4, sizes[-1]):
        raise argparse.ArgumentError(None, "dims must be at least 4 and the largest size")
    begin = time.perf_counter()
    rows = list(measured(dims, sizes, draws))
    return {"draws": draws, "seconds": time.perf_counter() - begin, "rows": rows}


def tables(figures: Figures) -> Iterator[Table]:
    """Format the root mean squares."""
    rows = figures["rows"]
    groups = [rows[place : place + len(VECTORS)] for place in range(0, len(rows), len(VECTORS))]
    cells = [
        [*(str(group[0][key]) for key in ("projection", "d", "k")), *(f"{row['rms']:.4f}" for row in group)]
        for group in groups
    ]
    title = "Root mean square distortion; Gaussian in theory √(2/k)"
    yield Table(title, ["projection", "d", "k", *VECTORS], cells)


BENCHMARK = Benchmark("benchmarks.distances", str(__doc__), measure, tables, options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
