"""What `tests/nn/test_distributed.py` starts in two processes: training on each one's share of the batches."""

import contextlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from structmat.nn.torch import BlockCirculantLinear, CirculantLinear, FastfoodLinear, LowRankLinear, ToeplitzLinear

STEPS, BATCH = 5, 8


def network(seed: int) -> torch.nn.Module:
    """A model of all layers, with parameters and buffers, signs and a permutation."""
    generator = torch.Generator().manual_seed(seed)
    options = {"dtype": torch.float64, "generator": generator}
    return torch.nn.Sequential(
        CirculantLinear(12, 20, **options),
        torch.nn.Tanh(),
        FastfoodLinear(20, 6, **options),
        ToeplitzLinear(6, 7, **options),
        BlockCirculantLinear(7, 6, block_size=3, **options),
        LowRankLinear(6, 5, rank=2, **options),
    )


def train(model: torch.nn.Module, rank: int = 0, world: int = 1, *, parts: int = 1) -> None:
    """Take every world-th vector of the same batches, and accumulate the gradients of several parts of them."""
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(STEPS):
        batch = [torch.randn(BATCH, n, dtype=torch.float64, generator=generator)[rank::world] for n in (12, 5)]
        optimiser.zero_grad()
        for part, (x, y) in enumerate(zip(*(each.chunk(parts) for each in batch), strict=True), 1):
            waits = part < parts and hasattr(model, "no_sync")
            with model.no_sync() if waits else contextlib.nullcontext():
                ((model(x) - y).square().mean() / parts).backward()
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


def whole(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state of a model whose tensors are divided among the processes."""
    return {
        name: value.full_tensor() if hasattr(value, "full_tensor") else value
        for name, value in model.state_dict().items()
    }


def sharded(checkpoint: str) -> dict[str, torch.Tensor]:
    """Train with fully sharded parameters, write a checkpoint on the way, and go on from it in another model."""
    from torch.distributed import checkpoint as dcp
    from torch.distributed.checkpoint.state_dict import get_model_state_dict, set_model_state_dict
    from torch.distributed.fsdp import fully_shard

    model = network(seed=0)
    for layer in model:
        if any(True for _ in layer.parameters()):
            fully_shard(layer)
    train(fully_shard(model), rank, world)
    trained = whole(model)
    dcp.save(get_model_state_dict(model), checkpoint_id=checkpoint)
    other = fully_shard(network(seed=1))
    state = get_model_state_dict(other)
    dcp.load(state, checkpoint_id=checkpoint)
    set_model_state_dict(other, state)
    for name, value in whole(other).items():
        assert torch.equal(value, trained[name]), name
    return trained


def replicated(prepare: Callable[[torch.nn.Module], torch.nn.Module], **options: Any) -> dict[str, torch.Tensor]:
    """Train a copy of the model in each process, which begins with those of the first."""
    model = torch.nn.parallel.DistributedDataParallel(network(seed=rank))
    train(prepare(model), rank, world, **options)
    state: dict[str, torch.Tensor] = model.module.state_dict()
    return state


def compiled(model: torch.nn.Module) -> torch.nn.Module:
    """Compile a model as `torch.compile` does, without a compiler of C++."""
    return torch.compile(model, backend="aot_eager")  # type: ignore[no-any-return]


if __name__ == "__main__":
    torch.distributed.init_process_group("gloo")
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    states = {
        "replicated": replicated(lambda model: model),
        "in parts": replicated(lambda model: model, parts=2),
        "compiled": replicated(compiled),
        "sharded": sharded(str(Path(sys.argv[1], "checkpoint"))),
    }
    torch.save(states, Path(sys.argv[1], f"{rank}of{world}.pt"))
    torch.save(of_distributed_tensors(), Path(sys.argv[1], f"tensors{rank}.pt"))
    torch.distributed.destroy_process_group()
    # Threads of gloo outlive their process group. Where one of them frees a tensor while the interpreter ends, the
    # process aborts (github.com/pytorch/pytorch/pull/179291), so the interpreter is not ended.
    os._exit(0)
