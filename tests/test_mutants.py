"""Seeded mistakes, each of which the tests must notice: else they would pass on wrong mathematics.

Those of the circulant are planted by `make test`, all others by `make test-mutants`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
CONTRACT = "tests/test_contract.py", "-k", "numpy and Circulant and not BlockCirculant"


class Mutant(NamedTuple):
    """A mistake in a file of the package, and the tests that must fail on it."""

    file: str
    right: str  # stands there once
    wrong: str  # stands in its place in the mutant
    tests: tuple[str, ...] = CONTRACT  # arguments of pytest


MUTANTS = {
    "FFT sign": Mutant(
        "_backend/fft.py",
        "return provider.forward(x, n, real)",
        "return xp.conj(provider.forward(x, n, real))",
    ),
    "missing conjugate in the adjoint": Mutant(
        "operators/circulant.py",
        "return self._filtered(xp, G, conj(xp, self._kernel))",
        "return self._filtered(xp, G, self._kernel)",
    ),
    "missing conjugate in the adjoint's kernel": Mutant(
        "operators/circulant.py",
        "1)), conj(self.xp, self._kernel)",
        "1)), self._kernel",
    ),
    "missing conjugate in the gradient": Mutant(
        "operators/circulant.py",
        "batch_sum(xp, xp.conj(X) * G)",
        "batch_sum(xp, X * G)",
    ),
    "wrong 1/n": Mutant(
        "operators/circulant.py",
        "return filtered(xp, X, kernel, convolution_length(self.n), real=not self._is_complex)",
        "return (1 + 1 / self.n) * filtered(xp, X, kernel, convolution_length(self.n), real=not self._is_complex)",
    ),
    "batch not summed": Mutant(
        "operators/circulant.py",
        "batch_sum(xp, xp.conj(X) * G)",
        "xp.conj(X) * G",
    ),
}

#: Each with the tests that are held against it, by name.
OTHERS: dict[str, Mutant] = {}


def passes(package: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests with another copy of the package."""
    return subprocess.run(
        [*(sys.executable, "-m", "pytest", *tests), *("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist")],
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


def kill(copy: Path, mutant: Mutant) -> None:
    """Plant a mistake, and assert that its tests fail."""
    source = (copy / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.right) == 1
    (copy / mutant.file).write_text(source.replace(mutant.right, mutant.wrong), encoding="utf-8")
    run = passes(copy, *mutant.tests)
    assert run.returncode == 1, run.stdout  # 1 is pytest's "tests failed"; not an error of its own


def test_the_copy_itself_passes(copy: Path) -> None:
    run = passes(copy, *CONTRACT)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_circulant_are_killed(copy: Path, name: str) -> None:
    kill(copy, MUTANTS[name])


@pytest.mark.mutants
def test_the_copy_itself_passes_all_tests(copy: Path) -> None:
    run = passes(copy, *dict.fromkeys(test for mutant in OTHERS.values() for test in mutant.tests))
    assert run.returncode == 0, run.stdout


@pytest.mark.mutants
@pytest.mark.parametrize("name", OTHERS)
def test_mutants_are_killed(copy: Path, name: str) -> None:
    kill(copy, OTHERS[name])
