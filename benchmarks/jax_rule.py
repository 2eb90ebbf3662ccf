"""Compare the derivatives of `structmat.nn.jax.matvec` with JAX's own of `A.matvec`: `python -m benchmarks.jax_rule`.

A step is the compiled gradient of ‖A x‖² with respect to the parameters and x. The figures are the Fourier transforms
in the compiled program, the bytes that its operations read and write, and the bytes that it keeps beside arguments and
results.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import structmat as sm
from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures, interleaved
from benchmarks.tables import Table
from structmat.__main__ import count
from structmat.nn.jax import matvec

COUNTS = ("transforms", "MB moved", "MB kept")


def operators(n: int) -> dict[str, sm.LinearOperator]:
    """Operators of about n × n with parameters, in single precision."""
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> Any:
        return jnp.asarray(rng.standard_normal(shape), jnp.float32)

    options = {"rng": 0, "dtype": "float32", "xp": jnp}
    return {
        "circulant": sm.Circulant(draw(n)),
        "Toeplitz": sm.Toeplitz(draw(n), draw(n)),
        "skew-circulant": sm.SkewCirculant(draw(n)),
        "blocks of n/8": sm.BlockCirculant(draw(8, 8, n // 8)),
        "circulant projection": sm.projections.circulant_projection(n, **options),
        "stack of 3": sm.projections.circulant_projection(n, 3 * n, **options),
        "ACDC": sm.projections.acdc(n, 2, **options),
        "low rank, n/64": sm.LowRank(draw(n, n // 64), draw(n, n // 64)),
        "Fastfood, adaptive": sm.projections.fastfood(n, n, adaptive=True, **options),
        "Householder": sm.Householder(draw(n)),
    }


def compiled(product: Callable[..., Any], A: sm.LinearOperator, x: Any) -> Any:
    def loss(params: Any, x: Any) -> Any:
        return jnp.sum(product(A.with_params(params), x) ** 2)

    return jax.jit(jax.grad(loss, (0, 1))).lower(A.params, x).compile()


def row(name: str, A: sm.LinearOperator, batch: int, repeats: int) -> dict[str, Any]:
    x = jnp.asarray(np.random.default_rng(1).standard_normal((batch, A.n)), jnp.float32)
    steps = [compiled(product, A, x) for product in (sm.LinearOperator.matvec, matvec)]
    figures: dict[str, Any] = {"operator": name}
    for side, step in zip(("jax", "rule"), steps, strict=True):
        moved, kept = step.cost_analysis()["bytes accessed"], step.memory_analysis().temp_size_in_bytes
        counts = step.as_text().count(" fft("), moved / 1e6, kept / 1e6
        figures[side] = dict(zip(COUNTS, counts, strict=True))

    def waiting(step: Any) -> Callable[[], Any]:
        return lambda: jax.block_until_ready(step(A.params, x))

    times = interleaved(dict(zip(("jax", "rule"), map(waiting, steps), strict=True)), rounds=repeats)
    return {**figures, "time ratio": times["rule"] / times["jax"]}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the sizes."""
    parser.add_argument("--n", type=count, default=1024, help="size of the operators (default: %(default)s)")
    parser.add_argument("--batch", type=count, default=256, help="vectors (default: %(default)s)")
    parser.add_argument("--repeats", type=count, default=15, help="rounds of each step (default: %(default)s)")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure every operator."""
    n, batch, repeats = (64, 8, 3) if arguments.quick else (arguments.n, arguments.batch, arguments.repeats)
    rows = [row(name, A, batch, repeats) for name, A in operators(n).items()]
    return {"n": n, "batch": batch, "rows": rows}


def tables(figures: Figures) -> Iterator[Table]:
    """Format JAX's figure and ours, side by side."""
    cells = [
        [
            row["operator"],
            *(f"{row['jax'][name]:.3g} → {row['rule'][name]:.3g}" for name in COUNTS),
            f"× {row['time ratio']:.2f}",
        ]
        for row in figures["rows"]
    ]
    title = f"A.matvec → structmat.nn.jax.matvec, {figures['batch']} vectors"
    yield Table(title, ["operator", *COUNTS, "time"], cells)


BENCHMARK = Benchmark("benchmarks.jax_rule", str(__doc__), measure, tables, options, ("jax",))
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
