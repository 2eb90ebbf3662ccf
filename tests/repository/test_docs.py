"""The documentation covers every operator and every public name, and its references resolve."""

import ast
import importlib.util
import inspect
import json
import pkgutil
import re
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

import structmat as sm

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
SCRIPTS = sorted((DOCS / "examples").glob("*/*.py"))
SECTIONS = ["Parameters", "Raises", "Notes", "References", "Examples"]


def extension(name: str) -> ModuleType:
    """A Sphinx extension that writes pages; it needs Sphinx only where Sphinx calls it."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"_ext/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CATALOGUE = extension("catalogue")
INVENTORIES = extension("inventories")
OTHERS = INVENTORIES.load(DOCS)
VERSIONS = extension("versions")
REGISTERED = CATALOGUE.registered()
PAGES = CATALOGUE.pages()


def exported(path: Path) -> list[str]:
    """The public names of a module whose framework may not be installed."""
    lists = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.Assign)]
    return [name for node in lists if node.targets[0].id == "__all__" for name in ast.literal_eval(node.value)]


NETWORKS = {path.stem: path for path in (ROOT / "structmat/nn").glob("*.py")}
NETWORKS |= {path.parent.name: path for path in (ROOT / "structmat/nn").glob("*/__init__.py")}

PUBLIC = [
    *(f"structmat.{name}" for name in sm.__all__),
    *(
        f"{module.__name__}.{name}"
        for module in (sm.learn, sm.linalg, sm.plot, sm.projections, sm.sklearn, sm.testing, sm.custom)
        for name in module.__all__
    ),
]
PUBLIC += [f"structmat.nn.{module}.{name}" for module, path in NETWORKS.items() for name in exported(path)]


def bibliography() -> set[str]:
    return set(
        re.findall(r"^\.\. \[(\w+)\]", (DOCS / "references.rst").read_text(encoding="utf-8"), flags=re.MULTILINE)
    )


def documented() -> set[str]:
    """The names that the directives of the API reference and of the operator pages describe."""
    names = set()
    for text in [*PAGES.values(), *(path.read_text(encoding="utf-8") for path in DOCS.glob("api/*.rst"))]:
        module = "structmat"
        for directive, name in re.findall(r"^\.\. (?:py:)?(\w+):: ([\w.]+)", text, flags=re.MULTILINE):
            if directive == "currentmodule":
                module = name
            elif directive in {"autoclass", "autofunction", "automodule", "data"}:
                names.add(name if name.startswith("structmat.") else f"{module}.{name}")
    return names


def test_links_of_the_readme_work_on_every_page_that_shows_it() -> None:
    """Package indices show it too, where links that are relative to the repository lead nowhere."""
    text = README.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", text, flags=re.MULTILINE)
    targets = [first or second for first, second in links]
    assert len(targets) > 15
    assert not [target for target in targets if not target.startswith(("https://", "#"))]
    ours = [
        re.sub(r"https://(github|raw.githubusercontent).com/structmat/structmat/(blob/)?main/", "", target)
        for target in targets
    ]
    assert not [
        path for path, target in zip(ours, targets, strict=True) if path != target and not (ROOT / path).is_file()
    ]
    labels = set(re.findall(r"^\[([^\]]+)\]: ", text, flags=re.MULTILINE))
    assert labels <= set(re.findall(r"\[([^\]]+)\](?!:)", text))


def readme_rows() -> dict[str, list[str]]:
    """The rows of README's table of operators, by the name in their first cell."""
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


@pytest.mark.parametrize("name", REGISTERED)
def test_operator_has_a_page(name: str) -> None:
    page, entry = PAGES[f"operators/{name}.rst"], REGISTERED[name]
    assert f".. autoclass:: structmat.{name}\n" in page
    assert entry.cost in page
    assert f"pictures/{name}.png" in page
    assert f".. minigallery:: structmat.{name}\n" in page, "the examples that use it"
    assert f"\n   {name}\n" in PAGES["operators/index.rst"]


def test_families_of_the_catalogue_name_every_operator_once() -> None:
    assert sorted(name for names in CATALOGUE.FAMILIES.values() for name in names) == list(REGISTERED)


