"""Layers for Flax NNX: sizes, initial values, kinds of variables, transformations and training."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from backends import library

import structmat as sm

jax = library("jax")
jnp = library("jax.numpy")
nnx = library("flax.nnx")
jit = nnx.jit
nn = library("structmat.nn.flax")


def test_the_matrix() -> None:
    """y = R D x + b with SciPy's circulants, stacked and cut."""
    layer = nn.CirculantLinear(5, 7, param_dtype="float64", rngs=nnx.Rngs(0))
    assert layer.blocks.shape == (2, 1, 5)
    layer.bias[...] = jnp.arange(7.0)
    columns, signs = np.asarray(layer.blocks[...]), np.asarray(layer.signs[...])
    wanted = np.vstack([scipy.linalg.circulant(column[0]) for column in columns])[:7] * signs
    x = np.random.default_rng(0).standard_normal((2, 3, 5))
    y, matrix = jit(lambda layer, x: (layer(x), layer.to_dense()))(layer, x)
    np.testing.assert_allclose(matrix, wanted, atol=1e-12)
    np.testing.assert_allclose(y, x @ wanted.T + np.arange(7), atol=1e-12)


def test_initial_values_are_those_of_a_dense_layer() -> None:
    """Variance 1/d and no bias: of 4,096 Gaussians the variance is off by 5 √(2/4096) with probability 6e-7."""
    d = 4096
    make = jit(lambda key: nn.CirculantLinear(d, d, rngs=nnx.Rngs(key)))
    layer, other = (make(jax.random.key(seed)) for seed in (0, 1))
    assert float(jnp.var(layer.column[...])) * d == pytest.approx(1, abs=5 * (2 / d) ** 0.5)
    assert not layer.bias[...].any()
    assert not jnp.any(layer.column[...] == other.column[...])
    assert layer.column.dtype == jnp.float32


def test_kinds_of_variables() -> None:
    layer = nn.CirculantLinear(6, 4, use_bias=False, rngs=nnx.Rngs(0))
    _, params, constants = nnx.split(layer, nnx.Param, nn.Constant)
    assert (list(params), list(constants)) == (["column"], ["signs"])
    fixed = nn.CirculantLinear(6, 4, learn=False, signs=False, rngs=nnx.Rngs(0))
    _, params, constants = nnx.split(fixed, nnx.Param, nn.Constant)
    assert (list(params), list(constants)) == (["bias"], ["column"])
    C = sm.Circulant(jnp.ones(4))
    tied = nn.StructuredLinear(C @ sm.Diagonal(jnp.ones(4)) @ C.H @ C.freeze())
    _, params, constants = nnx.split(tied, nnx.Param, nn.Constant)
    assert (list(params), list(constants)) == (["bias", "column_0", "entries"], ["column_2"])
    abstract = nnx.eval_shape(lambda: nn.CirculantLinear(6, 4, rngs=nnx.Rngs(0)))
    assert abstract.column.shape == (6,)


def test_half_precision() -> None:
    layer = nn.CirculantLinear(6, 6, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    x = jnp.asarray(np.random.default_rng(0).standard_normal(6), jnp.bfloat16)
    y, exact = jit(lambda layer, x: (layer(x), layer.operator.matvec(x.astype(jnp.float32))))(layer, x)
    assert (y.dtype, layer.column.dtype) == (jnp.bfloat16, jnp.float32)
    np.testing.assert_array_equal(y, exact.astype(jnp.bfloat16))


def test_training() -> None:
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((64, 8)), jnp.float32)
    wanted = x @ jnp.asarray(scipy.linalg.circulant(rng.standard_normal(8)), jnp.float32)
    model = nnx.Sequential(nn.CirculantLinear(8, 8, signs=False, rngs=nnx.Rngs(0)))
    before = nnx.clone(model)

    @jit
    def step(model: Any) -> Any:
        loss, slope = nnx.value_and_grad(lambda model: jnp.mean((model(x) - wanted) ** 2))(model)
        nnx.update(model, jax.tree.map(lambda value, grad: value - 0.5 * grad, nnx.state(model, nnx.Param), slope))
        return loss

    losses = [float(step(model)) for _ in range(30)]
    assert losses[-1] < 1e-3 * losses[0]
    assert float(step(nnx.merge(*nnx.split(before)))) == losses[0]


def test_what_is_refused() -> None:
    rngs = nnx.Rngs(0)
    for arguments, error, message in [
        ({"out_features": 0}, ValueError, "CirculantLinear: out_features is 0; expected a positive int"),
        ({"block_size": 7}, ValueError, "block_size is 7; expected at most the larger of the sizes, 6"),
        ({"param_dtype": "int32"}, TypeError, "CirculantLinear: dtype is int32; expected a real floating dtype"),
    ]:
        with pytest.raises(error, match=message):
            nn.CirculantLinear(**{"in_features": 6, "out_features": 4, "rngs": rngs} | arguments)
    with pytest.raises(TypeError, match=r"StructuredLinear: Circulant\(3×3\) has arrays of numpy; expected jax"):
        nn.StructuredLinear(sm.Circulant(np.ones(3)))
