"""What the mathematics makes exact is exact: small integers, signs, selections."""

import numpy as np
import pytest
from accuracy import rounded, vectors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import structmat as sm


@st.composite
def triples(draw: st.DrawFn) -> tuple[list[int], list[int], list[int]]:
    n = draw(st.integers(1, 70))
    return draw(vectors(n)), draw(vectors(n)), draw(vectors(n))


def convolution(c: list[int], x: list[int]) -> list[int]:
    """Circular convolution in Python's integers."""
    n = len(c)
    return [sum(c[(i - j) % n] * x[j] for j in range(n)) for i in range(n)]


def correlation(c: list[int], g: list[int]) -> list[int]:
    """Circular correlation in Python's integers: the adjoint, and the gradient."""
    n = len(c)
    return [sum(c[(i - j) % n] * g[i] for i in range(n)) for j in range(n)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(triple=triples())
def test_integer_circulants(dtype: type, triple: tuple[list[int], list[int], list[int]]) -> None:
    c, x, g = triple
    A = sm.Circulant(np.asarray(c, dtype=dtype))
    y, saved = A.forward(np.asarray(x, dtype=dtype))
    dx, (dc,) = A.backward(saved, np.asarray(g, dtype=dtype))
    assert rounded(y) == convolution(c, x)
    assert rounded(dx) == correlation(c, g)
    assert rounded(dc) == correlation(x, g)


@given(data=st.data(), p=st.integers(1, 3), q=st.integers(1, 3), b=st.integers(1, 9))
def test_integer_block_circulants(data: st.DataObject, p: int, q: int, b: int) -> None:
    blocks = np.asarray(data.draw(vectors(p * q * b)), dtype=float).reshape(p, q, b)
    x = data.draw(vectors(q * b))
    wanted = [
        sum(convolution([int(w) for w in blocks[i, j]], x[j * b : (j + 1) * b])[r] for j in range(q))
        for i in range(p)
        for r in range(b)
    ]
    assert rounded(sm.BlockCirculant(blocks).matvec(np.asarray(x, dtype=float))) == wanted


anything = hnp.arrays(np.float32, st.integers(1, 20), elements=st.floats(width=32))


def bits(x: np.ndarray) -> np.ndarray:
    return x.view(np.uint32)


@given(x=anything, seed=st.integers(0, 99))
def test_signs_are_exact(x: np.ndarray, seed: int) -> None:
    """Zeros keep their sign, infinities and subnormals pass through; only a NaN's payload is its own affair."""
    S = sm.SignFlip.random(len(x), rng=seed)
    wanted = np.where(S.signs < 0, np.negative(x), x)
    for y in (S.matvec(x), S.rmatvec(x)):
        assert np.array_equal(bits(y)[~np.isnan(x)], bits(wanted)[~np.isnan(x)])
        assert np.array_equal(np.isnan(y), np.isnan(x))
    assert np.array_equal((S @ S).matvec(x), x, equal_nan=True)


@given(x=anything, data=st.data())
def test_selections_are_exact(x: np.ndarray, data: st.DataObject) -> None:
    index = np.asarray(data.draw(st.lists(st.integers(0, len(x) - 1), min_size=1, unique=True)))
    R = sm.Restriction(len(x), index)
    y = R.matvec(x)
    assert np.array_equal(bits(y), bits(x[index]))
    back = R.rmatvec(y)
    assert np.array_equal(bits(back[index]), bits(y))
    assert not np.any(bits(np.delete(back, index)))


@given(x=anything, data=st.data())
def test_slices_select_as_indices_do(x: np.ndarray, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(x) - 1))
    stop = data.draw(st.integers(start + 1, len(x)))
    by_slice = sm.Restriction(len(x), slice(start, stop))
    by_index = sm.Restriction(len(x), np.arange(start, stop))
    y = by_slice.matvec(x)
    assert np.array_equal(bits(y), bits(by_index.matvec(x)))
    assert np.array_equal(bits(by_slice.rmatvec(y)), bits(by_index.rmatvec(y)))


def test_narrow_indices_count_beyond_their_range() -> None:
    """An int8 index into 300 entries: places must not be counted in int8."""
    index = np.asarray([3, 100], dtype=np.int8)
    g = np.asarray([1.0, 2.0])
    wanted = np.zeros(300)
    wanted[index] = g
    assert np.array_equal(sm.Restriction(300, index).rmatvec(g), wanted)
    swap = sm.Permutation(np.asarray([1, 0], dtype=np.uint8))
    assert np.array_equal(swap.matvec(g), g[::-1])
    assert np.array_equal(swap.rmatvec(g), g[::-1])


def test_not_a_number_and_infinity_pass_through() -> None:
    x = np.asarray([1.0, np.nan, np.inf])
    assert np.array_equal(sm.Diagonal(np.ones(3)).matvec(x), x, equal_nan=True)
    with np.errstate(invalid="ignore"):
        assert np.all(np.isnan(sm.Circulant(np.ones(3)).matvec(x)))
