"""Data beyond memory, and long vectors: `python -m benchmarks.scale memory --help`.

A file is multiplied into another one through `out=`, and one circulant multiplies one long vector. Memory is what the
process takes beyond the pages of the files, x and y: anonymous pages, sampled while a product runs.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import structmat as sm
from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures, resident
from benchmarks.tables import Table, time_text

GOALS = {"file_bytes": 16 * 2**20, "vectors": 5}


def peak_of(call: Callable[[], object]) -> Figures:
    """Time a call, and return the largest number of anonymous bytes that it adds."""
    before = resident("RssAnon") or 0
    samples, done = [before], threading.Event()

    def sample() -> None:
        while not done.wait(0.002):
            samples.append(resident("RssAnon") or 0)

    watcher = threading.Thread(target=sample)
    watcher.start()
    start = time.perf_counter()
    result = call()
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    del result
    return {"seconds": seconds, "bytes": max(samples) - before}


def through_files(gigabytes: float, n: int = 4096) -> Figures:
    """Multiply the rows of a file into another one."""
    rows = round(gigabytes * 2**30 / (4 * n))
    A = sm.Circulant(np.random.default_rng(0).standard_normal(n).astype("f"))
    A.matvec(np.ones((64, n), "f"))  # the tables
    with tempfile.TemporaryDirectory() as folder:
        x, y = (np.memmap(Path(folder) / name, "f", "w+", shape=(rows, n)) for name in "xy")
        x[::997] = 1
        found = peak_of(lambda: A.matvec(x, out=y))
        expected = A.column.sum(dtype=float)
        difference = float(np.abs(y[::997] - expected).max() / np.abs(A.column).sum())
    return {"gigabytes": 4 * rows * n / 2**30, "n": n, **found, "difference": difference}


def long_vector(exponent: int) -> Figures:
    """Multiply one vector by a circulant, whose spectrum is made on the way."""
    n = 2**exponent
    rng = np.random.default_rng(0)
    A = sm.Circulant(rng.standard_normal(n, dtype="f"))
    x = rng.standard_normal(n, dtype="f")
    found = peak_of(lambda: A.matvec(x))
    return {"n": n, **found, "vectors": found["bytes"] / (4 * n)}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the sizes."""
    parser.add_argument("--gigabytes", type=float, default=4.0, metavar="GB", help="size of the file (%(default)s)")
    parser.add_argument("--exponent", type=int, default=28, help="n = 2^exponent (%(default)s)")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure both."""
    progress("file")
    file = through_files(1 / 16 if arguments.quick else arguments.gigabytes)
    progress("vector")
    vector = long_vector(20 if arguments.quick else arguments.exponent)
    return {"goals": GOALS, "file": file, "vector": vector}


def tables(figures: Figures) -> Iterator[Table]:
    """Format both beside their goals."""
    file, vector, goals = (figures[key] for key in ("file", "vector", "goals"))
    rows = [
        [
            f"file of {file['gigabytes']:.3g} GiB, n = {file['n']:,}",
            time_text(file["seconds"]),
            f"{file['bytes'] / 2**20:.1f} MiB",
            f"{goals['file_bytes'] / 2**20:.0f} MiB",
        ],
        [
            f"one vector, n = {vector['n']:,}",
            time_text(vector["seconds"]),
            f"{vector['vectors']:.2f} vectors",
            f"{goals['vectors']} vectors",
        ],
    ]
    yield Table("Memory beyond x and files, with y and the spectrum", ["product", "time", "peak", "at most"], rows)


BENCHMARK = Benchmark("benchmarks.scale memory", str(__doc__), measure, tables, options)
