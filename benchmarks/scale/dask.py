"""Products with Dask arrays on a cluster of processes: `python -m benchmarks.scale dask --help`.

Three questions: what an operator costs the cluster beside its products, how exact the products of every registered
operator are, and how fast rows go through a projection to a zarr store.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import dask
import dask.array as da
import numpy as np
import zarr
from distributed import Client, LocalCluster
from distributed.comm.tcp import TCP

from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Figures, resident
from benchmarks.suite import VERBS, Case
from benchmarks.tables import Table, time_text
from structmat import Circulant, LinearOperator
from structmat._backend import convolution, fft
from structmat.core.registry import OPERATORS
from structmat.projections import circulant_projection

WORKERS = 2
GOALS = {
    "spectra": WORKERS,
    "bytes_sent": 25e6,
    "tasks_a_chunk": 2,
    "error": 30,
    "rate": 0.9,
    "peak_bytes": 400 * 2**20,
}
CHUNKS, ROWS = 32, 2  # of the batch whose operator is watched
FEATURES, COMPONENTS, ROWS_A_CHUNK = 4096, 512, 2048  # of the projection


@contextmanager
def cluster() -> Iterator[Client]:
    """Give a cluster of processes on this machine, of one thread each."""
    with (
        dask.config.set({"distributed.worker.memory.spill": False}),
        LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0") as workers,
        Client(workers) as client,
    ):
        yield client


# ---------------------------------------------------------------------- what an operator costs

sent = spectra = 0  # bytes that this process sent; spectra that it computed


@contextmanager
def watched_connections() -> Iterator[None]:
    """Count what this process, with the client and the scheduler, sends to the workers and to itself."""
    write = TCP.write

    async def counting(self: TCP, *arguments: Any, **options: Any) -> int:
        global sent  # noqa: PLW0603
        size = await write(self, *arguments, **options)
        sent += size
        return size

    TCP.write = counting
    try:
        yield
    finally:
        TCP.write = write


def watch_spectra() -> None:
    """Count the transforms of columns in a worker: those of the compiled kernels, and those of `scipy.fft`."""
    planned, dft = convolution.Convolution._planned, fft.dft

    def counting_plan(self: Any, batched: bool) -> Any:
        global spectra  # noqa: PLW0603
        held = {id(found[1]) for found in self._spectra.values()}
        found = planned(self, batched)
        spectra += id(found[1]) not in held
        return found

    def counting_dft(xp: Any, x: Any, *arguments: Any, **options: Any) -> Any:
        global spectra  # noqa: PLW0603
        spectra += x.ndim == 1
        return dft(xp, x, *arguments, **options)

    convolution.Convolution._planned, fft.dft = counting_plan, counting_dft


def counted_spectra() -> int:
    """Return the count of a worker, and start again."""
    global spectra
    count, spectra = spectra, 0
    return count


def operator_costs(client: Client, n: int) -> Figures:
    """Multiply a batch as Dask arrays do it, and as without them: a bound method for each chunk."""
    global sent
    x = da.random.default_rng(0).standard_normal((CHUNKS * ROWS, n), chunks=(ROWS, n))
    column = np.random.default_rng(0).standard_normal(n)
    ways: dict[str, Callable[[LinearOperator], Any]] = {
        "x alone": lambda A: x,
        "A.matvec(x)": lambda A: A.matvec(x),
        "x.map_blocks(A.matvec)": lambda A: x.map_blocks(A.matvec, dtype=float, meta=np.empty((0, 0))),
    }
    figures = {}
    for name, way in ways.items():
        A = Circulant(column.copy())
        client.run(counted_spectra)
        (planned,) = dask.optimize(way(A))
        sent, start = 0, time.perf_counter()
        (planned**2).sum().compute()
        figures[name] = {
            "seconds": time.perf_counter() - start,
            "bytes_sent": sent,
            "spectra": sum(client.run(counted_spectra).values()),
            "tasks_a_chunk": len(planned.__dask_graph__()) // CHUNKS,
        }
    return {"n": n, "chunks": CHUNKS, "rows_a_chunk": ROWS, "operator_bytes": A.nbytes, "ways": figures}


# ---------------------------------------------------------------------- errors


class LazyCase(Case):
    """A case whose products are those of Dask arrays."""

    def call(self, verb: str) -> Callable[[], Any]:
        """The product or the gradients in chunks, to be computed."""
        call = super().call(verb)
        arguments = (da.from_array(x, chunks=(ROWS, -1)) for x in call.args)
        return partial(lambda results: dask.compute(results)[0], call.func(*arguments))


def errors(n: int) -> Iterator[Figures]:
    """Measure the errors of every registered operator."""
    for name in sorted(OPERATORS):
        case = LazyCase(name, n, 4 * ROWS, "float64")
        yield {"operator": name, "n": case.A.n, "m": case.A.m, "errors": {verb: case.error(verb) for verb in VERBS}}


# ---------------------------------------------------------------------- rows to a store


def drawn(seed: int) -> np.ndarray[Any, Any]:
    """Draw the rows of a chunk."""
    return np.random.default_rng(seed).random((ROWS_A_CHUNK, FEATURES))


def drawn_block(block_id: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Draw the rows of a chunk, for Dask."""
    return drawn(block_id[0])


