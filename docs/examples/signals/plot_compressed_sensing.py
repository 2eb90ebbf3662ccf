"""
Compressed sensing with a circulant matrix
==========================================

A sparse signal can be recovered from fewer measurements than it has entries. A random
circulant matrix, of which only some rows are measured, recovers as many signals as a
dense Gaussian one. It stores n numbers, and each step of the recovery takes two
products in O(n log n).
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

n, m = 512, 192
sparsities, trials = range(40, 81, 4), 20

# %%
# Iterative soft thresholding with momentum (FISTA) minimises
# ‖A x − y‖² / 2 + λ ‖x‖₁. It needs products with A and its adjoint, for all trials at
# once: the vectors are the rows of a batch.


def recover(A, y, weight=1e-3, steps=400):
    """The sparse vectors whose measurements are y; the spectral norm of A is 1."""
    x = ahead = np.zeros((len(y), A.shape[1]))
    t = 1.0
    for _ in range(steps):
        z = ahead - A.rmatvec(A.matvec(ahead) - y)
        new = np.sign(z) * np.maximum(np.abs(z) - weight, 0)
        t, old = (1 + np.sqrt(1 + 4 * t * t)) / 2, t
        x, ahead = new, new + (old - 1) / t * (new - x)
    return x


def circulant(rng):
    """Some rows of a circulant matrix with random phases: all singular values are 1."""
    column = np.fft.irfft(np.exp(2j * np.pi * rng.random(n // 2 + 1)), n=n)
    return sm.Restriction(n, rng.permutation(n)[:m]) @ sm.Circulant(column)


def gaussian(rng):
    matrix = rng.standard_normal((m, n))
    return sm.Dense(matrix / np.linalg.norm(matrix, 2))


def successes(make, k):
    """The fraction of vectors with k entries that are recovered."""
    rng = np.random.default_rng(k)
    A = make(rng)
    x = np.zeros((trials, n))
    for row in x:
        row[rng.choice(n, k, replace=False)] = rng.choice([-1.0, 1.0], k)
    errors = np.linalg.norm(recover(A, A.matvec(x)) - x, axis=1)
    return np.mean(errors < 0.1 * np.sqrt(k))


rates = {
    make.__name__: [successes(make, k) for k in sparsities]
    for make in (circulant, gaussian)
}
for k, *row in zip(sparsities, *rates.values(), strict=True):
    print(f"{k:3} entries: circulant {row[0]:.2f}, gaussian {row[1]:.2f}")
A = circulant(np.random.default_rng(0))
print(f"bytes: circulant {A.nbytes:,}, gaussian {8 * m * n:,}")

# sphinx_gallery_alt = "The fraction of recovered signals falls from one to zero, at about the same place for both."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
ax.plot(sparsities, rates["gaussian"], "s--", color="black", label="dense Gaussian")
ax.plot(sparsities, rates["circulant"], "o-", label="circulant")
ax.set(
    xlabel="nonzero entries of the signal",
    ylabel="fraction recovered",
    title=f"{m} measurements of {n} entries",
)
ax.legend(loc="lower left")
plt.show()

# %%
# Both matrices recover all sparse signals, and fail at about the same number of nonzero
# entries.
