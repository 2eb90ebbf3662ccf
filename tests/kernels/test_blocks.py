"""Matrices of circulant blocks by the compiled extension agree with NumPy's transforms."""

import itertools
from typing import Any

import numpy as np
import pytest
from convolutions import BlockConvolution

import structmat as sm
from structmat import _kernels

if _kernels.loaded is None:
    pytest.skip(f"no compiled kernels: {_kernels.reason}", allow_module_level=True)
extension = _kernels.loaded

Array = np.ndarray[Any, Any]

REAL = {"f": "f", "d": "d", "F": "f", "D": "d"}
SHAPES = [(1, 2, 1), (2, 1, 4), (3, 2, 8), (5, 7, 15), (4, 4, 64), (2, 3, 512), (9, 1, 100), (1, 19, 6), (17, 16, 16)]
SHAPES += [(2, 2, 1024), (3, 2, 8192), (20, 5, 2), (4, 9, 25)]
KINDS = list(itertools.product(extension.isas(), "fdFD"))


def normal(rng: np.random.Generator, char: str, *shape: int) -> Array:
    parts = rng.standard_normal((2, *shape))
    return np.asarray(parts[0] + 1j * parts[1] if char in "FD" else parts[0]).astype(char)


class Case:
    """A plan with columns, x and g, all random."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        char: str,
        isa: str = "",
        *,
        rows: int = 5,
        lacking: int = 0,
        batched: bool = True,
        diagonals: bool = False,
        conjugate: bool = False,
    ) -> None:
        rng = np.random.default_rng(shape)
        (p, q, n), self.char, self.conjugate = shape, char, conjugate
        self.plan = extension.Plan(n, char, 1, batched, isa, p, q)
        self.columns = normal(rng, char, p, q, n)
        k, m = (max(count * n - lacking, 1) for count in ((p, q) if conjugate else (q, p)))
        self.x, self.g = normal(rng, char, rows, k), normal(rng, char, rows, m)
        self.before, self.after = (normal(rng, char, k), normal(rng, char, m)) if diagonals else (None, None)
        self.oracle = BlockConvolution(self.columns)
        self.spectrum = self.scalars(self.plan.spectrum_size)
        self.plan.spectrum(self.columns.reshape(-1), self.spectrum)

    def scalars(self, size: int) -> Array:
        return np.full(size, np.nan, REAL[self.char])

    def tape(self) -> Array:
        return self.scalars(self.plan.tape_size(len(self.x)))

    def product(self, x: Array | None = None, tape: Array | None = None, threads: int = 1) -> Array:
        x = self.x if x is None else x
        y = np.full((len(x), self.g.shape[1]), np.nan, self.char)
        self.plan.product(x, self.spectrum, y, self.before, self.after, tape, self.conjugate, threads)
        return y

    def gradient(self, tape: Array | None = None, threads: int = 1) -> tuple[Array, Array]:
        dx, sums = np.full_like(self.x, np.nan), self.scalars(self.plan.spectrum_size)
        x = self.x if tape is None else None
        arguments = (self.g, self.spectrum, dx, sums, self.before, self.after, self.conjugate, threads)
        self.plan.gradient(tape, x, *arguments)
        return dx, sums

    def check(self) -> None:
        """Compare all results with the oracle's.

        Transforms err by less than eps (2 + log2 n) in norm, each, and sums of c terms by less than eps c.
        """
        p, q, n = self.columns.shape
        eps = np.finfo(REAL[self.char]).eps
        before, after = (1.0 if each is None else each for each in (self.before, self.after))
        scale = np.abs(before).max() * np.abs(after).max()
        gain = np.linalg.norm(self.oracle.spectra, axis=(0, 1)).max() * scale
        tolerance = eps * (3 * (2 + np.log2(n)) + p + q)
        norm_x, norm_g = (np.linalg.norm(v.astype("D"), axis=1) for v in (self.x, self.g))

        tape = self.tape()
        expected = self.oracle.product(self.x, self.g.shape[1], before, after, self.conjugate)
        for y in (self.product(), self.product(tape=tape)):
            assert np.all(np.linalg.norm(y - expected, axis=1) <= tolerance * gain * norm_x)

        expected_dx, expected_columns = self.oracle.gradient(self.x, self.g, before, after, self.conjugate)
        bound = (3 * (2 + np.log2(n)) + len(self.x)) * eps * np.sqrt(n) * scale * (norm_x @ norm_g)
        for dx, sums in (self.gradient(), self.gradient(tape)):
            assert np.all(np.linalg.norm(dx - expected_dx, axis=1) <= tolerance * gain * norm_g)
            columns = np.empty_like(self.columns)
            self.plan.column(sums, columns.reshape(-1))
            assert np.linalg.norm(columns - expected_columns) <= bound


@pytest.mark.parametrize(("isa", "char"), KINDS)
def test_every_shape_agrees_with_numpy(isa: str, char: str) -> None:
    for shape in SHAPES:
        Case(shape, char, isa, rows=3 if shape[-1] > 1000 else 21).check()


@pytest.mark.parametrize(("isa", "char"), KINDS)
def test_options_agree_with_numpy(isa: str, char: str) -> None:
    shapes = (3, 2, 10), (2, 5, 32), (9, 9, 4), (2, 3, 512)
    options = itertools.product((True, False), (True, False), (True, False), (0, 3, 11), (1, 2, 19), shapes)
    for batched, diagonals, conjugate, lacking, rows, shape in options:
        choices = {"batched": batched, "diagonals": diagonals, "conjugate": conjugate, "lacking": lacking}
        Case(shape, char, isa, rows=rows, **choices).check()


@pytest.mark.parametrize("char", "fD")
def test_gradients_without_products_of_pieces_that_lack_entries(char: str) -> None:
    case = Case((3, 4, 8), char, rows=20, lacking=17)
    tape, (_, expected) = case.tape(), case.gradient()
    case.product(tape=tape)
    sums = case.scalars(case.plan.spectrum_size)
    case.plan.gradient(tape, None, case.g, case.spectrum, None, sums, None, None, False, 1)
    np.testing.assert_array_equal(sums, expected)
    assert np.isfinite(sums).all()


@pytest.mark.parametrize(("isa", "char"), KINDS)
def test_bits_depend_neither_on_threads_nor_on_the_division_of_a_batch(isa: str, char: str) -> None:
    for shape in ((3, 2, 32), (2, 3, 600)):
        case = Case(shape, char, isa, rows=403)
        tape = case.tape()
        y, gradients = case.product(tape=tape), case.gradient()
        np.testing.assert_array_equal(
            y, np.concatenate([case.product(part) for part in np.split(case.x, [2, 19, 250])])
        )
        for threads in (2, 5):
            np.testing.assert_array_equal(y, case.product(threads=threads))
            for found, expected in zip(case.gradient(threads=threads), gradients, strict=True):
                np.testing.assert_array_equal(found, expected)
        for found, expected in zip(case.gradient(tape), gradients, strict=True):
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("isa", "char"), KINDS)
def test_no_row_touches_another(isa: str, char: str) -> None:
    case = Case((3, 2, 16), char, isa, rows=40)
    clean = case.product()
    case.x[[3, 17, 38]] = np.array([1e30, np.inf, np.nan]).astype(char)[:, None]
    others = np.delete(np.arange(40), [3, 17, 38])
    with np.errstate(invalid="ignore", over="ignore"):
        np.testing.assert_array_equal(case.product()[others], clean[others])


def test_wrong_sizes_are_refused_by_name() -> None:
    case = Case((3, 2, 8), "f")
    x, y, columns = (np.zeros(size, "f") for size in (17, 25, 40))
    with pytest.raises(ValueError, match="x has 17 entries along its last axis, expected 1 to 16"):
        case.plan.product(x, case.spectrum, y[:24], None, None, None, False, 1)
    with pytest.raises(ValueError, match="y has 25 entries along its last axis, expected 1 to 24"):
        case.plan.product(x[:16], case.spectrum, y, None, None, None, False, 1)
    with pytest.raises(ValueError, match="y has 17 entries along its last axis, expected 1 to 16"):
        case.plan.product(y[:24], case.spectrum, x, None, None, None, True, 1)
    with pytest.raises(ValueError, match="column has 40 entries, expected 48"):
        case.plan.spectrum(columns, case.spectrum)
    for p, q in ((0, 1), (1, -2)):
        with pytest.raises(ValueError, match=f"p and q are {p} and {q}, expected positive integers"):
            extension.Plan(8, "f", 1, True, "", p, q)
    with pytest.raises(ValueError, match="more than fit into memory"):
        extension.Plan(8, "f", 1, True, "", 2**40, 2**40)
    assert case.plan.blocks == (3, 2)
    assert Case((1, 1, 8), "f").plan.blocks == (1, 1)


@pytest.mark.parametrize("char", "fdFD")
def test_a_product_with_signs_and_a_crop_is_one_call(char: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    A = (
        sm.Restriction(24, np.arange(20))
        @ sm.BlockCirculant(normal(rng, char, 3, 2, 8))
        @ sm.SignFlip.random(16, rng=rng)
    )
    x, g = normal(rng, char, 30, 16), normal(rng, char, 30, 20)
    matrix = A.to_dense()
    monkeypatch.setattr(sm.BlockCirculant, "_right", None)  # the way without the kernels
    eps = np.finfo(REAL[char]).eps
    np.testing.assert_allclose(A.matvec(x), x @ matrix.T, atol=100 * eps * np.abs(x).max() * np.abs(matrix).max())
    y, saved = A.forward(x)
    dx, (blocks,) = A.backward(saved, g)
    np.testing.assert_allclose(dx, g @ matrix.conj(), atol=100 * eps * np.abs(g).max() * np.abs(matrix).max())
    linear, product = np.vdot(blocks, A.parts[1].blocks).real, np.vdot(g, y).real
    assert abs(linear - product) <= 100 * eps * np.linalg.norm(g) * np.linalg.norm(y)
