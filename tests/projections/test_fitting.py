"""Structures fitted to matrices and to data, against dense least squares over explicit bases."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from backends import ALL, Backend
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm

nearest, fit = sm.projections.nearest, sm.projections.fit
EPS, EPS32 = np.finfo(np.float64).eps, np.finfo(np.float32).eps
SQUARE = ["banded", "diagonal", "skew_circulant", "symmetric_toeplitz", "tridiagonal"]
ANY = ["block_circulant", "circulant", "hankel", "toeplitz"]


def labels(like: str, m: int, n: int, options: dict[str, Any]) -> np.ndarray:
    """A number for the parameter of each entry; nan where the structure has zeros."""
    i, j = np.indices((m, n))
    if like == "circulant":
        return (i - j) % max(m, n)
    if like == "block_circulant":
        b = options["block_size"]
        return (i // b * n + j // b) * b + (i - j) % b
    if like == "hankel":
        return i + j
    if like in ("toeplitz", "skew_circulant"):
        return (i - j) % n if like == "skew_circulant" else i - j
    if like == "symmetric_toeplitz":
        return abs(i - j)
    lower, upper = {"diagonal": (0, 0), "tridiagonal": (1, 1)}.get(like) or options["bands"]
    return np.where((i - j <= lower) & (j - i <= upper), i * n + j, np.nan)


def basis(like: str, m: int, n: int, options: dict[str, Any], complex_: bool) -> np.ndarray:
    """Matrices whose real combinations are the structure: (count, m, n)."""
    i, j = np.indices((m, n))
    places = labels(like, m, n, options)
    signs = np.where(i < j, -1, 1) if like == "skew_circulant" else np.ones((m, n))
    units = [(places == label) * signs for label in np.unique(places[~np.isnan(places)])]
    if complex_:
        turn = np.where(i < j, -1j, 1j) if like == "symmetric_toeplitz" else np.full((m, n), 1j)
        units += [unit * turn for unit in units]
    return np.stack(units)


def reals(x: np.ndarray) -> np.ndarray:
    return np.concatenate((np.real(x).ravel(), np.imag(x).ravel()))


def draw(rng: np.random.Generator, shape: tuple[int, ...], complex_: bool) -> np.ndarray:
    x = rng.standard_normal(shape)
    return x + 1j * rng.standard_normal(shape) if complex_ else x


@st.composite
def problems(draw_: Any) -> tuple[str, int, int, dict[str, Any], bool, bool, int]:
    like = draw_(st.sampled_from(SQUARE + ANY))
    n = draw_(st.integers(2, 9))
    m = n if like in SQUARE else draw_(st.integers(1, 9))
    options = {}
    if like == "block_circulant":
        options = {"block_size": draw_(st.integers(1, 5))}
    if like == "banded":
        options = {"bands": (draw_(st.integers(0, n - 1)), draw_(st.integers(0, n - 1)))}
    return like, m, n, options, draw_(st.booleans()), draw_(st.booleans()), draw_(st.integers(0, 2**20))


@given(problems())
def test_nearest_is_the_orthogonal_projection(problem: Any) -> None:
    like, m, n, options, complex_, signed, seed = problem
    rng = np.random.default_rng(seed)
    W = draw(rng, (m, n), complex_)
    signs = rng.choice(np.asarray([-1, 1], dtype=np.int8), n)
    A, energy = nearest(W, like, signs=signs if signed else None, **options)
    units = basis(like, m, n, options, complex_) * (signs if signed else 1)
    weights = np.linalg.lstsq(np.stack([reals(unit) for unit in units], axis=1), reals(W))[0]
    wanted = np.tensordot(weights, units, 1)
    assert A.shape == (m, n)
    assert A.dtype == W.dtype
    assert np.linalg.norm(A.to_dense() - wanted) <= 30 * n * EPS * np.linalg.norm(W)
    retained = (np.linalg.norm(wanted) / np.linalg.norm(W)) ** 2
    assert abs(float(energy) - retained) <= 30 * n * EPS


@given(problems(), st.sampled_from([0.0, 0.7]))
def test_fit_is_dense_least_squares(problem: Any, ridge: float) -> None:
    like, m, n, options, complex_, signed, seed = problem
    rng = np.random.default_rng(seed)
    X, Y = draw(rng, (4 * n, n), complex_), draw(rng, (4 * n, m), complex_)
    signs = rng.choice(np.asarray([-1, 1], dtype=np.int8), n)
    A = fit(X, Y, like, ridge=ridge, signs=signs if signed else None, **options)
    units = basis(like, m, n, options, complex_) * (signs if signed else 1)
    design = np.stack([reals(X @ unit.T) for unit in units], axis=1)
    rows = np.concatenate((design, math.sqrt(ridge) * np.eye(len(units))))
    weights = np.linalg.lstsq(rows, np.concatenate((reals(Y), np.zeros(len(units)))))[0]
    wanted = np.tensordot(weights, units, 1)
    # the normal equations of conjugate gradients square the condition number
    bound = 30 * EPS * np.linalg.cond(rows) ** 2 * np.linalg.norm(weights) * n
    assert np.linalg.norm(A.to_dense() - wanted) <= bound
    # and the loss has no slope in the parameters
    theta = A.params
    residual = A.matvec(X) - Y
    _, grads = A.vjp(X, residual)
    slopes = [grad + ridge * value for grad, value in zip(grads, theta, strict=True)]
    scale = np.linalg.norm(X) * np.linalg.norm(Y)
    assert max(np.linalg.norm(slope) for slope in slopes) <= 1e3 * EPS * scale


def test_wrap_around_diagonals_of_a_rectangular_circulant_are_averaged() -> None:
    W = np.asarray([[1.0, 2.0, 3.0], [5.0, 7.0, 9.0]])
    A, energy = nearest(W, "circulant")
    assert np.allclose(A.params[0], [(1 + 7) / 2, (3 + 5) / 2, (2 + 9) / 2], rtol=0, atol=1e-14)
    assert np.allclose(A.to_dense(), [[4, 5.5, 4], [4, 4, 5.5]], rtol=0, atol=1e-14)
    assert math.isclose(float(energy), (2 * 16 + 2 * 30.25 + 2 * 16) / 169, rel_tol=1e-13)
    assert np.allclose(nearest(W.T, "circulant").operator.to_dense(), [[4, 4], [5.5, 4], [4, 5.5]], rtol=0, atol=1e-14)


def test_parameters_that_are_cropped_away_are_zero() -> None:
    """In transforms of length 7 the number of their entries is a rounding error, not 0."""
    W = np.random.default_rng(10).standard_normal((8, 9))
    A, _ = nearest(W, "block_circulant", block_size=7)
    assert np.array_equal(A.params[0][1, 1] != 0, [True, False, False, False, False, False, True])
    assert np.array_equal(nearest(np.ones((3, 4)), "toeplitz").operator.params[1], [0, 1, 1, 1])


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6)])
def test_low_rank_is_the_truncated_svd(shape: tuple[int, int], complex_: bool) -> None:
    W = draw(np.random.default_rng(0), shape, complex_)
    U, s, Vh = np.linalg.svd(W, full_matrices=False)
    for rank in (1, 3, min(shape)):
        A, energy = nearest(W, "low_rank", rank=rank)
        assert isinstance(A, sm.LowRank)
        assert np.allclose(A.to_dense(), (U[:, :rank] * s[:rank]) @ Vh[:rank], rtol=0, atol=1e-13)
        assert math.isclose(float(energy), np.sum(s[:rank] ** 2) / np.sum(s**2), rel_tol=1e-13)


@pytest.mark.parametrize("complex_", [False, True])
def test_kron_recovers_a_product_and_beats_alternating_least_squares(complex_: bool) -> None:
    rng = np.random.default_rng(1)
    B, C = draw(rng, (2, 3), complex_), draw(rng, (4, 2), complex_)
    A, energy = nearest(np.kron(B, C), "kron", factors=((2, 3), (4, 2)))
    assert np.allclose(A.to_dense(), np.kron(B, C), rtol=0, atol=1e-13)
    assert math.isclose(float(energy), 1, rel_tol=1e-13)
    W = draw(rng, (8, 6), complex_)
    best = np.linalg.norm(W - nearest(W, "kron", factors=((2, 3), (4, 2))).operator.to_dense())
    pieces = W.reshape(2, 4, 3, 2)
    losses = []
    for start in range(5):  # from one of several starts this reaches the best as well
        C = draw(np.random.default_rng(start), (4, 2), complex_)
        for _ in range(500):
            B = np.einsum("iajb,ab->ij", pieces, C.conj()) / np.sum(abs(C) ** 2)
            C = np.einsum("iajb,ij->ab", pieces, B.conj()) / np.sum(abs(B) ** 2)
        losses.append(np.linalg.norm(W - np.kron(B, C)))
    assert math.isclose(best, min(losses), rel_tol=1e-10)


@pytest.mark.parametrize("complex_", [False, True])
def test_monarch_is_rank_one_in_each_block(complex_: bool) -> None:
    rng = np.random.default_rng(2)
    r, s, p, b = 2, 3, 4, 2
    exact = sm.Monarch(draw(rng, (r, s, p), complex_), draw(rng, (p, r, b), complex_)).to_dense()
    A, energy = nearest(exact, "monarch", blocks=(r, p))
    assert isinstance(A, sm.Monarch)
    assert np.allclose(A.to_dense(), exact, rtol=0, atol=1e-13)
    assert math.isclose(float(energy), 1, rel_tol=1e-13)
    W = draw(rng, (s * r, p * b), complex_)
    wanted = np.empty_like(W)
    for k, i in itertools.product(range(r), range(p)):
        block = W[k::r, i * b : (i + 1) * b]
        U, values, Vh = np.linalg.svd(block)
        wanted[k::r, i * b : (i + 1) * b] = values[0] * np.outer(U[:, 0], Vh[0])
    assert np.allclose(nearest(W, "monarch", blocks=(r, p)).operator.to_dense(), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("complex_", [False, True])
def test_permutation_is_the_best_of_all(complex_: bool) -> None:
    rng = np.random.default_rng(3)
    n = 5
    W, X, Y = draw(rng, (n, n), complex_), draw(rng, (7, n), complex_), draw(rng, (7, n), complex_)
    every = [np.eye(n)[list(order)] for order in itertools.permutations(range(n))]
    A, energy = nearest(W, "permutation")
    best = min(np.linalg.norm(W - P) for P in every)
    assert math.isclose(np.linalg.norm(W - A.to_dense()), best, rel_tol=1e-13)
    assert math.isclose(float(energy), 1 - (best / np.linalg.norm(W)) ** 2, rel_tol=1e-12)
    found = np.linalg.norm(X @ fit(X, Y, "permutation").to_dense().T - Y)
    assert math.isclose(found, min(np.linalg.norm(X @ P.T - Y) for P in every), rel_tol=1e-13)


@pytest.mark.parametrize("complex_", [False, True])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_reduced_rank_regression_is_the_best_of_its_rank(complex_: bool, ridge: float) -> None:
    """Against the closed form with whitened inputs, and it has no slope in either factor."""
    rng = np.random.default_rng(4)
    X, Y, rank = draw(rng, (20, 5), complex_), draw(rng, (20, 4), complex_), 2
    A = fit(X, Y, "low_rank", rank=rank, ridge=ridge)
    gram = X.conj().T @ X + ridge * np.eye(5)
    root = np.linalg.cholesky(gram)  # gram = L L^H: the loss is ‖L^H Z - L^{-1} X^H Y‖² and a constant
    U, s, Vh = np.linalg.svd(np.linalg.solve(root, X.conj().T @ Y), full_matrices=False)
    Z = np.linalg.solve(root.conj().T, (U[:, :rank] * s[:rank]) @ Vh[:rank])
    assert np.allclose(A.to_dense(), Z.T, rtol=0, atol=1e-12)
    whole = fit(X, Y, "low_rank", rank=4, ridge=ridge).to_dense()
    assert np.allclose(whole, np.linalg.solve(gram, X.conj().T @ Y).T, rtol=0, atol=1e-12)


def equilibrated(rows: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Least squares with columns of one length: the solution, the lengths, and the condition without their spread."""
    lengths = np.linalg.norm(rows, axis=0)
    lengths[lengths == 0] = 1
    Q, R = np.linalg.qr(rows / lengths)
    return (np.linalg.solve(R, Q.T @ target).T / lengths).T, lengths, float(np.linalg.cond(R))


