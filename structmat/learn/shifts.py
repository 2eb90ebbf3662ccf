"""Samples and all their cyclic shifts: shapes, and the matrices that they have at each frequency."""

import math

from structmat._backend import dtypes, fft, namespaces
from structmat._backend.types import Array, Namespace
from structmat.core.fields import checked_floating, checked_size


def by_frequency(xp: Namespace, x: Array, axes: int) -> Array:
    """Transform an array (a, b, grid) along its grid; return the matrix of each frequency, (frequencies, a, b)."""
    spectra = fft.dftn(xp, x, axes)
    return xp.permute_dims(xp.reshape(spectra, (*x.shape[:2], math.prod(spectra.shape[2:]))), (2, 0, 1))


def from_frequencies(xp: Namespace, spectra: Array, grid: tuple[int, ...], *, real: bool) -> Array:
    """Invert `by_frequency`: return the array (a, b, grid) whose matrices at each frequency are given."""
    width = grid[-1] // 2 + 1 if real else grid[-1]
    whole = xp.reshape(xp.permute_dims(spectra, (1, 2, 0)), (*spectra.shape[1:], *grid[:-1], width))
    return fft.idftn(xp, whole, grid, real=real)


def checked_samples(title: str, name: str, x: Array, axes: int, most: int = 2) -> Array:
    """Reshape samples to (N, q, grid)."""
    leading = x.ndim - checked_size(title, "axes", axes)
    if not 0 <= leading <= most or 0 in x.shape:
        raise ValueError(
            f"{title}: {name} has shape {tuple(x.shape)}; expected {axes} axes of a grid after at most {most} others, "
            f"none empty."
        )
    sizes = (*x.shape[:leading], *(1 for _ in range(2 - leading)))
    return namespaces.of(x).reshape(x, (*sizes, *x.shape[leading:]))


def checked_samples_and_targets(
    title: str, X: Array, Y: Array, axes: int, *, real: bool = False, name: str = "Y"
) -> tuple[Namespace, Array, Array, tuple[int, ...]]:
    """Validate samples and targets; return them with a common dtype, in the shapes (N, q, grid) and (N, 1, grid)."""
    xp, (x, y) = checked_floating(title, **{"X": X, name: Y})
    wide = xp.result_type(x.dtype, y.dtype)
    if real and dtypes.is_complex(xp, wide):
        raise TypeError(f"{title}: X or {name} is complex; expected real arrays.")
    x = checked_samples(title, "X", dtypes.astype(xp, x, wide), axes)
    y = checked_samples(title, name, dtypes.astype(xp, y, wide), axes, most=1)
    grid = tuple(x.shape[2:])
    if tuple(y.shape) != (x.shape[0], 1, *grid):
        raise ValueError(
            f"{title}: X has shape {tuple(X.shape)} and {name} {tuple(Y.shape)}; expected one target for each sample, "
            f"on the same grid."
        )
    return xp, x, y, grid


def checked_weight(title: str, name: str, value: float, *, least: float | None = None) -> None:
    """Raise ValueError unless a weight is finite, and positive or equal to `least`."""
    if not (0 < value < math.inf or value == least):
        raise ValueError(
            f"{title}: {name} is {value!r}; expected {'more than 0' if least is None else '0 or more'}, and finite."
        )
