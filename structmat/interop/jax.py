"""Operators as pytrees, and their products, which JAX differentiates in every mode."""

import contextlib
import dataclasses
from collections.abc import Iterable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import GetAttrKey

from structmat._backend import divided, dtypes, namespaces, tracing
from structmat._backend.types import Array, HostArray, Namespace
from structmat.core.base import LinearOperator
from structmat.core.compose import Composite
from structmat.core.extensions import extensions
from structmat.core.leaf import Leaf


def _inner(A: LinearOperator) -> tuple[str, ...]:
    """Names of the fields that hold arrays or operators; those recorded at flattening for an unflattened operator."""
    kept = A.__dict__.get("_inner")
    if kept is None:
        kept = tuple(
            name
            for name, value in A._fields.items()
            if isinstance(value, tuple | LinearOperator) or namespaces.is_array(value)
        )
    return kept


def _outer(A: LinearOperator) -> tuple[Any, ...]:
    """The other fields, hashable, with types, as 2 == 2.0; slices can't be hashed before Python 3.12."""
    inner = _inner(A)
    rest = ((name, value) for name, value in A._fields.items() if name not in inner)
    return inner, tuple((name, type(v), v.__reduce__()[1] if isinstance(v, slice) else v) for name, v in rest)


def _flatten(A: LinearOperator) -> tuple[Iterable[Any], Any]:
    return [A.__dict__[name] for name in _inner(A)], _outer(A)


def _flatten_with_keys(A: LinearOperator) -> tuple[Iterable[Any], Any]:
    return [(GetAttrKey(name), A.__dict__[name]) for name in _inner(A)], _outer(A)


def register(cls: type[LinearOperator]) -> None:
    """Register a class of operators as a pytree of JAX: arrays are the leaves, all else is the structure."""

    def unflatten(outer: Any, values: Iterable[Any]) -> LinearOperator:
        inner, rest = outer
        fields = {name: slice(*value) if kind is slice else value for name, kind, value in rest}
        made = cls._of(fields | dict(zip(inner, values, strict=True)))
        made.__dict__["_inner"] = inner
        return made

    with contextlib.suppress(ValueError):  # an import that was interrupted has registered it already
        jax.tree_util.register_pytree_with_keys(cls, _flatten_with_keys, unflatten, _flatten)


def _classes(cls: type[LinearOperator]) -> set[type[LinearOperator]]:
    return {cls}.union(*map(_classes, cls.__subclasses__()))


for _each in _classes(LinearOperator):  # later ones: see LinearOperator.__init_subclass__
    register(_each)
extensions.register_pytree = register


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class _Constant(LinearOperator):
    """An operator without parameters, whose transpose in JAX is its adjoint.

    JAX transposes a gather to a scatter, many times slower, and can't transpose a callback. Of the functions that take
    a transpose, `custom_linear_solve` is the one with rules for forward mode, reverse mode and batches. It solves
    M (u, y) = (x, 0) by u = x, y = A x. Any M will do: JAX uses M to differentiate in the arrays that M refers to, and
    the identity refers to none.
    """

    of: LinearOperator

    def _setup(self) -> None:
        of = self.of
        self._settle(of.shape, of.dtype, of.xp, of.device, of._is_complex)

    @property
    def _children(self) -> tuple[LinearOperator, ...]:
        return (self.of,)

    def _apply(self, xp: Namespace, x: Array) -> Array:
        def transposed(g: Array) -> Array:
            return dtypes.astype(xp, jnp.conj(self.of._apply_adjoint(xp, jnp.conj(g))), x.dtype)

        like = jax.eval_shape(partial(self.of._apply, xp), x)
        u, y = jax.lax.custom_linear_solve(
            lambda pair: pair,
            (x, _nothing(x, like)),
            solve=lambda _, pair: (pair[0], self.of._apply(xp, pair[0])),
            transpose_solve=lambda _, pair: (transposed(pair[1]), pair[1]),
        )
        return y + _nothing(u, like)


def _nothing(x: Array, like: Any) -> Array:
    """Return zeros that depend on x: `custom_linear_solve` and its derivatives accept no other constant."""
    return jnp.broadcast_to(jnp.sum(x[..., :0], axis=-1, keepdims=True).astype(like.dtype), like.shape)


def _adjoint_as_derivative(A: LinearOperator) -> LinearOperator:
    """Wrap the largest parts of a tree that have no parameters."""
    if not A.params:
        return _Constant(A)
    return A._rebuilt(tuple(map(_adjoint_as_derivative, A._children))) if isinstance(A, Composite) else A


