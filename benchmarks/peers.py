"""Against peers on the same work, in one run: `python -m benchmarks.peers --help`."""

import argparse
import itertools
import os
import sys

from rich.console import Console

from benchmarks import report
from benchmarks.measuring import HONEST_MEMORY, Figures, child, console, machine, save, threads_environment
from benchmarks.ways import WAYS
from structmat.__main__ import writable

PACKAGES = ("mkl_fft", "ducc0", "torch", "peft", "linear_operator", "tensorflow_cpu", "jax", "fastmat", "pylops")
Names = list[str] | None


def run(*, quick: bool, ways: Names = None) -> Figures:
    """Measure everything, each number of threads in a process of its own."""
    cores = os.cpu_count() or 1
    counts = [1] if quick else sorted({1, min(2, cores)})
    tasks = [{"what": "times", "threads": threads} for threads in counts]
    tasks += [{"what": what, "threads": 1} for what in ("memory", "large", "profile")]
    rows: list[Figures] = []
    with Console(stderr=True).status("") as status:
        for task in tasks:
            environment = threads_environment(task["threads"])
            environment |= HONEST_MEMORY if task["what"] == "memory" else {}
            status.update(f"{task['what']}, {task['threads']} threads")
            for row in child("benchmarks.rows", {**task, "quick": quick, "ways": ways}, environment):
                if row not in rows:
                    rows.append(row)
                status.update(f"{task['what']}, {task['threads']} threads: {row['part']} {row.get('shape', '')}")
    return {"about": machine(PACKAGES), "quick": quick, "rows": rows}


def show(figures: Figures, to: Console) -> None:
    """Print the tables."""
    report.show(itertools.chain(*report.tables(figures).values()), to)
    for line in report.machine_lines(figures):
        to.print(line, highlight=False, markup=False)


def main(argv: list[str] | None = None) -> int:
    """Measure, print tables and verdicts, and write figures and picture if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Times, memory and errors of structmat and of its peers.",
    )
    names = sorted({name for kind in WAYS.values() for name in kind})
    parser.add_argument("--quick", action="store_true", help="small sizes, one thread: does everything still run?")
    parser.add_argument("--ways", nargs="+", choices=names, metavar="WAY", help=f"ways to measure ({', '.join(names)})")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write all figures there")
    parser.add_argument("--png", type=writable, metavar="FILE", help="draw the picture there")
    arguments = parser.parse_args(argv)
    figures = run(quick=arguments.quick, ways=arguments.ways)
    show(figures, console())
    if arguments.json:
        save(arguments.json, figures)
    if arguments.png:
        report.draw(figures, arguments.png)
    return 0


if __name__ == "__main__":
    sys.exit(main())
