"""
What random projections are made of
===================================

Each projection of `structmat.projections` is a short product of structured matrices. Written out they all look like
noise, but the factors hold a few numbers each, and are never multiplied.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

d, k = 32, 16
P = sm.projections
projections = {
    "circulant": P.circulant_projection,
    "block circulant": lambda d, k, rng: P.block_circulant_projection(d, k, block_size=8, rng=rng),
    "Toeplitz": P.toeplitz_projection,
    "SRHT": P.srht,
    "FJLT": P.fjlt,
    "SORF": P.sorf,
    "Fastfood": P.fastfood,
}

# %%
# On the left the matrix, then its factors: purple is positive, orange negative. Rows that are cut off, and constant
# factors that scale the whole, are factors too.


def factors(A):
    """The parts of a product, without the scalars around it."""
    while isinstance(getattr(A, "of", None), sm.LinearOperator) and hasattr(A, "scalar"):
        A = A.of
    return list(getattr(A, "parts", [A]))


drawn = {name: draw(d, k, rng=0) for name, draw in projections.items()}
columns = 1 + max(len(factors(A)) for A in drawn.values())
fig, axes = plt.subplots(len(projections), columns, figsize=(9, 8.5), layout="constrained")
for row, (name, A) in zip(axes, drawn.items(), strict=True):
    parts = factors(A)
    for ax, part in zip(row, [A, *parts], strict=False):
        matrix = part.to_dense()
        largest = np.max(np.abs(matrix))
        ax.imshow(matrix, cmap="PuOr", vmin=-largest, vmax=largest)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{name} =" if part is A else type(part).__name__, fontsize=8)
    for ax in row[1 + len(parts) :]:
        ax.axis("off")
plt.show()

# %%
# What each has to keep, against a dense matrix of the same shape: signs and places take fewer bytes than numbers do.

d, k = 4096, 1024
for name, draw in projections.items():
    A = draw(d, k, rng=0)
    print(f"{name:16} {A.nbytes:9,} bytes, {100 * A.nbytes / (8 * d * k):6.3f} % of the dense matrix")
