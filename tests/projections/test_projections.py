"""The projections: shapes, scale, one operator on every backend, and the matrices their definitions say."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import scipy.sparse
from backends import ALL, Backend
from dense import hadamard, signs
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat._backend import devices
from structmat.projections.parts import hadamard_order

P = sm.projections
project = P.circulant_projection
KINDS = [
    (6, 6, None),
    (7, 3, None),
    (5, 12, None),
    (5, 12, "pad"),
    (4, 8, "stack"),
    (4, 4, "pad"),
    (4, 4, "stack"),
    (1, 3, None),
]

# By name, as functions of d and k; the square ones take d alone.
RECTANGULAR: dict[str, Callable[..., sm.LinearOperator]] = {
    "circulant": P.circulant_projection,
    "block_circulant": functools.partial(P.block_circulant_projection, block_size=4),
    "toeplitz": P.toeplitz_projection,
    "srht": P.srht,
    "fjlt": P.fjlt,
    "fjlt-sparse": functools.partial(P.fjlt, density=0.7),
    "sorf": P.sorf,
    "fastfood": P.fastfood,
    "fastfood-adaptive": functools.partial(P.fastfood, adaptive=True),
    "gaussian": P.gaussian_projection,
    "low_rank": functools.partial(P.low_rank, rank=2),
}
SQUARE: dict[str, Callable[..., sm.LinearOperator]] = {
    "acdc": functools.partial(P.acdc, depth=2),
    "diagonal_circulant": functools.partial(P.diagonal_circulant, depth=2),
    "hd3": P.hd3,
}
PARAMS = {
    "srht": 0,
    "sorf": 0,
    "hd3": 0,
    "fastfood": 0,
    "toeplitz": 2,
    "low_rank": 2,
    "acdc": 4,
    "diagonal_circulant": 4,
    "fastfood-adaptive": 3,
}
SIZES = [(1, 1), (1, 3), (5, 3), (6, 6), (10, 31)]
NAMES = [*RECTANGULAR, *SQUARE]


def make(name: str, d: int, k: int, **options: Any) -> sm.LinearOperator:
    return SQUARE[name](d, **options) if name in SQUARE else RECTANGULAR[name](d, k, **options)


@pytest.mark.parametrize(("d", "k"), SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str, d: int, k: int) -> None:
    A = make(name, d, k, rng=1)
    rows = {"hd3": hadamard_order(d)}.get(name, d) if name in SQUARE else k
    assert A.shape == (rows, d)
    blocks = -(-k // hadamard_order(d)) if name == "fastfood-adaptive" else 1
    assert len(A.params) == PARAMS.get(name, 1) * blocks
    sm.testing.check_operator(A, batches=[(), (3,)])


@pytest.mark.parametrize(("d", "k", "kind"), KINDS)
def test_contract_of_kinds(d: int, k: int, kind: str | None) -> None:
    A = project(d, k, kind=kind, rng=0)
    assert A.shape == (k, d)
    assert len(A.params) == 1
    sm.testing.check_operator(A)


def one_operator(backend: Backend, build: Callable[..., sm.LinearOperator]) -> None:
    """Hold the operator that a seed makes on a backend against that on NumPy, array by array."""
    A, B = build(rng=5, dtype="float32"), build(rng=5, dtype="float32", xp=backend.xp, device=backend.device)
    assert B.shape == A.shape
    assert B.param_names == A.param_names
    assert repr(B.to(xp=np)) == repr(A)
    pairs = list(zip(A._arrays, B.to(xp=np)._arrays, strict=True))
    assert all(here.dtype == there.dtype and np.array_equal(here, there) for here, there in pairs)
    rng = np.random.default_rng(0)
    x, g = (rng.standard_normal((3, size)).astype(np.float32) for size in (A.n, A.m))
    theirs = backend.asarray(x), backend.asarray(g)
    (dx, grads), (their_dx, their_grads) = A.vjp(x, g), B.vjp(*theirs)
    for wanted, got in zip((A.matvec(x), dx, *grads), (B.matvec(theirs[0]), their_dx, *their_grads), strict=True):
        assert str(got.dtype).endswith("float32")
        assert np.linalg.norm(devices.to_host(got) - wanted) <= 64 * np.finfo(np.float32).eps * np.linalg.norm(wanted)


OTHERS = [backend for backend in ALL if backend.name in ("strict", "strict-device1", "torch", "jax")]


@pytest.mark.parametrize("backend", OTHERS, ids=repr)
@pytest.mark.parametrize("name", NAMES)
def test_one_seed_is_one_operator(backend: Backend, name: str) -> None:
    one_operator(backend, functools.partial(make, name, 5, 11))


@pytest.mark.parametrize("backend", OTHERS, ids=repr)
@pytest.mark.parametrize(("d", "k", "kind"), KINDS[:4])
def test_one_seed_is_one_operator_of_each_kind(backend: Backend, d: int, k: int, kind: str | None) -> None:
    one_operator(backend, functools.partial(project, d, k, kind=kind))


def keeps_the_mean(build: Callable[..., sm.LinearOperator], d: int, draws: int) -> None:
    """E‖P x‖² = ‖x‖² for vectors that are constant, concentrated and random; a bound at five standard errors."""
    rng = np.random.default_rng(1)
    x = np.stack([np.ones(d), np.eye(d)[0], rng.standard_normal(d)])
    ratios = [np.sum(build(rng=rng).matvec(x) ** 2, axis=-1) / np.sum(x**2, axis=-1) for _ in range(draws)]
    error = np.abs(np.mean(ratios, axis=0) - 1)
    assert np.all(error <= 5 * np.std(ratios, axis=0) / np.sqrt(draws) + 1e-12)


@pytest.mark.parametrize(("d", "k"), [(1, 3), (6, 4), (10, 31)])
@pytest.mark.parametrize("name", NAMES)
def test_the_mean_squared_length_is_kept(name: str, d: int, k: int) -> None:
    keeps_the_mean(functools.partial(make, name, d, k), d, 300)


@pytest.mark.parametrize(("d", "k", "kind"), KINDS)
def test_the_mean_squared_length_is_kept_by_each_kind(d: int, k: int, kind: str | None) -> None:
    keeps_the_mean(functools.partial(project, d, k, kind=kind), d, 1000)


# ------------------------------------------------------------------ against dense products, drawn in the same order


def near(A: sm.LinearOperator, dense: np.ndarray) -> bool:
    """Equal to the rounding of products of up to 8 factors of norms near 1."""
    return A.shape == dense.shape and np.allclose(A.to_dense(), dense, rtol=0, atol=1e-13 * np.linalg.norm(dense, 2))


ORDERS = [(1, 1, 1), (1, 4, 1), (5, 3, 8), (8, 8, 8), (8, 21, 8), (9, 6, 12), (12, 30, 12), (17, 20, 20), (21, 50, 24)]


@given(st.integers(1, 5000))
def test_hadamard_order_is_the_least(d: int) -> None:
    orders = [core << k for core in (1, 12, 20) for k in range(14)]
    assert hadamard_order(d) == min(n for n in orders if n >= d)
    sm.Hadamard(hadamard_order(d))


@pytest.mark.parametrize(("d", "k", "n"), ORDERS)
def test_srht_is_rows_of_a_hadamard_matrix(d: int, k: int, n: int) -> None:
    rng, blocks, H = np.random.default_rng(3), [], hadamard(n)
    for start in range(0, k, n):
        rows = min(n, k - start)
        chosen = rng.permutation(n)[:rows] if rows < n else np.arange(n)
        blocks.append((H @ signs(rng, n))[chosen])
    assert near(P.srht(d, k, rng=3), np.sqrt(n / k) * np.vstack(blocks)[:, :d])


@pytest.mark.parametrize(("d", "k", "n"), ORDERS)
def test_sorf_is_rows_of_rotations(d: int, k: int, n: int) -> None:
    rng, blocks, H = np.random.default_rng(4), [], hadamard(n)
    for _ in range(0, k, n):
        D1, D2, D3 = (signs(rng, n) for _ in range(3))
        blocks.append(H @ D3 @ H @ D2 @ H @ D1)
    A = P.sorf(d, k, rng=4)
    assert near(A, np.sqrt(n / k) * np.vstack(blocks)[:k, :d])
    assert near(P.hd3(d, rng=4), blocks[0][:, :d])
    rows = np.linalg.norm(np.vstack(blocks)[:k], axis=1)
    assert np.allclose(rows, 1)


@pytest.mark.parametrize(("d", "k", "n"), ORDERS)
def test_fastfood_is_the_product_of_its_factors(d: int, k: int, n: int) -> None:
    rng, blocks, H = np.random.default_rng(5), [], hadamard(n)
    for start in range(0, k, n):
        rows = min(n, k - start)
        B, order, g = signs(rng, n), rng.permutation(n), rng.standard_normal(n)
        chi = np.sqrt(rng.chisquare(n, rows))
        core = H @ np.diag(g) @ np.eye(n)[order] @ H @ B
        lengths = np.linalg.norm(core, axis=1)
        assert np.allclose(lengths, np.linalg.norm(g) / np.sqrt(n))
        blocks.append((chi / lengths[:rows])[:, None] * core[:rows] / np.sqrt(k))  # rows as long as Gaussian ones
    for adaptive in (False, True):
        assert near(P.fastfood(d, k, adaptive=adaptive, rng=5), np.vstack(blocks)[:, :d])


@pytest.mark.parametrize(("d", "k", "n"), ORDERS)
def test_fjlt_is_a_sparse_matrix_after_a_hadamard_matrix(d: int, k: int, n: int) -> None:
    A = P.fjlt(d, k, density=0.5, rng=6)
    G, *_, flips = [part for part in A.parts if isinstance(part, sm.Sparse | sm.SignFlip)]
    dense = scipy.sparse.coo_array((G.values, (G.rows, G.columns)), shape=(k, n)).toarray()
    assert len({*zip(G.rows.tolist(), G.columns.tolist(), strict=True)}) == len(G.values)
    assert near(A, (dense @ hadamard(n) @ np.diag(flips.signs))[:, :d])


def test_fjlt_has_the_density_and_variance_asked_for() -> None:
    """k n Bernoulli draws and as many Gaussians as succeed, bounds at five standard deviations."""
    d, k, q = 1024, 200, 0.05
    G = P.fjlt(d, k, density=q, rng=7).parts[0]
    count = len(G.values)
    assert abs(count - d * k * q) < 5 * np.sqrt(d * k * q * (1 - q))
    assert abs(np.mean(G.values**2) * k * q - 1) < 5 * np.sqrt(2 / count)
    per_column = np.bincount(G.columns, minlength=d)
    assert abs(np.var(per_column) / (k * q * (1 - q)) - 1) < 5 * np.sqrt(2 / d) + 5 / (k * q) / np.sqrt(d)
    (default,) = [part for part in P.fjlt(d, k, rng=7).parts if isinstance(part, sm.Sparse)]
    wanted = (1 + np.log(d)) ** 2 * k
    assert abs(len(default.values) - wanted) < 5 * np.sqrt(wanted)


def test_fjlt_without_entries_is_zero() -> None:
    A = P.fjlt(4, 2, density=1e-9, rng=0)
    assert A.params == ()
    assert not A.to_dense().any()


@pytest.mark.parametrize("d", [1, 2, 7, 12])
def test_cascades_are_the_products_of_their_factors(d: int) -> None:
    rng, dense, scale = np.random.default_rng(8), np.eye(d), np.sqrt(1 + 0.3**2)
    C = scipy.fft.dct(np.eye(d), norm="ortho", axis=0)
    for _ in range(3):
        D, A = ((1 + 0.3 * rng.standard_normal(d)) / scale for _ in range(2))
        dense = dense @ np.linalg.inv(C) @ np.diag(D) @ C @ np.diag(A)
    assert near(P.acdc(d, 3, sigma=0.3, rng=8), dense)
    rng, dense = np.random.default_rng(9), np.eye(d)
    for _ in range(3):
        D = signs(rng, d)
        dense = dense @ scipy.linalg.circulant(rng.standard_normal(d) / np.sqrt(d)) @ D
    assert near(P.diagonal_circulant(d, 3, rng=9), dense)


def test_acdc_without_spread_is_the_identity() -> None:
    assert near(P.acdc(6, 4, sigma=0, rng=0), np.eye(6))


@pytest.mark.parametrize(("d", "k"), [(1, 1), (3, 7), (7, 3), (6, 6)])
def test_baselines_and_toeplitz_are_the_matrices_they_say(d: int, k: int) -> None:
    rng = np.random.default_rng(10)
    assert near(P.gaussian_projection(d, k, rng=10), rng.standard_normal((k, d)) / np.sqrt(k))
    rng = np.random.default_rng(11)
    left, right = rng.standard_normal((k, 2)) / np.sqrt(k), rng.standard_normal((d, 2)) / np.sqrt(2)
    assert near(P.low_rank(d, k, 2, rng=11), left @ right.T)
    rng = np.random.default_rng(12)
    D, column, row = signs(rng, d), rng.standard_normal(k), rng.standard_normal(d)
    assert near(P.toeplitz_projection(d, k, rng=12), scipy.linalg.toeplitz(column, row) @ D / np.sqrt(k))


def test_kinds_of_circulants_are_the_matrices_they_say() -> None:
    d, k = 3, 7
    rng = np.random.default_rng(2)
    D, columns = signs(rng, d), rng.standard_normal((3, d)) / np.sqrt(k)
    dense = np.vstack([scipy.linalg.circulant(column) for column in columns])[:k] @ D
    assert near(project(d, k, kind="stack", rng=2), dense)
    rng = np.random.default_rng(2)
    D, column = signs(rng, d), rng.standard_normal(k) / np.sqrt(k)
    assert near(project(d, k, kind="pad", rng=2), scipy.linalg.circulant(column)[:, :d] @ D)
    rng = np.random.default_rng(2)
    D, column = signs(rng, k), rng.standard_normal(k) / np.sqrt(d)
    assert near(project(k, d, rng=2), scipy.linalg.circulant(column)[:d] @ D)


@pytest.mark.parametrize(("d", "k", "b"), [(1, 1, 1), (5, 7, 3), (7, 5, 3), (4, 4, 9), (6, 6, 1)])
def test_blocks_are_circulants_cut_at_the_edges(d: int, k: int, b: int) -> None:
    rng = np.random.default_rng(13)
    D, weights = signs(rng, d), rng.standard_normal((-(-k // b), -(-d // b), b)) / np.sqrt(k)
    dense = np.block([[scipy.linalg.circulant(column) for column in row] for row in weights])[:k, :d] @ D
    assert near(P.block_circulant_projection(d, k, block_size=b, rng=13), dense)


# ------------------------------------------------------------------ draws, freezing, errors


def test_fresh_draws_differ() -> None:
    assert not np.array_equal(project(8).params[0], project(8).params[0])
    generator = np.random.default_rng(0)
    assert not np.array_equal(project(8, rng=generator).params[0], project(8, rng=generator).params[0])


@pytest.mark.parametrize("name", NAMES)
def test_dtypes(name: str) -> None:
    """Double precision unless asked for; what has no numbers follows x."""
    single, double = make(name, 6, 4, rng=0, dtype=np.float32), make(name, 6, 4, rng=0)
    assert (single.dtype, double.dtype) in [(np.float32, np.float64), (None, None)]
    assert single.matvec(np.ones(6, dtype=np.float32)).dtype == np.float32
    assert single.freeze().params == ()
    assert np.array_equal(double.freeze().to_dense(), double.to_dense())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [0, -1, 2.0, True, "3", None])
def test_sizes_are_positive_ints(name: str, bad: Any) -> None:
    with pytest.raises(ValueError, match=rf"_?projection|{name.partition('-')[0]}: d is .*; expected a positive int"):
        make(name, bad, 3)
    if name in RECTANGULAR and not (name == "circulant" and bad is None):
        with pytest.raises(ValueError, match=r": k is .*; expected a positive int"):
            make(name, 3, bad)


def test_bad_arguments_are_named() -> None:
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: project(3, 4, kind="cut"), "circulant_projection: kind is 'cut'"),
        (lambda: project(3, 4, kind="truncate"), "kind is 'truncate' with k = 4, d = 3; expected k <= d"),
        (lambda: project(4, 3, kind="pad"), "kind is 'pad' with k = 3, d = 4; expected k >= d"),
        (lambda: P.block_circulant_projection(3, 4, block_size=0), "block_circulant_projection: block_size is 0"),
        (lambda: P.fjlt(3, 4, density=0), r"fjlt: density is 0; expected a probability"),
        (lambda: P.fjlt(3, 4, density=1.5), r"fjlt: density is 1.5; expected a probability"),
        (lambda: P.acdc(3, 0), "acdc: depth is 0"),
        (lambda: P.acdc(3, 1, sigma=-1), "acdc: sigma is -1"),
        (lambda: P.diagonal_circulant(3, 1.5), "diagonal_circulant: depth is 1.5"),
        (lambda: P.low_rank(3, 4, 0), "low_rank: rank is 0"),
    ]
    for call, text in cases:
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(TypeError, match="dtype is 'int32'; expected a real or complex floating dtype"):
        P.srht(3, 4, dtype="int32")
    with pytest.raises(TypeError, match="xp is 'NumPy'; expected an array module"):
        P.hd3(3, xp="NumPy")
