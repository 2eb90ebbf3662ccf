"""Against peers on the same work, in one run: `python -m benchmarks.peers --help`."""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy
import scipy.linalg
from rich import box
from rich.console import Console
from rich.table import Table

import structmat as sm
from structmat.__main__ import about, replacing, writable

Array = Any


class Contest(NamedTuple):
    """The same work by two ways, and how many times faster ours should be."""

    name: str
    peer: str
    ours: Callable[[], Array]
    theirs: Callable[[], Array]
    goal: float  # in single precision
    reference: Array  # what both should give, in extended or double precision


def circulant_solve(rng: np.random.Generator, dtype: str) -> Contest:
    n = 2**16
    column, b = rng.standard_normal(n) / np.sqrt(n), rng.standard_normal(n)
    column[0] += 4
    exact = scipy.linalg.solve_circulant(column, b)
    column, b = column.astype(dtype), b.astype(dtype)
    return Contest(
        f"circulant solve, n = 2^16, {dtype}",
        "scipy.linalg.solve_circulant",
        lambda: sm.linalg.solve(sm.Circulant(column), b),
        lambda: scipy.linalg.solve_circulant(column, b),
        1.5,
        exact,
    )


def toeplitz_products(rng: np.random.Generator, dtype: str) -> Contest:
    n, batch = 4096, 64
    column, row, x = rng.standard_normal(n), rng.standard_normal(n), rng.standard_normal((batch, n))
    exact = scipy.linalg.matmul_toeplitz((column, row), x.T).T
    column, row, x = column.astype(dtype), row.astype(dtype), x.astype(dtype)
    A = sm.Toeplitz(column, row)
    return Contest(
        f"Toeplitz products, n = 4096, batch 64, {dtype}",
        "scipy.linalg.matmul_toeplitz",
        lambda: A.matvec(x),
        lambda: scipy.linalg.matmul_toeplitz((column, row), x.T).T,
        3.0,
        exact,
    )


def block_circulant_products(rng: np.random.Generator, dtype: str) -> Contest:
    p = q = 8
    b, batch = 512, 128
    A = sm.BlockCirculant(rng.standard_normal((p, q, b)))
    x, dense = rng.standard_normal((batch, q * b)), A.to_dense()
    exact = x @ dense.T
    A, x, dense = A.to(dtype=dtype), x.astype(dtype), dense.T.astype(dtype)
    return Contest(
        f"block-circulant products, p = q = 8, b = 512, batch 128, {dtype}",
        "dense product",
        lambda: A.matvec(x),
        lambda: x @ dense,
        10.0,
        exact,
    )


def hadamard_products(rng: np.random.Generator, dtype: str) -> Contest:
    n, batch = 4096, 64
    x = rng.integers(-99, 100, (batch, n)).astype(dtype)
    dense = scipy.linalg.hadamard(n).astype(dtype)
    return Contest(
        f"Hadamard products of integers, n = 4096, batch 64, {dtype}",
        "dense product",
        lambda: sm.Hadamard(n).matvec(x),
        lambda: x @ dense,
        3.0,
        x.astype("float64") @ dense.astype("float64"),
    )


CONTESTS = [circulant_solve, toeplitz_products, block_circulant_products, hadamard_products]


def timed(call: Callable[[], Array]) -> float:
    """Time a call after one of its own, so that it doesn't run beside threads that the other left spinning."""
    call()
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def error(contest: Contest, call: Callable[[], Array], dtype: str) -> float:
    """Error of a result, relative to the norm of the exact one and to the precision."""
    y = call()
    off = np.linalg.norm(y - contest.reference) / np.linalg.norm(contest.reference)
    return float(off / np.finfo(dtype).eps)


