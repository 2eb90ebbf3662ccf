"""The measurements against peers, and the process that makes them: `python -m benchmarks.peers.tasks TASK`.

A task is JSON: the measurement, the number of threads, and whether the run is quick. Rows go to the standard output as
they are measured, one line of JSON each. `benchmarks.peers` starts one process for each number of threads, and one for
memory.
"""

import os
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

import structmat as sm
from benchmarks.measuring import Figures, answering, interleaved, peak, resident
from benchmarks.peers.implementations import IMPLEMENTATIONS, PURE, Implementation, errors
from benchmarks.peers.problems import Problem
from benchmarks.peers.profile import shares
from structmat import _kernels

ROUNDS, BUDGET = 15, 3.0  # rounds of each comparison, and the seconds after which no round but the third begins
SHAPES = (
    (1, 64),
    (1, 256),
    (1, 1024),
    (1, 65536),
    (1, 2**20),
    (1024, 256),
    (128, 1024),
    (1024, 1024),
    (256, 4096),
    (32, 16384),
    (4, 2**20),
    (256, 4093),  # prime
    (256, 4095),
)
SOME = ((1024, 256), (128, 1024), (1024, 1024), (256, 4096), (32, 16384))
LENGTHS = (768, 784, 960, 1000, 1021, 1024, 1280, 1536, 2048, 3072, 4096)
OURS = ("structmat",)
SEEN = 2**18  # entries of x from which on the peak of memory exceeds the noise of pages
LARGE = (65536, 4096)  # 1 GiB in single precision


class Part(NamedTuple):
    """Problems to time, by all implementations unless some are named."""

    problems: list[Problem]
    verbs: tuple[str, ...] = ("forward",)
    only: tuple[str, ...] | None = None


