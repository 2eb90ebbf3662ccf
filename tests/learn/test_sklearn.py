"""The estimators: all of scikit-learn's own checks, what they compute, and what they say when they can't."""

import math
import pickle
import subprocess
import sys
import tracemalloc
import warnings
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from backends import WITHOUT
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import DataConversionWarning, DataDimensionalityWarning, NotFittedError
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.random_projection import GaussianRandomProjection, johnson_lindenstrauss_min_dim
from sklearn.utils.estimator_checks import estimator_checks_generator

import structmat as sm
from structmat.sklearn import (
    CirculantBinaryEmbedding,
    CirculantProjection,
    CirculantRidge,
    StructuredProjection,
    StructuredRFF,
)

# of scikit-learn's checks some have few features, and components in plenty
pytestmark = [
    pytest.mark.filterwarnings("ignore:The number of components is higher than the number of features"),
    pytest.mark.filterwarnings("ignore:FourierFeatures. d is .; signs and Hadamard matrices:UserWarning"),
]

EPS32 = np.finfo(np.float32).eps
PROJECTIONS = ["circulant", "fastfood", "fjlt", "gaussian", "sorf", "srht", "toeplitz"]
KERNELS = ["circulant", "fastfood", "gaussian", "sorf", "toeplitz"]
ESTIMATORS = [
    CirculantProjection(),
    CirculantProjection(3, random_state=0),
    *(StructuredProjection(5, kind=kind) for kind in PROJECTIONS),
    *(StructuredRFF(7, kind=kind) for kind in KERNELS),
    StructuredRFF(gamma="scale"),
    CirculantBinaryEmbedding(),
    CirculantBinaryEmbedding(1, method="optimized"),
    CirculantRidge(),
]
TRANSFORMERS = [
    partial(CirculantProjection, 6),
    partial(StructuredProjection, 6, kind="srht"),
    partial(StructuredRFF, 6),
    partial(CirculantBinaryEmbedding, 6),
    partial(CirculantBinaryEmbedding, 6, method="optimized"),
]


def data(n: int = 20, d: int = 10, dtype: Any = np.float64) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((n, d)).astype(dtype)


@pytest.mark.parametrize(
    ("estimator", "check"),
    [
        pytest.param(one, check, id=f"{one}-{check.func.__name__}-{place}")
        for estimator in ESTIMATORS
        for place, (one, check) in enumerate(estimator_checks_generator(estimator))
        if "array_api" not in check.func.__name__  # see the next test
    ],
)
def test_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_checks_of_scikit_learn_on_other_arrays() -> None:
    """Its checks of the array API, which it makes only where SciPy's is on from the start."""
    code = f"""
import os, warnings
os.environ["SCIPY_ARRAY_API"] = "1"
from unittest import SkipTest
from sklearn.utils.estimator_checks import estimator_checks_generator
from structmat.sklearn import *
passed = set()
for estimator in {ESTIMATORS!r}:
    for one, check in estimator_checks_generator(estimator):
        if "array_api" in check.func.__name__:
            try:
                check(one)
            except SkipTest:
                continue
            passed.add((check.func.__name__, str(check.keywords.get("array_namespace"))))
print(sorted(passed))
"""
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    for library in ("numpy", "array_api_strict", *({"torch"} - WITHOUT)):
        assert f"('check_array_api_input', '{library}')" in ran.stdout
    assert "('check_array_api_same_namespace', 'array_api_strict')" in ran.stdout


