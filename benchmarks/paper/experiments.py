"""What is trained: every kind of layer, fewer training images, other widths at equal storage.

Each seed has its own split where the data have no test images of their own. Each arm and seed takes the step size that
does best on a fifth of its training images; test images choose nothing.
"""

import dataclasses
import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.progress import Progress

from benchmarks.paper.data import Data, Images, apart
from benchmarks.paper.models import (
    STRUCTURES,
    Arm,
    Build,
    alexnet,
    arms,
    cifar_net,
    lenet,
    one_hidden,
    reduced,
    storage,
)
from benchmarks.paper.train import CheckpointError, Scale, Settings, evaluate, times, train
from structmat._files import replacing

Record = dict[str, Any]

STUDIES = ("kinds", "samples", "width")
FURTHER_STUDIES = ("structures",)
SHARES = (8, 4, 2)  # the study of samples takes an eighth, a quarter and a half of a few thousand training images
SAMPLES = (500, 1000, 2000, 5000, 10_000)  # and these of many
MANY = 20_000  # training images
SAMPLED = ("dense", "circulant")
FEWER_SEEDS = 3  # at most, in the studies of samples and of width with a few thousand images
ROUNDS = 20  # that times are medians of
VALIDATION = 5  # a fifth of the training images


class Experiment(NamedTuple):
    """A network, its sizes, and how it is trained unless the command line says otherwise."""

    network: Any  # (Arm, classes) -> nn.Module
    widths: tuple[int, ...]  # of the hidden layers
    wider: tuple[int, ...]
    others: tuple[int, ...]  # widths, beside those, at which circulant layers meet dense ones of equal storage
    epochs: int
    batch: int
    rates: tuple[float, ...]
    classifier: bool = False  # whether circulant networks have a circulant last layer
    structures: bool = False  # whether there are arms of `STRUCTURES`


LENET = Experiment(lenet, (500,), (4000,), (100, 1000, 2000), 8, 100, (0.004, 0.008), structures=True)
ONE_HIDDEN = Experiment(one_hidden, (1024,), (8192,), (256, 2048, 4096), 8, 100, (0.001, 0.002, 0.004), structures=True)
EXPERIMENTS = {
    "mnist": LENET,
    "fashion-mnist": LENET._replace(rates=(0.001, 0.002, 0.004)),  # some dense networks diverge at 0.008
    "mnist-hidden": ONE_HIDDEN,
    "fashion-hidden": ONE_HIDDEN,
    "cifar10": Experiment(cifar_net, (256,), (1024,), (64, 4096), 60, 100, (0.0003, 0.001, 0.003)),
    "imagenet": Experiment(alexnet, (4096,) * 2, (2**14,) * 2, (1024,), 60, 128, (0.0003,), classifier=True),
}


class Plan(NamedTuple):
    """The arms of an experiment by name, and which of them are compared at equal storage."""

    build: Build
    arms: dict[str, Arm]
    pairs: list[tuple[str, str]]  # circulant, dense
    like: dict[str, str]  # arms of the study of widths, and the arm whose step size they take


def plan(experiment: Experiment, classes: int) -> Plan:
    """Work out sizes; nothing is built."""
    build: Build = functools.partial(experiment.network, classes=classes)
    found = arms(build, experiment.widths, experiment.wider, classifier=experiment.classifier)
    if experiment.structures:
        found |= {kind: Arm(kind, experiment.widths) for kind in STRUCTURES}
    like = {}
    pairs = []
    sizes = {width: f"circulant, {width:,}" for width in experiment.others}
    sizes |= {experiment.widths[0]: "circulant", experiment.wider[0]: "circulant, wider"}
    for width, name in sorted(sizes.items()):
        circulant = Arm("circulant", (width,) * len(experiment.widths), experiment.classifier)
        dense = reduced(build, circulant)
        partner = next((n for n, arm in found.items() if arm == dense), f"dense, {dense.widths[0]:,}")
        for new, arm, base in ((name, circulant, "circulant"), (partner, dense, "dense, reduced")):
            if new not in found:
                found[new] = arm
                like[new] = base
        pairs.append((name, partner))
    return Plan(build, found, pairs, like)


class Job(NamedTuple):
    """One network that is trained and tested."""

    name: str
    seed: int
    parts: int = 1  # of the training images it gets one


