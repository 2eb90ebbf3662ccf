"""Summarise the results of an experiment, as table, CSV file and figure. Requires no framework."""

import csv
import io
import math
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Figures = dict[str, Any]
Row = dict[str, Any]

# Colour-blind safe colours (Okabe and Ito), and shape and size of each marker. Markers of circulant layers overlap, so
# that their sizes differ.
LOOKS = {
    "dense": ("#0072B2", "s", 9),
    "circulant": ("#D55E00", "o", 14),
    "circulant, wider": ("#D55E00", "P", 10),
    "circulant, random": ("#E69F00", "D", 6),
    "block circulant": ("#CC79A7", "h", 9),
    "Fastfood": ("#009E73", "^", 9),
    "low rank": ("#F0E442", "v", 9),
    "dense, reduced": ("#56B4E9", "X", 9),
}
COLUMNS = (
    *("name", "kind", "widths", "classifier", "seed", "images", "tested", "epochs", "batch", "rate"),
    *("parameters", "bytes", "error_percent", "top5_error_percent", "loss"),
)


def mean_and_error(values: Iterable[float]) -> tuple[float, float | None]:
    """Return the mean over seeds and its standard error, or None for a single seed."""
    values = list(values)
    error = statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None
    return statistics.mean(values), error


def plus_minus(pair: tuple[float, float | None], sign: str = "") -> str:
    """Format a mean and its standard error."""
    return f"{pair[0]:{sign}.2f}" + ("" if pair[1] is None else f" ± {pair[1]:.2f}")


def runs_of(figures: Figures, name: str, parts: int = 1) -> dict[int, Row]:
    """Return the runs of one arm by seed."""
    return {run["seed"]: run for run in figures["runs"] if (run["name"], run["parts"]) == (name, parts)}


def summary(figures: Figures) -> list[Row]:
    """Return one row for each arm and number of training images, in the order of the runs.

    Errors are means over seeds with standard errors. `difference` is the mean difference to dense layers of the same
    seed, and so on the same images; `training` and `testing` are times relative to dense layers.
    """
    rows = []
    for name, parts in dict.fromkeys((run["name"], run["parts"]) for run in figures["runs"]):
        runs, dense = runs_of(figures, name, parts), runs_of(figures, "dense", parts)
        both = [seed for seed in runs if seed in dense]
        one = next(iter(runs.values()))
        row = {key: one[key] for key in ("name", "kind", "widths", "parts", "images", "parameters", "bytes")}
        row["error"] = mean_and_error(run["error_percent"] for run in runs.values())
        row["seeds"] = len(runs)
        if both:
            row["ratio"] = dense[both[0]]["bytes"] / row["bytes"]
            row["difference"] = mean_and_error(
                runs[seed]["error_percent"] - dense[seed]["error_percent"] for seed in both
            )
        if parts == 1 and {name, "dense"} <= set(figures["times"]):
            for key, took in figures["times"][name].items():
                row[key] = took / figures["times"]["dense"][key]
        rows.append(row)
    return rows


def kinds(figures: Figures) -> list[Row]:
    """Return the rows of the summary that compare types of layers, on all training images."""
    return [row for row in summary(figures) if row["parts"] == 1 and row["name"] in LOOKS]


def cells(row: Row) -> list[str]:
    """Format the cells of a row."""
    shown = [
        row["name"],
        " · ".join(f"{width:,}" for width in row["widths"]),
        f"{row['parameters']:,}",
        f"{row['bytes'] / 1e6:.3f}",
    ]
    ratio = f"{row['ratio']:.1f}" if "ratio" in row else ""
    difference = plus_minus(row["difference"], "+") if "ratio" in row and row["name"] != "dense" else ""
    times = (f"{row[key]:.2f}" if key in row else "" for key in ("training", "testing"))
    return [*shown, ratio, plus_minus(row["error"]), difference, *times]


HEADINGS = (
    *("layers", "hidden units", "parameters", "MB", "times smaller", "test error %", "minus dense"),
    *("training / dense", "testing / dense"),
)


