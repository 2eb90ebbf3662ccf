"""What the error of a circulant layer depends on: a factorial study on validation images.

The layer of a network with one hidden layer is learned or random, with sign flips or without; its column begins at
several scales, has a step size of its own, and weight decay or none. Every combination is trained on four fifths of the
training images, and its error is that on the rest; test images are not used.
"""

import itertools
import statistics
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from benchmarks.paper.data import apart
from benchmarks.paper.experiments import VALIDATION, Experiment, Laboratory, Plan, Record
from benchmarks.paper.report import mean_and_error, plus_minus
from benchmarks.paper.train import Settings
from structmat.nn.torch import CirculantLinear

FACTORS: dict[str, tuple[Any, ...]] = {
    "learned": (True, False),
    "signs": (True, False),
    "scale": (1.0, 0.25, 4.0),
    "step": (1.0, 0.1, 10.0),
    "decay": (0.0, 0.1),
}
COLUMN = "column", "blocks"  # the names of its parameter: one circulant, or several on top of each other
COLUMN_ONLY = "step", "decay"  # nothing for a column that is not learned


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
    for values in itertools.product(*FACTORS.values()):
        setting = Setting(widths, *values)
        if not setting.learned:
            setting = setting._replace(**{name: FACTORS[name][0] for name in COLUMN_ONLY})
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


# ---------------------------------------------------------------------- tables


def errors(runs: Sequence[Record], **levels: Any) -> dict[int, float]:
    """Return the mean error of each seed over the circulant settings with some levels."""
    found: dict[int, list[float]] = {}
    for run in runs:
        if not run["dense"] and all(run[name] == level for name, level in levels.items()):
            found.setdefault(run["seed"], []).append(run["error_percent"])
    return {seed: statistics.mean(values) for seed, values in found.items()}


def differences(one: dict[int, float], other: dict[int, float]) -> tuple[float, float | None]:
    """Return the mean of paired differences, and its standard error."""
    return mean_and_error([one[seed] - other[seed] for seed in sorted(one)])


def effects(runs: Sequence[Record]) -> list[list[str]]:
    """Compare each level of a factor with its first one, over all settings of learned layers that have either."""
    rows = []
    for name, (first, *others) in FACTORS.items():
        fixed = {} if name == "learned" else {"learned": True}
        if name == "learned":
            fixed = {each: FACTORS[each][0] for each in COLUMN_ONLY}  # those that random layers have
        base = errors(runs, **fixed, **{name: first})
        for level in others:
            found = errors(runs, **fixed, **{name: level})
            rows.append(
                [name, f"{level}, not {first}", plus_minus(mean_and_error(found.values())),
                 plus_minus(differences(found, base), "+")]
            )  # fmt: skip
    return rows


def best(runs: Sequence[Record], count: int = 5) -> list[list[str]]:
    """Return the dense layer, the default circulant one and the best settings, with differences to the dense layer."""
    dense = {run["seed"]: run["error_percent"] for run in runs if run["dense"]}
    grouped: dict[tuple[Any, ...], dict[int, float]] = {}
    for run in runs:
        if not run["dense"]:
            grouped.setdefault(tuple(run[name] for name in FACTORS), {})[run["seed"]] = run["error_percent"]
    default = tuple(levels[0] for levels in FACTORS.values())
    ranked = sorted(grouped, key=lambda values: (statistics.mean(grouped[values].values()), str(values)))
    rows = [["dense", *[""] * len(FACTORS), plus_minus(mean_and_error(dense.values())), ""]]
    for title, values in [("default", default), *((f"{place}", each) for place, each in enumerate(ranked[:count], 1))]:
        found = grouped[values]
        cells = [str(value) if isinstance(value, bool) else f"{value:g}" for value in values]
        rows.append(
            [title, *cells, plus_minus(mean_and_error(found.values())), plus_minus(differences(found, dense), "+")]
        )
    return rows


def tables(figures: Record) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Return titles, headings and rows of both tables."""
    runs = figures["runs"]
    yield "Effects", ["factor", "level", "error, %", "difference, points"], effects(runs)
    yield "Best settings", ["", *FACTORS, "error, %", "minus dense"], best(runs)
