"""Operators in notebooks: a tree in HTML that is well formed, escaped and small, and a formula."""

import dataclasses
import re
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from backends import library
from hypothesis import given
from trees import trees

import structmat as sm
from structmat.core import OPERATORS, html
from structmat.custom import Array, Leaf, param

NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))
LIMIT = 20_000
HOSTILE = "</style></code><script>alert('&\"')</script>"


def example(name: str) -> sm.LinearOperator:
    return OPERATORS[name].example(8, np.random.default_rng(3))


def parsed(A: sm.LinearOperator) -> ET.Element:
    """The HTML of an operator, read as XML, which takes nothing that is not closed or not escaped."""
    text = A._repr_html_()
    assert len(text.encode()) <= LIMIT
    assert "script" not in text
    root = ET.fromstring(text)
    ids = [element.get("id") for element in root.iter("symbol")]
    assert len(set(ids)) == len(ids)
    assert {element.get("href") for element in root.iter("use")} == {f"#{each}" for each in ids}
    return root


def shown(A: sm.LinearOperator) -> list[str]:
    return [element.text for element in parsed(A).iter("b")]


def left_out(A: sm.LinearOperator) -> int:
    counts = [re.fullmatch(r"… ([\d,]+) more operators", element.text or "") for element in parsed(A).iter("div")]
    return sum(int(count[1].replace(",", "")) for count in counts if count)


def names(A: sm.LinearOperator) -> list[str]:
    return [line.strip("│├└─ ").split("(")[0] for line in str(A).split("\n")]


@pytest.mark.parametrize("name", NAMES)
def test_every_operator(name: str) -> None:
    A = example(name)
    assert shown(A) == names(A)
    text = " ".join(parsed(A).itertext())
    assert f"{A.m}×{A.n}" in text
    assert (f"{A.nbytes:,} bytes" in text) == (A.nbytes > 0)
    for field in dataclasses.fields(A):
        assert field.name.startswith("_") or field.name in text
    assert A._repr_latex_() == rf"$\displaystyle \mathrm{{{name}}}_{{{A.m} \times {A.n}}}$"


@given(trees())
def test_trees(A: sm.LinearOperator) -> None:
    assert shown(A) == names(A)
    formula = A._repr_latex_()
    for opening, closing in (("{", "}"), (r"\left(", r"\right)"), (r"\begin", r"\end")):
        assert formula.count(opening) == formula.count(closing)


@pytest.mark.parametrize("name", NAMES)
def test_icons_show_the_zeros_of_the_example(name: str) -> None:
    """Each cell is drawn once where the real part of the entry is not small, and not at all where it is zero."""
    dense = OPERATORS[name].example(8, np.random.default_rng(2)).to_dense().real
    drawn = np.zeros(dense.shape, int)
    paths = re.findall(r'<path opacity="[.\d]+" d="([^"]+)"/>', html.icon(OPERATORS[name].cls))
    for first, row, width in re.findall(r"M(\d+) (\d+)h(\d+)", "".join(paths)):
        drawn[int(row), int(first) : int(first) + int(width)] += 1
    assert np.array_equal(drawn, np.abs(dense) > 0.02 * np.max(np.abs(dense)))


def test_the_icon_of_a_new_operator_needs_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    class Ramp(Leaf):
        dims = "n", "n"
        slope: Array = param("n")  # noqa: RUF009 (`register_operator` makes a dataclass too)

        def _entry(self, xp: Any, i: Any, j: Any) -> Any:
            return xp.where(i > j, 1.0, 0.0)

    frame = html.icon(Ramp)
    assert "fill" in frame
    assert 'opacity=".95"' not in frame
    html.icon.cache_clear()
    entry = dataclasses.replace(OPERATORS["Diagonal"], cls=Ramp, example=lambda n, rng: Ramp(np.ones(n)))
    monkeypatch.setitem(OPERATORS, "Ramp", entry)
    assert "M0 1h1M0 2h2M0 3h3M0 4h4M0 5h5M0 6h6M0 7h7" in html.icon(Ramp)
    html.icon.cache_clear()
    monkeypatch.setitem(OPERATORS, "Ramp", dataclasses.replace(entry, example=lambda n, rng: 1 / 0))
    assert html.icon(Ramp) == frame
    assert shown(Ramp(np.ones(3))) == ["Ramp"]
    html.icon.cache_clear()


def test_hostile_text_is_escaped_and_cut() -> None:
    def product(x: np.ndarray) -> np.ndarray:
        return x

    product.__qualname__ = HOSTILE + "x" * 1000
    A = sm.FunctionOperator((2, 2), product, product)
    text = A._repr_html_()
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#x27;&amp;" in text
    assert "x" * 61 not in text
    hostile = type(HOSTILE, (sm.Identity,), {})
    text = hostile(3)._repr_html_()
    assert "<script" not in text
    ET.fromstring(text)
    assert re.search(r"mathrm\{[A-Za-z0-9 ]+\}", hostile(3)._repr_latex_())
    invalid = sm.Circulant._of({"column": HOSTILE, "_frozen": False})  # as JAX makes operators
    assert "<script" not in invalid._repr_html_()
    assert invalid._repr_latex_() is None


def test_deep_and_wide_trees_are_cut() -> None:
    deep = sm.identity(2)
    for _ in range(150):
        deep = sm.kron(deep, sm.Diagonal(np.ones(1)))
    wide = sm.block_diag([example(name) for name in NAMES] * 20)
    layers = sm.projections.acdc(64, 30, rng=1)
    for A in (deep, wide, layers):
        assert len(shown(A)) + left_out(A) == len(names(A))
        assert r"\cdots" in A._repr_latex_()
        assert len(A._repr_latex_()) < 4000
    assert left_out(wide) > 400


def test_values_of_arrays_are_not_read() -> None:
    torch = library("torch")
    A = sm.Circulant(torch.ones(5, device="meta")) @ sm.SignFlip.random(5, rng=0, xp=torch).to(device="meta")
    text = " ".join(parsed(A).itertext())
    assert "float32 · torch · meta · 5 parameters" in text
    assert text.count("meta") == 1  # only where it differs from that of the operator above


def test_formulas() -> None:
    C, D, H = sm.Circulant(np.ones(2)), sm.Diagonal(np.ones(2)), sm.DFT(2)
    c, d, h = (rf"\mathrm{{{name}}}_{{2 \times 2}}" for name in ("Circulant", "Diagonal", "DFT"))
    for A, wanted in {
        C @ D: rf"{c} \, {d}",
        (C + D) @ C: rf"\left({c} + {d}\right) \, {c}",
        C - D: rf"{c} - 1.0 \, {d}",
        C.H @ D**-1: rf"{c}^{{\mathsf{{H}}}} \, {d}^{{-1}}",
        (C @ D) ** 3: rf"\left({c} \, {d}\right)^{{3}}",
        H.conj(): rf"\overline{{{h}}}",
        sm.kron(C @ D, D): rf"\left({c} \, {d}\right) \otimes {d}",
        sm.repeat(C, 3) @ sm.block_diag([C, C, D]): rf"\left(I_{{3}} \otimes {c}\right) \, "
        rf"\left({c} \oplus {c} \oplus {d}\right)",
        sm.hstack([C + D, C]): rf"\begin{{bmatrix}} {c} + {d} & {c} \end{{bmatrix}}",
        sm.vstack([C, D]): rf"\begin{{bmatrix}} {c} \\ {d} \end{{bmatrix}}",
    }.items():
        assert A._repr_latex_() == rf"$\displaystyle {wanted}$"
