"""Time, memory and error of every registered operator: `python -m benchmarks --help`.

Times are microseconds a vector. Peaks of memory are divided by the bytes of x and y. Errors are in units of ε ‖A‖ ‖x‖.
Peak and error are the largest of the three products.
"""

import argparse
import math
import sys
from collections.abc import Iterator
from itertools import groupby

import numpy as np

from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures, interleaved
from benchmarks.suite import VERBS, WRITTEN_OUT, Case
from benchmarks.tables import Table
from structmat.__main__ import count
from structmat.core.registry import OPERATORS

SIZES, BATCH = [2**8, 2**10, 2**12], 32
QUICK_SIZES, QUICK_BATCH = [2**6], 4


def measured(name: str, n: int, batch: int, dtype: str, rounds: int) -> Figures:
    """Measure the products of one operator, and time a dense matrix of its shape."""
    case = Case(name, n, batch, dtype)
    A, x = case.A, case.x
    dense = np.random.default_rng(0).standard_normal((A.n, A.m)).astype(dtype)
    calls = {verb: case.call(verb) for verb in VERBS}
    medians = interleaved({**calls, "dense": lambda: x @ dense}, rounds=rounds)
    return {
        "operator": name,
        "n": A.n,
        "m": A.m,
        "microseconds": {call: 1e6 * seconds / batch for call, seconds in medians.items()},
        "peak_bytes": {verb: case.peak(verb) for verb in VERBS},
        "errors": {verb: case.error(verb) for verb in VERBS} if n <= WRITTEN_OUT else None,
    }


def slope(rows: list[Figures]) -> float:
    """Return the exponent of n in the time of a matvec, between the smallest size and the largest."""
    first, last = rows[0], rows[-1]
    times = (row["microseconds"]["matvec"] for row in (last, first))
    return math.log(next(times) / next(times)) / math.log(last["n"] / first["n"])


def cells(row: Figures, vector_bytes: int) -> list[str]:
    """Format the shape, times, and the largest peak and error of the three products."""
    peak = max(row["peak_bytes"].values()) / vector_bytes
    error = "" if row["errors"] is None else f"{max(row['errors'].values()):.2f}"
    times = (f"{value:.2f}" for value in row["microseconds"].values())
    return [f"{row['m']}×{row['n']}", *times, f"{peak:.1f}", error]


def operator_name(text: str) -> str:
    """Check an operator's name."""
    if text not in OPERATORS:
        raise argparse.ArgumentTypeError(f"no operator {text}; there are {', '.join(sorted(OPERATORS))}")
    return text


def options(parser: argparse.ArgumentParser) -> None:
    """Add operators, sizes and precision."""
    sizes = " ".join(map(str, SIZES))
    parser.add_argument("operators", nargs="*", type=operator_name, metavar="NAME", help="operators to measure (all)")
    parser.add_argument("--sizes", nargs="+", type=count, metavar="N", help=f"columns ({sizes})")
    parser.add_argument("--batch", type=count, metavar="B", help=f"vectors a call ({BATCH})")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="precision (%(default)s)")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure each operator at each size."""
    sizes = sorted(arguments.sizes or (QUICK_SIZES if arguments.quick else SIZES))
    batch = arguments.batch or (QUICK_BATCH if arguments.quick else BATCH)
    rows = []
    for name in arguments.operators or sorted(OPERATORS):
        for n in sizes:
            progress(f"{name}, n = {n}")
            rows.append(measured(name, n, batch, arguments.dtype, 3 if arguments.quick else 15))
    return {"batch": batch, "dtype": arguments.dtype, "rows": rows}


def tables(figures: Figures) -> Iterator[Table]:
    """Format all operators in one table."""
    itemsize = np.dtype(figures["dtype"]).itemsize
    lines = []
    for name, group in groupby(figures["rows"], key=lambda row: row["operator"]):
        rows = list(group)
        for row in rows:
            facts = [name, OPERATORS[name].cost] if row is rows[0] else ["", ""]
            is_last = row is rows[-1] and row["n"] != rows[0]["n"]
            vector_bytes = figures["batch"] * (row["m"] + row["n"]) * itemsize
            lines.append([*facts, *cells(row, vector_bytes), f"{slope(rows):.2f}" if is_last else ""])
    headings = ["operator", "cost", "m×n", *VERBS, "dense", "peak", "error", "slope"]
    yield Table("Microseconds a vector, peak of memory, error", headings, lines, left=2)


BENCHMARK = Benchmark("benchmarks", str(__doc__), measure, tables, options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
