"""Train with DistributedDataParallel: torchrun --nproc-per-node=2 torch_ddp.py FILE."""

import sys

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from structmat.nn.torch import CirculantLinear

dist.init_process_group("gloo")  # "nccl" on GPUs
torch.manual_seed(dist.get_rank())
layers = CirculantLinear(64, 128), torch.nn.ReLU(), CirculantLinear(128, 1)
model = DistributedDataParallel(torch.nn.Sequential(*layers))
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(100):
    x = torch.randn(32, 64)  # this process's share of the batch
    loss = (model(x) - x[:, :1].abs()).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
if dist.get_rank() == 0:
    torch.save(model.module.state_dict(), sys.argv[1])
dist.destroy_process_group()
