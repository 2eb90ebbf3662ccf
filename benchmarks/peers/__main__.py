"""Times, memory and errors of structmat and of its peers, in one run: `python -m benchmarks.peers --help`."""

import argparse
import itertools
import os
import sys
from collections.abc import Iterator

from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import HONEST_MEMORY, Figures, child, threads_environment
from benchmarks.peers import report
from benchmarks.peers.implementations import IMPLEMENTATIONS
from benchmarks.tables import Table
from structmat.__main__ import writable

PACKAGES = ("mkl_fft", "ducc0", "torch", "peft", "linear_operator", "tensorflow_cpu", "jax", "fastmat", "pylops")


def options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of implementations, and the picture."""
    names = sorted({name for kind in IMPLEMENTATIONS.values() for name in kind})
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"measure these: {', '.join(names)}")
    parser.add_argument("--png", type=writable, metavar="FILE", help="draw the picture there")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure everything, each number of threads in a process of its own."""
    cores = os.cpu_count() or 1
    counts = [1] if arguments.quick else sorted({1, min(2, cores)})
    tasks = [{"what": "times", "threads": threads} for threads in counts]
    tasks += [{"what": what, "threads": 1} for what in ("memory", "large", "profile")]
    rows: list[Figures] = []
    for task in tasks:
        environment = threads_environment(task["threads"])
        environment |= HONEST_MEMORY if task["what"] == "memory" else {}
        head = f"{task['what']}, {task['threads']} threads"
        progress(head)
        chosen = {"quick": arguments.quick, "only": arguments.only}
        for row in child("benchmarks.peers.tasks", {**task, **chosen}, environment):
            if row not in rows:
                rows.append(row)
            progress(f"{head}: {row['part']} {row.get('shape', '')}")
    if arguments.png:
        report.draw({"rows": rows}, arguments.png)
    return {"rows": rows}


def tables(figures: Figures) -> Iterator[Table]:
    """Format all tables, and the machine."""
    yield from itertools.chain(*report.tables(figures).values())
    yield Table("Measured on", [""], [[line] for line in report.machine_lines(figures)])


BENCHMARK = Benchmark("benchmarks.peers", str(__doc__), measure, tables, options, PACKAGES)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
