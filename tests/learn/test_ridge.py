"""Ridge regression on cyclic shifts, linear and with kernels, against dense definitions."""

import math
from typing import Any

import array_api_strict
import numpy as np
import pytest
from backends import library
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat._backend import namespaces
from structmat.projections.least_squares import reduce_rows, ridge_solution

torch = library("torch")
learn = sm.learn
EPS = np.finfo(np.float64).eps


def shifts(x: np.ndarray, axes: int) -> np.ndarray:
    """All cyclic shifts of an array along its last axes: (shifts, *x.shape)."""
    grid = x.shape[x.ndim - axes :]
    places = tuple(range(-axes, 0))
    return np.stack([np.roll(x, shift, places) for shift in np.ndindex(*grid)])


@st.composite
def shifted(draw: Any) -> tuple[np.random.Generator, int | None, int | None, tuple[int, ...], bool]:
    grid = draw(st.sampled_from([(1,), (5,), (8,), (3, 4), (4, 3), (1, 5), (2, 3, 2)]))
    N = draw(st.sampled_from([None, 1, 2, 4]))
    q = None if N is None else draw(st.sampled_from([None, 1, 3]))
    return np.random.default_rng(draw(st.integers(0, 2**20))), N, q, grid, draw(st.booleans())


def drawn(rng: np.random.Generator, shape: tuple[int, ...], complex_: bool) -> np.ndarray:
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if complex_ else x


@given(shifted(), st.sampled_from([0.0, 0.3, 10.0]))
def test_ridge_is_dense_ridge_on_all_shifts(problem: Any, alpha: float) -> None:
    rng, N, q, grid, complex_ = problem
    samples = () if N is None else (N,)
    X = drawn(rng, (*samples, *(() if q is None else (q,)), *grid), complex_)
    Y = drawn(rng, (*samples, *grid), complex_)
    w = learn.circulant_ridge(X, Y, alpha, axes=len(grid))
    assert w.shape == X.shape[len(samples) :]
    each = X if N is not None else X[None]
    rows = np.concatenate([shifts(x, len(grid)).reshape(math.prod(grid), -1) for x in each])
    stacked = np.concatenate((rows, math.sqrt(alpha) * np.eye(rows.shape[1])))
    target = np.concatenate((Y.ravel(), np.zeros(rows.shape[1])))
    wanted = np.linalg.lstsq(stacked, target)[0]
    condition = np.linalg.cond(stacked)
    bound = 30 * EPS * (condition if condition < 1e10 else 1e4) ** 2 * (np.linalg.norm(wanted) + np.linalg.norm(Y))
    assert np.linalg.norm(w.ravel() - wanted) <= bound
    scores = learn.cyclic_scores(w, X, axes=len(grid))
    assert scores.shape == Y.shape
    assert np.allclose(
        scores.ravel(), rows @ w.ravel(), rtol=0, atol=1e3 * EPS * np.linalg.norm(rows) * np.linalg.norm(w)
    )


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("N", [10, 100_000])
def test_ridge_in_single_precision(N: int, alpha: float) -> None:
    """Samples of a large mean and features of sizes 1e-6 to 1e6, against double precision on the same data.

    The filter is rounded to single precision once; the errors of transforms in double precision are eps times the size
    of a feature, over what stands at a frequency.
    """
    rng, n, sizes = np.random.default_rng(11), 4, np.asarray([1e-6, 1.0, 1e6])
    X = ((10 + rng.standard_normal((N, 3, n))) * sizes[:, None]).astype(np.float32)
    Y = (100 + rng.standard_normal((N, n))).astype(np.float32)
    x, y = X.astype(float), Y.astype(float)
    rows = np.stack([np.roll(x, s, axis=-1) for s in range(n)], axis=1).reshape(N * n, 3 * n)
    stacked = np.concatenate((rows, math.sqrt(alpha) * np.eye(3 * n)))
    lengths = np.linalg.norm(stacked, axis=0)
    Q, R = np.linalg.qr(stacked / lengths)
    wanted = np.linalg.solve(R, Q.T @ np.concatenate((y.ravel(), np.zeros(3 * n)))) / lengths
    found = learn.circulant_ridge(X, Y, alpha)
    assert found.dtype == np.float32
    off = 64 * EPS * np.linalg.cond(R) ** 2 * np.linalg.norm(y) / lengths
    assert np.all(np.abs(found.ravel() - wanted) <= np.finfo(np.float32).eps * np.abs(wanted) + off)


