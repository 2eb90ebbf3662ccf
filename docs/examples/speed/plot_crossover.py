"""
When a dense product is faster
==============================

The cost of a circulant product grows as n log n, that of a dense one as n². For small
matrices, however, a dense product is a single call of BLAS that reads few numbers, and
it wins. This example measures where the lines cross on the machine that built this
page.
"""

import time

import matplotlib.pyplot as plt
import numpy as np

import structmat as sm

rng = np.random.default_rng(0)
sizes = [2**e for e in range(4, 13)]


def seconds(function, x):
    """The least time of a call, which other programs delay least."""
    function(x)
    start = time.perf_counter()
    function(x)
    calls = max(1, int(1e-3 / (time.perf_counter() - start)))
    runs = []
    for _ in range(15):
        start = time.perf_counter()
        for _ in range(calls):
            function(x)
        runs.append((time.perf_counter() - start) / calls)
    return min(runs)


# %%
# One vector at a time is the hardest case for structure: the fixed cost of a call,
# which checks its arguments, is the same for all sizes. A batch shares it.

measured = {}
for batch in (1, 64):
    rows = []
    for n in sizes:
        A = sm.Circulant(rng.standard_normal(n).astype(np.float32))
        matrix = np.ascontiguousarray(A.to_dense())
        x = rng.standard_normal((batch, n)).astype(np.float32)
        dense = matrix.dot if batch == 1 else lambda X, W=matrix.T: X @ W
        x = x[0] if batch == 1 else x
        rows.append([seconds(A.matvec, x), seconds(dense, x)])
    measured[batch] = 1e6 * np.asarray(rows).T / batch

for batch, (structured, dense) in measured.items():
    wins = [n for n, s, d in zip(sizes, structured, dense, strict=True) if s < d]
    ratio = dense[-1] / structured[-1]
    first = f"from n = {wins[0]}" if wins else "nowhere"
    print(f"batch of {batch:2}: circulant faster {first}, {ratio:.0f} × at {sizes[-1]}")

# sphinx_gallery_alt = "Time of a product against n: dense products are faster for small n, circulant for large."
# sphinx_gallery_thumbnail_number = 1
fig, ax = plt.subplots()
for (batch, (structured, dense)), style in zip(
    measured.items(), ("--", "-"), strict=True
):
    word = "one vector" if batch == 1 else f"batch of {batch}"
    ax.loglog(sizes, dense, "k" + style, label=f"dense, {word}")
    ax.loglog(sizes, structured, "C0" + style, label=f"circulant, {word}")
ax.set_xticks(sizes[::2], sizes[::2])
ax.minorticks_off()
ax.set(xlabel="n", ylabel="microseconds per vector", title="Time of a product")
ax.legend(fontsize=9)
plt.show()

# %%
# Below the crossing of two lines, use a dense matrix; above it, the gap widens with n.
# Where they cross depends on the machine and on the batch. ``make bench`` measures it
# for more operators.
