"""The registry: what makes an operator known to the contract tests, the docs catalogue and the benchmarks."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

from structmat.core import fields

L = TypeVar("L")


@dataclasses.dataclass(frozen=True)
class Entry:
    """One registered operator.

    Attributes
    ----------
    cls : type
        The operator class.
    cost : str
        Time of a product with one vector, as text ("O(n log n)").
    references : tuple of str
        Keys of the bibliography in the docs.
    example : callable
        `example(n, rng)` makes an instance with about n columns from a `numpy.random.Generator`; the tests, the
        catalogue's pictures and the benchmarks draw theirs from it.
    """

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
    """Make a class of kernels an operator: freeze it as a dataclass of its declared fields, and register it.

    Parameters
    ----------
    cost : str
        Time of a product with one vector, as text ("O(n log n)").
    example : callable
        `example(n, rng)` returns an instance with about n columns, from a `numpy.random.Generator`.
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
