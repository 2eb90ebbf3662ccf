"""Time and memory of circulant and block-circulant layers, float32: `python -m benchmarks.layers --help`.

Each layer is compared with PyTorch's autograd over rfft, the function of PEFT's C3A and a dense layer; an adapter with
C3A's.
"""

import argparse
import copy
import functools
import itertools
import sys
from collections.abc import Callable, Iterator

import peft
import torch
from peft.tuners.c3a.layer import C3ALinear
from peft.tuners.c3a.utils import BlockCircularConvolution
from torch.profiler import ProfilerActivity, profile

from benchmarks.harness import Benchmark, Progress
from benchmarks.measuring import Call, Figures, interleaved
from benchmarks.tables import Table
from structmat.__main__ import count
from structmat.nn.peft import BlockCirculantConfig, BlockCirculantLayer
from structmat.nn.torch import BlockCirculantLinear, CirculantLinear, StructuredLinear

STEPS = ((1024, None, 1024), (4096, None, 128), (4096, 512, 128))  # features, block size, batch
ADAPTER = (1024, 256, 512)
SMALL = (64, None, 8)
Calls = dict[str, Call]
Product = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Written(torch.nn.Module):
    """A circulant layer with signs and bias, or one of circulant blocks, by another product."""

    def __init__(self, layer: StructuredLinear, weights: torch.Tensor, product: Product) -> None:
        super().__init__()
        self.weights, self.bias = (torch.nn.Parameter(value.detach().clone()) for value in (weights, layer.bias))
        self.signs = layer.signs.to(weights.dtype) if hasattr(layer, "signs") else None
        self.product = product

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.product(x if self.signs is None else x * self.signs, self.weights) + self.bias


def by_transforms(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Multiply as a user would write it: PyTorch's own transforms and derivatives."""
    if w.ndim == 1:
        return torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(w), n=len(w))
    p, q, b = w.shape
    products = torch.einsum("nqf,pqf->npf", torch.fft.rfft(x.reshape(-1, q, b)), torch.fft.rfft(w))
    return torch.fft.irfft(products, n=b).reshape(-1, p * b)