@pytest.mark.skipif("torch" in WITHOUT, reason="STRUCTMAT_TEST_WITHOUT leaves torch out")
def test_values_on_torch_are_those_on_numpy() -> None:
    code = """
import os
os.environ["SCIPY_ARRAY_API"] = "1"
import numpy as np, torch, sklearn
from structmat.sklearn import *
X = np.random.default_rng(0).standard_normal((8, 12)).astype(np.float32)
with sklearn.config_context(array_api_dispatch=True):
    for estimator in (
        CirculantProjection(5, random_state=3),
        StructuredRFF(9, gamma="scale", random_state=3),
        CirculantBinaryEmbedding(5, method="optimized", random_state=3),
    ):
        wanted, found = estimator.fit_transform(X), estimator.fit_transform(torch.asarray(X))
        assert isinstance(found, torch.Tensor) and str(found.dtype).endswith(str(wanted.dtype)), found.dtype
        assert np.allclose(found.numpy(), wanted, atol=1e-5)
    fitted = CirculantProjection(5, random_state=3).fit(torch.asarray(X))
    Y = fitted.transform(torch.asarray(X))
    assert np.allclose(fitted.transform(fitted.inverse_transform(Y)), Y, atol=1e-4)
    ridge = CirculantRidge().fit(torch.asarray(X), X[:, 0])
    assert np.allclose(ridge.predict(torch.asarray(X)), CirculantRidge().fit(X, X[:, 0]).predict(X), atol=1e-5)
try:
    fitted.transform(X)
except ValueError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "passed to fit(): torch on cpu, not numpy on cpu." in ran.stdout


def test_imported_on_demand() -> None:
    code = "import sys, structmat as sm; print('sklearn' in sys.modules, sm.sklearn.StructuredRFF().n_components)"
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert ran.stdout.split() == ["False", "100"]
    with pytest.raises(AttributeError, match="module 'structmat' has no attribute 'nothing'"):
        _ = sm.nothing


@pytest.mark.parametrize("kind", PROJECTIONS)
@pytest.mark.parametrize("k", [3, 10, 25])
def test_projection_is_that_of_the_library(kind: str, k: int) -> None:
    X = data()
    fitted = StructuredProjection(k, kind=kind, random_state=1).fit(X)
    assert fitted.projection_.params == ()
    assert np.allclose(fitted.transform(X), X @ fitted.projection_.to_dense().T)
    drawn = StructuredProjection(k, kind=kind, random_state=1).fit(X).projection_
    assert np.array_equal(drawn.to_dense(), fitted.projection_.to_dense())


@pytest.mark.parametrize("kind", PROJECTIONS)
@pytest.mark.parametrize("k", [3, 10, 25])
def test_inverse_is_the_pseudoinverse(kind: str, k: int) -> None:
    X = data()
    fitted = StructuredProjection(k, kind=kind, random_state=1).fit(X)
    Y = np.random.default_rng(1).standard_normal((4, k))
    wanted = Y @ np.linalg.pinv(fitted.projection_.to_dense()).T
    assert np.allclose(fitted.inverse_transform(Y), wanted)
    with pytest.raises(ValueError, match=f"X has 2 features, but the projection has {k} components"):
        fitted.inverse_transform(Y[:, :2])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_inverse_of_a_large_projection(dtype: Any) -> None:
    """By iteration: the projection of the result is what was given, up to the tolerance; nothing warns."""
    X = data(2, 2000, dtype)
    fitted = CirculantProjection(200, random_state=2).fit(X)
    Y = fitted.transform(X)
    back = fitted.inverse_transform(Y)
    assert back.dtype == dtype
    sizes = np.linalg.norm(Y, axis=1)
    off = np.linalg.norm(fitted.transform(back) - Y, axis=1)
    assert np.all(off <= 4 * np.finfo(dtype).eps ** (2 / 3) * np.linalg.cond(fitted.components_) * sizes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", PROJECTIONS)
def test_inverse_that_is_written_out(kind: str, dtype: Any) -> None:
    X = data(dtype=dtype)
    options = {"kind": kind, "random_state": 1}
    fitted = StructuredProjection(4, compute_inverse_components=True, **options).fit(X)
    plain = StructuredProjection(4, **options).fit(X)
    assert fitted.n_components_ == 4
    assert fitted.components_.dtype == fitted.inverse_components_.dtype == dtype
    assert not hasattr(plain, "inverse_components_")
    close = {"rtol": 0, "atol": 100 * np.finfo(dtype).eps * np.linalg.cond(fitted.components_)}
    assert np.allclose(fitted.inverse_components_, np.linalg.pinv(fitted.components_.astype(float)), **close)
    Y = fitted.transform(X)
    assert np.allclose(fitted.inverse_transform(Y), plain.inverse_transform(Y), **close)
    assert not hasattr(fitted.set_params(compute_inverse_components=False).fit(X), "inverse_components_")


@pytest.mark.parametrize("make", TRANSFORMERS)
def test_seeds(make: Any) -> None:
    """As scikit-learn takes them: a number repeats, a RandomState goes on, None differs."""
    X = data(200, 20)
    first = make(random_state=4).fit_transform(X)
    assert np.array_equal(first, make(random_state=4).fit_transform(X))
    assert np.array_equal(first, make(random_state=np.random.RandomState(4)).fit_transform(X))
    going_on = np.random.RandomState(4)
    estimator = make(random_state=going_on)
    assert np.array_equal(estimator.fit_transform(X), first)
    assert not np.array_equal(estimator.fit_transform(X), first)
    fresh = make()
    assert not np.array_equal(fresh.fit_transform(X), fresh.fit_transform(X))


@pytest.mark.parametrize("make", TRANSFORMERS)
def test_pickled_and_cloned(make: Any) -> None:
    X = data()
    fitted = make(random_state=5).fit(X)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).transform(X), fitted.transform(X))
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(X)


@pytest.mark.parametrize(
    "path",
    [
        *(f"sklearn.{name}" for name in sm.sklearn.__all__),
        *(f"learn.features.{name}" for name in ("ArcCosineFeatures", "FourierFeatures")),
        *(f"learn.hashing.{name}" for name in ("CrossPolytopeHash", "DHHash", "HashIndex", "HyperplaneHash")),
    ],
)
def test_old_pickles_find_their_classes(path: str) -> None:
    """Earlier versions defined them in these modules, which are packages now."""
    module, _, name = f"structmat.{path}".rpartition(".")
    assert pickle.loads(f"c{module}\n{name}\n.".encode()).__name__ == name


@pytest.mark.parametrize("make", TRANSFORMERS)
def test_names_and_frames(make: Any) -> None:
    X = data()
    fitted = make().fit(X)
    names = [f"{type(fitted).__name__.lower()}{place}" for place in range(6)]
    assert list(fitted.get_feature_names_out()) == names
    pandas = pytest.importorskip("pandas", reason="frames need pandas")
    frame = fitted.set_output(transform="pandas").transform(X)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == names


def rounding(fitted: Any, X: np.ndarray) -> np.ndarray:
    """What single precision may change in products with `projection_`: two transforms, eps log2 of lengths each."""
    rows = np.linalg.norm(fitted.projection_.to(dtype="float64").to_dense(), axis=1)
    return 2 * EPS32 * math.log2(2 * X.shape[1]) * np.linalg.norm(X, axis=1)[:, None] * rows


def assert_as_near_as_rounded(fitted: Any, X: np.ndarray, found: np.ndarray, wanted: np.ndarray) -> None:
    """Products are off by their rounding, features by that of their arguments, and bits differ only near 0."""
    assert found.dtype == wanted.dtype
    off = rounding(fitted, X)
    if isinstance(fitted, StructuredRFF):
        slopes = math.sqrt(2 / found.shape[1]) * (off + EPS32)
        assert np.all(np.abs(found - wanted) <= np.hstack([slopes, slopes])[:, : found.shape[1]])
    elif isinstance(fitted, CirculantBinaryEmbedding):
        sure = np.abs(X.astype(float) @ fitted.projection_.to(dtype="float64").to_dense().T) >= off
        assert np.mean(sure) > 0.9
        assert np.array_equal(found[sure], wanted[sure])
    else:
        assert np.all(np.abs(found - wanted) <= off)


@pytest.mark.parametrize("make", TRANSFORMERS)
def test_many_rows_are_mapped_as_few_are(make: Any) -> None:
    """In blocks, whose borders can't be seen."""
    X = data(700, 1000, np.float32)
    fitted = make(random_state=6).fit(X)
    parts = np.concatenate([fitted.transform(X[i : i + 70]) for i in range(0, 700, 70)])
    assert_as_near_as_rounded(fitted, X, fitted.transform(X), parts)


