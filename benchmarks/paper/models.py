"""The networks of the experiments: convolutions, and fully-connected layers of one structure or another."""

import bisect
import functools
import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import nn

import structmat as sm
from structmat.nn.torch import (
    BlockCirculantLinear,
    CirculantLinear,
    FastfoodLinear,
    LowRankLinear,
    StructuredLinear,
)


class Arm(NamedTuple):
    """What the fully-connected layers of a network are."""

    kind: str
    widths: tuple[int, ...]  # of the hidden ones
    classifier: bool = False  # whether the last layer has the structure as well; otherwise it is dense

    def facts(self) -> dict[str, Any]:
        """What the record of a network says of it."""
        return {**self._asdict(), "widths": [*self.widths]}

    def groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """Groups of parameters for the optimiser: all alike."""
        return [{"params": [*model.parameters()]}]


def numbers(parameters: Iterable[torch.Tensor]) -> int:
    """How many numbers some parameters are."""
    return sum(value.numel() for value in parameters)


def storage(model: nn.Module) -> tuple[int, int]:
    """Learned parameters of a network, and bytes of all that it keeps: those, fixed columns, signs, permutations."""
    kept = (*model.parameters(), *model.buffers())
    return numbers(model.parameters()), sum(value.nbytes for value in kept)


def fastfood_numbers(d: int, k: int) -> int:
    """What adaptive Fastfood learns. It has no choice of storage, so the other structures take as much."""
    return numbers(FastfoodLinear(d, k, bias=False, device="meta").parameters())


def block_size(d: int, k: int, limit: int) -> int:
    """The least size of circulant blocks that learn no more than so many numbers."""
    return next(b for b in range(1, max(d, k) + 1) if b * math.ceil(d / b) * math.ceil(k / b) <= limit)


def toeplitz(d: int, k: int) -> nn.Module:
    """A learned Toeplitz matrix after fixed sign flips, with the variance of `CirculantLinear`."""
    draw = torch.get_default_dtype(), torch.empty(0).device
    column, row = (torch.randn(size, dtype=draw[0], device=draw[1]) / math.sqrt(d) for size in (k, d))
    signs = torch.randint(0, 2, (d,), device=draw[1]).to(torch.int8) * 2 - 1
    return StructuredLinear(sm.Toeplitz(column, row) @ sm.SignFlip(signs))


KINDS: dict[str, Callable[[int, int], nn.Module]] = {
    "dense": nn.Linear,
    "circulant": CirculantLinear,
    "circulant, random": lambda d, k: CirculantLinear(d, k, learn=False),
    "block circulant": lambda d, k: BlockCirculantLinear(d, k, block_size(d, k, fastfood_numbers(d, k))),
    "Fastfood": FastfoodLinear,
    "low rank": lambda d, k: LowRankLinear(d, k, max(1, fastfood_numbers(d, k) // (d + k))),
    "Toeplitz": toeplitz,
    **{f"block circulant, {b}": functools.partial(BlockCirculantLinear, block_size=b) for b in (8, 32, 128)},
    **{f"low rank, {r}": functools.partial(LowRankLinear, rank=r) for r in (8, 16, 32, 64)},
}
#: Kinds beside those of the first comparison: block sizes, and ranks from the storage of small blocks upwards.
STRUCTURES = tuple(KINDS)[6:]


def fully_connected(arm: Arm, features: int, classes: int, dropout: bool = False) -> list[nn.Module]:
    """Layers of the sizes of an arm, with rectifiers between them and dropout, if any, after those."""
    layers: list[nn.Module] = []
    sizes = (features, *arm.widths)
    for d, k in itertools.pairwise(sizes):
        layers += [KINDS[arm.kind](d, k), nn.ReLU(), *[nn.Dropout()] * dropout]
    return [*layers, KINDS[arm.kind if arm.classifier else "dense"](sizes[-1], classes)]


def lenet(arm: Arm, classes: int = 10) -> nn.Module:
    """LeNet as Caffe has it, for 28 × 28 pixels: two convolutions, and 800 features."""
    return nn.Sequential(
        *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2), nn.Flatten()),
        *fully_connected(arm, 800, classes),
    )


def one_hidden(arm: Arm, classes: int = 10) -> nn.Module:
    """A network of fully-connected layers alone, for 28 × 28 pixels."""
    return nn.Sequential(nn.Flatten(), *fully_connected(arm, 784, classes))


def cifar_net(arm: Arm, classes: int = 10) -> nn.Module:
    """Three convolutions in the style of AlexNet, overlapping pooling and normalisation, for 32 × 32 pixels."""

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        *(nn.Conv2d(3, 32, 5, padding=2), nn.ReLU(), nn.LocalResponseNorm(3), pool()),
        *(nn.Conv2d(32, 32, 5, padding=2), nn.ReLU(), nn.LocalResponseNorm(3), pool()),
        *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), pool(), nn.Flatten()),
        *fully_connected(arm, 1024, classes, dropout=True),
    )


def alexnet(arm: Arm, classes: int = 1000) -> nn.Module:
    """AlexNet with its two groups, for 227 × 227 pixels (Krizhevsky et al. 2012)."""
    return nn.Sequential(
        *(nn.Conv2d(3, 96, 11, 4), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
        *fully_connected(arm, 9216, classes, dropout=True),
    )


Build = Callable[[Arm], nn.Module]


def measured(build: Build, arm: Arm) -> tuple[int, int]:
    """`storage` of a network that is not built: its tensors have shapes only."""
    with torch.device("meta"):
        return storage(build(arm))


def reduced(build: Build, arm: Arm) -> Arm:
    """The widest dense network, all hidden layers alike, that takes no more bytes than another one."""
    limit = measured(build, arm)[1]

    def dense(width: int) -> Arm:
        return Arm("dense", (width,) * len(arm.widths))

    width = bisect.bisect_right(range(1, max(arm.widths)), limit, key=lambda w: measured(build, dense(w))[1])
    return dense(max(width, 1))


def arms(build: Build, widths: tuple[int, ...], wider: tuple[int, ...], *, classifier: bool = False) -> dict[str, Arm]:
    """All arms of an experiment: `classifier` tells whether the learned circulant ones take the last layer too."""
    circulant, large = (Arm("circulant", w, classifier) for w in (widths, wider))
    return {
        "dense": Arm("dense", widths),
        "circulant": circulant,
        "circulant, wider": large,
        "circulant, random": Arm("circulant, random", widths),
        "block circulant": Arm("block circulant", widths),
        "Fastfood": Arm("Fastfood", widths),
        "low rank": Arm("low rank", widths),
        "dense, reduced": reduced(build, large if classifier else circulant),
    }
