"""One way to train for all networks: Adam, a step size that rises and falls along a cosine, and checkpoints.

A run that was cut off goes on from its last epoch and ends, on a CPU, with the same bits as one that was not.
"""

import math
import pickle
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.paper.data import Images
from structmat._files import replacing

STATISTICS = 2000  # training images at most that mean and standard deviation are taken from
TEST_BATCH = 500
WARM_UP = 0.1  # share of all steps in which the step size rises


class DivergenceError(Exception):
    """The loss or a parameter became infinite or not a number."""


class CheckpointError(Exception):
    """A checkpoint can't be read, or is of another run."""


class Settings(NamedTuple):
    """How a network is trained."""

    epochs: int
    batch: int
    rate: float  # before it falls
    seed: int


class Scale(NamedTuple):
    """Mean and standard deviation of each channel of the training images, of pixels from 0 to 1."""

    mean: torch.Tensor
    deviation: torch.Tensor

    @classmethod
    def of(cls, images: Images, device: torch.device) -> "Scale":
        count = len(images.labels)
        seen, total, squares = 0, torch.zeros(()), torch.zeros(())
        for chosen in torch.arange(0, count, -(-count // STATISTICS)).split(TEST_BATCH):
            x = images.batch(chosen).double() / 255
            seen += x[:, 0].numel()
            total, squares = total + x.sum((0, 2, 3)), squares + x.square().sum((0, 2, 3))
        variance = (squares - total**2 / seen) / (seen - 1)
        deviation = variance.sqrt().clamp(min=1 / 255)
        return cls(*(value[:, None, None].float().to(device) for value in (total / seen, deviation)))

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        x = (pixels.to(self.mean.device).float() / 255 - self.mean) / self.deviation
        return x.contiguous(memory_format=torch.channels_last)  # in which convolutions take half the time on a CPU


def rate_at(settings: Settings, share: float) -> float:
    """The step size after a share of all steps; it rises first, since large first steps can silence all rectifiers."""
    return settings.rate * min(1.0, share / WARM_UP) * (1 + math.cos(math.pi * share)) / 2


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The state of PyTorch's own generators, which dropout draws from."""
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, which takes the place of the one before only once it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        torch.save(state, file)


def load(path: Path, settings: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Read a checkpoint of tensors and plain numbers; nothing else is unpickled."""
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        kept = state["settings"]
    except (OSError, EOFError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path}: not a checkpoint ({reason}); remove it to begin anew") from None
    if kept != settings:
        other = ", ".join(f"{name} {kept.get(name)}" for name in settings if kept.get(name) != settings[name])
        raise CheckpointError(f"{path}: is of another run ({other}); remove it or name another folder")
    return state


def train(
    model: nn.Module,
    images: Images,
    scale: Scale,
    settings: Settings,
    *,
    device: torch.device,
    checkpoint: Path | None = None,
    identity: dict[str, Any] | None = None,
    tell: Callable[[int], None] = lambda epochs: None,
    groups: Callable[[nn.Module], list[dict[str, Any]]] = lambda model: [{"params": [*model.parameters()]}],
) -> list[float]:
    """Train a network in place.

    With a path of a checkpoint it goes on from there, and writes one after each epoch; `identity` is what must agree
    beside the settings. `tell` is told how many epochs are done. `groups` are those of the optimiser; "times" in one of
    them multiplies its step size. Returns the mean loss of each epoch.
    """
    model.to(device, memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(groups(model), settings.rate, weight_decay=0)
    generator = torch.Generator().manual_seed(settings.seed)
    state: dict[str, Any] = {"settings": {**settings._asdict(), **(identity or {})}, "losses": []}
    if checkpoint is not None and checkpoint.exists():
        state = load(checkpoint, state["settings"], device)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        generator.set_state(state["order"])
        torch.set_rng_state(state["random"]["cpu"])
        if "cuda" in state["random"]:
            torch.cuda.set_rng_state(state["random"]["cuda"], device)
    done, count = len(state["losses"]), len(images.labels)
    steps = -(-count // settings.batch)
    tell(done)
    for epoch in range(done, settings.epochs):
        total = 0.0
        order = torch.randperm(count, generator=generator)
        for step, chosen in enumerate(order.split(settings.batch)):
            for group in optimizer.param_groups:
                rate = rate_at(settings, (epoch + (step + 1) / steps) / settings.epochs)
                group["lr"] = rate * group.get("times", 1)
            optimizer.zero_grad()
            x = scale(images.batch(chosen, generator))
            loss = nn.functional.cross_entropy(model(x), images.labels[chosen].to(device))
            if not math.isfinite(value := loss.item()):
                raise _diverged(f"the loss is {value}", epoch, step, settings, checkpoint)
            loss.backward()
            optimizer.step()
            total += value * len(chosen)
        if not all(value.isfinite().all() for value in model.parameters()):
            raise _diverged("a parameter is not finite", epoch, steps - 1, settings, checkpoint)
        state["losses"].append(total / count)
        if checkpoint is not None:
            parts = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            save(checkpoint, {**state, **parts, "order": generator.get_state(), "random": random_state(device)})
        tell(epoch + 1)
    losses: list[float] = state["losses"]
    return losses


def _diverged(what: str, epoch: int, step: int, settings: Settings, checkpoint: Path | None) -> DivergenceError:
    kept = "there is no checkpoint"
    if checkpoint is not None and checkpoint.exists():
        kept = f"the checkpoint of epoch {epoch} is kept in {checkpoint}"
    return DivergenceError(f"{what} in epoch {epoch + 1}, step {step + 1}, rate {settings.rate}: stopped; {kept}")


@torch.no_grad()
def evaluate(model: nn.Module, images: Images, scale: Scale, device: torch.device) -> tuple[float, float]:
    """Error in percent, and that of the five best guesses."""
    model.eval()
    wrong = torch.zeros(2, dtype=torch.int64)
    for chosen in torch.arange(len(images.labels)).split(TEST_BATCH):
        scores = model(scale(images.batch(chosen)))
        hits = scores.topk(min(5, scores.shape[1])).indices == images.labels[chosen, None].to(device)
        wrong += torch.stack([(~hits[:, 0]).sum(), (~hits.any(1)).sum()]).cpu()
    first, five = wrong.tolist()
    return 100 * first / len(images.labels), 100 * five / len(images.labels)


def times(
    models: dict[str, nn.Module], x: torch.Tensor, labels: torch.Tensor, rounds: int
) -> dict[str, dict[str, float]]:
    """Microseconds an image in training and in testing, once the images are there.

    Medians of rounds in which the networks take turns, so that they share the noise of the machine.
    """

    def training(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), labels).backward()
        optimizer.step()

    def testing(model: nn.Module, _: torch.optim.Optimizer) -> None:
        with torch.no_grad():
            model(x)

    found: dict[str, dict[str, list[float]]] = {name: {"training": [], "testing": []} for name in models}
    optimizers = {name: torch.optim.Adam(model.parameters()) for name, model in models.items()}
    for turn in range(rounds + 1):
        for name, model in models.items():
            for call in (training, testing):
                model.train(call is training)
                begin = time.perf_counter()
                call(model, optimizers[name])
                if x.is_cuda:
                    torch.cuda.synchronize()
                if turn:  # the first one only warms up
                    found[name][call.__name__].append(1e6 * (time.perf_counter() - begin) / len(x))
    return {name: {what: statistics.median(took) for what, took in both.items()} for name, both in found.items()}
