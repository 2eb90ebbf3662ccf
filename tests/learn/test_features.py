"""Random features hold kernels on average; compact maps learn their projection; the training loop."""

import functools
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.integrate
from backends import ALL, Backend, library
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

import structmat as sm
from structmat._backend import devices
from structmat.learn.training import Adam, cross_entropy, train

L = sm.learn
KINDS = ["circulant", "fastfood", "gaussian", "sorf", "toeplitz"]
MAKERS: dict[str, Callable[..., Any]] = {
    "fourier": functools.partial(L.FourierFeatures.random, gamma=0.3),
    "steps": functools.partial(L.ArcCosineFeatures.random, order=0),
    "relu": functools.partial(L.ArcCosineFeatures.random, order=1),
}


def pairwise_gaussian(x: np.ndarray, y: np.ndarray | None = None, *, gamma: float) -> np.ndarray:
    """exp(-γ ‖x - y‖²) of all pairs of rows."""
    return np.exp(-gamma * cdist(x, x if y is None else y, "sqeuclidean"))


def dense_features(name: str, features: Any, x: np.ndarray) -> np.ndarray:
    """The definitions, on the dense matrix of the projection."""
    y, n = x @ features.projection.to_dense().T, features.n_features
    if name == "fourier":
        if n % 2:
            y[:, -1] += features.phase[-1]
        return np.sqrt(2 / n) * np.hstack([np.cos(y), np.sin(y)])[:, :n]
    return np.sqrt(2 / n) * (y > 0) * (y if name == "relu" else 1)


def arc_cosine(theta: float, order: int) -> float:
    """2 E[Θ(w·x) Θ(w·y) (w·x)^p (w·y)^p] for unit vectors, by quadrature over the angle of w in their plane."""

    def integrand(t: float) -> float:
        a, b = np.cos(t), np.cos(t - theta)
        return float((a > 0) * (b > 0) * (a * b) ** order)

    radial = 2.0 if order else 1.0  # E r^(2 p) of a Gaussian in the plane
    total = scipy.integrate.quad(integrand, theta - np.pi / 2, np.pi / 2)[0]
    return 2 * radial * total / (2 * np.pi)


@pytest.mark.filterwarnings("ignore:.*d is 6; signs and Hadamard matrices:UserWarning")
@pytest.mark.parametrize("n", [1, 7, 12, 40])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MAKERS)
def test_features_are_those_of_the_dense_matrix(name: str, kind: str, n: int) -> None:
    x = np.random.default_rng(0).standard_normal((5, 6))
    features = MAKERS[name](6, n, kind=kind, rng=1)
    z = features(x)
    assert z.shape == (5, n) == (5, features.n_features)
    assert np.allclose(z, dense_features(name, features, x), atol=1e-13)
    assert np.allclose(features(x.reshape(5, 1, 6))[:, 0], z, atol=1e-13)
    if name == "fourier" and n % 2 == 0:
        assert np.allclose(np.sum(z * z, axis=1), 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [16, 17])
def test_fourier_features_are_unbiased(kind: str, n: int) -> None:
    """Means over draws, within five standard errors. SORF's rows are not Gaussian; its bias falls as 1/d."""
    rng, d, draws = np.random.default_rng(0), 24, 1500
    x = rng.standard_normal((4, d))
    gamma = 0.5 / d
    values = np.stack(
        [(z := L.FourierFeatures.random(d, n, gamma=gamma, kind=kind, rng=rng)(x)) @ z.T for _ in range(draws)]
    )
    off = np.abs(values.mean(axis=0) - pairwise_gaussian(x, gamma=gamma))
    bias = 0.25 / d if kind == "sorf" else 0
    assert np.all(off <= 5 * values.std(axis=0) / np.sqrt(draws) + bias + 1e-12)


