"""Structured layers for Keras 3 on PyTorch or JAX, in the place of `keras.layers.Dense`."""

from typing import Any

from structmat._backend import packages

packages.import_optional("structmat.nn.keras", "keras", "keras")

import keras
from keras import ops

from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.nn._core import circulant, weight_shape

__all__ = ["CirculantDense"]

if keras.backend.backend() == "jax":
    from structmat.interop.jax import matvec
elif keras.backend.backend() not in {"tensorflow", "numpy", "openvino"}:
    from structmat.interop.torch import matvec
else:
    raise ImportError(
        f"structmat.nn.keras: Keras runs on {keras.backend.backend()}; expected torch or jax: set the environment "
        f"variable KERAS_BACKEND before keras is imported."
    )


class CirculantDense(keras.layers.Layer):  # type: ignore[misc]
    """Layer of a circulant matrix, y = activation(R D x + b), in the place of `keras.layers.Dense`.

    The matrix R D and its blocks are those of `structmat.nn.torch.CirculantLinear`, which has the source, with
    in_features = d, the length of x, and out_features = units.

    Parameters
    ----------
    units : int
        Length of y.
    block_size, signs
        As for `structmat.nn.torch.CirculantLinear`.
    use_bias : bool, optional
        Whether b is learned; otherwise there is none.
    learn : bool, optional
        Whether R is learned; otherwise it is random and fixed.
    activation, bias_initializer, kernel_regularizer, bias_regularizer
        As for `keras.layers.Dense`; the kernel consists of the weights of R.
    seed : int, optional
        Of R and D; Keras' own unless given.
    **kwargs
        Of `keras.layers.Layer`: `name`, `dtype`, `trainable`, ...

    Attributes
    ----------
    kernel : keras.Variable
        Weights of R, shape (d,), (⌈units/d⌉, 1, d) for a stack, or (⌈units/b⌉, ⌈d/b⌉, b) for blocks of size b.
    flips : keras.Variable or None
        The signs, int8.
    bias : keras.Variable or None
        Shape (units,).
    operator : LinearOperator
        The operator with the weights as they are now, of arrays of Keras' backend.

    Raises
    ------
    ValueError
        A size is not a positive int; at the first call, `block_size` is larger than d and `units`, or d is unknown.
    ImportError
        At import: Keras runs on another backend than PyTorch and JAX.

    Notes
    -----
    Entries of R D have the variance of the kernel of `keras.layers.Dense`, 2/(d + units). Under policies of mixed
    precision x and y have half precision, and the product computes in single. On PyTorch, a model exported to ONNX for
    batches of any size holds the dense matrix of the layer, as that exporter has no Fourier transforms.

    Examples
    --------
    >>> import keras
    >>> from structmat.nn.keras import CirculantDense
    >>> model = keras.Sequential([keras.Input((784,)), CirculantDense(100, activation="relu")])
    >>> model.output_shape, sum(weight.shape[0] for weight in model.trainable_weights)
    ((None, 100), 884)
    """

    def __init__(
        self,
        units: int,
        block_size: int | None = None,
        signs: bool = True,
        *,
        activation: Any = None,
        use_bias: bool = True,
        learn: bool = True,
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = checked_size("CirculantDense", "units", units)
        self.block_size = None if block_size is None else checked_size("CirculantDense", "block_size", block_size)
        self.signs, self.use_bias, self.learn, self.seed = signs, use_bias, learn, seed
        self.activation = keras.activations.get(activation)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.input_spec = keras.InputSpec(min_ndim=2)
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights for inputs of a shape (..., d)."""
        d = input_shape[-1]
        if d is None:
            raise ValueError(f"CirculantDense: the inputs have shape {tuple(input_shape)}; expected a known last axis.")
        source = keras.random.SeedGenerator(self.seed)

        def flip(shape: tuple[int, ...], dtype: str) -> Any:
            return ops.cast(2 * keras.random.randint(shape, 0, 2, seed=source) - 1, dtype)

        # Not cast by a policy of mixed precision: products compute in single precision.
        self.kernel = self.add_weight(
            name="kernel",
            shape=weight_shape("CirculantDense", d, self.units, self.block_size),
            initializer=keras.initializers.RandomNormal(stddev=(2 / (d + self.units)) ** 0.5, seed=source),
            regularizer=self.kernel_regularizer,
            trainable=self.learn,
            autocast=False,
        )
        self.flips = self.bias = None
        if self.signs:
            self.flips = self.add_weight(name="signs", shape=(d,), initializer=flip, dtype="int8", trainable=False)
        if self.use_bias:
            self.bias = self.add_weight(
                name="bias",
                shape=(self.units,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                autocast=False,
            )
        self.input_spec = keras.InputSpec(min_ndim=2, axes={-1: d})

    @property
    def operator(self) -> LinearOperator:
        """The operator with the weights as they are now."""
        flips = None if self.flips is None else ops.convert_to_tensor(self.flips)
        return circulant(self.input_spec.axes[-1], self.units, ops.convert_to_tensor(self.kernel), flips)

    def to_dense(self) -> Array:
        """Write the matrix out, shape (units, d): the transpose of the kernel of `keras.layers.Dense`."""
        A = self.operator
        return ops.transpose(matvec(A, ops.eye(A.n, dtype=self.kernel.dtype)))

    def call(self, inputs: Array) -> Array:
        """Map vectors (..., d) to (..., units)."""
        y = matvec(self.operator, inputs)
        if self.bias is not None:
            y = y + ops.convert_to_tensor(self.bias)
        return self.activation(ops.cast(y, self.compute_dtype))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Return the shape of the outputs, (..., units)."""
        return (*input_shape[:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        """Return the options of the layer, which `from_config` takes."""
        names = ("units", "block_size", "signs", "use_bias", "learn", "seed")
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "activation": keras.activations.serialize(self.activation),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": keras.regularizers.serialize(self.bias_regularizer),
        }


keras.saving.register_keras_serializable(package="structmat")(CirculantDense)
