"""Tensors that are made anew at each access: changes in place are stored where they came from, or refused."""

from __future__ import annotations  # the documentation is built without PyTorch

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
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


@dataclasses.dataclass(frozen=True)
class Origin:
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
        """Run a function of PyTorch, and store or refuse its changes in place."""
        kwargs = kwargs or {}
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, cls)]
        with torch._C.DisableTorchFunctionSubclass(), _WriteWatch(tensors) as watch:
            if func.__name__ in ("__set__", "requires_grad_") and isinstance(args[0], cls):
                args[0].origin.refuse("this")
            result = func(*args, **kwargs)
            if func.__name__ in ("numpy", "__array__"):
                result.flags.writeable = False
            elif type(result) in (list, tuple):  # of views
                result = type(result)(map(watch.derived, result))
            else:
                result = watch.derived(result)
        for store in watch.stores:
            store()
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a plain tensor."""
        with torch._C.DisableTorchFunctionSubclass():
            return self.as_subclass(torch.Tensor).clone().__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return a plain tensor."""
        with torch._C.DisableTorchFunctionSubclass():
            return copy.deepcopy(self.as_subclass(torch.Tensor), memo)


class _WriteWatch(TorchDispatchMode):  # type: ignore[misc]
    """Finds the operations of PyTorch that write to derived tensors, by their schemas."""

    def __init__(self, tensors: list[Derived]) -> None:
        super().__init__()
        self.tensors = tensors
        self.stores: list[Callable[[], None]] = []

    def _source(self, value: Any) -> Derived | None:
        """The derived tensor that a value shares memory with."""
        if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
            return None
        return next((each for each in self.tensors if torch._C._is_alias_of(value, each)), None)

    def derived(self, value: Any) -> Any:
        """Mark a result that is a view of a derived tensor."""
        source = None if isinstance(value, Derived) else self._source(value)
        return value if source is None else derive(value, source.origin)

    def __torch_dispatch__(self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operation, unless it writes to a tensor whose changes are refused."""
        kwargs = kwargs or {}
        for place, argument in enumerate(op._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                for value in tree_leaves(args[place] if place < len(args) else kwargs.get(argument.name)):
                    source = self._source(value)
                    if source is not None and source.origin.store is None:
                        source.origin.refuse(op._schema.name.removeprefix("aten::"))
                    if source is not None:
                        self.stores.append(source.origin.store)
        return op(*args, **kwargs)


def derive(value: torch.Tensor, origin: Origin) -> torch.Tensor:
    """Mark a tensor, unless it is traced, as derived from the state of a module."""
    if not is_plain(value):
        return value
    marked: torch.Tensor = value.as_subclass(Derived)
    marked.__dict__["origin"] = origin
    return marked
