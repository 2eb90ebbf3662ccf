"""Tables of the factorial study: the effect of each factor, and the best settings. Requires no framework."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.paper.report import mean_and_error, plus_minus

Record = dict[str, Any]

FACTORS: dict[str, tuple[Any, ...]] = {
    "learned": (True, False),
    "signs": (True, False),
    "scale": (1.0, 0.25, 4.0),
    "step": (1.0, 0.1, 10.0),
    "decay": (0.0, 0.1),
}
COLUMN_ONLY = "step", "decay"  # nothing for a column that is not learned


def errors(runs: Sequence[Record], **levels: Any) -> dict[int, float]:
    """Return the mean error of each seed over the circulant settings with some levels."""
    found: dict[int, list[float]] = {}
    for run in runs:
        if not run["dense"] and all(run[name] == level for name, level in levels.items()):
            found.setdefault(run["seed"], []).append(run["error_percent"])
    return {seed: statistics.mean(values) for seed, values in found.items()}


def differences(one: dict[int, float], other: dict[int, float]) -> tuple[float, float | None]:
    """Return the mean of paired differences, and its standard error."""
    return mean_and_error([one[seed] - other[seed] for seed in sorted(one)])


def effects(runs: Sequence[Record]) -> list[list[str]]:
    """Compare each level of a factor with its first one, over all settings of learned layers that have either."""
    rows = []
    for name, (first, *others) in FACTORS.items():
        fixed = {} if name == "learned" else {"learned": True}
        if name == "learned":
            fixed = {each: FACTORS[each][0] for each in COLUMN_ONLY}  # those that random layers have
        base = errors(runs, **fixed, **{name: first})
        for level in others:
            found = errors(runs, **fixed, **{name: level})
            rows.append(
                [name, f"{level}, not {first}", plus_minus(mean_and_error(found.values())),
                 plus_minus(differences(found, base), "+")]
            )  # fmt: skip
    return rows


def best(runs: Sequence[Record], count: int = 5) -> list[list[str]]:
    """Return the dense layer, the default circulant one and the best settings, with differences to the dense layer."""
    dense = {run["seed"]: run["error_percent"] for run in runs if run["dense"]}
    grouped: dict[tuple[Any, ...], dict[int, float]] = {}
    for run in runs:
        if not run["dense"]:
            grouped.setdefault(tuple(run[name] for name in FACTORS), {})[run["seed"]] = run["error_percent"]
    default = tuple(levels[0] for levels in FACTORS.values())
    ranked = sorted(grouped, key=lambda values: (statistics.mean(grouped[values].values()), str(values)))
    rows = [["dense", *[""] * len(FACTORS), plus_minus(mean_and_error(dense.values())), ""]]
    for title, values in [("default", default), *((f"{place}", each) for place, each in enumerate(ranked[:count], 1))]:
        found = grouped[values]
        cells = [str(value) if isinstance(value, bool) else f"{value:g}" for value in values]
        rows.append(
            [title, *cells, plus_minus(mean_and_error(found.values())), plus_minus(differences(found, dense), "+")]
        )
    return rows


def tables(figures: Record) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Return titles, headings and rows of both tables."""
    runs = figures["runs"]
    yield "Effects", ["factor", "level", "error, %", "difference, points"], effects(runs)
    yield "Best settings", ["", *FACTORS, "error, %", "minus dense"], best(runs)
