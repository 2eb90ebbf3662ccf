"""Layers for Equinox: sizes, initial values, gradients, ensembles and training."""

import operator
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from backends import library

import structmat as sm

jax = library("jax")
jnp = library("jax.numpy")
eqx = library("equinox")
filter_jit = eqx.filter_jit
nn = library("structmat.nn.equinox")

KEY = 0  # of every layer that needs just one


def dense(d: int, k: int, weights: Any, signs: Any) -> np.ndarray:
    """The matrix of a circulant layer by SciPy's circulants: one, a stack of them, or blocks, cut to k × d."""
    blocks = np.asarray(weights).reshape((1, 1, d) if np.ndim(weights) == 1 else np.shape(weights))
    whole = np.block([[scipy.linalg.circulant(column) for column in row] for row in blocks])
    return whole[:k, :d] * (1 if signs is None else np.asarray(signs))


@pytest.mark.parametrize(
    ("sizes", "name", "shape", "signs"),
    [
        ((7, 5, None), "column", (7,), True),
        ((5, 7, None), "blocks", (2, 1, 5), True),
        ((7, 5, 3), "blocks", (2, 3, 3), False),
    ],
)
def test_the_matrix(sizes: tuple, name: str, shape: tuple, signs: bool) -> None:
    d, k, block_size = sizes
    layer = nn.CirculantLinear(d, k, block_size=block_size, signs=signs, dtype="float64", key=jax.random.key(KEY))
    assert layer.arrays[name].shape == shape
    assert set(layer.arrays) == ({name, "signs"} if signs else {name})
    wanted = dense(d, k, layer.arrays[name], layer.arrays.get("signs"))
    x = np.random.default_rng(0).standard_normal((2, 3, d))
    matrix, *products = filter_jit(lambda layer, x: (layer.to_dense(), layer(x), jax.vmap(jax.vmap(layer))(x)))(
        layer, x
    )
    np.testing.assert_allclose(matrix, wanted, atol=1e-12)
    for y in products:
        np.testing.assert_allclose(y, x @ wanted.T + np.asarray(layer.bias), atol=1e-12)


def test_initial_values_are_those_of_a_dense_layer() -> None:
    """Variance 1/(3 d): of 4,096 Gaussians the sample variance is off by 5 σ = 5 √(2/4096) with probability 6e-7."""
    d = 4096
    make = filter_jit(lambda key: nn.CirculantLinear(d, d, key=key))
    layer = make(jax.random.key(KEY))
    assert float(jnp.var(layer.arrays["column"])) * 3 * d == pytest.approx(1, abs=5 * (2 / d) ** 0.5)
    assert abs(int(layer.arrays["signs"].astype(int).sum())) < 5 * d**0.5
    assert set(np.unique(layer.arrays["signs"])) == {-1, 1}
    assert 0.99 / d**0.5 < float(jnp.max(jnp.abs(layer.bias))) <= 1 / d**0.5
    assert eqx.tree_equal(layer, make(jax.random.key(KEY)))
    assert not jnp.any(layer.arrays["column"] == make(jax.random.key(1)).arrays["column"])


def test_ensembles_and_sequences() -> None:
    """Keys may be traced: an ensemble is drawn by vmap, and a layer is described without being drawn."""
    keys = jax.random.split(jax.random.key(KEY), 3)
    make = lambda key: nn.CirculantLinear(6, 6, key=key)  # noqa: E731
    ensemble = filter_jit(eqx.filter_vmap(make))(keys)
    assert ensemble.arrays["column"].shape == (3, 6)
    x = jnp.ones(6)
    y = filter_jit(eqx.filter_vmap(lambda layer, x: layer(x), in_axes=(eqx.if_array(0), None)))(ensemble, x)
    first, second = (jax.tree.map(operator.itemgetter(place), ensemble) for place in (0, 1))
    np.testing.assert_allclose(y[1], filter_jit(second)(x), rtol=1e-5, atol=1e-6)
    assert eqx.filter_eval_shape(make, keys[0]).arrays["column"].shape == (6,)
    sequence = eqx.nn.Sequential([first, eqx.nn.Lambda(jax.nn.relu), second])
    np.testing.assert_allclose(filter_jit(sequence)(x), filter_jit(second)(jax.nn.relu(y[0])), rtol=1e-5, atol=1e-6)


