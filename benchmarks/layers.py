"""Time layers of PyTorch: `python -m benchmarks.layers --help`."""

import argparse
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.measuring import interleaved, save
from structmat.__main__ import about, writable
from structmat.nn.torch import CirculantLinear

STEPS = ((1024, 1024), (4096, 128))  # features, batch
SMALL = (64, 8)
Calls = dict[str, Callable[[], object]]


class Transforms(torch.nn.Module):
    """The same layer as a user would write it: PyTorch's own transforms and derivatives."""

    def __init__(self, layer: CirculantLinear) -> None:
        super().__init__()
        self.column, self.bias = (torch.nn.Parameter(p.detach().clone()) for p in (layer.column, layer.bias))
        self.signs = layer.signs.to(layer.column.dtype)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spectrum = torch.fft.rfft(x * self.signs)
        return torch.fft.irfft(spectrum * torch.fft.rfft(self.column), n=x.shape[-1]) + self.bias


def layers(n: int) -> dict[str, torch.nn.Module]:
    """What is compared."""
    layer = CirculantLinear(n, n)
    return {"structmat": layer, "rfft": Transforms(layer), "dense": torch.nn.Linear(n, n)}


def step(layer: torch.nn.Module, x: torch.Tensor, g: torch.Tensor) -> None:
    """Product, and all gradients."""
    x.grad = None
    layer.zero_grad()
    layer(x).backward(g)


def kept(layer: torch.nn.Module, x: torch.Tensor) -> int:
    """Bytes that a layer keeps from forward to backward, its input and parameters left out."""
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


def medians(calls: Calls, rounds: int) -> dict[str, float]:
    """Microseconds of each call."""
    return {name: 1e6 * seconds for name, seconds in interleaved(calls, rounds=rounds).items()}


def measure(threads: int, rounds: int, steps: tuple[tuple[int, int], ...] = STEPS) -> Iterator[dict[str, Any]]:
    """One row for each training step, and two for a small forward."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    for n, batch in steps:
        x, g = torch.randn(batch, n, requires_grad=True), torch.randn(batch, n)
        compared = layers(n)
        memory = {name: kept(layer, x) for name, layer in compared.items()}
        calls: Calls = {name: functools.partial(step, layer, x, g) for name, layer in compared.items()}
        row = {"what": "training step", "threads": threads, "n": n, "batch": batch}
        yield {**row, "microseconds": medians(calls, rounds), "bytes_kept": memory}
    n, batch = SMALL
    small = torch.randn(batch, n)
    for graph in (False, True):
        calls = {name: functools.partial(layer, small) for name, layer in layers(n).items()}
        with torch.set_grad_enabled(graph):
            times = medians(calls, 10 * rounds)
        what = "forward with graph" if graph else "forward"
        yield {"what": what, "threads": threads, "n": n, "batch": batch, "microseconds": times}


def main() -> int:
    """Measure, print a table, and write the figures if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.layers",
        description="A circulant layer against PyTorch's autograd over rfft and against a dense layer, float32.",
    )
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2], metavar="N", help="threads (%(default)s)")
    parser.add_argument("--rounds", type=int, default=25, metavar="N", help="times each is measured (%(default)s)")
    parser.add_argument("--json", type=writable, metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    if min(*arguments.threads, arguments.rounds) < 1:
        parser.error("threads and rounds must be at least 1")

    with Console(stderr=True).status("measuring"):
        rows = [row for threads in arguments.threads for row in measure(threads, arguments.rounds)]
    table = Table(title="Microseconds, medians", box=box.SIMPLE)
    for heading in ("what", "threads", "n", "batch", "structmat", "rfft", "dense", "rfft / ours", "dense / ours"):
        table.add_column(heading, justify="left" if heading == "what" else "right", no_wrap=True)
    for row in rows:
        times = row["microseconds"]
        ratios = (f"{times[name] / times['structmat']:.2f}" for name in ("rfft", "dense"))
        facts = (str(row[key]) for key in ("what", "threads", "n", "batch"))
        table.add_row(*facts, *(f"{value:,.0f}" for value in times.values()), *ratios)
    Console().print(table)
    if arguments.json:
        figures = {"about": {**about(), "torch": torch.__version__}, "rounds": arguments.rounds, "rows": rows}
        save(arguments.json, figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
