"""The tables of docs/paper.rst, which compare the committed results with the paper. Requires no framework.

The tables of the paper were not available. Its numbers are included only if the abstract states them, or if two public
notes on the paper agree on them; numbers without a source are left out.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.paper import report

RESULTS = Path(__file__).parents[1] / "results"
MIB = 2**20

LAYER_KINDS = "dense", "circulant", "block circulant", "Fastfood", "low rank"
NETWORK = "layers", "hidden units", "parameters", "MB", "times smaller"
READ, SECOND = "abstract", "second hand"
NOT_RUN = "not run: requires the files of {}"


class Claim(NamedTuple):
    """One result of the paper, its source, and our result."""

    what: str
    paper: str
    source: str
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


def fewer(mnist: dict[str, Any]) -> str:
    """Describe the difference between circulant and dense layers for each number of training images."""
    rows = [row for row in report.summary(mnist) if row["name"] == "circulant"]
    rows.sort(key=lambda row: row["images"])
    told = (f"{report.plus_minus(row['difference'], '+')} with {row['images']:,} images" for row in rows)
    return "circulant minus dense, points: " + "; ".join(told)


def claims(tables: dict[str, Any], mnist: dict[str, Any], demo: dict[str, Any]) -> list[Claim]:
    """Compare all known results of the paper with ours."""
    alexnet, cifar = arms(tables, "imagenet"), arms(tables, "cifar10")
    kinds = {row["name"]: row for row in report.kinds(mnist)}
    dense, circulant, wider = (kinds[name] for name in ("dense", "circulant", "circulant, wider"))

    def smaller(rows: dict[str, dict[str, Any]], name: str) -> str:
        return f"{rows['dense']['bytes'] / rows[name]['bytes']:.1f} times smaller"

    def memory(name: str) -> str:
        return f"{alexnet[name]['bytes'] / MIB:.1f} MiB"

    slopes = demo["growth"]["slopes"]
    imagenet = NOT_RUN.format("ImageNet")
    return [
        Claim(
            "MNIST, LeNet, test error",
            "a minimal increase",
            READ,
            f"dense {report.plus_minus(dense['error'])} %, circulant {report.plus_minus(circulant['error'])} %, "
            f"{circulant['ratio']:.1f} times smaller; wider {report.plus_minus(wider['error'])} %, "
            f"{wider['ratio']:.1f} times smaller ({mnist['settings']['data']})",
        ),
        Claim("MNIST, fewer training images", "less data required (no number found)", SECOND, fewer(mnist)),
        Claim(
            "CIFAR-10, test error",
            "dense 15.60 %, circulant 16.71 %",
            SECOND,
            NOT_RUN.format("CIFAR-10"),
        ),
        Claim("CIFAR-10, storage", "about 4 times smaller", SECOND, f"{smaller(cifar, 'circulant')} (exact)"),
        Claim(
            "Share of parameters in fully-connected layers",
            "more than 90 %",
            READ,
            f"AlexNet {share(alexnet['dense']):.1f} % (exact)",
        ),
        Claim(
            "AlexNet, storage",
            "233.2 MB → 20.5 MB, 11.4 times smaller",
            SECOND,
            f"{memory('dense')} → {memory('circulant')}, {smaller(alexnet, 'circulant')} (exact)",
        ),
        Claim(
            "AlexNet, wider circulant network, top-1 error",
            "0.40 points above dense",
            SECOND,
            f"{imagenet}; storage {memory('circulant, wider')} (exact)",
        ),
        Claim(
            "Reduced AlexNet against circulant, top-1 error",
            "65.3 % against 43.2 %, both at 20.7 MB",
            SECOND,
            f"{imagenet}; {alexnet['dense, reduced']['widths'][0]} hidden units per layer fit into "
            f"{memory('dense, reduced')} (exact)",
        ),
        Claim(
            "Time of a layer",
            "O(d log d) instead of O(d²)",
            READ,
            f"measured d^{slopes['circulant']:.2f} instead of d^{slopes['dense']:.2f}",
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


def tables_of_page() -> dict[str, tuple[list[str], list[list[str]]]]:
    """Return the headings and cells of each table of the page."""
    tables, mnist, demo = load("paper_tables"), load("paper_mnist"), load("demo")
    return {
        "claims": (["result", "paper", "source", "ours"], [[*claim] for claim in claims(tables, mnist, demo)]),
        "mnist": ([*report.HEADINGS], [report.cells(row) for row in report.kinds(mnist)]),
        "alexnet": ([*NETWORK], network_rows(arms(tables, "imagenet"))),
        "cifar10": ([*NETWORK], network_rows(arms(tables, "cifar10"))),
        "layers": (["layer", *LAYER_KINDS], layer_rows(tables["layers"])),
    }