def test_training_and_frozen_layers(tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((64, 8)))
    wanted = x @ jnp.asarray(scipy.linalg.circulant(rng.standard_normal(8)))

    @filter_jit
    def step(layer: Any) -> Any:
        loss, slope = eqx.filter_value_and_grad(lambda layer: jnp.mean((layer(x) - wanted) ** 2))(layer)
        return loss, slope, eqx.apply_updates(layer, jax.tree.map(lambda grad: -0.5 * grad, slope))

    layer = nn.CirculantLinear(8, 8, signs=False, dtype="float64", key=jax.random.key(KEY))
    losses = []
    for _ in range(30):
        loss, _, layer = step(layer)
        losses.append(float(loss))
    assert losses[-1] < 1e-3 * losses[0]
    eqx.tree_serialise_leaves(tmp_path / "layer.eqx", layer)
    again = nn.CirculantLinear(8, 8, signs=False, dtype="float64", key=jax.random.key(9))
    assert eqx.tree_equal(eqx.tree_deserialise_leaves(tmp_path / "layer.eqx", again), layer)

    fixed = nn.CirculantLinear(8, 8, signs=False, learn=False, dtype="float64", key=jax.random.key(KEY))
    loss, slope, _ = step(fixed)
    assert loss == losses[0]
    assert not slope.arrays["column"].any()
    assert slope.bias.any()


def test_any_operator_and_tied_parameters() -> None:
    """C C^H is quadratic in its one column, which is one array of the layer."""
    C = sm.Circulant(jnp.asarray([1.0, 2.0, 3.0, 4.0]))
    layer = nn.StructuredLinear(C @ sm.Diagonal(jnp.ones(4)) @ C.H, use_bias=False)
    assert list(layer.arrays) == ["column_0", "entries"]
    x = jnp.asarray([1.0, 0.0, 2.0, -1.0])
    slope = filter_jit(eqx.filter_grad(lambda layer: jnp.sum(layer(x) ** 2)))(layer)

    def direct(column: Any) -> Any:
        M = jnp.stack([jnp.roll(column, shift) for shift in range(4)], axis=1)
        return jnp.sum((M @ M.T @ x) ** 2)

    np.testing.assert_allclose(slope.arrays["column_0"], jax.jit(jax.grad(direct))(C.column), rtol=1e-10)
    parameter_free = nn.StructuredLinear(sm.Hadamard(4), key=jax.random.key(KEY))
    assert parameter_free.bias.dtype == jnp.float64
    assert nn.StructuredLinear(sm.Circulant(1j * C.column), key=jax.random.key(KEY)).bias.dtype == jnp.float64


def test_what_is_refused() -> None:
    key = jax.random.key(KEY)
    for arguments, error, message in [
        ({"in_features": 0}, ValueError, "CirculantLinear: in_features is 0; expected a positive int"),
        ({"out_features": 2.0}, ValueError, "CirculantLinear: out_features is 2.0; expected a positive int"),
        ({"block_size": 0}, ValueError, "CirculantLinear: block_size is 0; expected a positive int"),
        ({"block_size": 7}, ValueError, "block_size is 7; expected at most the larger of the sizes, 6"),
        ({"dtype": "int32"}, TypeError, "CirculantLinear: dtype is int32; expected a real floating dtype"),
        ({"dtype": "complex64"}, TypeError, "dtype is complex64; expected a real floating dtype"),
    ]:
        with pytest.raises(error, match=message):
            nn.CirculantLinear(**{"in_features": 6, "out_features": 4, "key": key} | arguments)
    with pytest.raises(TypeError, match="StructuredLinear: operator is a list; expected a LinearOperator"):
        nn.StructuredLinear([1.0], key=key)
    with pytest.raises(TypeError, match=r"StructuredLinear: Circulant\(3×3\) has arrays of numpy; expected jax"):
        nn.StructuredLinear(sm.Circulant(np.ones(3)), key=key)
    with pytest.raises(ValueError, match="StructuredLinear: key is missing"):
        nn.StructuredLinear(sm.Circulant(jnp.ones(3)))
    with pytest.raises(TypeError, match="x has dtype int"):
        nn.CirculantLinear(3, 3, key=key)(jnp.arange(3))
