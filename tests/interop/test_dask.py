"""Dask arrays: operators multiply their chunks, one task each, and nothing is computed before it is asked for."""

import pickle
import runpy
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import WITHOUT, library

import structmat as sm
from structmat.core import OPERATORS

dask = library("dask")
da = library("dask.array")

ROOT = Path(__file__).parents[2]
NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))
N, ROWS = 12, (2, 2, 1)  # the sizes of the chunks along the batch


@pytest.fixture(autouse=True)
def in_this_thread() -> Iterator[None]:
    with dask.config.set(scheduler="synchronous"):
        yield


def example(name: str, dtype: str = "float64") -> sm.LinearOperator:
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return OPERATORS[name].example(N, rng).to(dtype=dtype)


def draw(seed: int, shape: tuple[int, ...], dtype: str = "float64") -> np.ndarray:
    rng = np.random.default_rng(seed)
    host = rng.standard_normal(shape)
    return (host + 1j * rng.standard_normal(shape) if "complex" in dtype else host).astype(dtype)


def lazy(x: np.ndarray, axis: int = 0) -> Any:
    """The array in chunks along one axis."""
    return da.from_array(x, chunks={each: ROWS if each == axis else -1 for each in range(x.ndim)})


def by_chunk(function: Callable[..., Any], *arrays: np.ndarray, axis: int = 0) -> list[Any]:
    """The results of NumPy for each chunk."""
    ends = np.cumsum(ROWS)[:-1]
    return [function(*parts) for parts in zip(*(np.split(x, ends, axis=axis) for x in arrays), strict=True)]


def assert_equal(got: Any, wanted: np.ndarray) -> None:
    """A lazy array has the shape, dtype and library that it announces, and given entries, bit by bit."""
    assert isinstance(got, da.Array)
    entries = got.compute()
    assert type(entries) is type(got._meta) is np.ndarray
    assert got.shape == entries.shape == wanted.shape
    assert got.dtype == got._meta.dtype == entries.dtype == wanted.dtype
    np.testing.assert_array_equal(entries, wanted)


# ---------------------------------------------------------------------- products and gradients


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("name", NAMES)
def test_every_operator(name: str, dtype: str) -> None:
    """The products of NumPy with each chunk, and the sums of their gradients."""
    A = example(name, dtype)
    x, g = draw(0, (5, A.n), dtype), draw(1, (5, A.m), dtype)
    assert_equal(A.matvec(lazy(x)), np.concatenate(by_chunk(A.matvec, x)))
    assert_equal(A.rmatvec(lazy(g)), np.concatenate(by_chunk(A.rmatvec, g)))
    dx, grads = A.vjp(lazy(x), lazy(g))
    shares = by_chunk(A.vjp, x, g)
    assert_equal(dx, np.concatenate([each for each, _ in shares]))
    assert len(grads) == len(A.params)
    for place, grad in enumerate(grads):
        first, second, third = (share[place] for _, share in shares)
        assert_equal(grad, first + second + third)


@pytest.mark.parametrize("name", ["Circulant", "DCT", "Restriction", "SignFlip"])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_dtypes_of_vectors(name: str, dtype: str) -> None:
    """A real operator in double precision, and operators without numbers, of vectors of other dtypes."""
    A, x = example(name), draw(0, (5, N), dtype)
    assert_equal(A.matvec(lazy(x)), np.concatenate(by_chunk(A.matvec, x)))
    g = draw(1, (5, A.m), dtype)
    dx, _ = A.vjp(lazy(x), lazy(g))
    assert dx.dtype == dx.compute().dtype == dtype


@pytest.fixture
def A() -> sm.LinearOperator:
    """A product of three factors, from 12 to 5 entries."""
    return sm.projections.circulant_projection(N, 5, rng=0)


