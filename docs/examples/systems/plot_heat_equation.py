"""
The heat equation by the exponential of a matrix
================================================

On a ring, the heat equation u' = κ L u has the solution u(t) = exp(κ t L) u(0). The
second difference L is circulant, and so is its exponential: `structmat.linalg.expm`
computes it from the spectrum, for any time t in one step, without steps in between.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

n = 256
x = np.arange(n) / n
column = np.zeros(n)
column[[0, 1, -1]] = -2, 1, 1
L = sm.Circulant(column * n**2)
u = np.where(np.abs(x - 0.35) < 0.12, 1.0, 0.0) + 0.5 * (np.abs(x - 0.75) < 0.04)

# %%
# The exponential is an operator like any other: it multiplies vectors, and powers of it
# are later times.

times = [0, 1e-4, 1e-3, 1e-2]
flow = {t: sm.linalg.expm(t * L) for t in times}
print(flow[1e-3])
solutions = {t: flow[t] @ u for t in times}

# %%
# The comparison is a classical method: many explicit steps, each short enough to be
# stable.

steps = 400
v = u.copy()
for _ in range(steps):
    v = v + (1e-3 / steps) * (L @ v)
print(
    f"difference to {steps} explicit steps:  {np.max(np.abs(v - solutions[1e-3])):.1e}"
)
ten = flow[1e-3] ** 10 @ u
print(f"ten times t = 0.001, and t = 0.01: {np.max(np.abs(ten - solutions[1e-2])):.1e}")
print(f"change of the total heat:          {abs(np.sum(solutions[1e-2] - u)):.1e}")

# sphinx_gallery_alt = "Temperature on a ring at four times: two pulses with sharp edges become smooth and flat."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
colours = plt.colormaps["inferno"](np.linspace(0.75, 0.1, len(times)))
for t, colour in zip(times, colours, strict=True):
    ax.plot(x, solutions[t], color=colour, label=f"t = {t:g}")
ax.set(xlabel="place on the ring", ylabel="temperature", title="exp(t L) u")
ax.legend()
plt.show()

# %%
# Edges vanish first and the mean remains: the exponential damps fast waves most.
