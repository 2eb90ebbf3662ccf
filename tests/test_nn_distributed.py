"""Training in several processes: two, each with half of every batch, end where one does."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from backends import library

import structmat as sm

torch = library("torch")
Module = torch.nn.Module  # where PyTorch is left out, the file ends here
script = library("distributed_training")


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    alone = script.network(seed=0)
    before = {name: value.clone() for name, value in alone.state_dict().items()}
    script.train(alone)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d"]
    command += ["--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1", script.__file__, str(tmp_path)]
    root = Path(sm.__file__).parents[1]
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))  # where there is no network too
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback, "PYTHONPATH": str(root)}
    ran = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    first, second = (torch.load(tmp_path / f"{rank}of2.pt", weights_only=True) for rank in (0, 1))
    for name, value in alone.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-10, atol=1e-12)
        assert torch.equal(value, before[name]) != value.is_floating_point()  # constants stay, parameters moved
