"""Validation of the arguments that several functions take."""

from typing import Any, cast

from matplotlib.axes import Axes

from structmat.core.base import LinearOperator


def checked_operator(name: str, A: Any, *, square: bool = False) -> None:
    """Validate an operator."""
    if not isinstance(A, LinearOperator):
        raise TypeError(f"plot.{name}: A is a {type(A).__name__}; expected an operator, such as sm.Dense(matrix).")
    if square and A.m != A.n:
        raise ValueError(f"plot.{name}: A is {A._label}; expected a square operator.")


def axes_for(name: str, ax: Any, **figure: Any) -> Axes:
    """Return the Axes to draw in: validated ones, or those of a new figure with the given options."""
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(layout="constrained", **figure)[1]
    elif not isinstance(ax, Axes):
        raise TypeError(
            f"plot.{name}: ax is a {type(ax).__name__}; expected Axes of Matplotlib, such as plt.subplots()[1]."
        )
    elif ax.figure is None:
        raise ValueError(f"plot.{name}: ax was removed from its figure; expected Axes of a figure.")
    return cast("Axes", ax)
