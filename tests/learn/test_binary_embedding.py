"""Binary embeddings, their codes and the search by Hamming distance, against dense definitions and minimisers."""

import itertools
import math
from typing import Any

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
from backends import library
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat._backend import namespaces
from structmat.learn.embedding import spectrum_step

torch = library("torch")
learn = sm.learn
EPS = np.finfo(np.float64).eps


def cost(z: complex, m: float, h: complex, lam: float) -> float:
    return m * abs(z) ** 2 - 2 * (np.conj(h) * z).real + lam * (abs(z) ** 2 - 1) ** 2


@given(
    st.floats(0, 1e4),
    st.floats(0, 1e4),
    st.floats(-math.pi, math.pi),
    st.floats(1e-3, 1e4),
    st.booleans(),
)
def test_spectrum_step_is_the_global_minimum(m: float, size: float, angle: float, lam: float, real: bool) -> None:
    """At real frequencies over the line, at pairs over the plane, from a grid of starts."""
    h = complex(size * np.sign(angle)) if real else size * np.exp(1j * angle)
    z = complex(spectrum_step(namespaces.resolve(None), np.asarray([m]), np.asarray([h]), lam)[0])
    assert not real or z.imag == 0
    reach = 1.5 + (size / (2 * lam)) ** (1 / 3)
    best = math.inf
    for start in (0.3 * reach, -0.3 * reach, reach, -reach):
        if real:
            found = scipy.optimize.minimize(lambda v: cost(complex(v[0]), m, h, lam), [start])
        else:
            turn = start * (1 + 0.5j)
            found = scipy.optimize.minimize(lambda v: cost(complex(*v), m, h, lam), [turn.real, turn.imag])
        best = min(best, found.fun)
    scale = m + size + lam
    assert cost(z, m, h, lam) <= best + 1e-12 * scale * (1 + abs(z) ** 4)
    # the slope along the modulus is a rounding error, or the minimum is at 0
    rho = abs(z)
    terms = (2 * lam * rho**3, abs(m - 2 * lam) * rho, abs(h))
    assert abs(2 * lam * rho**3 + (m - 2 * lam) * rho - abs(h)) <= 64 * EPS * sum(terms) + 1e-300


def dense_objective(P: sm.LinearOperator, X: np.ndarray, k: int, B: np.ndarray, lam: float) -> float:
    R = scipy.linalg.circulant(P.params[0])
    signs = next(part.signs for part in P.parts if isinstance(part, sm.SignFlip))
    d = X.shape[1]
    V = (X * np.sqrt(len(X) * d / np.sum(X**2)) * signs) @ R.T
    assert np.array_equal(B != 0, np.broadcast_to(np.arange(d) < k, B.shape))
    return np.sum((B - V) ** 2) + lam * np.sum((R @ R.T - np.eye(d)) ** 2)


@pytest.mark.parametrize(("d", "k"), [(8, 8), (9, 9), (12, 5), (7, 1), (1, 1)])
@pytest.mark.parametrize("lam", [None, 0.5, 300.0])
def test_objective_falls_and_is_the_dense_one(d: int, k: int, lam: float | None) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, d)) @ rng.standard_normal((d, d)) + 0.3
    P, objectives = learn.optimize_embedding(X, k, n_iter=6, lam=lam, rng=1)
    assert P.shape == (k, d)
    assert len(objectives) == 12
    for before, after in itertools.pairwise(objectives):
        assert after <= before * (1 + 1e-12)
    # the bits of the last half-step are those of the turn before
    B = np.zeros((40, d))
    if len(objectives) > 1:
        Q, earlier = learn.optimize_embedding(X, k, n_iter=5, lam=lam, rng=1)
        assert earlier == objectives[:10]
        B[:, :k] = np.where(Q.matvec(X) < 0, -1, 1)
    weight = len(X) if lam is None else lam
    assert math.isclose(dense_objective(Q, X, k, B, weight), objectives[10], rel_tol=1e-11)
    assert math.isclose(dense_objective(P, X, k, B, weight), objectives[11], rel_tol=1e-11)


