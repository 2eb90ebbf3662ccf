"""Training in several processes: two, each with half of every batch, end where one does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from backends import library

import structmat as sm

torch = library("torch")
Module = torch.nn.Module  # where PyTorch is left out, the file ends here
script = library("distributed_training")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both processes write."""
    folder = tmp_path_factory.mktemp("distributed")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    command += ["--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1", script.__file__, str(folder)]
    root = Path(sm.__file__).parents[1]
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))  # where there is no network too
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback, "PYTHONPATH": str(root)}
    ran = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.parametrize("way", ["replicated", "in parts", "compiled", "sharded"])
def test_two_processes_train_as_one(way: str, folder: Path) -> None:
    alone = script.network(seed=0)
    before = {name: value.clone() for name, value in alone.state_dict().items()}
    script.train(alone)
    first, second = (torch.load(folder / f"{rank}of2.pt", weights_only=True)[way] for rank in (0, 1))
    for name, value in alone.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-10, atol=1e-12)
        assert torch.equal(value, before[name]) != value.is_floating_point()  # constants stay, parameters moved


def test_distributed_tensors(folder: Path) -> None:
    """Products and gradients are those of one process, wherever the vectors are; half of the tensors is refused."""
    wanted = script.gradients(script.network(seed=0), script.vectors().requires_grad_())
    for rank in (0, 1):
        found = torch.load(folder / f"tensors{rank}.pt", weights_only=True)
        for place in ("S(0)", "S(1)", "R"):
            for name, value in wanted.items():
                torch.testing.assert_close(found[place][name], value, rtol=1e-12, atol=1e-12)
        assert "distribute_module" in found["module"]
        assert "distribute_tensor" in found["vectors"]