def test_page_of_choices_names_every_operator_with_its_cost() -> None:
    """The cost of a row is that of the operator which it names first; rows of functions describe theirs in words."""
    text = (DOCS / "choosing.rst").read_text(encoding="utf-8")
    assert set(re.findall(r":class:`~structmat\.(\w+)`", text)) >= REGISTERED.keys() - {"Identity", "Zero"}
    rows = re.findall(r"^     - :class:`~structmat\.(\w+)`[^*]*?^     - (.+)$", text, flags=re.MULTILINE)
    assert len(rows) > 15
    assert not [(name, cost) for name, cost in rows if cost != REGISTERED[name].cost]


def test_projects_of_the_matrix_have_their_names_on_narrow_screens() -> None:
    text = (DOCS / "related.rst").read_text(encoding="utf-8")
    heading = text.partition("   * -\n")[2].partition("   * -")[0]
    names = re.findall(r"^     - (\w+)", heading, flags=re.MULTILINE)
    style = (DOCS / "_static/structmat.css").read_text(encoding="utf-8")
    found = re.findall(r'table\.features td:nth-child\((\d)\)::before \{\s*content: "(\w+)";', style)
    assert len(names) == 5
    assert found == [(str(place), name) for place, name in enumerate(names, 2)]


def test_readme_lists_the_operators() -> None:
    rows = readme_rows()
    assert list(rows) == list(REGISTERED)
    for name, entry in REGISTERED.items():
        _, parameters, cost, exact = rows[name]
        assert cost == entry.cost
        assert exact == CATALOGUE.linalg(entry).replace("``", "`")
        assert parameters == CATALOGUE.arrays(entry.cls, "parameter").replace("``", "")


@pytest.mark.parametrize("name", REGISTERED)
def test_references_are_in_the_bibliography(name: str) -> None:
    assert REGISTERED[name].references
    assert set(REGISTERED[name].references) <= bibliography()


def test_bibliography_is_cited() -> None:
    written = [*DOCS.glob("*.rst"), *DOCS.glob("api/*.rst")]
    pages = "".join([*PAGES.values(), *(path.read_text(encoding="utf-8") for path in written)])
    assert bibliography() <= set(re.findall(r"\[(\w+)\]_", pages))


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_is_documented(name: str) -> None:
    assert name in documented()


def test_every_public_name_is_in_the_index_of_the_reference() -> None:
    index = (DOCS / "api/index.rst").read_text(encoding="utf-8") + PAGES["operators.txt"]
    assert not [name for name in PUBLIC if not re.search(rf"\b{re.escape(name)}(?![\w.])", index)]


@pytest.mark.parametrize("name", REGISTERED)
def test_operator_docstring_is_complete(name: str) -> None:
    text = inspect.getdoc(REGISTERED[name].cls)
    parts = dict(re.findall(r"^(\w+)\n-+\n(.*?)(?=^\w+\n-+\n|\Z)", text, flags=re.MULTILINE | re.DOTALL))
    assert [section for section in parts if section in SECTIONS] == SECTIONS
    assert ".. math::" in text
    assert "Cost:" in parts["Notes"]
    assert "Gradient" in parts["Notes"]
    assert ".. [1]" in parts["References"]
    assert ">>>" in parts["Examples"]


def test_checks_are_described() -> None:
    for name in sm.testing.CHECKS:
        assert f"``{name}``" in PAGES["checks.txt"]