@pytest.mark.parametrize("mean", [0.0, 100.0])
def test_kernels_in_single_precision(mean: float) -> None:
    """A kernel is rounded once, and a constant in all samples changes nothing that they do not lose by it."""
    rng, options = np.random.default_rng(12), {"gamma": 0.3}
    X, Z = ((mean + rng.standard_normal((N, 2, 6))).astype(np.float32) for N in (8, 5))
    y = rng.standard_normal((8, 6)).astype(np.float32)
    wide = [side.astype(float) for side in (X, y, Z)]
    K, exact = learn.gaussian_correlation(X, Z, 0.3), learn.gaussian_correlation(wide[0], wide[2], 0.3)
    assert K.dtype == np.float32
    assert np.all(np.abs(K - exact) <= np.finfo(np.float32).eps * exact + 1e-12)
    dual, double = (
        learn.kernel_circulant_ridge(X, y, 1e-3, **options),
        learn.kernel_circulant_ridge(*wide[:2], 1e-3, **options),
    )
    assert np.all(np.abs(dual - double) <= np.finfo(np.float32).eps * np.abs(double) + 1e-9 * np.max(np.abs(double)))


@pytest.mark.parametrize("axes", [1, 2])
def test_ridge_with_weights_is_that_of_repeated_samples(axes: int) -> None:
    rng = np.random.default_rng(13)
    X, Y = rng.standard_normal((5, 2, 3, 4)), rng.standard_normal((5, 3, 4))
    if axes == 1:
        X, Y = X[:, 0], Y[:, 0]
    weights = np.asarray([2.0, 0.0, 1.0, 3.0, 1.0])
    repeated = weights.astype(int)
    for alpha in (0.0, 0.5):
        w = learn.circulant_ridge(X, Y, alpha, axes=axes, sample_weight=weights)
        wanted = learn.circulant_ridge(np.repeat(X, repeated, 0), np.repeat(Y, repeated, 0), alpha, axes=axes)
        assert np.allclose(w, wanted, rtol=0, atol=1e-12 * np.max(np.abs(wanted)))
    many = learn.circulant_ridge(X, Y, 0.5, axes=axes, sample_weight=np.asarray(0.25))
    assert np.allclose(many, learn.circulant_ridge(X, Y, 2.0, axes=axes), rtol=0, atol=1e-12)


