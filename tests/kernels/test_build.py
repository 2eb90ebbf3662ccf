"""The build hook: what a wheel contains with and without a compiler, and that the installed extension computes."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling")
ROOT = Path(__file__).parents[2]
ABSENT = "/nonexistent/c++"
PRODUCT = """
import numpy as np
import structmat as sm
from structmat import _kernels

c, x = np.random.default_rng(0).standard_normal((2, 64))
expected = np.fft.ifft(np.fft.fft(c) * np.fft.fft(x)).real
np.testing.assert_allclose(sm.Circulant(c) @ x, expected, rtol=0, atol=1e-12)
print(_kernels.__file__, _kernels.isa())
"""


def build(folder: Path, target: str = "wheel", root: Path = ROOT, **variables: str) -> tuple[int, str]:
    """The exit status of hatchling, and what it prints."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "STRUCTMAT_KERNELS"} | variables
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_without_a_compiler_the_wheel_is_pure(tmp_path: Path) -> None:
    status, printed = build(tmp_path, CXX=ABSENT)
    (wheel,) = tmp_path.iterdir()
    assert status == 0
    assert wheel.name.endswith("-py3-none-any.whl")
    assert not any(".so" in name for name in zipfile.ZipFile(wheel).namelist())
    assert printed.count("structmat is installed without compiled kernels: ") == 1


def test_zero_skips_the_extension_silently(tmp_path: Path) -> None:
    status, printed = build(tmp_path, CXX=ABSENT, STRUCTMAT_KERNELS="0")
    assert status == 0
    assert "without compiled kernels" not in printed
    assert next(tmp_path.iterdir()).name.endswith("-py3-none-any.whl")


def test_one_makes_a_failure_an_error(tmp_path: Path) -> None:
    status, printed = build(tmp_path, CXX=ABSENT, STRUCTMAT_KERNELS="1")
    assert status != 0
    assert ABSENT in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="needs a C++ compiler")
def test_a_wheel_from_the_sdist_computes_with_the_extension(tmp_path: Path) -> None:
    assert build(tmp_path / "sdist", "sdist")[0] == 0
    (archive,) = (tmp_path / "sdist").iterdir()
    shutil.unpack_archive(archive, tmp_path / "sources", filter="data")
    (sources,) = (tmp_path / "sources").iterdir()
    status, printed = build(tmp_path / "wheel", root=sources, CXXFLAGS="-O0", STRUCTMAT_KERNELS="1")
    assert status == 0, printed
    (wheel,) = (tmp_path / "wheel").iterdir()
    names = zipfile.ZipFile(wheel).namelist()
    assert not any(name.endswith((".cpp", ".hpp", "build.py")) for name in names)
    assert "-cp311-abi3-" in wheel.name or f"-cp{sys.version_info[0]}{sys.version_info[1]}t-" in wheel.name
    assert "structmat/_kernels/circulant.cuh" in names  # CuPy compiles it
    assert sum(name.startswith("structmat/_kernels/extension.") for name in names) == 1
    installed = tmp_path / "installed"
    shutil.unpack_archive(wheel, installed, "zip")
    environment = os.environ | {"PYTHONPATH": str(installed), "STRUCTMAT_KERNELS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCT], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed))
