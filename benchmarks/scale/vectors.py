"""One vector in parts, by the recipes of the documentation: `python -m benchmarks.scale vectors --help`.

A four-step circulant product with Dask on processes and with JAX on devices, and a filter with Dask, each beside one
product by `structmat` in one process. Times include making the numbers; memory is the largest resident set of a process
above what it took before.
"""

import argparse
import logging
import os
import runpy
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

if "jax" not in sys.modules:
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"

import dask.array as da
import distributed
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import structmat as sm
from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import HONEST_MEMORY, Figures, forget_peak, resident
from benchmarks.scale.dask import WORKERS, cluster
from benchmarks.tables import Table, number_text, time_text

RECIPES = Path(__file__).parents[2] / "docs/recipes"
PARTS = 8  # chunks of a vector
TAPS = 1025
WARM_UP = 2**14  # n of a product before, for which workers import what they need
ROUNDS = 3
Array = np.ndarray[Any, Any]


def recipe(name: str) -> dict[str, Any]:
    """Return the functions of a recipe."""
    return runpy.run_path(str(RECIPES / name))


# ---------------------------------------------------------------------- numbers, the same in one process and in several


def drawn(size: int, seed: int, block_id: tuple[int] = (0,)) -> Array:
    """Draw one part of a vector."""
    return np.random.default_rng((seed, block_id[0])).standard_normal(size)


def in_parts(n: int, seed: int) -> Any:
    """A vector as a Dask array."""
    size = n // PARTS
    return da.map_blocks(drawn, size, seed, chunks=((size,) * PARTS,), dtype=float, meta=np.empty(0))


