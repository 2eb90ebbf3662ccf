"""
How well random projections preserve distances
==============================================

A random projection P preserves the length of a vector up to a distortion ‖P x‖² / ‖x‖²
− 1, whose modulus decreases as 1/√k with the number k of outputs. For a dense Gaussian
P, the root mean square of the distortion is exactly √(2/k) for every x. Fast
projections need much less memory and time. This example measures their distortion.

The script measures projections with d = 4,096 when the page is built. ``python -m
benchmarks.distances`` measures more projections, up to d = 65,536; its results are in
``benchmarks/results/distances.json``.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

P = sm.projections
d, sizes, draws = 2**12, [2**e for e in range(4, 12)], 50

# %%
# The input is a random vector or the constant vector. Constant vectors are the worst
# case for a circulant matrix: without random signs it maps them to constant vectors, so
# that k outputs contain no more information than one.

projections = {
    "circulant, no signs": lambda k, rng: (
        sm.Restriction(d, slice(0, k))
        @ sm.Circulant(rng.standard_normal(d) / np.sqrt(k))
    ),
    "circulant": lambda k, rng: P.circulant_projection(d, k, rng=rng),
    "SRHT": lambda k, rng: P.srht(d, k, rng=rng),
    "Fastfood": lambda k, rng: P.fastfood(d, k, rng=rng),
}


def distortion(draw, k, rng):
    """Root mean square over draws, for a random and for the constant vector."""
    found = []
    for _ in range(draws):
        x = np.stack([rng.standard_normal(d), np.ones(d)])
        found.append(
            np.sum(draw(k, rng).matvec(x) ** 2, axis=1) / np.sum(x**2, axis=1) - 1
        )
    return np.sqrt(np.mean(np.square(found), axis=0))


rng = np.random.default_rng(0)
measured = {
    name: np.asarray([distortion(draw, k, rng) for k in sizes])
    for name, draw in projections.items()
}

# %%
# The dense Gaussian projection needs no measurement: ‖P x‖² / ‖x‖² has the χ²
# distribution with k degrees of freedom, divided by k.

# sphinx_gallery_alt = "Distortion falls with the number of outputs along the Gaussian line, except without signs."
# sphinx_gallery_thumbnail_number = 1
fig, axes = plt.subplots(1, 2, figsize=(6.6, 4), sharey=True)
titles = ("random vectors", "the constant vector")
for place, (ax, title) in enumerate(zip(axes, titles, strict=True)):
    ax.plot(sizes, np.sqrt(2 / np.asarray(sizes)), color="black", label="√(2/k)")
    for (name, values), style in zip(
        measured.items(), ("C1s--", "C0o--", "C2^--", "C3D--"), strict=True
    ):
        ax.plot(sizes, values[:, place], style, label=name, ms=5, lw=0.8)
    ax.set(xscale="log", yscale="log", title=title, xlabel="outputs k")
    ax.set_xticks(sizes[::2], sizes[::2])
    ax.minorticks_off()
axes[0].set_ylabel("distortion, root mean square")
handles = axes[0].get_legend_handles_labels()
fig.legend(*handles, loc="outside lower center", ncols=3, fontsize=10)
plt.show()

# %%
# For constant vectors, all projections except the circulant one without signs follow
# the Gaussian line. Near k = d the projections differ: the distortion of circulant
# projections is 2/√d, as the modulus of their spectrum varies, while the rows of an
# SRHT are orthogonal, so that it is a rotation for k = d. These measurements concern a
# single distance. For the maximum over many distances, circulant projections are known
# to need more outputs than Gaussian ones.
