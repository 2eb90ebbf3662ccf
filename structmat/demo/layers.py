"""The network as layers of PyTorch, trained by autograd."""

from collections.abc import Callable, Sequence
from typing import Self

import torch
from torch.nn.functional import cross_entropy

from structmat.core import LinearOperator
from structmat.demo.network import Floats, Images, Network
from structmat.nn.torch import StructuredLinear
from structmat.operators import Dense


def layer(A: LinearOperator, bias: Floats | None = None) -> torch.nn.Module:
    """Return the layer x ↦ A x + b; for a dense matrix a `torch.nn.Linear`."""
    if isinstance(A, Dense):
        made = torch.nn.Linear(A.n, A.m, bias=False, device="meta")
        made.weight = torch.nn.Parameter(torch.tensor(A.matrix))
    else:
        made = StructuredLinear(A.to(xp=torch), bias=False)
    if bias is not None:
        made.bias = torch.nn.Parameter(torch.tensor(bias))
    return made


def product(A: LinearOperator) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return x ↦ A x without a graph."""
    return torch.inference_mode()(layer(A).forward)  # type: ignore[no-any-return]


class Layers(torch.nn.Sequential):  # type: ignore[misc]
    """A PyTorch network with the parameters of a NumPy network."""

    def __init__(self, start: Network) -> None:
        super().__init__(layer(start.hidden, start.bias), torch.nn.ReLU(), layer(start.output, start.shift))

    @property
    def params(self) -> tuple[torch.Tensor, ...]:
        """The parameters, in the order of `Network.params`."""
        return tuple(self.parameters())

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def with_params(self, params: Sequence[torch.Tensor]) -> Self:
        """Copy other parameters into the layers, in place."""
        for old, new in zip(self.params, params, strict=True):
            old.copy_(new)
        return self

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def error(self, images: Images) -> float:
        """Return the fraction of misclassified images."""
        return float((self(images.pixels).argmax(dim=-1) != images.labels).double().mean())

    def loss_and_gradients(self, x: torch.Tensor, labels: torch.Tensor) -> tuple[float, tuple[torch.Tensor, ...]]:
        """Return the mean cross-entropy of a batch, and its gradient with respect to each of `params`."""
        loss = cross_entropy(self(x), labels)
        return loss.item(), torch.autograd.grad(loss, self.params)
