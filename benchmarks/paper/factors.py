"""What the error of a circulant layer depends on: a factorial study on validation images.

The layer of a network with one hidden layer is learned or random, with sign flips or without; its column begins at
several scales, has a step size of its own, and weight decay or none. Every combination is trained on four fifths of the
training images, and its error is that on the rest; test images are not used.
"""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.paper import effects
from benchmarks.paper.data import apart
from benchmarks.paper.experiments import VALIDATION, Experiment, Laboratory, Plan, Record
from benchmarks.paper.train import Settings
from structmat.nn.torch import CirculantLinear

COLUMN = "column", "blocks"  # the names of its parameter: one circulant, or several on top of each other


class Setting(NamedTuple):
    """A circulant hidden layer, and how its column is trained; or a dense layer, for comparison."""

    widths: tuple[int, ...]
    learned: bool = True
    signs: bool = True
    scale: float = 1.0  # of the column at the beginning, times that of `CirculantLinear`
    step: float = 1.0  # the step size of the column, times that of the other parameters
    decay: float = 0.0  # decoupled weight decay of the column
    dense: bool = False

    def facts(self) -> Record:
        """What the record of a network says of it."""
        return {**self._asdict(), "widths": [*self.widths]}

    def groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Groups of parameters for the optimiser: the column, and all others."""
        values = dict(model.named_parameters())
        columns = [values.pop(name) for name in [*values] if name.endswith(COLUMN)]
        column = {"params": columns, "times": self.step, "weight_decay": self.decay}
        return [{"params": [*values.values()]}, *([column] if columns else [])]

    def build(self) -> nn.Module:
        """Make the network, for 28 × 28 pixels."""
        (width,) = self.widths
        if self.dense:
            layer: nn.Module = nn.Linear(784, width)
        else:
            layer = CirculantLinear(784, width, signs=self.signs, learn=self.learned)
            with torch.no_grad():
                for name, value in (*layer.named_parameters(), *layer.named_buffers()):
                    if name in COLUMN:
                        value.mul_(self.scale)
        return nn.Sequential(nn.Flatten(), layer, nn.ReLU(), nn.Linear(width, 10))

    @property
    def label(self) -> str:
        """What its files are named after."""
        return ", ".join(f"{name} {value}" for name, value in self.facts().items() if name != "widths")


def settings(widths: tuple[int, ...]) -> list[Setting]:
    """Return the dense layer, and all combinations of the factors that differ."""
    found = {Setting(widths, dense=True): None}
    for values in itertools.product(*effects.FACTORS.values()):
        setting = Setting(widths, *values)
        if not setting.learned:
            setting = setting._replace(**{name: effects.FACTORS[name][0] for name in effects.COLUMN_ONLY})
        found[setting] = None
    return list(found)


def plan(experiment: Experiment) -> Plan:
    """Return the settings as the arms of an experiment."""
    arms: dict[str, Any] = {setting.label: setting for setting in settings(experiment.widths)}
    return Plan(Setting.build, arms, [], {})  # type: ignore[arg-type]


def measure(laboratory: Laboratory, seeds: int) -> Iterator[Record]:
    """Train every setting with each seed on four fifths of the training images, and test it on the others."""
    arms = laboratory.plan.arms
    laboratory.whole = laboratory.progress.add_task("networks", total=seeds * len(arms))
    laboratory.part = laboratory.progress.add_task("epochs")
    (rate,) = laboratory.rates
    for seed in range(seeds):
        training, held_out = apart(laboratory.data.split(seed)[0], VALIDATION, seed)
        for name, setting in arms.items():
            schedule = Settings(laboratory.epochs, laboratory.batch, rate, seed)
            label = f"{name}, seed {seed}, factors"
            yield laboratory.trained(label, setting, schedule, training, held_out)