SPARSE = [
    *(scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array),
    *(scipy.sparse.csr_matrix, scipy.sparse.csc_matrix, scipy.sparse.coo_matrix),
]


@pytest.mark.parametrize("form", SPARSE)
@pytest.mark.parametrize("make", TRANSFORMERS)
def test_sparse_rows_are_mapped_as_dense_ones(make: Any, form: Any) -> None:
    """Of one block, and of several; rows without any entry too."""
    for shape, dtype in (((7, 9), np.float64), ((700, 1000), np.float32)):
        X = data(*shape, dtype)
        X[np.random.default_rng(1).random(shape) < 0.9] = 0
        X[3] = 0
        dense, sparse = make(random_state=6).fit(X), make(random_state=6).fit(form(X))
        assert np.array_equal(dense.projection_.to_dense(), sparse.projection_.to_dense())
        found = sparse.transform(form(X))
        assert isinstance(found, np.ndarray)
        assert_as_near_as_rounded(dense, X, found, dense.transform(X))
        assert_as_near_as_rounded(dense, X, dense.transform(form(X)), found)


def test_sparse_rows_are_made_dense_some_at_a_time() -> None:
    """200 MB of zeros, in far less memory."""
    X = scipy.sparse.csr_array(([1.0, 2.0], ([3, 9999], [7, 2499])), shape=(10_000, 2500))
    for make in (CirculantProjection, partial(StructuredRFF, gamma="scale"), CirculantRidge):
        estimator = make() if make is CirculantRidge else make(4, random_state=0)
        tracemalloc.start()
        fitted = estimator.fit(X, np.arange(10_000.0))
        found = fitted.predict(X) if isinstance(fitted, CirculantRidge) else fitted.transform(X)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < X.shape[0] * X.shape[1] * 8
        few = [3, 9999, 5]
        dense = X.toarray()[few]
        wanted = fitted.predict(dense) if isinstance(fitted, CirculantRidge) else fitted.transform(dense)
        assert np.allclose(found[few], wanted, rtol=0, atol=1e-12 * max(1, np.max(np.abs(wanted))))


