"""
Nearest neighbours by hashing
=============================

A locality-sensitive hash assigns the same code to near vectors with a higher
probability than to distant ones. This example compares the measured collision
probabilities of three fast hashes with theory. Then it searches for the nearest
neighbours of handwritten digits with an index of hash tables.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

# %%
# A hyperplane hash is one bit, with the collision probability 1 − θ/π. A cross-polytope
# hash rotates the vector by three rounds of signs and a Hadamard matrix and returns the
# nearest of 2d vertices. Its collision probability decreases faster with the angle, as
# ln 1/p ≈ τ² / (4 − τ²) ln d for vectors of length 1 at the distance τ = 2 sin(θ/2), up
# to terms of order ln ln d. For a fair comparison, log₂(2d) hyperplanes form one code,
# which then has as many bits as a vertex.

d, draws = 128, 25
bits = int(np.log2(2 * d))
angles = np.linspace(0.05, np.pi / 2, 12)


def collisions(draw, angle, rng, pairs=100):
    """The fraction of collisions of random vectors at an angle, over draws."""
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

# sphinx_gallery_thumbnail_number = 1
fig, (left, right) = plt.subplots(1, 2, figsize=(6.6, 3.4))
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
right.set(xlabel="distance", ylim=(0, 1), title="Distances, buckets of width 4")
right.legend()
plt.show()

# %%
# The lines show the theory. The line for one hyperplane is exact for every d. The line
# for several hyperplanes assumes that their bits are independent, although they share
# random numbers. The line for the cross-polytope is dashed, as it shows only the
# leading term; at d = 128 the neglected terms are not small.
