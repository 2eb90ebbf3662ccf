"""
Training a circulant layer in JAX
=================================

The products of an operator are functions of JAX, so that `jax.grad` differentiates them
and `jax.jit` compiles a step once. This example trains a circulant layer with plain
JAX: the parameters of the operator are leaves of the model, and
`LinearOperator.with_params` puts them back into the operator. ``structmat.nn.equinox``
and ``structmat.nn.flax`` have the layer as a module.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import structmat as sm

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(X))
X, y = jnp.asarray(X[order] / 16, dtype=jnp.float32), jnp.asarray(y[order])
X_train, y_train, X_test, y_test = X[:1300], y[:1300], X[1300:], y[1300:]
hidden = 256

# %%
# The projection contains random signs, which are integers and constants. Only the
# arrays in ``A.params`` are differentiated. ``A(x)`` multiplies a batch of rows.


def predict(A, model, x):
    hidden = jax.nn.relu(A.with_params(model["first"])(x) + model["bias"])
    return hidden @ model["last"]


def loss(model, A, x, labels):
    scores = jax.nn.log_softmax(predict(A, model, x))
    return -jnp.mean(jnp.take_along_axis(scores, labels[:, None], axis=1))


@jax.jit
def step(A, model, momentum, x, labels):
    gradient = jax.grad(loss)(model, A, x, labels)
    momentum = jax.tree.map(lambda m, g: 0.9 * m + g, momentum, gradient)
    return jax.tree.map(lambda p, m: p - 0.01 * m, model, momentum), momentum


def fit(A, epochs=20):
    """The test accuracy after each epoch."""
    last = 0.1 * jax.random.normal(jax.random.key(0), (hidden, 10))
    model = {"first": A.params, "bias": jnp.zeros(hidden), "last": last}
    momentum = jax.tree.map(jnp.zeros_like, model)
    rng, accuracy = np.random.default_rng(0), []
    for _ in range(epochs):
        for rows in rng.permutation(1300).reshape(-1, 50):
            model, momentum = step(A, model, momentum, X_train[rows], y_train[rows])
        hits = predict(A, model, X_test).argmax(axis=1) == y_test
        accuracy.append(float(jnp.mean(hits)))
    return accuracy


# %%
# A fixed random layer needs no other code: `LinearOperator.freeze` turns
# parameters into constants, which have no gradient.

projection = sm.projections.circulant_projection(64, hidden, rng=0, dtype="float32")
learned = 3 * projection.to("jax")
runs = {"learned": fit(learned), "random, frozen": fit(learned.freeze())}
size = sum(p.size for p in learned.params)
print(f"the layer has {size} numbers instead of {64 * hidden:,}")
for name, accuracy in runs.items():
    print(f"circulant, {name:15} test accuracy {accuracy[-1]:.3f}")

# sphinx_gallery_alt = "Test accuracy over 20 epochs: the learned circulant layer ends above the random one."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
for (name, accuracy), style in zip(runs.items(), ("C0-", "C1--"), strict=True):
    ax.plot(range(1, len(accuracy) + 1), accuracy, style, label=f"circulant, {name}")
ax.set(xlabel="epoch", ylabel="test accuracy", ylim=(0.8, 1), title="Trained by JAX")
ax.set_xticks(range(0, 21, 5))
ax.legend(loc="lower right")
plt.show()

# %%
# Random circulant features are a strong baseline where there are many of them, and the
# learned column improves on them.
