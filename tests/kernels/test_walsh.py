"""The compiled Walsh-Hadamard transform against SciPy's matrices: exact on integers, and no row touches another."""

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from structmat import _kernels

if _kernels.loaded is None:
    pytest.skip(f"no compiled kernels: {_kernels.reason}", allow_module_level=True)
extension = _kernels.loaded

Array = np.ndarray[Any, Any]
KINDS = list(itertools.product(extension.isas(), "fd"))


def walsh(x: Array, y: Array, n: int, width: int = 1, **options: Any) -> Array:
    named = {"core": None, "before": None, "after": None, "scale": 1.0, "isa": "", "threads": 1, **options}
    extension.walsh(x, y, n, width, *named.values())
    return y


def oracle(x: Array, m: int, n: int, width: int) -> Array:
    """The first m entries of (H x I_width) x, with x padded with zeros to length n."""
    padded = np.zeros((len(x), n))
    padded[:, : x.shape[1]] = x
    blocks = padded.reshape(len(x), n // width, width)
    return (scipy.linalg.hadamard(n // width) @ blocks).reshape(len(x), n)[:, :m]


@pytest.mark.parametrize(("isa", "char"), KINDS)
def test_integers_are_exact(isa: str, char: str) -> None:
    rng = np.random.default_rng(0)
    for order, width, rows in itertools.product((1, 2, 4, 8, 32, 256, 1024), (1, 2, 3, 8, 12, 20, 24), (1, 2, 7)):
        n = order * width
        for k, m in ((n, n), (n // 2 + 1, n), (n, n // 3 + 1), (n // 3 + 1, n // 2 + 1)):
            x, y = rng.integers(-99, 99, (rows, k)).astype(char), np.full((rows, m), np.nan, char)
            before, after = rng.choice(np.array([-1, 1], char), k), rng.choice(np.array([-1, 1], char), m)
            walsh(x, y, n, width, isa=isa)
            assert np.array_equal(y, oracle(x, m, n, width))
            walsh(x, y, n, width, before=before, after=after, scale=0.5, isa=isa, threads=2)
            assert np.array_equal(2 * y * after, oracle(x * before, m, n, width))


@pytest.mark.parametrize(("isa", "char"), KINDS)
def test_matrices_of_order_12_and_20(isa: str, char: str) -> None:
    rng = np.random.default_rng(6)
    for order, width, rows in itertools.product((1, 2, 8, 128), (12, 20), (1, 5)):
        n = order * width
        core = rng.integers(-2, 3, (width, width)).astype(char)
        matrix = np.kron(scipy.linalg.hadamard(order), core)
        for k, m in ((n, n), (n - 3, n), (n, n - 5), (n // 2 + 1, n // 3)):
            x, y = rng.integers(-9, 9, (rows, k)).astype(char), np.empty((rows, m), char)
            before, after = rng.choice(np.array([-1, 1], char), k), rng.choice(np.array([-1, 1], char), m)
            options = {"core": core.T.ravel(), "before": before, "after": after, "scale": 0.5, "isa": isa}
            assert np.array_equal(2 * walsh(x, y, n, width, **options), (x * before) @ matrix[:m, :k].T * after)


@pytest.mark.parametrize(("isa", "char"), KINDS)
def test_factors_of_any_size(isa: str, char: str) -> None:
    rng = np.random.default_rng(1)
    for n, k, m, width in ((64, 64, 64, 1), (64, 50, 64, 2), (96, 96, 40, 12), (4096, 3000, 1111, 1)):
        x, before, after = (rng.standard_normal(shape).astype(char) for shape in ((5, k), k, m))
        y = walsh(x, np.empty((5, m), char), n, width, before=before, after=after, scale=1 / 3, isa=isa)
        bound = 3 * np.finfo(char).eps * (2 + np.log2(n)) * np.linalg.norm(x * before, axis=1) * np.abs(after).max()
        error = np.linalg.norm(y - oracle(x * before, m, n, width) * after / 3, axis=1)
        assert np.all(error <= bound * np.sqrt(n / width))


@given(st.data())
def test_strided_rows(data: st.DataObject) -> None:
    width, rows = data.draw(st.sampled_from((1, 2, 3, 20))), data.draw(st.integers(0, 9))
    n = width << data.draw(st.integers(0, 6))
    k, m = data.draw(st.integers(1, n)), data.draw(st.integers(1, n))
    x = np.random.default_rng(2).integers(-9, 9, (2 * rows, k + 3)).astype("f")[:: data.draw(st.sampled_from((2, -2)))]
    x = x[:, data.draw(st.integers(0, 3)) :][:, :k]
    memory = np.zeros((2 * rows, m + 5), "f")
    y = memory[::-2, 2 : m + 2]
    assert np.array_equal(
        walsh(x, y, n, width, isa=data.draw(st.sampled_from(extension.isas()))), oracle(x, m, n, width)
    )
    y[:] = 0
    assert not memory.any()


@pytest.mark.parametrize("isa", extension.isas())
def test_no_row_touches_another(isa: str) -> None:
    rng = np.random.default_rng(3)
    for n, bad, threads in itertools.product((2, 8, 64, 4096), (np.inf, np.nan, 1e30), (1, 2)):
        x = rng.standard_normal((9, n)).astype("f")
        expected, good = walsh(x, np.empty_like(x), n, isa=isa), np.arange(9) % 4 != 1
        x[~good] = bad
        assert np.array_equal(walsh(x, np.empty_like(x), n, isa=isa, threads=threads)[good], expected[good])


def test_bits_depend_neither_on_threads_nor_on_the_division_of_a_batch() -> None:
    rng = np.random.default_rng(4)
    for n, rows in ((4, 20_000), (1024, 150), (65_536, 5)):
        x, signs = rng.standard_normal((rows, n)).astype("f"), rng.choice(np.array([-1, 1], "f"), n)
        options = {"before": signs, "after": signs, "scale": 0.1}
        y = walsh(x, np.empty_like(x), n, **options)
        for threads in (2, 3, 100):
            assert np.array_equal(walsh(x, np.empty_like(x), n, threads=threads, **options), y)
        one = np.concatenate([walsh(row, np.empty_like(row), n, **options) for row in x[:20]])
        assert np.array_equal(one.reshape(-1, n), y[:20])


def test_x_may_become_y() -> None:
    x = np.random.default_rng(5).integers(-9, 9, (3, 96)).astype("d")
    expected = oracle(x, 96, 96, 3)
    assert np.array_equal(walsh(x, x, 96, 3), expected)
    assert np.array_equal(walsh(x[:, :50], x[:, :50], 96, 3), oracle(expected[:, :50], 50, 96, 3))


def test_wrong_arguments_are_refused() -> None:
    x, y = np.ones((2, 12), "f"), np.zeros((2, 12), "f")
    unaligned = np.frombuffer(bytearray(97), np.uint8)[1:].view("f").reshape(2, 12)
    for message, (given_x, given_y, n, width, options) in {
        "walsh: n is 12, expected width 2 times a power of two": (x, y, 12, 2, {}),
        "walsh: width is 0, expected at least 1": (x, y, 12, 0, {}),
        "walsh: n is 0, expected at least 1": (x, y, 0, 1, {}),
        "walsh: x has 12 entries along its last axis, expected 1 to 6": (x, y, 6, 3, {}),
        "walsh: y has 12 entries along its last axis, expected 1 to 6": (x[:, :6], y, 6, 3, {}),
        "walsh: x has 0 entries": (x[:, :0], y, 12, 3, {}),
        "walsh: y has 1 rows, expected 2, as x": (x, y[:1], 12, 3, {}),
        "walsh: y has entries of format 'd'": (x, y.astype("d"), 12, 3, {}),
        "walsh: x is not aligned to 4 bytes": (unaligned, y, 12, 3, {}),
        "walsh: before has 6 entries": (x, y, 12, 3, {"before": x[0, :6]}),
        "walsh: after has 12 entries along its last axis, expected 5, as y": (x, y[:, :5], 12, 3, {"after": x[0]}),
        "walsh: y shares memory with after": (x, y, 12, 3, {"after": y[0]}),
        "walsh: width is 3, expected the order of core, 12 or 20": (x, y, 12, 3, {"core": x[0, :9]}),
        "walsh: core has 12 entries, expected 144": (x, y, 12, 12, {"core": x[0]}),
        "walsh: y shares memory with x": (y[:, 1:], y, 12, 3, {}),
        "walsh: isa is 'none', expected one of this processor's": (x, y, 12, 3, {"isa": "none"}),
        "walsh: threads is 0, expected at least 1": (x, y, 12, 3, {"threads": 0}),
    }.items():
        with pytest.raises((TypeError, ValueError), match=message):
            walsh(given_x, given_y, n, width, **options)
    assert not y.any()
