"""Time every registered operator: `python -m benchmarks --help`."""

import argparse
import json
import math
import platform
import sys
import timeit
from collections.abc import Callable
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import structmat
from structmat.__main__ import replacing, writable
from structmat.core.registry import OPERATORS

Row = dict[str, Any]


def microseconds(call: Callable[[], object], vectors: int, repeats: int = 3) -> float:
    """Time a vector, at the best of a few repeats, each of at least 0.2 s."""
    timer = timeit.Timer(call)
    number, _ = timer.autorange()
    return 1e6 * min(timer.repeat(repeats, number)) / number / vectors


def measure(name: str, n: int, batch: int) -> Row:
    """Time the three products of one operator with about n columns, and a dense matrix of its shape."""
    rng = np.random.default_rng(0)
    A = OPERATORS[name].example(n, rng)
    x, g = rng.standard_normal((batch, A.n)), rng.standard_normal((batch, A.m))
    dense = rng.standard_normal((A.n, A.m))
    return {
        "operator": name,
        "n": A.n,
        "m": A.m,
        "matvec": microseconds(lambda: A.matvec(x), batch),
        "rmatvec": microseconds(lambda: A.rmatvec(g), batch),
        "vjp": microseconds(lambda: A.vjp(x, g), batch),
        "dense": microseconds(lambda: x @ dense, batch),
    }


def slope(rows: list[Row]) -> float:
    """Exponent of n in the time of a matvec, between the smallest size and the largest."""
    first, last = rows[0], rows[-1]
    return math.log(last["matvec"] / first["matvec"]) / math.log(last["n"] / first["n"])


def main() -> int:
    """Run the benchmarks that the arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Microseconds a vector, for every operator."
    )
    parser.add_argument("operators", nargs="*", metavar="NAME", help="operators to time (all)")
    parser.add_argument("--sizes", nargs="+", type=int, default=[2**8, 2**10, 2**12], metavar="N", help="columns")
    parser.add_argument("--batch", type=int, default=32, metavar="B", help="vectors a call")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.operators) - set(OPERATORS)):
        parser.error(f"no operator {', '.join(unknown)}; there are {', '.join(sorted(OPERATORS))}")
    if min(*arguments.sizes, arguments.batch) < 1:
        parser.error("sizes and batch must be at least 1")

    table = Table(title="Microseconds a vector", box=box.SIMPLE)
    table.add_column("operator", no_wrap=True)
    table.add_column("cost")
    for heading in ("m×n", "matvec", "rmatvec", "vjp", "dense", "slope"):
        table.add_column(heading, justify="right", no_wrap=True)
    results: list[Row] = []
    with Console(stderr=True).status("") as status:
        for name in arguments.operators or sorted(OPERATORS):
            rows: list[Row] = []
            for n in sorted(arguments.sizes):
                status.update(f"{name}, n = {n}")
                rows.append(measure(name, n, arguments.batch))
            for row in rows:
                times = [f"{row[key]:.2f}" for key in ("matvec", "rmatvec", "vjp", "dense")]
                last = row is rows[-1]
                exponent = f"{slope(rows):.2f}" if last and row["n"] != rows[0]["n"] else ""
                first = [name, OPERATORS[name].cost] if row is rows[0] else ["", ""]
                table.add_row(*first, f"{row['m']}×{row['n']}", *times, exponent, end_section=last)
            results += rows
    Console().print(table)
    if arguments.json:
        about = {"structmat": structmat.__version__, "numpy": np.__version__, "machine": platform.platform()}
        figures = {"about": about, "batch": arguments.batch, "microseconds": results}
        with replacing(arguments.json) as file:
            file.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