def test_ridge_takes_samples_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(14)
    for shape in ((40, 6), (40, 3, 6), (2, 3, 6)):
        X, Y, weights = rng.standard_normal(shape), rng.standard_normal((shape[0], 6)), rng.random(shape[0])
        whole = learn.circulant_ridge(X, Y, 0.1, sample_weight=weights)
        with monkeypatch.context() as patch:
            patch.setattr("structmat.projections.least_squares.NUMBERS", 100)
            parts = learn.circulant_ridge(X, Y, 0.1, sample_weight=weights)
        assert np.allclose(parts, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
@pytest.mark.parametrize("shape", [(5,), (6, 5), (6, 2, 5), (2, 3, 5)])
def test_ridge_takes_numbers_of_any_size(shape: tuple[int, ...], alpha: float) -> None:
    """Scaled by powers of two, which rounding does not see, to where squares over- and underflow."""
    rng = np.random.default_rng(15)
    X, Y = rng.standard_normal(shape), rng.standard_normal((*shape[:-1][:1], 5))
    wanted = learn.circulant_ridge(X, Y, alpha)
    for x, y in ((500.0, 490.0), (-500.0, -490.0)):
        found = learn.circulant_ridge(2**x * X, 2**y * Y, alpha and alpha * 2 ** (2 * x))
        assert np.allclose(found, 2 ** (y - x) * wanted, rtol=0, atol=2 ** (y - x) * 1e-12)
    single = learn.circulant_ridge((1e25 * X).astype(np.float32), (1e20 * Y).astype(np.float32), 0.0)
    assert np.allclose(single, 1e-5 * learn.circulant_ridge(X, Y, 0.0), rtol=1e-3, atol=1e-9)


def test_stacks_of_systems_in_single_precision_alone() -> None:
    """As of a library without double precision: columns of any sizes lose eps times their own condition."""
    rng, sizes = np.random.default_rng(16), np.asarray([1e6, 1e-6, 1.0])
    X = (rng.standard_normal((7, 50, 3)) * sizes).astype(np.float32)
    Y = rng.standard_normal((7, 50, 2)).astype(np.float32)
    xp = namespaces.resolve(None)
    for ridge in (0.0, 1e-3):
        found = ridge_solution(xp, *reduce_rows(xp, iter([(X[:, :20], Y[:, :20]), (X[:, 20:], Y[:, 20:])])), ridge)
        assert found.dtype == np.float32
        for x, y, Z in zip(X.astype(float), Y.astype(float), found, strict=True):
            rows = np.concatenate((x, math.sqrt(ridge) * np.eye(3)))
            lengths = np.linalg.norm(rows, axis=0)
            wanted = np.linalg.lstsq(rows / lengths, np.concatenate((y, np.zeros((3, 2)))))[0] / lengths[:, None]
            bound = 64 * np.finfo(np.float32).eps * np.linalg.cond(rows / lengths) ** 2 * np.linalg.norm(y)
            assert np.all(np.abs(Z - wanted) * lengths[:, None] <= bound)


def test_what_depends_on_other_columns_is_shortest() -> None:
    """Of columns of unequal sizes: a copy, a multiple and a zero, against the pseudoinverse."""
    rng, xp = np.random.default_rng(17), namespaces.resolve(None)
    x, other = rng.standard_normal((2, 9, 1))
    X = np.concatenate((x, 1e3 * x, 0 * x, other, 1e-3 * other - x), axis=1)
    Y = rng.standard_normal((9, 2))
    Z = ridge_solution(xp, *reduce_rows(xp, iter([(X[None], Y[None])])), 0.0)[0]
    assert np.allclose(Z, np.linalg.pinv(X, rcond=1e-12) @ Y, rtol=0, atol=1e-9)
    assert np.all(Z[2] == 0)


@given(shifted(), st.sampled_from([0.05, 1.0]))
def test_kernel_ridge_is_dense_kernel_ridge_on_all_shifts(problem: Any, alpha: float) -> None:
    rng, N, q, grid, _ = problem
    gamma = 0.1
    samples = () if N is None else (N,)
    features = () if q is None else (q,)
    X, Y = rng.standard_normal((*samples, *features, *grid)), rng.standard_normal((*samples, *grid))
    Z = rng.standard_normal((3, *features, *grid)) if N is not None else rng.standard_normal(grid)

    def rows(x: np.ndarray, single: bool) -> np.ndarray:
        each = x[None] if single else x
        return np.concatenate([shifts(one, len(grid)).reshape(math.prod(grid), -1) for one in each])

    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-gamma * np.sum((a[:, None] - b[None]) ** 2, axis=2))

    train, test = rows(X, N is None), rows(Z, N is None)
    K = kernel(train, train)
    wanted = np.linalg.solve(K + alpha * np.eye(len(K)), Y.ravel())
    dual = learn.kernel_circulant_ridge(X, Y, alpha, gamma=gamma, axes=len(grid))
    assert dual.shape == Y.shape
    bound = 100 * EPS * np.linalg.cond(K + alpha * np.eye(len(K))) * np.linalg.norm(wanted) * len(K)
    assert np.linalg.norm(dual.ravel() - wanted) <= bound
    scores = learn.kernel_cyclic_scores(dual, X, Z, gamma=gamma, axes=len(grid))
    assert scores.shape == ((3, *grid) if N is not None else grid)
    assert np.allclose(scores.ravel(), kernel(test, train) @ wanted, rtol=0, atol=10 * bound)
    whole = learn.gaussian_correlation(X, Z, gamma, axes=len(grid))
    one, other = (side if N is not None else side[None] for side in (X, Z))
    for i, j in np.ndindex(len(one), len(other)):
        values = kernel(one[i].reshape(1, -1), shifts(other[j], len(grid)).reshape(math.prod(grid), -1))
        assert np.allclose(whole[i, j].ravel(), values[0], rtol=0, atol=1e-12)


