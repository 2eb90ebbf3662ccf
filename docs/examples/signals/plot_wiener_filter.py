"""
A Wiener filter by simplify
===========================

Wiener's filter is the linear map that recovers a stationary signal from a blurred and
noisy one with the least mean squared error: W = S Bᴴ (B S Bᴴ + N)⁻¹ with the
covariances S of the signal and N of the noise. On periodic data all of them are
circulant. The formula is written as it stands, and `structmat.simplify` turns it into
one circulant matrix.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

rng = np.random.default_rng(1)
n = 512
distance = np.minimum(np.arange(n), n - np.arange(n))
S = sm.Circulant(np.exp(-distance / 40.0))
blur = np.exp(-0.5 * (distance / 6.0) ** 2)
B = sm.Circulant(blur / blur.sum())
noise = 0.2
N = noise**2 * sm.identity(n)

signal = sm.linalg.sqrtm(S) @ rng.standard_normal(n)
data = B @ signal + noise * rng.standard_normal(n)

# %%
# The inverse of the sum needs an exact inverse, which the sum has once it is
# simplified.

W = S @ B.H @ sm.simplify(B @ S @ B.H + N) ** -1
print(W)
wiener = sm.simplify(W)
print(wiener)
print(f"bytes: {W.nbytes:,} → {wiener.nbytes:,}")

# %%
# The mean squared error of a linear filter F is the trace of
# (F B − I) S (F B − I)ᴴ + F N Fᴴ over n: exact for circulants, without any samples.


def expected(F):
    """The expected root mean square error of a filter."""
    bias = F @ B - sm.identity(n)
    error = sm.simplify(bias @ S @ bias.H + F @ N @ F.H)
    return float(np.sqrt(sm.linalg.trace(error) / n))


filters = {"none": sm.identity(n), "smoothing": B, "Wiener": wiener}
for name, F in filters.items():
    measured = np.sqrt(np.mean((F @ data - signal) ** 2))
    print(f"filter {name:10} error: expected {expected(F):.3g}, here {measured:.3g}")

# sphinx_gallery_alt = "Noisy samples and the jagged signal; the filter's smooth curve runs through them."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
part = slice(0, 256)
ax.plot(data[part], ".", color="grey", ms=4, label="blurred, with noise")
ax.plot(signal[part], color="black", lw=1, label="signal")
ax.plot((wiener @ data)[part], color="C1", label="Wiener filter")
ax.set(xlabel="time", title="The best linear filter is one circulant")
ax.set_ylim(top=1.3 * np.max(data[part]) + 0.7)
ax.legend(fontsize=9.5, ncols=2, loc="upper center")
plt.show()

# %%
# The filter suppresses the noise and follows the signal more closely than a smoothing
# does, as the expected errors show.
