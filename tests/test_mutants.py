"""Six seeded mistakes, each of which the contract tests must notice: else they would pass on wrong mathematics."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: name: (file, what stands there, what the mutant has instead)
MUTANTS = {
    "FFT sign": (
        "_backend/fft.py",
        "return provider.forward(x, n, real)",
        "return xp.conj(provider.forward(x, n, real))",
    ),
    "missing conjugate in the adjoint": (
        "operators/circulant.py",
        "return self._filtered(xp, G, conj(xp, self._kernel))",
        "return self._filtered(xp, G, self._kernel)",
    ),
    "missing conjugate in the adjoint's kernel": (
        "operators/circulant.py",
        "1)), conj(self.xp, self._kernel)",
        "1)), self._kernel",
    ),
    "missing conjugate in the gradient": (
        "operators/circulant.py",
        "batch_sum(xp, xp.conj(X) * G)",
        "batch_sum(xp, X * G)",
    ),
    "wrong 1/n": (
        "operators/circulant.py",
        "return filtered(xp, X, kernel, convolution_length(self.n), real=not self._is_complex)",
        "return (1 + 1 / self.n) * filtered(xp, X, kernel, convolution_length(self.n), real=not self._is_complex)",
    ),
    "batch not summed": (
        "operators/circulant.py",
        "batch_sum(xp, xp.conj(X) * G)",
        "xp.conj(X) * G",
    ),
}


def contract_with(package: Path) -> subprocess.CompletedProcess[str]:
    """Run the contract of the circulant on NumPy, with another copy of the package."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "tests/test_contract.py", "-q", "-x", "-p", "no:cacheprovider"),
            *("-p", "no:xdist", "-k", "numpy and Circulant and not BlockCirculant"),
        ],
        check=False,
        capture_output=True,
        text=True,
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1"},
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package with its tests, in a folder of its own."""
    for folder in ("structmat", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path / "structmat"


def test_the_copy_itself_passes(copy: Path) -> None:
    run = contract_with(copy)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_killed(copy: Path, name: str) -> None:
    file, right, wrong = MUTANTS[name]
    source = (copy / file).read_text(encoding="utf-8")
    assert source.count(right) == 1
    (copy / file).write_text(source.replace(right, wrong), encoding="utf-8")
    run = contract_with(copy)
    assert run.returncode == 1, run.stdout  # 1 is pytest's "tests failed"; not an error of its own
    assert "AssertionError" in run.stdout
