"""Write the operator pages, the catalogue and their pictures from the registry before each build.

Descriptions come from the operator classes, so that every registered operator has a page.
"""

import dataclasses
import inspect
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import structmat as sm
from structmat.core import OPERATORS, cached
from structmat.core.registry import Entry

if TYPE_CHECKING:
    from sphinx.application import Sphinx

SIZE = 16  # columns of the pictures
ALL = sm.linalg.exact(sm.identity(SIZE))
# The sections of the catalogue; tests/repository/test_docs.py checks that they name every operator once.
FAMILIES = {
    "Circulant matrices": ("Circulant", "SkewCirculant", "FCirculant", "BlockCirculant", "MultilevelCirculant"),
    "Toeplitz, Hankel and banded matrices": ("Toeplitz", "SymmetricToeplitz", "Hankel", "Banded", "Tridiagonal"),
    "Transforms": ("DFT", "DCT", "DST", "Hadamard"),
    "Diagonals, permutations and selections": (
        *("Identity", "Zero", "Diagonal", "SignFlip"),
        *("Permutation", "Shift", "Restriction"),
    ),
    "Factored matrices": ("LowRank", "Householder", "Butterfly", "Monarch"),
    "Matrices without structure": ("Dense", "Sparse", "FunctionOperator"),
}
FRAME = "#808080"  # visible on the light and on the dark theme


def registered() -> dict[str, Entry]:
    """The operators of the package, without those that doctests and users register."""
    return {name: entry for name, entry in sorted(OPERATORS.items()) if entry.cls.__module__.startswith("structmat.")}


def summary(cls: type) -> str:
    """The first line of a docstring, without its full stop."""
    return inspect.getdoc(cls).partition("\n")[0].rstrip(".")


def shape(cls: type) -> str:
    """Rows and columns in the symbols of the class."""
    return " × ".join(side.replace("*", " ") for side in cls.dims)


def arrays(cls: type, role: str) -> str:
    """The declared arrays with a role, and their shapes."""
    specs = [(field.name, field.metadata.get("array")) for field in dataclasses.fields(cls)]
    named = [f"``{name}`` ({', '.join(spec.dims)})" for name, spec in specs if spec is not None and spec.role == role]
    return ", ".join(named) or "none"


def linalg(entry: Entry) -> str:
    """The functions of `structmat.linalg` that are exact for the example of a class."""
    A = instance(entry)
    squared = sm.simplify(A @ A.H)
    square = squared if type(squared) is type(A) else A  # a square one of the same class, if the example is rectangular
    names = [name for name in ALL if name in {*sm.linalg.exact(A), *sm.linalg.exact(square)}]
    found = "all" if len(names) == len(ALL) else ", ".join(f"``{name}``" for name in names)
    return found or ("``solve`` by fast methods" if A._toeplitz_sides() is not None else "none")


def table(rows: list[list[str]], *, widths: str, header: int, classes: str = "") -> str:
    """A list-table in reStructuredText; cells may have several lines."""
    lines = [".. list-table::", f"   :header-rows: {header}", f"   :widths: {widths}"]
    lines += [f"   :class: {classes}"] * bool(classes) + [""]
    for row in rows:
        for place, cell in enumerate(row):
            first, *rest = cell.split("\n")
            lines.append(("   * - " if place == 0 else "     - ") + first)
            lines += [f"       {line}".rstrip() for line in rest]
    return "\n".join(lines) + "\n"


def picture(name: str, entry: Entry, options: str) -> str:
    """The image directive for an operator, with its alternative text."""
    alt = f"Heat map of a small example of {name}: {summary(entry.cls)}"
    return f".. image:: /_generated/pictures/{name}.png\n   :alt: {alt}\n   :class: matrix dark-light\n   {options}"


def operator_page(name: str, entry: Entry) -> str:
    """The page of one operator."""
    cls = entry.cls
    rows = [["Shape", shape(cls)], ["Parameters", arrays(cls, "parameter")]]
    if (constants := arrays(cls, "constant")) != "none":
        rows.append(["Constant arrays", constants])
    rows += [["Cost of a product", entry.cost], ["Exact in linalg", linalg(entry)]]
    rows += [["References", " ".join(f"[{key}]_" for key in entry.references)]]
    note = "A small example. Purple is positive, orange negative, white zero; the darkest colour is the largest entry"
    if len(parts(entry)) == 2:
        note += "; real part on the left, imaginary part on the right"
    return "\n".join(
        [
            f".. _operator-{name}:\n",
            f"{name}\n{'=' * len(name)}\n",
            ".. grid:: 1 1 2 2\n",
            "   .. grid-item::\n      :columns: 12 12 7 7\n",
            indent(table(rows, widths="30 70", header=0), 6),
            "   .. grid-item::\n      :columns: 12 12 5 5\n",
            indent(picture(name, entry, ":width: 100%"), 6),
            f"\n      *{note}.*\n",
            f".. autoclass:: structmat.{name}\n   :members:",
            # the section Attributes of the docstring describes them
            f"   :exclude-members: {', '.join(key for key, value in vars(cls).items() if isinstance(value, cached))}\n",
            "Methods for products, gradients and algebra are inherited from :class:`~structmat.LinearOperator`.\n",
            f".. minigallery:: structmat.{name}\n   :add-heading: Examples with {name}\n   :heading-level: -\n",
        ]
    )


