"""
Pictures of operators
=====================

`structmat.plot` draws the entries and the spectrum of an operator, the tree of a
composition, and how an iteration converges. Each function draws in the axes that it is
given, or makes a figure.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

# %%
# The finite-difference Laplacian on a square of 20 × 20 points is a sum of two
# Kronecker products. Notebooks show the last operator of a cell as such a tree.

n = 20
second = sm.Tridiagonal(np.ones(n - 1), np.full(n, -2.0), np.ones(n - 1))
laplacian = sm.kron(second, sm.identity(n)) + sm.kron(sm.identity(n), second)
print(laplacian)

# %%
# A Toeplitz system is solved by conjugate gradients, with the circulant preconditioner
# that is the default and without. The callback `History` of `structmat.linalg` keeps
# the residual after each step.

rng = np.random.default_rng(0)
T = sm.SymmetricToeplitz(1 / np.sqrt(1 + np.arange(4000.0)))
b = rng.standard_normal(4000)
histories = {"circulant": sm.linalg.History(), "none": sm.linalg.History()}
preconditioners = {"circulant": None, "none": sm.identity(4000)}
for label, history in histories.items():
    options = {"preconditioner": preconditioners[label], "callback": history}
    sm.linalg.solve_iterative(T, b, rtol=1e-10, **options)
    print(f"steps with the preconditioner {label}: {len(history)}")

# sphinx_gallery_alt = "A banded matrix, its nonzero entries, eigenvalues in the plane, and residuals of iterations."
# sphinx_gallery_thumbnail_number = 1
fig, axes = plt.subplots(2, 2, figsize=(6.4, 5.6), layout="constrained")
sm.plot.matrix(laplacian[:60, :60], ax=axes[0, 0]).set_title("plot.matrix")
sm.plot.spy(laplacian[:100, :100], ax=axes[0, 1]).set_title("plot.spy")
circulant = sm.Circulant(rng.standard_normal(2000))
sm.plot.spectrum(circulant, ax=axes[1, 0]).set_title("plot.spectrum")
for label, history in histories.items():
    sm.plot.convergence(history, ax=axes[1, 1], label=label)
axes[1, 1].set_title("plot.convergence")
axes[1, 1].legend()
plt.show()

# %%
# Purple entries are positive and orange ones negative. The eigenvalues of a circulant
# matrix come from a Fourier transform, so there may be many of them.
