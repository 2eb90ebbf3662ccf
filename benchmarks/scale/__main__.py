"""Operators in engines for large arrays: `python -m benchmarks.scale dask --help`."""

import argparse
import importlib
import sys

ENGINES = {"dask": "dask", "jax": "sharded_jax", "memory": "memory", "vectors": "vectors"}  # and their modules


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark of one engine."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__, add_help=False)
    parser.add_argument("engine", choices=list(ENGINES))
    chosen, others = parser.parse_known_args(argv)
    benchmark = importlib.import_module(f"benchmarks.scale.{ENGINES[chosen.engine]}").BENCHMARK
    return int(benchmark.main(others))


if __name__ == "__main__":
    sys.exit(main())
