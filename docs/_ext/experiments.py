"""Write the tables and the figure of docs/paper.rst from the committed results before each build."""

from pathlib import Path
from typing import TYPE_CHECKING

from catalogue import table

from benchmarks.paper import compare, report

if TYPE_CHECKING:
    from sphinx.application import Sphinx

UNBROKEN = "\u00a0±\u00a0"
WIDTHS = {
    "claims": "24 24 12 40",
    "mnist": "16 8 11 8 9 14 14 10 10",
    "alexnet": "30 22 20 14 14",
    "cifar10": "30 22 20 14 14",
    "layers": "20 16 16 16 16 16",
}


def pages() -> dict[str, str]:
    """The included files by their paths in docs/_generated."""
    written = {
        f"paper/{name}.txt": table([headings, *rows], widths=WIDTHS[name], header=1).replace(" ± ", UNBROKEN)
        for name, (headings, rows) in compare.tables_of_page().items()
    }
    return {**written, "paper/within.txt": compare.within(compare.load("paper_mnist")) + "\n"}


def generate(app: "Sphinx") -> None:
    """Write the tables and the figure."""
    target = Path(app.srcdir, "_generated")
    (target / "paper").mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (target / name).write_text(text, encoding="utf-8")
    report.draw(compare.load("paper_mnist"), target / "paper/mnist.png")


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
