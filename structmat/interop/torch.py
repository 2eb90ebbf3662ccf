"""Products in PyTorch's graph, by the operator's own `forward` and `backward`."""

from typing import Any

import torch

from structmat.core.operator import LinearOperator, Saved


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
        if torch.is_grad_enabled():  # for derivatives of derivatives; what the tape holds has no graph
            dx, grads = A.with_params(rest[: len(A.params)]).vjp(x, g)
        else:
            dx, grads = A.backward(Saved(A, _unflatten(ctx.tape, ctx.saved_tensors), *ctx.facts), g)
        wanted = ctx.needs_input_grad
        return tuple(grad if needed else None for grad, needed in zip((None, dx, *grads), wanted, strict=True))


def matvec(A: LinearOperator, x: torch.Tensor) -> torch.Tensor:
    """Multiply PyTorch vectors (..., n) by an operator, as one node of PyTorch's graph.

    `A.matvec(x)` records every step of the product for autograd; here `A.backward` itself is the derivative, with the
    transforms that `A.forward` kept.
    """
    return _Product.apply(A, x, *A.params)
