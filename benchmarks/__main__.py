"""Measure every registered operator: `python -m benchmarks --help`."""

import argparse
import math
import sys
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Figures, console, interleaved, machine, save
from benchmarks.suite import VERBS, WRITTEN_OUT, Case
from structmat.__main__ import count, writable
from structmat.core.registry import OPERATORS

SIZES, BATCH = [2**8, 2**10, 2**12], 32
QUICK_SIZES, QUICK_BATCH = [2**6], 4


def measure(name: str, n: int, batch: int, dtype: str, rounds: int) -> Figures:
    """Time, peak of memory and error of the products of one operator, and the time of a dense matrix of its shape."""
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
    """Exponent of n in the time of a matvec, between the smallest size and the largest."""
    first, last = rows[0], rows[-1]
    times = (row["microseconds"]["matvec"] for row in (last, first))
    return math.log(next(times) / next(times)) / math.log(last["n"] / first["n"])


def cells(row: Figures, vector_bytes: int) -> list[str]:
    """Shape, times, and the largest peak and error of the three products."""
    peak = max(row["peak_bytes"].values()) / vector_bytes
    error = "" if row["errors"] is None else f"{max(row['errors'].values()):.2f}"
    times = (f"{value:.2f}" for value in row["microseconds"].values())
    return [f"{row['m']}×{row['n']}", *times, f"{peak:.1f}", error]


def main(argv: list[str] | None = None) -> int:
    """Run the benchmarks that the arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Of every operator: microseconds a vector, bytes at the peak over those of x and y, and the error "
        "in units of ε ‖A‖ ‖x‖; peak and error are the largest of the three products.",
    )
    parser.add_argument("operators", nargs="*", metavar="NAME", help="operators to measure (all)")
    parser.add_argument("--sizes", nargs="+", type=count, metavar="N", help=f"columns ({' '.join(map(str, SIZES))})")
    parser.add_argument("--batch", type=count, metavar="B", help=f"vectors a call ({BATCH})")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float64", help="precision (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="one small size: does everything still run?")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args(argv)
    if unknown := sorted(set(arguments.operators) - set(OPERATORS)):
        parser.error(f"no operator {', '.join(unknown)}; there are {', '.join(sorted(OPERATORS))}")
    sizes = sorted(arguments.sizes or (QUICK_SIZES if arguments.quick else SIZES))
    batch = arguments.batch or (QUICK_BATCH if arguments.quick else BATCH)

    table = Table(title="Microseconds a vector, peak of memory, error", box=box.SIMPLE, pad_edge=False)
    table.add_column("operator", no_wrap=True)
    table.add_column("cost")
    for heading in ("m×n", *VERBS, "dense", "peak", "error", "slope"):
        table.add_column(heading, justify="right", no_wrap=True)
    results: list[Figures] = []
    with Console(stderr=True).status("") as status:
        for name in arguments.operators or sorted(OPERATORS):
            rows: list[Figures] = []
            for n in sizes:
                status.update(f"{name}, n = {n}")
                rows.append(measure(name, n, batch, arguments.dtype, 3 if arguments.quick else 15))
            for row in rows:
                facts: list[Any] = [name, OPERATORS[name].cost] if row is rows[0] else ["", ""]
                vector_bytes = batch * (row["m"] + row["n"]) * np.dtype(arguments.dtype).itemsize
                last = row is rows[-1]
                exponent = f"{slope(rows):.2f}" if last and row["n"] != rows[0]["n"] else ""
                table.add_row(*facts, *cells(row, vector_bytes), exponent, end_section=last and len(rows) > 1)
            results += rows
    console().print(table)
    if arguments.json:
        save(arguments.json, {"about": machine(), "batch": batch, "dtype": arguments.dtype, "rows": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
