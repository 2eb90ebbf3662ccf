"""Operators as PyLops': its judge of adjoints, a solver of its own, and a package that is missing or broken."""

import sys
from pathlib import Path

import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat.core import OPERATORS

pylops = library("pylops")
rng = np.random.default_rng(0)
NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))


@pytest.mark.parametrize("name", NAMES)
def test_pylops_judges_every_adjoint(name: str) -> None:
    A = OPERATORS[name].example(9, np.random.default_rng(0))
    assert pylops.utils.dottest(A.to_pylops(), *A.shape, complexflag=3 if A._is_complex else 0, rtol=1e-10)


def test_a_solver_of_pylops() -> None:
    A = sm.vstack([sm.Circulant(np.r_[4.0, rng.standard_normal(15) / 4]), sm.Diagonal(rng.standard_normal(16))])
    b = rng.standard_normal(32)
    x = pylops.optimization.basic.cgls(A.to_pylops(), b, niter=100, tol=1e-14)[0]
    assert np.allclose(x, np.linalg.lstsq(A.to_dense(), b)[0])


def test_without_pylops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pylops", None)
    with pytest.raises(ImportError, match=r"to_pylops: needs the package pylops: pip install 'pylops>="):
        sm.identity(3).to_pylops()


def test_a_package_that_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Which of its own packages it misses is told, not that it is missing itself."""
    (tmp_path / "pylops.py").write_text("import no_such_module", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "pylops", raising=False)
    message = "to_pylops: the package pylops is there, but its import fails: No module named 'no_such_module'$"
    with pytest.raises(ImportError, match=message) as caught:
        sm.identity(3).to_pylops()
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)
