"""
Pictures of operators
=====================

`structmat.plot` draws the entries and the spectrum of an operator, the tree of a composition, and how an iteration
converges. Each function draws in the axes that it is given, or makes a figure.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

# %%
# The finite-difference Laplacian on a square of 20 × 20 points is a sum of two Kronecker products. Purple entries are
# positive, orange ones negative.

n = 20
second = sm.Tridiagonal(np.ones(n - 1), np.full(n, -2.0), np.ones(n - 1))
laplacian = sm.kron(second, sm.identity(n)) + sm.kron(sm.identity(n), second)

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
sm.plot.matrix(laplacian[:60, :60], ax=left).set_title("three blocks")
sm.plot.spy(laplacian, ax=right).set_title("all nonzero entries")
plt.show()

# %%
# Its composition:

sm.plot.tree(laplacian)
plt.show()

# %%
# The eigenvalues of circulant matrices come from a Fourier transform, so that there may be many of them.

rng = np.random.default_rng(0)
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
sm.plot.spectrum(sm.Circulant(rng.standard_normal(2000)), ax=left).set_title(
    "random circulant"
)
sm.plot.singular_values(sm.Toeplitz(0.9 ** np.arange(300.0)), ax=right).set_title(
    "Toeplitz"
)
plt.show()

# %%
# A Toeplitz system is solved by conjugate gradients, with the circulant preconditioner that is the default and without.
# The callback `structmat.linalg.History` keeps the residual after each step.

T = sm.SymmetricToeplitz(1 / np.sqrt(1 + np.arange(4000.0)))
b = rng.standard_normal(4000)
preconditioners = {"T. Chan's circulant": None, "none": sm.identity(4000)}
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for label, preconditioner in preconditioners.items():
    history = sm.linalg.History()
    sm.linalg.solve_iterative(
        T, b, preconditioner=preconditioner, callback=history, rtol=1e-10
    )
    sm.plot.convergence(history, ax=ax, label=label)
ax.legend(title="preconditioner")
plt.show()