def parts(*, quick: bool) -> dict[str, Part]:
    """Return all comparisons; a quick run has a small problem of each."""
    small = {"circulant": [(1, 64), (8, 64)], "blocks": [(4, 2, 2, 16)]}
    shapes = small if quick else {"circulant": SHAPES, "blocks": [(128, 8, 8, 512)]}
    contests = [
        *(("solve", (2**16,)), ("toeplitz", (256, 4096)), ("hadamard", (64, 4096))),
        *(("signed hadamard", (2**20 // n, n)) for n in (1024, 4096, 16384, 65536)),
    ]
    if quick:
        contests = [("solve", (64,)), ("toeplitz", (4, 64)), ("hadamard", (4, 64)), ("signed hadamard", (4, 64))]
    lengths, some = ([48, 64], [(8, 64)]) if quick else (LENGTHS, SOME)
    return {
        "shapes": Part([Problem(kind, shape) for kind in shapes for shape in shapes[kind]], ("forward", "step")),
        "contests": Part([Problem(*contest, dtype) for contest in contests for dtype in ("float32", "float64")]),
        "projection": Part([Problem("projection", shape) for shape in some]),
        "double": Part(
            [Problem("circulant", shape, "float64") for shape in some], only=(*OURS, "scipy.fft", "torch.fft")
        ),
        "lengths": Part([Problem("circulant", (2**18 // n, n)) for n in lengths], only=(*OURS, PURE)),
        "growth": Part([Problem("circulant", (1, 2**k)) for k in (range(6, 9) if quick else range(10, 23))], only=OURS),
        "crossover": Part(
            [Problem("circulant", (256, 2**k)) for k in (range(4, 7) if quick else range(4, 13))],
            only=(*OURS, PURE, "scipy.fft", "torch.fft", "dense BLAS"),
        ),
    }


def available(problem: Problem, *choices: Collection[str] | None) -> list[Implementation]:
    """Return the installed implementations of a problem that all choices contain."""
    chosen = [
        one
        for one in IMPLEMENTATIONS[problem.kind].values()
        if all(some is None or one.name in some for some in choices)
    ]
    return [one for one in chosen if one.fits(problem.shape) and one.missing() is None]


def times(threads: int, *, quick: bool, only: Collection[str] | None) -> Iterator[Figures]:
    """Time all parts: one row for each problem and implementation; for a missing one, a row with the reason."""
    yield {"part": "kernels", "isa": _kernels.isa()}
    for name, part in parts(quick=quick).items():
        for problem in part.problems:
            fields = {"part": name, **problem._asdict(), "threads": threads}
            for row in timed(problem, part.verbs, available(problem, part.only, only), quick=quick):
                yield {**fields, **row}
    for one in {one.name: one for kind in IMPLEMENTATIONS.values() for one in kind.values()}.values():
        if (only is None or one.name in only) and (reason := one.missing()):
            yield {"part": "left out", "way": one.name, "reason": reason}
    yield {"part": "bandwidth", "threads": threads, "bytes_per_second": bandwidth(threads, 2**20 if quick else 2**28)}


def timed(
    problem: Problem, verbs: Collection[str], implementations: list[Implementation], *, quick: bool
) -> list[Figures]:
    """Check the results of each implementation against the exact ones, and time them in turns."""
    calls, rows = {}, {}
    for one in implementations:
        calls[one.name] = one.calls(problem)
        rows[one.name] = {"way": one.name, "errors": errors(one, problem, calls[one.name])}
    for verb in verbs:
        these = {name: call for name, made in calls.items() if (call := getattr(made, verb)) is not None}
        medians = interleaved(these, rounds=3 if quick else ROUNDS, budget=0.0 if quick else BUDGET)
        for name, seconds in medians.items():
            rows[name][verb] = seconds
    return list(rows.values())


def bandwidth(threads: int, size: int) -> float:
    """Return the bytes that all threads read and write in a second when they copy an array of `size` bytes."""
    source = np.ones((threads, size // threads), dtype=np.uint8)
    target = np.empty_like(source)
    with ThreadPoolExecutor(threads) as pool:
        seconds = interleaved({"copy": lambda: list(pool.map(np.copyto, target, source))}, rounds=9)["copy"]
    return 2 * source.nbytes / seconds


def memory(*, quick: bool, only: Collection[str] | None) -> Iterator[Figures]:
    """Measure the peak of memory of each implementation on large problems, and of ours on a very large one."""
    problems = [problem for problem in parts(quick=quick)["shapes"].problems if quick or entries(problem) >= SEEN]
    for problem in problems:
        for one in available(problem, OURS if quick else None, only):
            calls = one.calls(problem)._asdict()
            peaks = {verb: None if call is None else peak(call) for verb, call in calls.items()}
            fields = {"part": "memory", "kind": problem.kind, "shape": problem.shape, "way": one.name}
            yield {**fields, "x_bytes": 4 * entries(problem), **peaks}
    yield large_vectors((64, 64) if quick else LARGE)


def entries(problem: Problem) -> int:
    """Count the entries of x."""
    batch, *sizes = problem.shape
    return batch * (sizes[0] if len(sizes) == 1 else sizes[1] * sizes[2])


def large_vectors(shape: tuple[int, int]) -> Figures:
    """Measure peaks of a product and of its gradients, the bytes of the results, and those that `forward` keeps."""
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
    """Solve a well-conditioned Toeplitz system of n unknowns to 1e-8."""
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
    """Encode vectors of d entries in d bits; a dense projection to 2^17 bits would take 64 GiB."""
    x = np.random.default_rng(0).standard_normal((vectors, d)).astype("float32")
    P = sm.projections.circulant_projection(d, rng=0, dtype="float32")
    seconds = interleaved({"encode": lambda: sm.learn.encode(P, x)}, rounds=5)["encode"]
    return {"part": "binary codes", "d": d, "vectors": vectors, "seconds": seconds, "bytes": P.nbytes}


def profiles(*, quick: bool, only: Collection[str] | None) -> Iterator[Figures]:
    """Profile our implementations, by problem and verb."""
    part = parts(quick=quick)["shapes"]
    for problem in part.problems:
        for one in available(problem, OURS, only):
            for verb in part.verbs:
                fields = {
                    "part": "profile",
                    "kind": problem.kind,
                    "shape": problem.shape,
                    "verb": verb,
                    "way": one.name,
                }
                yield {**fields, **shares(one, problem, verb)}


def rows(task: Figures) -> Iterator[Figures]:
    """Run a task."""
    threads, options = task["threads"], {"quick": task["quick"], "only": task["only"]}
    if hasattr(os, "sched_setaffinity"):  # some thread pools take their size from the affinity mask
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
