"""Operators as lineax's own, for its solvers in JAX."""

from collections.abc import Iterable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import lineax as lx

from structmat._backend.types import Array, DType
from structmat.core.base import LinearOperator
from structmat.interop import jax as pytrees  # noqa: F401  (operators are pytrees with it)
from structmat.interop.template import check_library


class LineaxOperator(lx.AbstractLinearOperator):  # type: ignore[misc]
    """A structmat operator as a `lineax.AbstractLinearOperator`, made by `LinearOperator.to_lineax`.

    It is a pytree whose leaves are the operator's arrays, so that JAX differentiates, batches and compiles through it.
    """

    operator: LinearOperator
    dtype: DType = eqx.field(static=True)
    tags: frozenset[object] = eqx.field(static=True)

    def mv(self, vector: Array) -> Array:
        """Multiply one vector."""
        return self.operator.matvec(vector)

    def as_matrix(self) -> Array:
        """Write the matrix out."""
        A = self.operator
        return A.matmat(jnp.eye(A.n, dtype=self.dtype))

    def transpose(self) -> "LineaxOperator":
        """Return the transpose, without conjugation."""
        return to_lineax(self.operator.T, self.out_structure().dtype, lx.transpose_tags(self.tags))

    def in_structure(self) -> jax.ShapeDtypeStruct:
        """Return the shape and dtype of the vectors that are multiplied."""
        return jax.ShapeDtypeStruct((self.operator.n,), self.dtype)

    def out_structure(self) -> jax.ShapeDtypeStruct:
        """Return the shape and dtype of the products."""
        A = self.operator
        return jax.ShapeDtypeStruct((A.m,), A._product_dtype(jnp, self.dtype))


def _linearise(operator: LineaxOperator) -> lx.AbstractLinearOperator:
    """Compute derived values, such as spectra, once and not in every step of a solver."""
    structure = operator.in_structure()
    _, product = jax.linearize(operator.mv, jnp.zeros(structure.shape, structure.dtype))
    return lx.FunctionLinearOperator(product, structure, operator.tags)


lx.linearise.register(LineaxOperator, _linearise)
lx.materialise.register(LineaxOperator, lambda A: lx.MatrixLinearOperator(A.as_matrix(), A.tags))
lx.conj.register(LineaxOperator, lambda A: to_lineax(A.operator.conj(), A.dtype, A.tags))
# The other functions of lineax depend on tags and products alone, as for a `FunctionLinearOperator`.
for _function in (
    lx.diagonal,
    lx.tridiagonal,
    lx.is_symmetric,
    lx.is_diagonal,
    lx.is_tridiagonal,
    lx.has_unit_diagonal,
    lx.is_lower_triangular,
    lx.is_upper_triangular,
    lx.is_positive_semidefinite,
    lx.is_negative_semidefinite,
):
    _function.register(LineaxOperator, _function.dispatch(lx.FunctionLinearOperator))


def to_lineax(A: LinearOperator, dtype: DType = None, tags: Any = ()) -> LineaxOperator:
    """Wrap an operator for lineax; see `LinearOperator.to_lineax`."""
    check_library(f"{A._head}.to_lineax: the operator", A, "jax")
    if dtype is None:
        dtype = jnp.result_type(complex if A._is_complex else float) if A.dtype is None else A.dtype
    given = frozenset(tags if isinstance(tags, Iterable) else [tags])
    return LineaxOperator(A, jnp.dtype(dtype), given)
