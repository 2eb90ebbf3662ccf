"""
How often near vectors share a hash
===================================

A locality-sensitive hash assigns the same code to near vectors with a higher
probability than to distant ones. This example compares the measured collision
probabilities of fast hashes with theory. Their projections cost O(d log d) instead of
O(d²).
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

# sphinx_gallery_alt = "Collisions become rarer with the angle; points for hyperplanes lie on the lines of the theory."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
tau = 2 * np.sin(angles / 2)
theory = {
    "one hyperplane": 1 - angles / np.pi,
    f"{bits} hyperplanes": (1 - angles / np.pi) ** bits,
    "cross-polytope": d ** (-(tau**2) / (4 - tau**2)),
}
for (name, values), mark in zip(measured.items(), "os^", strict=True):
    (line,) = ax.semilogy(np.degrees(angles), values, mark, label=name)
    dashes = "--" if name == "cross-polytope" else "-"
    ax.plot(np.degrees(angles), theory[name], dashes, color=line.get_color(), lw=1)
ax.set(xlabel="angle, degrees", ylabel="probability of a collision")
ax.set_title(f"Hashes of {d} dimensions")
ax.legend(loc="lower left")
plt.show()

# %%
# The lines show the theory. The line for one hyperplane is exact for every d. The line
# for several hyperplanes assumes that their bits are independent, although they share
# random numbers. The line for the cross-polytope is dashed, as it shows only the
# leading term; at d = 128 the neglected terms are not small.
