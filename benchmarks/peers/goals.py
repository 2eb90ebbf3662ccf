"""The goals as data, and the verdicts on the figures of a run."""

import itertools
import math
import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

from benchmarks.measuring import Figures
from benchmarks.peers.implementations import PURE
from benchmarks.peers.tasks import LARGE
from benchmarks.tables import number_text, shape_text, time_text

MIB = 2**20
WRONG = 1000.0  # units of rounding
LAYER = "structmat layer"
Found = Mapping[str, float]  # measured values by place
Rows = list[Figures]


class Goal(NamedTuple):
    """A lower bound, or an upper bound, for a figure in every place where it is measured."""

    name: str
    bound: float
    unit: str
    measure: Callable[[Rows], Found]
    at_least: bool = True
    narrow: float | None = None  # the bound for instruction sets whose vectors are shorter than 64 bytes

    def on(self, isa: str | None) -> "Goal":
        """Return the goal for an instruction set."""
        return self if isa == "avx512" or self.narrow is None else self._replace(bound=self.narrow)

    def reached(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {shown(self.bound, self.unit)}"


def shown(value: float, unit: str) -> str:
    """Format a measured value with its unit, or with a smaller unit of time or memory that fits better."""
    if unit == "s":
        return time_text(value)
    if unit == "MiB" and 0 < value < 0.1:
        value, unit = 1024 * value, "KiB"
    return f"{number_text(value)}{unit if unit == '×' else ' ' * bool(unit) + unit}"


def counted(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def place(row: Figures) -> str:
    """Name the shape and threads of a row."""
    return f"{shape_text(row['shape'])}, {counted(row['threads'])}"


def seconds(
    rows: Rows, part: str, way: str, verb: str, *, kind: str = "circulant", dtype: str = "float32"
) -> dict[str, float]:
    """Return the times of an implementation by place."""
    wanted = part, way, kind, dtype
    keys = "part", "way", "kind", "dtype"
    return {place(row): row[verb] for row in rows if verb in row and tuple(map(row.get, keys)) == wanted and right(row)}


def right(row: Figures) -> bool:
    """Tell whether the products that were timed are right."""
    errors = row.get("errors", {})
    return max(errors.get("forward", 0.0), errors.get("y", 0.0)) < WRONG


def ratios(
    verb: str,
    ours: str,
    peer: str,
    *,
    kind: str = "circulant",
    part: str = "shapes",
    shapes: str | tuple[str, ...] = "",
    dtype: str = "float32",
) -> Callable[[Rows], Found]:
    """Measure how many times faster one implementation is than another, at shapes that begin with `shapes`."""

    def measure(rows: Rows) -> Found:
        times, theirs = (seconds(rows, part, way, verb, kind=kind, dtype=dtype) for way in (ours, peer))
        both = [where for where in times if where in theirs and where.startswith(shapes)]
        return {where: theirs[where] / times[where] for where in both}

    return measure


def overhead(ours: str, peer: str) -> Callable[[Rows], Found]:
    """Measure the microseconds of a product with one short vector beyond the same transforms by hand, at least 0."""

    def measure(rows: Rows) -> Found:
        times, theirs = (seconds(rows, "shapes", way, "forward") for way in (ours, peer))
        return {
            where: max(1e6 * (times[where] - theirs[where]), 0)
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
    """Measure the peak of a product of very many vectors, in MiB, beyond the arrays that it keeps or returns.

    It is 0 if the peak is smaller than these, which need not be there at one time.
    """

    def measure(rows: Rows) -> Found:
        return {
            f"{row['shape'][0]:,} × {row['shape'][1]:,}": max(row[verb] - sum(row[name] for name in allowed), 0) / MIB
            for row in rows
            if row["part"] == "large vectors" and tuple(row["shape"]) == LARGE and row[verb] is not None
        }

    return measure


def taken(part: str) -> Callable[[Rows], Found]:
    """Measure the seconds of a problem that is solved once."""
    return lambda rows: {row["part"]: row["seconds"] for row in rows if row["part"] == part}


def threads_gain(rows: Rows) -> Found:
    """Measure how many times faster our products of larger batches are with two threads than with one."""
    found = {}
    for row in rows:
        if (row["part"], row.get("way"), row.get("kind")) == ("shapes", OURS, "circulant") and row["shape"][0] > 1:
            found[tuple(row["shape"]), row["threads"]] = row["forward"]
    return {
        shape_text(shape): found[shape, 1] / seconds
        for (shape, threads), seconds in found.items()
        if threads == 2 and (shape, 1) in found and math.prod(shape) >= 2**17
    }


def short(n: int) -> Callable[[Rows], Found]:
    """Measure the microseconds of a product with one vector."""
    return lambda rows: {
        where: 1e6 * value
        for where, value in seconds(rows, "shapes", OURS, "forward").items()
        if where.startswith(f"1 × {n:,},")
    }


def by_length(rows: Rows) -> dict[tuple[int, int], float]:
    """Return our times over n log n by n and threads."""
    return {
        (row["shape"][1], row["threads"]): row["forward"] / math.prod(row["shape"]) / math.log(row["shape"][1])
        for row in rows
        if row["part"] == "lengths" and row["way"] == OURS
    }


def lengths(*wanted: int) -> Callable[[Rows], Found]:
    """Measure the time over n log n of some lengths, relative to the next power of two."""

    def measure(rows: Rows) -> Found:
        found = by_length(rows)
        return {
            f"n = {n}, {counted(threads)}": value / found[1 << (n - 1).bit_length(), threads]
            for (n, threads), value in found.items()
            if n in wanted and (1 << (n - 1).bit_length(), threads) in found
        }

    return measure


def largest_errors(rows: Rows) -> Found:
    """Measure our largest error, in units of rounding."""
    return {
        f"{row['kind']}, {place(row)}": max(row["errors"].values())
        for row in rows
        if row["part"] in {"shapes", "lengths", "growth"} and row["way"] == OURS and "errors" in row
    }


OURS = "structmat"
BATCHES = ("1,024 × 256,", "128 × 1,024,", "1,024 × 1,024,", "256 × 4,096,")
LONG = ("32 × 16,384,", "4 × 1,048,576,")
MEAN = ("1,024 × 1,024,", "256 × 4,096,")
# With vectors of 64 bytes, and with shorter ones.
GOALS = [
    Goal("product, over torch.fft", 2.0, "×", ratios("forward", OURS, "torch.fft", shapes=BATCHES), narrow=1.5),
    Goal(
        "product of long vectors, over torch.fft",
        3.0,
        "×",
        ratios("forward", OURS, "torch.fft", shapes=LONG),
        narrow=2.3,
    ),
    Goal("product, over scipy.fft", 3.0, "×", ratios("forward", OURS, "scipy.fft", shapes=(*BATCHES, *LONG))),
    Goal("one vector, n = 1024, over scipy.fft", 4.0, "×", ratios("forward", OURS, "scipy.fft", shapes="1 × 1,024,")),
    Goal("one vector, n = 1024, over torch.fft", 3.0, "×", ratios("forward", OURS, "torch.fft", shapes="1 × 1,024,")),
    Goal("one vector, n = 64", 2.0, "µs", short(64), at_least=False),
    Goal(
        "double precision, over torch.fft",
        2.0,
        "×",
        ratios("forward", OURS, "torch.fft", part="double", dtype="float64"),
    ),
    Goal(
        "double precision, over scipy.fft",
        1.3,
        "×",
        ratios("forward", OURS, "scipy.fft", part="double", dtype="float64"),
    ),
    Goal(
        "training step at 1,024 × 1,024, over autograd of torch.fft",
        2.8,
        "×",
        ratios("step", OURS, "torch.fft", shapes="1,024 × 1,024,"),
        narrow=2.0,
    ),
    Goal(
        "training step of longer vectors, over autograd of torch.fft",
        3.5,
        "×",
        ratios("step", OURS, "torch.fft", shapes=("256 × 4,096,", "32 × 16,384,")),
        narrow=2.7,
    ),
    Goal(
        "CirculantLinear, step, over autograd of torch.fft", 2.3, "×", ratios("step", LAYER, "torch.fft", shapes=MEAN)
    ),
    Goal("CirculantLinear, one vector: overhead over a product", 15.0, "µs", overhead(LAYER, OURS), at_least=False),
    Goal(
        "training step at 1,024 × 1,024, over PEFT C3A",
        8.0,
        "×",
        ratios("step", OURS, "PEFT C3A", shapes="1,024 × 1,024,"),
    ),
    Goal("step of circulant blocks, over PEFT C3A", 2.0, "×", ratios("step", OURS, "PEFT C3A", kind="blocks")),
    Goal(
        "projection to half the size, over its circulant product",
        1 / 1.1,
        "×",
        ratios("forward", OURS, "circulant product", kind="projection", part="projection"),
    ),
    Goal("two threads, over one", 1.7, "×", threads_gain),
    Goal("lengths 3·2^k, 5·2^k and 15·2^k, over 2^k", 1.25, "×", lengths(768, 960, 1280, 1536, 3072), at_least=False),
    Goal("lengths 784 and 1000, over 2^k", 1.6, "×", lengths(784, 1000), at_least=False),
    Goal(
        "a prime length, over structmat without kernels", 2.5, "×", ratios("forward", OURS, PURE, shapes="256 × 4,093,")
    ),
    Goal("exponent of n in the time, 2^10 to 2^22", 1.1, "", slopes(OURS), at_least=False),
    Goal("crossover with dense BLAS, batch 256, n", 256, "", crossovers(OURS), at_least=False),
    Goal("largest error of circulant products and gradients", 5.0, "ε", largest_errors, at_least=False),
    Goal("matvec of 1 GiB, peak memory beyond output", 4.0, "MiB", beyond("matvec", "output_bytes"), at_least=False),
    Goal(
        "vjp of 1 GiB, peak memory beyond dx and saved vectors",
        4.0,
        "MiB",
        beyond("vjp", "output_bytes", "saved_bytes"),
        at_least=False,
    ),
    Goal("circulant blocks, over dense BLAS", 10.0, "×", ratios("forward", OURS, "dense BLAS", kind="blocks")),
    *(
        Goal(f"{name}, over {peer}", bound, "×", ratios("forward", OURS, peer, kind=kind, part="contests"))
        for name, kind, peer, bound in (
            ("circulant system", "solve", "scipy solve_circulant", 1.5),
            ("Toeplitz products", "toeplitz", "scipy matmul_toeplitz", 3.0),
            ("Toeplitz products", "toeplitz", PURE, 4.0),
            ("Hadamard products", "hadamard", "dense BLAS", 3.0),
            ("Hadamard products with signs", "signed hadamard", PURE, 3.5),
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
    isa = next((row["isa"] for row in rows if row["part"] == "kernels"), None)
    for goal in (each.on(isa) for each in GOALS):
        found = goal.measure(rows)
        worst = (min if goal.at_least else max)(found, key=found.__getitem__, default=None)
        row: Figures = {"figure": goal.name, "goal": str(goal), "measured": None, "where": None, "reached": None}
        if worst is not None:
            reached = [goal.reached(value) for value in found.values()]
            row |= {"measured": shown(found[worst], goal.unit), "where": worst}
            row |= {} if quick else {"reached": all(reached), "places": f"{sum(reached)} of {len(reached)}"}
        judged.append(row)
    return judged
