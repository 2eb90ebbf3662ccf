"""The command line that all benchmarks share: arguments, progress, tables and a file of figures."""

import argparse
from collections.abc import Callable, Iterable
from typing import NamedTuple

from rich.console import Console

from benchmarks.measuring import Figures, console, machine, save
from benchmarks.tables import Table, show
from structmat.__main__ import writable

Progress = Callable[[str], None]


def no_options(parser: argparse.ArgumentParser) -> None:
    """Add nothing to `--quick` and `--json`."""


class Benchmark(NamedTuple):
    """One benchmark, run by `python -m <module>`.

    `measure(arguments, progress)` returns the figures, which go to the file as they are. `tables(figures)` formats them
    for the terminal, and for the documentation where a page shows them. `packages` are those whose versions matter,
    beside NumPy and SciPy.
    """

    module: str
    description: str
    measure: Callable[[argparse.Namespace, Progress], Figures]
    tables: Callable[[Figures], Iterable[Table]]
    options: Callable[[argparse.ArgumentParser], None] = no_options
    packages: tuple[str, ...] = ()

    def main(self, argv: list[str] | None = None) -> int:
        """Measure, print the tables, and write the figures if a file is given."""
        parser = argparse.ArgumentParser(prog=f"python -m {self.module}", description=self.description)
        parser.add_argument("--quick", action="store_true", help="small sizes and few rounds, to check that it runs")
        parser.add_argument("--json", type=writable, metavar="FILE", help="write the figures there")
        self.options(parser)
        arguments = parser.parse_args(argv)
        with Console(stderr=True).status("measuring") as status:
            try:
                measured = self.measure(arguments, status.update)
            except argparse.ArgumentError as error:
                parser.error(str(error))
        figures = {"about": machine(self.packages), "quick": arguments.quick, **measured}
        show(self.tables(figures), console())
        if arguments.json:
            save(arguments.json, figures)
        return 0
