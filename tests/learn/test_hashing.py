"""Locality-sensitive hashing: the codes, how often they collide, and the index."""

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from backends import ALL, Backend
from dense import hadamard, signs

import structmat as sm
from structmat._backend import devices
from structmat.projections.parts import hadamard_order

L = sm.learn
ANGLES = [0.3, 1.0, np.pi / 2, 2.5]
MAKERS: dict[str, Callable[..., Any]] = {
    "hyperplane": L.HyperplaneHash.random,
    "dh": lambda d, **options: L.DHHash.random(d, width=2.0, **options),
    "cross-polytope": L.CrossPolytopeHash.random,
    "coarse": lambda d, **options: L.CrossPolytopeHash.random(d, vertices=3, **options),
}


def pair(d: int, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Two random vectors of length 1 at an angle."""
    basis = np.linalg.qr(rng.standard_normal((d, 2)))[0]
    return np.stack([basis[:, 0], basis @ [np.cos(angle), np.sin(angle)]])


def double_hadamard(d: int, k: int, rng: np.random.Generator) -> np.ndarray:
    n, blocks = hadamard_order(d), []
    for _ in range(0, k, n):
        D, order, g = signs(rng, n), rng.permutation(n), rng.standard_normal(n)
        blocks.append(np.sqrt(n) * hadamard(n) @ np.diag(g) @ np.eye(n)[order] @ hadamard(n) @ D)
    return np.vstack(blocks)[:k, :d]


FEW = pytest.mark.filterwarnings("ignore:CrossPolytopeHash. d is .; signs and Hadamard matrices:UserWarning")


@FEW
@pytest.mark.parametrize(("d", "tables", "hashes"), [(1, 1, 1), (8, 2, 3), (10, 3, 7), (17, 2, 2)])
def test_codes_are_those_of_dense_matrices(d: int, tables: int, hashes: int) -> None:
    x = np.random.default_rng(0).standard_normal((5, d))
    k, n, sizes = tables * hashes, hadamard_order(d), {"n_tables": tables, "n_hashes": hashes}
    y = x @ double_hadamard(d, k, np.random.default_rng(1)).T
    assert np.array_equal(L.HyperplaneHash.random(d, rng=1, **sizes)(x), (y >= 0).reshape(5, tables, hashes))
    rng = np.random.default_rng(1)
    y = x @ double_hadamard(d, k, rng).T
    codes = np.floor((y + 0.7 * rng.random(k)) / 0.7).reshape(5, tables, hashes)
    assert np.array_equal(L.DHHash.random(d, width=0.7, rng=1, **sizes)(x), codes)

    rng, codes = np.random.default_rng(1), []
    for _ in range(k):
        D1, D2, D3 = (signs(rng, n) for _ in range(3))
        y = x @ (hadamard(n) @ D3 @ hadamard(n) @ D2 @ hadamard(n) @ D1)[:, :d].T
        place = np.argmax(np.abs(y), axis=1)
        codes.append(place + n * (np.take_along_axis(y, place[:, None], 1)[:, 0] < 0))
    wanted = np.stack(codes, axis=1).reshape(5, tables, hashes)
    assert np.array_equal(L.CrossPolytopeHash.random(d, rng=1, **sizes)(x), wanted)


def collides(draw: Callable[[np.random.Generator], Any], x: Callable[[np.random.Generator], np.ndarray], n: int) -> Any:
    """How often two vectors collide: the mean over n independent hashes, and its standard error."""
    rng = np.random.default_rng(2)
    rates = []
    for _ in range(n):
        first, second = draw(rng)(x(rng))
        rates.append(np.mean(first == second))
    return np.mean(rates), np.std(rates) / np.sqrt(n)


PROJECTIONS: dict[str, Callable[[int, np.random.Generator], sm.LinearOperator]] = {
    "circulant": lambda d, rng: sm.projections.circulant_projection(d, 5, rng=rng),
    "fastfood": lambda d, rng: sm.projections.fastfood(d, 20, rng=rng),
    "gaussian": lambda d, rng: sm.projections.gaussian_projection(d, 5, rng=rng),
}


@pytest.mark.parametrize("angle", ANGLES)
@pytest.mark.parametrize("name", ["double", *PROJECTIONS])
def test_hyperplanes_collide_as_the_angle_says(name: str, angle: float) -> None:
    """1 - θ/π for fixed vectors, one of them sparse: bits share random numbers, hashes don't; five standard errors."""
    d = 12

    def draw(rng: np.random.Generator) -> Any:
        if name in PROJECTIONS:
            return L.HyperplaneHash(PROJECTIONS[name](d, rng))
        return L.HyperplaneHash.random(d, n_hashes=5, rng=rng)

    x = np.zeros((2, d))
    x[0, 0], x[1, :2] = 1, (np.cos(angle), np.sin(angle))
    rate, error = collides(draw, lambda _: x, 600)
    assert abs(rate - (1 - angle / np.pi)) < 5 * error
    assert L.HyperplaneHash.random(2, n_hashes=1).collision_probability(angle) == pytest.approx(1 - angle / np.pi)


@pytest.mark.parametrize("distance", [0.5, 2.0, 10.0])
def test_buckets_collide_as_the_distance_says(distance: float) -> None:
    """The probability that a Gaussian step stays in a bucket whose offset is uniform, by quadrature."""
    width, d = 3.0, 12
    steps = np.linspace(0, width, 20001)
    density = 2 * scipy.stats.norm.pdf(steps, scale=distance) * (1 - steps / width)
    wanted = np.trapezoid(density, steps)
    hashed = L.DHHash.random(d, width=width, n_hashes=1, rng=0)
    assert hashed.collision_probability(distance) == pytest.approx(wanted, abs=1e-7)
    assert hashed.collision_probability(0) == 1
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, d))
    x[1] = x[0] + distance * x[1] / np.linalg.norm(x[1])
    rate, error = collides(lambda rng: L.DHHash.random(d, width=width, n_hashes=5, rng=rng), lambda _: x, 600)
    assert abs(rate - wanted) < 5 * error


