"""
What a circulant matrix is
==========================

Each column of a circulant matrix is the column before it, shifted down by one and
wrapped around. The matrix is therefore defined by its first column, and its product is
a circular convolution. All circulant matrices of one size have the same eigenvectors,
the waves of the Fourier transform, so that products, inverses and functions of the
matrix take O(n log n) operations.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

n = 24
offsets = np.minimum(np.arange(n), n - np.arange(n))
column = np.exp(-0.5 * (offsets / 2.0) ** 2)  # a smooth blur
A = sm.Circulant(column)

# %%
# The eigenvalues are the Fourier transform of the column, and the eigenvectors are the
# columns of the inverse transform. A circulant matrix multiplies each wave by a number.

wave = np.exp(2j * np.pi * 3 * np.arange(n) / n) / np.sqrt(n)
print("eigenvalue of wave 3:   ", np.fft.fft(column)[3].real.round(6))
print(
    "‖A w − λ w‖:            ", np.linalg.norm(A @ wave - np.fft.fft(column)[3] * wave)
)
print("numbers that A stores:  ", A.params[0].size, "of", n * n)

# %%
# The same spectrum gives the inverse, the determinant and the spectral norm exactly.

x = np.random.default_rng(0).standard_normal(n)
print("‖A A⁻¹ x − x‖:          ", np.linalg.norm(A @ (A**-1 @ x) - x))
print("spectral norm:          ", float(sm.linalg.norm(A, 2)))
print("log |det A|:            ", float(sm.linalg.slogdet(A).logabsdet))

# sphinx_gallery_alt = "A circulant matrix, bright along its diagonals, two waves, and eigenvalues, largest at zero."
# sphinx_gallery_thumbnail_number = 1
fig, axes = plt.subplot_mosaic(
    [["matrix", "waves"], ["matrix", "values"]],
    figsize=(6.4, 3.8),
    width_ratios=(1.2, 1),
)
axes["matrix"].imshow(A.to_dense())
axes["matrix"].set(title="circulant matrix", xticks=[], yticks=[])
axes["matrix"].grid(visible=False)
for k, shift in ((1, 2.5), (2, 0.0)):
    axes["waves"].plot(shift + np.cos(2 * np.pi * k * np.arange(n) / n), "o-", ms=3)
axes["waves"].set(title="eigenvectors k = 1, 2", xticks=[], yticks=[])
frequencies = np.fft.fftshift(np.fft.fftfreq(n, 1 / n))
axes["values"].stem(frequencies, np.fft.fftshift(np.fft.fft(column).real), basefmt=" ")
axes["values"].set(title="eigenvalues", xlabel="frequency k", ylim=(0, None))
plt.show()

# %%
# The matrix is constant along its diagonals, which wrap around. Its eigenvectors are
# waves of k periods. This matrix is a blur: its eigenvalues are large for slow waves
# and nearly zero for fast ones.
