"""
Learning few kernel features
============================

Random features are many, because they are drawn without regard to the data. If few are
to be used, the projection can be learned together with the classifier, as in the
compact nonlinear maps of Yu, Kumar, Rowley and Chang (2015).
`structmat.learn.CompactMap` learns the column of a circulant matrix for this.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

import structmat as sm

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(X))
X, y = X[order] / 16, y[order]
train, test = slice(0, 1300), slice(1300, None)

# %%
# Both maps are circulant, and both classifiers are trained in the same way. Only the
# learned map changes its column.

numbers, seeds = [10, 20, 40, 80], range(3)
errors = {False: [], True: []}
for learn, found in errors.items():
    for n in numbers:
        options = {"gamma": 0.2, "learn": learn, "rate": 0.02, "epochs": 10}
        fits = [
            sm.learn.CompactMap.fit(X[train], y[train], n, rng=seed, **options)
            for seed in seeds
        ]
        found.append(np.mean([m.predict(X[test]) != y[test] for m in fits]))
for n, random, learned in zip(numbers, *errors.values(), strict=True):
    print(f"{n:3} features: test error {random:.1%} random, {learned:.1%} learned")

# sphinx_gallery_alt = "Test error against the number of features: below for learned features than for random ones."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
ax.plot(numbers, 100 * np.asarray(errors[False]), "ks--", label="random")
ax.plot(numbers, 100 * np.asarray(errors[True]), "o-", label="learned")
ax.set(xscale="log", xlabel="features", ylabel="test error, %", ylim=(0, None))
ax.set_xticks(numbers, numbers)
ax.minorticks_off()
ax.set_title("Digits by few kernel features")
ax.legend()
plt.show()

# %%
# The learned map needs fewer features for the same error; with many features, the
# difference shrinks.
