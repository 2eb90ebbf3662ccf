"""
Training a circulant layer in PyTorch
=====================================

`structmat.nn.torch.CirculantLinear` takes the place of `torch.nn.Linear` in a model.
Its sizes, its bias and its gradients work as before; only the number of parameters
changes. This example trains the same network with both layers, and with a narrower
dense layer that has as few parameters.
"""

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn

from structmat.nn.torch import CirculantLinear

digits = load_digits()
X = torch.tensor(digits.data / 16, dtype=torch.float32)
y = torch.tensor(digits.target)
order = torch.randperm(len(X), generator=torch.Generator().manual_seed(0))
X, y = X[order], y[order]

# %%
# The only line that differs is the one of the layer.


def network(first):
    return nn.Sequential(first, nn.ReLU(), nn.Linear(first.out_features, 10))


def fit(make, epochs=40):
    """The parameters of the first layer, and the test accuracy by epoch."""
    torch.manual_seed(0)
    first = make()
    model = network(first)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    accuracy = []
    for _ in range(epochs):
        for rows in torch.randperm(1300).split(50):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(X[rows]), y[rows]).backward()
            optimizer.step()
        with torch.no_grad():
            hits = model(X[1300:]).argmax(1) == y[1300:]
            accuracy.append(float(hits.float().mean()))
    return sum(p.numel() for p in first.parameters()), accuracy


layers = {
    "Linear(64, 256)": lambda: nn.Linear(64, 256),
    "CirculantLinear(64, 256)": lambda: CirculantLinear(64, 256),
    "Linear(64, 8)": lambda: nn.Linear(64, 8),
}
runs = {name: fit(make) for name, make in layers.items()}
for name, (size, accuracy) in runs.items():
    print(f"{name:25} {size:6,} parameters, test accuracy {accuracy[-1]:.3f}")

# sphinx_gallery_alt = "Test accuracy over 40 epochs: circulant and dense layers are level, a narrow one is below."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
styles = dict(zip(runs, ("k--", "C0-", "C1:"), strict=True))
for name, (size, accuracy) in runs.items():
    ax.plot(range(1, 41), accuracy, styles[name], label=f"{name}: {size:,} numbers")
ax.set(xlabel="epoch", ylabel="test accuracy", ylim=(0.8, 1.0))
ax.set_title("The first layer of a network")
ax.legend(loc="lower right", fontsize=9.5)
plt.show()

# %%
# With as few parameters as the narrow dense layer, the circulant layer comes nearer to
# the wide dense one.
