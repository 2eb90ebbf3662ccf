"""
An operator of one's own
========================

A new structure is a class with its parameters, two products, a gradient and the
definition of its entries. Here it is the current through the links of a ring of
resistors. `structmat.testing.check_operator` compares products and gradients with the
definition, and the class then works in every composition. :doc:`/extending` explains
each line.
"""

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm
from structmat.custom import Array, Leaf, batch_sum, param, register_operator

# %%
# For potentials x, the current through link i is wᵢ (xᵢ₊₁ − xᵢ), with its conductance
# wᵢ.


def example(n, rng):
    return RingCurrent(rng.uniform(0.5, 1.0, n))


@register_operator(cost="O(n)", example=example)
class RingCurrent(Leaf):
    dims = "n", "n"  # rows, columns
    conductance: Array = param("n")

    def _right(self, xp, x):  # prepare x, once for the product and the gradient
        return xp.roll(x, -1, axis=-1) - x

    def _matvec(self, xp, X):  # A x, from the prepared x
        return self.conductance * X

    def _rmatvec(self, xp, g):  # Aᴴ g
        current = xp.conj(self.conductance) * g
        return xp.roll(current, 1, axis=-1) - current

    def _grad(self, xp, X, g):  # one array for each parameter
        return (batch_sum(xp, xp.conj(X) * g),)

    def _entry(self, xp, i, j):  # the definition
        ahead, here = (i + 1) % self.n == j, i == j
        flow = self.conductance[i]
        return xp.where(ahead, flow, 0) - xp.where(here, flow, 0)


rng = np.random.default_rng(0)
checks = [name for name in sm.testing.CHECKS if name != "pickle"]  # needs a module
sm.testing.check_operator(example(8, rng), checks=checks)
print(f"{len(checks)} checks passed")

# %%
# With the fixed differences D, the currents that leave the nodes are L x = −Dᴴ A x.
# Given measured potentials and currents, gradient descent finds a ring that explains
# them, and a broken link in it.

n = 32
D = RingCurrent(np.ones(n)).freeze()
true = rng.uniform(0.8, 1.2, n)
true[11] = 0.05
x = rng.standard_normal((200, n))
currents = (D.H @ RingCurrent(true)).matvec(x) + 0.02 * rng.standard_normal((200, n))

model, losses = D.H @ RingCurrent(np.ones(n)), []
for _ in range(200):
    y, saved = model.forward(x)
    residual = (y - currents) / len(x)
    losses.append(np.mean((y - currents) ** 2))
    _, (gradient,) = model.backward(saved, residual)
    model = model.with_params([model.params[0] - 0.1 * gradient])
print(f"mean squared residual: {losses[0]:.4f} → {losses[-1]:.4f}")
print(f"largest error of a conductance: {np.max(np.abs(model.params[0] - true)):.4f}")

# sphinx_gallery_alt = "Conductances found by gradients equal the true ones; that of one link is nearly zero."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
ax.bar(np.arange(n), true, color="lightgrey", label="true")
ax.plot(np.arange(n), model.params[0], "o", ms=5, label="found by gradients")
ax.set(xlabel="link of the ring", ylabel="conductance", ylim=(0, 1.55))
ax.set_title("A broken link, from measured currents")
ax.legend(ncols=2, loc="upper left")
plt.show()

# %%
# The gradient of the new class leads to the conductances, and to the broken link.