def indent(text: str, width: int) -> str:
    return "\n".join(" " * width + line if line else "" for line in text.split("\n"))


def family(title: str, names: tuple[str, ...]) -> str:
    """A section of the catalogue: the table of its operators, and the toctree of their pages."""
    rows = [["Operator", "Shape and parameters", "Cost", "Exact in linalg", "Picture"]]
    rows += [
        [
            f":class:`~structmat.{name}`\n\n{summary(entry.cls)}.",
            f"{shape(entry.cls)}\n\n{arrays(entry.cls, 'parameter')}",
            entry.cost,
            linalg(entry),
            picture(name, entry, f":width: 80px\n   :target: {name}.html"),
        ]
        for name, entry in ((name, OPERATORS[name]) for name in names)
    ]
    return "\n".join(
        [
            f"{title}\n{'-' * len(title)}\n",
            table(rows, widths="32 20 18 18 12", header=1, classes="catalogue"),
            f".. toctree::\n   :hidden:\n   :caption: {title}\n",
            *(f"   {name}" for name in names),
            "",
        ]
    )


def catalogue_page() -> str:
    """The tables of all operators by family."""
    return "\n".join(
        [
            "Operators\n=========\n",
            "All operators of the library, by family; :doc:`/choosing` starts from a matrix or a purpose. *Cost* is",
            "the time of a product with one vector. *Exact in linalg* lists the functions of :mod:`structmat.linalg`",
            "that use the structure, see :func:`structmat.linalg.exact`; the others use dense matrices up to a limit,",
            "or iterate. In the pictures, purple is positive, orange negative and white zero.\n",
            *(family(title, names) for title, names in FAMILIES.items()),
            "Composites\n----------\n",
            "Products, sums, stacks, blocks and Kronecker products of operators are operators as well, with gradients",
            "for the parameters of all parts: :doc:`/api/compose` describes them.\n",
        ]
    )


def checks_table() -> str:
    """The table of the checks of `structmat.testing`, in the order they run."""
    rows = [["Name", "What it checks"]]
    rows += [[f"``{name}``", summary(check)] for name, check in sm.testing.CHECKS.items()]
    return table(rows, widths="20 80", header=1)


def operators_table() -> str:
    """The operators in the index of the API reference."""
    return "\n".join(
        [".. autosummary::\n", "   structmat.LinearOperator", *(f"   structmat.{name}" for name in registered()), ""]
    )


def pages() -> dict[str, str]:
    """Every page by its path in docs/_generated."""
    written = {f"operators/{name}.rst": operator_page(name, entry) for name, entry in registered().items()}
    tables = {"operators.txt": operators_table(), "checks.txt": checks_table()}
    return {**written, "operators/index.rst": catalogue_page(), **tables}


def instance(entry: Entry) -> sm.LinearOperator:
    """A small example of a class, identical in every build."""
    return entry.example(SIZE, np.random.default_rng(5))


def parts(entry: Entry) -> list[str]:
    """What to draw of the entries of the example."""
    return ["real", "imag"] if np.iscomplexobj(instance(entry).to_dense()) else ["real"]


def draw(images: list[tuple[sm.LinearOperator, str]], signs: list[str], path: Path) -> None:
    """Draw parts of operators side by side with signs between: one scale of length, one scale of colour for each."""
    from matplotlib.figure import Figure

    wide = sum(A.n for A, _ in images) + 3.0 * len(signs)
    tall = max(A.m for A, _ in images)
    figure = Figure(figsize=((wide + 1) / 6, (tall + 1) / 6))
    at = 0.5
    for (A, part), sign in zip(images, [*signs, ""], strict=True):
        axes = figure.add_axes((at / (wide + 1), (tall + 1 - A.m) / 2 / (tall + 1), A.n / (wide + 1), A.m / (tall + 1)))
        sm.plot.matrix(A, ax=axes, part=part, colorbar=False)
        axes.set(xticks=[], yticks=[], xlabel="", ylabel="", aspect="auto")
        axes.spines[:].set_color(FRAME)
        at += A.n
        figure.text((at + 1.5) / (wide + 1), 0.5, sign, ha="center", va="center", size=34, weight="bold", color=FRAME)
        at += 3.0
    figure.savefig(path, dpi=160, transparent=True, metadata={"Software": None})


def draw_all(folder: Path) -> None:
    """Draw the picture of each operator and the picture of the front page."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, entry in registered().items():
        images = [(instance(entry), part) for part in parts(entry)]
        draw(images, ["  "] * (len(images) - 1), folder / f"{name}.png")
    P = sm.projections.circulant_projection(24, 12, rng=5)
    draw([(A, "real") for A in (P, *P.parts)], ["=", "·", "·"], folder / "projection.png")


def generate(app: "Sphinx") -> None:
    """Write pages and pictures. Unchanged pages are not rewritten, so that repeated builds are fast."""
    target = Path(app.srcdir, "_generated")
    for name, text in pages().items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for stale in {*target.glob("operators/*.rst")} - {target / name for name in pages()}:
        stale.unlink()
    draw_all(target / "pictures")


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
