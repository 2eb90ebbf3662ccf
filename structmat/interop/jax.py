"""Operators as arrays and a description that JAX can compare and hash."""

import dataclasses
from collections.abc import Hashable, Sequence
from typing import Any

from structmat._backend import Array, is_array
from structmat.core.operator import LinearOperator


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where an array stands in the list."""

    index: int


@dataclasses.dataclass(frozen=True)
class _Value:
    """Anything else that a field holds; 2 and 2.0 are equal, so the type is told too."""

    cls: type
    value: Hashable


@dataclasses.dataclass(frozen=True)
class _Whole:
    """What is made of parts: an operator, a tuple or a slice."""

    cls: type
    names: tuple[str, ...]
    parts: tuple[Hashable, ...]


def flatten(value: Any, arrays: list[Array]) -> Hashable:
    """Take an operator apart: append its arrays to a list, and return what is left of it."""
    if is_array(value):
        arrays.append(value)
        return _Place(len(arrays) - 1)
    if isinstance(value, LinearOperator):
        fields = value._fields
    elif isinstance(value, tuple):
        fields = {str(place): part for place, part in enumerate(value)}
    elif isinstance(value, slice):  # which can't be hashed before Python 3.12
        fields = {name: getattr(value, name) for name in ("start", "stop", "step")}
    else:
        return _Value(type(value), value)
    return _Whole(type(value), tuple(fields), tuple(flatten(part, arrays) for part in fields.values()))


def unflatten(description: Any, arrays: Sequence[Array]) -> Any:
    """Undo `flatten`, with the same arrays or with others of their shapes."""
    if isinstance(description, _Place):
        return arrays[description.index]
    if isinstance(description, _Value):
        return description.value
    parts = [unflatten(part, arrays) for part in description.parts]
    if issubclass(description.cls, LinearOperator):
        return description.cls._make(dict(zip(description.names, parts, strict=True)))
    return slice(*parts) if description.cls is slice else tuple(parts)
