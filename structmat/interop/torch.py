"""Products in PyTorch's graph, by the operator's own `forward` and `backward`."""

from __future__ import annotations  # the documentation is built without PyTorch

import uuid
import weakref
from typing import TYPE_CHECKING, Any

import torch

from structmat.core.operator import LinearOperator, Saved

if TYPE_CHECKING:
    from collections.abc import Sequence


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
        with torch.autocast(g.device.type, enabled=False):
            if torch.is_grad_enabled():  # for derivatives of derivatives; what the tape holds has no graph
                dx, grads = A.with_params(rest[: len(A.params)]).vjp(x, g)
            else:
                dx, grads = A.backward(Saved(A, _unflatten(ctx.tape, (x, *rest)), *ctx.facts), g)
        wanted = ctx.needs_input_grad
        return tuple(grad if needed else None for grad, needed in zip((None, dx, *grads), wanted, strict=True))


def _is_transformed() -> bool:
    """Tell whether torch.func or forward mode is at work, which differentiate each step of a product themselves."""
    return torch._C._functorch.peek_interpreter_stack() is not None or torch.autograd.forward_ad._current_level >= 0


def matvec(A: LinearOperator, x: torch.Tensor) -> torch.Tensor:
    """Multiply PyTorch vectors (..., n) by an operator, as one node of PyTorch's graph.

    `A.matvec(x)` records every step of the product for autograd; here `A.backward` itself is the derivative, with the
    transforms that `A.forward` kept.
    """
    if not torch.is_grad_enabled() or _is_transformed():
        return A.matvec(x)
    return _Product.apply(A, x, *A.params)


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
        keep = keep and not (
            torch.compiler.is_compiling() or _is_transformed()
        )  # arrays of a trace must not outlive it
        return matvec(self.filled(arrays) if keep else self.operator._with_arrays(arrays), x)


_FORMS: weakref.WeakValueDictionary[str, Form] = weakref.WeakValueDictionary()

# Made of other operations, it is taken apart again wherever gradients, shapes or batching rules are asked for.
torch.library.define("structmat::matvec", "(Tensor x, Tensor[] arrays, str form) -> Tensor")


@torch.library.impl("structmat::matvec", "CompositeImplicitAutograd")  # type: ignore[untyped-decorator]
def _matvec_of_form(x: torch.Tensor, arrays: Sequence[torch.Tensor], form: str) -> torch.Tensor:
    return matvec(_FORMS[form].operator._with_arrays(arrays), x)
