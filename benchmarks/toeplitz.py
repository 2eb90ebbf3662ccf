"""Error and time of Toeplitz systems against Levinson's recursion and dense factors: `python -m benchmarks.toeplitz`.

The error is ‖found - x‖ / ‖x‖ for a known x; the right-hand side is computed in extended precision and rounded. Times
are processor times, which are the times of a call if OMP_NUM_THREADS=1.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import scipy.linalg

import structmat as sm
from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures
from benchmarks.tables import Table, time_text
from structmat.__main__ import count

SIZES = [2**e for e in range(6, 15)]
DENSE = 2**12  # columns of the largest dense matrix: twice as many take eight times as long
MANY = [(100, 100), (500, 500), (1000, 1000), (1500, 100), (1500, 1500), (4096, 64)]
ROWS = 256  # of a matrix in extended precision that exist at a time
LONG = 1.0  # seconds of a call that is made once

Sides = tuple[np.ndarray, np.ndarray]


def definite(n: int, condition: float) -> Sides:
    """Return a symmetric matrix whose symbol runs smoothly from 1/condition to 1, which bounds its condition."""
    angles = 2 * np.pi * np.arange(8 * n) / (8 * n)
    column = np.fft.ifft(condition ** (-0.5 + 0.5 * np.cos(angles))).real[:n]
    return column, column


def drawn(n: int, *, diagonal: float = 1.0, complex_: bool = False) -> Sides:
    """Draw Gaussian entries, and multiply the diagonal by a factor."""
    rng = np.random.default_rng(n)
    column, row = rng.standard_normal((2, n)) + (1j * rng.standard_normal((2, n)) if complex_ else 0)
    column[0] *= diagonal
    return column, row


KINDS: dict[str, Callable[[int], Sides]] = {
    "definite, condition 1e2": lambda n: definite(n, 1e2),
    "definite, condition 1e7": lambda n: definite(n, 1e7),
    "definite, condition 1e12": lambda n: definite(n, 1e12),
    "random": drawn,
    "random, zero diagonal": lambda n: drawn(n, diagonal=0.0),
    "random, complex": lambda n: drawn(n, complex_=True),
}


def product(sides: Sides, x: np.ndarray) -> np.ndarray:
    """Multiply by the dense matrix in extended precision, and round at the end."""
    column, row = (side.astype(np.result_type(side, np.longdouble)) for side in sides)
    diagonals = np.concatenate((np.flip(column[1:]), column[:1], row[1:]))
    windows = np.flip(np.lib.stride_tricks.sliding_window_view(diagonals, len(x)), axis=0)
    parts = [windows[start : start + ROWS] @ x for start in range(0, len(x), ROWS)]
    return np.concatenate(parts).astype(np.complex128 if column.dtype.kind == "c" else np.float64)


def timed(call: Callable[[], np.ndarray], rounds: int) -> tuple[np.ndarray | None, float | None]:
    """Return the result of a call and the median of its times; None for both if the matrix is singular."""
    times: list[float] = []
    for _ in range(rounds):
        begin = time.process_time()
        try:
            found = call()
        except np.linalg.LinAlgError:
            return None, None
        times.append(time.process_time() - begin)
        if times[-1] > LONG:
            break
    return found, statistics.median(times)


def measured(sides: Sides, x: np.ndarray, rounds: int, largest: int) -> Figures:
    """Measure a new operator, an operator that has solved a system before, and the peers."""
    b, A = product(sides, x), sm.Toeplitz(*sides)
    calls: dict[str, Callable[[], np.ndarray]] = {
        "structmat": lambda: sm.linalg.solve(sm.Toeplitz(*sides), b),
        "again": lambda: sm.linalg.solve(A, b),
        "scipy": lambda: scipy.linalg.solve_toeplitz(sides, b),
    }
    sm.linalg.solve(A, b)
    if len(x) <= largest:
        T = scipy.linalg.toeplitz(*sides)
        calls["numpy"] = lambda: np.linalg.solve(T, b)
    figures: Figures = {}
    for name, call in calls.items():
        found, seconds = timed(call, rounds)
        error = None if found is None else float(np.linalg.norm(found - x) / np.linalg.norm(x))
        figures[name] = {"error": error, "seconds": seconds}
    return figures


def one(sizes: list[int], rounds: int, largest: int) -> Iterator[Figures]:
    """Systems with one right-hand side."""
    for kind, make in KINDS.items():
        for n in sizes:
            x = np.random.default_rng(1).standard_normal(n)
            yield {"kind": kind, "n": n, "ways": measured(make(n), x, rounds, largest)}


def many(shapes: list[tuple[int, int]], rounds: int) -> Iterator[Figures]:
    """Random systems with many right-hand sides."""
    for n, k in shapes:
        x = np.random.default_rng(1).standard_normal((n, k))
        yield {"n": n, "k": k, "ways": measured(drawn(n), x, rounds, DENSE)}


def machine_line(figures: Figures) -> str:
    """Describe the machine."""
    about = figures["about"]
    return f"Measured on {about['processor']}, in one thread, with NumPy {about['numpy']} and SciPy {about['scipy']}."


def cell(ways: Figures, way: str, what: str) -> str:
    """Format one figure."""
    value = ways.get(way, {}).get(what)
    if value is None:
        return "fails" if way in ways else ""
    return f"{value:.0e}" if what == "error" else time_text(value)


def tables(figures: Figures) -> Iterator[Table]:
    """Format errors and times."""
    ways = ["structmat", "scipy", "numpy"]
    headings = [*(f"error {way}" for way in ways), "time structmat", "again", "time scipy", "time numpy"]

    def cells(row: Figures) -> list[str]:
        errors = [cell(row["ways"], way, "error") for way in ways]
        return [*errors, *(cell(row["ways"], way, "seconds") for way in ("structmat", "again", "scipy", "numpy"))]

    rows = [[row["kind"], str(row["n"]), *cells(row)] for row in figures["one"]]
    yield Table("One right-hand side", ["matrix", "n", *headings], rows)
    rows = [[str(row["n"]), str(row["k"]), *cells(row)] for row in figures["many"]]
    yield Table("Many right-hand sides, random matrices", ["n", "right-hand sides", *headings], rows)


def options(parser: argparse.ArgumentParser) -> None:
    """Add the size of the largest dense matrix."""
    parser.add_argument("--dense", type=count, default=DENSE, metavar="N", help="columns of the largest dense matrix")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure systems with one right-hand side, and with many."""
    sizes, shapes, rounds = ([64, 600], [(64, 9)], 1) if arguments.quick else (SIZES, MANY, 5)
    return {"one": list(one(sizes, rounds, arguments.dense)), "many": list(many(shapes, rounds))}


BENCHMARK = Benchmark("benchmarks.toeplitz", str(__doc__), measure, tables, options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