def store(path: str, chunks: int) -> Any:
    """Make an empty store for projected rows."""
    shape, chunk = (chunks * ROWS_A_CHUNK, COMPONENTS), (ROWS_A_CHUNK, COMPONENTS)
    return zarr.create_array(path, shape=shape, chunks=chunk, dtype="float64")


def one_process(P: LinearOperator, path: str, chunks: int) -> tuple[float, float]:
    """Project rows without Dask; return seconds, and those of the processor."""
    target, clocks = store(path, chunks), (time.perf_counter, time.process_time)
    start = [clock() for clock in clocks]
    for place in range(chunks):
        target[place * ROWS_A_CHUNK : (place + 1) * ROWS_A_CHUNK] = P.matvec(drawn(place))
    wall, cpu = (clock() - begin for clock, begin in zip(clocks, start, strict=True))
    return wall, cpu


def projected(client: Client, gigabytes: float, rounds: int, progress: Progress) -> Figures:
    """Project rows with Dask and without it, in one process and in all at once; they take turns, and shares of rows."""
    P = circulant_projection(FEATURES, COMPONENTS, rng=0)
    chunk_bytes = 8 * ROWS_A_CHUNK * FEATURES
    each = max(1, round(gigabytes * 1e9 / chunk_bytes / rounds / WORKERS))  # chunks that a process takes in a round
    chunks = each * WORKERS
    rows = da.map_blocks(
        drawn_block, chunks=((ROWS_A_CHUNK,) * chunks, (FEATURES,)), dtype=float, meta=np.empty((0, 0))
    )

    def without(folder: str, processes: int) -> tuple[float, float]:
        """Return the seconds of the last process, and the mean seconds of the processor."""
        workers = sorted(client.scheduler_info()["workers"])[:processes]
        tasks = [
            client.submit(one_process, P, f"{folder}/{place}", each, workers=worker, pure=False)
            for place, worker in enumerate(workers)
        ]
        wall, cpu = zip(*client.gather(tasks), strict=True)
        return max(wall), statistics.mean(cpu)

    def with_dask(folder: str) -> tuple[float, float]:
        cpu = sum(client.run(time.process_time).values())
        start = time.perf_counter()
        da.store(P.matvec(rows), store(f"{folder}/all", chunks), lock=False)
        wall = time.perf_counter() - start
        return wall, (sum(client.run(time.process_time).values()) - cpu) / WORKERS

    ways: dict[str, Callable[[str], tuple[float, float]]] = {
        "one process": partial(without, processes=1),
        f"{WORKERS} processes": partial(without, processes=WORKERS),
        f"{WORKERS} workers": with_dask,
    }
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(rounds + 1):  # the first one is not timed
        for way, run in ways.items():
            progress(f"rows: {way}, round {turn} of {rounds}")
            with tempfile.TemporaryDirectory() as folder:
                taken[way].append(run(folder))
                if run is with_dask:
                    kept, place = zarr.open_array(f"{folder}/all", mode="r"), chunks - 1
                    error = float(np.max(np.abs(kept[place * ROWS_A_CHUNK :] - P.matvec(drawn(place)))))
    figures = []
    for way, times in taken.items():
        row: Figures = {"way": way}
        for place, clock in enumerate(("second", "processor_second")):
            spent, ours = ([time[place] for time in run[1:]] for run in (times, taken[f"{WORKERS} workers"]))
            row[f"bytes_per_{clock}"] = each * chunk_bytes / statistics.median(spent)
            row[f"dask_over_it_per_{clock}"] = statistics.median(
                theirs / own for theirs, own in zip(spent, ours, strict=True)
            )
        figures.append(row)
    return {
        "gigabytes": rounds * chunks * chunk_bytes / 1e9,
        "rounds": rounds,
        "rates": figures,
        "peak_bytes": max(client.run(resident, "VmHWM").values()),
        "difference": error,
    }


