"""Products in PyTorch's graph, by the operator's own `forward` and `backward`."""

from __future__ import annotations  # the documentation is built without PyTorch

import functools
import sys
import uuid
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import _disable_current_modes

from structmat.core.base import LinearOperator, Saved
from structmat.io import describe, described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _flatten(tape: Any, tensors: list[torch.Tensor]) -> Any:
    """Move the tensors of a nested tuple to a list, and leave their places in it."""
    if isinstance(tape, tuple):
        return tuple(_flatten(each, tensors) for each in tape)
    if isinstance(tape, torch.Tensor):
        tensors.append(tape)
        return _Place(len(tensors) - 1)
    return tape


class _Place(int):
    """Where a tensor stands in a list."""


def _unflatten(tape: Any, tensors: tuple[torch.Tensor, ...]) -> Any:
    if isinstance(tape, tuple):
        return tuple(_unflatten(each, tensors) for each in tape)
    return tensors[tape] if isinstance(tape, _Place) else tape


def autocast_dtype(x: torch.Tensor) -> torch.dtype | None:
    """Return the dtype that autocast wants on x's device, None where it is off; what is no tensor is refused later."""
    if not isinstance(x, torch.Tensor):
        return None
    kind = x.device.type
    wants = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.get_autocast_dtype(kind) if wants else None


class _Product(torch.autograd.Function):  # type: ignore[misc]
    """A x as one node of the graph, whose inputs are x and the parameters of A."""

    @staticmethod
    def forward(ctx: Any, A: LinearOperator, x: torch.Tensor, *params: torch.Tensor) -> torch.Tensor:
        y, saved = A.forward(x)
        tensors = [x, *params]
        ctx.operator, ctx.facts, ctx.tape = A, saved[2:], _flatten(saved.tape, tensors)
        ctx.save_for_backward(*tensors)
        return y

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        A, (x, *rest) = ctx.operator, ctx.saved_tensors

        def pulled(g: torch.Tensor) -> tuple[torch.Tensor, ...]:
            if torch.is_grad_enabled():  # for derivatives of derivatives; what the tape holds has no graph
                dx, grads = A.with_params(rest[: len(A.params)]).vjp(x, g)
            else:
                dx, grads = A.backward(Saved(A, _unflatten(ctx.tape, (x, *rest)), *ctx.facts), g)
            return dx, *grads

        with torch.autocast(g.device.type, enabled=False):
            found = _for_each(pulled, g)
        wanted = ctx.needs_input_grad
        return tuple(grad if needed else None for grad, needed in zip((None, *found), wanted, strict=True))


