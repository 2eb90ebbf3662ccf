"""The registry of operators, which the contract tests, the catalogue in the docs and the benchmarks iterate over."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

from structmat.core import fields

L = TypeVar("L")


@dataclasses.dataclass(frozen=True)
class Entry:
    """A registered class, and the arguments of `register_operator`."""

    cls: type
    cost: str
    references: tuple[str, ...]
    example: Callable[[int, Any], Any]


OPERATORS: dict[str, Entry] = {}  #: every registered operator, by class name


@dataclass_transform(
    frozen_default=True, eq_default=False, field_specifiers=(fields.param, fields.constant, fields.size)
)
def register_operator(
    *, cost: str, example: Callable[[int, Any], Any], references: tuple[str, ...] = ()
) -> Callable[[type[L]], type[L]]:
    """Decorate an operator class: make it a frozen dataclass of its declared fields, and register it.

    Parameters
    ----------
    cost : str
        Time of a product with one vector, as text ("O(n log n)").
    example : callable
        `example(n, rng)` returns an instance with about n columns, from a `numpy.random.Generator`, for the tests, the
        catalogue and the benchmarks.
    references : tuple of str
        Keys of the bibliography in the docs.

    Returns
    -------
    callable
        The class decorator.

    Raises
    ------
    ValueError
        Another class is registered under the same name.
    """

    def register(cls: type[L]) -> type[L]:
        known = OPERATORS.get(cls.__name__)
        if known is not None and known.cls.__module__ != cls.__module__:
            raise ValueError(f"operator {cls.__name__} is registered already, by {known.cls.__module__}.")
        frozen = dataclasses.dataclass(frozen=True, eq=False, repr=False)(cls)
        OPERATORS[cls.__name__] = Entry(frozen, cost, references, example)
        return frozen

    return register