@pytest.mark.parametrize("form", SPARSE)
def test_sparse_projections_come_back(form: Any) -> None:
    X = data()
    fitted = CirculantProjection(6, random_state=1).fit(X)
    Y = np.where(data(5, 6) > 0, data(5, 6), 0)
    assert np.allclose(fitted.inverse_transform(form(Y)), fitted.inverse_transform(Y), rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("kind", "d"), [*((kind, 30) for kind in KERNELS), ("circulant", 1), ("fastfood", 1), ("gaussian", 1)]
)
def test_features_approximate_the_kernel(kind: str, d: int) -> None:
    """Five standard errors of at most √(2/n)."""
    X, gamma, n = data(12, d), 0.5 / d, 3000
    z = StructuredRFF(n, gamma=gamma, kind=kind, random_state=7).fit_transform(X)
    assert np.max(np.abs(z @ z.T - rbf_kernel(X, gamma=gamma))) < 5 * np.sqrt(2 / n)


@pytest.mark.parametrize("mapped", [np.float32, np.float64])
@pytest.mark.parametrize("fitted", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("ours", "theirs"), [(CirculantProjection, GaussianRandomProjection), (StructuredRFF, RBFSampler)]
)
def test_dtypes_are_those_of_scikit_learn(ours: Any, theirs: Any, fitted: Any, mapped: Any) -> None:
    X, Z = data(dtype=fitted), data(dtype=mapped)
    got, wanted = (one(n_components=4, random_state=0).fit(X).transform(Z).dtype for one in (ours, theirs))
    assert got == wanted == np.result_type(fitted, mapped)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [1.0, 0.1, -0.7, 1 / 3, 1e-40, 1e30, 0.0])
