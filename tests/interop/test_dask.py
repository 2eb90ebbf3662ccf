"""Dask arrays: operators multiply each block of a batch, and nothing is computed before it is asked for."""

from typing import Any

import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat.core import OPERATORS

da = library("dask.array")
dask = library("dask")

Array = np.ndarray[Any, Any]

EXAMPLES = list(OPERATORS)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    with dask.config.set(scheduler="synchronous"):
        yield


def normal(rng: np.random.Generator, *shape: int, complex: bool = False) -> Array:
    parts = rng.standard_normal((2, *shape))
    return np.asarray(parts[0] + 1j * parts[1] if complex else parts[0])


def example(name: str, n: int = 6) -> sm.LinearOperator:
    return OPERATORS[name].example(n, np.random.default_rng(0))


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("name", EXAMPLES)
def test_every_operator(name: str, is_complex: bool) -> None:
    A, rng = example(name), np.random.default_rng(1)
    x, g = normal(rng, 5, A.n, complex=is_complex), normal(rng, 5, A.m, complex=is_complex)
    X, G = da.from_array(x, chunks=(2, -1)), da.from_array(g, chunks=(2, -1))
    for call, lazy, plain in ((A.matvec, X, x), (A.rmatvec, G, g), (A, X, x)):
        planned, y = call(lazy), np.concatenate([call(part) for part in np.split(plain, [2, 4])])
        assert (planned.shape, planned.dtype, planned.chunks) == (y.shape, y.dtype, ((2, 2, 1), y.shape[1:]))
        np.testing.assert_array_equal(planned.compute(), y)
    dx, grads = A.vjp(X, G)
    parts = [A.vjp(*part) for part in zip(np.split(x, [2, 4]), np.split(g, [2, 4]), strict=True)]
    assert (dx.dtype, dx.chunks) == (x.dtype, X.chunks)
    np.testing.assert_array_equal(dx.compute(), np.concatenate([part for part, _ in parts]))
    assert len(grads) == len(A.params)
    for grad, param, each in zip(grads, A.params, zip(*[grads for _, grads in parts], strict=True), strict=True):
        assert (grad.shape, grad.dtype) == (param.shape, param.dtype)
        np.testing.assert_array_equal(grad.compute(), each[0] + each[1] + each[2])


@pytest.fixture
def A() -> sm.LinearOperator:
    return sm.projections.circulant_projection(12, 5, rng=0)


def test_matrices_and_batches_of_several_axes(A: sm.LinearOperator) -> None:
    x = normal(np.random.default_rng(0), 3, 4, 12)
    X = da.from_array(x, chunks=(2, 3, -1))
    assert A.matvec(X).chunks == ((2, 1), (3, 1), (5,))
    np.testing.assert_allclose(A.matvec(X).compute(), A.matvec(x), rtol=1e-13)
    columns = da.from_array(x.swapaxes(1, 2), chunks=(2, -1, 3))
    for Y in (A @ columns, A.matmat(columns), A.H.rmatmat(columns)):
        assert Y.chunks == ((2, 1), (5,), (3, 1))
        np.testing.assert_allclose(Y.compute(), A.matvec(x).swapaxes(1, 2), rtol=1e-13)
    vector = da.from_array(x[0, 0])
    for y in (A @ vector, A.matvec(vector)):
        assert y.chunks == ((5,),)
        np.testing.assert_allclose(y.compute(), A.matvec(x[0, 0]), rtol=1e-13)
    left = normal(np.random.default_rng(1), 4, 5)
    np.testing.assert_allclose((da.from_array(left, chunks=(2, -1)) @ A).compute(), left @ A.to_dense(), rtol=1e-12)


def test_gradients_are_summed_as_a_tree() -> None:
    column, x, g = (np.arange(k, k + 8.0) for k in range(3))  # integers, whose sums are exact in any order
    A = sm.Circulant(column)
    X, G = (np.tile(v, (100, 1)) for v in (x, g))
    dx, (grad,) = A.vjp(*(da.from_array(v, chunks=(1, -1)) for v in (X, G)))
    np.testing.assert_allclose(grad.compute(), A.vjp(X, G)[1][0], rtol=1e-14)
    depth: dict[Any, int] = {}
    graph = dict(grad.__dask_graph__())
    for key in dask.core.toposort(graph):
        depth[key] = 1 + max((depth[other] for other in dask.core.get_dependencies(graph, key)), default=0)
    assert max(depth.values()) <= 10
    shared = dask.compute(dx, grad)
    np.testing.assert_array_equal(shared[0], A.H.matvec(G))


