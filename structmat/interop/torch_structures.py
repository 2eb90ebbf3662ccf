"""Operators without arrays that PyTorch's graphs name by a string, and products that `torch.compile` leaves whole."""

from __future__ import annotations  # the documentation is built without PyTorch

import functools
import uuid
import weakref
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils._python_dispatch import _disable_current_modes

from structmat._backend import kernels
from structmat.io import describe, described

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structmat.core.base import LinearOperator
    from structmat.core.leaf import Leaf

_STRUCTURES: weakref.WeakValueDictionary[str, Structure] = weakref.WeakValueDictionary()


class Structure:
    """All of an operator but its arrays, shared by the templates that have it in common.

    Attributes
    ----------
    key : str
        Its description, one for all equal structures in every process.
    operator : LinearOperator
        The operator with arrays on PyTorch's device "meta".
    is_compiled : bool
        Whether compiled kernels multiply by a part of the operator.
    are_params : list of bool
        For each array of the operator, whether it has a gradient.
    templates : dict
        The templates that are alive, by identity.
    """

    def __init__(self, key: str, operator: LinearOperator) -> None:
        self.key, self.operator = key, operator
        leaves = _leaves(operator)
        self.is_compiled = kernels.are_built() and any(leaf._compiles for leaf in leaves)
        self.are_params = [name in dict(leaf._own_params) for leaf in leaves for name in leaf._array_fields]
        self.templates: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._bound: OrderedDict[tuple[Any, ...], _Bound] = OrderedDict()

    @classmethod
    def of(cls, operator: LinearOperator) -> Structure:
        """Return the structure of an operator on the device "meta"."""
        try:
            key = describe(operator)
        except (TypeError, ValueError):  # it holds functions, or a class that is not registered
            key = uuid.uuid4().hex  # of no other process, whose compiled graphs may be found on the disk
        found = _STRUCTURES.get(key)
        if found is None:
            found = _STRUCTURES[key] = cls(key, operator)
        return found

    def bind(self, arrays: Sequence[torch.Tensor]) -> LinearOperator:
        """Return the operator with the given arrays, the one of an earlier call if they are the same and unchanged.

        An operator keeps values derived from constants only (see `may_keep`), so only constants need to be unchanged.
        Arrays with a graph would be kept with the operator, and changes of arrays in inference mode are not counted:
        their operator is not kept. Of the others, as many are kept as there are templates. On the CPU, signs and other
        arrays without a gradient are compared by value: compiled graphs decode them for each product, and `p.data`
        changes them without a trace.
        """
        marks, constants = [], []
        for array, is_param in zip(arrays, self.are_params, strict=True):
            if not array.is_leaf or array.is_inference():
                return self.operator._with_arrays(arrays)
            # Beside the identity: `Module.to` and `p.data = ...` change an array in place.
            kind, version = (array.dtype, array.device, array.shape), None if array.requires_grad else array._version
            marks.append((*kind, id(array), version) if is_param else kind)
            if not is_param:
                constants.append((array, version))
        key = tuple(marks)
        bound = self._bound.get(key)
        if bound is None or not all(map(_are_same, bound.constants, constants)):
            kept = [(array, version, array.detach().clone() if array.is_cpu else None) for array, version in constants]
            bound = self._bound[key] = _Bound(self.operator._with_arrays(arrays), kept)
            while len(self._bound) > len(self.templates):
                self._bound.popitem(last=False)
        return bound.operator


def _leaves(A: LinearOperator) -> list[Leaf]:
    found: list[Leaf] = []

    def look(leaf: Leaf) -> LinearOperator:
        found.append(leaf)
        return leaf

    A._map(look)
    return found


class _Bound(NamedTuple):
    """An operator, and its arrays without a gradient, each with the number of changes and its values at that time."""

    operator: LinearOperator
    constants: list[tuple[torch.Tensor, int | None, torch.Tensor | None]]


def _are_same(old: tuple[torch.Tensor, int | None, torch.Tensor | None], new: tuple[torch.Tensor, int | None]) -> bool:
    """Tell whether an array has the values that another one had; `p.data` changes values without being counted."""
    array, version, values = old
    if values is None:  # to compare values on a GPU is to wait for it
        return array is new[0] and version == new[1]
    return all(torch.equal(values, each) for each in {id(each): each for each in (array, new[0])}.values())


def structure_of(key: str) -> Structure:
    """Return the structure with a key: that of templates, or one made from its description."""
    if (found := _STRUCTURES.get(key)) is not None:
        return found
    if not key.startswith("{"):
        raise ValueError(
            "structmat::matvec: the operator holds functions, or a class that is not registered (see "
            "structmat.custom.register_operator), and belongs to a layer that is gone or of another process; compile "
            "or export it anew."
        )
    return _structure_described(key)


@functools.lru_cache(maxsize=256)
def _structure_described(key: str) -> Structure:
    def empty(dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.empty(shape, dtype=getattr(torch, dtype), device="meta")

    with _disable_current_modes():  # the operator is kept, and must not belong to one trace
        return Structure(key, described("structmat::matvec", key, empty))


# `torch.compile` leaves these products whole, for the compiled kernels, and decomposes "structmat::matvec" into FFTs.
torch.library.define("structmat::product", "(Tensor x, Tensor[] arrays, str form) -> Tensor")
torch.library.define("structmat::pullback", "(Tensor x, Tensor[] arrays, Tensor g, str form) -> Tensor[]")


@torch.library.impl("structmat::product", "CompositeExplicitAutograd")  # type: ignore[untyped-decorator]
@torch.no_grad()  # type: ignore[untyped-decorator]
def _product(x: torch.Tensor, arrays: Sequence[torch.Tensor], form: str) -> torch.Tensor:
    return structure_of(form).bind(arrays).matvec(x)


@torch.library.impl("structmat::pullback", "CompositeExplicitAutograd")  # type: ignore[untyped-decorator]
@torch.no_grad()  # type: ignore[untyped-decorator]
def _pullback(x: torch.Tensor, arrays: Sequence[torch.Tensor], g: torch.Tensor, form: str) -> list[torch.Tensor]:
    dx, grads = structure_of(form).bind(arrays).vjp(x, g)
    return [dx, *grads]


@torch.library.register_fake("structmat::product")  # type: ignore[untyped-decorator]
def _fake_product(x: torch.Tensor, _: Sequence[torch.Tensor], form: str) -> torch.Tensor:
    A = structure_of(form).operator
    return x.new_empty((*x.shape[:-1], A.m), dtype=A._product_dtype(A.xp, x.dtype))


@torch.library.register_fake("structmat::pullback")  # type: ignore[untyped-decorator]
def _fake_pullback(x: torch.Tensor, _: Sequence[torch.Tensor], __: torch.Tensor, form: str) -> list[torch.Tensor]:
    params = structure_of(form).operator.params
    return [x.new_empty(x.shape), *(x.new_empty(param.shape, dtype=param.dtype) for param in params)]


def _keep_arguments(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:  # noqa: ARG001 (PyTorch passes it by name)
    x, arrays, ctx.form = inputs
    ctx.save_for_backward(x, *arrays)


def _differentiate(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor | None], None]:
    x, *arrays = ctx.saved_tensors
    dx, *grads = torch.ops.structmat.pullback(x, arrays, g, ctx.form)
    left = iter(grads)
    return dx, [next(left) if is_param else None for is_param in structure_of(ctx.form).are_params], None


torch.library.register_autograd("structmat::product", _differentiate, setup_context=_keep_arguments)
