"""A composite needs one file, its export, and a dense reference: products, entries, systems and spectra follow."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from backends import ALL, Backend
from extending.reversed_rows import Reversed

import structmat as sm
from structmat.testing import reference


@reference._pair.register
def _(A: Reversed, directions: Iterator[Any]) -> Any:
    matrix, derivative = reference._pair(A.of, directions)
    return matrix[::-1, ::-1], derivative[::-1, ::-1]


RNG = np.random.default_rng(0)
COLUMN, ROW = RNG.standard_normal((2, 7)) + 1j * RNG.standard_normal((2, 7))


@pytest.mark.parametrize("backend", [backend for backend in ALL if not backend.name.startswith("jax")], ids=repr)
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_contract(backend: Backend, dtype: str) -> None:
    column, row = (side if dtype == "complex128" else side.real for side in (COLUMN, ROW))
    A = Reversed(sm.Toeplitz(column, row[:4]) @ sm.Diagonal(column[:4])).to(xp=backend.xp)
    if dtype in backend.dtypes:
        sm.testing.check_operator(A, xp=backend.xp)


def test_systems_and_spectra() -> None:
    T, C = sm.Toeplitz(COLUMN, ROW), sm.Circulant(COLUMN)
    matrix = scipy.linalg.toeplitz(COLUMN, ROW)[::-1, ::-1]
    b = RNG.standard_normal(7)
    np.testing.assert_allclose(sm.linalg.solve(Reversed(T), b), np.linalg.solve(matrix, b), rtol=1e-10)
    np.testing.assert_allclose(Reversed(T).H.to_dense(), matrix.conj().T, rtol=1e-15)
    np.testing.assert_allclose(Reversed(T)[1:3, :].to_dense(), matrix[1:3], rtol=1e-15)
    whole = scipy.linalg.circulant(COLUMN)[::-1, ::-1]
    np.testing.assert_allclose(sm.linalg.svdvals(Reversed(C)), np.linalg.svd(whole)[1], rtol=1e-12)
    np.testing.assert_allclose(sm.linalg.det(Reversed(C)), np.linalg.det(whole), rtol=1e-10)
    np.testing.assert_allclose((Reversed(C) ** -1).to_dense(), np.linalg.inv(whole), rtol=1e-9)


def test_parts_are_checked() -> None:
    with pytest.raises(TypeError, match=r"Reversed: of is a int; expected a LinearOperator"):
        Reversed(3)  # type: ignore[arg-type]


def test_notebooks_show_it_with_its_parts() -> None:
    A = Reversed(sm.Circulant(COLUMN)) @ sm.Circulant(COLUMN)
    assert [part.split("<")[0] for part in A._repr_html_().split("<b>")[1:]] == [
        "Product",
        "Reversed",
        "Circulant",
        "Circulant",
    ]
    formula = r"\mathrm{Reversed}_{7 \times 7} \, \mathrm{Circulant}_{7 \times 7}"
    assert A._repr_latex_() == rf"$\displaystyle {formula}$"
