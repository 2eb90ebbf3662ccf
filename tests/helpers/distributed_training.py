"""What `tests/nn/test_distributed.py` starts in two processes: training on each one's share of the batches."""

import sys
from pathlib import Path
from typing import Any

import torch

from structmat.nn.torch import CirculantLinear, FastfoodLinear

STEPS, BATCH = 5, 8


def network(seed: int) -> torch.nn.Module:
    """A model with parameters and buffers, signs and a permutation."""
    generator = torch.Generator().manual_seed(seed)
    options = {"dtype": torch.float64, "generator": generator}
    layers = CirculantLinear(12, 20, **options), torch.nn.Tanh(), FastfoodLinear(20, 5, **options)
    return torch.nn.Sequential(*layers)


def train(model: torch.nn.Module, rank: int = 0, world: int = 1) -> None:
    """Take every world-th vector of the same batches."""
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(STEPS):
        x, y = (torch.randn(BATCH, n, dtype=torch.float64, generator=generator)[rank::world] for n in (12, 5))
        optimiser.zero_grad()
        (model(x) - y).square().mean().backward()
        optimiser.step()


def gradients(model: torch.nn.Module, x: Any) -> dict[str, Any]:
    """Products and gradients of a model."""
    y = model(x)
    y.square().sum().backward()
    found = {"y": y.detach(), "x": x.grad, **{name: value.grad for name, value in model.named_parameters()}}
    return {name: value.full_tensor() if hasattr(value, "full_tensor") else value for name, value in found.items()}


def vectors() -> torch.Tensor:
    """A batch that two processes don't share evenly."""
    return torch.randn(5, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def of_distributed_tensors() -> dict[str, Any]:
    """Gradients of DTensors: along the batch, along the vectors, and on both processes; and what is refused."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.tensor import Replicate, Shard, distribute_module, distribute_tensor

    mesh = init_device_mesh("cpu", (2,))
    found: dict[str, Any] = {}
    for place in (Shard(0), Shard(1), Replicate()):
        x = distribute_tensor(vectors(), mesh, [place]).requires_grad_()
        found[str(place)] = gradients(distribute_module(network(seed=0), mesh), x)
    for name, model, x in (
        ("module", network(seed=0), distribute_tensor(vectors(), mesh, [Shard(0)])),
        ("vectors", distribute_module(network(seed=0), mesh), vectors()),
    ):
        try:
            model(x)
        except TypeError as error:
            found[name] = str(error)
    return found


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    model = torch.nn.parallel.DistributedDataParallel(network(seed=rank))  # which begins with those of the first
    train(model, rank, world)
    torch.save(model.module.state_dict(), Path(sys.argv[1], f"{rank}of{world}.pt"))
    torch.save(of_distributed_tensors(), Path(sys.argv[1], f"tensors{rank}.pt"))
    torch.distributed.destroy_process_group()
