"""An operator taken apart for a framework: its arrays by name, and a template of the rest."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import ClassVar, NamedTuple, Self

from structmat._backend import Array, namespace_name
from structmat.core.base import LinearOperator
from structmat.core.leaf import Leaf


class Slot(NamedTuple):
    """An array of an operator: its name, whether it is a parameter, and the larger size of its leaf."""

    name: str
    array: Array
    is_param: bool
    size: int


def slots(A: LinearOperator) -> list[Slot]:
    """Return a slot for each array of an operator.

    A slot has the name of its field, with a number where several fields have one name. An array that stands twice has
    one slot, unless it is frozen in one place only.
    """
    found: list[tuple[str, Array, bool, int]] = []

    def look(leaf: LinearOperator) -> LinearOperator:
        params = {name for name, _ in leaf._own_params}
        fields = leaf._array_fields if isinstance(leaf, Leaf) else {}
        found.extend((name, array, name in params, max(leaf.shape)) for name, array in fields.items())
        return leaf

    A._map(look)
    totals = Counter(name for name, *_ in found)
    seen: Counter[str] = Counter()
    distinct: dict[tuple[int, bool], Slot] = {}
    named = []
    for field, array, is_param, size in found:
        name = f"{field}_{seen[field]}" if totals[field] > 1 else field
        seen[field] += 1
        named.append(distinct.setdefault((id(array), is_param), Slot(name, array, is_param, size)))
    return named


def check_library(subject: str, A: LinearOperator, library: str) -> None:
    """Check that an operator has arrays of one library, or none at all."""
    if A.xp is not None and namespace_name(A.xp) != library:
        raise TypeError(
            f"{subject} has arrays of {namespace_name(A.xp)}; expected {library}: convert it with "
            f"A.to(xp={'jax.numpy' if library == 'jax' else library})."
        )


class Template:
    """An operator without its arrays, which a layer keeps beside its parameters; frameworks subclass it.

    Templates are equal if they bind the same arrays to the same operator.

    Parameters
    ----------
    operator : LinearOperator
        The operator.
    names : tuple of str, optional
        Names of its arrays, those of `slots` unless given.

    Attributes
    ----------
    names : tuple of str
        One for each array of the operator, in their order; an array that stands twice has its name twice.
    structure : hashable
        All else of the operator.
    """

    library: ClassVar[str]
    structure: Hashable

    def __init__(self, operator: LinearOperator, names: tuple[str, ...] | None = None) -> None:
        self.names = tuple(slot.name for slot in slots(operator)) if names is None else names

    @classmethod
    def split(cls, title: str, operator: LinearOperator) -> tuple[Self, dict[str, Slot]]:
        """Take apart the operator that a layer was given; `bind` puts it together again."""
        if not isinstance(operator, LinearOperator):
            raise TypeError(f"{title}: operator is a {type(operator).__name__}; expected a LinearOperator.")
        check_library(f"{title}: {operator._head}", operator, cls.library)
        found = slots(operator)
        return cls(operator, tuple(slot.name for slot in found)), {slot.name: slot for slot in found}

    def bind(self, arrays: Sequence[Array]) -> LinearOperator:
        """Return the operator with the given arrays, one for each name."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (other.structure, other.names) == (self.structure, self.names)

    def __hash__(self) -> int:
        return hash((self.structure, self.names))
