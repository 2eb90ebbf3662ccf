"""The demonstration: circulant layers beside dense ones on real digits, and how the time of a product grows.

The claim is that of Cheng et al. (ICCV 2015): a circulant projection, x ↦ R D x, can stand for a fully-connected layer
at O(d) parameters and O(d log d) time, with little loss. `run` measures; `report` shows.
"""

import statistics
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, NamedTuple, Self

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from threadpoolctl import threadpool_limits

from structmat.core import LinearOperator
from structmat.demo.network import BATCH, Images, Network, digits, gaussian
from structmat.learn.training import train
from structmat.operators import Dense
from structmat.projections import circulant_projection

Figures = dict[str, Any]

PIXELS = 784
WIDTH = 2 * PIXELS
NARROW = 24  # as many parameters in the whole network as with a circulant layer: 19,090 against 18,826

VECTORS = 32
BUDGET = 0.4  # seconds for the timing of one product, at least
SIZES = tuple(2**e for e in range(8, 21))
DENSE_LIMIT = 2**14  # a dense matrix takes 1 GiB there


class Kind(NamedTuple):
    """How a hidden layer is drawn, and the first step size that its network is trained with."""

    make: Callable[[np.random.Generator], LinearOperator]
    rate: float


# Rates, width and epochs were chosen by cross-validation on the training images, without a look at the test images.
LAYERS = {
    "dense": Kind(lambda rng: gaussian(WIDTH, PIXELS, rng), 0.002),
    "circulant, learned": Kind(lambda rng: circulant_projection(PIXELS, WIDTH, rng=rng, dtype="float32"), 0.003),
    "circulant, random": Kind(lambda rng: circulant_projection(PIXELS, WIDTH, rng=rng, dtype="float32").freeze(), 0.01),
    "dense, narrow": Kind(lambda rng: gaussian(NARROW, PIXELS, rng), 0.03),
}


class Backend(NamedTuple):
    """What trains a network and what multiplies, made of operators and arrays of NumPy."""

    asarray: Callable[[Any], Any]
    network: Callable[[Network], Any]
    product: Callable[[LinearOperator], Callable[[Any], Any]]

    @classmethod
    def of(cls, name: str) -> Self:
        """Return "numpy", operators with gradients of their own, or "torch", layers with PyTorch's autograd."""
        if name == "numpy":
            return cls(np.asarray, lambda network: network, lambda A: A.matvec)
        import torch

        from structmat.demo import layers

        return cls(torch.asarray, layers.Layers, layers.product)


def microseconds(product: Callable[[Any], Any], x: Any) -> float:
    """Time a product, in microseconds a vector: the best of many, since other load only ever adds time."""
    product(x)
    times: list[float] = []
    while len(times) < 3 or sum(times) < BUDGET:
        start = perf_counter()
        product(x)
        times.append(perf_counter() - start)
    return 1e6 * min(times) / len(x)


def measure_layers(backend: Backend, seeds: int, epochs: int, progress: Progress) -> list[Figures]:
    """Train networks around each kind of layer.

    Parameters
    ----------
    backend : Backend
        Trains them.
    seeds : int
        Networks of each kind.
    epochs : int
        Passes over the training images.
    progress : rich.progress.Progress
        Shows one bar a kind.

    Returns
    -------
    list of dict
        What the table shows, for each of `LAYERS`, with the error and the losses of every seed.
    """
    training, test = (Images(*map(backend.asarray, part)) for part in digits())
    tasks = [progress.add_task(f"train: {name}", start=False, total=seeds * epochs) for name in LAYERS]
    results = []
    for task, (name, kind) in zip(tasks, LAYERS.items(), strict=True):
        progress.start_task(task)
        errors: list[float] = []
        losses: list[list[float]] = []
        seconds: list[float] = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            start = Network.around(kind.make(rng), rng)
            network = backend.network(start)
            losses.append([])
            steps = train(network, *training, epochs=epochs, batch=BATCH, rate=kind.rate, rng=rng)
            begun = perf_counter()
            for trained, loss in steps:
                network = trained
                losses[-1].append(loss)
                seconds.append(perf_counter() - begun)
                progress.advance(task)
                begun = perf_counter()
            errors.append(100 * network.error(test))
        layer = start.hidden
        results.append(
            {
                "layer": name,
                "shape": list(layer.shape),
                "learning_rate": kind.rate,
                "test_error_percent": statistics.mean(errors),
                "test_error_percent_sd": statistics.stdev(errors) if seeds > 1 else None,
                "test_errors_percent": errors,
                "losses": losses,
                "layer_parameters": sum(p.size for p in layer.params),
                "layer_bytes": layer.nbytes,
                "network_parameters": sum(p.size for p in start.params),
                "seconds_per_epoch": min(seconds),
                "microseconds_per_vector": microseconds(backend.product(layer), training.pixels[:BATCH]),
            }
        )
    return results


def measure_growth(backend: Backend, sizes: Sequence[int], progress: Progress) -> Figures:
    """Time products of a circulant projection and of a dense matrix as the dimension grows.

    Parameters
    ----------
    backend : Backend
        Multiplies.
    sizes : sequence of int
        At least two dimensions d; a dense matrix is made up to d = `DENSE_LIMIT`.
    progress : rich.progress.Progress
        Shows one bar.

    Returns
    -------
    dict
        Microseconds a vector for each d, and the exponent p of either time ∝ dᵖ, fitted by least squares on logarithms.
    """
    task = progress.add_task("time: growth with d", total=len(sizes))
    rng = np.random.default_rng(0)
    times: dict[str, dict[int, float]] = {"circulant": {}, "dense": {}}
    for d in sizes:
        x = backend.asarray(rng.standard_normal((VECTORS, d), np.float32))
        circulant = circulant_projection(d, rng=rng, dtype="float32")
        times["circulant"][d] = microseconds(backend.product(circulant), x)
        if d <= DENSE_LIMIT:
            times["dense"][d] = microseconds(backend.product(Dense(np.full((d, d), d**-0.5, np.float32))), x)
        progress.advance(task)
    return {
        "vectors_per_call": VECTORS,
        "microseconds_per_vector": [{"d": d, **{kind: times[kind].get(d) for kind in times}} for d in sizes],
        "slopes": {
            kind: statistics.linear_regression(np.log(list(found)), np.log(list(found.values()))).slope
            for kind, found in times.items()
        },
    }


def run(console: Console, seeds: int, epochs: int, backend: str = "numpy", sizes: Sequence[int] = SIZES) -> Figures:
    """Make all measurements of the demonstration, on one thread: SciPy's transforms use no more unless told to.

    Parameters
    ----------
    console : rich.console.Console
        Where progress is shown.
    seeds : int
        Networks of each kind.
    epochs : int
        Passes over the training images.
    backend : {"numpy", "torch"}, optional
        What trains and multiplies: operators in NumPy, or the layers of `structmat.nn.torch`.
    sizes : sequence of int, optional
        Dimensions whose products are timed.

    Returns
    -------
    dict
        Of plain numbers, strings, lists and dicts, ready for JSON.
    """
    columns = TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeElapsedColumn()
    start = perf_counter()
    chosen = Backend.of(backend)  # which loads PyTorch, before its threads are limited
    with threadpool_limits(1), Progress(*columns, console=console) as progress:
        layers = measure_layers(chosen, seeds, epochs, progress)
        growth = measure_growth(chosen, sizes, progress)
    settings = {"backend": backend, "seeds": seeds, "epochs": epochs, "batch": BATCH, "threads": 1}
    return {"settings": settings, "layers": layers, "growth": growth, "seconds": perf_counter() - start}
