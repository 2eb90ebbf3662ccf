"""The estimators: all of scikit-learn's own checks, what they compute, and what they say when they can't."""

import pickle
import subprocess
import sys
import warnings
from functools import partial
from typing import Any

import numpy as np
import pytest
from backends import WITHOUT
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.random_projection import GaussianRandomProjection
from sklearn.utils.estimator_checks import estimator_checks_generator

import structmat as sm
from structmat.sklearn import (
    CirculantBinaryEmbedding,
    CirculantProjection,
    CirculantRidge,
    StructuredProjection,
    StructuredRFF,
)

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


def test_inverse_of_a_large_projection() -> None:
    """By iteration: the projection of the result is what was given, up to the tolerance."""
    X = data(2, 2000)
    fitted = CirculantProjection(200, random_state=2).fit(X)
    Y = fitted.transform(X)
    assert np.allclose(fitted.transform(fitted.inverse_transform(Y)), Y, atol=1e-8)


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


@pytest.mark.parametrize("make", TRANSFORMERS)
def test_many_rows_are_mapped_as_few_are(make: Any) -> None:
    """In blocks, whose borders can't be seen."""
    X = data(700, 1000, np.float32)
    fitted = make(random_state=6).fit(X)
    parts = np.concatenate([fitted.transform(X[i : i + 70]) for i in range(0, 700, 70)])
    whole = fitted.transform(X)
    assert whole.dtype == parts.dtype
    assert np.allclose(whole, parts, atol=1e-5)


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


def test_scale_of_constant_features() -> None:
    assert StructuredRFF(4, gamma="scale").fit(np.ones((5, 3))).gamma_ == 1
    X = data()
    assert StructuredRFF(4, gamma="scale").fit(X).gamma_ == pytest.approx(1 / (X.shape[1] * X.var()))
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
    ],
)
def test_messages(estimator: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        estimator.fit(data(), np.zeros(20))


def test_targets_of_a_wrong_shape() -> None:
    with pytest.raises(ValueError, match=r"y has shape \(20, 3\); expected \(20,\), or \(20, 10\)"):
        CirculantRidge().fit(data(), np.zeros((20, 3)))


def test_pipeline() -> None:
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(
        StructuredRFF(800, gamma="scale", random_state=0), LogisticRegression(C=100, max_iter=500)
    ).fit(X[:1000], y[:1000])
    linear = LogisticRegression(C=1e-2, max_iter=2000).fit(X[:1000], y[:1000])
    assert model.score(X[1000:], y[1000:]) > linear.score(X[1000:], y[1000:])
