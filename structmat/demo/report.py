"""The demonstration's figures as tables and as a picture."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table

Figures = dict[str, Any]

STYLE: dict[str, Any] = {"box": box.SIMPLE_HEAD, "collapse_padding": True, "pad_edge": False, "title_justify": "left"}

# Colours that stay apart for colour-blind eyes (Okabe and Ito), a shape for each, and the place of its label.
LOOKS = {
    "dense": ("#0072B2", "s", (-10, -12), "right", "top"),
    "circulant, learned": ("#D55E00", "o", (10, -12), "left", "top"),
    "circulant, random": ("#E69F00", "D", (10, -12), "left", "top"),
    "dense, narrow": ("#56B4E9", "v", (10, 12), "left", "bottom"),
}


def console() -> Console:
    """Return a console as wide as the terminal; a log has no width of its own and gets 100 columns."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=100)


def microseconds(value: float | None) -> str:
    """Write a time to three digits, or nothing."""
    if value is None:
        return ""
    return f"{value:#.3g}" if value < 99.95 else f"{value:,.0f}"


def error(layer: Figures) -> str:
    """Write a test error with its standard deviation, if there is one."""
    sd = layer["test_error_percent_sd"]
    return f"{layer['test_error_percent']:.1f}" + ("" if sd is None else f" ± {sd:.1f}")


def tables(figures: Figures) -> tuple[Table, Table]:
    """Make the table of layers and that of growth.

    Parameters
    ----------
    figures : dict
        As `structmat.demo.run` returns them.

    Returns
    -------
    layers, growth : rich.table.Table
        For a console at least 80 columns wide.
    """
    settings, growth = figures["settings"], figures["growth"]
    seeds = f"{settings['seeds']} seed{'s' * (settings['seeds'] > 1)}"
    epochs = f"{settings['epochs']} epoch{'s' * (settings['epochs'] > 1)}"
    library = ", PyTorch" * (settings.get("backend") == "torch")
    layers = Table(title=f"5,000 MNIST digits, {epochs}, {seeds}, one thread{library}", **STYLE)
    layers.add_column("hidden layer\n", no_wrap=True)
    for heading in ("\nunits", "test\nerror %", "layer's\nparameters", "layer's\nbytes", "s an\nepoch", "µs a\nvector"):
        layers.add_column(heading, justify="right", no_wrap=True)
    for layer in figures["layers"]:
        layers.add_row(
            layer["layer"],
            f"{layer['shape'][0]:,}",
            error(layer),
            f"{layer['layer_parameters']:,}",
            f"{layer['layer_bytes']:,}",
            f"{layer['seconds_per_epoch']:.2f}",
            microseconds(layer["microseconds_per_vector"]),
        )

    times = Table(title=f"µs a vector, {growth['vectors_per_call']} at once", **STYLE)
    for heading in ("d", "circulant", "dense", "dense / circulant"):
        times.add_column(heading, justify="right", no_wrap=True)
    for row in growth["microseconds_per_vector"]:
        ratio = "" if row["dense"] is None else f"{row['dense'] / row['circulant']:.1f}"
        last = row is growth["microseconds_per_vector"][-1]
        times.add_row(f"{row['d']:,}", *(microseconds(row[name]) for name in growth["slopes"]), ratio, end_section=last)
    times.add_row("slope", *(f"{value:.2f}" for value in growth["slopes"].values()), "")
    return layers, times


def draw(figures: Figures, file: Path, form: str = "png") -> None:
    """Draw test error against parameters, and time against dimension.

    Parameters
    ----------
    figures : dict
        As `structmat.demo.run` returns them.
    file : path
        Where the picture goes.
    form : {"png", "pdf", "svg"}, optional
        Its format, whatever the name of the file.
    """
    picture = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = picture.subplots(1, 2, width_ratios=(1.1, 1))
    draw_errors(left, figures["layers"])
    draw_growth(right, figures["growth"])
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
    picture.savefig(file, format=form, dpi=130)


def draw_errors(axes: Axes, layers: list[Figures]) -> None:
    """Draw one labelled point a layer; the axis is logarithmic with a place for zero."""
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
    axes.set_xlabel("parameters learned in the hidden layer")
    axes.set_ylabel("test error (%)")
    axes.set_title("One hidden layer on 5,000 MNIST digits", loc="left", fontweight="bold")


def draw_growth(axes: Axes, growth: Figures) -> None:
    """Draw time against dimension on logarithmic axes, a line a kind."""
    for name, key in (("dense", "dense"), ("circulant", "circulant, learned")):
        d, times = zip(
            *((row["d"], row[name]) for row in growth["microseconds_per_vector"] if row[name] is not None), strict=True
        )
        colour, marker, *_ = LOOKS[key]
        label = f"{name}, slope {growth['slopes'][name]:.2f}"
        axes.loglog(d, times, color=colour, marker=marker, markersize=6, linewidth=2, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("dimension d")
    axes.set_ylabel("time a vector (µs)")
    axes.set_title("A d × d matrix times a vector", loc="left", fontweight="bold")
    axes.legend(frameon=False, loc="upper left")
