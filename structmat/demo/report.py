"""Tables and figure of the demonstration."""

import os
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

Figures = dict[str, Any]

STYLE: dict[str, Any] = {
    "box": box.SIMPLE_HEAD,
    "collapse_padding": True,
    "pad_edge": False,
    "show_edge": False,
    "title_justify": "left",
}

NAMES = "hidden layer"
SPELLINGS = {"±": "+-", "µ": "u"}  # for encodings without these characters

# Colour-blind safe colours (Okabe and Ito), and marker and label position of each layer.
LOOKS = {
    "dense": ("#0072B2", "s", (-10, -12), "right", "top"),
    "circulant, learned": ("#D55E00", "o", (10, -12), "left", "top"),
    "circulant, random": ("#E69F00", "D", (10, -12), "left", "top"),
    "dense, narrow": ("#56B4E9", "v", (10, 12), "left", "bottom"),
}


def console() -> Console:
    """Return a console with the width of the terminal or of COLUMNS; without either, 100 columns."""
    terminal = Console()
    return terminal if terminal.is_terminal or os.environ.get("COLUMNS") else Console(width=100)


def spelled(text: str, encoding: str) -> str:
    """Replace characters that an encoding lacks: µs by us."""
    for letter, spelling in SPELLINGS.items():
        try:
            letter.encode(encoding)
        except UnicodeEncodeError:
            text = text.replace(letter, spelling)
    return text


def microseconds(value: float | None) -> str:
    """Format a time with three digits, and None as an empty string."""
    if value is None:
        return ""
    return f"{value:#.3g}" if value < 99.95 else f"{value:,.0f}"


def error(layer: Figures) -> str:
    """Format a test error with its standard deviation, if there are several seeds."""
    sd = layer["test_error_percent_sd"]
    return f"{layer['test_error_percent']:.1f}" + ("" if sd is None else f" ± {sd:.1f}")


def table(title: str, columns: dict[str, list[str]], encoding: str) -> Table:
    """Make a table from columns by heading."""
    made = Table(title=spelled(title, encoding), **STYLE)
    for heading in columns:
        side: Literal["left", "right"] = "left" if heading == NAMES else "right"
        made.add_column(spelled(heading, encoding), justify=side, no_wrap=True, vertical="bottom")
    for row in zip(*columns.values(), strict=True):
        made.add_row(*(spelled(cell, encoding) for cell in row))
    return made


def tables(figures: Figures, encoding: str = "utf-8") -> tuple[Table, Table, Table]:
    """Make the tables of test errors, of costs, and of the growth with d.

    Parameters
    ----------
    figures : dict
        Results of `structmat.demo.run`.
    encoding : str, optional
        Encoding of the console. Characters that it lacks are replaced.

    Returns
    -------
    learned, costs, growth : rich.table.Table
        For a console at least 60 columns wide.
    """
    settings, growth, layers = figures["settings"], figures["growth"], figures["layers"]
    seeds = f"{settings['seeds']} seed{'s' * (settings['seeds'] > 1)}"
    epochs = f"{settings['epochs']} epoch{'s' * (settings['epochs'] > 1)}"
    library = ", PyTorch" * (settings.get("backend") == "torch")
    names = {NAMES: [layer["layer"] for layer in layers]}
    learned = {
        "units": [f"{layer['shape'][0]:,}" for layer in layers],
        "test\nerror, %": [error(layer) for layer in layers],
        "layer's\nparameters": [f"{layer['layer_parameters']:,}" for layer in layers],
    }
    costs = {
        "bytes": [f"{layer['layer_bytes']:,}" for layer in layers],
        "s per epoch": [f"{layer['seconds_per_epoch']:.2f}" for layer in layers],
        "µs per vector": [microseconds(layer["microseconds_per_vector"]) for layer in layers],
    }
    rows = growth["microseconds_per_vector"]
    ratios = ["" if row["dense"] is None else f"{row['dense'] / row['circulant']:.1f}" for row in rows]
    growing = {
        "d": [f"{row['d']:,}" for row in rows] + ["slope"],
        **{
            name: [microseconds(row[name]) for row in rows] + [f"{growth['slopes'][name]:.2f}"]
            for name in growth["slopes"]
        },
        "dense / circulant": [*ratios, ""],
    }
    return (
        table(f"{figures['settings']['data']}, {epochs}, {seeds}", names | learned, encoding),
        table(f"Cost of the layers, one thread{library}", names | costs, encoding),
        table(f"µs per vector, batches of {growth['vectors_per_call']}; slope p of time ~ d^p", growing, encoding),
    )