@pytest.mark.parametrize("angle", [0.5, 1.0])
def test_cross_polytopes_collide_as_with_dense_rotations(angle: float) -> None:
    d, draws = 64, 800

    def dense(rng: np.random.Generator) -> Any:
        rotation = np.linalg.qr(rng.standard_normal((d, d)))[0]
        return L.CrossPolytopeHash(sm.Dense(rotation), d)

    fast, error = collides(
        lambda rng: L.CrossPolytopeHash.random(d, n_hashes=1, rng=rng), lambda rng: pair(d, angle, rng), draws
    )
    slow, other = collides(dense, lambda rng: pair(d, angle, rng), draws)
    assert abs(fast - slow) < 5 * np.hypot(error, other)


@pytest.mark.parametrize("name", MAKERS)
def test_equal_vectors_always_collide(name: str) -> None:
    x = np.random.default_rng(4).standard_normal((3, 2, 10))
    hashed = MAKERS[name](10, n_hashes=4, n_tables=3, rng=4)
    codes = hashed(x)
    assert codes.shape == (3, 2, 3, 4)
    assert codes.dtype == np.int64
    assert np.array_equal(codes, hashed(x.copy()))
    assert hashed(np.zeros((0, 10))).shape == (0, 3, 4)
    if name != "dh":
        assert np.array_equal(codes, hashed(4.0 * x))


def test_opposite_vectors_have_opposite_codes() -> None:
    x = np.random.default_rng(5).standard_normal((50, 12))
    bits = L.HyperplaneHash.random(12, n_hashes=4, rng=5)
    assert np.array_equal(bits(-x), 1 - bits(x))
    for vertices in (12, 5):
        vertex = L.CrossPolytopeHash.random(12, n_hashes=4, vertices=vertices, rng=5)
        codes = vertex(x)
        assert codes.min() >= 0
        assert codes.max() < 2 * vertices
        assert np.array_equal((codes + vertices) % (2 * vertices), vertex(-x))


