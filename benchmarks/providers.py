"""The measurements behind the choices of transforms in `structmat._backend`: `python -m benchmarks.providers --help`.

They answer three questions: which provider is fastest, which length is best for the circulant embedding of a Toeplitz
matrix, and from which prime factor on zero-padding makes a circular convolution faster.
"""

import argparse
import itertools
import statistics
import sys
from collections.abc import Callable, Iterator

import numpy as np
import scipy.fft

from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures, interleaved
from benchmarks.tables import Table
from structmat._backend import fft, providers

BATCH = 2**20  # bytes of many vectors
LENGTHS = (64, 256, 1024, 4096, 16384, 65536, 100, 1000, 3000, 6000, 60000, 625, 2187, 4095, 15625, 1001, 17303)
DTYPES = ("float32", "float64", "complex64", "complex128")
EMBEDDED = range(1000, 8000, 500)  # least lengths
WITH_PRIME = (2080, 2088, 2064, 2144, 2037, 2032, 2110, 2056, 2084, 2039)  # largest prime factors from 13 to 2039


def round_trip(provider: providers.Provider, n: int, batch: int, dtype: str) -> Callable[[], object]:
    """Return a call that transforms a batch, and back."""
    x = np.random.default_rng(0).standard_normal((batch, n)).astype(dtype)
    x, real = (x[0] if batch == 1 else x), dtype.startswith("float")
    return lambda: provider.inverse(provider.forward(x, n, real), n, real)


def seconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time calls that take turns."""
    return interleaved(calls, rounds=rounds, budget=1.0)


def transforms(rounds: int, lengths: tuple[int, ...]) -> Iterator[Figures]:
    """Time each provider: a row for each length, batch and dtype."""
    there = {name: providers._made(name) for name in providers.installed()}
    for dtype in DTYPES:
        for n in lengths:
            for batch in (1, max(4, BATCH // (n * np.dtype(dtype).itemsize))):
                calls = {name: round_trip(one, n, batch, dtype) for name, one in there.items()}
                chosen = providers.provider_for(np.empty((batch, n), dtype), n).name
                times = seconds(calls, rounds)
                yield {"n": n, "batch": batch, "dtype": dtype, "chosen": chosen, "seconds": times}


def smooth(n: int) -> list[int]:
    """Return all lengths from n to the next power of two that have no prime factor over 5."""
    top = 1 << (n - 1).bit_length()
    found = (2**a * 3**b * 5**c for a in range(14) for b in range(9) for c in range(6))
    return sorted(length for length in found if n <= length <= top)


def embeddings(rounds: int, least: range) -> Iterator[Figures]:
    """Time each length for an embedding of n entries; the figures are the times of two rules over the best."""
    for name in providers.installed():
        one = providers._made(name)
        for n in least:
            times = seconds({str(N): round_trip(one, N, 1, "float32") for N in smooth(n)}, rounds)
            best = min(times.values())
            rules = {"least": scipy.fft.next_fast_len(n, real=True), "structmat": fft.fast_length(n)}
            yield {"provider": name, "n": n, **{rule: times[str(N)] / best for rule, N in rules.items()}}


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
    for name in providers.installed():
        one = providers._made(name)
        for n in lengths:
            for batch in (1, 64):
                calls = {str(N): round_trip(one, N, batch, "float32") for N in (n, fft.fast_length(2 * n - 1))}
                direct, padded = seconds(calls, rounds).values()
                yield {"provider": name, "n": n, "prime": largest_prime(n), "batch": batch, "ratio": direct / padded}


def tables(figures: Figures) -> Iterator[Table]:
    """Format the three answers."""
    rows = figures["transforms"]
    names = list(rows[0]["seconds"])
    cells = []
    for many, power in itertools.product((False, True), (True, False)):
        mine = [r for r in rows if (r["batch"] > 1, r["n"] & (r["n"] - 1) == 0) == (many, power)]
        over = {name: [r["seconds"][name] / min(r["seconds"].values()) for r in mine] for name in names}
        over["chosen"] = [r["seconds"][r["chosen"]] / min(r["seconds"].values()) for r in mine]
        means = (f"{statistics.geometric_mean(over[name]):.2f}" for name in (*names, "chosen"))
        cells.append(["many" if many else "one", "power of two" if power else "other", *means])
    yield Table("Transform and inverse: time over the fastest", ["vectors", "length", *names, "chosen"], cells)
    cells = []
    for name in names:
        mine = [r for r in figures["embeddings"] if r["provider"] == name]
        cells.append([name, *(f"{statistics.fmean(r[rule] for r in mine):.2f}" for rule in ("least", "structmat"))])
    headings = ["provider", "smallest length", "length of structmat"]
    yield Table("Length of the circulant embedding of n entries: time over the best length", headings, cells)
    primes = sorted({r["prime"] for r in figures["paddings"]})
    cells = []
    for name, batch in itertools.product(names, sorted({r["batch"] for r in figures["paddings"]})):
        mine = {r["prime"]: r["ratio"] for r in figures["paddings"] if (r["provider"], r["batch"]) == (name, batch)}
        cells.append([name, str(batch), *(f"{mine[prime]:.2f}" for prime in primes)])
    headings = ["provider", "vectors", *map(str, primes)]
    yield Table("Time over the time with padding, by the largest prime factor of n near 2,048", headings, cells)


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure all three."""
    few = 1 if arguments.quick else None
    rounds = 3 if arguments.quick else 9
    return {
        "transforms": list(transforms(rounds, (64, 65) if few else LENGTHS)),
        "embeddings": list(embeddings(rounds, EMBEDDED[:few])),
        "paddings": list(paddings(rounds, WITH_PRIME[:few])),
    }


BENCHMARK = Benchmark("benchmarks.providers", str(__doc__), measure, tables, packages=("mkl_fft", "ducc0"))
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
