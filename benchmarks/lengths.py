"""The measurements behind the lengths of transforms in `structmat._backend.fft`: `python -m benchmarks.lengths --help`.

They answer two questions: which length is best for the circulant embedding of a Toeplitz matrix, and from which prime
factor on zero-padding makes a circular convolution faster.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import scipy.fft

from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures, interleaved
from benchmarks.tables import Table
from structmat._backend import fft

EMBEDDED = range(1000, 8000, 500)  # least lengths
WITH_PRIME = (2080, 2088, 2064, 2144, 2037, 2032, 2110, 2056, 2084, 2039)  # largest prime factors from 13 to 2039


def round_trip(n: int, batch: int) -> Callable[[], object]:
    """Return a call that transforms a batch, and back."""
    x = np.random.default_rng(0).standard_normal((batch, n), dtype=np.float32)
    return lambda: scipy.fft.irfft(scipy.fft.rfft(x), n)


def seconds(lengths: Sequence[int], batch: int, rounds: int) -> dict[int, float]:
    """Time round trips that take turns, by length."""
    times = interleaved({str(n): round_trip(n, batch) for n in lengths}, rounds=rounds, budget=1.0)
    return {int(n): time for n, time in times.items()}


def smooth(n: int) -> list[int]:
    """Return all lengths from n to the next power of two that have no prime factor over 5."""
    top = 1 << (n - 1).bit_length()
    found = (2**a * 3**b * 5**c for a in range(14) for b in range(9) for c in range(6))
    return sorted(length for length in found if n <= length <= top)


def embeddings(rounds: int, least: range) -> Iterator[Figures]:
    """Time each length for an embedding of n entries; the figures are the times of two rules over the best."""
    for n in least:
        times = seconds(smooth(n), 1, rounds)
        rules = {"least": scipy.fft.next_fast_len(n, real=True), "structmat": fft.fast_length(n)}
        yield {"n": n, **{rule: times[N] / min(times.values()) for rule, N in rules.items()}}


def largest_prime(n: int) -> int:
    """Return the largest prime factor."""
    factor = 2
    while factor * factor <= n:
        if n % factor:
            factor += 1
        else:
            n //= factor
    return n


def paddings(rounds: int, lengths: tuple[int, ...]) -> Iterator[Figures]:
    """Time transforms of length n over transforms of twice the length or a little more."""
    for n in lengths:
        for batch in (1, 64):
            direct, padded = seconds((n, fft.fast_length(2 * n - 1)), batch, rounds).values()
            yield {"n": n, "prime": largest_prime(n), "batch": batch, "ratio": direct / padded}


def tables(figures: Figures) -> Iterator[Table]:
    """Format both answers."""
    means = [statistics.fmean(row[rule] for row in figures["embeddings"]) for rule in ("least", "structmat")]
    headings = ["smallest length", "length of structmat"]
    title = "Length of the circulant embedding of n entries: time over the best length"
    yield Table(title, headings, [[f"{mean:.2f}" for mean in means]])
    rows = figures["paddings"]
    primes, cells = sorted({row["prime"] for row in rows}), []
    for batch in sorted({row["batch"] for row in rows}):
        ratios = {row["prime"]: row["ratio"] for row in rows if row["batch"] == batch}
        cells.append([str(batch), *(f"{ratios[prime]:.2f}" for prime in primes)])
    title = "Time over the time with padding, by the largest prime factor of n near 2,048"
    yield Table(title, ["vectors", *map(str, primes)], cells)


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure both."""
    few, rounds = (1, 3) if arguments.quick else (None, 9)
    return {
        "embeddings": list(embeddings(rounds, EMBEDDED[:few])),
        "paddings": list(paddings(rounds, WITH_PRIME[:few])),
    }


BENCHMARK = Benchmark("benchmarks.lengths", str(__doc__), measure, tables)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
