"""
How well random projections preserve distances
==============================================

A random projection P preserves the length of a vector up to a distortion ‖P x‖² / ‖x‖² − 1, whose modulus decreases as
1/√k with the number k of outputs. For a dense Gaussian P, the root mean square of the distortion is exactly √(2/k) for
every x. Fast projections need much less memory and time. This example measures their distortion.

The script measures projections with d = 4,096 when the page is built. ``python -m benchmarks.distances`` measures more
projections, up to d = 65,536; its results are in ``benchmarks/results/distances.json``.
"""

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

P = sm.projections
d, sizes, draws = 2**12, [2**e for e in range(4, 12)], 50

# %%
# The input is a random vector or the constant vector. Constant vectors are the worst case for a circulant matrix:
# without random signs it maps them to constant vectors, so that k outputs contain no more information than one.

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
    """Root mean square over independent projections, for a random and for the constant vector."""
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
# The dense Gaussian projection needs no measurement: ‖P x‖² / ‖x‖² has the χ² distribution with k degrees of freedom,
# divided by k.

fig, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
marks = dict(zip(projections, ["s", "o", "^", "D"], strict=True))
colours = dict(
    zip(projections, ["#D55E00", "#0072B2", "#009E73", "#CC79A7"], strict=True)
)
for place, (ax, title) in enumerate(
    zip(axes, ["random vectors", "the constant vector"], strict=True)
):
    ax.plot(
        sizes,
        np.sqrt(2 / np.asarray(sizes)),
        color="black",
        label="dense Gaussian, √(2/k)",
    )
    for name, values in measured.items():
        ax.plot(
            sizes,
            values[:, place],
            marks[name] + "--",
            color=colours[name],
            label=name,
            markersize=5,
            lw=0.8,
        )
    ax.set(xscale="log", yscale="log", title=title, xlabel="outputs k")
    ax.set_xticks(sizes, sizes)
    ax.minorticks_off()
    ax.grid(alpha=0.3)
axes[0].set_ylabel("root mean square distortion")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
fig.suptitle(f"Projections of {d:,} dimensions, {draws} draws each")
plt.show()

# %%
# For constant vectors, all projections except the circulant one without signs follow the Gaussian line. Near k = d the
# projections differ: the distortion of circulant projections is 2/√d, as the modulus of their spectrum varies, while
# the rows of an SRHT are orthogonal, so that it is a rotation for k = d. These measurements concern a single distance.
# For the maximum over many distances, circulant projections are known to need more outputs than Gaussian ones.

# %%
# The results in the file include eight projections of up to 65,536 dimensions, with 200 draws each. A dense matrix of
# this size with 1,024 rows takes half a gigabyte and is drawn in chunks. The distortion depends on k, not on d. For
# k = d = 1,024 outputs, SRHT and SORF are rotations, and their distortion of 0 is outside the logarithmic axis.

rows = json.loads(
    Path("../../benchmarks/results/distances.json").read_text(encoding="utf-8")
)["rows"]
dimensions = sorted({row["d"] for row in rows})
names = [
    name
    for name in dict.fromkeys(row["projection"] for row in rows)
    if name != "circulant without signs"
]

fig, axes = plt.subplots(
    1, len(dimensions), figsize=(9, 4), sharey=True, layout="constrained"
)
for ax, dimension in zip(axes, dimensions, strict=True):
    for name, marker, colour in zip(
        names, "os^Dv*P", plt.colormaps["cividis"](np.linspace(0, 0.9, 7)), strict=True
    ):
        chosen = [
            row
            for row in rows
            if (row["projection"], row["d"], row["vectors"])
            == (name, dimension, "random")
        ]
        ks, rms = ([row[key] for row in chosen] for key in ("k", "rms"))
        ax.plot(ks, rms, marker, color=colour, label=name, markersize=5, alpha=0.8)
    ax.plot(ks, np.sqrt(2 / np.asarray(ks)), color="black", lw=0.8, label="√(2/k)")
    ax.set(
        xscale="log",
        yscale="log",
        title=f"d = {dimension:,}",
        xlabel="outputs k",
        ylim=(0.01, 0.6),
    )
    ax.set_xticks(ks, ks)
    ax.minorticks_off()
    ax.grid(alpha=0.3)
axes[0].set_ylabel("root mean square distortion")
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()
