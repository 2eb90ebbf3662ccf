"""Results on full data sets: tables, sentences and figures. Requires no framework.

Networks, data sets and seeds are those of the committed results; a result that is not there is left out.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.paper.report import LOOKS, Figures, Row, logarithmic, mean_and_error, plus_minus, runs_of, summary

RESULTS = Path(__file__).parents[1] / "results"
SETS = {  # results, and their networks and data
    "paper_mnist_full": "LeNet, MNIST",
    "paper_fashion": "LeNet, Fashion-MNIST",
    "paper_mnist_hidden": "One hidden layer, MNIST",
    "paper_fashion_hidden": "One hidden layer, Fashion-MNIST",
}
HELD = {True: "held", False: "did not hold"}
MINIMAL = 0.5  # points of test error that count as a minimal increase
LARGEST = 20  # percent of test error over which a network is not drawn
HEADINGS = ["layers", "hidden units", "MB", "times smaller", "seeds", "test error %", "minus dense"]
SAMPLES = ["training images", "dense %", "circulant %", "circulant minus dense", "seeds"]
FURTHER_LOOKS = {"Toeplitz": ("#000000", "*", 11)}  # of a layer that the small study does not have


def whole(figures: Figures) -> list[Row]:
    """Return the rows of networks that were trained on all images, by storage."""
    return sorted((row for row in summary(figures) if row["parts"] == 1), key=lambda row: row["bytes"])


def family(row: Row) -> str:
    """Return the type of a layer without its size: block circulant for "block circulant, 8"."""
    kind: str = row["kind"]
    return kind if kind == "circulant, random" else kind.partition(",")[0]


def cells(row: Row) -> list[str]:
    """Format the cells of a row."""
    difference = "" if row["name"] == "dense" or "difference" not in row else plus_minus(row["difference"], "+")
    return [
        row["kind"],
        f"{row['widths'][0]:,}",
        f"{row['bytes'] / 1e6:.3f}",
        f"{row['ratio']:.1f}" if "ratio" in row else "",
        str(row["seeds"]),
        plus_minus(row["error"]),
        difference,
    ]


def between(figures: Figures, one: str, other: str) -> tuple[float, float | None]:
    """Return the mean difference of the errors of two arms over common seeds, and its standard error."""
    runs, others = runs_of(figures, one), runs_of(figures, other)
    return mean_and_error(runs[seed]["error_percent"] - others[seed]["error_percent"] for seed in runs.keys() & others)


def verdict(difference: tuple[float, float | None], limit: float) -> str:
    """Tell whether a difference is at most a limit, by two standard errors."""
    mean, error = difference
    if error is None or abs(mean - limit) < 2 * error:
        return "undecided"
    return HELD[mean < limit]


def samples(figures: Figures) -> list[Row]:
    """Return the rows of circulant and of dense layers for each number of training images."""
    rows = {(row["name"], row["images"]): row for row in summary(figures)}
    sizes = sorted({images for name, images in rows if {("dense", images), ("circulant", images)} <= rows.keys()})
    return [{"images": size, "dense": rows["dense", size], "circulant": rows["circulant", size]} for size in sizes]


def sample_cells(row: Row) -> list[str]:
    """Format the cells of a number of training images."""
    circulant = row["circulant"]
    return [
        f"{row['images']:,}",
        plus_minus(row["dense"]["error"]),
        plus_minus(circulant["error"]),
        plus_minus(circulant["difference"], "+"),
        str(circulant["seeds"]),
    ]


def equal_rank(figures: Figures) -> str | None:
    """Say how much storage low rank takes for at most the error of circulant layers of the same width."""
    rows = {row["name"]: row for row in whole(figures)}
    circulant = rows["circulant"]
    ranks = [row for row in rows.values() if family(row) == "low rank"]
    enough = [row for row in ranks if row["error"][0] <= circulant["error"][0]]
    if len(ranks) < 3 or not enough:
        return None
    least = min(enough, key=lambda row: row["bytes"])
    rank = least["kind"].partition(", ")[2]
    return (
        f"the least rank tried with at most the error of the circulant layer is {rank} "
        f"({plus_minus(least['error'])} %, circulant {plus_minus(circulant['error'])} %), which takes "
        f"{least['bytes'] / circulant['bytes']:.1f} times its storage"
    )


# ---------------------------------------------------------------------- figures


def look(row: Row) -> tuple[str, str, int]:
    """Return colour, marker and size of the family of a layer."""
    return {**LOOKS, **FURTHER_LOOKS}[family(row)]


def draw_storage(axes: Axes, figures: Figures) -> None:
    """Draw test error against storage; a line joins the sizes of a family."""
    rows = [row for row in whole(figures) if row["error"][0] < LARGEST]
    for name in dict.fromkeys(map(family, sorted(rows, key=lambda row: [*LOOKS, *FURTHER_LOOKS].index(family(row))))):
        line = [row for row in rows if family(row) == name]
        colour, marker, size = look(line[0])
        x, y, bars = zip(*((row["bytes"] / 1e6, row["error"][0], row["error"][1] or 0.0) for row in line), strict=True)
        style = {"color": colour, "marker": marker, "markersize": min(size, 7), "capsize": 3, "label": name}
        axes.errorbar(x, y, bars, linewidth=1.8 if name in {"dense", "circulant"} else 0.9, **style)
    logarithmic(axes, "x", [row["bytes"] / 1e6 for row in rows], least=0)
    logarithmic(axes, "y", [row["error"][0] for row in rows])
    axes.set_xlabel("storage of the network (MB)")
    axes.set_ylabel("test error (%)")


def draw_samples(axes: Axes, figures: Figures) -> None:
    """Draw the difference of the errors of circulant and dense layers against the number of training images."""
    rows = samples(figures)
    colour, marker, _ = LOOKS["circulant"]
    y, bars = zip(*(row["circulant"]["difference"] for row in rows), strict=True)
    bars = tuple(bar or 0.0 for bar in bars)  # one seed has no error
    axes.errorbar([row["images"] for row in rows], y, bars, color=colour, marker=marker, markersize=6, capsize=3)
    axes.axhline(0, color="0.5", linewidth=1)
    axes.set_xscale("log")
    axes.set_xticks([row["images"] for row in rows], [f"{row['images']:,}" for row in rows], rotation=30)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("training images")
    axes.set_ylabel("circulant minus dense (points)")


def draw_training(axes: Axes, figures: Figures) -> None:
    """Draw the mean loss of each epoch on the training images, the mean over seeds."""
    for name in ("dense", "circulant", "circulant, random"):
        runs = runs_of(figures, name)
        colour, *_ = LOOKS[name]
        for run in runs.values():
            axes.plot(range(1, len(run["losses"]) + 1), run["losses"], color=colour, linewidth=0.6, alpha=0.5)
        means = [
            math.fsum(losses) / len(runs) for losses in zip(*(run["losses"] for run in runs.values()), strict=True)
        ]
        axes.plot(range(1, len(means) + 1), means, color=colour, linewidth=2, label=name)
    axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel("training loss")


def panels(loaded: dict[str, Figures]) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of the page by name, with a panel for each result, two in a row."""
    with_samples = {name: figures for name, figures in loaded.items() if len(samples(figures)) > 1}
    for name, draw, shown in (
        ("storage", draw_storage, loaded),
        ("fewer", draw_samples, with_samples),
        ("training", draw_training, loaded),
    ):
        rows = math.ceil(len(shown) / 2)
        picture = Figure(figsize=(4.7 * min(len(shown), 2), 3.6 * rows + 0.4), layout="constrained")
        places = picture.subplots(rows, min(len(shown), 2), squeeze=False).ravel()
        labels: dict[str, Any] = {}
        for axes, (result, figures) in zip(places, shown.items(), strict=False):
            draw(axes, figures)
            axes.set_title(SETS[result], loc="left", fontweight="bold")
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
            labels |= dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        for axes in places[len(shown) :]:
            axes.set_visible(False)
        picture.legend(labels.values(), labels.keys(), frameon=False, loc="outside lower center", ncols=4)
        yield name, picture


def draw(loaded: dict[str, Figures], folder: Path) -> None:
    """Write the figures of the page."""
    for name, picture in panels(loaded):
        picture.savefig(folder / f"{name}.png", format="png", dpi=130)


def draw_mnist(loaded: dict[str, Figures], file: Path) -> None:
    """Write the figure of test error against storage on MNIST alone."""
    figures = dict(panels({name: each for name, each in loaded.items() if "mnist" in name}))
    figures["storage"].savefig(file, format="png", dpi=130)


def load() -> dict[str, Figures]:
    """Read the committed results that there are, by name."""
    paths = {name: RESULTS / f"{name}.json" for name in SETS}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.exists()}