SINGLE = [(like, N, ridge) for like in SQUARE + ANY for N in (10, 1000) for ridge in (0.0, 1e-3)]
MANY = [(like, 100_000, 0.0) for like in ("diagonal", "circulant", "block_circulant", "toeplitz")]


@pytest.mark.parametrize(("like", "N", "ridge"), SINGLE + MANY)
def test_single_precision_loses_what_its_data_lose(like: str, N: int, ridge: float) -> None:
    """Columns of sizes 1e-6 to 1e6 and up to 100,000 samples: against double precision on the same data.

    An entry is rounded to single precision. What is computed in double precision has errors of eps ‖y‖ over the length
    of what its parameter multiplies, times the squared condition of conjugate gradients; where a transform mixes
    parameters of unequal lengths it has those of the largest.
    """
    rng, n = np.random.default_rng(N), 4
    mixing = like in ("hankel", "symmetric_toeplitz", "toeplitz")
    spread = 3 if mixing else 6
    options = {"banded": {"bands": (1, 2)}, "block_circulant": {"block_size": 2}}.get(like, {})
    X = (rng.standard_normal((N, n)) * 10.0 ** rng.permutation(np.linspace(-spread, spread, n))).astype(np.float32)
    units = basis(like, n, n, options, False)
    W = np.tensordot(rng.standard_normal(len(units)), units, 1)
    Y = (X.astype(float) @ W.T).astype(np.float32)
    x, y = X.astype(float), Y.astype(float)
    design = np.stack([(x @ unit.T).ravel() for unit in units], axis=1)
    rows = np.concatenate((design, math.sqrt(ridge) * np.eye(len(units))))
    weights, lengths, condition = equilibrated(rows, np.concatenate((y.ravel(), np.zeros(len(units)))))
    A = fit(X, Y, like, ridge=ridge, **options)
    assert A.dtype == np.float32
    found = A.to(dtype="float64").to_dense()
    wanted = np.tensordot(weights, units, 1)
    share = np.max(lengths) / lengths if mixing else 1
    off = 64 * EPS * (condition**2 * np.linalg.norm(y) / lengths * share + np.max(np.abs(wanted)))
    bound = EPS32 * np.abs(wanted) + np.tensordot(off, np.abs(units), 1)
    assert np.all(np.abs(found - wanted) <= bound)