@pytest.mark.parametrize("backend", [b for b in ALL if b.name in ("strict", "torch", "jax")], ids=repr)
@pytest.mark.parametrize("name", MAKERS)
def test_one_seed_is_one_hash(backend: Backend, name: str) -> None:
    rng = np.random.default_rng(6)
    X = rng.standard_normal((20, 10))
    here = MAKERS[name](10, n_hashes=2, n_tables=2, rng=6)
    there = MAKERS[name](10, n_hashes=2, n_tables=2, rng=6, xp=backend.xp, device=backend.device)
    codes = there(backend.asarray(X))
    assert codes.dtype == backend.xp.int64
    assert np.array_equal(devices.to_host(codes), here(X))
    mine = L.HashIndex(here, X).query(X[:3] + 0.1, 2)
    theirs = L.HashIndex(there, backend.asarray(X)).query(backend.asarray(X[:3] + 0.1), 2)
    assert np.array_equal(devices.to_host(theirs[0]), mine[0])
    assert np.allclose(devices.to_host(theirs[1]), mine[1], rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", MAKERS)
def test_there_is_no_code_of_what_is_no_number(name: str, dtype: str) -> None:
    """Nor of products that overflow; an index refuses them, and queries."""
    hashed = MAKERS[name](10, n_hashes=2, n_tables=2, rng=4)
    X = np.random.default_rng(4).standard_normal((5, 10)).astype(dtype)
    index = L.HashIndex(hashed, X)
    refused = functools.partial(
        pytest.raises, ValueError, match="Hash: a product of a vector with the projection is NaN"
    )
    with np.errstate(over="ignore", invalid="ignore"):  # NumPy warns of infinite products
        overflow = [np.finfo(dtype).max] if dtype == "float64" else []  # products of float32 may be made in double
        for bad in (np.nan, np.inf, -np.inf, *overflow):
            X[3] = bad
            for call in (lambda: hashed(X), lambda: L.HashIndex(hashed, X), lambda: index.query(X[3], 1)):
                with refused():
                    call()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_buckets_are_told_apart_or_refused(dtype: str) -> None:
    """Up to 1 / eps buckets from 0 those of an integer grid are all there; beyond, numbers are further apart."""
    eps = np.finfo(dtype).eps
    buckets = L.DHHash(sm.Diagonal(np.ones(4, dtype)), np.zeros(4, dtype), 1.0)
    last = int(1 / eps)
    x = np.asarray([last - 1, 1 - last, last // 2 + 1, 0], dtype)
    assert buckets(x)[0].tolist() == [last - 1, 1 - last, last // 2 + 1, 0]
    for far in (last, -last, 1e30):
        with pytest.raises(ValueError, match=f"DHHash: a product .* times the width 1 or more, where {dtype} does not"):
            buckets(np.asarray([0, 0, far, 0], dtype))


@pytest.mark.parametrize(("n", "ways"), [(1, 1), (2, 1), (4, 3)])
def test_few_rotations_cut_space_in_few_ways(n: int, ways: int) -> None:
    """Over all signs, up to names of the vertices: the numbers in the documentation, and a warning."""
    X, found = np.random.default_rng(9).standard_normal((400, n)), set()
    for pattern in itertools.product((1.0, -1.0), repeat=3 * n):
        D1, D2, D3 = (np.diag(part) for part in np.reshape(pattern, (3, n)))
        y = X @ (hadamard(n) @ D3 @ hadamard(n) @ D2 @ hadamard(n) @ D1).T
        names: dict[int, int] = {}
        found.add(tuple(names.setdefault(int(code), len(names)) for code in np.argmax(np.hstack([y, -y]), axis=1)))
    assert len(found) == ways
    with pytest.warns(UserWarning, match=f"d is {n}; signs and Hadamard matrices of order {n} make few rotations, so"):
        L.CrossPolytopeHash.random(n, n_hashes=1, rng=0)
    L.CrossPolytopeHash.random(9, n_hashes=1, rng=0)


@FEW
@pytest.mark.parametrize("name", MAKERS)
def test_index_finds_what_shares_a_code(name: str) -> None:
    """Candidates and neighbours against all pairs of codes; codes of 30 hashes are longer than a key."""
    rng = np.random.default_rng(7)
    X = rng.standard_normal((300, 8))
    queries = np.concatenate([X[:10], X[:10] + 0.05 * rng.standard_normal((10, 8)), rng.standard_normal((10, 8))])
    for hashes in (1, 2, 30):
        hashed = MAKERS[name](8, n_hashes=hashes, n_tables=4, rng=7)
        index = L.HashIndex(hashed, X)
        share = (hashed(queries)[:, None] == hashed(X)[None]).all(axis=-1).any(axis=-1)
        found = index.candidates(queries)
        assert all(np.array_equal(got, np.flatnonzero(row)) for got, row in zip(found, share, strict=True))
        neighbours, distances = index.query(queries, 5)
        between = np.where(share, np.linalg.norm(queries[:, None] - X[None], axis=-1), np.inf)
        wanted = np.sort(between, axis=1)[:, :5]
        assert np.allclose(distances, wanted)
        assert np.array_equal(neighbours == -1, np.isinf(wanted))
        found = neighbours >= 0
        assert np.allclose(np.take_along_axis(between, neighbours, 1)[found], distances[found])
        assert np.array_equal(neighbours[:10, 0], np.arange(10))
        alone = index.query(queries[3], 5)
        assert np.array_equal(alone[0], neighbours[3])


def test_tables_find_near_neighbours_and_few_others() -> None:
    """2,000 vectors and their neighbours at an angle of 0.3, whose collision rate says how many are found."""
    rng = np.random.default_rng(8)
    d, angle, tables = 64, 0.3, 8
    X = rng.standard_normal((2000, d))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    step = rng.standard_normal((200, d))
    step -= np.sum(step * X[:200], axis=1, keepdims=True) * X[:200]
    queries = np.cos(angle) * X[:200] + np.sin(angle) * step / np.linalg.norm(step, axis=1, keepdims=True)
    hashed = L.CrossPolytopeHash.random(d, n_hashes=1, n_tables=tables, rng=8)
    index = L.HashIndex(hashed, X)
    neighbours, _ = index.query(queries, 1)
    single = np.mean(hashed(X[:200]) == hashed(queries))
    wanted = 1 - (1 - single) ** tables
    assert np.mean(neighbours[:, 0] == np.arange(200)) > wanted - 5 * np.sqrt(wanted * (1 - wanted) / 200)
    looked = np.mean([len(found) for found in index.candidates(queries)])
    assert looked < 2000 * tables / d  # twice what orthogonal pairs give, which collide at 1 / 2d a table


@FEW
def test_bad_arguments_are_named() -> None:
    P = sm.projections.gaussian_projection(4, 6, rng=0)
    cases: list[tuple[Callable[[], Any], str]] = [
        (
            lambda: L.HyperplaneHash(P, n_tables=4),
            r"HyperplaneHash: projection is Dense 6×4; its 6 rows must be a",
        ),
        (lambda: L.HyperplaneHash(P, n_tables=0), "HyperplaneHash: n_tables is 0"),
        (lambda: L.HyperplaneHash.random(4, n_hashes=0), "HyperplaneHash: n_hashes is 0"),
        (lambda: L.DHHash(P, np.zeros(5), 1.0), r"DHHash: offsets has shape \(5,\); expected \(6,\)"),
        (lambda: L.DHHash.random(4, width=0, n_hashes=2), "DHHash: width is 0"),
        (lambda: L.CrossPolytopeHash(P, 4), "its 6 rows must be a multiple of 4"),
        (lambda: L.CrossPolytopeHash(P, 0), "CrossPolytopeHash: vertices is 0"),
        (lambda: L.CrossPolytopeHash.random(5, n_hashes=1, vertices=9), "vertices is 9; expected at most n = 8"),
        (lambda: L.CrossPolytopeHash.random(0, n_hashes=1), "CrossPolytopeHash: d is 0"),
        (lambda: L.HashIndex(L.HyperplaneHash(P), np.zeros(4)), r"HashIndex: X has shape \(4,\); expected \(N, d\)"),
        (lambda: L.HashIndex(L.HyperplaneHash(P), np.zeros((3, 4))).query(np.zeros(4), 0), "HashIndex.query: k is 0"),
    ]
    for call, text in cases:
        with pytest.raises(ValueError, match=text):
            call()
