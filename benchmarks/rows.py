"""What is measured against peers, and the process that measures it: `python -m benchmarks.rows TASK`.

A task is JSON: what to measure, by how many threads, and whether a quick run will do. Rows go to the standard output as
they are measured, one line of JSON each. `benchmarks.peers` starts one such process for each number of threads, and one
for memory.
"""

import os
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

import structmat as sm
from benchmarks.measuring import Figures, answering, interleaved, peak, resident
from benchmarks.profile import shares
from benchmarks.ways import WAYS, Way, errors
from benchmarks.works import Work

ROUNDS, BUDGET = 15, 3.0  # rounds of each comparison, and the seconds that they may take if they are 3 or more
SHAPES = (
    (1, 256),
    (1, 1024),
    (1, 65536),
    (1, 2**20),
    (128, 1024),
    (1024, 1024),
    (128, 4096),
    (32, 16384),
    (4, 2**20),
    (256, 4093),  # prime
    (256, 4095),
)
OURS = ("structmat", "structmat, scipy", "structmat, mkl_fft")
SEEN = 2**18  # entries of x whose peak of memory stands out from the noise of pages
LARGE = (65536, 4096)  # 1 GiB in single precision


class Part(NamedTuple):
    """Works that are timed, by all ways unless some are named."""

    works: list[Work]
    verbs: tuple[str, ...] = ("forward",)
    ways: tuple[str, ...] | None = None


def parts(*, quick: bool) -> dict[str, Part]:
    """Everything that is timed; the quick run has a small one of each."""
    small = {"circulant": [(1, 64), (8, 64)], "blocks": [(4, 2, 2, 16)]}
    shapes = small if quick else {"circulant": SHAPES, "blocks": [(128, 8, 8, 512)]}
    contests = {"solve": (2**16,), "toeplitz": (64, 4096), "hadamard": (64, 4096)}
    if quick:
        contests = {"solve": (64,), "toeplitz": (4, 64), "hadamard": (4, 64)}
    return {
        "shapes": Part([Work(kind, shape) for kind in shapes for shape in shapes[kind]], ("forward", "step")),
        "contests": Part([Work(*contest, dtype) for contest in contests.items() for dtype in ("float32", "float64")]),
        "growth": Part([Work("circulant", (1, 2**k)) for k in (range(6, 9) if quick else range(12, 23))], ways=OURS),
        "crossover": Part(
            [Work("circulant", (256, 2**k)) for k in (range(4, 7) if quick else range(4, 13))],
            ways=(*OURS, "scipy.fft", "torch.fft", "dense BLAS"),
        ),
    }


def available(work: Work, *choices: Collection[str] | None) -> list[Way]:
    """The ways to do a work that are there, and among all the choices that are made."""
    chosen = [one for one in WAYS[work.kind].values() if all(some is None or one.name in some for some in choices)]
    return [one for one in chosen if one.fits(work.shape) and one.missing() is None]


def times(threads: int, *, quick: bool, ways: Collection[str] | None) -> Iterator[Figures]:
    """Time all parts: one row a work and way, with errors; a way that is not there gets one row with the reason."""
    for name, part in parts(quick=quick).items():
        for work in part.works:
            fields = {"part": name, "kind": work.kind, "shape": work.shape, "dtype": work.dtype, "threads": threads}
            for row in timed(work, part.verbs, available(work, part.ways, ways), quick=quick):
                yield {**fields, **row}
    for one in {one.name: one for kind in WAYS.values() for one in kind.values()}.values():
        if (ways is None or one.name in ways) and (reason := one.missing()):
            yield {"part": "left out", "way": one.name, "reason": reason}
    yield {"part": "bandwidth", "threads": threads, "bytes_per_second": bandwidth(threads, 2**20 if quick else 2**28)}


def timed(work: Work, verbs: Collection[str], ways: list[Way], *, quick: bool) -> list[Figures]:
    """Time a work by each way in turns, after its results are held against the reference."""
    calls, rows = {}, {}
    for one in ways:
        calls[one.name] = one.calls(work)
        rows[one.name] = {"way": one.name, "errors": errors(one, work, calls[one.name])}
    for verb in verbs:
        these = {name: call for name, made in calls.items() if (call := getattr(made, verb)) is not None}
        medians = interleaved(these, rounds=3 if quick else ROUNDS, budget=0.0 if quick else BUDGET)
        for name, seconds in medians.items():
            rows[name][verb] = seconds
    return list(rows.values())