@pytest.mark.parametrize("ridge", [0.0, 1e-3])
@pytest.mark.parametrize("N", [10, 100_000])
def test_regression_in_single_precision(N: int, ridge: float) -> None:
    """Of full rank, so that it is a regression of each output on all inputs; of rank 2, against the same in double."""
    rng, n = np.random.default_rng(1), 4
    X = (rng.standard_normal((N, n)) * [1e6, 1e-6, 1, 1e3]).astype(np.float32)
    Y = (X @ rng.standard_normal((n, n)) + rng.standard_normal((N, n))).astype(np.float32)
    x, y = X.astype(float), Y.astype(float)
    rows = np.concatenate((x, math.sqrt(ridge) * np.eye(n)))
    Z, lengths, condition = equilibrated(rows, np.concatenate((y, np.zeros((n, n)))))
    found = fit(X, Y, "low_rank", rank=n, ridge=ridge).to(dtype="float64").to_dense().T
    # the product of two rounded factors, with rows of unequal lengths
    bound = 4 * n * EPS32 * np.linalg.norm(Z, axis=1) + 64 * EPS * condition * np.linalg.norm(y) / lengths
    assert np.all(np.linalg.norm(found - Z, axis=1) <= bound)
    single, double = (fit(a, b, "low_rank", rank=2, ridge=ridge) for a, b in ((X, Y), (x, y)))
    gap = np.abs(x @ (single.to(dtype="float64").to_dense() - double.to_dense()).T)
    assert np.max(gap) <= 64 * n * EPS32 * np.max(np.abs(x @ double.to_dense().T))


