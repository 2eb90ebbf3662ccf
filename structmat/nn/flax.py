"""Structured layers for Flax NNX, in the place of `flax.nnx.Linear`."""

from typing import Any

from structmat._backend import packages

packages.import_optional("structmat.nn.flax", "flax", "flax")

import jax.numpy as jnp
from flax import nnx

from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.nn._core import OperatorLayer
from structmat.nn.jax import Template, bias_dtype, init_operator, matvec

__all__ = ["CirculantLinear", "Constant", "StructuredLinear"]


class Constant(nnx.Variable):  # type: ignore[misc]
    """An array of an operator that is not learned, such as signs: optimisers of `nnx.Param` leave it unchanged."""


class StructuredLinear(OperatorLayer, nnx.Module):  # type: ignore[misc]
    r"""Affine layer of any operator, y = A x + b, in the place of `flax.nnx.Linear`.

    Parameters
    ----------
    operator : LinearOperator
        Of JAX, shape (out_features, in_features). Its parameters become `nnx.Param`, its other arrays, such as signs,
        and frozen parameters become `Constant`: attributes named after the operator's fields, as in
        `structmat.nn.torch.StructuredLinear`. An array that occurs twice in the operator is one attribute.
    use_bias : bool, optional
        Whether b is learned, from zero; otherwise there is none.
    dtype : dtype, optional
        Of x and y, such as bfloat16; products compute in single precision at least. That of parameters and x unless
        given.

    Attributes
    ----------
    bias : nnx.Param or None
        Shape (out_features,).
    in_features, out_features : int
        Sizes of x and y.
    operator : LinearOperator
        The operator with the arrays as they are now.

    Raises
    ------
    TypeError
        `operator` is no operator, or its arrays are not JAX's.

    Notes
    -----
    Products are differentiated in every mode, see `structmat.nn.jax.matvec`. x may be an array of NumPy.

    Examples
    --------
    >>> import jax
    >>> import structmat as sm
    >>> from structmat.nn.flax import StructuredLinear
    >>> hadamard, diagonal = sm.Hadamard(4, norm="ortho"), sm.Diagonal(jax.numpy.ones(4))
    >>> layer = StructuredLinear(hadamard @ diagonal @ hadamard)
    >>> layer(jax.numpy.ones((2, 4))).shape, layer.entries.shape
    ((2, 4), (4,))
    """

    def __init__(self, operator: LinearOperator, *, use_bias: bool = True, dtype: Any = None) -> None:
        self._template, slots = Template.split(type(self).__name__, operator)
        for name, slot in slots.items():
            setattr(self, name, (nnx.Param if slot.is_param else Constant)(slot.array))
        self.out_features, self.in_features = operator.shape
        self.dtype = dtype
        self.bias = nnx.Param(jnp.zeros(self.out_features, bias_dtype(operator))) if use_bias else nnx.data(None)

    def _values(self) -> list[Array]:
        return [getattr(self, name)[...] for name in self._template.names]

    def __call__(self, x: Array) -> Array:
        """Map vectors (..., in_features) to (..., out_features)."""
        y = matvec(self.operator, x if self.dtype is None else x.astype(self.dtype))
        y = y if self.bias is None else y + self.bias[...]
        return y if self.dtype is None else y.astype(self.dtype)


class CirculantLinear(StructuredLinear):
    """Affine layer of a circulant matrix, y = R D x + b, in the place of `flax.nnx.Linear`.

    The matrix R D, its sizes and its blocks are those of `structmat.nn.torch.CirculantLinear`, which has the source.

    Parameters
    ----------
    in_features, out_features, block_size, signs
        As for `structmat.nn.torch.CirculantLinear`, with its errors.
    use_bias : bool, optional
        Whether b is learned, from zero; otherwise there is none.
    learn : bool, optional
        Whether R is an `nnx.Param`; otherwise it is random and a `Constant`.
    dtype : dtype, optional
        Of x and y, such as bfloat16; products compute in single precision at least.
    param_dtype : dtype, optional
        Of the parameters; real and floating.
    rngs : nnx.Rngs
        Its `params` key is used. Entries of R D have the variance of the weights of `flax.nnx.Linear`, 1/in_features.

    Examples
    --------
    >>> import jax
    >>> from flax import nnx
    >>> from structmat.nn.flax import CirculantLinear
    >>> layer = CirculantLinear(784, 100, rngs=nnx.Rngs(0))
    >>> gradient = nnx.grad(lambda layer, x: (layer(x) ** 2).sum())(layer, jax.numpy.ones((32, 784)))
    >>> gradient["column"].shape, gradient["bias"].shape, "signs" in gradient
    ((784,), (100,), False)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        use_bias: bool = True,
        block_size: int | None = None,
        signs: bool = True,
        learn: bool = True,
        dtype: Any = None,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ) -> None:
        options = {"block_size": block_size, "signs": signs, "learn": learn, "dtype": param_dtype, "key": rngs.params()}
        operator = init_operator(type(self).__name__, in_features, out_features, scale=1, **options)
        super().__init__(operator, use_bias=use_bias, dtype=dtype)
