"""Measuring time and memory, and writing figures to files."""

import json
import math
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from structmat.__main__ import about
from structmat._files import replacing

if TYPE_CHECKING:
    from rich.console import Console

ROOT = Path(__file__).parents[1]
BLOCK = 1e-3  # seconds that a block of calls takes, at least
LONG = 20e-3  # seconds of a call that needs none before it
PAUSE = 3e-3  # seconds before a block, in which the threads of the way before fall asleep

Call = Callable[[], object]
Figures = dict[str, Any]


class Within(NamedTuple):
    """A call that is made inside a setting, which is entered once for many calls and not measured."""

    setting: Callable[[], AbstractContextManager[object]]
    call: Call

    def __call__(self) -> object:
        with self.setting():
            return self.call()


@contextmanager
def entered(call: Call) -> Iterator[Call]:
    """Enter the setting of a call, if it has one, and give the bare call."""
    if isinstance(call, Within):
        with call.setting():
            yield call.call
    else:
        yield call


def interleaved(calls: Mapping[str, Call], *, rounds: int, budget: float = math.inf) -> dict[str, float]:
    """Time calls that take turns, so that they share the machine's moods: the median of each, in seconds.

    A turn is a pause, a call that is not timed unless calls are long, and a block of calls that are. There are as many
    rounds as the budget of seconds allows, but 3 at least.
    """
    estimates = {name: (call(), _seconds(call, 1, warm=False))[1] for name, call in calls.items()}
    times: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + budget
    for turn in range(rounds):
        if turn >= 3 and time.perf_counter() > end:
            break
        for name, call in calls.items():
            time.sleep(PAUSE)
            number = max(1, math.ceil(BLOCK / max(estimates[name], 1e-9)))
            times[name].append(_seconds(call, number, warm=estimates[name] < LONG))
    return {name: statistics.median(taken) for name, taken in times.items()}


def _seconds(call: Call, number: int, *, warm: bool) -> float:
    """Mean time of a block of calls, after one that is not timed if asked for."""
    with entered(call) as bare:
        if warm:
            bare()
        begin = time.perf_counter()
        for _ in range(number):
            bare()
        return (time.perf_counter() - begin) / number


# glibc keeps what is freed unless told otherwise, and a second call would take it up again unseen.
HONEST_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}


def peak(call: Call) -> int | None:
    """Bytes that a second call takes at its peak, its result among them, whoever allocates them; None but on Linux.

    This is the high-water mark of the resident set, reset before the call, above what was resident then. It means
    something in a process that was started with `HONEST_MEMORY`.
    """
    call()
    if not forget_peak():
        return None
    before = resident()
    result = call()
    most = resident("VmHWM")
    del result
    return None if before is None or most is None else max(0, most - before)


def forget_peak() -> bool:
    """Set the high-water mark of the resident set to what is resident now; tells whether that works, as on Linux."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def resident(field: str = "VmRSS") -> int | None:
    """Bytes of this process in memory, by a field of Linux' status file."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(field)), None)


def child(module: str, task: Figures, environment: Mapping[str, str]) -> Iterator[Figures]:
    """Run `python -m module TASK` afresh, where thread pools take their size from the environment; yield its rows."""
    command = [sys.executable, "-m", module, json.dumps(task)]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout is not None
        yield from map(json.loads, process.stdout)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def answering(rows: Callable[[Figures], Iterator[Figures]]) -> None:
    """Be the child of `child`: write the rows of the task to what was the standard output; all else goes to errors."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        for row in rows(json.loads(sys.argv[1])):
            print(json.dumps(row), file=out, flush=True)


QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


def threads_environment(threads: int) -> dict[str, str]:
    """Variables that give every pool of threads one size, and let none of them spin while another is timed."""
    sizes = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    return {**QUIET, **dict.fromkeys(sizes, str(threads)), "KMP_BLOCKTIME": "1", "OPENBLAS_THREAD_TIMEOUT": "20"}


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()


def console() -> "Console":
    """A console as wide as the terminal; a log has no width of its own and gets what the tables take."""
    from rich.console import Console  # the documentation is built without it

    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=180)


def machine(packages: tuple[str, ...] = ()) -> Figures:
    """Facts of the machine and versions, with those of more packages that are installed."""
    facts: Figures = {**about(), "processor": platform.processor()}
    with suppress(OSError, StopIteration):  # Linux only
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        facts["processor"] = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        facts["caches"] = {
            f"L{_read(cache / 'level')} {_read(cache / 'type').lower()}": _read(cache / "size")
            for cache in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
        }
    for name in packages:
        try:
            facts[name] = version(name)
        except PackageNotFoundError:
            continue
    return facts


def save(path: Path, figures: Figures) -> None:
    """Write figures as JSON, whole or not at all."""
    with replacing(path) as file:
        file.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")