def test_permutation_of_columns_with_a_large_mean() -> None:
    """Scores are about N 1e8, their differences N: more than single precision holds, less than double."""
    rng = np.random.default_rng(2)
    X = (1e4 + rng.standard_normal((20_000, 7))).astype(np.float32)
    order = rng.permutation(7)
    assert np.array_equal(fit(X, X[:, order], "permutation").index, order)


@pytest.mark.parametrize("like", [*SQUARE, *ANY, "low_rank", "permutation"])
def test_fit_takes_numbers_of_any_size(like: str) -> None:
    """Scaled by powers of two, which rounding does not see, to where squares over- and underflow."""
    rng = np.random.default_rng(3)
    options = {"banded": {"bands": (1, 1)}, "block_circulant": {"block_size": 2}, "low_rank": {"rank": 2}}.get(like, {})
    X, Y = rng.standard_normal((2, 12, 4))
    for ridge, x, y in ((0, 600, 610), (0, -600, -590), (0.5, 400, 390), (0.5, -500, -490)):
        wanted = fit(X, Y, like, ridge=ridge, **options).to_dense()
        found = fit(2.0**x * X, 2.0**y * Y, like, ridge=ridge and ridge * 2.0 ** (2 * x), **options).to_dense()
        unit = 1 if like == "permutation" else 2.0 ** (y - x)
        assert np.allclose(found / unit, wanted, rtol=0, atol=1e-9 * np.max(np.abs(wanted)))
    single = fit(np.float32(1e25) * X.astype(np.float32), np.float32(1e-25) * Y.astype(np.float32), like, **options)
    assert np.all(np.isfinite(single.to_dense()))


