"""Operators in JAX: pytrees, products that are differentiated in every mode, and what its layers are made of."""

from collections.abc import Sequence
from typing import Any

from structmat._backend import optional

optional("structmat.nn.jax", "jax", "jax")

import jax
import jax.numpy as jnp

from structmat._backend import Array, as_namespace, kind
from structmat.core.base import LinearOperator
from structmat.interop import template
from structmat.interop.jax import matvec
from structmat.nn._core import check_sizes, circulant, weight_shape

__all__ = ["matvec"]


class Template(template.Template):
    """An operator without its arrays, static to JAX: its structure is that of the pytree."""

    library = "jax"

    def __init__(self, operator: LinearOperator, names: tuple[str, ...] | None = None) -> None:
        super().__init__(operator, names)
        self.structure = jax.tree.structure(operator)

    def bind(self, arrays: Sequence[Array]) -> LinearOperator:
        """Return the operator with the given arrays, one for each name; tracers and batches, too."""
        return jax.tree.unflatten(self.structure, arrays)  # type: ignore[no-any-return]


def bias_dtype(operator: LinearOperator) -> Any:
    """Return the dtype of a real bias; JAX's default for an operator without parameters."""
    return jnp.result_type(float) if operator.dtype is None else jnp.finfo(operator.dtype).dtype


def init_operator(
    title: str,
    in_features: int,
    out_features: int,
    *,
    block_size: int | None,
    signs: bool,
    learn: bool,
    variance: float,
    dtype: Any,
    key: Array,
) -> LinearOperator:
    """Draw the operator of a circulant layer by JAX, so that it can be drawn inside `jit` and `vmap`.

    `variance` is that of the entries, in multiples of 1 / in_features.
    """
    check_sizes(title, in_features, out_features)
    dtype = jnp.result_type(float if dtype is None else dtype)
    if kind(as_namespace(jnp), dtype) != "real":
        raise TypeError(f"{title}: dtype is {dtype}; expected a real floating dtype.")
    shape = weight_shape(title, in_features, out_features, block_size)
    weight_key, sign_key = jax.random.split(key)
    weights = jax.random.normal(weight_key, shape, dtype) * (variance / in_features) ** 0.5
    flips = jax.random.rademacher(sign_key, (in_features,), jnp.int8) if signs else None
    A = circulant(in_features, out_features, weights, flips)
    return A if learn else A.freeze()
