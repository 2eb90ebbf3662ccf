"""
The error of fast products
==========================

A product by Fourier transforms rounds in each of its log n stages, so that its error
grows very slowly with n. This example measures it in single precision against an exact
reference, together with the dense product that it replaces.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import circulant

import structmat as sm

rng = np.random.default_rng(0)
sizes = [2**e for e in range(4, 13)]
draws = 5

# %%
# The reference needs no trust in transforms: entries are integers of 24 bits, which are
# exact in single precision, and their products and sums are exact in 64-bit integers.


def errors(n):
    """Relative errors of one product: by transforms, and dense in single precision."""
    c, x = rng.integers(-(2**24) + 1, 2**24, (2, n))
    exact = (circulant(c) @ x).astype(np.float64)
    single = c.astype(np.float32), x.astype(np.float32)
    fast = sm.Circulant(single[0]) @ single[1]
    dense = circulant(single[0]) @ single[1]
    return [np.linalg.norm(y - exact) / np.linalg.norm(exact) for y in (fast, dense)]


found = np.asarray([np.mean([errors(n) for _ in range(draws)], axis=0) for n in sizes])
unit = np.finfo(np.float32).eps / 2
for n, (fast, dense) in zip(sizes, found / unit, strict=True):
    print(f"n = {n:5}: circulant {fast:5.2f} units of rounding, dense {dense:5.2f}")

# sphinx_gallery_alt = "The relative error of dense products grows faster with n than that of circulant products."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
ax.loglog(sizes, found[:, 1], "s--", color="black", label="dense product (BLAS)")
ax.loglog(sizes, found[:, 0], "o-", label="circulant, by transforms")
ax.axhline(unit, color="grey", ls=":", lw=1)
ax.text(sizes[-1], unit * 0.9, "unit of rounding", ha="right", va="top", fontsize=9)
ax.set_xticks(sizes[::2], sizes[::2])
ax.minorticks_off()
ax.set(xlabel="n", ylabel="relative error", title="Products in single precision")
ax.set_ylim(2e-8, 1e-6)
ax.legend()
plt.show()

# %%
# The error of the fast product stays within a few units of rounding, while that of the
# dense product, which is smaller for small n, grows faster. It is an error of the whole
# vector: an entry that is much smaller than the others has the same absolute error.
