"""Circulant products and training steps on any array library and device: `python -m benchmarks.device --help`.

Both are compared with the same transforms written by hand. A product must read each entry of x and write each entry of
y: 8 bytes an entry in single precision. Times are given in the same unit, as the bytes that the device copies in the
time of an entry.
"""

import argparse
import importlib
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import structmat as sm
from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Call, Figures, interleaved
from benchmarks.peers.problems import Problem, arrays, exact, off
from benchmarks.tables import Table, shape_text, time_text

LIBRARIES = "numpy", "cupy", "torch", "jax.numpy"
SHAPES = (1, 2**20), (1024, 1024), (4096, 4096), (32, 2**20), (16384, 4096)
QUICK_SHAPES = (1, 64), (4, 64)


class Device(NamedTuple):
    """An array library on one of its devices, with functions that wait for it and measure its memory."""

    name: str
    xp: Any
    device: Any
    fft: Any
    wait: Callable[[], object]
    peak: Callable[[Call], int] | None  # bytes that a call takes at its peak, its results among them

    def bring(self, x: Any) -> Any:
        """Move a NumPy array to the device."""
        return self.xp.asarray(x, device=self.device) if self.device is not None else self.xp.asarray(x)


def traced(call: Call) -> int:
    """Return the peak of the memory that NumPy allocates."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def find(library: str, device: str | None) -> Device:
    """Import a library and find its device: the default one unless it is named."""
    xp = importlib.import_module(library)
    if library == "torch":
        where = xp.device(device or ("cuda" if xp.cuda.is_available() else "cpu"))
        cuda = where.type == "cuda"

        def allocated(call: Call) -> int:
            before = xp.cuda.memory_allocated(where)
            xp.cuda.reset_peak_memory_stats(where)
            call()
            return int(xp.cuda.max_memory_allocated(where)) - int(before)

        name = xp.cuda.get_device_name(where) if cuda else "cpu"
        wait = (lambda: xp.cuda.synchronize(where)) if cuda else (lambda: None)
        return Device(name, xp, where, xp.fft, wait, allocated if cuda else None)
    if library == "cupy":
        pool = xp.get_default_memory_pool()

        def pooled(call: Call) -> int:
            pool.free_all_blocks()
            before = pool.total_bytes()
            call()
            return int(pool.total_bytes()) - int(before)

        name = xp.cuda.runtime.getDeviceProperties(xp.cuda.Device().id)["name"].decode()
        fft = importlib.import_module("cupyx.scipy.fft")
        return Device(name, xp, None, fft, xp.cuda.get_current_stream().synchronize, pooled)
    if library == "jax.numpy":
        jax = importlib.import_module("jax")
        where = jax.devices(device)[0]
        return Device(where.device_kind, xp, where, xp.fft, lambda: None, None)
    return Device("cpu", xp, None, xp.fft, lambda: None, traced)


def by_hand(on: Device, column: Any, x: Any, g: Any) -> tuple[Call, Call]:
    """Write the product and the step with the library's transforms, and PyTorch's derivatives."""
    rfft, irfft, n = on.fft.rfft, on.fft.irfft, column.shape[0]
    spectrum = rfft(column)
    if on.xp.__name__ == "torch":
        leaves = [value.clone().requires_grad_() for value in (x, column)]

        def differentiated() -> object:
            y = irfft(rfft(leaves[0]) * rfft(leaves[1]), n=n)
            return y.detach(), *on.xp.autograd.grad(y, leaves, g)

        return lambda: irfft(rfft(x) * spectrum, n=n), differentiated

    def step() -> object:
        C, X, G = rfft(column), rfft(x), rfft(g)
        products = on.xp.conj(X) * G
        sums = products if products.ndim == 1 else on.xp.sum(products, axis=0)
        return irfft(C * X, n=n), irfft(on.xp.conj(C) * G, n=n), irfft(sums, n=n)

    return lambda: irfft(rfft(x) * spectrum, n=n), step


def ours(column: Any, x: Any, g: Any) -> tuple[Call, Call]:
    """Multiply by an operator that keeps its spectrum; step with a new parameter."""
    A = sm.Circulant(column)

    def step() -> object:
        fresh = sm.Circulant(column)
        y, saved = fresh.forward(x)
        dx, grads = fresh.backward(saved, g)
        return y, dx, *grads

    return lambda: A.matvec(x), step


def waited(call: Call, on: Device) -> Call:
    """Return a call that waits for the device."""

    def run() -> object:
        result = call()
        for value in result if isinstance(result, tuple) else (result,):
            getattr(value, "block_until_ready", on.wait)()
        return result

    return run


def on_host(value: Any) -> np.ndarray[Any, Any]:
    """Copy an array from any device."""
    value = value.cpu() if hasattr(value, "cpu") else value
    return np.asarray(value.get() if hasattr(value, "get") else value)


def measured(on: Device, shapes: tuple[tuple[int, int], ...], rounds: int) -> Iterator[Figures]:
    """Check the results against those in double precision, and measure: one row for each shape and implementation."""
    size = 2**28 if rounds > 3 else 2**20
    source, target = (on.bring(np.full(size // 4, value, np.float32)) for value in (1, 0))

    def copy() -> object:
        if on.xp.__name__ == "jax.numpy":
            return source + 1
        target[...] = source
        return target

    bandwidth = 2 * size / interleaved({"copy": waited(copy, on)}, rounds=rounds)["copy"]
    yield {"part": "bandwidth", "bytes_per_second": bandwidth}
    for shape in shapes:
        problem = Problem("circulant", shape)
        p = arrays(problem)
        moved = [on.bring(value) for value in (p.column, p.x, p.g)]
        implementations = {"structmat": ours(*moved), "by hand": by_hand(on, *moved)}
        calls = {name: [waited(call, on) for call in pair] for name, pair in implementations.items()}
        wanted = list(exact(problem, "column").values())[1:]
        times: dict[str, dict[str, float]] = {}
        for place, verb in enumerate(("forward", "step")):
            times[verb] = interleaved({name: pair[place] for name, pair in calls.items()}, rounds=rounds, budget=3.0)
        for name, pair in calls.items():
            found = map(on_host, pair[1]())
            errors = [off(got, right, "float32") for got, right in zip(found, wanted, strict=True)]
            seconds = {verb: times[verb][name] for verb in times}
            yield {
                "part": "shapes",
                "shape": shape,
                "way": name,
                **seconds,
                "bytes_an_entry": {verb: value * bandwidth / p.x.size for verb, value in seconds.items()},
                "peak_bytes": None if on.peak is None else [on.peak(call) for call in pair],
                "error": max(errors),
            }


def options(parser: argparse.ArgumentParser) -> None:
    """Add library and device."""
    parser.add_argument("--library", choices=LIBRARIES, default="numpy", help="array library (%(default)s)")
    parser.add_argument("--device", help="device of PyTorch or JAX, such as cuda (its default)")


def measure(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure on one device."""
    on = find(arguments.library, arguments.device)
    rows = list(measured(on, QUICK_SHAPES if arguments.quick else SHAPES, 3 if arguments.quick else 15))
    return {"library": arguments.library, "device": on.name, "rows": rows}


def tables(figures: Figures) -> Iterator[Table]:
    """Format times, ratios and traffic."""
    bandwidth, *rows = figures["rows"]
    cells = []
    for mine, hand in zip(rows[::2], rows[1::2], strict=True):
        x_bytes = 4 * mine["shape"][0] * mine["shape"][1]
        peaks = ["" if mine["peak_bytes"] is None else f"{peak / x_bytes:.1f}" for peak in mine["peak_bytes"] or (0, 0)]
        forward, step = (
            [time_text(mine[verb]), f"{hand[verb] / mine[verb]:.2f}×", f"{mine['bytes_an_entry'][verb]:.1f}", peak]
            for verb, peak in zip(("forward", "step"), peaks, strict=True)
        )
        cells.append([shape_text(mine["shape"]), *forward, *step])
    title = f"Circulant products, float32, {figures['library']} on {figures['device']}"
    speed = f"{bandwidth['bytes_per_second'] / 1e9:,.0f} GB/s"
    each = ["over by hand", "bytes an entry", "peak over x"]
    yield Table(f"{title}: {speed}", ["shape", "forward", *each, "step", *each], cells)


BENCHMARK = Benchmark("benchmarks.device", str(__doc__), measure, tables, options, ("torch", "cupy", "jax"))
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
