"""What `tests/nn/test_keras.py` runs once for each of Keras' backends, in a process of its own."""

import runpy
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import scipy.linalg
from keras import ops

import structmat.nn.keras as nn
from structmat.nn.keras import CirculantDense


def host(x: Any) -> np.ndarray:
    return ops.convert_to_numpy(ops.convert_to_tensor(x))


def dense(layer: CirculantDense, d: int) -> np.ndarray:
    """The layer's matrix by SciPy's circulants: one, a stack of them, or blocks, cut to units × d."""
    weights = host(layer.kernel)
    blocks = weights.reshape(1, 1, d) if weights.ndim == 1 else weights
    whole = np.block([[scipy.linalg.circulant(column) for column in row] for row in blocks])
    return whole[: layer.units, :d] * (1 if layer.flips is None else host(layer.flips))


def test_the_matrix() -> None:
    d, x = 7, np.random.default_rng(0).standard_normal((2, 3, 7)).astype("float32")
    layer = CirculantDense(5, block_size=3, activation="relu", bias_initializer="ones")
    y = keras.Sequential([keras.Input((3, d)), layer]).predict_on_batch(x)
    assert layer.kernel.shape == (2, 3, 3)
    wanted = dense(layer, d)
    np.testing.assert_allclose(host(layer.to_dense()), wanted, atol=1e-6)
    np.testing.assert_allclose(y, np.maximum(x @ wanted.T + 1, 0), atol=1e-5)


def test_initial_values_are_those_of_a_dense_layer() -> None:
    """Variance 2/(d + units), as Glorot's: within 5 σ = 5 √(2/4096) of it with probability 1 - 6e-7."""
    d, units = 4096, 1024
    layer, again = CirculantDense(units, seed=0), CirculantDense(units, seed=0)
    for each in (layer, again):
        each.build((None, d))
    assert host(layer.kernel).var() * (d + units) / 2 == pytest.approx(1, abs=5 * (2 / d) ** 0.5)
    flips = host(layer.flips)
    assert flips.dtype == np.int8
    assert set(np.unique(flips)) == {-1, 1}
    assert abs(flips.astype(int).sum()) < 5 * d**0.5
    assert abs((flips * np.sign(host(layer.kernel))).sum()) < 5 * d**0.5  # one seed, independent draws
    np.testing.assert_array_equal(host(again.kernel), host(layer.kernel))


def test_symbolic_shapes() -> None:
    symbolic = CirculantDense(5)(keras.Input((3, 7)))
    assert (symbolic.shape, symbolic.dtype) == ((None, 3, 5), "float32")
    assert CirculantDense(5).compute_output_shape((2, None, 7)) == (2, None, 5)
    layer = CirculantDense(8, learn=False)
    layer.build((None, 7))
    assert [weight.shape for weight in layer.weights] == [(8,), (2, 1, 7), (7,)]
    assert [weight.name for weight in layer.trainable_weights] == ["bias"]


def test_a_model_is_saved_and_loaded(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((7,)),
            CirculantDense(9, block_size=4, activation="gelu", kernel_regularizer=keras.regularizers.L2(0.1)),
            CirculantDense(3, signs=False, learn=False, seed=1, name="last", dtype="mixed_bfloat16"),
        ]
    )
    x = np.random.default_rng(0).standard_normal((4, 7)).astype("float32")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(host(loaded(x)).astype("float32"), host(model(x)).astype("float32"))
    for ours, other in zip(model.layers, loaded.layers, strict=True):
        assert ours.get_config() == other.get_config()
    assert host(model.losses[0]) == pytest.approx(0.1 * (host(model.layers[0].kernel) ** 2).sum(), rel=1e-5)


def test_mixed_precision() -> None:
    """Weights stay single, x and y are half: of the rounded x the product is exact, up to the rounding of y."""
    layer = CirculantDense(5, dtype="mixed_bfloat16")
    x = ops.cast(np.random.default_rng(0).standard_normal((2, 7)), "float32")
    y = layer(x)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert layer.kernel.dtype == layer.bias.dtype == "float32"
    exact = host(ops.cast(ops.cast(x, "bfloat16"), "float32")) @ dense(layer, 7).T
    np.testing.assert_allclose(host(ops.cast(y, "float32")), exact, rtol=1.01 * 2**-8, atol=1e-5)
    assert layer(keras.Input((7,))).dtype == "bfloat16"


def test_training() -> None:
    """Behind a fixed layer the network learns the circulant that made the data."""
    rng = np.random.default_rng(0)
    x, column = rng.standard_normal((256, 8)).astype("float32"), rng.standard_normal(8)
    fixed = CirculantDense(8, learn=False, use_bias=False, seed=1)
    learned = CirculantDense(8, signs=False, seed=2)
    model = keras.Sequential([keras.Input((8,)), fixed, learned])
    before = [host(weight).copy() for weight in fixed.weights]
    y = x @ dense(fixed, 8).T @ scipy.linalg.circulant(column).T + 1
    model.compile(keras.optimizers.Adam(0.1), "mse")
    losses = model.fit(x, y, batch_size=64, epochs=60, verbose=0).history["loss"]
    assert losses[-1] < 1e-3 * losses[0]
    np.testing.assert_allclose(host(learned.bias), 1, atol=0.1)
    for old, new in zip(before, fixed.weights, strict=True):
        np.testing.assert_array_equal(old, host(new))


if keras.backend.backend() == "torch":

    @pytest.mark.parametrize("units", [4, 9])
    def test_onnx(units: int, tmp_path: Path) -> None:
        """Keras exports models for batches of any size by a trace; ONNX Runtime tells what is in the file."""
        onnxruntime = pytest.importorskip("onnxruntime")
        layers = CirculantDense(units, activation="tanh"), CirculantDense(5, block_size=3, signs=False)
        model = keras.Sequential([keras.Input((7,)), *layers])
        model(np.zeros((2, 7), "float32"))  # Keras exports no model that was never called
        with warnings.catch_warnings(action="ignore"):  # PyTorch's, of its own exporter
            model.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
        for batch in (1, 3):
            x = np.random.default_rng(0).standard_normal((batch, 7)).astype("float32")
            inside = np.tanh(x @ dense(layers[0], 7).T) @ dense(layers[1], units).T
            (y,) = session.run(None, {session.get_inputs()[0].name: x})
            np.testing.assert_allclose(y, inside, rtol=1e-4, atol=1e-5)


def test_what_is_refused() -> None:
    for arguments, message in [
        ({"units": 0}, "CirculantDense: units is 0; expected a positive int"),
        ({"units": 5, "block_size": -1}, "CirculantDense: block_size is -1; expected a positive int"),
    ]:
        with pytest.raises(ValueError, match=message):
            CirculantDense(**arguments)
    with pytest.raises(ValueError, match="block_size is 8; expected at most the larger of the sizes, 7"):
        CirculantDense(5, block_size=8).build((None, 7))
    with pytest.raises(ValueError, match=r"the inputs have shape \(None, None\); expected a known last axis"):
        CirculantDense(5).build((None, None))
    layer = CirculantDense(5)
    layer.build((None, 7))
    with pytest.raises(ValueError, match="incompatible with the layer"):
        layer(np.ones((2, 6), "float32"))


def test_other_backends_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ImportError, match="Keras runs on tensorflow; expected torch or jax: set the"):
        runpy.run_path(nn.__file__)
