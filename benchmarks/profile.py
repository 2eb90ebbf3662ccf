"""Where the time of a product or of a training step goes: `python -m benchmarks.profile --help`.

A profile tells the share of the time inside the provider of transforms. What remains is the time of element-wise
passes and of Python: Python's is what remains for the smallest vector, on which passes take no time.
"""

import argparse
import cProfile
import pstats
import sys
from pathlib import Path
from typing import Any

from benchmarks.measuring import Call, Figures, entered, interleaved, time_text
from benchmarks.ways import THREADS, WAYS, Calls, Way
from benchmarks.works import Work
from structmat.__main__ import count

PROVIDERS = ("scipy/fft", "numpy/fft", "mkl_fft", "ducc0", "pocketfft", "torch.fft", "torch._C._fft")
SMALLEST = 4  # n of the vector that all but Python's time is negligible for
FUNCTIONS = 12  # that are named
PROFILES = 7
Function = tuple[str, int, str]


def transforms(function: Function) -> bool:
    """Whether a function, as the profiler names it, belongs to a provider of transforms."""
    file, _, name = function
    return any(provider in Path(file).as_posix() or provider in name for provider in PROVIDERS)


def profiled(call: Call, repeats: int) -> tuple[float, list[tuple[str, float]]]:
    """The share of the time inside the provider, and those of the functions outside, the largest first.

    The quickest of a few profiles is taken, as other load only ever adds time.
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
    """What the profiler knows of each function after some calls: numbers of calls, own and whole time, and callers."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(repeats):
        call()
    profiler.disable()
    found: dict[Function, Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    return found


def total(found: dict[Function, Any]) -> float:
    return sum(own for _, _, own, _, _ in found.values())


def smallest(work: Work) -> Work:
    """The same work on one vector of `SMALLEST` entries, or of blocks of as many."""
    kept = work.shape[1:-1]  # how many blocks
    return work._replace(shape=(*(1,) * (len(work.shape) > 1), *kept, SMALLEST))


def shares(one: Way, work: Work, verb: str, rounds: int = 7) -> Figures:
    """Time a work, share the time out, and name the functions outside transforms that take most of it."""
    calls = {name: getattr(one.calls(w), verb) for name, w in (("all", work), ("least", smallest(work)))}
    seconds = interleaved(calls, rounds=rounds)
    found = {name: profiled(call, max(1, min(1000, round(0.02 / seconds[name])))) for name, call in calls.items()}
    (inside, functions), (inside_least, _) = found["all"], found["least"]
    python = min((1 - inside_least) * seconds["least"] / seconds["all"], 1 - inside)
    shared = {"seconds": seconds["all"], "transforms": inside, "passes": 1 - inside - python, "python": python}
    return {**shared, "functions": functions[:FUNCTIONS]}


def main(argv: list[str] | None = None) -> int:
    """Share out the time of one work."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("kind", choices=WAYS, help="kind of work")
    parser.add_argument("shape", nargs="+", type=count, metavar="SIZE", help="its sizes, such as 128 4096")
    parser.add_argument("--verb", choices=Calls._fields, default="forward", help="what is timed (%(default)s)")
    parser.add_argument("--way", default="structmat", help="the way of doing it (%(default)s)")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="precision (%(default)s)")
    arguments = parser.parse_args(argv)
    one = WAYS[arguments.kind].get(arguments.way)
    if one is None:
        parser.error(f"no such way; there are {', '.join(WAYS[arguments.kind])}")
    work = Work(arguments.kind, tuple(arguments.shape), arguments.dtype)
    found = shares(one, work, arguments.verb)
    print(f"{work}, {arguments.verb}, {one.name}, threads {THREADS} (OMP_NUM_THREADS): {time_text(found['seconds'])}")
    for name in ("transforms", "passes", "python"):
        print(f"{found[name]:6.0%}  {name}")
    print("Functions outside transforms:")
    for name, share in found["functions"]:
        print(f"{share:6.1%}  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