def test_batches_without_vectors(A: sm.LinearOperator) -> None:
    X, G = da.zeros((0, 12)), da.zeros((0, 5))
    assert A.matvec(X).compute().shape == (0, 5)
    dx, grads = A.vjp(X, G)
    assert dx.compute().shape == (0, 12)
    assert [grad.compute().tolist() for grad in grads] == [np.zeros(param.shape).tolist() for param in A.params]


def test_unknown_numbers_of_vectors(A: sm.LinearOperator) -> None:
    x = normal(np.random.default_rng(0), 9, 12)
    X = da.from_array(x, chunks=(4, -1))
    chosen = X[X[:, 0] > 0]
    np.testing.assert_allclose(A.matvec(chosen).compute(), A.matvec(x[x[:, 0] > 0]), rtol=1e-13)
    dx, grads = A.vjp(chosen, A.matvec(chosen))
    expected = A.vjp(x[x[:, 0] > 0], A.matvec(x[x[:, 0] > 0]))
    np.testing.assert_allclose(dx.compute(), expected[0], rtol=1e-12)
    np.testing.assert_allclose(grads[0].compute(), expected[1][0], rtol=1e-12)
    with pytest.raises(ValueError, match=r"x has shape \(12, nan\); its last axis must be n = 12. Its size is unknown"):
        A.matvec(chosen.T)


def test_nothing_is_computed_before_it_is_asked_for(A: sm.LinearOperator) -> None:
    def fail(block: Array) -> Array:
        raise RuntimeError("a block was computed")

    X = da.ones((4, 12), chunks=(2, -1)).map_blocks(fail, dtype=float, meta=np.empty((0, 0)))
    planned = [A.matvec(X), A @ X.T, *A.vjp(X, A.matvec(X))[1]]
    for plan in planned:
        with pytest.raises(RuntimeError, match=r"^a block was computed$"):
            plan.compute()


def test_one_operator_for_all_blocks_and_equal_operators(A: sm.LinearOperator) -> None:
    X = da.ones((64, 12), chunks=(1, -1))
    graph = dict(dask.optimize(A.matvec(X))[0].__dask_graph__())
    assert len(graph) <= 2 * 64 + 1
    equal = sm.projections.circulant_projection(12, 5, rng=0)
    other = sm.projections.circulant_projection(12, 5, rng=1)
    A.matvec(np.ones(12))  # keeps a spectrum
    assert A.matvec(X).name == equal.matvec(X).name != other.matvec(X).name
    assert A.rmatvec(da.ones((2, 5))).name != A.matvec(X).name


def test_operators_tell_their_size() -> None:
    small, large = sm.Circulant(np.ones(4)), sm.Circulant(np.ones(100_000))
    assert large.__sizeof__() - small.__sizeof__() == large.nbytes - small.nbytes
    assert dask.sizeof.sizeof(large) >= large.nbytes


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_precision(dtype: str) -> None:
    A = sm.Circulant(np.arange(8, dtype="float32"))
    y = A.matvec(da.ones((4, 8), chunks=(2, -1), dtype=dtype))
    assert y.dtype == y.compute().dtype == dtype


def test_chunks_across_vectors_are_refused(A: sm.LinearOperator) -> None:
    X, G = da.ones((4, 12), chunks=(2, 8)), da.ones((4, 5), chunks=(2, 4))
    with pytest.raises(
        ValueError, match=r"matvec: x has the chunks \(8, 4\) along its last axis; .*x\.rechunk\({-1: -1}\)"
    ):
        A.matvec(X)
    with pytest.raises(ValueError, match=r"rmatvec: g has the chunks \(4, 1\) along its last axis"):
        A.rmatvec(G)
    with pytest.raises(
        ValueError, match=r"matmat: X has the chunks .* along its second to last axis; .*X\.rechunk\({-2: -1}\)"
    ):
        A @ X.T
    with pytest.raises(ValueError, match=r"vjp: g has the chunks"):
        A.vjp(X.rechunk({-1: -1}), G)
    with pytest.raises(ValueError, match=r"x has the chunks \(\(2, 2\),\) along its batch, g has the chunks"):
        A.vjp(da.ones((4, 12), chunks=(2, -1)), da.ones((4, 5), chunks=(3, -1)))