def whole(n: int, seed: int) -> Array:
    """The same vector in one piece."""
    return np.concatenate([drawn(n // PARTS, seed, (part,)) for part in range(PARTS)])


def taps() -> Array:
    """The taps of the filter."""
    return np.random.default_rng(0).standard_normal(TAPS)


def circulant(n: int) -> Array:
    """One circulant product in one process."""
    return sm.Circulant(whole(n, 0)).matvec(whole(n, 1))


def circulant_in_parts(n: int) -> Any:
    """The same product by the recipe."""
    n1 = 2 ** ((n.bit_length() - 1) // 2)
    return recipe("long_dask.py")["circulant_product"](in_parts(n, 0), in_parts(n, 1), n1, n // n1, PARTS)


def banded(n: int) -> Array:
    """One filtered signal in one process."""
    found: Array = recipe("filter_dask.py")["product"](whole(n, 1), taps(), (0,))
    return found


def banded_in_parts(n: int) -> Any:
    """The same signal by the recipe."""
    return recipe("filter_dask.py")["filtered"](in_parts(n, 1), taps())


# ---------------------------------------------------------------------- Dask


def timed(call: Callable[[], Array]) -> tuple[float, Array, int]:
    """Time a call in this process; return its first numbers and the memory that it took, too."""
    forget_peak()
    before, start = resident() or 0, time.perf_counter()
    y = call()
    seconds = time.perf_counter() - start
    return seconds, y[: len(y) // PARTS].copy(), (resident("VmHWM") or 0) - before


def with_dask(client: Any, lazy: Any) -> tuple[float, Array, int]:
    """The same on all workers; the result stays with them."""
    client.run(forget_peak)
    before, start = client.run(resident), time.perf_counter()
    y = client.persist(lazy)
    distributed.wait(y)
    seconds = time.perf_counter() - start
    peaks = client.run(resident, "VmHWM")
    first: Array = y[: len(y) // PARTS].compute()
    return seconds, first, max((peaks[worker] or 0) - (before[worker] or 0) for worker in peaks)


def on_processes(client: Any, name: str, alone: Callable[[int], Array], lazy: Callable[[int], Any], n: int) -> Figures:
    """Measure one worker without Dask, and all of them with it; they take turns, and the first one is not timed."""
    taken: dict[str, list[tuple[float, Array, int]]] = {"one": [], "parts": []}
    for size in (WARM_UP, *(n,) * ROUNDS):
        taken["one"].append(client.submit(timed, partial(alone, size), pure=False).result())
        taken["parts"].append(with_dask(client, lazy(size)))
    figures: Figures = {"recipe": name, "n": n, "processes": WORKERS}
    for way, (_, *runs) in taken.items():
        figures[way] = {"seconds": statistics.median(run[0] for run in runs), "bytes": max(run[2] for run in runs)}
    return {**figures, "difference": difference(*(runs[-1][1] for runs in taken.values()))}


def difference(expected: Array, found: Array) -> float:
    """The largest difference, relative to the largest number."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# ---------------------------------------------------------------------- JAX


def on_devices(n: int) -> Figures:
    """Measure one device, and the recipe on all of them; they take turns."""
    mesh = jax.make_mesh((len(jax.devices()),), ("parts",), axis_types=(AxisType.Auto,))
    n1 = 2 ** ((n.bit_length() - 1) // 2)
    c, x = (jnp.asarray(whole(n, seed), jnp.float32) for seed in (0, 1))
    ways = {
        "one": (jax.jit(lambda c, x: sm.Circulant(c).matvec(x)), (c, x)),
        "parts": (
            recipe("long_jax.py")["circulant_product"](mesh, n1, n // n1),
            tuple(jax.device_put(each, NamedSharding(mesh, P("parts"))) for each in (c, x)),
        ),
    }
    taken: dict[str, list[float]] = {way: [] for way in ways}
    found = {way: np.asarray(product(*there)) for way, (product, there) in ways.items()}
    for _ in range(ROUNDS):
        for way, (product, there) in ways.items():
            start = time.perf_counter()
            jax.block_until_ready(product(*there))
            taken[way].append(time.perf_counter() - start)
    figures: Figures = {"recipe": "long_jax.py", "n": n, "processes": len(jax.devices())}
    figures |= {way: {"seconds": statistics.median(times), "bytes": None} for way, times in taken.items()}
    return {**figures, "difference": difference(*found.values())}


# ---------------------------------------------------------------------- the benchmark


def options(parser: argparse.ArgumentParser) -> None:
    """Add the sizes."""
    told = "n = 2^exponent (%(default)s)"
    parser.add_argument("--exponents", type=int, nargs="+", default=[22, 24, 26], metavar="EXPONENT", help=told)


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure each recipe at each size."""
    os.environ.update(HONEST_MEMORY)  # of the workers
    logging.getLogger("distributed.shuffle").setLevel(logging.ERROR)  # it warns of each exchange
    rows = []
    with cluster() as client:
        for exponent in [16] if arguments.quick else arguments.exponents:
            progress(f"n = 2^{exponent}")
            n = 2**exponent
            rows += [
                on_processes(client, "long_dask.py", circulant, circulant_in_parts, n),
                on_devices(n),
                on_processes(client, "filter_dask.py", banded, banded_in_parts, n),
            ]
    return {"parts": PARTS, "taps": TAPS, "rows": rows}


def memory_text(size: int | None) -> str:
    """Format bytes."""
    return "" if size is None else f"{number_text(size / 2**20)} MiB"


def tables(figures: Figures) -> Iterator[Table]:
    """Compare both ways."""
    rows = [
        [
            row["recipe"],
            f"{row['n']:,}",
            *(time_text(row[way]["seconds"]) for way in ("one", "parts")),
            number_text(row["parts"]["seconds"] / row["one"]["seconds"]),
            *(memory_text(row[way]["bytes"]) for way in ("one", "parts")),
            f"{row['difference']:.0e}",
        ]
        for row in sorted(figures["rows"], key=lambda row: (row["recipe"], row["n"]))
    ]
    title = f"One vector on {figures['rows'][0]['processes']} processes or devices, beside one process"
    headings = ["recipe", "n", "one", "in parts", "times as long", "memory of one", "of each", "difference"]
    yield Table(title, headings, rows)


BENCHMARK = Benchmark(
    "benchmarks.scale vectors", str(__doc__), measure, tables, options, ("dask", "distributed", "jax")
)
