"""
Eigenvalues near a point, by the exact inverse
==============================================

`scipy.sparse.linalg.eigsh` finds the eigenvalues nearest to a point σ if it can solve
systems with A − σ I. A tridiagonal matrix has an exact inverse in O(n), so that the
lowest states of a quantum well are found after a few dozen products. Without the
inverse, Lanczos' method first finds the other end of the spectrum.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

import structmat as sm

# %%
# The Hamiltonian −½ u″ + V u of a double well, by finite differences.

n = 2000
x = np.linspace(-7, 7, n)
h = x[1] - x[0]
potential = 0.15 * (x**2 - 9) ** 2 + 0.3 * x
off = np.full(n - 1, -0.5 / h**2)
A = sm.Tridiagonal(off, 1 / h**2 + potential, off)

# %%
# The point σ is below the lowest state. ``** -1`` returns the inverse as an operator.

sigma = -2.0
inverse = sm.Tridiagonal(off, A.main - sigma, off) ** -1
count = {"A": 0, "inverse": 0}


def counted(name, B):
    """The operator as SciPy's, which counts its products."""

    def product(v):
        count[name] += 1
        return B.matvec(v)

    return sm.FunctionOperator(B.shape, product, product, B.dtype).to_scipy()


values, states = eigsh(
    counted("A", A), k=6, sigma=sigma, OPinv=counted("inverse", inverse), rng=0
)
residual = np.linalg.norm(A.matmat(states) - states * values, axis=0)
print("energies:", *(f"{value:.4f}" for value in values))
print(f"largest ‖A u − λ u‖: {residual.max():.1e}")
left = np.sum(states[x < 0] ** 2, axis=0)
print("fraction in the left well:", *(f"{value:.4f}" for value in left))
print(f"products with the inverse: {count['inverse']}, with A: {count['A']}")
try:
    eigsh(counted("A", A), k=6, which="SA", maxiter=100, rng=0)
except ArpackNoConvergence as error:
    found = len(error.eigenvalues)
    print(
        f"without the inverse, {count['A']:,} products found {found} eigenvalues of 6"
    )

# sphinx_gallery_alt = "A double well and its six lowest states, each in one well and at the height of its energy."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
ax.plot(x, potential, color="black", lw=1.2)
for value, state in zip(values, states.T, strict=True):
    (line,) = ax.plot(x, value + 0.9 * state / np.abs(state).max(), lw=1.2)
    ax.axhline(value, color=line.get_color(), lw=0.6, ls=":")
ax.set(xlim=(-5, 5), ylim=(-2, values[-1] + 3), xlabel="place", ylabel="energy")
ax.set_title("The six lowest states of a double well")
plt.show()

# %%
# Each state is drawn at the height of its energy, below the barrier between the wells.
# It lies in one of the two wells, as the fractions show.