def jobs(plan: Plan, studies: list[str], kinds: list[str], seeds: int, images: int = 0) -> list[Job]:
    """Return the networks of the studies, each once, seed by seed, so that an interrupted run has whole seeds.

    With many training images the study of samples has absolute sizes, and twice as many seeds up to 5,000 images.
    """
    wanted: dict[Job, None] = {}
    many = images >= MANY
    shares = {images // size: seeds * (1 + (size <= 5000)) for size in SAMPLES} if many else {}
    shares = shares or dict.fromkeys(SHARES, min(seeds, FEWER_SEEDS))
    for seed in range(2 * seeds):
        if "kinds" in studies and seed < seeds:
            wanted |= {Job(name, seed): None for name in kinds}
        if "structures" in studies and seed < seeds:
            wanted |= {Job(name, seed): None for name in STRUCTURES}
        fewer = seeds if many else min(seeds, FEWER_SEEDS)
        if "samples" in studies:
            sizes = [parts for parts, count in {**shares, 1: fewer}.items() if seed < count]
            wanted |= {Job(name, seed, parts): None for parts in sizes for name in SAMPLED}
        if "width" in studies and seed < fewer:
            wanted |= {Job(name, seed): None for pair in plan.pairs for name in pair}
    return list(wanted)


@dataclasses.dataclass
class Laboratory:
    """Trains and tests networks; what a folder holds already is not done again."""

    plan: Plan
    data: Data
    epochs: int
    batch: int
    rates: tuple[float, ...]
    folder: Path
    device: torch.device
    progress: Progress
    trials: str = "each"  # whether each seed chooses its step size, or the first one for all
    done: Mapping[Job, Record] = dataclasses.field(default_factory=dict)  # of an earlier run

    def measure(self, wanted: list[Job]) -> Iterator[Record]:
        """Do the jobs, with bars for the networks and for the epochs of each."""
        bases = {self.base(job) for job in wanted}
        unknown = [base for base in bases if Job(*base) not in self.done]
        trials = len(unknown) * len(self.rates) if len(self.rates) > 1 else 0
        self.whole = self.progress.add_task("networks", total=len(wanted) + trials)
        self.part = self.progress.add_task("epochs")
        chosen: dict[tuple[str, int], float] = {}
        for job in wanted:
            base = self.base(job)
            training, tested = self.data.split(job.seed)
            if base not in chosen:
                chosen[base] = self.chosen_rate(*base, self.data.split(base[1])[0])
            if job.parts > 1:
                training = apart(training, job.parts, job.seed)[1]
            settings = Settings(self.epochs * job.parts, self.batch, chosen[base], job.seed)  # as many steps
            label = f"{job.name}, seed {job.seed}, 1/{job.parts} of the images"
            self.keep(job, label)
            yield {**job._asdict(), **self.trained(label, self.plan.arms[job.name], settings, training, tested)}

    def base(self, job: Job) -> tuple[str, int]:
        """Return the arm and the seed whose step size a job takes."""
        return self.plan.like.get(job.name, job.name), job.seed if self.trials == "each" else 0

    def keep(self, job: Job, label: str) -> None:
        """Put the record of an earlier run where `trained` looks for it."""
        path = self.paths(label)[0]
        if job in self.done and not path.exists():
            with replacing(path) as file:
                record = {name: value for name, value in self.done[job].items() if name not in job._fields}
                file.write_text(json.dumps(record | {"seed": job.seed}, allow_nan=False), encoding="utf-8")

    def chosen_rate(self, name: str, seed: int, training: Images) -> float:
        """The step size with the least error on a fifth of the training images, after half the epochs."""
        if len(self.rates) == 1:
            return self.rates[0]
        if (known := self.done.get(Job(name, seed))) is not None:
            return float(known["rate"])
        fit, held_out = apart(training, VALIDATION, seed)
        errors = {}
        for rate in self.rates:
            settings = Settings(max(1, self.epochs // 2), self.batch, rate, seed)
            label = f"{name}, seed {seed}, trial of rate {rate}"
            record = self.trained(label, self.plan.arms[name], settings, fit, held_out)
            errors[rate] = record["error_percent"]
            self.paths(label)[1].unlink(missing_ok=True)
        return min(errors, key=lambda rate: (errors[rate], rate))

    def times(self, kinds: list[str]) -> dict[str, dict[str, float]]:
        """Microseconds an image of networks side by side."""
        images = self.data.images
        x = Scale.of(images, self.device)(images.batch(torch.arange(min(self.batch, len(images.labels)))))
        models = {
            name: self.plan.build(self.plan.arms[name]).to(self.device, memory_format=torch.channels_last)
            for name in kinds
        }
        return times(models, x, images.labels[: len(x)].to(self.device), ROUNDS)

    def paths(self, label: str) -> tuple[Path, Path]:
        """Where the record and the checkpoint of a network go."""
        stem = re.sub(r"[^\w.]+", "-", label)
        return self.folder / f"{stem}.json", self.folder / f"{stem}.pt"

    def trained(self, label: str, arm: Any, settings: Settings, training: Images, tested: Images) -> Record:
        """Train one network and test it, or read what came out before."""
        path, checkpoint = self.paths(label)
        identity = {"data": self.data.name, "images": len(training.labels), "tested": len(tested.labels)}
        identity |= arm.facts()
        self.progress.reset(self.part, description=label, total=settings.epochs)
        record = self._known(path, {**settings._asdict(), **identity})
        if record is None:
            torch.manual_seed(settings.seed)  # convolutions come first, so all arms of a seed begin with the same ones
            model = self.plan.build(arm)
            parameters, bytes_ = storage(model)
            scale = Scale.of(training, self.device)
            told = {"device": self.device, "checkpoint": checkpoint, "identity": identity, "tell": self._tell}
            told["groups"] = arm.groups
            losses = train(model, training, scale, settings, **told)
            error, error_five = evaluate(model, tested, scale, self.device)
            record = {
                **identity,
                **settings._asdict(),
                "parameters": parameters,
                "bytes": bytes_,
                "error_percent": error,
                "top5_error_percent": error_five if self.data.classes > 10 else None,
                "loss": losses[-1],
                "losses": losses,
            }
            with replacing(path) as file:
                file.write_text(json.dumps(record, allow_nan=False), encoding="utf-8")
        self.progress.advance(self.whole)
        return record

    def _known(self, path: Path, identity: Record) -> Record | None:
        if not path.exists():
            return None
        try:
            record: Record = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CheckpointError(f"{path}: not a record ({error}); remove it to begin anew") from None
        if other := [name for name, value in identity.items() if record.get(name) != value]:
            raise CheckpointError(f"{path}: is of another run ({', '.join(other)}); remove it or name another folder")
        return record

    def _tell(self, epochs: int) -> None:
        self.progress.update(self.part, completed=epochs)