def _fixed(leaf: LinearOperator) -> LinearOperator:
    """Return a leaf with arrays that are not differentiated, unless they are parameters."""
    learned = dict(leaf._own_params)
    arrays = leaf._array_fields if isinstance(leaf, Leaf) else {}
    fixed = {name: jax.lax.stop_gradient(value) for name, value in arrays.items() if name not in learned}
    return leaf._replace(**fixed) if fixed else leaf


def _vary(tree: Any) -> Any:
    """Inside `jax.shard_map`, mark all arrays as varying along the mesh axes along which any of them varies.

    JAX does so for its own operations, and sums the gradients of replicated arrays; arrays that the functions of
    `custom_linear_solve` refer to have to be marked explicitly.
    """

    def axes(value: Any) -> frozenset[Any]:
        known = getattr(value, "aval", None)
        known = getattr(known, "mat", known)  # JAX 0.10
        return getattr(known, "varying", getattr(known, "vma", frozenset()))

    every = frozenset().union(*map(axes, jax.tree.leaves(tree)))
    if not every:
        return tree
    return jax.tree.map(lambda value: jax.lax.pcast(value, tuple(every - axes(value)), to="varying"), tree)


def matvec(A: LinearOperator, x: Array) -> Array:
    """Multiply vectors of JAX by an operator, differentiated in every mode.

    Parameters
    ----------
    A : LinearOperator
        Of JAX, or without arrays. The product is differentiated in its parameters and in x.
    x : array, shape (..., n)
        Vectors along the last axis, of JAX or NumPy; leading axes are a batch.

    Returns
    -------
    array, shape (..., m)
        As of `A.matvec(x)`.

    Raises
    ------
    ValueError, TypeError
        As for `A.matvec`; A is no operator.

    Notes
    -----
    JAX differentiates the kernels of operators with parameters. Of parts without parameters, such as permutations,
    Hadamard transforms, frozen operators and a `FunctionOperator`, the derivative is the adjoint, by
    `jax.lax.custom_linear_solve`: gradients gather where JAX's own of `A.matvec(x)` scatter, and functions that JAX
    can't differentiate, such as `jax.pure_callback`, need no rule. Forward mode (`jax.jvp`, `jax.jacfwd`,
    `jax.linearize`), reverse mode, `jax.hessian` and `jax.vmap` combine as they like. `python -m benchmarks.jax_rule`
    compares both.

    Operators are pytrees, as soon as one is made or this module is imported after JAX: arguments of `jax.jit`,
    `jax.vmap`, `jax.grad` and their like. Gradients are operators whose arrays are the gradients: zero for frozen ones,
    ``jax.dtypes.float0`` for integers, which `jax.grad` takes with ``allow_int=True``. They follow JAX's convention,
    the conjugates of those that `A.vjp` returns. A batch of operators has a leading axis in each of its arrays, and is
    used inside `jax.vmap`. An array that occurs twice in an operator is two leaves.

    Examples
    --------
    >>> import jax
    >>> import structmat as sm
    >>> from structmat.nn.jax import matvec
    >>> A, x = sm.Circulant(jax.numpy.asarray([1.0, 2.0, 3.0])), jax.numpy.ones(3)
    >>> jax.grad(lambda A: matvec(A, x).sum())(A).column.tolist()
    [3.0, 3.0, 3.0]
    >>> batch = jax.vmap(sm.Circulant)(jax.numpy.ones((5, 3)))
    >>> jax.vmap(matvec, in_axes=(0, None))(batch, x).shape
    (5, 3)
    """
    if not isinstance(A, LinearOperator):
        raise TypeError(f"matvec: A is a {type(A).__name__}; expected a LinearOperator.")
    x = jnp.asarray(x) if isinstance(x, HostArray) else x
    if divided.is_divided(x):
        A._check_vector("matvec", "x", x, 1)
        return divided.map_vectors(_of_part, A, x, width=A.m, dtype=A._product_dtype(jnp, x.dtype))
    if any(map(tracing.is_traced, jax.tree.leaves((A, x)))):  # otherwise nothing is differentiated
        A._check_vector("matvec", "x", x, 1)  # before the operator is wrapped, so that errors name the user's
        A, x = _vary((A._map(_fixed), x))
        A = _adjoint_as_derivative(A)
    return A.matvec(x)


def _of_part(x: Array, A: LinearOperator) -> Array:
    return matvec(A, x)
