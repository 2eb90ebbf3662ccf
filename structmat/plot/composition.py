"""The tree of a composition."""

from matplotlib.axes import Axes

from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.core.outline import Node, outline
from structmat.plot._arguments import axes_for, checked_operator

LEVELS = 12  # deeper ones would be drawn too close together
INCHES = 1.4, 0.5  # of a node in a new figure


def tree(A: LinearOperator, *, ax: Axes | None = None, max_nodes: int = 60) -> Axes:
    """Draw the composition of an operator as a tree, with its parts to the right, the first at the top.

    Parameters
    ----------
    A : LinearOperator
        Any.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default the Axes of a new figure, as large as the tree needs.
    max_nodes : int, optional
        Most operators to draw, the upper levels first and at most 12 levels; "+ 5" in an operator says that five of
        its parts, and theirs, are left out.

    Returns
    -------
    matplotlib.axes.Axes
        Without frame and ticks; each operator is a text.

    Raises
    ------
    TypeError
        A is not an operator, or `ax` is not Axes.
    ValueError
        `max_nodes` is not a positive int, or `ax` was removed from its figure.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> from matplotlib.figure import Figure
    >>> A = sm.Circulant(np.ones(4)) @ sm.Shift(4, 1)
    >>> ax = Figure().subplots()
    >>> [text.get_text().split() for text in sm.plot.tree(A, ax=ax).texts]
    [['Product', '4×4'], ['Circulant', '4×4'], ['Shift', '4×4']]
    """
    checked_operator("tree", A)
    root = outline(A, nodes=checked_size("plot.tree", "max_nodes", max_nodes), levels=LEVELS)
    places = _places(root)
    width, height = (1 + max(place[axis] for place in places.values()) for axis in (0, 1))
    ax = axes_for("tree", ax, figsize=(max(2.0, INCHES[0] * width), max(1.0, INCHES[1] * height)))
    _draw(ax, root, places)
    ax.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    ax.set_axis_off()
    return ax


def _places(root: Node) -> dict[int, tuple[int, float]]:
    """Coordinates of the nodes by identity: leaves in steps of one, others beside the middle of their parts."""
    places: dict[int, tuple[int, float]] = {}
    leaves = 0

    def place(node: Node, depth: int) -> float:
        nonlocal leaves
        if node.parts:
            beside = [place(part, depth + 1) for part in node.parts]
            y = (beside[0] + beside[-1]) / 2
        else:
            y, leaves = float(leaves), leaves + 1
        places[id(node)] = depth, y
        return y

    place(root, 0)
    return places


def _draw(ax: Axes, node: Node, places: dict[int, tuple[int, float]]) -> None:
    x, y = places[id(node)]
    frame = {"boxstyle": "round,pad=0.35", "facecolor": ax.get_facecolor(), "edgecolor": "#808080"}
    name = f"{type(node.operator).__name__}\n{node.operator.m}×{node.operator.n}"
    name += f"\n+ {node.hidden:,}" if node.hidden else ""
    ax.text(x, y, name, ha="center", va="center", size=8, bbox=frame, parse_math=False)
    for part in node.parts:
        to_x, to_y = places[id(part)]
        ax.plot([x, to_x], [y, to_y], color="#808080", linewidth=1, zorder=0)
        _draw(ax, part, places)
