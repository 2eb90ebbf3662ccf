"""Compare derivatives of `structmat.nn.jax.matvec` with those of `A.matvec`: `python -m benchmarks.jax_rule`.

A step is the gradient of ‖A x‖² with respect to the parameters and x, compiled. Counted in the compiled program are
Fourier transforms, bytes that its operations read and write, and bytes kept beside arguments and results.
"""

import argparse
import sys
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

import structmat as sm
from benchmarks.measuring import interleaved, save
from structmat.__main__ import about, writable
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=1024, help="size of the operators (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=256, help="vectors (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=15, help="of each step (default: %(default)s)")
    parser.add_argument("--json", type=writable, help="write the figures to this file as well")
    arguments = parser.parse_args()
    rows = [row(name, A, arguments.batch, arguments.repeats) for name, A in operators(arguments.n).items()]
    table = Table(box=box.SIMPLE_HEAD, title=f"A.matvec → structmat.nn.jax.matvec, {arguments.batch} vectors")
    for heading in ("operator", *COUNTS, "time"):
        table.add_column(heading, justify="left" if heading == "operator" else "right", no_wrap=True)
    for figures in rows:
        pairs = [f"{figures['jax'][name]:.3g} → {figures['rule'][name]:.3g}" for name in COUNTS]
        table.add_row(figures["operator"], *pairs, f"× {figures['time ratio']:.2f}")
    Console().print(table)
    if arguments.json:
        sizes = {"n": arguments.n, "batch": arguments.batch}
        save(arguments.json, {"about": about(), "jax": jax.__version__, **sizes, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