def layers(n: int, block_size: int | None = None) -> dict[str, torch.nn.Module]:
    """Return layers of n features that compute the same, and a dense layer."""
    if block_size is None:
        layer: StructuredLinear = CirculantLinear(n, n)
        columns = layer.column
    else:
        layer = BlockCirculantLinear(n, n, block_size)
        columns = layer.blocks
    rows = torch.roll(torch.flip(columns, (-1,)), 1, -1).reshape(-1, n // (block_size or n), columns.shape[-1])
    return {
        "structmat": layer,
        "rfft": Written(layer, columns, by_transforms),
        "c3a": Written(layer, rows, BlockCircularConvolution.apply),
        "dense": torch.nn.Linear(n, n),
    }


def adapters(n: int, block_size: int) -> dict[str, torch.nn.Module]:
    """Return two adapters of one frozen layer with the same kernel: ours and PEFT's C3A."""
    dense = torch.nn.Linear(n, n).requires_grad_(False)
    ours = BlockCirculantLayer(dense, "a", block_size, BlockCirculantConfig(init_weights="gaussian"))
    theirs = C3ALinear(copy.deepcopy(dense), "a", peft.C3AConfig(), block_size)
    theirs.c3a_kernel["a"].data = ours.structmat_kernel["a"].detach().clone()
    return {"structmat": ours, "c3a": theirs}


def step(layer: torch.nn.Module, x: torch.Tensor, g: torch.Tensor) -> None:
    """Compute the product and all gradients."""
    x.grad = None
    layer.zero_grad()
    layer(x).backward(g)


def kept(layer: torch.nn.Module, x: torch.Tensor) -> int:
    """Count the bytes that a layer keeps from forward to backward, without its input and parameters."""
    known = {value.untyped_storage().data_ptr() for value in (x, *layer.parameters(), *layer.buffers())}
    found: dict[int, int] = {}

    def pack(value: torch.Tensor) -> torch.Tensor:
        memory = value.untyped_storage()
        if memory.data_ptr() not in known:
            found[memory.data_ptr()] = memory.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        y = layer(x)
    del y
    return sum(found.values())


def peak(call: Call) -> int:
    """Return the peak of the bytes that a call allocates, its results included.

    PyTorch's profiler records each block that its allocator allocates or frees, so the figure is exact and the same in
    every run. Memory that the FFT library allocates for itself is not recorded.
    """
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as watched:
        call()
    blocks = [event for event in watched.profiler.kineto_results.events() if event.name() == "[memory]"]
    blocks.sort(key=lambda event: event.start_ns())
    return max(itertools.accumulate(event.nbytes() for event in blocks), default=0)


def medians(calls: Calls, rounds: int) -> dict[str, float]:
    """Time each call, in microseconds."""
    return {name: 1e6 * seconds for name, seconds in interleaved(calls, rounds=rounds).items()}


def measured(compared: dict[str, torch.nn.Module], n: int, batch: int, rounds: int) -> Figures:
    """Measure time and memory of a training step of each layer."""
    x, g = torch.randn(batch, n, requires_grad=True), torch.randn(batch, n)
    memory: dict[str, dict[str, int]] = {"bytes_kept": {}, "peak_bytes": {}}
    for name, layer in compared.items():
        memory["bytes_kept"][name] = kept(layer, x)
        x.grad = None
        memory["peak_bytes"][name] = peak(functools.partial(step, layer, x, g))
    calls: Calls = {name: functools.partial(step, layer, x, g) for name, layer in compared.items()}
    return {"microseconds": medians(calls, rounds), **memory}


def measure(threads: int, rounds: int, steps: tuple[tuple[int, int | None, int], ...] = STEPS) -> Iterator[Figures]:
    """Return one row for each training step, one for adapters, and two for a small forward."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    for n, b, batch in steps:
        row = {"what": "training step", "threads": threads, "n": n, "block_size": b, "batch": batch}
        yield {**row, **measured(layers(n, b), n, batch, rounds)}
    n, b, batch = ADAPTER
    row = {"what": "adapter step", "threads": threads, "n": n, "block_size": b, "batch": batch}
    yield {**row, **measured(adapters(n, b), n, batch, rounds)}
    n, b, batch = SMALL
    small = torch.randn(batch, n)
    for graph in (False, True):
        calls = {name: functools.partial(layer, small) for name, layer in layers(n).items()}
        with torch.set_grad_enabled(graph):
            times = medians(calls, 10 * rounds)
        what = "forward with graph" if graph else "forward"
        row = {"what": what, "threads": threads, "n": n, "block_size": b, "batch": batch}
        yield {**row, "microseconds": times}


OTHERS = "rfft", "c3a", "dense"


def table(title: str, rows: list[Figures], figures: str, unit: float) -> Table:
    """Format one kind of figures: ours, and the others as multiples of it."""
    cells = []
    for row in rows:
        values = row[figures]
        facts = (str(row[key] or "") for key in ("what", "threads", "n", "block_size", "batch"))
        ratios = (f"{values[name] / values['structmat']:.2f}" if name in values else "" for name in OTHERS)
        cells.append([*facts, f"{values['structmat'] / unit:,.0f}", *ratios])
    return Table(title, ["what", "threads", "n", "block", "batch", "structmat", *OTHERS], cells)


def tables(figures: Figures) -> Iterator[Table]:
    """Format times, and the peaks of memory, which do not depend on threads."""
    rows = figures["rows"]
    steps = [row for row in rows if "peak_bytes" in row and row["threads"] == rows[0]["threads"]]
    yield table("Microseconds, medians; the others as multiples", rows, "microseconds", 1)
    yield table("Peak memory of a step, KiB; the others as multiples", steps, "peak_bytes", 1024)


def options(parser: argparse.ArgumentParser) -> None:
    """Add threads and rounds."""
    parser.add_argument("--threads", nargs="+", type=count, default=[1, 2], metavar="N", help="threads (%(default)s)")
    parser.add_argument("--rounds", type=count, default=25, metavar="N", help="rounds of each (%(default)s)")


def run(arguments: argparse.Namespace, progress: Progress) -> Figures:
    """Measure with each number of threads."""
    threads, rounds, steps = (
        ([1], 3, ((64, None, 8), (64, 16, 8))) if arguments.quick else (arguments.threads, arguments.rounds, STEPS)
    )
    return {"rounds": rounds, "rows": [row for number in threads for row in measure(number, rounds, steps)]}


BENCHMARK = Benchmark("benchmarks.layers", str(__doc__), run, tables, options, ("torch", "peft"))
main = BENCHMARK.main

if __name__ == "__main__":
    sys.exit(main())
