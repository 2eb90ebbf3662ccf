"""Write the tables and the figure of the pages on performance from the committed results before each build."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from catalogue import table

from benchmarks import device, lengths, toeplitz
from benchmarks.peers import report
from benchmarks.tables import Table

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RESULTS = Path(__file__).parents[2] / "benchmarks/results"
FILES = "peers.json", "lengths.json", "toeplitz.json"
DEVICES = "device_cupy.json", "device_torch.json", "device_jax.json"


COLUMNS = 7  # that fit beside the two sidebars of a page that is 1,200 pixels wide


def narrow(found: Table) -> list[Table]:
    """A table as several of at most `COLUMNS` columns, each with the first column, and rows that are not empty."""
    count = -(-(len(found.headings) - 1) // (COLUMNS - 1))
    width = -(-(len(found.headings) - 1) // count)
    pieces = []
    for start in range(1, len(found.headings), width):
        columns = slice(start, start + width)
        rows = [[row[0], *row[columns]] for row in found.rows if any(row[columns])]
        pieces.append(Table(found.title if start == 1 else "", [found.headings[0], *found.headings[columns]], rows))
    return pieces


def listed(found: Table) -> str:
    """A table of text in reStructuredText."""
    parts = []
    for piece in narrow(found):
        rows = [piece.headings, *piece.rows]
        widths = " ".join(str(2 + max(map(len, column))) for column in zip(*rows, strict=True))
        title = f".. rubric:: {piece.title}\n\n" if piece.title else ""
        parts.append(title + table(rows, widths=widths, header=1, classes="figures"))
    return re.sub(" × ?", lambda found: found[0].replace(" ", "\u00a0"), "\n".join(parts))


def parts() -> dict[str, str]:
    """The included files by name."""
    figures, choices, systems, *devices = (
        json.loads((RESULTS / name).read_text(encoding="utf-8")) for name in (*FILES, *DEVICES)
    )
    return {
        "answers.txt": " ".join(report.answers(figures)) + "\n",
        "brief.txt": "\n".join(map(listed, report.brief_tables(figures))),
        "machine.txt": "\n".join(f"* {line}" for line in report.machine_lines(figures)) + "\n",
        **{f"{name}.txt": "\n".join(map(listed, found)) for name, found in report.tables(figures).items()},
        "lengths.txt": "\n".join(map(listed, lengths.tables(choices))),
        "device.txt": "\n".join(listed(found) for each in devices for found in device.tables(each)),
        "toeplitz.txt": "\n".join(map(listed, toeplitz.tables(systems))),
        "toeplitz-machine.txt": f"{toeplitz.machine_line(systems)}\n",
    }


def generate(app: "Sphinx") -> None:
    target = Path(app.srcdir, "_generated/performance")
    target.mkdir(parents=True, exist_ok=True)
    for name, text in parts().items():
        path = target / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    report.draw(json.loads((RESULTS / FILES[0]).read_text(encoding="utf-8")), target / "crossover.png", threads=1)


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
