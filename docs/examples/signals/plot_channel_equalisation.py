"""
Equalising a radio channel
==========================

Echoes make each received sample a combination of several symbols. If a block of symbols
is sent after a copy of its end, the cyclic prefix, then the channel acts on the block
as a circulant matrix. The receiver inverts it by transforms: this is the idea of OFDM
and of single-carrier transmission with equalisation in the frequency domain.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.signal import lfilter

import structmat as sm

rng = np.random.default_rng(3)
n, prefix, blocks = 256, 16, 40
taps = (rng.standard_normal(8) + 1j * rng.standard_normal(8)) * 0.75 ** np.arange(8)
taps /= np.linalg.norm(taps)
points = np.asarray([1 + 1j, 1 - 1j, -1 + 1j, -1 - 1j]) / np.sqrt(2)
symbols = rng.integers(0, 4, (blocks, n))
sent = points[symbols]

# %%
# The transmission knows no matrices: all blocks with their prefixes pass through the
# channel, one after the other, and the receiver removes the prefixes.

stream = np.concatenate((sent[:, -prefix:], sent), axis=1).ravel()
deviation = 0.1
noise = rng.standard_normal((2, stream.size)) * deviation / np.sqrt(2)
heard = lfilter(taps, 1.0, stream) + noise[0] + 1j * noise[1]
received = heard.reshape(blocks, n + prefix)[:, prefix:]

H = sm.Circulant(np.concatenate((taps, np.zeros(n - taps.size))))
print(
    f"received − H sent, relative: {np.std(received - H(sent)):.3f} (noise {deviation})"
)

# %%
# The linear equaliser of least mean squared error is (Hᴴ H + σ² I)⁻¹ Hᴴ, one circulant
# matrix for all blocks.

power = deviation**2
E = sm.simplify(sm.simplify(H.H @ H + power * sm.identity(n)) ** -1 @ H.H)
equalised = E(received)


def wrong(values):
    """The fraction of symbols whose nearest point is not the one that was sent."""
    nearest = np.argmin(np.abs(values[..., None] - points), axis=-1)
    return np.mean(nearest != symbols)


print(f"condition number of the channel: {float(sm.linalg.cond(H)):.1f}")
print(
    f"wrong symbols: received {wrong(received):.1%}, equalised {wrong(equalised):.2%}"
)

# sphinx_gallery_alt = "Received symbols overlap in the plane; equalised, they lie around the four points sent."
# sphinx_gallery_thumbnail_number = 1
fig, axes = plt.subplots(1, 2, figsize=(5.2, 3), sharex=True, sharey=True)
pairs = (("received", received), ("equalised", equalised))
for ax, (title, values) in zip(axes, pairs, strict=True):
    for place in range(4):
        z = values[symbols == place][:500]
        ax.plot(z.real, z.imag, ".", ms=2.5, alpha=0.6)
    ax.plot(points.real, points.imag, "k+", ms=9, mew=2)
    ax.set(title=title, aspect="equal", xlim=(-2, 2), ylim=(-2, 2))
plt.show()

# %%
# Each colour is one of the four symbols. As received, they overlap; after the equaliser
# they lie around the points that were sent, the crosses.
