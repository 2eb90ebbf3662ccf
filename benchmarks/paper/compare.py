"""The tables of docs/paper.rst, which compare the committed results with the paper. Requires no framework.

The tables of the paper were not available. Its numbers are included only if the abstract states them, or if two public
notes on the paper agree on them; numbers without a source are left out.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.paper import effects, full, report

RESULTS = Path(__file__).parents[1] / "results"
MIB = 2**20

LAYER_KINDS = "dense", "circulant", "block circulant", "Fastfood", "low rank"
NETWORK = "layers", "hidden units", "parameters", "MB", "times smaller"
READ, SECOND = "abstract", "second hand"
NOT_TESTED = "not tested"
NOT_RUN = "requires the files of {}"


class Claim(NamedTuple):
    """One result of the paper, its source, our verdict, and our result."""

    what: str
    paper: str
    source: str
    verdict: str
    ours: str


def load(name: str) -> dict[str, Any]:
    """Read committed figures."""
    figures: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return figures


def arms(tables: dict[str, Any], experiment: str) -> dict[str, dict[str, Any]]:
    """Return the rows of exact sizes of one experiment, by name."""
    return {row["name"]: row for row in tables["networks"] if row["experiment"] == experiment}


def share(row: dict[str, Any]) -> float:
    """Return the share of a network's parameters in its fully-connected layers, in percent."""
    return 100 * (1 - row["convolutions"] / row["parameters"])


def same_width(figures: dict[str, Any], title: str) -> Claim:
    """Compare circulant with dense layers of the same width on a full data set."""
    rows = {row["name"]: row for row in full.whole(figures)}
    dense, circulant, difference = rows["dense"], rows["circulant"], full.between(figures, "circulant", "dense")
    return Claim(
        f"{title}: test error at the same width",
        f"a minimal increase; here at most {full.MINIMAL} points",
        READ,
        full.verdict(difference, full.MINIMAL),
        f"dense {report.plus_minus(dense['error'])} %, circulant {report.plus_minus(circulant['error'])} %, "
        f"{report.plus_minus(difference, '+')} points; {circulant['ratio']:.1f} times smaller ({circulant['seeds']} "
        f"seeds)",
    )


def same_storage(figures: dict[str, Any], title: str) -> Claim:
    """Compare circulant with dense layers of the same storage on a full data set."""
    difference = full.between(figures, "circulant", "dense, reduced")
    (width,) = report.runs_of(figures, "dense, reduced")[0]["widths"]
    return Claim(
        f"{title}: test error at the same storage",
        "below that of a dense network",
        SECOND,
        full.verdict(difference, 0),
        f"circulant minus dense with {width} hidden units: {report.plus_minus(difference, '+')} points",
    )


def fewer(figures: dict[str, Any], title: str) -> Claim:
    """Describe the difference between circulant and dense layers for each number of training images."""
    rows = full.samples(figures)
    told = (f"{report.plus_minus(row['circulant']['difference'], '+')} with {row['images']:,}" for row in rows)
    return Claim(
        f"{title}: fewer training images",
        "less data required (no number found)",
        SECOND,
        full.verdict(rows[0]["circulant"]["difference"], 0),
        "circulant minus dense, points: " + "; ".join(told),
    )


