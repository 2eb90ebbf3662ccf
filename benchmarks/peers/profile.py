"""Shares of the time of a product or of a training step: `python -m benchmarks.peers.profile --help`.

A profile gives the share of the time inside the library of transforms. The rest is the time of element-wise passes and
of Python. Python's time is measured on the smallest vector, for which passes take no time.
"""

import argparse
import cProfile
import pstats
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Call, Figures, entered, interleaved
from benchmarks.peers.implementations import IMPLEMENTATIONS, THREADS, Calls, Implementation
from benchmarks.peers.problems import Problem
from benchmarks.tables import Table, time_text
from structmat.__main__ import count

LIBRARIES = (
    "scipy/fft",
    "numpy/fft",
    "mkl_fft",
    "ducc0",
    "pocketfft",
    "torch.fft",
    "torch._C._fft",
    "_kernels.extension",
)
SMALLEST = 4  # n for which all but Python's time is negligible
FUNCTIONS = 12  # in the list
PROFILES = 7
Function = tuple[str, int, str]


def transforms(function: Function) -> bool:
    """Tell whether a function, as the profiler names it, belongs to a library of transforms."""
    file, _, name = function
    return any(library in Path(file).as_posix() or library in name for library in LIBRARIES)


def profiled(call: Call, repeats: int) -> tuple[float, list[tuple[str, float]]]:
    """Return the share of the time in the library of transforms, and those of the functions outside, the largest first.

    The fastest of a few profiles is taken, as other load only adds time.
    """
    with entered(call) as bare:
        found = min((recorded(bare, repeats) for _ in range(PROFILES)), key=total)
    whole, inside, others = total(found), 0.0, []
    for function, (_, _, own, _, callers) in found.items():
        if transforms(function):  # whole, where it is entered from outside
            inside += sum(cumulative for caller, (*_, cumulative) in callers.items() if not transforms(caller))
        else:
            file, _, name = function
            place = "" if file == "~" else "/".join(Path(file).parts[-2:])
            others.append((f"{place} {name.partition(' at 0x')[0]}".strip(), own / whole))
    return inside / whole, sorted(others, key=lambda item: -item[1])


def recorded(call: Call, repeats: int) -> dict[Function, Any]:
    """Profile some calls: numbers of calls, own and cumulative time, and callers of each function."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(repeats):
        call()
    profiler.disable()
    found: dict[Function, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    return found


def total(found: dict[Function, Any]) -> float:
    """Add the functions' own times."""
    return sum(own for _, _, own, _, _ in found.values())


def smallest(problem: Problem) -> Problem:
    """Return the same problem for one vector of `SMALLEST` entries, or of blocks of as many."""
    kept = problem.shape[1:-1]  # numbers of blocks
    return problem._replace(shape=(*(1,) * (len(problem.shape) > 1), *kept, SMALLEST))


def shares(one: Implementation, problem: Problem, verb: str, rounds: int = 7) -> Figures:
    """Time a problem, and return the shares of the time and the functions outside transforms that take most."""
    calls = {name: getattr(one.calls(w), verb) for name, w in (("all", problem), ("least", smallest(problem)))}
    seconds = interleaved(calls, rounds=rounds)
    found = {name: profiled(call, max(1, min(1000, round(0.02 / seconds[name])))) for name, call in calls.items()}
    (inside, functions), (inside_least, _) = found["all"], found["least"]
    python = min((1 - inside_least) * seconds["least"] / seconds["all"], 1 - inside)
    shared = {"seconds": seconds["all"], "transforms": inside, "passes": 1 - inside - python, "python": python}
    return {**shared, "functions": functions[:FUNCTIONS]}


def options(parser: argparse.ArgumentParser) -> None:
    """Add the problem and the implementation."""
    parser.add_argument("kind", choices=IMPLEMENTATIONS, help="kind of problem")
    parser.add_argument("shape", nargs="+", type=count, metavar="SIZE", help="its sizes, such as 128 4096")
    parser.add_argument("--verb", choices=Calls._fields, default="forward", help="call to profile (%(default)s)")
    parser.add_argument("--implementation", default="structmat", metavar="NAME", help="(%(default)s)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="precision (%(default)s)")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Profile one problem."""
    names = IMPLEMENTATIONS[arguments.kind]
    if arguments.implementation not in names:
        raise argparse.ArgumentError(None, f"no such implementation; there are {', '.join(names)}")
    problem = Problem(arguments.kind, tuple(arguments.shape), arguments.dtype)
    found = shares(names[arguments.implementation], problem, arguments.verb, rounds=3 if arguments.quick else 7)
    title = f"{problem}, {arguments.verb}, {arguments.implementation}, threads {THREADS} (OMP_NUM_THREADS)"
    return {"title": title, **found}


def tables(figures: Figures) -> Iterator[Table]:
    """Format the shares of the time, and those of functions."""
    parts = [[name, f"{figures[name]:.0%}"] for name in ("transforms", "passes", "python")]
    yield Table(f"{figures['title']}: {time_text(figures['seconds'])}", ["part", "share"], parts)
    functions = [[name, f"{share:.1%}"] for name, share in figures["functions"]]
    yield Table("Functions outside transforms", ["function", "share"], functions)


BENCHMARK = Benchmark("benchmarks.peers.profile", str(__doc__), measure, tables, options)
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