@pytest.mark.parametrize("shape", [(10, 3), (1, 1), (7, 1), (1, 5), (2000, 3)])
def test_scale_of_constant_data(shape: tuple[int, int], value: float, dtype: Any) -> None:
    """Whatever the mean of many equal numbers is rounded to."""
    for X in (np.full(shape, value, dtype), scipy.sparse.csr_array(np.full(shape, value, dtype))):
        assert StructuredRFF(4, gamma="scale").fit(X).gamma_ == 1


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scale_is_that_of_exact_arithmetic(dtype: Any, form: Any) -> None:
    """In fractions, for data of any size, of a large mean, and that differ in one bit of one entry."""
    Z = data(10, 3)
    one_bit = np.full((10, 3), 0.1, dtype)
    one_bit[2, 1] = np.nextafter(one_bit[2, 1], dtype(1))
    sizes = (1.0, 1e-25, 1e19, 1e20) if dtype is np.float32 else (1.0, 1e-150, 1e150)
    for X in (one_bit, (100 + Z).astype(dtype), *((Z * size).astype(dtype) for size in sizes)):
        entries = [Fraction(float(x)) for x in X.ravel()]
        mean = sum(entries) / len(entries)
        wanted = 1 / (3 * sum((x - mean) ** 2 for x in entries) / len(entries))
        found = Fraction(StructuredRFF(4, gamma="scale", random_state=0).fit(form(X)).gamma_)
        assert abs(found - wanted) <= 64 * Fraction(np.finfo(float).eps) * wanted


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_scale_out_of_range(size: float) -> None:
    with pytest.raises(ValueError, match=r"gamma is 'scale' and X runs from .* over- or underflows; scale X, or give"):
        StructuredRFF(4, gamma="scale").fit(size * data())


def test_features_of_constant_data() -> None:
    constant = CirculantProjection(4).fit_transform(np.ones((5, 3)))
    assert np.all(constant == constant[0])


