"""
Noise removal by the singular vectors of a Hankel matrix
========================================================

A sum of r oscillations, growing or decaying, has a Hankel matrix of rank 2 r. Singular
spectrum analysis removes noise from such a signal: it keeps the largest singular values
of the Hankel matrix, and takes means along the antidiagonals.
`scipy.sparse.linalg.svds` needs products only, so that the matrix is never formed.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import svds

import structmat as sm

rng = np.random.default_rng(0)
n, rank = 2000, 4
t = np.arange(n)
clean = np.exp(-t / 1500) * np.sin(t / 25) + 0.6 * np.exp(-t / 700) * np.cos(t / 9)
signal = clean + 0.5 * rng.standard_normal(n)

# %%
# The matrix has a thousand columns, and the operator stores the n samples only.

half = n // 2
A = sm.Hankel(signal[:half], signal[half - 1 :])
m, k = A.shape
print(f"{m} × {k}: {A.nbytes:,} bytes, dense {8 * m * k:,}")
U, s, Vt = svds(A.to_scipy(), k=10, rng=0)
order = np.argsort(-s)
U, s, Vt = U[:, order], s[order], Vt[order]
print("singular values:", *(f"{value:.0f}" for value in s))

# %%
# The nearest Hankel matrix has the means along the antidiagonals. They are sums of
# convolutions: the gradient of the Hankel operator by its parameters, divided by the
# number of entries of each antidiagonal.


def signal_of(dcolumn, drow):
    return np.concatenate((dcolumn, drow[1:]))


kept = (U[:, :rank] * s[:rank]).T, Vt[:rank]
_, sums = A.vjp(kept[1], kept[0])
_, counts = A.vjp(np.eye(k), np.ones((k, m)))
restored = signal_of(*sums) / signal_of(*counts)
for name, x in (("with noise", signal), ("restored", restored)):
    print(f"{name:11} root mean square error {np.sqrt(np.mean((x - clean) ** 2)):.3f}")

# sphinx_gallery_alt = "Samples of two oscillations with noise; the restored curve lies on the original one."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
part = slice(0, 500)
ax.plot(t[part], signal[part], ".", color="grey", ms=3, label="with noise")
ax.plot(t[part], clean[part], color="black", lw=1, label="original")
ax.plot(t[part], restored[part], color="C1", label=f"rank {rank}")
ax.set(xlabel="time", title="Two oscillations in noise", ylim=(-3, 4.4))
ax.legend(ncols=3, fontsize=9.5, loc="upper center")
plt.show()

# %%
# Four singular values are far above the others, two for each oscillation. The restored
# signal lies on the original one.