def options(parser: argparse.ArgumentParser) -> None:
    """Add the amount of rows."""
    parser.add_argument("--gigabytes", type=float, default=2.0, metavar="GB", help="rows to project (%(default)s)")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure all three, rows on a cluster of their own, since peaks of memory last."""
    with watched_connections(), cluster() as client:
        client.run(watch_spectra)
        progress("operator")
        operator = operator_costs(client, 2**12 if arguments.quick else 2**20)
        progress("errors")
        rows = list(errors(16 if arguments.quick else 256))
    with cluster() as client:
        gigabytes, rounds = (0.1, 1) if arguments.quick else (arguments.gigabytes, 7)
        stored = projected(client, gigabytes, rounds, progress)
    return {"goals": GOALS, "workers": WORKERS, "operator": operator, "errors": rows, "rows": stored}


def tables(figures: Figures) -> Iterator[Table]:
    """Format all figures beside their goals."""
    goals, operator, rows = (figures[key] for key in ("goals", "operator", "rows"))
    lines = [
        [
            way,
            time_text(row["seconds"]),
            f"{row['bytes_sent'] / 1e6:.3g}",
            *(str(row[key]) for key in ("spectra", "tasks_a_chunk")),
        ]
        for way, row in operator["ways"].items()
    ]
    wanted = ["at most", "", f"{goals['bytes_sent'] / 1e6:g}", str(goals["spectra"]), str(goals["tasks_a_chunk"])]
    title = f"A circulant of n = {operator['n']:,}, {operator['chunks']} chunks of {operator['rows_a_chunk']} rows"
    yield Table(title, ["way", "time", "MB sent", "spectra", "tasks a chunk"], [*lines, wanted])
    worst = max(figures["errors"], key=lambda row: max(row["errors"].values()))
    found = [
        str(len(figures["errors"])),
        worst["operator"],
        f"{max(worst['errors'].values()):.2f}",
        f"{goals['error']}",
    ]
    yield Table("Errors, in units of ε ‖A‖ ‖x‖", ["operators", "worst", "error", "at most"], [found])
    title = (
        f"{rows['gigabytes']:.3g} GB of rows of {FEATURES} numbers, projected to {COMPONENTS} and stored; a worker "
        f"took {rows['peak_bytes'] / 2**20:.0f} MiB, at most {goals['peak_bytes'] / 2**20:.0f} are allowed"
    )
    lines = []
    for row in rows["rates"]:
        speeds = (f"{row[f'bytes_per_{clock}'] / 1e6:.0f}" for clock in ("second", "processor_second"))
        ratios = (f"{row[f'dask_over_it_per_{clock}']:.2f}" for clock in ("second", "processor_second"))
        lines.append([row["way"], *speeds, *ratios])
    headings = ["way", "MB/s each", "MB a second of processor", "Dask's over it", "of processor"]
    yield Table(title, headings, [*lines, ["at least", "", "", f"{goals['rate']:g}", ""]])


BENCHMARK = Benchmark(
    "benchmarks.scale dask", str(__doc__), measure, tables, options, ("dask", "distributed", "zarr", "numcodecs")
)