def test_codes() -> None:
    X = data(30, 12)
    for method in ("random", "optimized"):
        fitted = CirculantBinaryEmbedding(9, method=method, random_state=8).fit(X)
        codes = fitted.transform(X)
        assert np.array_equal(codes, X @ fitted.projection_.to_dense().T >= 0)
        assert np.array_equal(np.packbits(codes, axis=1), sm.learn.encode(fitted.projection_, X))
    neighbours = make_pipeline(CirculantBinaryEmbedding(256, random_state=0), KNeighborsClassifier(metric="hamming"))
    images, labels = load_digits(return_X_y=True)
    images -= images.mean(axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn says that Hamming distances are of booleans
        assert neighbours.fit(images[:1000], labels[:1000]).score(images[1000:], labels[1000:]) > 0.9


def shifts(x: np.ndarray) -> np.ndarray:
    return np.stack([np.roll(x, s) for s in range(len(x))])


@pytest.mark.parametrize("alpha", [0.1, 10])
def test_ridge_is_that_of_all_shifts(alpha: float) -> None:
    X, Y = data(4, 7), np.random.default_rng(9).standard_normal((4, 7))
    matrix = np.concatenate([shifts(x) for x in X])
    fitted = CirculantRidge(alpha).fit(X, Y)
    wanted = np.linalg.solve(matrix.T @ matrix + alpha * np.eye(7), matrix.T @ Y.ravel())
    assert np.allclose(fitted.coef_, wanted)
    assert np.allclose(fitted.predict(X), (matrix @ wanted).reshape(4, 7))
    assert fitted.score(X, Y) <= 1
    one = CirculantRidge(alpha).fit(X, Y[:, 0])
    peaks = np.concatenate([Y[:, :1], np.zeros((4, 6))], axis=1)
    assert np.allclose(one.coef_, np.linalg.solve(matrix.T @ matrix + alpha * np.eye(7), matrix.T @ peaks.ravel()))
    assert np.allclose(one.predict(X), X @ one.coef_)
    assert CirculantRidge().fit(X.astype(np.float32), Y[:, 0]).coef_.dtype == np.float32


@pytest.mark.parametrize("form", [np.asarray, *SPARSE])
@pytest.mark.parametrize("shifted", [False, True])
def test_ridge_with_weights_is_that_of_repeated_samples(shifted: bool, form: Any) -> None:
    X, Y = np.where(data(6, 5) > 0, data(6, 5), 0), np.random.default_rng(9).standard_normal((6, 5))
    y, repeated = (Y if shifted else Y[:, 0]), [2, 0, 1, 1, 3, 1]
    fitted = CirculantRidge(0.3).fit(form(X), y, sample_weight=np.asarray(repeated, float))
    wanted = CirculantRidge(0.3).fit(np.repeat(X, repeated, 0), np.repeat(y, repeated, 0))
    assert np.allclose(fitted.coef_, wanted.coef_, rtol=0, atol=1e-12)
    assert np.allclose(fitted.predict(form(X)), wanted.predict(X), rtol=0, atol=1e-12)
    score = wanted.score(np.repeat(X, repeated, 0), np.repeat(y, repeated, 0))
    assert math.isclose(fitted.score(form(X), y, sample_weight=repeated), score, rel_tol=1e-9, abs_tol=1e-12)
    twice = CirculantRidge(0.6).fit(form(X), y, sample_weight=2)
    assert np.allclose(twice.coef_, CirculantRidge(0.3).fit(X, y).coef_, rtol=0, atol=1e-12)


def test_ridge_of_one_feature() -> None:
    """A column of targets has one shift each; a vector has the same filter, and predicts a vector."""
    X, y = data(9, 1), data(9, 2)[:, 1]
    column, vector = CirculantRidge(0.5).fit(X, y[:, None]), CirculantRidge(0.5).fit(X, y)
    wanted = X[:, 0] @ y / (X[:, 0] @ X[:, 0] + 0.5)
    for fitted in (column, vector):
        assert np.allclose(fitted.coef_, [wanted], rtol=1e-14)
    assert column.predict(X).shape == (9, 1)
    assert vector.predict(X).shape == (9,)
    with pytest.warns(DataConversionWarning):
        wide = CirculantRidge().fit(data(9, 3), y[:, None])
    assert wide.predict(data(9, 3)).shape == (9,)


def test_ridge_of_many_samples_in_single_precision() -> None:
    """Of a large mean: coefficients as in double precision on the same data, rounded once."""
    rng = np.random.default_rng(10)
    X = (100 + 0.1 * rng.standard_normal((20_000, 16))).astype(np.float32)
    Y = sm.learn.cyclic_scores(rng.standard_normal(16), X.astype(float)).astype(np.float32)
    single = CirculantRidge(1.0).fit(X, Y).coef_
    double = CirculantRidge(1.0).fit(X.astype(float), Y.astype(float)).coef_
    assert np.all(np.abs(single - double) <= EPS32 * np.abs(double) + 1e-9 * np.max(np.abs(double)))


@pytest.mark.parametrize("estimator", [CirculantProjection, partial(StructuredProjection, kind="srht")])
def test_components_by_johnson_and_lindenstrauss(estimator: Any) -> None:
    X = data(20, 1000)
    for eps in (0.3, 0.5, 0.9):
        wanted = johnson_lindenstrauss_min_dim(20, eps=eps)
        for options in ({"n_components": "auto", "eps": eps}, {"eps": eps}):
            fitted = estimator(random_state=0, **options).fit(X)
            assert fitted.n_components_ == wanted == fitted.transform(X).shape[1]
            assert fitted.get_params()["n_components"] == options.get("n_components")
    assert estimator().fit(X[:, :9]).n_components_ == 9
    assert estimator(5, eps=0.5).fit(X).n_components_ == 5
    with pytest.warns(DataDimensionalityWarning, match="number of components is higher than the number of features: 9"):
        estimator(9).fit(X[:, :5])
    for options, message in (
        ({"n_components": "auto"}, "eps=0.100000 and n_samples=20 lead to a target dimension of 2567 which is larger"),
        ({"n_components": "most"}, "n_components is 'most'; expected an int, 'auto' or None"),
        ({"eps": 0}, "eps == 0, must be > 0"),
        ({"eps": 1.5}, "eps == 1.5, must be < 1"),
    ):
        with pytest.raises(ValueError, match=message):
            estimator(**options).fit(X)
    with pytest.raises(ValueError, match="n_samples=1 lead to a target dimension of 0 which is invalid"):
        estimator("auto").fit(X[:1])


@pytest.mark.parametrize(
    ("estimator", "error", "message"),
    [
        (CirculantProjection(0), ValueError, "n_components == 0, must be >= 1"),
        (CirculantProjection(2.5), TypeError, "n_components must be an instance of int"),
        (StructuredRFF(0), ValueError, "n_components == 0, must be >= 1"),
        (CirculantBinaryEmbedding(11, method="optimized"), ValueError, "n_components == 11, must be <= 10"),
        (CirculantBinaryEmbedding(method="best"), ValueError, "method is 'best'; expected 'random' or 'optimized'"),
        (
            StructuredProjection(3, kind="dct"),
            ValueError,
            "StructuredProjection: kind is 'dct'; expected one of 'circulant', .*, 'sorf', 'srht', 'toeplitz'",
        ),
        (StructuredRFF(3, kind="srht"), ValueError, "kind is 'srht'; expected one of 'circulant', 'fastfood', 'gau"),
        (StructuredRFF(gamma=0), ValueError, "gamma == 0, must be > 0"),
        (StructuredRFF(gamma=-1.0), ValueError, r"gamma == -1.0, must be > 0"),
        (StructuredRFF(gamma=np.inf), ValueError, "gamma is inf; expected a finite number of more than 0"),
        (StructuredRFF(gamma="auto"), ValueError, "gamma is 'auto'; expected a number or 'scale'"),
        (CirculantRidge(-1), ValueError, "alpha == -1, must be >= 0"),
        (CirculantRidge(np.inf), ValueError, "alpha == inf, must be < inf"),
    ],
)
def test_messages(estimator: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        estimator.fit(data(), np.zeros(20))


def test_targets_of_a_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"y has shape \(20, 3\); expected \(20,\), or \(20, 10\)"):
        CirculantRidge().fit(data(), np.zeros((20, 3)))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (-np.ones(20), "CirculantRidge: sample_weight has an entry that is negative"),
        (np.zeros(20), "CirculantRidge: sample_weight is zero throughout"),
        (np.ones(3), r"CirculantRidge: sample_weight has shape \(3,\); expected \(20,\), or \(\) for all"),
        (np.full(20, np.nan), "sample_weight contains NaN"),
    ],
)
def test_weights_that_ridge_refuses(weights: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CirculantRidge().fit(data(), np.zeros(20), sample_weight=weights)


def test_pipeline() -> None:
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(
        StructuredRFF(800, gamma="scale", random_state=0), LogisticRegression(C=100, max_iter=500)
    ).fit(X[:1000], y[:1000])
    linear = LogisticRegression(C=1e-2, max_iter=2000).fit(X[:1000], y[:1000])
    assert model.score(X[1000:], y[1000:]) > linear.score(X[1000:], y[1000:])
