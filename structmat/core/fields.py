"""Declarations of fields (parameters, constants, sizes), their validation, and cached values derived from them."""

import dataclasses
import math
import operator
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar, overload

from structmat._backend import devices, dtypes, memory, namespaces, ops, tracing
from structmat._backend.types import Array, HostArray, Namespace

Role = Literal["parameter", "constant"]
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class ArraySpec:
    """The declaration of an array field: a size symbol for each axis, and the role of its entries.

    A last symbol with dots, "n...", stands for one or more axes, and is bound to the product of their sizes.
    """

    dims: tuple[str, ...]
    role: Role
    default: Callable[[Any], Array] | None = None

    @property
    def is_open(self) -> bool:
        """Whether the last symbol stands for any number of axes."""
        return self.dims[-1].endswith("...")

    def fits(self, axes: int) -> bool:
        """Tell whether an array may have this many axes."""
        return axes >= len(self.dims) if self.is_open else axes == len(self.dims)

    def sizes(self, shape: tuple[int, ...]) -> list[tuple[str, int]]:
        """Return each symbol and the size that a fitting shape binds it to."""
        last = len(self.dims) - 1
        widths = (*shape[:last], math.prod(shape[last:]))
        return [(symbol.removesuffix("..."), width) for symbol, width in zip(self.dims, widths, strict=True)]


def param(*dims: str, default: Callable[[Any], Array] | None = None) -> Any:
    """Declare a parameter: a floating or complex array that has a gradient.

    The operator is linear in each parameter field, unless the class has `_linear_in_params = False`.

    Parameters
    ----------
    *dims : str
        One size symbol for each axis. A symbol used twice, in one field or in several, must have one size. A last
        symbol "n..." stands for any number of axes; n is then the product of their sizes.
    default : callable, optional
        Called with the operator, whose earlier fields are set, if the argument is missing or None; returns the array.
    """
    metadata = {"array": ArraySpec(dims, "parameter", default)}
    return (
        dataclasses.field(metadata=metadata) if default is None else dataclasses.field(default=None, metadata=metadata)
    )


def conjugate_of(name: str) -> Callable[[Any], Array]:
    """Return a default for `param`: the conjugate of another parameter, in memory of its own."""

    def conjugated(operator: Any) -> Array:
        array = getattr(operator, name)
        return memory.copy(namespaces.of(array), ops.conj(namespaces.of(array), array))

    return conjugated


def constant(*dims: str) -> Any:
    """Declare an array that is not a parameter, such as signs or indices.

    It is moved and saved with the operator; its dtype stays as it is.

    Parameters
    ----------
    *dims : str
        One size symbol for each axis.
    """
    return dataclasses.field(metadata={"array": ArraySpec(dims, "constant")})


def size() -> Any:
    """Declare a size: a positive int, which binds the symbol with the name of the field."""
    return dataclasses.field(metadata={"size": True})


def as_integer(value: Any) -> int | None:
    """Return an integer of Python or NumPy as an int; None for other values, including bools and floats."""
    if type(value) is int:  # compilers can't trace the rest
        return value
    try:
        return None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        return None


def checked_size(title: str, name: str, value: Any, *, least: int = 1) -> int:
    """Validate a size given by a user, an int of Python or NumPy that is positive (or `least`); return it as an int."""
    size = as_integer(value)
    if size is None or size < least:
        wanted = "a positive int" if least == 1 else f"an int of {least} or more"
        raise ValueError(f"{title}: {name} is {value!r}; expected {wanted}.")
    return size


def checked_floating(title: str, **arrays: Any) -> tuple[Namespace, list[Array]]:
    """Validate floating arrays of one library; return the namespace and the arrays, native, half cast to single."""
    first, *others = arrays
    found: list[Array] = []
    for name, array in arrays.items():
        if not namespaces.is_array(array) or dtypes.kind(xp := namespaces.of(array), array.dtype) is None:
            got = (
                f"has dtype {dtypes.name(array.dtype)}"
                if namespaces.is_array(array)
                else f"is a {type(array).__name__}"
            )
            raise TypeError(f"{title}: {name} {got}; expected an array of a real or complex floating dtype.")
        if name in others and xp is not namespaces.of(arrays[first]):
            raise TypeError(
                f"{title}: {name} is an array of {namespaces.name(xp)}, {first} of "
                f"{namespaces.name(namespaces.of(arrays[first]))}; expected one library."
            )
        found.append(memory.native(dtypes.astype(xp, array, dtypes.compute_dtype(xp, array.dtype))))
    return xp, found


def checked_index(
    title: str, index: Array, n: int, *, name: str = "index", size: str = "n", distinct: bool = True
) -> Array:
    """Validate an index array: integers from 0 to n - 1, `distinct` or not; return it in a dtype that can hold n.

    The entries of a traced array can't be read, so they are not validated.
    """
    xp = namespaces.of(index)
    if not dtypes.is_integer(xp, index.dtype):
        hint = " A mask has the indices numpy.flatnonzero(mask)." if index.dtype == xp.bool else ""
        raise TypeError(f"{title}: {name} has dtype {dtypes.name(index.dtype)}; expected an integer dtype.{hint}")
    if not tracing.is_traced(index):
        entries = devices.to_host(index)
        if entries.min() < 0 or entries.max() >= n:
            raise ValueError(
                f"{title}: {name} runs from {entries.min()} to {entries.max()}; expected 0 to {size} - 1 = {n - 1}."
            )
        if distinct and len(set(entries.tolist())) < len(entries):
            raise ValueError(f"{title}: {name} has an entry twice; expected each of 0 to n - 1 once at most.")
    return widened(xp, index)


def widened(xp: Namespace, index: Array) -> Array:
    """Return an index array as int32 or int64: other integers, which are short or unsigned, become int64."""
    return index if index.dtype in (xp.int32, xp.int64) else xp.astype(index, xp.int64)


class cached(Generic[T]):  # noqa: N801 (used as a decorator, as functools.cached_property is)
    """A value derived from an operator's arrays, computed at first use and cached on the instance, read-only in NumPy.

    Operators are immutable, so a cached value cannot be stale. Values that must not outlive their call (JAX tracers,
    PyTorch tensors with a graph) are computed each time; pickles and copies start without cached values.
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
            # not if a graph is required by now
            if type(value) is HostArray or tracing.may_keep(value, operator._arrays):
                return value
        value = self.compute(operator)
        if tracing.may_keep(value, operator._arrays):
            value = cache[self.name] = memory.read_only(value)  # writing to it would change later products
        return value
