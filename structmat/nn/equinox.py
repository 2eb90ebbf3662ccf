"""Structured layers for Equinox, in the place of `equinox.nn.Linear`."""

import math
from typing import Any

from structmat._backend import packages

packages.import_optional("structmat.nn.equinox", "equinox", "equinox")

import equinox as eqx
import jax

from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.nn._core import OperatorLayer
from structmat.nn.jax import Template, bias_dtype, init_operator, matvec

__all__ = ["CirculantLinear", "StructuredLinear"]


class StructuredLinear(OperatorLayer, eqx.Module):  # type: ignore[misc]
    r"""Affine layer of any operator, y = A x + b, in the place of `equinox.nn.Linear`.

    Parameters
    ----------
    operator : LinearOperator
        Of JAX, shape (out_features, in_features).
    use_bias : bool, optional
        Whether b is learned; otherwise there is none.
    key : array, optional
        JAX's key for the bias, which is uniform as in `equinox.nn.Linear`; needed only for it.

    Attributes
    ----------
    arrays : dict of array
        The operator's parameters and its constants, such as signs, named after its fields as in
        `structmat.nn.torch.StructuredLinear`. An array that occurs twice in the operator is one entry.
    bias : array or None
        Shape (out_features,).
    in_features, out_features : int
        Sizes of x and y.
    operator : LinearOperator
        The operator with the arrays as they are now.

    Raises
    ------
    TypeError
        `operator` is no operator, or its arrays are not JAX's.
    ValueError
        There is a bias and no key.

    Notes
    -----
    Products are differentiated in every mode, see `structmat.nn.jax.matvec`; gradients of a frozen operator are zero.
    Unlike `equinox.nn.Linear` the layer takes a batch as it is, along leading axes; `jax.vmap` works as well.

    Examples
    --------
    >>> import jax
    >>> import structmat as sm
    >>> from structmat.nn.equinox import StructuredLinear
    >>> hadamard, diagonal = sm.Hadamard(4, norm="ortho"), sm.Diagonal(jax.numpy.ones(4))
    >>> layer = StructuredLinear(hadamard @ diagonal @ hadamard, use_bias=False)
    >>> layer(jax.numpy.ones((2, 4))).shape, list(layer.arrays)
    ((2, 4), ['entries'])
    """

    arrays: dict[str, Array]
    bias: Array | None
    _template: Template = eqx.field(static=True, repr=False)
    in_features: int = eqx.field(static=True)
    out_features: int = eqx.field(static=True)

    def __init__(self, operator: LinearOperator, use_bias: bool = True, *, key: Array | None = None) -> None:
        title = type(self).__name__
        self._template, slots = Template.split(title, operator)
        self.arrays = {name: slot.array for name, slot in slots.items()}
        self.out_features, self.in_features = operator.shape
        if use_bias and key is None:
            raise ValueError(f"{title}: key is missing; expected one to draw the bias with.")
        bound = 1 / math.sqrt(self.in_features)
        size = self.out_features
        self.bias = jax.random.uniform(key, (size,), bias_dtype(operator), -bound, bound) if use_bias else None

    def _values(self) -> list[Array]:
        return [self.arrays[name] for name in self._template.names]

    def __call__(self, x: Array, *, key: Any = None) -> Array:
        """Map vectors (..., in_features) to (..., out_features); `key` is there for `equinox.nn.Sequential`."""
        y = matvec(self.operator, x)
        return y if self.bias is None else y + self.bias


class CirculantLinear(StructuredLinear):
    """Affine layer of a circulant matrix, y = R D x + b, in the place of `equinox.nn.Linear`.

    The matrix R D, its sizes and its blocks are those of `structmat.nn.torch.CirculantLinear`, which has the source.

    Parameters
    ----------
    in_features, out_features, block_size, signs
        As for `structmat.nn.torch.CirculantLinear`, with its errors.
    use_bias : bool, optional
        Whether b is learned; otherwise there is none.
    dtype : dtype, optional
        Of the parameters, real and floating; JAX's default unless given.
    learn : bool, optional
        Whether R is learned; otherwise it is random and its gradient zero. Weight decay would move it all the same:
        leave it out with the optimiser's mask.
    key : array
        JAX's key for all draws. Entries of R D have the variance of the weights of `equinox.nn.Linear`,
        1/(3 in_features).

    Examples
    --------
    >>> import equinox as eqx
    >>> import jax
    >>> from structmat.nn.equinox import CirculantLinear
    >>> layer = CirculantLinear(784, 100, key=jax.random.key(0))
    >>> gradient = eqx.filter_grad(lambda layer, x: (layer(x) ** 2).sum())(layer, jax.numpy.ones((32, 784)))
    >>> gradient.arrays["column"].shape, gradient.arrays["signs"], gradient.bias.shape
    ((784,), None, (100,))
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        use_bias: bool = True,
        dtype: Any = None,
        *,
        block_size: int | None = None,
        signs: bool = True,
        learn: bool = True,
        key: Array,
    ) -> None:
        operator_key, bias_key = jax.random.split(key)
        options = {"block_size": block_size, "signs": signs, "learn": learn, "dtype": dtype, "key": operator_key}
        operator = init_operator(type(self).__name__, in_features, out_features, scale=1 / 3, **options)
        super().__init__(operator, use_bias, key=bias_key)