def bandwidth(threads: int, size: int) -> float:
    """Bytes read and written a second by a copy of an array of that many bytes, by all threads."""
    source = np.ones((threads, size // threads), dtype=np.uint8)
    target = np.empty_like(source)
    with ThreadPoolExecutor(threads) as pool:
        seconds = interleaved({"copy": lambda: list(pool.map(np.copyto, target, source))}, rounds=9)["copy"]
    return 2 * source.nbytes / seconds


def memory(*, quick: bool, ways: Collection[str] | None) -> Iterator[Figures]:
    """The peak of memory of each way, for works large enough to see it, and of one very large work."""
    works = [work for work in parts(quick=quick)["shapes"].works if quick or entries(work) >= SEEN]
    for work in works:
        for one in available(work, OURS if quick else None, ways):
            calls = one.calls(work)._asdict()
            peaks = {verb: None if call is None else peak(call) for verb, call in calls.items()}
            fields = {"part": "memory", "kind": work.kind, "shape": work.shape, "way": one.name}
            yield {**fields, "x_bytes": 4 * entries(work), **peaks}
    yield large_vectors((64, 64) if quick else LARGE)


def entries(work: Work) -> int:
    """Entries of x."""
    batch, *sizes = work.shape
    return batch * (sizes[0] if len(sizes) == 1 else sizes[1] * sizes[2])


def large_vectors(shape: tuple[int, int]) -> Figures:
    """Peaks of a product and of its gradients, beside the bytes of their results and of what `forward` keeps."""
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal(shape, dtype=np.float32) for _ in range(2))
    A = sm.Circulant(rng.standard_normal(shape[1], dtype=np.float32))
    A.vjp(x[:1], g[:1])
    before = resident()
    kept = A.forward(x)
    after = resident()
    saved = None if before is None or after is None else max(0, after - before - kept[0].nbytes)
    del kept
    return {
        "part": "large vectors",
        "shape": shape,
        "output_bytes": x.nbytes,
        "saved_bytes": saved,
        "matvec": peak(lambda: A.matvec(x)),
        "vjp": peak(lambda: A.vjp(x, g)),
    }


def large_toeplitz(n: int) -> Figures:
    """A well-conditioned Toeplitz system of n unknowns to 1e-8: seconds, and the residual of the result."""
    rng = np.random.default_rng(0)
    column = np.concatenate(([2.0], 1 / np.arange(1.0, n) ** 1.5))
    row = np.concatenate(([0.0], -1 / np.arange(1.0, n) ** 2))
    T, b = sm.Toeplitz(column, row), rng.standard_normal(n)
    start = time.perf_counter()
    result = sm.linalg.solve_iterative(T, b, rtol=1e-8)
    return {
        "part": "Toeplitz system",
        "n": n,
        "seconds": time.perf_counter() - start,
        "residual": float(np.linalg.norm(T @ result.x - b) / np.linalg.norm(b)),
        "products": result.products,
        "converged": bool(result.converged),
    }


def large_embedding(d: int, vectors: int = 16) -> Figures:
    """Binary codes of d bits for vectors of as many entries; a dense projection to 2^17 bits would take 64 GiB."""
    x = np.random.default_rng(0).standard_normal((vectors, d)).astype("float32")
    P = sm.projections.circulant_projection(d, rng=0, dtype="float32")
    seconds = interleaved({"encode": lambda: sm.learn.encode(P, x)}, rounds=5)["encode"]
    return {"part": "binary codes", "d": d, "vectors": vectors, "seconds": seconds, "bytes": P.nbytes}


def profiles(*, quick: bool, ways: Collection[str] | None) -> Iterator[Figures]:
    """Where our time goes, by work and verb."""
    part = parts(quick=quick)["shapes"]
    for work in part.works:
        for one in available(work, OURS, ways):
            for verb in part.verbs:
                fields = {"part": "profile", "kind": work.kind, "shape": work.shape, "verb": verb, "way": one.name}
                yield {**fields, **shares(one, work, verb)}


def rows(task: Figures) -> Iterator[Figures]:
    """Do a task."""
    threads, options = task["threads"], {"quick": task["quick"], "ways": task["ways"]}
    if hasattr(os, "sched_setaffinity"):  # some pools take their size from the processors they may run on
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    sm.set_threads(threads)
    if task["what"] == "profile":
        yield from profiles(**options)
    elif task["what"] == "memory":
        yield from memory(**options)
    elif task["what"] == "large":
        yield large_toeplitz(2**10 if task["quick"] else 10**6)
        yield large_embedding(2**10 if task["quick"] else 2**17)
    else:
        yield from times(threads, **options)


if __name__ == "__main__":
    answering(rows)