def test_what_has_no_lazy_form_is_refused(A: sm.LinearOperator) -> None:
    X = da.ones((4, 12), chunks=(2, -1))
    with pytest.raises(TypeError, match=r"forward: x is a lazy array; expected one with values, or A\.vjp"):
        A.forward(X)
    with pytest.raises(ValueError, match=r"x has the chunks \(\(2, 2\),\) along its batch, g has no parts"):
        A.vjp(X, np.ones((4, 5)))
    with pytest.raises(TypeError, match=r"matvec: out is a ndarray .* expected no out"):
        A.matvec(X, out=np.empty((4, 5)))
    with pytest.raises(TypeError, match="x has dtype object; expected a real or complex floating dtype"):
        A.matvec(X.astype(object))
    with pytest.raises(TypeError, match="x has dtype int64; expected a real or complex floating dtype"):
        A.matvec(X.astype(int))


def test_blocks_that_are_no_arrays_are_refused(A: sm.LinearOperator) -> None:
    X = da.ma.masked_greater(da.ones((4, 12), chunks=(2, -1)), 2)
    with pytest.raises(TypeError, match="matvec: x is a MaskedArray; expected an array of NumPy"):
        A.matvec(X)


def test_blocks_of_another_library_are_refused(A: sm.LinearOperator) -> None:
    of_torch = A.to(xp=library("torch"))
    with pytest.raises(TypeError, match="x is an array of numpy, the operator's are of torch"):
        of_torch.matvec(da.ones((4, 12), chunks=(2, -1)))


LAZY = {
    "Circulant": sm.Circulant,
    "Toeplitz": lambda c: sm.Toeplitz(c, c),
    "Diagonal": sm.Diagonal,
    "Dense": lambda c: sm.Dense(c[:, None]),
    "Permutation": lambda c: sm.Permutation(c.astype(int)),
}


@pytest.mark.parametrize("name", LAZY)
def test_lazy_parameters_are_refused(name: str) -> None:
    with pytest.raises(
        TypeError, match=rf"^{name}: \w+ is a lazy Array; expected an array with values: operators multiply"
    ):
        LAZY[name](da.ones(4))


def test_lazy_libraries_are_refused(tmp_path: Any, A: sm.LinearOperator) -> None:
    sm.save(tmp_path / "a.safetensors", A)
    for make in (
        lambda: A.to(xp=da),
        lambda: A.to("dask.array"),
        lambda: sm.load(tmp_path / "a.safetensors", xp=da),
        lambda: sm.projections.circulant_projection(12, 5, rng=0, xp=da),
    ):
        with pytest.raises(
            TypeError, match=r"xp is dask\.array, whose arrays have no values yet; expected the library of"
        ):
            make()


@pytest.mark.parametrize("name", ["CirculantProjection", "StructuredRFF", "CirculantBinaryEmbedding"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64"])
def test_estimators(name: str, dtype: str) -> None:
    estimators = library("structmat.sklearn")
    x = (10 * normal(np.random.default_rng(0), 20, 16)).astype(dtype)
    X = da.from_array(x, chunks=(6, -1))
    estimator = getattr(estimators, name)(8, random_state=0).fit(x)
    planned, expected = (
        estimator.transform(X),
        np.concatenate([estimator.transform(x[k : k + 6]) for k in (0, 6, 12, 18)]),
    )
    assert (planned.dtype, planned.chunks) == (expected.dtype, ((6, 6, 6, 2), expected.shape[1:]))
    np.testing.assert_array_equal(planned.compute(), expected)
    with pytest.raises(ValueError, match="X has 15 features, but"):
        estimator.transform(X[:, :15])
    with pytest.raises(ValueError, match=r"X has the chunks \(10, 6\) along its features"):
        estimator.transform(X.rechunk({-1: 10}))
