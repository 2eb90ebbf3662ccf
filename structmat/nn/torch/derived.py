"""Tensors that are made anew at each access: changes in place are stored where they came from, or refused."""

from __future__ import annotations  # the documentation is built without PyTorch

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

if TYPE_CHECKING:
    from collections.abc import Callable


def is_plain(value: torch.Tensor) -> bool:
    """Tell whether a tensor has one of PyTorch's own classes and is not traced."""
    return not (
        type(value) not in (torch.Tensor, nn.Parameter)
        or torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._functorch.is_functorch_wrapped_tensor(value)
    )


class Origin(NamedTuple):
    """The module that a derived tensor belongs to, and how a change in place is stored; None refuses it."""

    owner: nn.Module
    what: str
    hint: str
    store: Callable[[], None] | None = None

    def refuse(self, change: str) -> None:
        """Raise the error of a change that would be lost."""
        raise RuntimeError(f"{self.what} at each access, so {change} would change nothing. {self.hint}")


class Derived(torch.Tensor):  # type: ignore[misc]
    """A tensor made anew at each access: changes in place, also through its views, are stored or refused."""

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function of PyTorch, and store or refuse its changes in place, which version counters show."""
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, cls)]
        if func.__name__ in ("__set__", "requires_grad_") and isinstance(args[0], cls):
            args[0].origin.refuse("this")
        with torch._C.DisableTorchFunctionSubclass():
            versions = [tensor._version for tensor in tensors]
            if func.__name__ in ("__deepcopy__", "__reduce_ex__"):  # copies are plain
                args = (args[0].as_subclass(torch.Tensor), *args[1:])
            result = func(*args, **(kwargs or {}))
            written = [old for old, version in zip(tensors, versions, strict=True) if old._version != version]
            if func.__name__ in ("numpy", "__array__"):
                result.flags.writeable = False
            elif type(result) in (list, tuple):
                result = type(result)(_derive_view(value, tensors) for value in result)
            else:
                result = _derive_view(result, tensors)
        for tensor in written:
            tensor.origin.store() if tensor.origin.store else tensor.origin.refuse(func.__name__)
        return result


def _derive_view(value: Any, tensors: list[Derived]) -> Any:
    """Mark a result that is a view of a derived tensor."""
    if isinstance(value, torch.Tensor) and not isinstance(value, Derived) and value.layout is torch.strided:
        for tensor in tensors:
            if torch._C._is_alias_of(value, tensor):
                return derive(value, tensor.origin)
    return value


def derive(value: torch.Tensor, origin: Origin) -> torch.Tensor:
    """Mark a tensor, unless it is traced, as derived from the state of a module."""
    if not is_plain(value):
        return value
    if value.is_inference():  # it has no version counter
        with torch.inference_mode(mode=False):
            value = value.clone()
    marked: torch.Tensor = value.as_subclass(Derived)
    marked.__dict__["origin"] = origin
    return marked
