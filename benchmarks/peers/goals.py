"""The goals as data, and the verdicts on the figures of a run."""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from benchmarks.measuring import Figures
from benchmarks.peers.tasks import LARGE
from benchmarks.tables import shape_text

MIB = 2**20
WRONG = 1000.0  # units of rounding
Found = Mapping[str, float]  # measured values by place
Rows = list[Figures]


class Goal(NamedTuple):
    """A lower bound, or an upper bound, for a figure in every place where it is measured."""

    name: str
    bound: float
    unit: str
    measure: Callable[[Rows], Found]
    at_least: bool = True

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.bound, self.unit)}"


def shown(value: float, unit: str) -> str:
    """Format a measured value with its unit."""
    return f"{value:.3g}{unit if unit == '×' else ' ' * bool(unit) + unit}"


def counted(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def place(row: Figures) -> str:
    """Name the shape and threads of a row."""
    return f"{shape_text(row['shape'])}, {counted(row['threads'])}"


def seconds(rows: Rows, part: str, way: str, verb: str, kind: str = "circulant") -> dict[str, float]:
    """Return the times of an implementation by place."""
    wanted = part, way, kind, "float32"
    keys = "part", "way", "kind", "dtype"
    return {place(row): row[verb] for row in rows if verb in row and tuple(map(row.get, keys)) == wanted and right(row)}


def right(row: Figures) -> bool:
    """Tell whether the products that were timed are right."""
    errors = row.get("errors", {})
    return max(errors.get("forward", 0.0), errors.get("y", 0.0)) < WRONG


def ratios(
    verb: str, ours: str, peer: str, *, kind: str = "circulant", part: str = "shapes", shapes: str = ""
) -> Callable[[Rows], Found]:
    """Measure how many times faster one implementation is than another, at shapes that begin with `shapes`."""

    def measure(rows: Rows) -> Found:
        times, theirs = (seconds(rows, part, way, verb, kind) for way in (ours, peer))
        both = [where for where in times if where in theirs and where.startswith(shapes)]
        return {where: theirs[where] / times[where] for where in both}

    return measure


def overhead(ours: str, peer: str) -> Callable[[Rows], Found]:
    """Measure the microseconds of a product with one short vector beyond the same transforms by hand."""

    def measure(rows: Rows) -> Found:
        times, theirs = (seconds(rows, "shapes", way, "forward") for way in (ours, peer))
        return {
            where: 1e6 * (times[where] - theirs[where])
            for where in times
            if where in theirs and where.startswith(("1 × 256,", "1 × 1,024,"))
        }

    return measure


def by_threads(rows: Rows, part: str, way: str) -> dict[int, dict[int, float]]:
    """Return the forward times of an implementation by n, for each number of threads."""
    found: dict[int, dict[int, float]] = {}
    for row in rows:
        if row["part"] == part and row["way"] == way:
            found.setdefault(row["threads"], {})[row["shape"][1]] = row["forward"]
    return found


def slopes(way: str) -> Callable[[Rows], Found]:
    """Measure the exponent of n in the time of one product, by least squares on logarithms."""

    def measure(rows: Rows) -> Found:
        return {
            counted(threads): statistics.linear_regression(
                [math.log(n) for n in times], [math.log(t) for t in times.values()]
            ).slope
            for threads, times in by_threads(rows, "growth", way).items()
        }

    return measure


def steps(rows: Rows, way: str, threads: int) -> dict[int, float]:
    """Return the exponent of n between each size and the next."""
    times = list(by_threads(rows, "growth", way).get(threads, {}).items())
    return {n: math.log(t / before) / math.log(n / smaller) for (smaller, before), (n, t) in itertools.pairwise(times)}


def crossover(times: Mapping[int, float], dense: Mapping[int, float]) -> float:
    """Return the smallest n from which on an implementation is as fast as a dense product."""
    slower = [n for n in times if n in dense and times[n] > dense[n]]
    faster = [n for n in times if n > max(slower, default=0)]
    return min(faster, default=math.inf)


def crossovers(way: str) -> Callable[[Rows], Found]:
    """Measure that n for each number of threads."""

    def measure(rows: Rows) -> Found:
        times, dense = (by_threads(rows, "crossover", name) for name in (way, "dense BLAS"))
        return {counted(threads): crossover(times[threads], dense[threads]) for threads in times if dense}

    return measure


def beyond(verb: str, *allowed: str) -> Callable[[Rows], Found]:
    """Measure the peak of a product of very many vectors, in MiB, beyond the arrays that it keeps or returns."""

    def measure(rows: Rows) -> Found:
        return {
            f"{row['shape'][0]:,} × {row['shape'][1]:,}": (row[verb] - sum(row[name] for name in allowed)) / MIB
            for row in rows
            if row["part"] == "large vectors" and tuple(row["shape"]) == LARGE and row[verb] is not None
        }

    return measure


def taken(part: str) -> Callable[[Rows], Found]:
    """Measure the seconds of a problem that is solved once."""
    return lambda rows: {row["part"]: row["seconds"] for row in rows if row["part"] == part}


OURS = "structmat"
GOALS = [
    Goal("product, over scipy.fft", 1.0, "×", ratios("forward", OURS, "scipy.fft")),
    Goal("product, over torch.fft", 1.0, "×", ratios("forward", OURS, "torch.fft")),
    Goal("one vector, over scipy.fft", 3.0, "×", ratios("forward", OURS, "scipy.fft", shapes="1 ×")),
    Goal("training step, over autograd of torch.fft", 1.5, "×", ratios("step", OURS, "torch.fft")),
    Goal(
        "training step at 1,024 × 1,024, over torch.fft",
        1.8,
        "×",
        ratios("step", OURS, "torch.fft", shapes="1,024 × 1,024,"),
    ),
    Goal("training step, over PEFT C3A", 3.0, "×", ratios("step", OURS, "PEFT C3A")),
    Goal("step of circulant blocks, over PEFT C3A", 2.0, "×", ratios("step", OURS, "PEFT C3A", kind="blocks")),
    Goal("exponent of n in the time, 2^12 to 2^22", 1.15, "", slopes(OURS), at_least=False),
    Goal("crossover with dense BLAS, batch 256, n", 256, "", crossovers(OURS), at_least=False),
    Goal("one short vector: overhead over scipy.fft", 4.0, "µs", overhead(OURS, "scipy.fft"), at_least=False),
    Goal("matvec of 1 GiB, peak memory beyond output", 64.0, "MiB", beyond("matvec", "output_bytes"), at_least=False),
    Goal(
        "vjp of 1 GiB, peak memory beyond dx and saved vectors",
        64.0,
        "MiB",
        beyond("vjp", "output_bytes", "saved_bytes"),
        at_least=False,
    ),
    Goal(
        "circulant blocks, over dense BLAS",
        10.0,
        "×",
        ratios("forward", OURS, "dense BLAS", kind="blocks"),
    ),
    *(
        Goal(f"{name}, over {peer}", bound, "×", ratios("forward", OURS, peer, kind=kind, part="contests"))
        for name, kind, peer, bound in (
            ("circulant system", "solve", "scipy solve_circulant", 1.5),
            ("Toeplitz products", "toeplitz", "scipy matmul_toeplitz", 3.0),
            ("Hadamard products", "hadamard", "dense BLAS", 3.0),
        )
    ),
    Goal("Toeplitz system of 10^6 unknowns to 1e-8", 60.0, "s", taken("Toeplitz system"), at_least=False),
    Goal("codes of 2^17 bits for 16 vectors", 1.0, "s", taken("binary codes"), at_least=False),
]


def verdicts(rows: Rows, *, quick: bool) -> Rows:
    """Return each goal with the worst value, its place, and whether the goal is reached.

    The verdict is None where nothing was measured, and after a quick run, whose sizes are smaller.
    """
    judged = []
    for goal in GOALS:
        found = goal.measure(rows)
        worst = (min if goal.at_least else max)(found, key=found.__getitem__, default=None)
        row: Figures = {"figure": goal.name, "goal": str(goal), "measured": None, "where": None, "reached": None}
        if worst is not None:
            reached = [goal.reached(value) for value in found.values()]
            row |= {"measured": shown(found[worst], goal.unit), "where": worst}
            row |= {} if quick else {"reached": all(reached), "places": f"{sum(reached)} of {len(reached)}"}
        judged.append(row)
    return judged