@pytest.mark.parametrize(("d", "most"), [(2, 1.0), (4, 0.91), (8, 0.46), (9, 1 / 9), (32, 1 / 32)])
def test_bias_of_orthogonal_rows(d: int, most: float) -> None:
    """What the documentation says of it, along an axis, a diagonal and a random line; it warns where it is not small.

    Over all products of 1,000 draws; the mean of the rows of one is 1 at most, so five standard errors are 5 / √1000.
    """
    rng = np.random.default_rng(6)
    lines = np.stack([np.eye(d)[0], np.eye(d)[0] + np.eye(d)[1], rng.standard_normal(d)])
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    t = np.linspace(0.25, 4, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draws = [L.FourierFeatures.random(d, 2 * d, gamma=0.5, kind="sorf", rng=rng) for _ in range(1000)]
    products = np.stack([draw.projection.matvec(lines) for draw in draws])
    means = np.asarray([np.cos(s * products).mean(axis=(0, 2)) for s in t])
    bias = np.max(np.abs(means - np.exp(-(t[:, None] ** 2) / 2)))
    assert bias < most + 5 / np.sqrt(1000)
    for make in (functools.partial(L.FourierFeatures.random, gamma=1.0), L.ArcCosineFeatures.random):
        if d > 8:
            make(d, 4, kind="sorf", rng=0)
        else:
            assert bias > 0.3
            with pytest.warns(UserWarning, match=f"Features: d is {d}; .* so that products of features are biased"):
                make(d, 4, kind="sorf", rng=0)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("kind", ["circulant", "fastfood", "gaussian", "toeplitz"])
def test_arc_cosine_features_are_unbiased(kind: str, order: int) -> None:
    rng, d, draws = np.random.default_rng(1), 24, 1500
    x = rng.standard_normal((4, d))
    values = np.stack(
        [(z := L.ArcCosineFeatures.random(d, 16, order=order, kind=kind, rng=rng)(x)) @ z.T for _ in range(draws)]
    )
    off = np.abs(values.mean(axis=0) - L.arc_cosine_kernel(x, x, order=order))
    assert np.all(off <= 5 * values.std(axis=0) / np.sqrt(draws) + 1e-12)


@pytest.mark.parametrize(("kind", "least", "most"), [("gaussian", 0, 0), ("circulant", 1, 1), ("toeplitz", 0.8, 1)])
def test_error_is_that_of_theory(kind: str, least: float, most: float) -> None:
    """Variance (1 - K²)² / n of pairs, and for circulants K² (2 ln K)² / n more, from rows that share numbers.

    A Toeplitz matrix of 8 d rows has most of it, as distant rows share nothing. Over 40 draws of 190 pairs the relative
    error of a root mean square is some percents.
    """
    rng, d, n = np.random.default_rng(2), 64, 1024
    x = rng.standard_normal((20, d))
    gamma = 0.5 / d
    exact = pairwise_gaussian(x, gamma=gamma)
    base, more = np.mean((1 - exact**2) ** 2), np.mean((2 * exact * np.log(exact)) ** 2)
    draws = [L.FourierFeatures.random(d, n, gamma=gamma, kind=kind, rng=rng)(x) for _ in range(40)]
    error = np.sqrt(n * np.mean([(z @ z.T - exact) ** 2 for z in draws]))
    assert 0.92 * np.sqrt(base + least * more) < error < 1.08 * np.sqrt(base + most * more)


@pytest.mark.parametrize("kind", KINDS)
def test_error_falls_as_the_root_of_the_number(kind: str) -> None:
    """Sixteen times the features, a quarter of the error; orthogonal rows have the least, others √2 times at most."""
    rng, d = np.random.default_rng(2), 64
    x = rng.standard_normal((20, d))
    gamma = 0.5 / d
    exact = pairwise_gaussian(x, gamma=gamma)
    gaussian = np.sqrt(np.mean((1 - exact**2) ** 2))
    errors = []
    for n in (128, 2048):
        draws = [L.FourierFeatures.random(d, n, gamma=gamma, kind=kind, rng=rng)(x) for _ in range(40)]
        errors.append(np.sqrt(n * np.mean([(z @ z.T - exact) ** 2 for z in draws])))
    assert 0.85 < errors[1] / errors[0] < 1.15
    assert max(errors) < (1 if kind == "sorf" else 1.5) * gaussian


@pytest.mark.parametrize("order", [0, 1])
def test_arc_cosine_kernel_by_quadrature(order: int) -> None:
    angles = np.asarray([0.0, 0.4, np.pi / 2, 2.5, np.pi])
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    wanted = [arc_cosine(theta, order) for theta in angles]
    assert np.allclose(L.arc_cosine_kernel(x[:1], x, order=order)[0], wanted, atol=1e-7)
    scaled = L.arc_cosine_kernel(3 * x[:1], 2 * x, order=order)[0]
    assert np.allclose(scaled, 6**order * np.asarray(wanted), atol=1e-7)


def test_gaussian_kernel() -> None:
    x, y = np.random.default_rng(3).standard_normal((2, 5, 7))
    assert np.allclose(L.gaussian_kernel(x, y[:3], gamma=0.2), pairwise_gaussian(x, y[:3], gamma=0.2))
    assert np.all(L.gaussian_kernel(1e3 * x, 1e3 * x, gamma=1.0) <= 1)


def test_gaussian_kernel_far_from_zero() -> None:
    """Single precision holds differences there, of which the kernel is one, but not squared lengths."""
    x, y = (1e4 + np.random.default_rng(3).standard_normal((2, 5, 7))).astype(np.float32)
    K = L.gaussian_kernel(x, y, gamma=0.2)
    assert K.dtype == np.float32
    # squared distances below 100 off by 30 eps of them, times gamma, is the relative error
    assert np.allclose(K, pairwise_gaussian(x.astype(float), y.astype(float), gamma=0.2), rtol=1e-4)
    assert np.allclose(np.diag(L.gaussian_kernel(x, x, gamma=0.2)), 1, rtol=0, atol=1e-5)


def test_gaussian_kernel_of_stacks_and_of_nothing() -> None:
    x, y = np.random.default_rng(3).standard_normal((2, 3, 5, 7))
    for one, K in zip(x, L.gaussian_kernel(x, y[0], gamma=0.2), strict=True):
        assert np.allclose(K, pairwise_gaussian(one, y[0], gamma=0.2))
    for one, K in zip(y, L.gaussian_kernel(x[0], y, gamma=0.2), strict=True):
        assert np.allclose(K, pairwise_gaussian(x[0], one, gamma=0.2))
    assert L.gaussian_kernel(x[0], y[0, :0], gamma=0.2).shape == (5, 0)


@pytest.mark.parametrize("kernel", [functools.partial(L.gaussian_kernel, gamma=0.5), L.arc_cosine_kernel])
@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (
            np.ones(3),
            np.ones((2, 3)),
            ValueError,
            r"_kernel: x has shape \(3,\), y \(2, 3\); expected",
        ),
        (np.ones((2, 3)), np.ones((2, 4)), ValueError, r"x has shape \(2, 3\), y \(2, 4\)"),
        (np.ones((2, 3)), [[1.0]], TypeError, "y is a list; expected an array"),
        (np.ones((2, 3), dtype=int), np.ones((2, 3)), TypeError, "x has dtype int64"),
        (np.ones((2, 3)), np.ones((2, 3)) + 0j, TypeError, "y is complex; expected real vectors"),
    ],
)
def test_vectors_that_kernels_refuse(kernel: Any, x: Any, y: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kernel(x, y)


@pytest.mark.parametrize("gamma", [-1, 0.0, np.nan, np.inf])
def test_gaussian_kernels_of_no_width(gamma: float) -> None:
    with pytest.raises(ValueError, match=f"gaussian_kernel: gamma is {gamma}; expected a finite number of more than 0"):
        L.gaussian_kernel(np.ones((2, 3)), np.ones((2, 3)), gamma=gamma)


@given(name=st.sampled_from(sorted(MAKERS)), d=st.integers(1, 9), n=st.integers(1, 20), seed=st.integers(0, 99))
def test_gradients_are_those_of_a_difference(name: str, d: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = MAKERS[name](d, n, rng=rng)
    x, dx = rng.standard_normal((2, 3, d))
    g = rng.standard_normal((3, n))
    z, saved = features.forward(x)
    assert np.allclose(z, features(x), atol=1e-12)
    grad_x, grads = features.backward(saved, g)
    steps = [rng.standard_normal(p.shape) for p in features.params]
    slope = np.sum(grad_x * dx) + sum(np.sum(a * b) for a, b in zip(grads, steps, strict=True))
    if name == "steps":
        assert slope == 0
        return
    h = 1e-6

    def moved(t: float) -> float:
        params = [p + t * q for p, q in zip(features.params, steps, strict=True)]
        return float(np.sum(g * features.with_params(params)(x + t * dx)))

    size = np.linalg.norm(g) * (1 + sum(map(np.linalg.norm, steps))) * np.linalg.norm(dx) * (1 + np.linalg.norm(x))
    bend = name == "relu" and np.any(np.abs(features.projection.matvec(x)) < 1e-4)  # no gradient to compare with
    assert bend or abs((moved(h) - moved(-h)) / (2 * h) - slope) < 1e-6 * max(size, 1)


@pytest.mark.parametrize("backend", ALL, ids=repr)
@pytest.mark.parametrize("name", MAKERS)
def test_one_seed_gives_the_same_features_everywhere(name: str, backend: Backend) -> None:
    x = np.random.default_rng(4).standard_normal((2, 5)).astype(np.float32)
    options = {"dtype": "float32", "rng": 4}
    wanted = MAKERS[name](5, 9, **options)(x)
    z = MAKERS[name](5, 9, xp=backend.xp, device=backend.device, **options)(backend.asarray(x))
    assert wanted.dtype == devices.to_host(z).dtype == np.float32
    assert np.allclose(devices.to_host(z), wanted, atol=1e-5)


def test_messages() -> None:
    with pytest.raises(ValueError, match="kind is 'srht'; expected one of 'circulant', 'fastfood'"):
        L.FourierFeatures.random(4, 4, gamma=1.0, kind="srht")
    for gamma in (0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match="gamma is"):
            L.FourierFeatures.random(4, 4, gamma=gamma)
    for gamma, dtype in ((1e80, "float32"), (1e-80, "float32"), (1e10, "float16")):
        with pytest.raises(ValueError, match=re.escape(f"gamma is {gamma}, whose square root {dtype} does")):
            L.FourierFeatures.random(4, 4, gamma=gamma, dtype=dtype)
    with pytest.raises(ValueError, match="n_features"):
        L.FourierFeatures.random(4, 0, gamma=1.0)
    with pytest.raises(ValueError, match=r"phase has shape \(3,\); expected \(4,\)"):
        L.FourierFeatures(sm.identity(4), np.zeros(3))
    for call in (
        lambda: L.ArcCosineFeatures.random(4, 4, order=2),
        lambda: L.arc_cosine_kernel(np.eye(2), np.eye(2), order=2),
    ):
        with pytest.raises(ValueError, match="order is 2; expected 0 or 1"):
            call()
    X, labels = np.zeros((3, 2)), np.asarray([0, 1, -1])
    with pytest.raises(ValueError, match="a label is negative"):
        L.CompactMap.fit(X, labels, 4, gamma=1.0)
    with pytest.raises(ValueError, match=r"labels \(2,\)"):
        L.CompactMap.fit(X, labels[:2], 4, gamma=1.0)
    with pytest.raises(ValueError, match="epochs"):
        L.CompactMap.fit(X, labels + 1, 4, gamma=1.0, epochs=0)


def digits(dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray, float]:
    """Scikit-learn's digits, centred, and a γ by the median of squared distances."""
    X, labels = library("sklearn.datasets").load_digits(return_X_y=True)
    X = (X / 16 - np.mean(X / 16, axis=0)).astype(dtype)
    distances = -np.log(pairwise_gaussian(X[:300], gamma=1.0))
    return X, labels, float(1 / np.median(distances))


@pytest.mark.parametrize("n", [11, 20])
def test_gradient_of_a_compact_map(n: int) -> None:
    """Along a random direction in all parameters, against a central difference."""
    rng = np.random.default_rng(5)
    X, labels, gamma = digits(np.float64)
    model = L.CompactMap.fit(X[:200], labels[:200], n, gamma=gamma, epochs=1, ridge=0.1, rng=rng)
    X, labels = X[:50], labels[:50]
    loss, grads = model.loss_and_gradients(X, labels)
    scores = model(X)
    right = scores[np.arange(50), labels]
    penalty = 0.05 * np.sum(model.weights**2)
    assert loss == pytest.approx(np.mean(np.log(np.sum(np.exp(scores), axis=1)) - right) + penalty)
    steps = [rng.standard_normal(p.shape) for p in model.params]
    assert [g.shape for g in grads] == [p.shape for p in model.params]
    ends = [
        model.with_params([p + s * 1e-6 * q for p, q in zip(model.params, steps, strict=True)]).loss_and_gradients(
            X, labels
        )[0]
        for s in (1, -1)
    ]
    slope = sum(np.sum(a * b) for a, b in zip(grads, steps, strict=True))
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=1e-6)


def test_learned_features_beat_random_ones() -> None:
    """On digits, 40 features, over four splits: the learned map errs less than the random one with any classifier."""
    X, labels, gamma = digits()
    classifier = library("sklearn.linear_model").LogisticRegression
    learned, same_way, best = [], [], []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(X))
        (x, test), (y, true) = np.split(X[order], [1000]), np.split(labels[order], [1000])
        options = {"gamma": gamma, "rng": seed, "rate": 0.02, "epochs": 30}
        model, fixed = (L.CompactMap.fit(x, y, 40, learn=learn, **options) for learn in (True, False))
        assert model.params[0].dtype == np.float32
        assert len(fixed.params) == 2
        assert model.loss_and_gradients(x, y)[0] < fixed.loss_and_gradients(x, y)[0]
        learned.append(np.mean(model.predict(test) != true))
        same_way.append(np.mean(fixed.predict(test) != true))
        found = [
            classifier(C=C, max_iter=2000).fit(fixed.features(x), y).score(fixed.features(test), true) for C in (1, 100)
        ]
        best.append(1 - max(found))
    assert np.mean(learned) < 0.8 * min(np.mean(same_way), np.mean(best))