def test_records_are_listed() -> None:
    """Each decision record is in the table of contents and has the three sections."""
    records = sorted(DOCS.glob("adr/0*.rst"))
    assert re.findall(r"^   (\d{4}-\S+)$", (DOCS / "adr/index.rst").read_text(), re.MULTILINE) == [
        path.stem for path in records
    ]
    for path in records:
        headings = re.findall(r"^(.+)\n-+$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert headings == ["Context", "Decision", "Consequences"], path.name


def docstrings(path: Path) -> str:
    """The docstrings of a module, its classes and its functions."""
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return "\n".join(ast.get_docstring(node) or "" for node in nodes if isinstance(node, owners))


def test_names_of_other_projects_that_are_linked_are_those_of_the_inventories() -> None:
    """Single backticks around a name of one of their packages are a link; most of the backend has no pages."""
    listed = {name for project in OTHERS.values() for name in INVENTORIES.objects(project)}
    packages = {name.partition(".")[0] for name in listed}

    def linked(texts: Iterable[str]) -> set[str]:
        names = re.findall(r"(?<!`)`~?([a-z]\w*(?:\.\w+)+)`(?!`)", "\n".join(texts))
        return {name for name in names if name.partition(".")[0] in packages}

    backend = linked(map(docstrings, (ROOT / "structmat/_backend").rglob("*.py")))
    above = [path for path in (ROOT / "structmat").rglob("*.py") if "_backend" not in path.parts]
    pages = [path.read_text(encoding="utf-8") for path in DOCS.rglob("*.rst") if "_generated" not in path.parts]
    found = linked([*map(docstrings, above + SCRIPTS), *pages])
    assert found <= listed <= found | backend


@pytest.mark.parametrize("title", OTHERS)
def test_names_of_other_projects_exist(title: str) -> None:
    is_kind = {"class": inspect.isclass, "module": inspect.ismodule, "function": callable}
    objects = INVENTORIES.objects(OTHERS[title])
    pytest.importorskip(next(iter(objects)).partition(".")[0])
    assert not [name for name, kind in objects.items() if not is_kind[kind](pkgutil.resolve_name(name))]
    assert OTHERS[title].get("elsewhere", {}).keys() <= objects.keys()


def test_inventories_have_the_format_of_sphinx() -> None:
    """Four lines of comments, then compressed lines: name, kind, priority, address, and "-" for "as the name"."""
    project = {"pages": "pages/{}.html", "function": ["a.b"], "module": ["a"], "elsewhere": {"a": "a.html"}}
    *header, body = INVENTORIES.inventory("Some project", project).split(b"\n", 4)
    assert header[:2] == [b"# Sphinx inventory version 2", b"# Project: Some project"]
    expected = b"a.b py:function 1 pages/a.b.html#a.b -\na py:module 1 a.html#module-a -\n"
    assert zlib.decompress(body) == expected


def test_the_list_of_versions_is_that_of_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[(\d\S*)\]", changelog, flags=re.MULTILINE)
    current, addresses = VERSIONS.versions(changelog, sm.__version__)
    assert list(addresses)[1:] == releases
    assert current in addresses
    assert current == sm.__version__ if sm.__version__ in releases else "dev" in current


@pytest.mark.parametrize(
    ("built", "current", "names"),
    [
        ("0.3.0", "0.3.0 dev", ["0.3.0 dev", "0.2.0", "0.1.0"]),
        ("0.2.0", "0.2.0", ["dev", "0.2.0", "0.1.0"]),
    ],
)
def test_versions_of_a_changelog_with_releases(built: str, current: str, names: list[str]) -> None:
    changelog = "## [Unreleased]\n\n## [0.2.0] - 2027-02-03\n\n## [0.1.0] - 2027-01-02\n\n[0.1.0]: https://a.b\n"
    found, addresses = VERSIONS.versions(changelog, built)
    assert found == current
    assert list(addresses) == names
    assert addresses["0.1.0"].endswith("/en/v0.1.0/")


def test_extensions_load_no_sphinx_at_import() -> None:
    """The test environment has no Sphinx: what this file imports may name it for type checkers only."""
    for name in ("catalogue", "experiments", "inventories", "versions"):
        tree = ast.parse((DOCS / f"_ext/{name}.py").read_text(encoding="utf-8"))
        imported = {node.module for node in tree.body if isinstance(node, ast.ImportFrom)}
        assert not [module for module in imported if module.startswith("sphinx")]


def test_readme_has_the_figures_of_a_run() -> None:
    from structmat.demo import report

    figures = json.loads((README.parent / "benchmarks/results/demo.json").read_text(encoding="utf-8"))
    text = README.read_text(encoding="utf-8")
    learned, costs, _ = report.tables(figures)
    for row in zip(*(column.cells for column in [*learned.columns, *costs.columns[1:]]), strict=True):
        assert f"| {' | '.join(row)} |" in text
    slopes = figures["growth"]["slopes"]
    assert f"d^{slopes['circulant']:.2f}" in text
    assert f"d^{slopes['dense']:.2f}" in text
    assert f"{figures['seconds']:.0f} seconds in all" in text


def test_page_of_the_paper_has_the_committed_results(monkeypatch: pytest.MonkeyPatch) -> None:
    """It includes every table that is written of them; what its text says of the run is so."""
    monkeypatch.setitem(sys.modules, "catalogue", CATALOGUE)
    written = extension("experiments").pages()
    text = (DOCS / "paper.rst").read_text(encoding="utf-8")
    assert set(re.findall(r"include:: _generated/(\S+)", text)) == set(written)
    figures = json.loads((ROOT / "benchmarks/results/paper_mnist.json").read_text(encoding="utf-8"))
    settings = figures["settings"]
    assert f"batches of {settings['batch']}" in text
    assert settings["seeds"] == 5
    assert "over five seeds" in text
    assert len(settings["rates"]) == 2
    assert "of two step sizes" in text
    sizes = json.loads((ROOT / "benchmarks/results/paper_tables.json").read_text(encoding="utf-8"))["networks"]
    mib = {row["name"]: row["bytes"] / 2**20 for row in sizes if row["experiment"] == "imagenet"}
    assert mib["circulant"] < 20.5 < mib["circulant, random"], "the latter has a dense last layer"


def test_page_of_the_paper_says_what_full_data_show() -> None:
    """The sentences below its first picture."""
    from benchmarks.paper import full

    found = full.load()
    assert found.keys() >= {"paper_mnist_full", "paper_mnist_hidden", "paper_fashion_hidden"}
    lenet, hidden = found["paper_mnist_full"], found["paper_mnist_hidden"]
    rows = [{row["name"]: row for row in full.whole(figures)} for figures in (lenet, hidden)]
    behind, alone = (named["circulant"] for named in rows)
    assert 1 / 4 < behind["difference"][0] < 5 / 12
    assert 13 <= behind["ratio"] < 14
    assert 1 < alone["difference"][0] < 1.5
    assert 60 <= alone["ratio"] < 65
    gaps = [full.between(figures, "circulant, random", "circulant") for figures in (lenet, hidden)]
    assert gaps[0][0] < 0.1
    assert gaps[1][0] > 2 * gaps[1][1]
    wide = rows[1]["circulant, wider"]
    for name in ("block circulant, 8", "block circulant, 32"):
        assert rows[1][name]["difference"][0] < 0.2
        assert full.between(hidden, name, "circulant, wider")[0] < 0
    assert rows[1]["block circulant, 32"]["bytes"] < wide["bytes"]
    assert all(row["circulant"]["difference"][0] > 0 for row in full.samples(hidden))
    for figures in found.values():
        assert {(run["images"] * run["parts"], run["tested"]) for run in figures["runs"]} == {(60_000, 10_000)}


def test_page_of_the_paper_says_what_the_factors_are() -> None:
    from benchmarks.paper import compare, effects

    runs = compare.load("paper_factors")["runs"]
    measured = {}
    for name, (first, *others) in effects.FACTORS.items():
        for level in others:
            levels = {"learned": True} if name != "learned" else {}
            one, base = (effects.errors(runs, **levels, **{name: value}) for value in (level, first))
            measured[name, level] = effects.differences(one, base)[0]
    assert measured["signs", False] < -0.2
    assert abs(measured["step", 10.0]) < 0.1
    assert abs(measured["decay", 0.1]) < 0.1
    assert measured["step", 0.1] > 0.5
    _, _, *best = effects.best(runs)
    assert len(best) == 5
    assert all(float(row[-1].partition(" ")[0]) > 0.5 for row in best)


def test_page_of_the_paper_says_what_the_results_are() -> None:
    """The sentences above its picture, with "as good" for a difference of less than two standard errors."""
    from benchmarks.paper import compare, report

    figures = compare.load("paper_mnist")
    rows = {(row["name"], row["parts"]): row for row in report.summary(figures)}
    apart = {key: row["difference"][0] / row["difference"][1] for key, row in rows.items() if key[0] != "dense"}
    assert abs(apart["circulant", 8]) < 2
    assert abs(apart["circulant", 4]) < 2
    assert apart["circulant", 1] > 2
    assert rows["circulant", 1]["difference"][0] < 1
    learned, random = (report.runs_of(figures, name) for name in ("circulant", "circulant, random"))
    mean, error = report.mean_and_error(learned[i]["error_percent"] - random[i]["error_percent"] for i in learned)
    assert abs(mean) < 2 * error
    assert abs(apart["circulant, wider", 1]) < 2
    for (name, dense), hidden in zip(figures["pairs"], (100, 500, 1000, 2000, 4000), strict=True):
        runs, others = (report.runs_of(figures, one) for one in (name, dense))
        gaps = (others[i]["error_percent"] - runs[i]["error_percent"] for i in runs.keys() & others.keys())
        mean, error = report.mean_and_error(gaps)
        assert runs[0]["widths"] == [hidden]
        assert mean > 10 if hidden == 100 else mean > 2 * error if hidden == 500 else abs(mean) < 0.25


def test_gallery_is_in_sections() -> None:
    """Sphinx-Gallery leaves out folders without a header; `conf.py` names them all in their order."""
    folders = {path.parent for path in SCRIPTS}
    assert len(SCRIPTS) >= 25
    assert not list((DOCS / "examples").glob("*.py"))
    assert all((folder / "GALLERY_HEADER.rst").is_file() for folder in folders)
    tree = ast.parse((DOCS / "conf.py").read_text(encoding="utf-8"))
    (sections,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SECTIONS"
    )
    assert sorted(sections) == sorted(folder.name for folder in folders)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_example_has_a_title_one_figure_and_a_thumbnail(path: Path) -> None:
    """A page is a title, what and why, code and a figure; `make docs` runs it."""
    text = path.read_text(encoding="utf-8")
    title, line, empty, about, *_ = ast.get_docstring(ast.parse(text)).splitlines()
    assert path.stem.startswith("plot_"), "other scripts are shown and not run"
    assert line == "=" * len(title)
    assert not empty
    assert about
    assert text.count("plt.show()") == 1
    assert text.count("\n# sphinx_gallery_thumbnail_number = 1\n") == 1
    (alt,) = re.findall(r'^# sphinx_gallery_alt = "(.+)"$', text, flags=re.MULTILINE)
    assert re.fullmatch(r"[A-Z0-9].*\.", alt)
    assert len(alt.split()) >= 4
    assert title not in alt, "it says what the figure shows"
    assert max(len(line) for line in text.splitlines() if not line.startswith("# sphinx_gallery_")) <= 88


def test_code_of_the_tutorials_needs_no_scroll_bar() -> None:
    pages = sorted((DOCS / "tutorials").glob("*.rst"))
    assert len(pages) == 6
    lines = [line for page in pages for line in page.read_text(encoding="utf-8").splitlines()]
    assert not [line for line in lines if line.startswith((">>>", "...")) and len(line) > 84]


def test_links_to_publications_are_well_formed() -> None:
    text = (DOCS / "references.rst").read_text(encoding="utf-8")
    found = re.findall(r"`doi:(\S+) <https://doi\.org/(\S+)>`__", text)
    assert len(found) == text.count("doi:") > 20
    assert all(shown == target and re.fullmatch(r"10\.\d{4,5}/\S+", shown) for shown, target in found)
    assert len(set(found)) == len(found)


def test_every_page_is_in_a_table_of_contents() -> None:
    """Sphinx warns of a page in none, and leaves a page out that has another suffix than its neighbours."""
    pages = {path.stem for path in [*DOCS.glob("*.rst"), *DOCS.glob("*.md")]} - {"index"}
    listed = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("index.rst", "performance.rst"))
    assert pages == set(re.findall(r"^   (\w+)$", listed, flags=re.MULTILINE))
