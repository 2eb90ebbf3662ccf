"""The circulant layer apart from its framework: the shape of its weights, and its operator."""

import math

from structmat._backend import Array
from structmat.compounds import block_circulant
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.operators import Circulant, SignFlip
from structmat.projections.parts import truncate


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
