"""Measure how well random projections keep lengths: `python -m benchmarks.distances --help`."""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import structmat as sm
from benchmarks.measuring import save
from structmat.__main__ import about, writable

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
    """One vector of each kind, of length 1: the second to the last are hard for a projection that mixes badly."""
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


def measure(dims: list[int], sizes: list[int], draws: int) -> Iterator[dict[str, object]]:
    """Quantiles of the distortion, one row a projection, dimension, size and kind of vectors."""
    for d in dims:
        for name in ("gaussian", *PROJECTIONS):
            found = distortions(name, d, sizes, draws)
            for place, k in enumerate(sizes):
                for kind, values in zip(VECTORS, found[:, place].T, strict=True):
                    median, most = np.quantile(values, [0.5, 0.95])
                    rms = float(np.sqrt(np.mean(values**2)))
                    row = {"projection": name, "d": d, "k": k, "vectors": kind}
                    yield {**row, "rms": rms, "median": float(median), "q95": float(most), "max": float(values.max())}


def main() -> int:
    """Measure, print the root mean squares, and write all figures if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.distances",
        description="Distortion |‖Px‖²/‖x‖² - 1| of random projections against their size k, over random P.",
    )
    parser.add_argument("--dims", nargs="+", type=int, default=[2**10, 2**13, 2**16], metavar="D", help="dimensions")
    parser.add_argument("--sizes", nargs="+", type=int, default=[16, 64, 256, 1024], metavar="K", help="sizes k")
    parser.add_argument("--draws", type=int, default=200, metavar="N", help="projections a figure (%(default)s)")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    sizes = sorted(set(arguments.sizes))
    if min(*sizes, arguments.draws) < 1 or min(arguments.dims) < 4 or sizes[-1] > min(arguments.dims):
        parser.error("sizes and draws must be at least 1, dims at least 4 and the largest size")

    begin = time.perf_counter()
    with Console(stderr=True).status("measuring"):
        rows = list(measure(arguments.dims, sizes, arguments.draws))
    table = Table(title="Root mean square distortion; Gaussian in theory √(2/k)", box=box.SIMPLE)
    for heading in ("projection", "d", "k", *VECTORS):
        table.add_column(heading, justify="left" if heading == "projection" else "right", no_wrap=True)
    for place in range(0, len(rows), len(VECTORS)):
        group = rows[place : place + len(VECTORS)]
        facts = [str(group[0][key]) for key in ("projection", "d", "k")]
        table.add_row(*facts, *(f"{row['rms']:.4f}" for row in group), end_section=group[0]["k"] == sizes[-1])
    Console().print(table)
    if arguments.json:
        figures = {"about": about(), "draws": arguments.draws, "seconds": time.perf_counter() - begin, "rows": rows}
        save(arguments.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
