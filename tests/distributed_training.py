"""What `tests/test_nn_distributed.py` starts in two processes: training on each one's share of the batches."""

import sys
from pathlib import Path

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


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    model = torch.nn.parallel.DistributedDataParallel(network(seed=rank))  # which begins with those of the first
    train(model, rank, world)
    torch.save(model.module.state_dict(), Path(sys.argv[1], f"{rank}of{world}.pt"))
    torch.distributed.destroy_process_group()
