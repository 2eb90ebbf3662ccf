"""Figures as tables of text, and the sentences about the machine."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.console import Console


class Table(NamedTuple):
    """Rows of text under headings; the first `left` columns are aligned to the left."""

    title: str
    headings: list[str]
    rows: list[list[str]]
    left: int = 1


def show(tables: Iterable[Table], to: "Console") -> None:
    """Print tables."""
    from rich import box  # the documentation is built without it
    from rich.table import Table as Shown

    for table in tables:
        shown = Shown(box=box.SIMPLE, pad_edge=False)
        for place, heading in enumerate(table.headings):
            shown.add_column(heading, justify="left" if place < table.left else "right", no_wrap=True)
        for row in table.rows:
            shown.add_row(*row)
        to.print(table.title, style="bold", highlight=False)
        to.print(shown)


def number_text(value: float) -> str:
    """Format a number with three digits, or as an integer if it has more."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def time_text(seconds: float) -> str:
    """Format a time with the unit that fits."""
    unit, scale = next((u, s) for u, s in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)) if seconds >= s or u == "µs")
    return f"{number_text(seconds / scale)} {unit}"


def shape_text(shape: Iterable[int]) -> str:
    """Format a shape: 1,024 × 4,096."""
    return " × ".join(f"{size:,}" for size in shape)