@pytest.mark.parametrize("size", [2.0**90, 2.0**-90])
def test_embedding_does_not_depend_on_the_scale(size: float) -> None:
    """A power of two, which rounding does not see, to where squares over- and underflow in single precision."""
    X = np.random.default_rng(3).standard_normal((30, 8)).astype(np.float32)
    P, objectives = learn.optimize_embedding(X, 5, rng=1)
    Q, others = learn.optimize_embedding(np.float32(size) * X, 5, rng=1)
    assert np.array_equal(P.params[0], Q.params[0])
    assert objectives == others


@pytest.mark.parametrize(("d", "k"), [(6, 6), (7, 4)])
def test_column_step_is_the_minimum_over_all_columns(d: int, k: int) -> None:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((25, d))
    Q, _ = learn.optimize_embedding(X, k, n_iter=1, rng=3)
    P, objectives = learn.optimize_embedding(X, k, n_iter=2, rng=3)
    signs = next(part.signs for part in P.parts if isinstance(part, sm.SignFlip))
    U = X * np.sqrt(len(X) * d / np.sum(X**2)) * signs
    B = np.zeros((25, d))
    B[:, :k] = np.where(Q.matvec(X) < 0, -1, 1)

    def loss(column: np.ndarray) -> float:
        R = scipy.linalg.circulant(column)
        return np.sum((B - U @ R.T) ** 2) + len(X) * np.sum((R @ R.T - np.eye(d)) ** 2)

    starts = [P.params[0], *(rng.standard_normal(d) for _ in range(10))]
    best = min(scipy.optimize.minimize(loss, start).fun for start in starts)
    assert objectives[3] <= best * (1 + 1e-10)


def test_random_codes_differ_in_proportion_to_the_angle() -> None:
    """E[Hamming] = k θ/π: a bound at five standard errors of the measured spread over 400 projections."""
    d, k = 64, 64
    rng = np.random.default_rng(4)
    x, other = np.linalg.qr(rng.standard_normal((d, 2)))[0].T
    for theta in (0.2, 1.0, 2.5):
        pair = np.stack((x, math.cos(theta) * x + math.sin(theta) * other))
        shares = []
        for _ in range(400):
            codes = learn.encode(sm.projections.circulant_projection(d, k, rng=rng), pair)
            shares.append(learn.hamming(codes[:1], codes[1:])[0, 0] / k)
        assert abs(np.mean(shares) - theta / math.pi) < 5 * np.std(shares) / np.sqrt(len(shares))


def test_learned_short_codes_keep_neighbors_better() -> None:
    """On data of 30 factors in 64 dimensions the mean recall over five seeds is higher by three standard errors."""
    rng = np.random.default_rng(5)
    d, k = 64, 32
    X = rng.standard_normal((1500, 30)) @ rng.standard_normal((30, d))
    queries, base = X[:200], X[200:]
    truth = np.argsort(np.linalg.norm(queries[:, None] - base[None], axis=2), axis=1)[:, :10]

    def recall(P: sm.LinearOperator) -> float:
        _, found = learn.hamming_neighbors(learn.encode(P, queries), learn.encode(P, base), 100)
        return np.mean([np.isin(found[i], truth[i]).sum() / 10 for i in range(len(queries))])

    drawn = [recall(sm.projections.circulant_projection(d, k, rng=seed)) for seed in range(5)]
    learned = [recall(learn.optimize_embedding(base, k, rng=seed).operator) for seed in range(5)]
    error = math.hypot(np.std(drawn, ddof=1), np.std(learned, ddof=1)) / math.sqrt(5)
    assert np.mean(learned) - np.mean(drawn) > 3 * error


