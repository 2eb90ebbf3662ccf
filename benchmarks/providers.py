"""What the choices in `structmat._backend` rest on: `python -m benchmarks.providers --help`.

Three questions: which provider transforms fastest, what length a Toeplitz matrix is best embedded in, and from which
prime factor on circular convolutions are faster through zero-padded vectors.
"""

import argparse
import itertools
import statistics
import sys
from collections.abc import Callable, Iterator

import numpy as np
import scipy.fft

from benchmarks.measuring import Figures, console, interleaved, machine, save
from benchmarks.report import Table, show
from structmat.__main__ import writable
from structmat._backend import fast_length, providers

BATCH = 2**20  # bytes of many vectors
LENGTHS = (64, 256, 1024, 4096, 16384, 65536, 100, 1000, 3000, 6000, 60000, 625, 2187, 4095, 15625, 1001, 17303)
DTYPES = ("float32", "float64", "complex64", "complex128")
EMBEDDED = range(1000, 8000, 500)  # least lengths
WITH_PRIME = (2080, 2088, 2064, 2144, 2037, 2032, 2110, 2056, 2084, 2039)  # largest prime factors from 13 to 2039


def round_trip(provider: providers.Provider, n: int, batch: int, dtype: str) -> Callable[[], object]:
    """A transform of a batch and back."""
    x = np.random.default_rng(0).standard_normal((batch, n)).astype(dtype)
    x, real = (x[0] if batch == 1 else x), dtype.startswith("float")
    return lambda: provider.inverse(provider.forward(x, n, real), n, real)


def seconds(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Times of calls that take turns."""
    return interleaved(calls, rounds=rounds, budget=1.0)


def transforms(rounds: int, lengths: tuple[int, ...]) -> Iterator[Figures]:
    """Times of each provider, a row for each length, batch and dtype."""
    there = {name: providers._made(name) for name in providers.installed()}
    for dtype in DTYPES:
        for n in lengths:
            for batch in (1, max(4, BATCH // (n * np.dtype(dtype).itemsize))):
                calls = {name: round_trip(one, n, batch, dtype) for name, one in there.items()}
                chosen = providers.provider_for(np.empty((batch, n), dtype), n).name
                times = seconds(calls, rounds)
                yield {"n": n, "batch": batch, "dtype": dtype, "chosen": chosen, "seconds": times}


def smooth(n: int) -> list[int]:
    """All lengths from n to the next power of two without prime factors over 5."""
    top = 1 << (n - 1).bit_length()
    found = (2**a * 3**b * 5**c for a in range(14) for b in range(9) for c in range(6))
    return sorted(length for length in found if n <= length <= top)


def embeddings(rounds: int, least: range) -> Iterator[Figures]:
    """Times at each length that n entries can be embedded in, and at those that two rules choose."""
    for name in providers.installed():
        one = providers._made(name)
        for n in least:
            times = seconds({str(N): round_trip(one, N, 1, "float32") for N in smooth(n)}, rounds)
            best = min(times.values())
            rules = {"least": scipy.fft.next_fast_len(n, real=True), "structmat": fast_length(n)}
            yield {"provider": name, "n": n, **{rule: times[str(N)] / best for rule, N in rules.items()}}


def largest_prime(n: int) -> int:
    """The largest prime factor."""
    factor = 2
    while factor * factor <= n:
        if n % factor:
            factor += 1
        else:
            n //= factor
    return n


def paddings(rounds: int, lengths: tuple[int, ...]) -> Iterator[Figures]:
    """Times of transforms of length n over those of twice the length or a little more."""
    for name in providers.installed():
        one = providers._made(name)
        for n in lengths:
            for batch in (1, 64):
                calls = {str(N): round_trip(one, N, batch, "float32") for N in (n, fast_length(2 * n - 1))}
                direct, padded = seconds(calls, rounds).values()
                yield {"provider": name, "n": n, "prime": largest_prime(n), "batch": batch, "ratio": direct / padded}


def tables(figures: Figures) -> Iterator[Table]:
    """The answers, as tables of text."""
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
    yield Table("Time over that of padded vectors, by the largest prime factor of n near 2,048", headings, cells)


def main(argv: list[str] | None = None) -> int:
    """Measure, and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.providers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few lengths, to see that it runs")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the figures there")
    arguments = parser.parse_args(argv)
    few = 1 if arguments.quick else None
    rounds = 3 if arguments.quick else 9
    figures: Figures = {
        "about": machine(("mkl_fft", "ducc0")),
        "transforms": list(transforms(rounds, (64, 65) if few else LENGTHS)),
        "embeddings": list(embeddings(rounds, EMBEDDED[:few])),
        "paddings": list(paddings(rounds, WITH_PRIME[:few])),
    }
    show(tables(figures), console())
    if arguments.json:
        save(arguments.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
