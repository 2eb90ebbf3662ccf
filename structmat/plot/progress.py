"""The course of an iteration."""

import math
from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes

from structmat.linalg import History
from structmat.plot._arguments import axes_for


def convergence(history: History | Iterable[float], *, ax: Axes | None = None, label: str | None = None) -> Axes:
    """Draw the residuals of an iteration on a logarithmic scale.

    Parameters
    ----------
    history : structmat.linalg.History or iterable of float
        The callback that an iteration was given, or residual norms, one for each iteration from the first.
    ax : matplotlib.axes.Axes, optional
        Where to draw, for example beside another iteration; by default the Axes of a new figure.
    label : str, optional
        Name of the iteration, for `ax.legend()`.

    Returns
    -------
    matplotlib.axes.Axes
        With one more line for each right-hand side. The scale has no place for residuals that are zero.

    Raises
    ------
    TypeError
        `history` is neither a `History` nor an iterable of numbers, or `ax` is not Axes.
    ValueError
        `history` is empty or has a negative number, or `ax` was removed from its figure.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> from matplotlib.figure import Figure
    >>> T, history = sm.SymmetricToeplitz(0.5 ** np.arange(2000.0)), sm.linalg.History()
    >>> result = sm.linalg.solve_iterative(T, np.ones(2000), callback=history)
    >>> ax = Figure().subplots()
    >>> ax = sm.plot.convergence(history, ax=ax, label="CG")
    >>> ax.lines[0].get_ydata()[-1] == result.residual
    True
    """
    lines = _lines(history)
    ax = axes_for("convergence", ax)
    for place, residuals in enumerate(lines):
        steps = range(1, len(residuals) + 1)
        ax.plot(steps, residuals, marker=".", label=f"_{place}" if label is None or place else label)
    if any(residual > 0 for line in lines for residual in line):
        ax.set_yscale("log")
    ax.set(xlabel="iteration", ylabel="residual ‖b − A x‖ / ‖b‖" if isinstance(history, History) else "residual")
    return ax


def _lines(history: Any) -> list[list[float]]:
    """The residuals of each right-hand side."""
    if isinstance(history, History):
        lines = history.by_column()
    else:
        try:
            lines = [[float(value) for value in history]]
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"plot.convergence: history is a {type(history).__name__}; expected a linalg.History or residual norms."
            ) from error
    if not any(lines):
        raise ValueError("plot.convergence: history is empty; expected the residuals of one iteration or more.")
    for line in lines:
        for place, value in enumerate(line):
            if value < 0:
                raise ValueError(f"plot.convergence: history[{place}] is {value!r}; expected a norm of 0 or more.")
    return [[value if value > 0 else math.nan for value in line] for line in lines]
