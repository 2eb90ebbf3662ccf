"""Integers of an operator, such as signs and permutations, as buffers that averages don't change."""

from __future__ import annotations  # the documentation is built without PyTorch

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from structmat.core.leaf import Leaf
from structmat.nn._core import OperatorLayer
from structmat.nn.torch.derived import Origin, derive, is_plain

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator
    from structmat.interop.torch import Template


def as_digits(values: torch.Tensor, bound: int) -> torch.Tensor:
    """Return integers from -1 to `bound` by the hexadecimal digits of value + 1, along a first axis.

    Integers outside of this range get all digits of their dtype. A digit d is kept as 8 d + 4, so that a change by less
    than 4 doesn't matter: an average of equal integers is truncated, and loses 1 at first and up to
    2 u x / (1 - decay) in the end, u = 2^-24. For the digits of all numbers that is less than 3 up to a decay of
    0.999995; for the index 4096 itself it is 49 at 0.99999.
    """
    count = 1
    while 16**count < bound + 2:
        count += 1
    shifted = values.long() + 1
    if not values.is_meta and ((shifted < 0) | (shifted >> 4 * count != 0)).any():
        count = 2 * values.element_size()
    return torch.stack([8 * (shifted >> 4 * place & 15) + 4 for place in range(count)]).to(torch.int8)


def as_integers(digits: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the integers that `as_digits` was given."""
    digits = torch.div(digits.long(), 8, rounding_mode="floor")
    shifted = digits[-1]
    for place in reversed(range(len(digits) - 1)):
        shifted = 16 * shifted + digits[place]
    return (shifted - 1).to(dtype)


def _check_values(leaf: LinearOperator) -> LinearOperator:
    if isinstance(leaf, Leaf):
        leaf._check()
    return leaf


class IntegerBuffers(OperatorLayer, nn.Module):  # type: ignore[misc]
    """A layer whose integers are buffers of digits: `layer.signs` is made of the buffer "signs_digits"."""

    _template: Template

    def __init__(self) -> None:
        super().__init__()
        self._integers: dict[str, torch.dtype] = {}
        self._last: dict[str, tuple[torch.Tensor, int, int, torch.Tensor, torch.Tensor]] = {}  # the integers of digits

    def _register_integers(self, name: str, values: torch.Tensor, bound: int) -> None:
        if values.element_size() == 1:  # signs, no numbers of rows or columns
            bound = min(bound, 14)
        self._integers[name] = values.dtype
        self.register_buffer(f"{name}_digits", as_digits(values, bound))

    def _integer(self, name: str) -> torch.Tensor:
        """The integers of a buffer of digits, kept until it changes."""
        digits = self._buffers[f"{name}_digits"]
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return as_integers(digits, self._integers[name])
        last = self._last.get(name)
        if (
            last is not None
            and last[0] is digits
            and last[1:3] == (digits._version, digits.data_ptr())
            # `digits.data` changes without being counted; to compare values on a GPU is to wait for it
            and (not digits.is_cpu or torch.equal(digits, last[4]))
        ):
            return last[3]
        values = as_integers(digits, self._integers[name])
        if is_plain(digits) and not digits.is_inference():  # changes in inference mode are not counted
            self._last[name] = digits, digits._version, digits.data_ptr(), values, digits.clone()
        return values

    def __getattr__(self, name: str) -> Any:
        """Return integers from their digits, and other attributes as every module does."""
        if name in self.__dict__.get("_integers", ()):
            values = self._integer(name).clone()
            what, hint = f"{type(self).__name__}.{name} is made of its digits", f"Assign layer.{name} = values."
            return derive(values, Origin(self, what, hint, lambda: self._set_integers({name: values})))
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set integers by their digits, and other attributes as every module does."""
        if name in self.__dict__.get("_integers", ()):
            self._set_integers({name: value})
        else:
            super().__setattr__(name, value)

    def _set_integers(self, given: dict[str, torch.Tensor]) -> None:
        for name, digits in self._new_digits(given).items():
            held = self._buffers[name]
            if held.is_meta or held.shape != digits.shape:
                self._buffers[name] = digits
            else:
                with torch.no_grad():
                    held.copy_(digits)

    def _new_digits(self, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return the buffers for new integers, after checking that the operator accepts these."""
        names = self._template.names
        values = dict(zip(names, self._values(), strict=True))
        for name, new in given.items():
            old, title = values[name], f"{type(self).__name__}: {name}"
            if not isinstance(new, torch.Tensor):
                raise TypeError(f"{title} is a {type(new).__name__}; expected a torch.Tensor.")
            if new.shape != old.shape:
                raise ValueError(f"{title} has shape {tuple(new.shape)}; expected {tuple(old.shape)}.")
            if new.is_complex() or (new.is_floating_point() and not new.is_meta and not torch.equal(new, new.round())):
                raise ValueError(f"{title} has values that are no integers.")
            values[name] = new.detach().to(old.dtype) if old.is_meta else new.detach().to(old)
        known = {name: values[name] for name in self._integers}
        if known and not any(value.is_meta for value in known.values()):
            where = next(iter(known.values())).device
            blank = {name: torch.zeros(value.shape, dtype=value.dtype, device=where) for name, value in values.items()}
            self._template.operator._with_arrays([{**blank, **known}[name] for name in names])._map(_check_values)
        count = {name: len(self._buffers[f"{name}_digits"]) for name in given}
        return {f"{name}_digits": as_digits(values[name], 16 ** count[name] - 2) for name in given}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        """Load the integers of checkpoints of earlier releases as digits."""
        given = {name: state_dict[f"{prefix}{name}"] for name in self._integers if f"{prefix}{name}" in state_dict}
        if given:
            digits = {f"{name}_digits": self._buffers[f"{name}_digits"] for name in given}
            try:
                digits |= self._new_digits(given)
            except (TypeError, ValueError) as error:
                arguments[-1].append(f"{prefix or 'the layer'}: {error} Averages of integers are lost; load others.")
            others = {key: value for key, value in state_dict.items() if key.removeprefix(prefix) not in given}
            state_dict = {**{f"{prefix}{name}": value for name, value in digits.items()}, **others}
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out derived values."""
        return {**self.__dict__, "_last": {}}