def test_a_filter_finds_a_moved_patch() -> None:
    rng = np.random.default_rng(9)
    x = rng.standard_normal((2, 16, 15))
    y = np.zeros((16, 15))
    y[0, 0] = 1
    w = learn.circulant_ridge(x[None], y[None], 0.1, axes=2)
    scores = learn.cyclic_scores(w, np.roll(x, (3, -4), (1, 2)), axes=2)
    assert np.unravel_index(np.argmax(scores), scores.shape) == (16 - 3, 4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("xp", [torch, array_api_strict])
def test_ridge_on_other_libraries(xp: Any, dtype: str) -> None:
    rng = np.random.default_rng(10)
    X, Y = rng.standard_normal((3, 2, 6)).astype(dtype), rng.standard_normal((3, 6)).astype(dtype)
    there = [xp.asarray(array.copy()) for array in (X, Y)]
    close = {"rtol": 0, "atol": 1e3 * np.finfo(dtype).eps}
    w = learn.circulant_ridge(*there, 0.5)
    assert np.asarray(w).dtype == dtype
    assert np.allclose(np.asarray(w), learn.circulant_ridge(X, Y, 0.5), **close)
    scores = learn.cyclic_scores(w, there[0])
    assert np.allclose(np.asarray(scores), learn.cyclic_scores(np.asarray(w), X), **close)
    dual = learn.kernel_circulant_ridge(*there, 0.5, gamma=0.2)
    assert np.asarray(dual).dtype == dtype
    assert np.allclose(np.asarray(dual), learn.kernel_circulant_ridge(X, Y, 0.5, gamma=0.2), **close)
    scores = learn.kernel_cyclic_scores(dual, there[0], there[0], gamma=0.2)
    assert np.allclose(np.asarray(scores), learn.kernel_cyclic_scores(np.asarray(dual), X, X, gamma=0.2), **close)


X34 = np.ones((3, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: learn.circulant_ridge(X34, X34[:2]), ValueError, "one target for each sample"),
        (lambda: learn.circulant_ridge(X34, X34, -1), ValueError, "alpha is -1; expected 0 or more"),
        (lambda: learn.circulant_ridge(X34, X34, axes=3), ValueError, "expected 3 axes of a grid"),
        (lambda: learn.circulant_ridge(X34, np.ones((1, 3, 4))), ValueError, r"Y has shape \(1, 3, 4\)"),
        (lambda: learn.circulant_ridge(X34, X34, axes=0), ValueError, "axes is 0"),
        (
            lambda: learn.circulant_ridge(X34, X34, sample_weight=np.ones(4)),
            ValueError,
            r"sample_weight has shape \(4,",
        ),
        (lambda: learn.circulant_ridge(X34, X34, sample_weight=-np.ones(3)), ValueError, "negative or not finite"),
        (lambda: learn.circulant_ridge(X34, X34, sample_weight=np.inf * np.ones(3)), ValueError, "or not finite"),
        (lambda: learn.circulant_ridge(X34, X34, sample_weight=[1, 1, 1]), TypeError, "sample_weight is a list"),
        (lambda: learn.circulant_ridge(X34, X34, sample_weight=1j * np.ones(3)), TypeError, "sample_weight is complex"),
        (lambda: learn.cyclic_scores(np.ones(3), X34), ValueError, "expected X to end in the shape of w"),
        (lambda: learn.kernel_circulant_ridge(X34, X34, 0, gamma=1), ValueError, "alpha is 0; expected more than 0"),
        (lambda: learn.kernel_circulant_ridge(X34, X34, gamma=-1), ValueError, "gamma is -1; expected more than 0"),
        (lambda: learn.kernel_circulant_ridge(X34 + 0j, X34, gamma=1), TypeError, "X or Y is complex"),
        (lambda: learn.gaussian_correlation(X34, np.ones((3, 5)), 1), ValueError, "one grid and the same features"),
        (lambda: learn.gaussian_correlation(X34, X34 + 0j, 1), TypeError, "X or Z is complex"),
        (
            lambda: learn.kernel_cyclic_scores(X34, X34, np.ones((3, 5)), gamma=1),
            ValueError,
            r"kernel_cyclic_scores: X has shape \(3, 4\) and Z \(3, 5\)",
        ),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