def write_csv(figures: Figures, file: Path) -> None:
    """Write one line for each run."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**run, "widths": " ".join(map(str, run["widths"]))} for run in figures["runs"])
    file.write_text(text.getvalue(), encoding="utf-8")


def draw(figures: Figures, file: Path) -> None:
    """Draw error against storage by type of layer, against training images, and against storage for pairs of widths."""
    picture = Figure(figsize=(10, 8.4), layout="constrained")
    axes = picture.subplot_mosaic([["kinds", "kinds"], ["samples", "widths"]])
    draw_kinds(axes["kinds"], kinds(figures))
    draw_samples(axes["samples"], summary(figures))
    draw_widths(axes["widths"], figures["pairs"], {row["name"]: row for row in summary(figures) if row["parts"] == 1})
    for axes in picture.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
        axes.set_ylabel("test error (%), logarithmic")
        logarithmic(axes, "y", [y for line in axes.lines for y in line.get_ydata()] or [1, 100])
    picture.suptitle(f"{figures['settings']['data']}: means of seeds, with standard errors", x=0.01, ha="left")
    picture.savefig(file, format="png", dpi=130)


def logarithmic(axes: Axes, side: str, values: Iterable[float], least: float = 0.1) -> None:
    """Make the axis "x" or "y" logarithmic, with marks at 1, 2 and 5 of each decade and room around the values."""
    values = list(values)
    low, high = max(min(values), least) / 1.3, max(values) * 1.3
    marks = [digit * 10.0**power for power in range(-6, 9) for digit in (1, 2, 5)]
    getattr(axes, f"set_{side}scale")("log")
    axis = getattr(axes, f"{side}axis")
    axis.set_ticks([mark for mark in marks if low < mark < high])
    axis.set_ticks([], minor=True)
    axis.set_major_formatter(lambda mark, _: f"{mark:g}")
    axes.set(**{f"{side}lim": (low, high)})


def draw_kinds(axes: Axes, rows: list[Row]) -> None:
    """Draw a point for each type of layer; a legend names them, since several points are close."""
    for row in rows:
        colour, marker, size = LOOKS[row["name"]]
        style = {"markersize": size, "capsize": 4, "markeredgecolor": "0.25", "ls": ""}
        label = f"{row['name']}: {plus_minus(row['error'])}"
        axes.errorbar(row["bytes"] / 1e6, *row["error"], color=colour, marker=marker, label=label, **style)
    logarithmic(axes, "x", [row["bytes"] / 1e6 for row in rows])
    axes.set_xlabel("storage of the network (MB)")
    axes.set_title("Types of layers", loc="left", fontweight="bold")
    axes.legend(frameon=False, fontsize=8.5, loc="upper right")


def draw_samples(axes: Axes, rows: list[Row]) -> None:
    """Draw a line for each arm that was trained with fewer images."""
    names = dict.fromkeys(row["name"] for row in rows if row["parts"] > 1)
    for name in names:
        line = sorted((row["images"], *row["error"]) for row in rows if row["name"] == name)
        x, y, error = zip(*line, strict=True)
        colour, marker, _ = LOOKS[name]
        bars = None if None in error else error
        axes.errorbar(x, y, bars, color=colour, marker=marker, markersize=7, linewidth=2, capsize=4, label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(x, [f"{images:,}" for images in x], minor=False)
    if names:
        axes.legend(frameon=False, loc="upper right")
    axes.set_xlabel("training images")
    axes.set_title("Fewer training images", loc="left", fontweight="bold")


def draw_widths(axes: Axes, pairs: list[list[str]], rows: dict[str, Row]) -> None:
    """Draw circulant and dense networks of equal storage; each point is labelled with its number of hidden units."""
    pairs = [pair for pair in pairs if set(pair) <= set(rows)]
    for which, name in enumerate(("circulant", "dense") if pairs else ()):
        line = [rows[pair[which]] for pair in pairs]
        colour, marker, _ = LOOKS[name]
        x, y = [row["bytes"] / 1e6 for row in line], [row["error"][0] for row in line]
        bars = None if line[0]["seeds"] == 1 else [row["error"][1] for row in line]
        axes.errorbar(x, y, bars, color=colour, marker=marker, markersize=7, linewidth=2, capsize=4, label=name)
        for row, *place in zip(line, x, y, strict=True):
            offset = (0, -16) if which == 0 else (0, 10)
            text = f"{row['widths'][0]:,}"
            axes.annotate(text, place, offset, textcoords="offset points", ha="center", fontsize=9, color="0.25")
    if pairs:
        axes.legend(frameon=False, loc="upper right")
        logarithmic(axes, "x", [rows[name]["bytes"] / 1e6 for pair in pairs for name in pair])
    axes.set_xlabel("storage of the network (MB); numbers are hidden units")
    axes.set_title("Width at equal storage", loc="left", fontweight="bold")
