"""JAX on a mesh of eight devices: `python -m benchmarks.scale jax --help`.

The devices are made on one CPU. A replicated operator multiplies a batch that is sharded over them; the collectives of
the compiled program of the product, and of the loss ‖A x‖² with its gradients with respect to the parameters and x, are
counted. A mesh with explicit axes needs nothing; on one with automatic axes, XLA gathers what it can't divide.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

if "jax" not in sys.modules:
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import structmat as sm
from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures
from benchmarks.tables import Table
from structmat.core import OPERATORS
from structmat.nn.jax import matvec

COLLECTIVES = ("all-gather", "all-to-all", "collective-permute", "all-reduce")
QUICK = ("Circulant", "BlockCirculant", "Hadamard", "DCT")
DEVICES, VECTORS = 8, 16


def operators(names: Iterable[str]) -> Iterator[tuple[str, sm.LinearOperator]]:
    """Yield registered operators, and projections that are products of several."""
    for name in names:
        with jax.enable_x64(True):
            A = OPERATORS[name].example(6, np.random.default_rng(0)).to(xp=jnp)
        yield name, A if A.dtype is None else A.to("complex64" if A._is_complex else "float32")
    for kind in ("circulant_projection", "fastfood"):
        yield kind, getattr(sm.projections, kind)(8, 6, rng=0, dtype="float32", xp=jnp)


def collectives(compiled: Any) -> Figures:
    """Count the collective operations of a compiled program."""
    text = compiled.as_text()
    return {name: len(re.findall(rf"= [^\n]*\b{name}(?:-start)?\(", text)) for name in COLLECTIVES}


def loss(A: sm.LinearOperator, x: Any) -> Any:
    """Return ‖A x‖²."""
    return jnp.sum(jnp.abs(matvec(A, x)) ** 2)


def measured(A: sm.LinearOperator, axis_type: Any) -> Figures:
    """Count collectives, and compare the results with those of one device."""
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(axis_type,))
    x = jnp.asarray(np.random.default_rng(1).standard_normal((VECTORS, A.n)), jnp.float32)
    sharded = jax.device_put(x, NamedSharding(mesh, P("batch", None)))
    replicated = jax.device_put(A, NamedSharding(mesh, P()))
    step = jax.value_and_grad(loss, argnums=(0, 1), allow_int=True)
    with jax.set_mesh(mesh):
        product = jax.jit(matvec).lower(replicated, sharded).compile()
        training = jax.jit(step).lower(replicated, sharded).compile()
        found = product(replicated, sharded), training(replicated, sharded)
    wanted = matvec(A, x), step(A, x)
    pairs = zip(*map(jax.tree.leaves, (found, wanted)), strict=True)
    differences = [
        float(np.abs(one - other).max(initial=0) / max(np.abs(other).max(initial=0), 1))
        for one, other in (map(np.asarray, pair) for pair in pairs)
        if other.dtype != jax.dtypes.float0
    ]
    return {"product": collectives(product), "step": collectives(training), "largest difference": max(differences)}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of operators and meshes."""
    parser.add_argument("--operators", nargs="+", choices=list(OPERATORS), help="default: all, with --quick a few")
    parser.add_argument("--axes", nargs="+", choices=("Explicit", "Auto"), default=("Explicit", "Auto"))


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure each operator on meshes with explicit and with automatic axes."""
    if len(jax.devices()) < DEVICES:
        raise argparse.ArgumentError(None, f"JAX has {len(jax.devices())} devices; {DEVICES} are needed")
    found: list[Figures] = []
    for name, A in operators(arguments.operators or (QUICK if arguments.quick else OPERATORS)):
        progress(name)
        found += [
            {"operator": name, "axes": str(kind.name).lower(), **measured(A, kind)}
            for kind in map(AxisType.__getitem__, arguments.axes)
        ]
    return {"devices": DEVICES, "vectors": VECTORS, "cases": found}


def tables(figures: Figures) -> Iterator[Table]:
    """Show the collectives of each program."""
    title = f"Collectives on {figures['devices']} devices: gathers + exchanges + reductions"
    rows = []
    for case in figures["cases"]:
        cells = [
            f"{found['all-gather']} + {found['all-to-all'] + found['collective-permute']} + {found['all-reduce']}"
            for found in (case["product"], case["step"])
        ]
        rows.append([case["operator"], case["axes"], *cells, f"{case['largest difference']:.0e}"])
    yield Table(title, ["operator", "axes of the mesh", "product", "loss and gradients", "difference"], rows)


BENCHMARK = Benchmark("benchmarks.scale jax", str(__doc__), measure, tables, options, ("jax",))