@pytest.mark.parametrize("backend", [b for b in ALL if "float64" in b.dtypes], ids=repr)
def test_compact_maps_train_everywhere(backend: Backend) -> None:
    X, labels, gamma = digits(np.float64)
    X, labels = X[:60], labels[:60]
    options = {"gamma": gamma, "epochs": 2, "batch": 20, "rng": 6}
    wanted = L.CompactMap.fit(X, labels, 9, **options)
    found = L.CompactMap.fit(backend.asarray(X), backend.asarray(labels), 9, **options)
    for a, b in zip(found.params, wanted.params, strict=True):
        assert np.allclose(devices.to_host(a), b, atol=1e-9)
    assert np.array_equal(devices.to_host(found.predict(backend.asarray(X))), wanted.predict(X))


def test_adam_takes_its_first_steps() -> None:
    """The first step of Adam is the rate, against the sign of the gradient, whatever the gradient's size."""
    p = [np.zeros(3, np.float32)]
    (moved,) = Adam(p).step(p, [np.asarray([1e-3, -1, 1e3], np.float32)], 0.5)
    assert np.allclose(moved, [-0.5, 0.5, -0.5], rtol=1e-3)
    assert moved.dtype == np.float32


def test_cross_entropy_of_large_scores() -> None:
    loss, g = cross_entropy(np.asarray([[1e4, 0.0], [0.0, 0.0]]), np.asarray([1, 0]))
    assert loss == pytest.approx((1e4 + np.log(2)) / 2)
    assert np.allclose(g, [[0.5, -0.5], [-0.25, 0.25]])


@pytest.mark.parametrize("batch", [1, 3, 10, 99])
def test_every_vector_is_seen_once_an_epoch(batch: int) -> None:
    """A model that counts."""
    seen: list[np.ndarray] = []

    class Counter:
        params = ()

        def with_params(self, params: Any) -> Any:
            return self

        def loss_and_gradients(self, x: np.ndarray, labels: np.ndarray) -> Any:
            assert np.array_equal(x[:, 0], labels)
            seen.append(labels)
            return float(len(labels)), ()

    epochs = list(train(Counter(), np.arange(10.0)[:, None], np.arange(10), epochs=2, batch=batch, rate=1.0, rng=0))
    assert len(epochs) == 2
    assert len(seen) == 2 * max(1, 10 // batch)
    assert np.array_equal(np.sort(np.concatenate(seen)), np.repeat(np.arange(10), 2))
