"""
A Gaussian process on a regular grid
====================================

The covariance matrix of a stationary process at regular times is a symmetric Toeplitz
matrix, defined by one column of covariances. Amplitude, length scale and noise are
fitted by maximising the likelihood. Its gradient with respect to the column comes from
`vjp`, and the chain rule leads from there to the three parameters.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import check_grad, minimize

import structmat as sm

rng = np.random.default_rng(2)
n, ahead = 300, 60
t = np.arange(n + ahead) / 50


def covariances(theta, size):
    """The first column without noise, and its derivatives by log(amplitude, length)."""
    amplitude, length = np.exp(theta[:2])
    distance = np.square(t[:size] / length)
    column = amplitude**2 * np.exp(-distance / 2)
    return column, (2 * column, distance * column)


truth = np.log([1.0, 0.35, 0.3])  # amplitude, length scale, noise
process = sm.SymmetricToeplitz(covariances(truth, n + ahead)[0])
root = np.linalg.cholesky(process.to_dense() + 1e-10 * np.eye(n + ahead))
f = root @ rng.standard_normal(n + ahead)
y = f[:n] + np.exp(truth[2]) * rng.standard_normal(n)

# %%
# The negative logarithm of the likelihood is (yᵀ K⁻¹ y + log det K) / 2. Its derivative
# with respect to K is (K⁻¹ − h hᵀ) / 2, with h = K⁻¹ y. ``K.vjp(x, g)`` sums the
# products g xᵀ along the diagonals of K, for a whole batch: here the rows of K⁻¹ and of
# the identity.


def likelihood(theta):
    """The negative log-likelihood and its gradient by the log-parameters."""
    column, derivatives = covariances(theta, n)
    noise = np.exp(2 * theta[2])
    unit = np.eye(n)[0]
    K = sm.SymmetricToeplitz(column + noise * unit)
    h = sm.linalg.solve(K, y)
    value = (y @ h + sm.linalg.slogdet(K).logabsdet) / 2
    _, (of_quadratic,) = K.vjp(h, h)
    _, (of_determinant,) = K.vjp(np.eye(n), sm.linalg.solve(K, np.eye(n)).T)
    gradient = (of_determinant - of_quadratic) / 2
    return value, np.asarray([gradient @ d for d in (*derivatives, 2 * noise * unit)])


start = np.log([0.5, 0.1, 0.5])
difference = check_grad(lambda v: likelihood(v)[0], lambda v: likelihood(v)[1], start)
size = np.linalg.norm(likelihood(start)[1])
print(f"relative difference to finite differences: {difference / size:.1e}")
found = minimize(likelihood, start, jac=True, method="L-BFGS-B")
rows = zip(
    ("amplitude", "length", "noise"), np.exp(found.x), np.exp(truth), strict=True
)
for name, value, true in rows:
    print(f"{name:9} fitted {value:.3f}, true {true:.3f}")

# %%
# The covariances between all times and the observed ones are columns of a larger
# Toeplitz matrix: ``big[:, :n]`` selects them without forming it.

column = covariances(found.x, n + ahead)[0]
noise = np.exp(2 * found.x[2])
big = sm.SymmetricToeplitz(column)
cross = big[:, :n]
K = sm.SymmetricToeplitz(column[:n] + noise * np.eye(n)[0])
mean = cross @ sm.linalg.solve(K, y)
explained = sm.linalg.solve(K, cross.to_dense().T)
spread = np.sqrt(
    np.maximum(column[0] - np.sum(cross.to_dense().T * explained, axis=0), 0)
)
inside = np.mean(np.abs(f - mean)[:n] < 2 * spread[:n])
print(f"{100 * inside:.0f} % of the hidden values lie in the band of two deviations")

# sphinx_gallery_alt = "Observations, the hidden process, and a prediction whose band widens after the last of them."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
ax.plot(t[:n], y, ".", color="grey", ms=4, label="observed")
ax.plot(t, f, color="black", lw=1, label="hidden process")
ax.plot(t, mean, color="C0", label="prediction")
ax.fill_between(t, mean - 2 * spread, mean + 2 * spread, color="C0", alpha=0.25, lw=0)
ax.axvline(t[n], color="grey", ls=":", lw=1)
ax.set(xlabel="time", ylim=(-3.2, 3.2), title="A fitted Gaussian process")
ax.legend(ncols=2, loc="upper left", fontsize=9)
plt.show()

# %%
# Between the observations, the prediction follows the hidden process. Beyond the last
# one it returns to the mean, and the band widens.
