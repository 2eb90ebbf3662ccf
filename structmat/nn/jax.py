"""Operators in JAX: pytrees, products that are differentiated in every mode, and what layers are made of."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any, Self

from structmat._backend import optional

optional("structmat.nn.jax", "jax", "jax")

import jax
import jax.numpy as jnp

from structmat._backend import Array, as_namespace, kind, namespace_name
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.interop.jax import matvec
from structmat.nn.circulant import circulant, weight_shape

__all__ = ["matvec"]


@dataclasses.dataclass(frozen=True)
class Form:
    """An operator without its arrays, which come anew with each product: static to JAX.

    Attributes
    ----------
    structure : treedef
        Of the operator.
    names : tuple of str
        For each leaf; one that stands twice in the operator has one name.
    """

    structure: Any
    names: tuple[str, ...]

    @classmethod
    def of(cls, title: str, operator: LinearOperator) -> tuple[Self, dict[str, tuple[Array, bool]]]:
        """Take an operator apart; tell for each array whether it is learned."""
        if not isinstance(operator, LinearOperator):
            raise TypeError(f"{title}: operator is a {type(operator).__name__}; expected a LinearOperator.")
        if operator.xp not in (None, as_namespace(jnp)):
            raise TypeError(
                f"{title}: {operator._head} has arrays of {namespace_name(operator.xp)}; expected jax: convert it with "
                f"A.to(xp=jax.numpy)."
            )
        leaves, structure = jax.tree_util.tree_flatten_with_path(operator)
        others = jax.tree.leaves(operator.with_params([jnp.zeros_like(value) for value in operator.params]))
        totals = Counter(path[-1].name for path, _ in leaves)
        seen: Counter[str] = Counter()
        found: dict[tuple[int, bool], str] = {}
        arrays, names = {}, []
        for (path, array), other in zip(leaves, others, strict=True):
            learned, field = other is not array, path[-1].name
            name = f"{field}_{seen[field]}" if totals[field] > 1 else field
            seen[field] += 1
            names.append(found.setdefault((id(array), learned), name))
            arrays[names[-1]] = array, learned
        return cls(structure, tuple(names)), arrays

    def filled(self, arrays: Mapping[str, Array]) -> LinearOperator:
        """Return the operator with given arrays."""
        return jax.tree.unflatten(self.structure, [arrays[name] for name in self.names])  # type: ignore[no-any-return]


def bias_dtype(operator: LinearOperator) -> Any:
    """Return the dtype of a real bias; JAX's default for an operator without parameters."""
    return jnp.result_type(float) if operator.dtype is None else jnp.finfo(operator.dtype).dtype


def drawn(
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
    for name, value in {"in_features": in_features, "out_features": out_features}.items():
        checked_size(title, name, value)
    dtype = jnp.result_type(float if dtype is None else dtype)
    if kind(as_namespace(jnp), dtype) != "real":
        raise TypeError(f"{title}: dtype is {dtype}; expected a real floating dtype.")
    shape = weight_shape(title, in_features, out_features, block_size)
    weight_key, sign_key = jax.random.split(key)
    weights = jax.random.normal(weight_key, shape, dtype) * (variance / in_features) ** 0.5
    flips = jax.random.rademacher(sign_key, (in_features,), jnp.int8) if signs else None
    A = circulant(in_features, out_features, weights, flips)
    return A if learn else A.freeze()