def _for_each(function: Callable[..., tuple[torch.Tensor, ...]], g: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Apply a function to each of the batch that vectorised Jacobians and `is_grads_batched` hide in one tensor.

    Their own way of batching, older than that of torch.func, has rules for few operations.
    """
    if not torch._C._functorch.is_legacy_batchedtensor(g):
        return function(g)
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    batch = torch._remove_batch_dim(g, level, 0, 0)
    return tuple(torch._add_batch_dim(found, 0, level) for found in torch.func.vmap(function)(batch))


def _is_dual() -> bool:
    """Tell whether forward mode is at work."""
    return bool(torch.autograd.forward_ad._current_level >= 0)


def _is_recorded() -> bool:
    """Tell whether torch.func, forward mode or torch.jit.trace is at work, for which each step of a product counts."""
    return torch._C._functorch.peek_interpreter_stack() is not None or _is_dual() or torch.jit.is_tracing()


def matvec(A: LinearOperator, x: torch.Tensor) -> torch.Tensor:
    """Multiply PyTorch vectors (..., n) by an operator, as one node of PyTorch's graph.

    `A.matvec(x)` records every step of the product for autograd; here `A.backward` itself is the derivative, with the
    transforms that `A.forward` kept.
    """
    if any(map(_is_distributed, (x, *A._arrays))):
        return _distributed_product(A, x)
    if torch.jit.is_tracing() and torch.onnx.is_in_onnx_export():
        return _dense_product(A, x)
    if _is_dual() and x.ndim == 1:  # PyTorch fails at two products of matrices with one vector
        return A.matvec(x[None, :])[0]
    if not torch.is_grad_enabled() or _is_recorded():
        return A.matvec(x)
    return _Product.apply(A, x, *A.params)


def _dense_product(A: LinearOperator, x: torch.Tensor) -> torch.Tensor:
    """Multiply by the matrix, a constant: PyTorch's older way to ONNX, by a trace, knows no Fourier transforms."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)
    try:
        with torch.no_grad():
            matrix = A.matvec(torch.eye(A.n, dtype=A.dtype or x.dtype, device=x.device)).detach()
    finally:
        torch._C._set_tracing_state(state)
    return x @ matrix


def _is_distributed(x: Any) -> bool:
    """Tell whether a tensor is a DTensor."""
    if type(x) is torch.Tensor or type(x) is torch.nn.Parameter:
        return False
    module = sys.modules.get("torch.distributed.tensor")
    return isinstance(x, getattr(module, "DTensor", ()))


def _distributed_product(A: LinearOperator, x: Any) -> torch.Tensor:
    """Multiply the vectors that each device has by the whole operator.

    PyTorch's rules for DTensors lack some operations of products. None is needed: vectors are independent.
    """
    if not _is_distributed(x):
        raise TypeError(
            f"{A._head}.matvec: x is a {type(x).__name__} and the operator's arrays are DTensors; expected a DTensor: "
            f"make it one with torch.distributed.tensor.distribute_tensor."
        )
    from torch.distributed.tensor import DTensor, Partial, Replicate, Shard  # PyTorch 2.5

    mesh, last = x.device_mesh, x.ndim - 1
    places = [place if type(place) is Shard and place.dim < last else Replicate() for place in x.placements]
    everywhere = [Replicate()] * mesh.ndim
    summed = [Replicate() if place.is_replicate() else Partial() for place in places]  # gradients, over the vectors

    def local(array: Any) -> torch.Tensor:
        if _is_distributed(array):
            if array.device_mesh != mesh:
                raise TypeError(f"{A._head}.matvec: x and the operator are on two meshes; expected one.")
            return array.redistribute(mesh, everywhere).to_local(grad_placements=summed)
        if array.requires_grad:
            raise TypeError(
                f"{A._head}.matvec: x is a DTensor and a parameter of the operator a {type(array).__name__}, whose "
                f"gradient would be that of one device's vectors; expected DTensors: make them so with "
                f"torch.distributed.tensor.distribute_module."
            )
        return array

    whole_operator = A._with_arrays(list(map(local, A._arrays)))
    y = matvec(whole_operator, x.redistribute(mesh, places).to_local(grad_placements=places))
    shape = torch.Size((*x.shape[:-1], A.m))
    strides = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(y, mesh, places, run_check=False, shape=shape, stride=strides)


def _identity(array: torch.Tensor) -> tuple[Any, ...]:
    """Tell an array from others, and from itself after a change: `Module.to` and `p.data = ...` change it in place."""
    version = None if array.requires_grad else array._version
    return id(array), array.dtype, array.device, array.shape, version


class Form:
    """An operator without its arrays, which come anew with each product: what a module keeps beside its parameters.

    Attributes
    ----------
    operator : LinearOperator
        The operator with arrays on PyTorch's device "meta", which have shapes and dtypes only.
    """

    def __init__(self, operator: LinearOperator) -> None:
        self.operator = operator.to(device="meta")
        self._last: tuple[Any, Any] = (None, None)
        try:
            self._key = describe(self.operator)  # one for all equal structures, in every process
        except (TypeError, ValueError):  # it holds functions, or a class that is not registered
            self._key = uuid.uuid4().hex  # of no other process, whose compiled graphs may be found on the disk
            _FORMS[self._key] = self

    def __reduce__(self) -> tuple[Any, ...]:
        return Form, (self.operator,)

    def filled(self, arrays: Sequence[torch.Tensor]) -> LinearOperator:
        """Return the operator with given arrays: that of the last time if they are the same ones.

        What it keeps is derived from constants only (see `may_keep`), so only these need to be unchanged as well.
        Arrays with a graph, which would be kept with them, and those of inference mode, whose changes are not counted,
        are used once.
        """
        if torch.compiler.is_compiling() or not all(array.is_leaf and not array.is_inference() for array in arrays):
            return self.operator._with_arrays(arrays)
        key = list(map(_identity, arrays))
        last, operator = self._last
        if key != last:
            operator = self.operator._with_arrays(arrays)
            self._last = key, operator
        return operator  # type: ignore[no-any-return]

    def matvec(self, x: torch.Tensor, arrays: Sequence[torch.Tensor], *, keep: bool = True) -> torch.Tensor:
        """Multiply vectors by the operator that has these arrays; `torch.compile` sees one operation.

        The operator is kept for the next product unless told otherwise, as arrays that are made for one product ask.
        """
        if torch.compiler.is_dynamo_compiling():
            return torch.ops.structmat.matvec(x, arrays, self._key)
        if torch.jit.is_tracing():
            with warnings.catch_warnings():  # of sizes, which the operator has to be compared with
                warnings.simplefilter("ignore", torch.jit.TracerWarning)
                return matvec(self.operator._with_arrays(arrays), x)
        keep = keep and not (torch.compiler.is_compiling() or _is_recorded())  # arrays of a trace must not outlive it
        return matvec(self.filled(arrays) if keep else self.operator._with_arrays(arrays), x)


_FORMS: weakref.WeakValueDictionary[str, Form] = weakref.WeakValueDictionary()  # those that no description holds


def _form(key: str) -> LinearOperator:
    """Return the operator behind the key of a form."""
    if key.startswith("{"):
        return _described_form(key)
    if key not in _FORMS:
        raise ValueError(
            "structmat::matvec: the operator holds functions, or a class that is not registered (see "
            "structmat.custom.register_operator), and belongs to a layer that is gone or of another process; compile "
            "or export it anew."
        )
    return _FORMS[key].operator


@functools.lru_cache(maxsize=256)
def _described_form(key: str) -> LinearOperator:
    def empty(dtype: str, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.empty(shape, dtype=getattr(torch, dtype), device="meta")

    with _disable_current_modes():  # it is kept, and must not belong to one trace
        return described("structmat::matvec", key, empty)


# Made of other operations, it is taken apart again wherever gradients, shapes or batching rules are asked for.
torch.library.define("structmat::matvec", "(Tensor x, Tensor[] arrays, str form) -> Tensor")


@torch.library.impl("structmat::matvec", "CompositeImplicitAutograd")  # type: ignore[untyped-decorator]
def _matvec_of_form(x: torch.Tensor, arrays: Sequence[torch.Tensor], form: str) -> torch.Tensor:
    return matvec(_form(form)._with_arrays(arrays), x)