def test_without_enough_data_the_shortest_parameters_are_taken() -> None:
    rng = np.random.default_rng(5)
    X, Y = rng.standard_normal((1, 8)), rng.standard_normal((1, 8))
    X -= X.mean()  # the frequency 0 is missing
    Y -= Y.mean()
    A = fit(X, Y, "circulant")
    assert np.allclose(A.matvec(X), Y, rtol=0, atol=1e-12)
    assert abs(A.column.sum()) < 1e-12
    B = fit(X, Y, "block_circulant", block_size=2)  # four blocks a frequency, one equation
    assert np.allclose(B.matvec(X), Y, rtol=0, atol=1e-12)
    units = basis("block_circulant", 8, 8, {"block_size": 2}, False)
    weights = np.linalg.pinv(np.stack([(X @ unit.T).ravel() for unit in units], axis=1)) @ Y.ravel()
    assert np.allclose(B.to_dense(), np.tensordot(weights, units, 1), rtol=0, atol=1e-11)
    D = fit(np.asarray([[1.0, 0.0]]), np.asarray([[2.0, 3.0]]), "diagonal")
    assert np.array_equal(D.entries, [2.0, 0.0])


def test_an_operator_gets_new_parameters() -> None:
    """A residual layer: the identity stays, the diagonal and the circulant are fitted together."""
    rng = np.random.default_rng(6)
    n = 6
    like = sm.identity(n) + sm.Diagonal(np.ones(n)) + sm.Circulant(np.ones(n))
    W = rng.standard_normal((n, n))
    units = np.concatenate((basis("diagonal", n, n, {}, False), basis("circulant", n, n, {}, False)))
    design = units.reshape(len(units), -1).T
    weights = np.linalg.lstsq(design, (W - np.eye(n)).ravel())[0]
    A, energy = nearest(W, like)
    dense = np.eye(n) + np.tensordot(weights, units, 1)
    assert np.allclose(A.to_dense(), dense, rtol=0, atol=1e-12)
    assert math.isclose(float(energy), 1 - np.sum((W - dense) ** 2) / np.sum(W**2), rel_tol=1e-12)
    X = rng.standard_normal((30, n))
    assert np.allclose(fit(X, X @ A.to_dense().T, like).to_dense(), dense, rtol=0, atol=1e-11)
    assert np.array_equal(like.params[0], np.ones(n))


OTHERS = [
    (backend, dtype)
    for backend in ALL
    if backend.name in ("strict-device1", "torch", "torch-cuda", "jax", "cupy")
    for dtype in ("float32", "complex128")
    if dtype in backend.dtypes
]


@pytest.mark.parametrize(("backend", "dtype"), OTHERS, ids=str)
def test_backends_and_dtypes(backend: Backend, dtype: str) -> None:
    rng = np.random.default_rng(7)
    W = draw(rng, (6, 6), dtype.startswith("complex")).astype(dtype)
    X = draw(rng, (30, 6), dtype.startswith("complex")).astype(dtype)
    eps = np.finfo(dtype).eps
    needs = {"banded": {"bands": (1, 2)}, "block_circulant": {"block_size": 4}, "low_rank": {"rank": 2}}
    more = {"kron": {"factors": ((2, 3), (3, 2))}, "monarch": {"blocks": (2, 3)}}
    several = [*SQUARE, *ANY, "low_rank", "permutation", *more]
    if backend.name == "jax":  # it compiles for each shape, at seconds each
        several = ["circulant", "low_rank", "permutation"]
    for like in several:
        options = needs.get(like) or more.get(like) or {}
        here, there = nearest(W, like, **options), nearest(backend.asarray(W), like, **options)
        home = there.operator.to(xp=np)
        assert there.operator.dtype is None or home.dtype == dtype
        assert np.linalg.norm(home.to_dense() - here.operator.to_dense()) <= 1e3 * eps * np.linalg.norm(W)
        assert abs(float(there.energy) - float(here.energy)) <= 1e3 * eps
        if like not in more:
            Y = X @ W.T
            local = fit(X, Y, like, ridge=0.1, **options).to_dense()
            remote = fit(backend.asarray(X), backend.asarray(Y), like, ridge=0.1, **options)
            assert np.linalg.norm(remote.to(xp=np).to_dense() - local) <= 1e4 * eps * np.linalg.norm(W)


