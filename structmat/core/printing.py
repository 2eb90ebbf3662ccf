"""`repr` and `str` of operators: one line, and a tree. Neither reads a value."""

import math

from structmat._backend import dtypes, namespaces
from structmat.core.parameters import Parameters


class Printing(Parameters):
    """One line by `repr`, a tree of the parts by `str`."""

    @property
    def _details(self) -> str:
        return ""

    def __repr__(self) -> str:
        try:
            self.shape  # noqa: B018
        except (TypeError, ValueError):
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
