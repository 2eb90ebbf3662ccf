"""
The factors of random projections
=================================

Each projection of `structmat.projections` is a product of a few structured matrices.
The dense matrices look like noise, but each factor stores only a few numbers, and the
factors are never multiplied.
"""

import matplotlib.pyplot as plt

import structmat as sm

d, k = 32, 16
P = sm.projections
projections = {
    "circulant": P.circulant_projection,
    "Toeplitz": P.toeplitz_projection,
    "SRHT": P.srht,
}

# %%
# Each row shows the matrix on the left, followed by its factors: purple is positive,
# orange negative. The selection of rows is a factor as well. Scalars in front of the
# product are not shown.


def factors(A):
    """The parts of a product, without the scalars around it."""
    while isinstance(getattr(A, "of", None), sm.LinearOperator) and hasattr(
        A, "scalar"
    ):
        A = A.of
    return list(getattr(A, "parts", [A]))


drawn = {name: draw(d, k, rng=0) for name, draw in projections.items()}
columns = 1 + max(len(factors(A)) for A in drawn.values())
# sphinx_gallery_alt = "Heat maps of three random projections, each followed by its factors, such as random signs."
# sphinx_gallery_thumbnail_number = 1
fig, axes = plt.subplots(len(drawn), columns, figsize=(6.4, 4.4))
for row, (name, A) in zip(axes, drawn.items(), strict=True):
    for ax in row:
        ax.axis("off")
    for ax, part in zip(row, [A, *factors(A)], strict=False):
        sm.plot.matrix(part, ax=ax, colorbar=False)
        title = f"{name} =" if part is A else type(part).__name__
        ax.set_title(title, fontsize=11 if part is A else 10)
plt.show()

# %%
# The storage of each projection, compared with a dense matrix of the same shape. Signs
# and indices take fewer bytes than floating-point numbers.

d, k = 4096, 1024
others = {"SORF": P.sorf, "Fastfood": P.fastfood, "FJLT": P.fjlt}
for name, draw in (projections | others).items():
    A = draw(d, k, rng=0)
    share = A.nbytes / (8 * d * k)
    print(f"{name:10} {A.nbytes:9,} bytes, {share:.3%} of the dense matrix")
