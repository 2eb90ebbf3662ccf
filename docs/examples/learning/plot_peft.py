"""
Adapting a transformer with few parameters
==========================================

A block-circulant adapter adds a matrix of few parameters to each dense layer of a model
that is otherwise frozen. `structmat.nn.peft` gives PEFT this method. This example
trains a tiny transformer to copy sequences, and adapts it to a substitution cipher:
once with adapters, and once by tuning all weights.
"""

import copy
import warnings

import matplotlib.pyplot as plt
import peft
import torch
import transformers
from torch import nn

from structmat.nn.peft import BlockCirculantConfig

# PEFT asks transformers by names that these deprecate.
warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
torch.manual_seed(0)
length, letters, width = 8, 16, 64

# %%
# The model is a BERT with random weights: it reads all letters and predicts one for
# each place.

config = transformers.BertConfig(
    vocab_size=letters,
    hidden_size=width,
    intermediate_size=2 * width,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=length,
    hidden_dropout_prob=0.0,
    attention_probs_dropout_prob=0.0,
)


def train(model, change, steps, rate):
    """Train a model to change sequences; the accuracy on new ones every five steps."""
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(learned, lr=rate)
    accuracy = []
    for step in range(steps + 1):
        tokens = torch.randint(letters, (64, length))
        scores = model(input_ids=tokens).logits
        wanted = change(tokens)
        if step % 5 == 0:
            hits = (scores.argmax(-1) == wanted).float()
            accuracy.append((step, float(hits.mean())))
        optimizer.zero_grad()
        nn.functional.cross_entropy(scores.transpose(1, 2), wanted).backward()
        optimizer.step()
    return accuracy


base = transformers.BertForMaskedLM(config)
copied = train(base, lambda tokens: tokens, 40, 3e-3)
print(f"copying, after training: accuracy {copied[-1][1]:.3f}")

# %%
# ``target_modules`` are the layers that get an adapter. Blocks of 16 give an adapter of
# a 64 × 64 layer 256 parameters instead of 4,096.

adapter = BlockCirculantConfig(block_size=16, target_modules="all-linear")
cipher = torch.randperm(letters)
models = {
    "all weights": copy.deepcopy(base),
    "adapters": peft.get_peft_model(copy.deepcopy(base), adapter),
}
runs = {}
for name, model in models.items():
    size = sum(p.numel() for p in model.parameters() if p.requires_grad)
    rate = 3e-3 if name == "all weights" else 0.1
    runs[name, size] = train(model, lambda tokens: cipher[tokens], 80, rate)
    print(f"{name:11} {size:7,} parameters: accuracy {runs[name, size][-1][1]:.3f}")

with models["adapters"].disable_adapter():
    tokens = torch.randint(letters, (128, length))
    kept = models["adapters"](input_ids=tokens).logits.argmax(-1) == tokens
print(f"copying, without the adapters: accuracy {float(kept.float().mean()):.3f}")

# sphinx_gallery_alt = "Accuracy on the cipher over the steps: adapters reach that of tuning all weights."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
for ((name, size), accuracy), style in zip(runs.items(), ("k--", "C0-"), strict=True):
    ax.plot(*zip(*accuracy, strict=True), style, label=f"{name}: {size:,} numbers")
ax.set(xlabel="step", ylabel="accuracy", ylim=(0, 1.02))
ax.set_title("From copying to a cipher")
ax.legend(loc="lower right")
plt.show()

# %%
# The adapters learn the new task with a small part of the parameters. The weights of
# the first task are unchanged: without the adapters, the model copies as before.