@given(st.integers(1, 30), st.integers(0, 2**20))
def test_codes_are_those_of_packbits(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((3, k))
    y[0, 0] = 0.0
    codes = learn.encode(sm.identity(k), y)
    assert codes.dtype == np.uint8
    assert np.array_equal(codes, np.packbits(y >= 0, axis=-1, bitorder="big"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_there_is_no_code_of_what_is_no_number(bad: float) -> None:
    with pytest.raises(ValueError, match="encode: a product of a vector with the projection is NaN or infinite"):
        learn.encode(sm.identity(3), np.asarray([1.0, bad, 1.0]))


@pytest.mark.parametrize("xp", [np, torch, array_api_strict])
def test_hamming_and_search_on_other_libraries(xp: Any) -> None:
    rng = np.random.default_rng(6)
    a, b = (rng.integers(0, 256, (n, 5), dtype=np.uint8) for n in (7, 40))
    b[11] = b[3]  # equally near to everything
    wanted = np.unpackbits(a[:, None] ^ b[None], axis=-1).sum(-1)
    A, B = xp.asarray(a.copy()), xp.asarray(b.copy())
    assert np.array_equal(np.asarray(learn.hamming(A, B)), wanted)
    for count in (1, 9, 40):
        distances, indices = (np.asarray(part) for part in learn.hamming_neighbors(A, B, count))
        order = np.argsort(wanted, axis=1, kind="stable")[:, :count]
        assert np.array_equal(indices, order)
        assert np.array_equal(distances, np.take_along_axis(wanted, order, 1))


def test_search_in_blocks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    a, b = (rng.integers(0, 4, (n, 1), dtype=np.uint8) for n in (9, 50))
    whole = learn.hamming_neighbors(a, b, 8)
    for block in (7, 60, 130):
        monkeypatch.setattr("structmat.learn.embedding._BLOCK", block)
        for one, other in zip(learn.hamming_neighbors(a, b, 8), whole, strict=True):
            assert np.array_equal(one, other)
    assert learn.hamming_neighbors(a[:0], b, 3).indices.shape == (0, 3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("xp", [torch, array_api_strict])
def test_embedding_on_other_libraries(xp: Any, dtype: str) -> None:
    X = np.random.default_rng(8).standard_normal((60, 12)).astype(dtype)
    here = learn.optimize_embedding(X, 8, rng=0)
    there = learn.optimize_embedding(xp.asarray(X.copy()), 8, rng=0)
    assert here.operator.dtype == dtype
    assert np.allclose(
        there.operator.to(xp=np).params[0], here.operator.params[0], rtol=0, atol=1e3 * np.finfo(dtype).eps
    )
    codes = learn.encode(there.operator, xp.asarray(X.copy()))
    assert np.mean(np.asarray(codes) != learn.encode(here.operator, X)) < 0.02


X34, BYTES = np.ones((3, 4)), np.zeros((2, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: learn.optimize_embedding(X34, 5), ValueError, "optimize_embedding: k is 5; expected d = 4 or less"),
        (lambda: learn.optimize_embedding(X34 + 0j), TypeError, "X is complex; expected real"),
        (lambda: learn.optimize_embedding(X34, lam=0), ValueError, "lam is 0; expected more than 0"),
        (lambda: learn.optimize_embedding(X34, n_iter=0), ValueError, "n_iter is 0; expected a positive int"),
        (lambda: learn.optimize_embedding(X34[0]), ValueError, r"X has shape \(4,\); expected two axes"),
        (lambda: learn.encode(sm.DFT(4), X34), TypeError, "the projections are complex"),
        (lambda: learn.hamming(X34, BYTES), TypeError, "queries has dtype float64; expected an array of uint8"),
        (lambda: learn.hamming(BYTES, BYTES.tolist()), TypeError, "codes is a list"),
        (
            lambda: learn.hamming(BYTES, BYTES[:, :2]),
            ValueError,
            r"queries has shape \(2, 3\); expected two axes, the second",
        ),
        (lambda: learn.hamming(BYTES, BYTES[0]), ValueError, r"codes has shape \(3,\)"),
        (lambda: learn.hamming_neighbors(BYTES, BYTES, 3), ValueError, "n_neighbors is 3; expected 2"),
    ],
)
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