def test_columns_of_matrices(A: sm.LinearOperator) -> None:
    X, Y = draw(0, (N, 5)), draw(1, (A.m, 5))
    for product in (A.matmat, A.__matmul__, lambda Z: A @ Z):
        assert_equal(product(lazy(X, 1)), np.concatenate(by_chunk(A.matmat, X, axis=1), axis=1))
    assert A.matmat(lazy(X, 1)).chunks == ((5,), ROWS)
    assert_equal(A.rmatmat(lazy(Y, 1)), np.concatenate(by_chunk(A.rmatmat, Y, axis=1), axis=1))
    assert_equal(A(lazy(X.T.copy())), np.concatenate(by_chunk(A.matvec, X.T)))
    assert_equal(lazy(Y.T.copy()) @ A, np.concatenate(by_chunk(A.T.matvec, Y.T)))


def test_batches_of_several_axes_and_of_none(A: sm.LinearOperator) -> None:
    x, g = draw(0, (4, 3, N)), draw(1, (4, 3, 5))
    lazy_x, lazy_g = da.from_array(x, chunks=(3, 2, -1)), da.from_array(g, chunks=(3, 2, -1))
    y = A.matvec(lazy_x)
    assert y.chunks == ((3, 1), (2, 1), (5,))
    bound = 30 * np.finfo(float).eps * np.linalg.norm(A.to_dense(), 2) * np.linalg.norm(x)
    assert np.linalg.norm(y.compute() - A.matvec(x)) <= bound
    wanted, (column,) = A.vjp(x, g)
    dx, (grad,) = A.vjp(lazy_x, lazy_g)
    assert dx.chunks == lazy_x.chunks
    assert np.linalg.norm(dx.compute() - wanted) <= bound * np.linalg.norm(g) / np.linalg.norm(x)
    assert np.linalg.norm(grad.compute() - column) <= 30 * np.finfo(float).eps * np.linalg.norm(x) * np.linalg.norm(g)
    assert_equal(A.matvec(da.from_array(x[0, 0])), A.matvec(x[0, 0]))
    assert_equal(A @ da.from_array(x[0, 0]), A @ x[0, 0])
    dx, (grad,) = A.vjp(da.from_array(x[0, 0]), da.from_array(g[0, 0]))
    assert_equal(dx, A.vjp(x[0, 0], g[0, 0])[0])
    assert_equal(grad, A.vjp(x[0, 0], g[0, 0])[1][0])


def test_batches_without_vectors(A: sm.LinearOperator) -> None:
    x, g = np.empty((0, N)), np.empty((0, 5))
    assert_equal(A.matvec(da.from_array(x)), g)
    dx, (grad,) = A.vjp(da.from_array(x), da.from_array(g))
    assert_equal(dx, x)
    assert_equal(grad, np.zeros(N))


def test_unknown_sizes_of_chunks(A: sm.LinearOperator) -> None:
    x, g = draw(0, (5, N)), draw(1, (5, 5))
    kept = np.asarray([True, False, False, False, True])  # none of the second chunk
    some_x, some_g = (lazy(each)[da.from_array(kept, chunks=(ROWS,))] for each in (x, g))
    some_g = pickle.loads(pickle.dumps(some_g))  # its NaNs are other objects
    assert np.isnan(some_x.shape[0])
    y = A.matvec(some_x)
    assert y.shape[1] == 5
    np.testing.assert_array_equal(y.compute(), np.concatenate([A.matvec(x[:1]), A.matvec(x[4:])]))
    dx, (grad,) = A.vjp(some_x, some_g)
    np.testing.assert_array_equal(dx.compute(), np.concatenate([A.rmatvec(g[:1]), A.rmatvec(g[4:])]))
    shares = [A.vjp(x[i : i + 1], g[i : i + 1])[1][0] for i in (0, 4)]
    np.testing.assert_array_equal(grad.compute(), shares[0] + shares[1])


