"""Pictures show the numbers of the matrix, evaluate no more entries than they state, and leave Matplotlib as it was."""

import dataclasses
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from backends import library
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import structmat as sm
from structmat.core import OPERATORS
from structmat.custom import Array, Leaf, param

NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))
P = sm.projections.circulant_projection(24, 12, rng=5)
COMPOSITIONS = {
    "projection": P,
    "adjoint": P.H,
    "complex": 1j * P @ P.H,
    "inverse": sm.Circulant(np.asarray([4.0, 1.0, 2.0])) ** -1,
    "kron": sm.kron(sm.DFT(3), sm.Toeplitz(np.asarray([1.0, 2.0]))),
    "single": sm.Circulant(np.asarray([4, 1, 2], np.float32)) + sm.identity(3),
}


def operator(name: str) -> sm.LinearOperator:
    return COMPOSITIONS[name] if name in COMPOSITIONS else OPERATORS[name].example(8, np.random.default_rng(3))


def axes() -> Axes:
    return Figure().subplots()


def pixels(ax: Axes) -> np.ndarray:
    (image,) = ax.images
    return image.get_array().data


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Counting(Leaf):
    """A matrix of the numbers i - 2 j that counts the entries that are asked for, and has no products."""

    dims = "n", "n"
    scale: Array = param("n")  # noqa: RUF009 (`register_operator` makes a dataclass too)
    entries = 0

    def _entry(self, xp: Any, i: Any, j: Any) -> Any:
        type(self).entries += np.broadcast(i, j).size
        return i - 2.0 * j


@pytest.fixture(autouse=True)
def _unchanged() -> Any:
    """No setting of Matplotlib is changed, and no figure is left over."""
    mpl.use("Agg")
    before = mpl.rcParams.copy()
    yield
    assert mpl.rcParams == before
    plt.close("all")


@pytest.mark.parametrize("name", [*NAMES, *COMPOSITIONS])
def test_pixels_are_the_entries(name: str) -> None:
    A = operator(name)
    dense = A.to_dense()
    drawn = {
        "abs": np.abs(dense),
        "real": np.real(dense),
        "imag": np.imag(dense),
        None: np.abs(dense) if np.iscomplexobj(dense) else dense,
    }
    for part, wanted in drawn.items():
        ax = sm.plot.matrix(A, ax=axes(), part=part)
        assert np.array_equal(pixels(ax), wanted)
        ax.figure.canvas.draw()
        low, high = ax.images[0].get_clim()
        assert high == (np.max(np.abs(wanted)) or 1)
        assert low == (0 if part == "abs" or (part is None and np.iscomplexobj(dense)) else -high)
    assert np.array_equal(pixels(sm.plot.spy(A, ax=axes())), dense != 0)
    assert np.array_equal(pixels(sm.plot.spy(A, ax=axes(), tolerance=0.5)), np.abs(dense) > 0.5)


@pytest.mark.parametrize("name", [*NAMES, *COMPOSITIONS])
def test_spectra_and_trees(name: str) -> None:
    A = operator(name)
    ax = sm.plot.singular_values(A, ax=axes())
    ax.figure.canvas.draw()
    values = np.sort(sm.linalg.svdvals(A))[::-1]
    assert np.array_equal(ax.lines[0].get_ydata(), values[values > 0])
    texts = sm.plot.tree(A, ax=axes()).texts
    lines = str(A).split("\n")
    assert [text.get_text().split("\n")[0] for text in texts] == [line.strip("│├└─ ").split("(")[0] for line in lines]
    if A.m == A.n:
        ax = sm.plot.spectrum(A, ax=axes())
        ax.figure.canvas.draw()
        points = ax.lines[0].get_xydata()
        eigenvalues = sm.linalg.eigvals(A)
        assert np.array_equal(points, np.stack([eigenvalues.real, eigenvalues.imag], axis=-1))


