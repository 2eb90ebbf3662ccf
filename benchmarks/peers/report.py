"""The figures of `benchmarks.peers` as tables of text and as a picture."""

import math
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measuring import Figures
from benchmarks.peers.goals import MIB, by_threads, counted, crossover, right, shown, steps, verdicts
from benchmarks.peers.implementations import PURE
from benchmarks.tables import Table, number_text, time_text

OURS = "structmat"
DENSE = "dense BLAS"
# Colour-blind safe colours (Okabe and Ito), and a mark for each implementation in the picture.
LOOKS = {
    "structmat": ("#D55E00", "o"),
    PURE: ("#E69F00", "D"),
    "scipy.fft": ("#56B4E9", "v"),
    "torch.fft": ("#0072B2", "s"),
}
IN_README = {"1 × 1024", "128 × 1024", "1024 × 1024", "256 × 4096", "32 × 16384", "4 × 2^20", "256 × 4093"}
VERBS = {"forward": "product, spectrum cached", "step": "training step: product and both gradients"}


def size(row: Figures) -> str:
    """Format the shape of a row for the head of a column: 4 × 2^20."""
    return " × ".join(f"2^{n.bit_length() - 1}" if n >= 2**16 and n & (n - 1) == 0 else f"{n}" for n in row["shape"])


def goals_table(figures: Figures) -> Table:
    """Format each goal, the worst value and its place, and the verdict."""
    said = {True: "reached", False: "not reached", None: ""}
    rows = [
        [row["figure"], row["goal"], row["measured"] or "not measured", row["where"] or "", said[row["reached"]]]
        for row in verdicts(figures["rows"], quick=figures["quick"])
    ]
    return Table("Goals and worst cases", ["figure", "goal", "measured, worst case", "where", "verdict"], rows)


def ways(rows: list[Figures]) -> list[str]:
    """Return the implementations in the order of measurement."""
    return list(dict.fromkeys(row["way"] for row in rows))


def ratio_tables(figures: Figures, kind: str = "circulant") -> Iterator[Table]:
    """Format times over ours, a table for each verb and number of threads; the first line has our times."""
    mine = [row for row in figures["rows"] if (row["part"], row.get("kind")) == ("shapes", kind)]
    for verb, said in VERBS.items():
        for threads in sorted({row["threads"] for row in mine}):
            rows = [row for row in mine if row["threads"] == threads and verb in row]
            columns = list(dict.fromkeys(size(row) for row in rows))
            times = {(row["way"], size(row)): row[verb] for row in rows}
            wrong = {(row["way"], size(row)) for row in rows if not right(row)}
            first = [OURS, *(time_text(times[OURS, column]) if (OURS, column) in times else "" for column in columns)]
            others = [
                [
                    way,
                    *(
                        "wrong"
                        if (way, column) in wrong
                        else f"{number_text(times[way, column] / times[OURS, column])} ×"
                        if (way, column) in times
                        else ""
                        for column in columns
                    ),
                ]
                for way in ways(rows)
                if way != OURS and OURS in ways(rows)
            ]
            yield Table(
                f"{said.capitalize()}, {counted(threads)}: time relative to structmat", ["", *columns], [first, *others]
            )


def errors_table(figures: Figures) -> Table:
    """Format the largest error of each result of each implementation, in units of rounding."""
    rows = [row for row in figures["rows"] if row["part"] == "shapes"]
    results = ("forward", "y", "dx", "gradient")
    cells = []
    for way in ways(rows):
        found = [row["errors"] for row in rows if row["way"] == way]
        worst = [max((errors[name] for errors in found if name in errors), default=None) for name in results]
        cells.append([way, *("" if value is None else number_text(value) for value in worst)])
    headings = ["", "product", "step: product", "gradient to x", "to the parameter"]
    return Table("Largest error, in units of rounding", headings, cells)


def memory_tables(figures: Figures) -> Iterator[Table]:
    """Format peaks of memory over the bytes of x, a table for each verb."""
    rows = [row for row in figures["rows"] if row["part"] == "memory"]
    for verb, said in VERBS.items():
        columns = list(dict.fromkeys(size(row) for row in rows))
        peaks = {(row["way"], size(row)): row[verb] / row["x_bytes"] for row in rows if row[verb] is not None}
        cells = [
            [way, *(f"{peaks[way, column]:.1f}" if (way, column) in peaks else "" for column in columns)]
            for way in ways(rows)
            if any((way, column) in peaks for column in columns)
        ]
        yield Table(f"{said.capitalize()}: peak memory relative to the bytes of x", ["", *columns], cells)


