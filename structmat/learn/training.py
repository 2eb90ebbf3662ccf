"""Training by stochastic gradients, on arrays of any library: the optimiser, the loss of a classifier, the loop."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, Self

from structmat._backend import devices, dtypes, namespaces, random
from structmat._backend.types import RNG, Array


class Model(Protocol):
    """A trainable model: parameters, and a loss with its gradients."""

    @property
    def params(self) -> tuple[Array, ...]:
        """The trained parameters."""

    def with_params(self, params: Sequence[Array]) -> Self:
        """Return the same model with other parameters."""

    def loss_and_gradients(self, x: Array, labels: Array) -> tuple[float, tuple[Array, ...]]:
        """Return the loss of a batch, and its gradient with respect to each of `params`."""


def cross_entropy(scores: Array, labels: Array) -> tuple[float, Array]:
    """Return the mean cross-entropy of a batch, and its gradient with respect to the scores (B, classes)."""
    xp = namespaces.of(scores)
    classes = xp.arange(scores.shape[-1], dtype=labels.dtype, device=devices.of(scores))
    right = dtypes.astype(xp, labels[:, None] == classes, scores.dtype)
    z = scores - xp.max(scores, axis=-1, keepdims=True)
    exp = xp.exp(z)
    total = xp.sum(exp, axis=-1, keepdims=True)
    loss = xp.mean(xp.log(total[:, 0]) - xp.sum(z * right, axis=-1))
    return float(loss), (exp / total - right) / scores.shape[0]


class Adam:
    """Adam, by Kingma and Ba (ICLR 2015), with its default constants."""

    def __init__(self, params: Sequence[Array]) -> None:
        self.steps = 0
        self.moments = [(0 * p, 0 * p) for p in params]

    def step(self, params: Sequence[Array], grads: Sequence[Array], rate: float) -> list[Array]:
        """Return the parameters after one step."""
        self.steps += 1
        rate *= (1 - 0.999**self.steps) ** 0.5 / (1 - 0.9**self.steps)
        self.moments = [
            (mean + 0.1 * (grad - mean), square + 0.001 * (grad * grad - square))
            for grad, (mean, square) in zip(grads, self.moments, strict=True)
        ]
        return [
            p - rate * mean / (namespaces.of(p).sqrt(square) + 1e-8)
            for p, (mean, square) in zip(params, self.moments, strict=True)
        ]


def train(model: Model, x: Array, labels: Array, *, epochs: int, batch: int, rate: float, rng: RNG) -> Iterator[Any]:
    """Train with Adam on shuffled batches; the step size decreases to zero along a cosine.

    Parameters
    ----------
    model : Model
        The initial model.
    x : array, shape (N, d)
        Vectors.
    labels : array of int, shape (N,)
        Their classes.
    epochs : int
        Number of passes over the data.
    batch : int
        Approximate number of vectors in a batch.
    rate : float
        Initial step size.
    rng : int, numpy.random.Generator or None
        Seed or generator of the order of the vectors.

    Yields
    ------
    model : Model
        The model after each epoch.
    loss : float
        Mean loss over the batches of the epoch.
    """
    xp, rng, N = namespaces.of(x), random.generator(rng), x.shape[0]
    optimiser = Adam(model.params)
    batches = max(1, N // batch)
    for epoch in range(epochs):
        order, losses = devices.from_host(rng.permutation(N), xp, device=devices.of(x)), []
        for i in range(batches):
            indices = order[i * N // batches : (i + 1) * N // batches]
            loss, grads = model.loss_and_gradients(xp.take(x, indices, axis=0), xp.take(labels, indices, axis=0))
            progress = (epoch + i / batches) / epochs
            step_size = rate * (1 + math.cos(math.pi * progress)) / 2
            model = model.with_params(optimiser.step(model.params, grads, step_size))
            losses.append(loss)
        yield model, sum(losses) / batches
