"""Images of the entries of a matrix."""

import math
from numbers import Real
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from structmat._backend import devices
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.plot._arguments import axes_for, checked_operator

DIVERGING, SEQUENTIAL = "PuOr", "Purples"  # suitable for all common types of colour blindness
PATTERN = ListedColormap([(1.0, 1.0, 1.0, 0.0), "#542788"], name="structmat-pattern")
CHUNK = 2**20  # entries of the vectors that are multiplied at a time, where entries come from products
PARTS = {"real": "Re A[i, j]", "imag": "Im A[i, j]", "abs": "|A[i, j]|"}


def matrix(
    A: LinearOperator,
    *,
    ax: Axes | None = None,
    part: Literal["real", "imag", "abs"] | None = None,
    max_size: int = 512,
    cmap: Any = None,
    colorbar: bool = True,
) -> Axes:
    """Draw the entries of an operator as an image.

    Real and imaginary parts have a diverging colour map, with zero in the middle; absolute values have a sequential one
    that starts at zero. NaN is transparent.

    Parameters
    ----------
    A : LinearOperator
        Any.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default the Axes of a new figure.
    part : {"real", "imag", "abs"}, optional
        What to draw of each entry; by default the entry of a real operator, the absolute value for a complex one. The
        colour bar says which.
    max_size : int, optional
        Most rows and most columns to evaluate. Of more rows every k-th one is drawn, with the smallest k that is
        enough, and so for columns; the labels of the axes say so.
    cmap : str or matplotlib.colors.Colormap, optional
        Another colour map; the limits of the colours remain.
    colorbar : bool, optional
        Whether to draw a colour bar beside the image.

    Returns
    -------
    matplotlib.axes.Axes
        With one image; its coordinates are the indices of columns and rows.

    Raises
    ------
    TypeError
        A is not an operator, or `ax` is not Axes.
    ValueError
        `part` is none of the above, `max_size` is not a positive int, or `ax` was removed from its figure.

    Notes
    -----
    Cost: at most `max_size` times `max_size` entries where they are known (see `LinearOperator.to_dense`), else at most
    `max_size` products, a few megabytes at a time.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> ax = sm.plot.matrix(sm.Circulant(np.asarray([1.0, -2.0, 0.5])), ax=ax)
    >>> ax.images[0].get_array().data
    array([[ 1. ,  0.5, -2. ],
           [-2. ,  1. ,  0.5],
           [ 0.5, -2. ,  1. ]])
    """
    checked_operator("matrix", A)
    if part is None:
        part = "abs" if A._is_complex else "real"
    elif part not in PARTS:
        raise ValueError(f"plot.matrix: part is {part!r}; expected one of {', '.join(map(repr, PARTS))}.")
    rows, columns = sampled_indices("matrix", A, max_size)
    values = getattr(np, part)(sampled(A, rows, columns))
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max(initial=0.0)) or 1.0
    if cmap is None:
        cmap = SEQUENTIAL if part == "abs" else DIVERGING
    limits = {"vmin": 0.0 if part == "abs" else -largest, "vmax": largest}
    ax = axes_for("matrix", ax)
    image = _image(ax, values, rows, columns, cmap=cmap, **limits)
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label="A[i, j]" if part == "real" and not A._is_complex else PARTS[part])
    return ax


def spy(A: LinearOperator, *, ax: Axes | None = None, tolerance: float = 0.0, max_size: int = 512) -> Axes:
    """Draw the pattern of the nonzero entries of an operator.

    Parameters
    ----------
    A : LinearOperator
        Any.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default the Axes of a new figure.
    tolerance : float, optional
        Largest absolute value of an entry that counts as zero. Where entries are products (see
        `LinearOperator.to_dense`), zeros are accurate to rounding only, so that a positive number is needed.
    max_size : int, optional
        Most rows and most columns to evaluate, as for `matrix`. A pattern that is narrower than the step from one
        drawn row to the next, such as a band, may be missed.

    Returns
    -------
    matplotlib.axes.Axes
        With one image of True and False; its coordinates are the indices of columns and rows.

    Raises
    ------
    TypeError
        A is not an operator, or `ax` is not Axes.
    ValueError
        `tolerance` is negative or not a number, `max_size` is not a positive int, or `ax` was removed from its figure.

    Notes
    -----
    Cost: that of `matrix`.

    Examples
    --------
    >>> import structmat as sm
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> ax = sm.plot.spy(sm.Shift(3, 1), ax=ax)
    >>> ax.images[0].get_array().data
    array([[False, False,  True],
           [ True, False, False],
           [False,  True, False]])
    """
    checked_operator("spy", A)
    limit: Any = tolerance
    if not (isinstance(limit, Real) and float(limit) >= 0):
        raise ValueError(f"plot.spy: tolerance is {limit!r}; expected a number of 0 or more.")
    rows, columns = sampled_indices("spy", A, max_size)
    pattern = ~(np.abs(sampled(A, rows, columns)) <= tolerance)  # NaN is no zero
    ax = axes_for("spy", ax)
    _image(ax, pattern, rows, columns, cmap=PATTERN, vmin=0, vmax=1)
    return ax


def sampled_indices(name: str, A: LinearOperator, max_size: int) -> tuple[range, range]:
    """Return at most `max_size` rows and columns, in equal steps from the first."""
    most = checked_size(f"plot.{name}", "max_size", max_size)
    return range(0, A.m, math.ceil(A.m / most)), range(0, A.n, math.ceil(A.n / most))


def sampled(A: LinearOperator, rows: range, columns: range) -> np.ndarray[Any, Any]:
    """Return the entries in some rows and columns on the host."""
    xp, _ = A._library
    one, width = A._in_one_precision(xp), max(1, CHUNK // max(A.shape))
    starts = range(0, len(columns), width)
    blocks = (one._block(xp, rows, columns[first : first + width], A.device) for first in starts)
    return np.concatenate([devices.to_host(block) for block in blocks], axis=1)


def _image(ax: Axes, values: np.ndarray[Any, Any], rows: range, columns: range, **colours: Any) -> Any:
    left, right = columns[0] - columns.step / 2, columns[-1] + columns.step / 2
    top, bottom = rows[0] - rows.step / 2, rows[-1] + rows.step / 2
    ax.set(xlabel=_label("column", columns), ylabel=_label("row", rows))
    return ax.imshow(values, extent=(left, right, bottom, top), interpolation="nearest", **colours)


def _label(name: str, indices: range) -> str:
    return name if indices.step == 1 else f"{name} (1 of {indices.step:,} is drawn)"