def measure(contest: Contest, dtype: str, repeats: int) -> dict[str, Any]:
    """Time both ways in turn, so that what disturbs the machine disturbs both; the ratio is of the medians."""
    pairs = [(timed(contest.ours), timed(contest.theirs)) for _ in range(repeats + 1)][1:]  # the first warms up
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {
        "work": contest.name,
        "peer": contest.peer,
        "ours_ms": 1e3 * ours,
        "peer_ms": 1e3 * theirs,
        "ratio": theirs / ours,
        "goal": contest.goal if dtype == "float32" else None,
        "error_eps": error(contest, contest.ours, dtype),
        "peer_error_eps": error(contest, contest.theirs, dtype),
        "dtype_kept": str(contest.ours().dtype) == dtype,
    }


def large_toeplitz() -> dict[str, Any]:
    """A well-conditioned Toeplitz system of 10^6 unknowns to 1e-8: seconds, and the residual of the result."""
    n = 10**6
    rng = np.random.default_rng(0)
    column = np.concatenate(([2.0], 1 / np.arange(1.0, n) ** 1.5))
    row = np.concatenate(([0.0], -1 / np.arange(1.0, n) ** 2))
    T, b = sm.Toeplitz(column, row), rng.standard_normal(n)
    start = time.perf_counter()
    result = sm.linalg.solve_iterative(T, b, rtol=1e-8)
    return {
        "work": "Toeplitz system, n = 10^6, rtol 1e-8",
        "seconds": time.perf_counter() - start,
        "goal_seconds": 60.0,
        "residual": float(np.linalg.norm(T @ result.x - b) / np.linalg.norm(b)),
        "products": result.products,
        "converged": result.converged,
    }


def large_embedding() -> dict[str, Any]:
    """Binary codes of 2^17 bits for 16 vectors of as many entries; a dense projection would take 64 GiB."""
    d, vectors = 2**17, 16
    x = np.random.default_rng(0).standard_normal((vectors, d)).astype("float32")
    P = sm.projections.circulant_projection(d, rng=0, dtype="float32")
    seconds = min(timed(lambda: sm.learn.encode(P, x)) for _ in range(5))
    return {
        "work": "binary codes, d = k = 2^17, 16 vectors",
        "seconds": seconds,
        "goal_seconds": 1.0,
        "bytes": P.nbytes,
        "dense_bytes": 4 * d * d,
    }


def main() -> int:
    """Run the contests and print the ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description="Times of structmat and of its peers, in turn."
    )
    parser.add_argument("--repeats", type=int, default=15, metavar="R", help="timings of each (15)")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("repeats must be at least 1")

    rows = [
        measure(contest(np.random.default_rng(0), dtype), dtype, arguments.repeats)
        for contest in CONTESTS
        for dtype in ("float32", "float64")
    ]
    table = Table(title="structmat against its peers", box=box.SIMPLE)
    table.add_column("work", min_width=30)
    table.add_column("peer", min_width=12)
    for heading in ("ours, ms", "peer, ms", "ratio", "goal", "", "error / eps", "peer's"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        verdict = "" if row["goal"] is None else "reached" if row["ratio"] >= row["goal"] else "falls short"
        numbers = [f"{row[key]:.3g}" for key in ("ours_ms", "peer_ms", "ratio")]
        numbers.append("" if row["goal"] is None else f"{row['goal']:.3g}")
        errors = [f"{row[key]:.2g}" for key in ("error_eps", "peer_error_eps")]
        table.add_row(row["work"], row["peer"], *numbers, verdict, *errors)
    Console().print(table)
    large, codes = large_toeplitz(), large_embedding()
    print(
        f"{large['work']}: {large['seconds']:.1f} s (goal {large['goal_seconds']:.0f} s), "
        f"{large['products']} products, residual {large['residual']:.1e}"
    )
    print(f"{codes['work']}: {codes['seconds']:.2f} s (goal {codes['goal_seconds']:.0f} s), {codes['bytes']:,} bytes")
    if arguments.json:
        figures = {"about": about(), "repeats": arguments.repeats, "rows": rows, "large": [large, codes]}
        with replacing(arguments.json) as file:
            file.write_text(json.dumps(figures, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
