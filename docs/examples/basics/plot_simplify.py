"""
What simplify does
==================

Expressions are kept as they are written. `structmat.simplify` rewrites them: products,
sums and inverses that keep a structure become one operator of it, so that a product
takes fewer transforms and fewer numbers are stored.
"""

import timeit

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

rng = np.random.default_rng(0)
n = 2**14
A, B = (sm.Circulant(rng.standard_normal(n)) for _ in range(2))
F, D = sm.DFT(n), sm.Diagonal(rng.standard_normal(n) + 0j)
S = sm.Shift(n, 5)
T = sm.Toeplitz(rng.standard_normal(n), rng.standard_normal(n))

expressions = {
    "A B A": A @ B @ A,
    "A + 2 B.H": A + 2 * B.H,
    "(A.H A + I)⁻¹ A.H": sm.simplify(A.H @ A + sm.identity(n)) ** -1 @ A.H,
    "S A S": S @ A @ S,
    "F⁻¹ D F": F**-1 @ D @ F,
    "A + T": A + T,
}

# %%
# The result is printed with the time of a product before and after.

x = rng.standard_normal(n)


def microseconds(P):
    P @ x
    return 1e6 * min(timeit.repeat(lambda: P @ x, number=5, repeat=20)) / 5


rows = []
for name, expression in expressions.items():
    simple = sm.simplify(expression)
    rows.append((name, microseconds(expression), microseconds(simple)))
    difference = np.linalg.norm(simple @ x - expression @ x)
    error = difference / np.linalg.norm(expression @ x)
    print(f"{name:19} → {type(simple).__name__:10} difference {error:.0e}")

# sphinx_gallery_alt = "Bars of the time per product: each of six expressions is faster when it is simplified."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
places = np.arange(len(rows))
names, before, after = zip(*rows, strict=True)
ax.barh(places - 0.2, before, 0.4, color="grey", label="as written")
ax.barh(places + 0.2, after, 0.4, label="simplified")
ax.set_yticks(places, names)
ax.invert_yaxis()
ax.grid(visible=False, axis="y")
ax.set(xlabel="microseconds per product", title=f"Expressions of size {n:,}")
ax.legend(loc="lower right")
plt.show()

# %%
# Each of these expressions becomes one operator, and its product becomes faster.
