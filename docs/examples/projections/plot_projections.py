"""
The factors of random projections
=================================

Each projection of `structmat.projections` is a product of a few structured matrices. The dense matrices look like
noise, but each factor stores only a few numbers, and the factors are never multiplied.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

d, k = 32, 16
P = sm.projections
projections = {
    "circulant": P.circulant_projection,
    "block circulant": lambda d, k, rng: P.block_circulant_projection(
        d, k, block_size=8, rng=rng
    ),
    "Toeplitz": P.toeplitz_projection,
    "SRHT": P.srht,
    "FJLT": P.fjlt,
    "SORF": P.sorf,
    "Fastfood": P.fastfood,
}

# %%
# Each row shows the matrix on the left, followed by its factors: purple is positive, orange negative. The selection of
# rows is a factor as well. Scalars in front of the product are not shown.


def factors(A):
    """The parts of a product, without the scalars around it."""
    while isinstance(getattr(A, "of", None), sm.LinearOperator) and hasattr(
        A, "scalar"
    ):
        A = A.of
    return list(getattr(A, "parts", [A]))


drawn = {name: draw(d, k, rng=0) for name, draw in projections.items()}
columns = 1 + max(len(factors(A)) for A in drawn.values())
fig, axes = plt.subplots(
    len(projections), columns, figsize=(9, 8.5), layout="constrained"
)
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
# The storage of each projection, compared with a dense matrix of the same shape. Signs and indices take fewer bytes
# than floating-point numbers.

d, k = 4096, 1024
for name, draw in projections.items():
    A = draw(d, k, rng=0)
    print(
        f"{name:16} {A.nbytes:9,} bytes, {100 * A.nbytes / (8 * d * k):6.3f} % of the dense matrix"
    )
