"""The loader of the kernels: every value of STRUCTMAT_KERNELS, with and without an extension that can be loaded."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from structmat import _kernels

WORKING = f"INTERFACE = {_kernels.INTERFACE}\ndef isas(): return 'fast', 'baseline'\n"
STALE = "INTERFACE = -1\n"
USED = "print(_kernels.loaded is not None, _kernels.isa(), _kernels.reason)"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A structmat with the loader alone."""
    folder = tmp_path / "structmat" / "_kernels"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    shutil.copy(_kernels.__file__, folder)
    return folder


def load(package: Path, wish: str | None) -> tuple[str, str]:
    """What a new process prints, and its last line on stderr."""
    environment = {name: value for name, value in os.environ.items() if name != _kernels.VARIABLE}
    environment |= {"PYTHONPATH": str(package.parents[1]), "PYTHONSAFEPATH": "1"}
    environment |= {} if wish is None else {_kernels.VARIABLE: wish}
    call = [sys.executable, "-W", "always", "-S", "-c", f"from structmat import _kernels; {USED}"]
    done = subprocess.run(call, capture_output=True, text=True, check=False, env=environment)
    assert done.stdout if done.returncode == 0 else "ImportError: " in done.stderr
    return done.stdout.strip(), done.stderr.strip()


@pytest.mark.parametrize(
    ("wish", "used"),
    [(None, "True fast "), ("", "True fast "), ("auto", "True fast "), ("1", "True fast "), ("fast", "True fast "),
     ("baseline", "True baseline "), ("0", "False None STRUCTMAT_KERNELS is 0")],
)  # fmt: skip
def test_a_working_extension(package: Path, wish: str | None, used: str) -> None:
    (package / "extension.py").write_text(WORKING, encoding="utf-8")
    assert load(package, wish) == (used.strip(), "")


@pytest.mark.parametrize("wish", ["avx1024", "yes", "True"])
def test_an_unknown_instruction_set_is_refused(package: Path, wish: str) -> None:
    (package / "extension.py").write_text(WORKING, encoding="utf-8")
    _, error = load(package, wish)
    assert f"STRUCTMAT_KERNELS is {wish!r}, expected 'auto', '0', '1' or" in error
    assert error.endswith("an instruction set of this processor: fast, baseline")


def test_no_extension(package: Path) -> None:
    for wish in (None, "auto"):
        assert load(package, wish) == ("False None the extension is not built", "")
    for wish in ("1", "avx2"):
        _, error = load(package, wish)
        assert (
            f"STRUCTMAT_KERNELS={wish}: the extension is not built; build it by `STRUCTMAT_KERNELS=1 pip install .`"
            in error
        )


@pytest.mark.parametrize("kind", ["broken", "stale"])
def test_an_extension_that_cannot_be_used(package: Path, kind: str) -> None:
    if kind == "broken":
        (package / "extension.abi3.so").write_bytes(b"not a library")
    else:
        (package / "extension.py").write_text(STALE, encoding="utf-8")
    out, warning = load(package, None)
    assert out.startswith("False None the extension is broken: ")
    assert warning.count("RuntimeWarning: structmat uses no compiled kernels: the extension is broken: ") == 1
    assert load(package, "0") == ("False None STRUCTMAT_KERNELS is 0", "")
    _, error = load(package, "1")
    assert "STRUCTMAT_KERNELS=1: the extension is broken: " in error
    if kind == "stale":
        assert f"it has interface -1, and structmat needs {_kernels.INTERFACE}" in error


def test_this_process_uses_what_it_says() -> None:
    if _kernels.loaded is None:
        assert _kernels.isa() is None
        assert _kernels.reason
    else:
        assert _kernels.isa() in _kernels.loaded.isas()
        assert _kernels.reason == ""


@pytest.mark.skipif(_kernels.loaded is None, reason="no compiled kernels")
def test_an_import_of_the_extension_does_not_undo_a_refusal() -> None:
    code = """
import numpy as np, structmat as sm, structmat._kernels.extension
A = sm.Circulant(np.arange(8.0))
print(A._compiled, np.array_equal((A @ np.eye(8)[0]).round(12), np.arange(8.0)))
"""
    call, environment = [sys.executable, "-c", code], os.environ | {_kernels.VARIABLE: "0"}
    assert subprocess.run(call, env=environment, capture_output=True, text=True, check=True).stdout == "None True\n"
