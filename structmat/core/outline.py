"""A tree of operators, cut to a number of nodes and levels that can be shown."""

import functools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator


@dataclass
class Node:
    """An operator of the tree, its parts that are shown, and the number of nodes below it that are not."""

    operator: "LinearOperator"
    parts: "list[Node]" = field(default_factory=list)
    hidden: int = 0


def outline(A: "LinearOperator", *, nodes: int, levels: int) -> Node:
    """Return the tree of an operator, level by level, until it has the given numbers of nodes and levels."""
    count = functools.cache(lambda operator: 1 + sum(map(count, operator._children)))
    root = Node(A)
    row, left = [root], nodes - 1
    for level in range(1, levels + 1):
        for node in row:
            children = node.operator._children
            shown = children[: left if level < levels else 0]
            node.parts = [Node(child) for child in shown]
            node.hidden = sum(map(count, children[len(shown) :]))
            left -= len(shown)
        row = [part for node in row for part in node.parts]
    return root
