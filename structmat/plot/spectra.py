"""Eigenvalues and singular values."""

import numpy as np
from matplotlib.axes import Axes

from structmat import linalg
from structmat._backend import devices
from structmat.core.base import DENSE_LIMIT, LinearOperator
from structmat.core.fields import checked_size
from structmat.plot._arguments import axes_for, checked_operator


def spectrum(A: LinearOperator, *, ax: Axes | None = None, max_size: int = 512) -> Axes:
    """Draw the eigenvalues of an operator in the complex plane.

    Parameters
    ----------
    A : LinearOperator
        Square.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default the Axes of a new figure.
    max_size : int, optional
        Most rows of a dense matrix to make where there is no exact formula, see `structmat.linalg.exact`.

    Returns
    -------
    matplotlib.axes.Axes
        With one line of n points.

    Raises
    ------
    TypeError
        A is not an operator, or `ax` is not Axes.
    ValueError
        A is not square; or it has no exact formula and more than `max_size` rows; or `max_size` is not a positive int;
        or `ax` was removed from its figure.

    Notes
    -----
    Cost: that of `structmat.linalg.eigvals`.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> ax = sm.plot.spectrum(sm.Circulant(np.asarray([0.0, 1.0, 0.0, 0.0])), ax=ax)
    >>> ax.lines[0].get_xydata()  # real and imaginary parts
    array([[ 1.,  0.],
           [ 0., -1.],
           [-1.,  0.],
           [ 0.,  1.]])
    """
    checked_operator("spectrum", A, square=True)
    limit = _limit("spectrum", A, max_size)
    try:
        values = devices.to_host(linalg.eigvals(A, max_bytes=limit))
    except MemoryError as error:
        raise _refusal("spectrum", A, "eigenvalues", max_size, limit) from error
    ax = axes_for("spectrum", ax)
    ax.plot(values.real, values.imag, linestyle="none", marker="o", markersize=4, alpha=0.7)
    ax.set_aspect("equal", adjustable="datalim")
    ax.set(xlabel="real part", ylabel="imaginary part")
    return ax


def singular_values(A: LinearOperator, *, ax: Axes | None = None, max_size: int = 512) -> Axes:
    """Draw the singular values of an operator in descending order on a logarithmic scale.

    Parameters
    ----------
    A : LinearOperator
        Any.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default the Axes of a new figure.
    max_size : int, optional
        Most rows and columns of a dense matrix to make where there is no exact formula, see `structmat.linalg.exact`.

    Returns
    -------
    matplotlib.axes.Axes
        With one line of the positive singular values. The scale has no place for zeros; the label of the axis says how
        many there are.

    Raises
    ------
    TypeError
        A is not an operator, or `ax` is not Axes.
    ValueError
        There is no exact formula and A has more than `max_size` rows or columns; or `max_size` is not a positive int;
        or `ax` was removed from its figure.

    Notes
    -----
    Cost: that of `structmat.linalg.svdvals`.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> from matplotlib.figure import Figure
    >>> ax = Figure().subplots()
    >>> ax = sm.plot.singular_values(sm.Diagonal(np.asarray([2.0, 0.0, -8.0])), ax=ax)
    >>> ax.lines[0].get_ydata()
    array([8., 2.])
    >>> ax.get_xlabel()
    'index (1 value is zero)'
    """
    checked_operator("singular_values", A)
    limit = _limit("singular_values", A, max_size)
    try:
        values = devices.to_host(linalg.svdvals(A, max_bytes=limit))
    except MemoryError as error:
        raise _refusal("singular_values", A, "singular values", max_size, limit) from error
    ax = axes_for("singular_values", ax)
    values = np.sort(values)[::-1]
    positive = values[~(values <= 0)]
    ax.plot(positive, linestyle="none", marker=".")
    if positive.size:
        ax.set_yscale("log")
    zeros = values.size - positive.size
    note = f" ({zeros:,} value{'s are' if zeros > 1 else ' is'} zero)" if zeros else ""
    ax.set(xlabel=f"index{note}", ylabel="singular value")
    return ax


def _limit(name: str, A: LinearOperator, max_size: int) -> int:
    """Bytes of the dense matrix that may be made: none where it has too many rows or columns."""
    return DENSE_LIMIT if max(A.shape) <= checked_size(f"plot.{name}", "max_size", max_size) else 0


def _refusal(name: str, A: LinearOperator, what: str, max_size: int, limit: int) -> Exception:
    if limit:
        return MemoryError(f"plot.{name}: the dense matrix of {A._label} takes too much memory.")
    return ValueError(
        f"plot.{name}: {A._label} has no exact formula for its {what} and is larger than max_size={max_size}; "
        f"max_size={max(A.shape)} makes its dense matrix."
    )