def claims(tables: dict[str, Any], found: dict[str, Any], demo: dict[str, Any]) -> list[Claim]:
    """Compare all known results of the paper with ours; `found` has the results on full data sets."""
    alexnet, cifar = arms(tables, "imagenet"), arms(tables, "cifar10")

    def ratio(rows: dict[str, dict[str, Any]]) -> float:
        return float(rows["dense"]["bytes"] / rows["circulant"]["bytes"])

    def smaller(rows: dict[str, dict[str, Any]]) -> str:
        return f"{ratio(rows):.1f} times smaller (exact)"

    def memory(name: str) -> str:
        return f"{alexnet[name]['bytes'] / MIB:.1f} MiB"

    slopes = demo["growth"]["slopes"]
    imagenet = NOT_RUN.format("ImageNet")
    measured = [
        claim(figures, full.SETS[name]) for claim in (same_width, same_storage) for name, figures in found.items()
    ]
    measured += [fewer(each, full.SETS[name]) for name, each in found.items() if len(full.samples(each)) > 1]
    return [
        *measured,
        Claim(
            "Time of a layer",
            "O(d log d) instead of O(d²)",
            READ,
            full.HELD[slopes["circulant"] < 1.5],
            f"measured d^{slopes['circulant']:.2f} instead of d^{slopes['dense']:.2f}",
        ),
        Claim(
            "Share of parameters in fully-connected layers",
            "more than 90 %",
            READ,
            full.HELD[share(alexnet["dense"]) > 90],
            f"AlexNet {share(alexnet['dense']):.1f} % (exact)",
        ),
        Claim(
            "AlexNet, storage",
            "233.2 MB → 20.5 MB, 11.4 times smaller",
            SECOND,
            full.HELD[ratio(alexnet) >= 11.4],
            f"{memory('dense')} → {memory('circulant')}, {smaller(alexnet)}",
        ),
        Claim("CIFAR-10, storage", "about 4 times smaller", SECOND, full.HELD[ratio(cifar) >= 3.5], smaller(cifar)),
        Claim(
            "CIFAR-10, test error",
            "dense 15.60 %, circulant 16.71 %",
            SECOND,
            NOT_TESTED,
            NOT_RUN.format("CIFAR-10"),
        ),
        Claim(
            "AlexNet, wider circulant network, top-1 error",
            "0.40 points above dense",
            SECOND,
            NOT_TESTED,
            f"{imagenet}; storage {memory('circulant, wider')} (exact)",
        ),
        Claim(
            "Reduced AlexNet against circulant, top-1 error",
            "65.3 % against 43.2 %, both at 20.7 MB",
            SECOND,
            NOT_TESTED,
            f"{imagenet}; {alexnet['dense, reduced']['widths'][0]} hidden units per layer fit into "
            f"{memory('dense, reduced')} (exact)",
        ),
    ]


def network_rows(rows: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Format the sizes of the arms of one experiment."""
    return [
        [
            name,
            " · ".join(f"{width:,}" for width in row["widths"]),
            f"{row['parameters']:,}",
            f"{row['bytes'] / 1e6:.3f}",
            f"{rows['dense']['bytes'] / row['bytes']:.1f}",
        ]
        for name, row in rows.items()
        if name in report.LOOKS
    ]


def layer_rows(layers: list[dict[str, int]]) -> list[list[str]]:
    """Format the parameters of AlexNet's fully-connected layers, without biases."""
    named = [(f"{row['inputs']:,} → {row['outputs']:,}", row) for row in layers]
    named.append(("total", {kind: sum(row[kind] for row in layers) for kind in LAYER_KINDS}))
    return [[name, *(f"{row[kind]:,}" for kind in LAYER_KINDS)] for name, row in named]


def within(mnist: dict[str, Any]) -> str:
    """Describe whether the errors of circulant layers are within half a point of dense layers."""
    kinds = {row["name"]: row for row in report.kinds(mnist)}
    told = []
    for name in ("circulant", "circulant, wider"):
        row = kinds[name]
        verdict = "within" if row["difference"][0] <= 0.5 else "not within"
        told.append(
            f"{name}, with {row['ratio']:.1f} times less storage, differs from dense by "
            f"{report.plus_minus(row['difference'], '+')} points, {verdict} 0.5 points"
        )
    return ". ".join(text[0].upper() + text[1:] for text in told) + "."


def ranks(found: dict[str, Any]) -> str:
    """Say for each result how much storage low rank takes for the error of circulant layers."""
    told = {full.SETS[name]: full.equal_rank(figures) for name, figures in found.items()}
    return "; ".join(f"{title}: {sentence}" for title, sentence in told.items() if sentence is not None) + "."


def tables_of_page() -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return the headings and cells of each table of the page."""
    tables, mnist, demo, found = load("paper_tables"), load("paper_mnist"), load("demo"), full.load()
    factors = load("paper_factors")
    studied = {title: (headings, rows) for title, headings, rows in effects.tables(factors)}
    on_samples = {name: figures for name, figures in found.items() if len(full.samples(figures)) > 1}
    return {
        "claims": (["result", "paper", "source", "", "ours"], [[*claim] for claim in claims(tables, found, demo)]),
        **{
            name.removeprefix("paper_"): (full.HEADINGS, [full.cells(row) for row in full.whole(figures)])
            for name, figures in found.items()
        },
        **{
            f"{name.removeprefix('paper_')}_samples": (full.SAMPLES, [*map(full.sample_cells, full.samples(figures))])
            for name, figures in on_samples.items()
        },
        "effects": studied["Effects"],
        "settings": studied["Best settings"],
        "mnist": ([*report.HEADINGS], [report.cells(row) for row in report.kinds(mnist)]),
        "alexnet": ([*NETWORK], network_rows(arms(tables, "imagenet"))),
        "cifar10": ([*NETWORK], network_rows(arms(tables, "cifar10"))),
        "layers": (["layer", *LAYER_KINDS], layer_rows(tables["layers"])),
    }