def test_large_operators_are_sampled() -> None:
    A = Counting(np.ones(1000))
    for draw, wanted in ((sm.plot.matrix, lambda i, j: i - 2.0 * j), (sm.plot.spy, lambda i, j: i != 2 * j)):
        Counting.entries = 0
        ax = draw(A, ax=axes(), max_size=100)
        assert Counting.entries == 100**2
        steps = np.arange(0, 1000, 10)
        assert np.array_equal(pixels(ax), wanted(steps[:, None], steps))
        assert ax.get_xlabel() == "column (1 of 10 is drawn)"
        assert ax.images[0].get_extent() == [-5, 995, 995, -5]
        Counting.entries = 0
        draw(A, ax=axes())
        assert Counting.entries == 500**2  # every second one, since 1000 are more than 512
    assert sm.plot.matrix(A, ax=axes(), max_size=1000).get_ylabel() == "row"


def test_entries_of_large_products_are_products_with_few_unit_vectors() -> None:
    n, widths = 2**14, []

    def product(x: np.ndarray) -> np.ndarray:
        widths.append(x.size // n)
        return 2 * x

    A = sm.FunctionOperator((n, n), product, product)
    drawn = pixels(sm.plot.matrix(A, ax=axes(), max_size=80))
    assert np.array_equal(drawn, 2 * np.eye(80))
    assert sum(widths) == 80
    assert max(widths) * n <= 2**20


def test_extreme_entries() -> None:
    ax = sm.plot.matrix(sm.Diagonal(np.asarray([1.0, np.nan, -np.inf, -3.0])), ax=axes())
    ax.figure.canvas.draw()
    assert ax.images[0].get_clim() == (-3, 3)
    assert np.isnan(pixels(ax)[1, 1])
    assert pixels(sm.plot.spy(sm.Diagonal(np.asarray([np.nan, 0.0])), ax=axes())).tolist() == [
        [True, False],
        [False] * 2,
    ]
    for A in (sm.Zero(3, 3), sm.Diagonal(np.zeros(3))):
        assert sm.plot.matrix(A, ax=axes()).images[0].get_clim() == (-1, 1)
        ax = sm.plot.singular_values(A, ax=axes())
        ax.figure.canvas.draw()
        assert ax.get_xlabel() == "index (3 values are zero)"
        assert ax.lines[0].get_ydata().size == 0
    single = sm.plot.matrix(sm.Dense(np.ones((1, 700))), ax=axes())
    assert pixels(single).shape == (1, 350)


def test_spectra_beyond_the_limit() -> None:
    A, dense = sm.Circulant(np.arange(600.0)), sm.Toeplitz(np.arange(30.0))
    assert sm.plot.spectrum(A, ax=axes()).lines[0].get_xydata().shape == (600, 2)
    for draw, what in ((sm.plot.spectrum, "eigenvalues"), (sm.plot.singular_values, "singular values")):
        with pytest.raises(ValueError, match=rf"Toeplitz 30×30 has no exact formula for its {what} .* max_size=29;"):
            draw(dense, max_size=29)
        assert draw(dense, ax=axes(), max_size=30).lines
    with pytest.raises(ValueError, match=r"plot.spectrum: A is Dense 2×3; expected a square"):
        sm.plot.spectrum(sm.Dense(np.ones((2, 3))))
    assert not plt.get_fignums()  # refused before a figure is made


def test_trees_are_cut() -> None:
    chain = sm.identity(2)
    for _ in range(40):
        chain = sm.kron(chain, sm.Diagonal(np.ones(1)))
    texts = [text.get_text() for text in sm.plot.tree(chain, ax=axes()).texts]
    assert len(texts) <= 60
    hidden = sum(int(text.split("+ ")[1]) for text in texts if "+ " in text)
    assert len(texts) + hidden == str(chain).count("\n") + 1
    wide = sm.hstack([sm.Diagonal(np.ones(2))] * 100)
    texts = [text.get_text() for text in sm.plot.tree(wide, ax=axes(), max_nodes=10).texts]
    assert texts == ["HStack\n2×200\n+ 91", *["Diagonal\n2×2"] * 9]
    assert [text.get_text() for text in sm.plot.tree(wide, ax=axes(), max_nodes=1).texts] == ["HStack\n2×200\n+ 100"]


def test_convergence() -> None:
    T, history = sm.SymmetricToeplitz(0.5 ** np.arange(300.0)), sm.linalg.History()
    b = np.random.default_rng(1).standard_normal((300, 2))
    result = sm.linalg.solve_iterative(T, b, callback=history)
    ax = sm.plot.convergence(history, ax=axes(), label="CG")
    assert [line.get_ydata().tolist() for line in ax.lines] == history.by_column()
    assert max(line.get_ydata()[-1] for line in ax.lines) == result.residual
    assert [line.get_label().startswith("_") for line in ax.lines] == [False, True]
    assert ax.get_yscale() == "log"
    ax = sm.plot.convergence(np.asarray([1.0, 1e-3, 0.0]), ax=ax)
    assert ax.lines[-1].get_xydata()[:2].tolist() == [[1, 1], [2, 1e-3]]
    assert np.isnan(ax.lines[-1].get_ydata()[2])
    sm.plot.convergence([0.0], ax=axes()).figure.canvas.draw()


def test_arrays_of_pytorch_are_copied_to_the_host() -> None:
    torch = library("torch")
    A = sm.Circulant(torch.nn.Parameter(torch.asarray([1.0, -2.0, 3.0])))
    assert np.array_equal(pixels(sm.plot.matrix(A, ax=axes())), A.to_dense().detach().numpy())
    assert sm.plot.spectrum(A, ax=axes()).lines[0].get_xydata().shape == (3, 2)


def test_new_figures_and_given_axes() -> None:
    A = sm.Circulant(np.ones(3))
    drawn = [sm.plot.matrix(A), sm.plot.spy(A), sm.plot.spectrum(A), sm.plot.singular_values(A), sm.plot.tree(A)]
    drawn.append(sm.plot.convergence([1.0, 0.5]))
    assert len({ax.figure for ax in drawn}) == 6
    figure, ax = plt.subplots()
    assert sm.plot.matrix(A, ax=ax, colorbar=False) is ax
    assert figure.axes == [ax]
    assert sm.plot.matrix(A, ax=ax, cmap="viridis").images[-1].get_cmap().name == "viridis"
    assert len(figure.axes) == 2  # and the colour bar


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda A: sm.plot.matrix(np.eye(2)), TypeError, r"plot.matrix: A is a ndarray; expected an operator"),
        (lambda A: sm.plot.tree("A"), TypeError, r"plot.tree: A is a str"),
        (lambda A: sm.plot.matrix(A, part="phase"), ValueError, r"part is 'phase'; expected one of 'real', 'imag'"),
        (lambda A: sm.plot.matrix(A, max_size=0), ValueError, r"plot.matrix: max_size is 0; expected a positive int"),
        (lambda A: sm.plot.spectrum(A, max_size=2.5), ValueError, r"plot.spectrum: max_size is 2.5"),
        (lambda A: sm.plot.tree(A, max_nodes=0), ValueError, r"plot.tree: max_nodes is 0"),
        (lambda A: sm.plot.spy(A, tolerance=-1), ValueError, r"plot.spy: tolerance is -1; expected a number of 0"),
        (lambda A: sm.plot.spy(A, tolerance="a"), ValueError, r"plot.spy: tolerance is 'a'"),
        (lambda A: sm.plot.spy(A, tolerance=None), ValueError, r"plot.spy: tolerance is None"),
        (lambda A: sm.plot.spy(A, ax=Figure()), TypeError, r"plot.spy: ax is a Figure; expected Axes of Matplotlib"),
        (lambda A: sm.plot.convergence([]), ValueError, r"plot.convergence: history is empty"),
        (lambda A: sm.plot.convergence(sm.linalg.History()), ValueError, r"history is empty"),
        (lambda A: sm.plot.convergence([1.0, -1.0]), ValueError, r"history\[1\] is -1.0; expected a norm of 0 or more"),
        (lambda A: sm.plot.convergence(3.0), TypeError, r"history is a float; expected a linalg.History or"),
        (lambda A: sm.plot.convergence("ab"), TypeError, r"history is a str"),
    ],
)
def test_refusals(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call(sm.Diagonal(np.ones(3)))
    assert not plt.get_fignums()


def test_axes_that_were_removed() -> None:
    ax = axes()
    ax.remove()
    with pytest.raises(ValueError, match=r"plot.matrix: ax was removed from its figure; expected Axes of a figure"):
        sm.plot.matrix(sm.identity(2), ax=ax)
