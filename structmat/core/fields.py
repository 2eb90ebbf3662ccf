"""What an operator declares of itself: parameters, other arrays, sizes, and values derived from them."""

import dataclasses
import math
import operator
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar, overload

from structmat._backend import (
    Array,
    HostArray,
    Namespace,
    astype,
    compute_dtype,
    conj,
    copied,
    dtype_name,
    is_array,
    is_integer,
    is_traced,
    kind,
    may_keep,
    namespace,
    namespace_name,
    native,
    read_only,
    to_host,
)

Role = Literal["parameter", "constant"]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class ArraySpec:
    """The declaration of an array field: one size symbol an axis, and what its entries are.

    A last symbol with dots, "n...", takes any number of axes, one at least, and is bound to the product of their sizes.
    """

    dims: tuple[str, ...]
    role: Role
    default: Callable[[Any], Array] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last symbol takes any number of axes."""
        return self.dims[-1].endswith("...")

    def fits(self, axes: int) -> bool:
        """Tell whether an array may have this many axes."""
        return axes >= len(self.dims) if self.is_open else axes == len(self.dims)

    def sizes(self, shape: tuple[int, ...]) -> list[tuple[str, int]]:
        """Each symbol and the size that a shape which fits binds it to."""
        last = len(self.dims) - 1
        widths = (*shape[:last], math.prod(shape[last:]))
        return [(symbol.removesuffix("..."), width) for symbol, width in zip(self.dims, widths, strict=True)]


def param(*dims: str, default: Callable[[Any], Array] | None = None) -> Any:
    """Declare a parameter: a floating or complex array that has a gradient.

    It enters the operator linearly, each field by itself, unless the class says `_linear_in_params = False`.

    Parameters
    ----------
    *dims : str
        One size symbol an axis. A symbol that stands twice, in one field or in several, must have one size. A last
        symbol "n..." takes any number of axes; n is then the product of their sizes.
    default : callable, optional
        Makes the array where none or None is given, of the operator with the fields before it.
    """
    metadata = {"array": ArraySpec(dims, "parameter", default)}
    return (
        dataclasses.field(metadata=metadata) if default is None else dataclasses.field(default=None, metadata=metadata)
    )


def conjugate_of(name: str) -> Callable[[Any], Array]:
    """Return the default of a parameter that is the conjugate of another one, in memory of its own."""

    def conjugated(operator: Any) -> Array:
        array = getattr(operator, name)
        return copied(namespace(array), conj(namespace(array), array))

    return conjugated


def constant(*dims: str) -> Any:
    """Declare an array that is no parameter, such as signs or indices.

    It is moved and saved with the operator; its dtype stays as it is.

    Parameters
    ----------
    *dims : str
        One size symbol an axis.
    """
    return dataclasses.field(metadata={"array": ArraySpec(dims, "constant")})


def size() -> Any:
    """Declare a size: a positive int that binds the symbol of the field's name."""
    return dataclasses.field(metadata={"size": True})


def as_integer(value: Any) -> int | None:
    """Return the plain int that Python or NumPy means by a value; None for anything else, such as bools and floats."""
    if type(value) is int:  # the rest is not for compilers to trace
        return value
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def checked_size(title: str, name: str, value: Any, *, least: int = 1) -> int:
    """Return a size that a user gave, which must be a positive int of Python or NumPy, as a plain one."""
    size = as_integer(value)
    if size is None or size < least:
        wanted = "a positive int" if least == 1 else f"an int of {least} or more"
        raise ValueError(f"{title}: {name} is {value!r}; expected {wanted}.")
    return size


def checked_floating(title: str, **arrays: Any) -> tuple[Namespace, list[Array]]:
    """Return the library of floating arrays that a user gave, and them, native, half precision as single."""
    first, *others = arrays
    found: list[Array] = []
    for name, array in arrays.items():
        if not is_array(array) or kind(xp := namespace(array), array.dtype) is None:
            got = f"has dtype {dtype_name(array.dtype)}" if is_array(array) else f"is a {type(array).__name__}"
            raise TypeError(f"{title}: {name} {got}; expected an array of a real or complex floating dtype.")
        if name in others and xp is not namespace(arrays[first]):
            raise TypeError(
                f"{title}: {name} is an array of {namespace_name(xp)}, {first} of "
                f"{namespace_name(namespace(arrays[first]))}; expected one library."
            )
        found.append(native(astype(xp, array, compute_dtype(xp, array.dtype))))
    return xp, found


def checked_index(
    title: str, index: Array, n: int, *, name: str = "index", size: str = "n", distinct: bool = True
) -> Array:
    """Return an index array that a user gave: integers from 0 to n - 1, `distinct` or not, fit to count to n with.

    A traced array has no values to look at, so its entries are trusted.
    """
    xp = namespace(index)
    if not is_integer(xp, index.dtype):
        raise TypeError(f"{title}: {name} has dtype {dtype_name(index.dtype)}; expected an integer dtype.")
    if not is_traced(index):
        entries = to_host(index)
        if entries.min() < 0 or entries.max() >= n:
            raise ValueError(
                f"{title}: {name} runs from {entries.min()} to {entries.max()}; expected 0 to {size} - 1 = {n - 1}."
            )
        if distinct and len(set(entries.tolist())) < len(entries):
            raise ValueError(f"{title}: {name} has an entry twice; expected each of 0 to n - 1 once at most.")
    return widened(xp, index)


def widened(xp: Namespace, index: Array) -> Array:
    """Return an index array fit to count with, 64 bits in the place of few or unsigned ones."""
    return index if index.dtype in (xp.int32, xp.int64) else xp.astype(index, xp.int64)


class cached(Generic[T]):  # noqa: N801 (used as a decorator, as functools.cached_property is)
    """A value derived from an operator's arrays, computed at first use and kept on the instance, read-only in NumPy.

    A new parameter means a new operator, so a kept value cannot be stale. Values that must not outlive their call
    (JAX tracers, PyTorch tensors with a graph) are computed afresh each time; pickles and copies start without any.
    """

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, operator: None, owner: type) -> "cached[T]": ...
    @overload
    def __get__(self, operator: object, owner: type) -> T: ...
    def __get__(self, operator: Any, owner: type) -> Any:
        if operator is None:
            return self
        cache: dict[object, T] = operator._cache
        if self.name in cache:
            value = cache[self.name]
            if type(value) is HostArray or may_keep(value, operator._arrays):  # it may not once a graph is asked for
                return value
        value = self.compute(operator)
        if may_keep(value, operator._arrays):
            value = cache[self.name] = read_only(value)  # what overwrites it would change every later product
        return value
