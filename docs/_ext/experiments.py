"""Write the tables and the figures of docs/paper.rst from the committed results before each build."""

from pathlib import Path
from typing import TYPE_CHECKING

from catalogue import table

from benchmarks.paper import compare, full, report

if TYPE_CHECKING:
    from sphinx.application import Sphinx

UNBROKEN = "\u00a0±\u00a0"
WIDTHS = {
    "claims": "24 20 10 10 36",
    **dict.fromkeys(("mnist_full", "fashion", "mnist_hidden", "fashion_hidden"), "22 12 10 12 8 18 18"),
    **dict.fromkeys(("mnist_hidden_samples", "fashion_hidden_samples"), "20 20 20 28 12"),
    "effects": "16 24 28 32",
    "settings": "14 12 12 12 12 12 13 13",
    "mnist": "16 8 11 8 9 14 14 10 10",
    "alexnet": "30 22 20 14 14",
    "cifar10": "30 22 20 14 14",
    "layers": "20 16 16 16 16 16",
}


def pages() -> dict[str, str]:
    """The included files by their paths in docs/_generated."""
    written = {
        f"paper/{name}.txt": table(
            [headings, *rows], widths=WIDTHS[name], header=1, classes="claims" if name == "claims" else "figures"
        ).replace(" ± ", UNBROKEN)
        for name, (headings, rows) in compare.tables_of_page().items()
    }
    sentences = {"within": compare.within(compare.load("paper_mnist")), "ranks": compare.ranks(full.load())}
    return {**written, **{f"paper/{name}.txt": f"{text}\n" for name, text in sentences.items()}}


def generate(app: "Sphinx") -> None:
    """Write the tables and the figures."""
    target = Path(app.srcdir, "_generated")
    (target / "paper").mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (target / name).write_text(text, encoding="utf-8")
    report.draw(compare.load("paper_mnist"), target / "paper/mnist.png")
    full.draw(full.load(), target / "paper")


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
