"""Operators as pytrees, and their products with the operator's own derivative."""

import contextlib
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import GetAttrKey

from structmat._backend import Array, is_array
from structmat.core.operator import LinearOperator, Saved


def _inner(A: LinearOperator) -> tuple[str, ...]:
    """Names of the fields that hold arrays or operators; those of an operator that JAX made stay what they were."""
    kept = A.__dict__.get("_inner")
    if kept is None:
        kept = tuple(
            name for name, value in A._fields.items() if isinstance(value, tuple | LinearOperator) or is_array(value)
        )
    return kept


def _outer(A: LinearOperator) -> tuple[Any, ...]:
    """The other fields, hashable: 2 and 2.0 are equal, so the type is told too; slices can't be hashed before 3.12."""
    inner = _inner(A)
    rest = ((name, value) for name, value in A._fields.items() if name not in inner)
    return inner, tuple((name, type(v), v.__reduce__()[1] if isinstance(v, slice) else v) for name, v in rest)


def _flatten(A: LinearOperator) -> tuple[Iterable[Any], Any]:
    return [A.__dict__[name] for name in _inner(A)], _outer(A)


def _flatten_with_keys(A: LinearOperator) -> tuple[Iterable[Any], Any]:
    return [(GetAttrKey(name), A.__dict__[name]) for name in _inner(A)], _outer(A)


def register(cls: type[LinearOperator]) -> None:
    """Make a class of operators one of JAX's pytrees: arrays are the leaves, all else is the structure."""

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


@jax.tree_util.register_static
class _Fact(tuple[Any]):
    """What a tape holds beside arrays."""

    __slots__ = ()


def _pack(tape: Any) -> Any:
    return jax.tree.map(lambda value: value if isinstance(value, jax.Array) else _Fact((value,)), tape)


def _unpack(tape: Any) -> Any:
    def is_fact(value: Any) -> bool:
        return isinstance(value, _Fact)

    return jax.tree.map(lambda value: value[0] if is_fact(value) else value, tape, is_leaf=is_fact)


@jax.custom_vjp  # type: ignore[untyped-decorator]
def _product(A: LinearOperator, x: Array) -> Array:
    return A.matvec(x)


def _forward(A: LinearOperator, x: Array) -> tuple[Array, Any]:
    y, saved = A.forward(x)
    return y, (A, _pack(tuple(saved)[1:]))


def _backward(kept: Any, g: Array) -> tuple[LinearOperator, Array]:
    """JAX's gradients are the conjugates of ours: those of the real linear form Re(g y), not Re(conj(g) y)."""
    A, tape = kept
    dx, grads = A.backward(Saved(A, *_unpack(tape)), jnp.conj(g))
    slopes = A.with_params([jnp.conj(grad) for grad in grads])
    dA = jax.tree.map(lambda new, old: None if new is old else new, slopes, A)
    return dA, jnp.conj(dx)


_product.defvjp(_forward, _backward)


def _vary(tree: Any) -> Any:
    """Inside `jax.shard_map` give all arrays the mesh axes along which one varies.

    JAX does so for its own operations, and sums the gradient of what was one for all devices; a rule has to ask for it.
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
    """Multiply vectors of JAX by an operator; reverse-mode gradients are the operator's own.

    Parameters
    ----------
    A : LinearOperator
        Of JAX, or without arrays. Its parameters and x are what is differentiated.
    x : array, shape (..., n)
        Vectors along the last axis; leading axes are a batch.

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
    The derivative takes the transforms that the product kept, as `A.forward` and `A.backward` do. JAX can differentiate
    the steps of `A.matvec(x)` as well, which forward mode (`jax.jvp`, `jax.jacfwd`, `jax.linearize`) needs: it has no
    rule here. Forward over reverse mode, as in `jax.hessian`, works with both. Compiled, both make the same Fourier
    transforms; through Hadamard transforms, as in Fastfood, this one moves about half of the bytes
    (`python -m benchmarks.jax_rule`).

    Operators are pytrees once `structmat.nn.jax` is imported: arguments of `jax.jit`, `jax.vmap`, `jax.grad` and their
    like. Gradients are operators whose arrays are the gradients: zero for frozen ones, `jax.dtypes.float0` for
    integers, which `jax.grad` takes with ``allow_int=True``. They follow JAX's convention, the conjugates of
    those that `A.vjp` returns. A batch of operators has a leading axis in each of its arrays, and is used inside
    `jax.vmap`. An array that stands twice in an operator is two leaves.

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
    return _product(*_vary((A, x)))
