"""Train with fully sharded parameters: torchrun --nproc-per-node=2 torch_fsdp2.py FOLDER."""

import sys

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_model_state_dict
from torch.distributed.fsdp import fully_shard

from structmat.nn.torch import CirculantLinear

dist.init_process_group("gloo")  # "nccl" on GPUs
torch.manual_seed(0)
layers = CirculantLinear(64, 128), torch.nn.ReLU(), CirculantLinear(128, 1)
model = torch.nn.Sequential(*layers)
for layer in layers[::2]:
    fully_shard(layer)
fully_shard(model)
optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(100):
    x = torch.randn(32, 64)  # this process's share of the batch
    loss = (model(x) - x[:, :1].abs()).square().mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
dcp.save(get_model_state_dict(model), checkpoint_id=sys.argv[1])
dist.destroy_process_group()
