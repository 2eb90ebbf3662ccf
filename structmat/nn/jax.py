"""Operators in JAX: pytrees, products that are differentiated in every mode, and the parts of JAX's layers."""

from collections.abc import Sequence
from typing import Any

from structmat._backend import packages

packages.import_optional("structmat.nn.jax", "jax", "jax")

import jax
import jax.numpy as jnp

from structmat._backend import dtypes, namespaces
from structmat._backend.types import Array
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
    title: str, d: int, k: int, *, block_size: int | None, signs: bool, learn: bool, scale: float, dtype: Any, key: Any
) -> LinearOperator:
    """Draw the operator of a circulant layer from d features to k, also inside `jit` and `vmap`.

    Entries have the variance scale / d.
    """
    check_sizes(title, d, k)
    dtype = jnp.result_type(float if dtype is None else dtype)
    if dtypes.kind(namespaces.resolve(jnp), dtype) != "real":
        raise TypeError(f"{title}: dtype is {dtype}; expected a real floating dtype.")
    weight_key, sign_key = jax.random.split(key)
    weights = jax.random.normal(weight_key, weight_shape(title, d, k, block_size), dtype) * (scale / d) ** 0.5
    flips = jax.random.rademacher(sign_key, (d,), jnp.int8) if signs else None
    A = circulant(d, k, weights, flips)
    return A if learn else A.freeze()