def sentence(figures: Figures) -> str:
    """Summarise the results in one sentence."""
    dense, circulant = (
        next(layer for layer in figures["layers"] if layer["layer"] == name) for name in ("dense", "circulant, learned")
    )
    last = [row for row in figures["growth"]["microseconds_per_vector"] if row["dense"] is not None][-1]
    fewer = dense["layer_parameters"] / circulant["layer_parameters"]
    return (
        f"A circulant layer with {fewer:,.0f} times fewer parameters than a dense one has a test error of "
        f"{circulant['test_error_percent']:.1f} % instead of {dense['test_error_percent']:.1f} %, "
        f"and its product at d = {last['d']:,} is {last['dense'] / last['circulant']:,.1f} times as fast."
    )


def draw(figures: Figures, file: Path, form: str = "png") -> None:
    """Draw test error against parameters, and time against dimension.

    Parameters
    ----------
    figures : dict
        Results of `structmat.demo.run`.
    file : path
        Output file.
    form : {"png", "pdf", "svg"}, optional
        Format of the file, independent of its name.
    """
    picture = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = picture.subplots(1, 2, width_ratios=(1.1, 1))
    draw_errors(left, figures["layers"], figures["settings"]["data"])
    draw_growth(right, figures["growth"])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
    picture.savefig(file, format=form, dpi=130)


def draw_errors(axes: Axes, layers: list[Figures], data: str) -> None:
    """Draw one labelled point for each layer; the axis is logarithmic, and linear near zero."""
    for layer in layers:
        name, x, y = layer["layer"], layer["layer_parameters"], layer["test_error_percent"]
        colour, marker, offset, ha, va = LOOKS[name]
        axes.errorbar(x, y, layer["test_error_percent_sd"], color=colour, marker=marker, markersize=9, capsize=4)
        text = f"{name}\n{error(layer)} %\n{x:,} parameters"
        axes.annotate(text, (x, y), offset, textcoords="offset points", ha=ha, va=va, fontsize=9.5)
    axes.set_xscale("symlog", linthresh=300, linscale=0.6)
    axes.set_xticks([0, 1e3, 1e4, 1e5, 1e6], ["0", "10³", "10⁴", "10⁵", "10⁶"])
    axes.set_xlim(-100, 3e6)
    axes.set_ylim(0, 1.25 * max(layer["test_error_percent"] for layer in layers))
    axes.set_xlabel("learned parameters of the hidden layer")
    axes.set_ylabel("test error (%)")
    axes.set_title(f"One hidden layer on {data}", loc="left", fontweight="bold")


def draw_growth(axes: Axes, growth: Figures) -> None:
    """Draw time against dimension on logarithmic axes, one line for each product."""
    for name, key in (("dense", "dense"), ("circulant", "circulant, learned")):
        d, times = zip(
            *((row["d"], row[name]) for row in growth["microseconds_per_vector"] if row[name] is not None), strict=True
        )
        colour, marker, *_ = LOOKS[key]
        label = f"{name}, slope {growth['slopes'][name]:.2f}"
        axes.loglog(d, times, color=colour, marker=marker, markersize=6, linewidth=2, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("dimension d")
    axes.set_ylabel("time per vector (µs)")
    axes.set_title("A d × d matrix times a vector", loc="left", fontweight="bold")
    axes.legend(frameon=False, loc="upper left")