def test_half_precision_comes_back_in_half() -> None:
    W = np.random.default_rng(8).standard_normal((4, 4)).astype(np.float16)
    A, _ = nearest(W, "circulant")
    assert A.dtype == np.float16
    assert np.array_equal(A.column, nearest(W.astype(np.float32), "circulant").operator.column.astype(np.float16))


def test_a_matrix_of_zeros_is_retained_whole() -> None:
    assert float(nearest(np.zeros((3, 3)), "circulant").energy) == 1


W34 = np.ones((3, 4))
W33 = np.ones((3, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: nearest([[1.0]], "circulant"), TypeError, "nearest: W is a list; expected an array"),
        (lambda: nearest(np.ones((2, 2), dtype=int), "circulant"), TypeError, "nearest: W has dtype int64"),
        (lambda: nearest(np.ones(3), "circulant"), ValueError, r"W has shape \(3,\); expected two axes"),
        (lambda: nearest(W33, "circular"), ValueError, "like is 'circular'; expected an operator or one of banded, "),
        (lambda: nearest(W34, "diagonal"), ValueError, r"'diagonal', which is square; the matrix has the shape \(3, 4"),
        (lambda: nearest(W34, "permutation"), ValueError, "'permutation', which is square"),
        (lambda: nearest(W33, "low_rank"), ValueError, "the options given are none; expected rank"),
        (lambda: nearest(W33, "circulant", rank=2), ValueError, "the options given are rank; expected none"),
        (lambda: nearest(W33, "low_rank", rank=4), ValueError, "rank is 4; expected 3 or less"),
        (lambda: nearest(W33, "low_rank", rank=0), ValueError, "rank is 0; expected 1 or more, in ints"),
        (lambda: nearest(W33, "banded", bands=(-1, 1)), ValueError, r"bands is \(-1, 1\); expected \(0, 0\) or more"),
        (lambda: nearest(W33, "banded", bands=2), ValueError, r"bands is 2; expected \(0, 0\) or more"),
        (lambda: nearest(W34, "kron", factors=(3, 4)), ValueError, r"expected \(\(1, 1\), \(1, 1\)\) or more, in ints"),
        (
            lambda: nearest(W33, "block_circulant", block_size=1.5),
            ValueError,
            "block_size is 1.5; expected 1 or more",
        ),
        (lambda: nearest(W34, "kron", factors=((2, 2), (2, 2))), ValueError, "whose product is 4×4"),
        (lambda: nearest(W34, "monarch", blocks=(2, 2)), ValueError, "expected divisors of m = 3 and n = 4"),
        (lambda: nearest(W33, sm.LowRank(np.ones((3, 1)), np.ones((3, 1)))), TypeError, "not jointly linear"),
        (lambda: nearest(W33, sm.identity(3)), TypeError, "has no parameters"),
        (lambda: nearest(W34, sm.Circulant(np.ones(3))), ValueError, r"Circulant 3×3; the matrix has the shape \(3, 4"),
        (lambda: nearest(W33, "circulant", signs=np.zeros(3)), ValueError, "signs"),
        (lambda: nearest(W33, "circulant", signs=np.ones(4)), ValueError, "4"),
        (lambda: fit(W34, W33[:2], "circulant"), ValueError, "X has 3 rows and Y 2; expected equally many"),
        (lambda: fit(W33, W33, "kron"), ValueError, "fit: like is 'kron'; expected an operator or one of banded, "),
        (lambda: fit(W33, W33, "circulant", ridge=-1.0), ValueError, "ridge is -1.0; expected 0 or more"),
        (lambda: fit(W33, "circulant", "circulant"), TypeError, "fit: Y is a str; expected an array"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
