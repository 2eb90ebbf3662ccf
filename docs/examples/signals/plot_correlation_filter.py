"""
Tracking a patch with a correlation filter
==========================================

A correlation filter is ridge regression on all cyclic shifts of a window. Its output
has a peak at the position of the pattern and is small elsewhere. The shifts make the
data matrix circulant, so that the regression on thousands of windows decomposes into
one small problem for each frequency (Henriques et al., ICCV 2013 and TPAMI 2015). It is
fast enough to be solved again at every frame of a video.

In this example, a textured patch moves over a textured background, in a synthetic
sequence with noise. The texture of the patch changes gradually into another one, so a
filter trained only on the first frame fails.
"""

import time

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle
from scipy.ndimage import gaussian_filter

import structmat as sm

rng = np.random.default_rng(0)
frames, side, patch, window = 120, 160, 25, 48


def texture(size, smoothness):
    """Smooth noise of mean 0 and variance 1."""
    field = gaussian_filter(rng.standard_normal((size, size)), smoothness, mode="wrap")
    return (field - field.mean()) / field.std()


ground, first, last = texture(side, 3), texture(patch, 2), texture(patch, 2)
t = np.linspace(0, 1, frames)
path = (
    np.stack((80 + 45 * np.sin(2 * np.pi * t), 80 + 45 * np.sin(4 * np.pi * t)), axis=1)
    .round()
    .astype(int)
)
video = np.stack(
    [ground + 0.3 * rng.standard_normal((side, side)) for _ in range(frames)]
)
for image, place, share in zip(video, path, t, strict=True):
    top, left = place - patch // 2
    image[top : top + patch, left : left + patch] += 1.5 * (
        np.cos(share * np.pi / 2) * first + share * last
    )

# %%
# A window of 48 × 48 pixels has three features: the brightness and its differences
# along both axes. It is multiplied by a window function that vanishes at the edges,
# since the shifts are cyclic. The target is a narrow peak at shift 0.

fade = np.outer(np.hanning(window), np.hanning(window))
offsets = np.minimum(np.arange(window), window - np.arange(window))
peak = np.exp(-(offsets[:, None] ** 2 + offsets[None, :] ** 2) / (2 * 2.0**2))


def features(image, place):
    """The window around a place, (3, 48, 48)."""
    rows, columns = (
        np.clip(p - window // 2 + np.arange(window), 0, side - 1) for p in place
    )
    view = image[np.ix_(rows, columns)]
    return fade * np.stack((view - view.mean(), *np.gradient(view)))


def follow(fit, score, memory):
    """The positions of the patch, by a filter trained on the last windows."""
    places, windows = [path[0]], [features(video[0], path[0])]
    filter_ = fit(np.stack(windows))
    for image in video[1:]:
        scores = score(filter_, np.stack(windows), features(image, places[-1]))
        # if the patch moved by u, the peak is at shift -u
        shift = np.asarray(np.unravel_index(np.argmax(scores), scores.shape))
        places.append(places[-1] - (shift + window // 2) % window + window // 2)
        if memory:
            windows = [*windows[-(memory - 1) :], features(image, places[-1])]
            filter_ = fit(np.stack(windows))
    return np.asarray(places)


# %%
# The linear filter has a weight for each feature of each pixel. The kernel filter has a
# weight for each shift of each training window. The width of its kernel exp(-D²/2σ²) is
# the distance of two unrelated windows, σ² = 2‖x‖².

gamma = 1 / (4 * np.sum(features(video[0], path[0]) ** 2))


def linear(X):
    return sm.learn.circulant_ridge(
        X, np.broadcast_to(peak, (len(X), *peak.shape)), 10.0, axes=2
    )


def kernel(X):
    return sm.learn.kernel_circulant_ridge(
        X, np.broadcast_to(peak, (len(X), *peak.shape)), 0.01, gamma=gamma, axes=2
    )


def linear_score(w, X, z):
    return sm.learn.cyclic_scores(w, z, axes=2)


def kernel_score(dual, X, z):
    return sm.learn.kernel_cyclic_scores(dual, X, z[None], gamma=gamma, axes=2)[0]


trackers = {
    "linear, first frame only": (linear, linear_score, 0),
    "linear, last 5 frames": (linear, linear_score, 5),
    "Gaussian kernel, last 5 frames": (kernel, kernel_score, 5),
}
found = {}
for name, tracker in trackers.items():
    start = time.perf_counter()
    found[name] = follow(*tracker)
    rate = frames / (time.perf_counter() - start)
    errors = np.linalg.norm(found[name] - path, axis=1)
    print(f"{name:31} {rate:5.0f} frames a second, error ≤ {errors.max():.1f} pixels")

# sphinx_gallery_alt = "Frames of a video with the tracked patch, and errors: the filter of the first frame fails."
# sphinx_gallery_thumbnail_number = 1
fig = plt.figure(figsize=(6.4, 5))
grid = fig.add_gridspec(2, 3, height_ratios=(1.1, 1))
styles = dict(zip(trackers, ("k:", "C0-", "C1--"), strict=True))
for column, frame in enumerate((0, frames // 2, frames - 1)):
    ax = fig.add_subplot(grid[0, column])
    ax.imshow(video[frame], cmap="gray", vmin=-4, vmax=4)
    for name, places in found.items():
        corner, colour = places[frame][::-1] - patch / 2, styles[name].rstrip(":-")
        box = {"fill": False, "lw": 2, "ls": styles[name][len(colour) :], "ec": colour}
        ax.add_patch(Rectangle(corner, patch, patch, **box))
    ax.set(title=f"frame {frame}", xticks=[], yticks=[])
    ax.grid(visible=False)
ax = fig.add_subplot(grid[1, :])
for name, places in found.items():
    ax.plot(np.linalg.norm(places - path, axis=1), styles[name], label=name)
ax.set(xlabel="frame", ylabel="error, pixels", yscale="symlog", ylim=(-0.2, 200))
ax.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
ax.legend(loc="upper left")
plt.show()

# %%
# The filter trained on the first frame loses the patch when little of the first texture
# is left. The linear and the kernel filter, trained again on the last frames, track the
# patch until the end. On this sequence, the kernel does not improve the accuracy.