def test_chunk_size_bounds_what_a_task_multiplies_at_a_time() -> None:
    sizes = []

    def product(x: np.ndarray) -> np.ndarray:
        sizes.append(x.shape[:-1])
        return x

    A = sm.FunctionOperator((4, 4), product, product)
    x = da.ones((4, 4), chunks=(2, -1))
    assert_equal(A.matvec(x, chunk_size=1), np.ones((4, 4)))
    assert sizes == [(1,)] * 4


# ---------------------------------------------------------------------- graphs


def test_nothing_is_computed_for_a_graph(A: sm.LinearOperator) -> None:
    def fail(_: np.ndarray) -> np.ndarray:
        raise ArithmeticError("of the chunk")

    x = da.ones((4, N), chunks=(2, -1)).map_blocks(fail, dtype=float, meta=np.empty((0, 0)))
    results = [A.matvec(x), A @ x.T, A.H.rmatvec(x), A.vjp(x, A.matvec(x))[0], *A.vjp(x, A.matvec(x))[1]]
    assert not any(part._cache for part in A.parts)
    for result in results:
        with pytest.raises(ArithmeticError, match=r"^of the chunk$"):  # as it was raised
            result.compute()


def test_two_tasks_a_chunk_and_one_for_the_operator(A: sm.LinearOperator) -> None:
    x = da.ones((32, N), chunks=(1, -1))
    for result in (A.matvec(x), A @ x.T):
        (planned,) = dask.optimize(result)
        assert len(planned.__dask_graph__()) <= 2 * 32 + 1


def test_gradients_are_summed_as_a_tree() -> None:
    A, x = sm.Circulant(np.arange(4.0)), np.arange(400.0).reshape(100, 4)  # integers: sums are exact in any order
    chunks = da.from_array(x, chunks=(1, -1))
    dx, (grad,) = A.vjp(chunks, chunks)
    assert_equal(grad, A.vjp(x, x)[1][0])
    graph = dict(grad.__dask_graph__())
    depth: dict[Any, int] = {}
    for key in dask.core.toposort(graph):
        depth[key] = 1 + max((depth[each] for each in dask.core.get_dependencies(graph, key)), default=0)
    assert max(depth.values()) < 12  # ⌈log₈ 100⌉ = 3 levels of sums
    np.testing.assert_array_equal(dask.compute(dx, grad)[0], A.rmatvec(x))


def test_equal_operators_have_equal_tokens(A: sm.LinearOperator) -> None:
    equal, other = (sm.projections.circulant_projection(N, 5, rng=seed) for seed in (0, 1))
    token = dask.base.tokenize(A, ensure_deterministic=True)
    A.matvec(np.ones(N))  # derived values are no part of an operator
    assert A.H.H is A
    x = da.ones((4, N), chunks=(2, -1))
    for same in (A, equal, pickle.loads(pickle.dumps(A))):
        assert dask.base.tokenize(same, ensure_deterministic=True) == token
        assert same.matvec(x).name == A.matvec(x).name
    assert len({A.matvec(x).name, other.matvec(x).name, A.H.rmatvec(x).name, A.freeze().matvec(x).name}) == 4


