"""An operator taken apart for a framework: its arrays by name, and a template of the rest."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import ClassVar, NamedTuple, Self

from structmat._backend import namespaces
from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.core.leaf import Leaf


class Slot(NamedTuple):
    """An array of an operator: its name, whether it is a parameter, and the larger size of its leaf."""

    name: str
    array: Array
    is_param: bool
    size: int


def slots(A: LinearOperator) -> list[Slot]:
    """Return a slot for each array of an operator, one for an array that occurs twice unless one is frozen.

    Its name is the field's, "column", with a number where several fields have one name, "entries_0".
    """
    found: list[Slot] = []

    def look(leaf: LinearOperator) -> LinearOperator:
        params = {name for name, _ in leaf._own_params}
        fields = leaf._array_fields if isinstance(leaf, Leaf) else {}
        found.extend(Slot(name, array, name in params, max(leaf.shape)) for name, array in fields.items())
        return leaf

    A._map(look)
    totals, seen = Counter(slot.name for slot in found), Counter[str]()
    distinct: dict[tuple[int, bool], Slot] = {}
    for slot in found:
        name = f"{slot.name}_{seen[slot.name]}" if totals[slot.name] > 1 else slot.name
        seen[slot.name] += 1
        distinct.setdefault((id(slot.array), slot.is_param), slot._replace(name=name))
    return [distinct[id(slot.array), slot.is_param] for slot in found]


def check_library(subject: str, A: LinearOperator, library: str) -> None:
    """Check that an operator has arrays of one library, or none at all."""
    if A.xp is not None and namespaces.name(A.xp) != library:
        raise TypeError(
            f"{subject} has arrays of {namespaces.name(A.xp)}; expected {library}: convert it with "
            f"A.to(xp={'jax.numpy' if library == 'jax' else library})."
        )


class Template:
    """An operator without its arrays, which a layer keeps beside its parameters; each framework has a subclass.

    Attributes
    ----------
    names : tuple of str
        The name of each array of the operator; an array that occurs twice has its name twice.
    structure : hashable
        All else of the operator: templates with equal names and structures bind arrays to equal operators.
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
        return isinstance(other, Template) and (other.structure, other.names) == (self.structure, self.names)

    def __hash__(self) -> int:
        return hash((self.structure, self.names))
