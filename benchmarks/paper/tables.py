"""Parameters and bytes of the networks, counted exactly on tensors that have shapes only."""

import itertools
from typing import Any

import torch

from benchmarks.paper.experiments import EXPERIMENTS, plan
from benchmarks.paper.models import KINDS, numbers, storage

Row = dict[str, Any]

# Of each network; that of Fashion-MNIST is that of MNIST.
CLASSES = {"mnist": 10, "cifar10": 10, "imagenet": 1000}
ALEXNET = 9216, 4096, 4096, 1000
LEARNED = [kind for kind in KINDS if kind != "circulant, random"]


def matrix(kind: str, d: int, k: int) -> int:
    """Learned numbers of the matrix of one layer, without its bias."""
    with torch.device("meta"):
        return numbers(KINDS[kind](d, k).parameters()) - k


def layers() -> list[Row]:
    """The matrices of AlexNet's fully-connected layers, each with the numbers that every kind has for it."""
    sizes = itertools.pairwise(ALEXNET)
    return [{"inputs": d, "outputs": k, **{kind: matrix(kind, d, k) for kind in LEARNED}} for d, k in sizes]


def networks() -> list[Row]:
    """Count each network of each experiment."""
    rows = []
    for experiment, classes in CLASSES.items():
        known = plan(EXPERIMENTS[experiment], classes)
        for name, arm in known.arms.items():
            with torch.device("meta"):
                model = known.build(arm)
            parameters, bytes_ = storage(model)
            convolved = (p for part in model.modules() if isinstance(part, torch.nn.Conv2d) for p in part.parameters())
            row = {"experiment": experiment, "name": name, **arm._asdict()}
            rows.append({**row, "parameters": parameters, "convolutions": numbers(convolved), "bytes": bytes_})
    return rows
