"""Time of `transform`, size of the map and error of our estimators and of scikit-learn's."""

import argparse
import pickle
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn.kernel_approximation import RBFSampler
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.random_projection import GaussianRandomProjection
from threadpoolctl import threadpool_info, threadpool_limits

from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures, interleaved
from benchmarks.tables import Table
from structmat.__main__ import count
from structmat.sklearn import CirculantProjection, StructuredProjection, StructuredRFF

SPEED, MEMORY = 5.0, 50.0  # how many times faster and smaller ours should be


class Contest(NamedTuple):
    """One of our estimators and one of scikit-learn's, both fitted to the same data."""

    ours: Any
    theirs: Any
    required: bool  # whether it must reach the goals


def contests(d: int) -> list[Contest]:
    gamma = 1 / d  # of vectors with entries of variance 1: kernels about exp(-2)
    peer = {"n_components": d, "random_state": 0}
    return [
        Contest(CirculantProjection(**peer), GaussianRandomProjection(**peer), True),
        *(
            Contest(StructuredProjection(kind=kind, **peer), GaussianRandomProjection(**peer), False)
            for kind in ("srht", "fastfood")
        ),
        *(
            Contest(StructuredRFF(gamma=gamma, kind=kind, **peer), RBFSampler(gamma=gamma, **peer), kind == "circulant")
            for kind in ("circulant", "fastfood", "sorf", "toeplitz")
        ),
    ]


def error(estimator: Any, x: np.ndarray) -> float:
    """Root mean square error over pairs of rows: of the kernel, or of squared distances, relative to the true ones."""
    z = estimator.transform(x).astype("float64")
    products, pairs = z @ z.T, np.triu_indices(len(x), 1)
    if hasattr(estimator, "gamma"):
        return float(np.sqrt(np.mean((products - rbf_kernel(x, gamma=estimator.gamma))[pairs] ** 2)))
    x = x.astype("float64")
    squares, exact = (np.diag(g)[:, None] + np.diag(g) - 2 * g for g in (products, x @ x.T))
    return float(np.sqrt(np.mean((squares[pairs] / exact[pairs] - 1) ** 2)))


def measure(contest: Contest, x: np.ndarray, repeats: int) -> dict[str, Any]:
    """Time both in turn, so that other load disturbs both alike; the ratio is that of the medians."""
    ours, theirs = contest.ours.fit(x), contest.theirs.fit(x)
    calls = {"ours": lambda: ours.transform(x), "theirs": lambda: theirs.transform(x)}
    times = list(interleaved(calls, rounds=repeats).values())
    sizes = [len(pickle.dumps(estimator)) for estimator in (ours, theirs)]
    kind = getattr(ours, "kind", "circulant")
    return {
        "ours": f"{type(ours).__name__}, {kind}",
        "peer": type(theirs).__name__,
        "dtype": x.dtype.name,
        "ours_ms": 1e3 * times[0],
        "peer_ms": 1e3 * times[1],
        "ratio": times[1] / times[0],
        "ours_bytes": sizes[0],
        "peer_bytes": sizes[1],
        "memory_ratio": sizes[1] / sizes[0],
        "ours_error": error(ours, x[:100]),
        "peer_error": error(theirs, x[:100]),
        "dtype_kept": ours.transform(x[:1]).dtype == x.dtype,
        "required": contest.required,
        "reached": times[1] / times[0] >= SPEED and sizes[1] / sizes[0] >= MEMORY,
    }


def options(parser: argparse.ArgumentParser) -> None:
    """Add the sizes."""
    parser.add_argument("--dim", type=count, default=4096, metavar="D", help="features and components (%(default)s)")
    parser.add_argument("--rows", type=count, default=2000, metavar="N", help="vectors (%(default)s)")
    parser.add_argument("--repeats", type=count, default=7, metavar="R", help="rounds of each (%(default)s)")


def run(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Run all contests in both precisions, with one thread and with all."""
    d, n, repeats = (64, 128, 3) if arguments.quick else (arguments.dim, arguments.rows, arguments.repeats)
    x = np.random.default_rng(0).standard_normal((n, d))
    rows = []
    for threads in sorted({1, max((pool["num_threads"] for pool in threadpool_info()), default=1)}):
        progress(f"measuring, {threads} threads")
        with threadpool_limits(threads):
            rows += [
                {"threads": threads, **measure(contest, x.astype(dtype), repeats)}
                for dtype in ("float32", "float64")
                for contest in contests(d)
            ]
    return {"goals": {"speed": SPEED, "memory": MEMORY}, "dim": d, "vectors": n, "repeats": repeats, "rows": rows}


def tables(figures: Figures) -> Iterator[Table]:
    """Format ratios of time and memory, and the errors."""
    cells = []
    for row in figures["rows"]:
        facts = [str(row[key]) for key in ("ours", "peer", "dtype", "threads")]
        ratios = [f"{row[key]:.3g}" for key in ("ours_ms", "peer_ms", "ratio", "memory_ratio")]
        verdict = ("reached" if row["reached"] else "not reached") if row["required"] else ""
        cells.append([*facts, *ratios, *(f"{row[key]:.2g}" for key in ("ours_error", "peer_error")), verdict])
    title = f"transform of {figures['vectors']:,} rows, {figures['dim']:,} features to as many components"
    measured = ["ours, ms", "peer, ms", "ratio", "memory", "error", "peer's error", "goals"]
    yield Table(title, ["ours", "peer", "dtype", "threads", *measured], cells, left=3)


BENCHMARK = Benchmark("benchmarks.sklearn_peers", str(__doc__), run, tables, options, ("scikit-learn",))
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
