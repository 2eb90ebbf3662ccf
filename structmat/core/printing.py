"""Operators as text, HTML and TeX: a line, trees and a formula. None reads a value."""

import html
import math
import re
from typing import TYPE_CHECKING, ClassVar

from structmat._backend import dtypes, namespaces
from structmat.core.html import html_of
from structmat.core.notation import Notation
from structmat.core.outline import Node, outline
from structmat.core.parameters import Parameters

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator

TERMS, LEVELS = 40, 8  # most operators and levels of a formula


class Printing(Parameters):
    """One line by `repr`, a tree of the parts by `str`; notebooks show a tree in HTML, or a formula."""

    _notation: ClassVar[Notation | None] = None  # of a composite

    @property
    def _details(self) -> str:
        return ""

    def _is_valid(self) -> bool:
        """Tell whether the fields fit together; JAX makes operators of any objects, which are shown all the same."""
        try:
            self.shape  # noqa: B018
        except (TypeError, ValueError):
            return False
        return True

    def __repr__(self) -> str:
        if not self._is_valid():
            shown = ((name, value) for name, value in self._fields.items() if not name.startswith("_"))
            held = (f"{name}={getattr(value, 'shape', value)}" for name, value in shown)
            return f"{type(self).__name__}({', '.join(held)})"
        facts = [f"{self.m}×{self.n}{self._details}"]
        if self.xp is not None:
            facts += [] if self.dtype is None else [f"dtype={dtypes.name(self.dtype)}"]
            facts += [f"xp={namespaces.name(self.xp)}", f"device={self.device}"]
        facts.append(f"params={sum(math.prod(value.shape) for value in self.params)}")
        return f"{type(self).__name__}({', '.join(facts)})"

    def __str__(self) -> str:
        lines = [repr(self)]
        for place, child in enumerate(self._children):
            last = place == len(self._children) - 1
            first, *rest = str(child).split("\n")
            lines.append(("└─ " if last else "├─ ") + first)
            lines += [("   " if last else "│  ") + line for line in rest]
        return "\n".join(lines)

    def _repr_html_(self: "LinearOperator") -> str:  # type: ignore[misc]
        return html_of(self) if self._is_valid() else f"<pre>{html.escape(repr(self))}</pre>"

    def _repr_latex_(self: "LinearOperator") -> str | None:  # type: ignore[misc]
        return rf"$\displaystyle {_formula(outline(self, nodes=TERMS, levels=LEVELS))}$" if self._is_valid() else None


def _formula(node: Node) -> str:
    """The formula of an operator; dots stand for parts that are left out."""
    A = node.operator
    notation = A._notation
    if notation is None:
        return rf"\mathrm{{{re.sub(r'[^A-Za-z0-9]', ' ', type(A).__name__)}}}_{{{A.m} \times {A.n}}}"
    parts = [_enclosed(_formula(part), part, notation.holds) for part in node.parts]
    joined = notation.between.join(parts + [r"\cdots"] * bool(node.hidden)).replace("+ -", "- ")
    return notation.frame.format(parts=joined, **{name: value for name, value in A._fields.items() if name != "parts"})


def _enclosed(formula: str, node: Node, holds: int) -> str:
    notation = node.operator._notation
    return rf"\left({formula}\right)" if notation is not None and notation.binds < holds else formula