@pytest.mark.parametrize("name", NAMES)
def test_operators_say_their_size(name: str) -> None:
    A = example(name)
    assert sys.getsizeof(A) >= object.__sizeof__(A) + A.nbytes
    assert dask.sizeof.sizeof(A) == sys.getsizeof(A)
    assert sys.getsizeof(A @ A.H) >= A.nbytes


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda A, x, g: A.matvec(x.rechunk({1: 5})),
            r"\.matvec: x has 3 chunks along its last axis; expected one, as of x\.rechunk\(\{-1: -1\}\)",
        ),
        (lambda A, x, g: A.rmatvec(g.rechunk({1: 3})), r"\.rmatvec: g has 2 chunks along its last axis"),
        (
            lambda A, x, g: A @ x.rechunk({1: 5}).T,
            r"\.matmat: X has 3 chunks along its second to last axis; .* X\.rechunk\(\{-2: -1\}\)",
        ),
        (lambda A, x, g: A.vjp(x, g.rechunk({1: 3})), r"\.vjp: g has 2 chunks along its last axis"),
        (
            lambda A, x, g: A.vjp(x, g.rechunk({0: 4})),
            r"\.vjp: g has shape \(5, 5\) and is divided otherwise than x .* as x: \(\(2, 2, 1\),\), not \(\(4, 1\),\)",
        ),
        (
            lambda A, x, g: A.vjp(x, g[0]),
            r"\.vjp: g has shape \(5,\) and is divided otherwise than x .* shape \(5, 5\)",
        ),
        (lambda A, x, g: A.matvec(x[:, :7]), r"\.matvec: x has shape \(5, 7\); its last axis must be n = 12"),
        (
            lambda A, x, g: A.matvec(x[:, x[0] > 0]),
            r"x has shape \(5, nan\); its last axis must be n = 12.* x\.compute_chunk_sizes\(\) finds it",
        ),
        (lambda A, x, g: A.matvec(x, chunk_size=0), r"chunk_size is 0; expected a positive int"),
    ],
)
def test_sizes_and_chunks_that_do_not_fit(A: sm.LinearOperator, call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(A, lazy(draw(0, (5, N))), lazy(draw(1, (5, 5))))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda A, x: A.matvec(x.astype(int)), r"x has dtype int64; expected a real or complex floating dtype"),
        (lambda A, x: A.matvec(x.astype(object)), r"x has dtype object; expected a real or complex floating dtype"),
        (
            lambda A, x: A.matvec(da.ma.masked_less(x, 0)),
            r"matvec: x is a Dask array of MaskedArray; expected an array",
        ),
        (lambda A, x: A.matvec(dask.delayed(1)), r"matvec: x is a Delayed\w*; expected an array of NumPy"),
        (lambda A, x: A.matvec(x, out=np.empty((5, 5))), r"out is a ndarray and x a divided Array, .* expected no out"),
        (lambda A, x: A.matvec(x, out=x), r"out is a Array and x a divided Array, .* expected no out"),
        (
            lambda A, x: A.vjp(x, np.ones((5, 5))),
            r"vjp: x is an array of dask, g of numpy; expected two of one library",
        ),
        (lambda A, x: A.forward(x), r"forward: x is a Dask array; .* take Dask arrays are matvec, .* vjp\."),
        (sm.linalg.lstsq, r"lstsq: b is a Dask array; expected its entries, b\.compute\(\)"),
        (lambda A, x: sm.DCT(N).forward(x), r"forward: x is a Dask array"),
        (
            lambda A, x: A.to(xp="array_api_strict").matvec(x),
            r"x is an array of numpy, the operator's are of array_api_strict; convert one",
        ),
    ],
)
def test_arguments_of_other_kinds(A: sm.LinearOperator, call: Callable[..., Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(A, lazy(draw(0, (5, N))))


def test_chunks_of_another_library_than_the_array_says(A: sm.LinearOperator) -> None:
    strict = library("array_api_strict")
    x = da.ones((2, N)).map_blocks(strict.asarray, dtype=float, meta=np.empty((0, 0)))
    with pytest.raises(TypeError, match=r"x is an array of array_api_strict, the operator's are of numpy"):
        A.matvec(x).compute()


HOLDERS: dict[str, Callable[[sm.LinearOperator, Path], object]] = {
    "to-module": lambda A, path: A.to(xp=da),
    "to-first": lambda A, path: A.to(da),
    "to-name": lambda A, path: A.to("dask.array"),
    "load-module": lambda A, path: sm.load(path, xp=da),
    "load-name": lambda A, path: sm.load(path, xp="dask.array"),
    "projection": lambda A, path: sm.projections.circulant_projection(N, 5, rng=0, xp=da),
    "fastfood": lambda A, path: sm.projections.fastfood(N, 5, rng=0, xp="dask.array"),
    "random": lambda A, path: sm.SignFlip.random(N, rng=0, xp=da),
    "parameter": lambda A, path: sm.Circulant(da.ones(4)),
    "two-parameters": lambda A, path: sm.Toeplitz(da.ones(4), da.ones(4)),
    "permutation": lambda A, path: sm.Permutation(da.arange(4)),
    "signs": lambda A, path: sm.SignFlip(da.ones(4)),
    "index": lambda A, path: sm.Restriction(4, da.arange(2)),
    "matrix": lambda A, path: sm.aslinearoperator(da.ones((4, 4))),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_operators_hold_no_dask_arrays(A: sm.LinearOperator, name: str, tmp_path: Path) -> None:
    path = tmp_path / "projection.safetensors"
    sm.save(path, A)
    with pytest.raises(TypeError, match=r"operators hold no lazy arrays, .* pass the Dask array as x, A\.matvec\(x\)"):
        HOLDERS[name](A, path)


# ---------------------------------------------------------------------- recipes


@pytest.mark.filterwarnings("ignore::DeprecationWarning:dask")  # its calls of zarr
def test_recipe_for_zarr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zarr = library("zarr")
    x, paths = draw(0, (10, 600)), [str(tmp_path / name) for name in ("source", "target")]
    zarr.create_array(paths[0], data=x, chunks=(4, 100))
    monkeypatch.setattr(sys, "argv", ["dask_zarr.py", *paths])
    runpy.run_path(str(ROOT / "docs/recipes/dask_zarr.py"))
    P = sm.projections.circulant_projection(600, 512, rng=0)
    parts = [P.matvec(x[start : start + 4]) for start in (0, 4, 8)]
    np.testing.assert_array_equal(zarr.open_array(paths[1], mode="r")[:], np.concatenate(parts))


# ---------------------------------------------------------------------- estimators


@pytest.mark.skipif("sklearn" in WITHOUT, reason="STRUCTMAT_TEST_WITHOUT leaves sklearn out")
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
@pytest.mark.parametrize("name", ["CirculantProjection", "StructuredRFF", "CirculantBinaryEmbedding"])
def test_estimators_transform_chunks(name: str, dtype: str) -> None:
    X = (10 * draw(0, (5, 16))).astype(dtype)
    estimator = getattr(library("structmat.sklearn"), name)(8, random_state=0).fit(X)
    Y, wanted = estimator.transform(lazy(X)), by_chunk(estimator.transform, X)
    assert_equal(Y, np.concatenate(wanted))
    assert Y.chunks == (ROWS, wanted[0].shape[1:])
    some = lazy(X)[da.from_array(np.arange(5) < 2, chunks=(ROWS,))]  # of unknown sizes, two of them zero
    np.testing.assert_array_equal(estimator.transform(some).compute(), wanted[0])
    late = estimator.transform(lazy(X))
    estimator.set_params(random_state=1).fit(X)
    np.testing.assert_array_equal(late.compute(), np.concatenate(wanted))


@pytest.mark.skipif("sklearn" in WITHOUT, reason="STRUCTMAT_TEST_WITHOUT leaves sklearn out")
def test_estimators_refuse_what_they_refuse_of_numpy() -> None:
    estimator = library("structmat.sklearn").CirculantProjection(8, random_state=0).fit(draw(0, (5, 16)))
    with pytest.raises(ValueError, match="X has 15 features, but CirculantProjection is expecting 16"):
        estimator.transform(da.ones((4, 15)))
    with pytest.raises(ValueError, match=r"Expected 2D array, got 1D array"):
        estimator.transform(da.ones(16))
    with pytest.raises(ValueError, match=r"X has 2 chunks along its features; .* X\.rechunk\(\{-1: -1\}\)"):
        estimator.transform(da.ones((4, 16), chunks=(2, 8)))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        estimator.transform(da.full((4, 16), np.nan)).compute()
