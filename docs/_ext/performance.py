"""Write the tables and the figure of docs/performance.rst from the committed results before each build."""

import json
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


def listed(found: Table) -> str:
    """A table of text in reStructuredText."""
    rows = [found.headings, *found.rows]
    widths = " ".join(str(2 + max(map(len, column))) for column in zip(*rows, strict=True))
    return f".. rubric:: {found.title}\n\n" + table(rows, widths=widths, header=1)


def parts() -> dict[str, str]:
    """The included files by name."""
    figures, choices, systems, *devices = (
        json.loads((RESULTS / name).read_text(encoding="utf-8")) for name in (*FILES, *DEVICES)
    )
    return {
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
    report.draw(json.loads((RESULTS / FILES[0]).read_text(encoding="utf-8")), target / "crossover.png")


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