def contests_table(figures: Figures) -> Table:
    """Format the other problems: ours, the peer's, and the ratio."""
    rows = [row for row in figures["rows"] if row["part"] == "contests"]
    cells = []
    for row in rows:
        if row["way"] != OURS:
            same = ("kind", "shape", "dtype", "threads")
            (ours,) = [r for r in rows if r["way"] == OURS and all(r[key] == row[key] for key in same)]
            facts = [f"{row['kind']}, {size(row)}, {row['dtype']}, {counted(row['threads'])}", row["way"]]
            ratio = f"{number_text(row['forward'] / ours['forward'])} ×"
            times = [time_text(ours["forward"]), time_text(row["forward"]), ratio]
            cells.append([*facts, *times, *(number_text(r["errors"]["forward"]) for r in (ours, row))])
    headings = ["problem", "peer", "ours", "peer's", "ratio", "error", "peer's"]
    return Table("Other problems", headings, cells)


def growth_table(figures: Figures) -> Table:
    """Format the time of one vector by n, the exponent from the size before, and the bytes read and written."""
    cells = []
    for threads, times in sorted(by_threads(figures["rows"], "growth", OURS).items()):
        exponents = steps(figures["rows"], OURS, threads)
        for n, value in times.items():
            touched = shown(4 * (2 * n + 4 * (n // 2 + 1)) / MIB, "MiB")  # x, y, the spectrum and that of the column
            exponent = f"{exponents[n]:.2f}" if n in exponents else ""
            cells.append([f"2^{n.bit_length() - 1}", str(threads), time_text(value), exponent, touched])
    return Table("Growth with n, one vector", ["n", "threads", "time", "exponent", "memory touched"], cells)


def machine_lines(figures: Figures) -> list[str]:
    """Describe the machine and versions, and list what was left out."""
    about = figures["about"]
    caches = ", ".join(f"{name} {amount}" for name, amount in about.get("caches", {}).items())
    hardware = f"{about['processor']}, {about['cores']} cores" + (f"; caches {caches}" if caches else "")
    versions = ", ".join(
        f"{name} {value}"
        for name, value in about.items()
        if name not in ("processor", "cores", "caches", "system", "python")
    )
    speeds = [
        f"{shown(row['bytes_per_second'] / 1e9, 'GB/s')} with {counted(row['threads'])}"
        for row in figures["rows"]
        if row["part"] == "bandwidth"
    ]
    gone = {row["way"]: row["reason"].partition(":")[0] for row in figures["rows"] if row["part"] == "left out"}
    lines = [f"{hardware}; {about['system']}, Python {about['python']}.", f"Versions: {versions}."]
    lines += [f"Copying memory: {', '.join(speeds)}."] * bool(speeds)
    missing = [way for way, error in gone.items() if error == "ModuleNotFoundError"]
    failed = [way for way in gone if way not in missing]
    lines += [f"Not installed, so not measured: {', '.join(missing)}."] * bool(missing)
    return lines + [f"Failed, so not measured: {', '.join(failed)}."] * bool(failed)


def verb_rows(figures: Figures, verb: str) -> dict[str, dict[str, float]]:
    """Return the times of circulant products or training steps on one thread, by shape and implementation."""
    found: dict[str, dict[str, float]] = {}
    for row in figures["rows"]:
        place = row["part"], row.get("kind"), row.get("threads")
        if place == ("shapes", "circulant", 1) and verb in row and right(row):
            found.setdefault(size(row), {})[row["way"]] = row[verb]
    return {shape: times for shape, times in found.items() if OURS in times}


def brief_tables(figures: Figures) -> Iterator[Table]:
    """Format our time, and those of the same computation by other means relative to it, a row for each shape."""
    others = [way for way in LOOKS if way != OURS] + [DENSE]
    for verb, said in VERBS.items():
        cells = [
            [
                shape,
                time_text(times[OURS]),
                *(f"{number_text(times[way] / times[OURS])} ×" if way in times else "" for way in others),
            ]
            for shape, times in verb_rows(figures, verb).items()
        ]
        yield Table(f"{said.capitalize()}, 1 thread", ["vectors × n", OURS, *others], cells)


def answers(figures: Figures) -> list[str]:
    """Answer in three sentences how fast structmat is, and when something else is faster."""
    rows = figures["rows"]
    ours, dense = (by_threads(rows, "crossover", way)[1] for way in (OURS, DENSE))
    batch = next(row["shape"][0] for row in rows if row["part"] == "crossover")
    meeting, largest = crossover(ours, dense), max(dense)
    gain = number_text(dense[largest] / ours[largest])
    products = verb_rows(figures, "forward")
    ranges = []
    for way in ("scipy.fft", "torch.fft"):
        found = [times[way] / times[OURS] for times in products.values() if way in times]
        ranges.append(f"{number_text(min(found))} to {number_text(max(found))} times as fast as with ``{way}``")
    slower = [
        f"{name} of {', '.join(shapes)}"
        for name, verb in (("products", "forward"), ("training steps", "step"))
        if (
            shapes := [
                shape
                for shape, times in verb_rows(figures, verb).items()
                if min(times.get(way, math.inf) for way in ("scipy.fft", "torch.fft")) < times[OURS]
            ]
        )
    ]
    lost = f"{' and '.join(slower)} were" if slower else "none was"
    return [
        (
            f"On one thread, circulant products of {batch} vectors are faster than dense products by BLAS from "
            f"n = {meeting:,.0f} on, and {gain} times as fast at n = {largest:,}."
        ),
        f"They are {' and '.join(ranges)}, depending on the shape.",
        (
            "For smaller n use a dense matrix; of the shapes below (vectors × n), "
            f"{lost} faster with one of these libraries."
        ),
    ]


def profiles_table(figures: Figures) -> Table:
    """Format shares of the time, by problem."""
    rows = [row for row in figures["rows"] if row["part"] == "profile"]
    cells = [
        [
            f"{row['kind']}, {size(row)}",
            row["verb"],
            row["way"],
            time_text(row["seconds"]),
            *(f"{row[part]:.0%}" for part in ("transforms", "passes", "python")),
        ]
        for row in rows
    ]
    return Table(
        "Shares of the time, 1 thread",
        ["problem", "", "implementation", "time", "transforms", "passes", "Python"],
        cells,
    )


def tables(figures: Figures) -> dict[str, list[Table]]:
    """Return all tables by the part of the page that shows them, the goals last."""
    return {
        "ratios": list(ratio_tables(figures)),
        "blocks": list(ratio_tables(figures, "blocks")),
        "errors": [errors_table(figures)],
        "memory": list(memory_tables(figures)),
        "contests": [contests_table(figures)],
        "growth": [growth_table(figures)],
        "profiles": [profiles_table(figures)],
        "goals": [goals_table(figures)],
    }


def readme_table(figures: Figures) -> list[str]:
    """Format the table of the README: times on one thread with and without kernels, and of others relative to them."""
    rows = [row for row in figures["rows"] if row["part"] == "shapes" and row["kind"] == "circulant"]
    times = {(row["way"], size(row)): row for row in rows if row["threads"] == 1}
    headings = ["vectors × n", "product", "torch.fft", "scipy.fft", "without kernels"]
    headings += ["training step", "torch.fft", "without kernels"]
    lines = [f"| {' | '.join(headings)} |", f"| --- {'| --: ' * (len(headings) - 1)}|"]
    for way, place in times:
        if way != OURS or place not in IN_README:
            continue
        ours, pure, torch, scipy = (times[other, place] for other in (OURS, PURE, "torch.fft", "scipy.fft"))
        cells = [
            place,
            time_text(ours["forward"]),
            *(f"{other['forward'] / ours['forward']:.1f} ×" for other in (torch, scipy)),
            time_text(pure["forward"]),
            time_text(ours["step"]),
            f"{torch['step'] / ours['step']:.1f} ×",
            time_text(pure["step"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def draw(figures: Figures, file: Path, *, threads: int | None = None) -> None:
    """Draw the time over that of a dense product against n, the crossover, and the roofline: x read, y written.

    A panel for each number of threads, or for one of them.
    """
    from matplotlib.figure import Figure

    rows = figures["rows"]
    measured = by_threads(rows, "crossover", DENSE)
    dense = measured if threads is None else {threads: measured[threads]}
    bandwidth = {row["threads"]: row["bytes_per_second"] for row in rows if row["part"] == "bandwidth"}
    batch = next(row["shape"][0] for row in rows if row["part"] == "crossover")
    picture = Figure(figsize=(4.2 * len(dense), 4.4), layout="constrained")  # a panel is read on telephones, too
    panels = picture.subplots(1, len(dense), sharey=True, squeeze=False)[0]
    for axes, (count, whole) in zip(panels, sorted(dense.items()), strict=True):
        sizes = list(whole)
        axes.axhline(1, color="0.25", linewidth=1.5, label=DENSE)
        for way, (colour, mark) in LOOKS.items():
            times = by_threads(rows, "crossover", way).get(count)
            if times:
                ratios = [times[n] / whole[n] for n in sizes]
                axes.loglog(sizes, ratios, color=colour, marker=mark, markersize=6, linewidth=1.8, label=way)
        floor = [8 * batch * n / bandwidth[count] / whole[n] for n in sizes]
        axes.loglog(sizes, floor, color="0.45", linestyle="--", label="roofline")
        meeting = crossover(by_threads(rows, "crossover", OURS)[count], whole)
        if meeting in whole:
            axes.axvline(meeting, color=LOOKS[OURS][0], linestyle=":", linewidth=1.5)
            text, below = f"faster from\nn = {meeting:,}", axes.get_xaxis_transform()
            axes.annotate(text, (meeting, 0.03), (6, 0), xycoords=below, textcoords="offset points")
        axes.set_xscale("log", base=2)
        axes.set_xlabel("n")
        axes.set_title(f"{batch} vectors, {counted(count)}", loc="left", fontweight="bold")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="0.92")
        axes.set_axisbelow(True)
    panels[0].set_ylabel("time / time of the dense product")
    picture.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2 * len(dense), frameon=False
    )
    picture.savefig(file, format="png", dpi=200)
