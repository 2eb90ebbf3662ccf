"""
Training a circulant layer in NumPy
===================================

The layer of Cheng et al. (2015) replaces the dense matrix of a fully connected layer by
a circulant matrix times random signs. ``forward`` returns the product together with its
transforms, and ``backward`` returns the gradients, so that a network can be trained
without automatic differentiation.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import structmat as sm

rng = np.random.default_rng(0)
X, y = load_digits(return_X_y=True)
order = rng.permutation(len(X))
X, y = (X[order] / 16 - 0.3), y[order]
train, test = slice(0, 1300), slice(1300, None)
hidden, classes, batch, epochs = 256, 10, 50, 30

# %%
# Four circulant blocks map 64 pixels to 256 hidden units. A dense layer is an operator
# as well, so that one function trains both networks.


def circulant():
    return sm.projections.circulant_projection(64, hidden, rng=0) * np.sqrt(hidden / 32)


def dense():
    return sm.Dense(rng.standard_normal((hidden, 64)) / np.sqrt(32))


def fit(A):
    """The test accuracy after each epoch of gradient descent with momentum."""
    weights = [
        *A.params,
        np.zeros(hidden),
        0.1 * rng.standard_normal((hidden, classes)),
    ]
    momenta = [np.zeros_like(w) for w in weights]
    accuracy = []
    for _ in range(epochs):
        for rows in rng.permutation(1300).reshape(-1, batch):
            *params, bias, W = weights
            A = A.with_params(params)
            z, saved = A.forward(X[train][rows])
            h = np.maximum(z + bias, 0)
            scores = np.exp(h @ W - np.max(h @ W, axis=1, keepdims=True))
            error = scores / scores.sum(axis=1, keepdims=True)
            error[np.arange(batch), y[train][rows]] -= 1
            dz = (error @ W.T) * (h > 0) / batch
            _, dparams = A.backward(saved, dz)
            gradients = [*dparams, dz.sum(axis=0), h.T @ error / batch]
            momenta = [0.9 * m + g for m, g in zip(momenta, gradients, strict=True)]
            weights = [w - 0.03 * m for w, m in zip(weights, momenta, strict=True)]
        *params, bias, W = weights
        h = np.maximum(A.with_params(params).matvec(X[test]) + bias, 0)
        accuracy.append(np.mean(np.argmax(h @ W, axis=1) == y[test]))
    return accuracy


curves = {}
for make in (dense, circulant):
    layer = make()
    size = sum(p.size for p in layer.params)
    curves[f"{make.__name__}, {size:,} numbers"] = fit(layer)
for name, values in curves.items():
    print(f"{name:25} test accuracy {values[-1]:.3f}")

# sphinx_gallery_alt = "Test accuracy over the epochs: the circulant layer comes close to the dense one."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
for (name, values), style in zip(curves.items(), ("k--", "C0-"), strict=True):
    ax.plot(np.arange(1, epochs + 1), values, style, label=name)
ax.set(
    xlabel="epoch", ylabel="test accuracy", title="Hidden layer of a digit classifier"
)
ax.set_ylim(0.8, 1)
ax.legend(loc="lower right")
plt.show()

# %%
# The circulant layer learns the digits nearly as well as the dense one, with a small
# part of its numbers.
