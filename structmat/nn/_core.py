"""The parts of layers that do not depend on the framework: the operator, and the circulant layer's weights."""

import math
from collections.abc import Sequence

from structmat._backend.types import Array
from structmat.compounds import block_circulant
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.interop.template import Template
from structmat.operators import Circulant, SignFlip
from structmat.projections.parts import truncate


class OperatorLayer:
    """Base class of layers, which hold the arrays of an operator by name, and the template of the rest."""

    _template: Template

    def _values(self) -> Sequence[Array]:
        """The arrays of the operator as they are now, one for each name of the template."""
        raise NotImplementedError

    @property
    def operator(self) -> LinearOperator:
        """The operator with the arrays as they are now: products with it are differentiated in them."""
        return self._template.bind(self._values())

    def to_dense(self) -> Array:
        """Write the matrix out, shape (out_features, in_features)."""
        return self.operator.to_dense()


def check_sizes(title: str, in_features: int, out_features: int) -> None:
    """Check the sizes of a layer."""
    checked_size(title, "in_features", in_features)
    checked_size(title, "out_features", out_features)


def checked_block_size(title: str, d: int, k: int, block_size: int) -> int:
    """Return the size of blocks, from 1 to the larger size of a layer from d features to k."""
    if checked_size(title, "block_size", block_size) > max(d, k):
        raise ValueError(f"{title}: block_size is {block_size}; expected at most the larger of the sizes, {max(d, k)}.")
    return block_size


def weight_shape(title: str, d: int, k: int, block_size: int | None) -> tuple[int, ...]:
    """Return the shape of the weights of a layer from d features to k: one circulant, a stack of them, or blocks."""
    if block_size is None:
        return (d,) if k <= d else (math.ceil(k / d), 1, d)
    b = checked_block_size(title, d, k, block_size)
    return math.ceil(k / b), math.ceil(d / b), b


def circulant(d: int, k: int, weights: Array, signs: Array | None) -> LinearOperator:
    """Return x ↦ R D x, of a shape that fits the weights; without signs there is no D."""
    R = truncate(k, d) @ Circulant(weights) if weights.ndim == 1 else block_circulant(weights, (k, d))
    return R if signs is None else R @ SignFlip(signs)
