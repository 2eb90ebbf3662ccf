"""`Leaf`, the base class of operators that are given by fields and kernels."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from structmat._backend import devices, divided, dtypes, linear_algebra, memory, namespaces, tracing
from structmat._backend.tracing import UntraceableError
from structmat._backend.types import Array, Device, DType, Namespace
from structmat.core.base import LinearOperator
from structmat.core.bilinear import Bilinear
from structmat.core.facts import FACTS, Facts
from structmat.core.fields import ArraySpec, checked_size


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Leaf(Facts):
    """Base class of operators given by fields and kernels: subclass it, declare and write these, and register it.

    A subclass declares `dims`, the row and column sizes in symbols that its array fields bind (a symbol or a product of
    symbols, "p*b"), and its fields with `param`, `constant` and `size`. It defines `_matvec` and `_rmatvec`, `_grad`
    if it has parameters, and `_entry`, the definition of A[i, j], which the tests compare everything else with.
    Transforms that the kernels share go into `_right` and `_left`. Kernels take a namespace `xp` and assume valid
    arguments of one precision.

    Examples
    --------
    The antidiagonal matrix with given entries:

    >>> import numpy as np
    >>> import structmat as sm
    >>> from structmat.custom import Array, Leaf, batch_sum, register_operator, param
    >>> def example(n, rng):
    ...     return Antidiagonal(rng.standard_normal(n))
    >>> @register_operator(cost="O(n)", example=example)
    ... class Antidiagonal(Leaf):
    ...     dims = "n", "n"
    ...     entries: Array = param("n")
    ...     def _matvec(self, xp, x):
    ...         return self.entries * xp.flip(x, axis=-1)
    ...     def _rmatvec(self, xp, g):
    ...         return xp.flip(xp.conj(self.entries) * g, axis=-1)
    ...     def _grad(self, xp, x, g):
    ...         return (batch_sum(xp, xp.conj(xp.flip(x, axis=-1)) * g),)
    ...     def _entry(self, xp, i, j):
    ...         return xp.where(i + j == self.n - 1, self.entries[i], 0)
    >>> Antidiagonal(np.asarray([1.0, 2.0, 3.0])).to_dense()
    array([[0., 0., 1.],
           [0., 2., 0.],
           [3., 0., 0.]])
    >>> A = Antidiagonal(np.asarray([1.0, 2.0, 3.0]))
    >>> sm.testing.check_operator(A, checks=["products", "adjoint", "gradients"])
    """

    dims: ClassVar[tuple[str, str]]
    _always_complex: ClassVar[bool] = False  # True for a leaf without parameters whose entries are complex
    _linear_in_params: ClassVar[bool] = True  # in each field by itself; otherwise the tests use finite differences
    _declared: ClassVar[dict[str, ArraySpec]]
    _frozen: bool = dataclasses.field(default=False, init=False)

    def __init__(self, *args: Any, **options: Any) -> None:  # a class has its own
        raise TypeError(
            f"{type(self).__name__}: the class has no constructor; decorate it with "
            f"@structmat.custom.register_operator(cost=..., example=...)."
        )

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_entry" in vars(cls) and super(cls, cls)._entry is not Leaf._entry:  # type: ignore[misc]
            for name in FACTS - vars(cls).keys():  # facts of the base class may not hold for another matrix
                setattr(cls, name, vars(Facts)[name])

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        """The definition: A[i, j] for 0-based integer arrays that broadcast, in any real, complex or integer dtype."""
        raise NotImplementedError

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        if type(self)._entry is Leaf._entry:
            return None
        try:
            return dtypes.astype(xp, self._entry(xp, i, j), self._matrix_dtype(xp))
        except UntraceableError:
            return None

    def _check(self) -> None:
        """Validate the values of arrays that are not parameters; only the constructor calls it."""

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator | None:
        if self._is_unitary:
            return self.H
        return (
            self._function(xp, lambda values: linear_algebra.reciprocal(xp, values, cutoff))
            if self._is_normal
            else None
        )

    def _singular_values(self, xp: Namespace) -> Array | None:
        return xp.ones(self.n, dtype=self._value_dtype(xp), device=self.device) if self._is_unitary else None

    def _bound(self) -> dict[str, int]:
        """Sizes that are bound neither by the shape nor by the value of a field."""
        return {}

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check()

    # ------------------------------------------------------------------ fields

    @property
    def _specs(self) -> dict[str, ArraySpec]:
        """The declared array fields; an operator may allow other values than arrays in them."""
        known: dict[str, ArraySpec] | None = type(self).__dict__.get("_declared")
        if known is None:
            declared = ((field.name, field.metadata.get("array")) for field in dataclasses.fields(self))
            known = {name: spec for name, spec in declared if spec is not None}
            type(self)._declared = known
        return known

    @property
    def _array_fields(self) -> dict[str, Array]:
        return {name: value for name in self._specs if namespaces.is_array(value := getattr(self, name))}

    @property
    def _arrays(self) -> tuple[Array, ...]:
        held: tuple[Array, ...] | None = self.__dict__.get("_held")  # since `_setup`
        return tuple(self._array_fields.values()) if held is None else held

    @property
    def _own_params(self) -> tuple[tuple[str, Array], ...]:
        if self._frozen:
            return ()
        return tuple((name, getattr(self, name)) for name, spec in self._specs.items() if spec.role == "parameter")

    def _check_fields(self) -> None:
        for name, spec in self._specs.items():
            if spec.default is not None and getattr(self, name) is None:
                self.__dict__[name] = spec.default(self)
            value = self.__dict__[name] = memory.from_memmap(getattr(self, name))
            self._check_field(name, spec, value)

    def _check_field(self, name: str, spec: ArraySpec, value: Any) -> None:
        title = type(self).__name__
        if not namespaces.is_array(value):
            raise TypeError(
                f"{title}: {name} is a {type(value).__name__}; expected an array of shape ({', '.join(spec.dims)})."
            )
        if divided.is_lazy(value):
            raise TypeError(f"{title}: {name} is a Dask array; {namespaces.NO_LAZY_ARRAYS}")
        xp = namespaces.of(value)
        if spec.role == "parameter" and dtypes.kind(xp, value.dtype) is None:
            raise TypeError(
                f"{title}: {name} has dtype {dtypes.name(value.dtype)}; expected a real or complex floating dtype: "
                f"convert it first, for example with {dtypes.cast_hint(xp, name)}."
            )
        if not spec.fits(value.ndim):
            wanted = f"{len(spec.dims)} {'or more ' * spec.is_open}axes ({', '.join(spec.dims)})"
            raise ValueError(f"{title}: {name} has shape {tuple(value.shape)}; expected {wanted}.")

    def _setup(self) -> None:
        title = type(self).__name__
        sizes: dict[str, tuple[int, str]] = {}
        for field in dataclasses.fields(self):
            if "size" in field.metadata:
                known = self.__dict__[field.name] = checked_size(title, field.name, getattr(self, field.name))
                sizes[field.name] = (known, field.name)
        for name, array in self._array_fields.items():
            for symbol, width in self._specs[name].sizes(tracing.static_shape(array)):
                known, by = sizes.setdefault(symbol, (width, name))
                if width != known:
                    raise ValueError(
                        f"{title}: {name} has shape {tuple(array.shape)}; its {symbol} must be {known} (set by {by})."
                    )
                if width < 1:
                    raise ValueError(
                        f"{title}: {name} has shape {tuple(array.shape)}; expected no empty axis: no operator is "
                        f"empty, and structmat.Zero(m, n) is the one of zeros."
                    )
        sizes.update({symbol: (width, symbol) for symbol, width in self._bound().items()})
        bound = [[sizes[symbol] for symbol in side.split("*")] for side in self.dims]
        notes = tuple(
            f"{'mn'[place]} = {math.prod(width for width, _ in side)} (set by {side[0][1]})"
            for place, side in enumerate(bound)
        )
        rows, columns = (math.prod(width for width, _ in side) for side in bound)
        xp, where, dtype = self._common()
        complex_entries = self._always_complex or (dtype is not None and dtypes.is_complex(xp, dtype))
        self._settle((rows, columns), dtype, xp, where, complex_entries)
        self.__dict__.update(_notes=notes, _held=self._arrays)

    def _common(self) -> tuple[Namespace, Device, DType]:
        """Return the one namespace and device of all arrays, and the parameters' common dtype."""
        xp = where = dtype = first = None
        for name, array in self._array_fields.items():
            if first is None:
                first, xp, where = name, namespaces.of(array), devices.of(array)
            elif namespaces.of(array) is not xp:
                raise TypeError(
                    f"{type(self).__name__}: {name} is an array of {namespaces.name(namespaces.of(array))}, {first} of "
                    f"{namespaces.name(xp)}; expected one library."
                )
            elif devices.are_apart(devices.of(array), where):
                raise TypeError(
                    f"{type(self).__name__}: {name} is on {devices.of(array)}, {first} on {where}; expected one."
                )
            if self._specs[name].role == "parameter":
                dtype = dtypes.result_dtype(xp, dtype, array.dtype)
        return xp, where, dtype

    def _settle(self, shape: tuple[int, int], dtype: DType, xp: Namespace, where: Device, is_complex: bool) -> None:
        super()._settle(shape, dtype, xp, where, is_complex)
        if self._native_dtype is not None and not self._has_precision(xp, dtypes.real_dtype(xp, dtype)):
            self.__dict__["_native_dtype"] = None

    def _has_precision(self, xp: Namespace, dtype: DType) -> bool:
        """Tell whether all parameters have the precision of a real dtype, so that kernels need no cast."""
        for name, spec in self._specs.items():
            if spec.role == "parameter":
                array = getattr(self, name)
                if dtypes.real_dtype(xp, array.dtype) != dtype or memory.native(array) is not array:
                    return False
        return True

    def _size_note(self, side: int) -> str:
        return str(self.__dict__["_notes"][side])

    # ------------------------------------------------------------------ changed arrays

    def _map(self, change: Callable[["Leaf"], LinearOperator]) -> LinearOperator:
        return change(self)

    def _take_params(self, supply: Iterator[Array]) -> LinearOperator:
        return self._replace(**{name: next(supply) for name, _ in own}) if (own := self._own_params) else self

    def _take_arrays(self, supply: Iterator[Array]) -> LinearOperator:
        return self._replace(**{name: next(supply) for name in own}) if (own := self._array_fields) else self

    def _frozen_copy(self) -> LinearOperator:
        return self._replace(_frozen=True) if self._own_params else self

    def _moved(self, xp: Namespace | None, device: Device, dtype: DType) -> LinearOperator:
        changes = {}
        for name, array in self._array_fields.items():
            moved = array
            if dtype is not None and self._specs[name].role == "parameter":
                # cast in the library that has the dtype, before or after the move
                here = namespaces.of(array)
                side = here if xp is None or hasattr(here, dtypes.name(dtype)) else xp
                moved = array if side is here else devices.move(array, xp=xp, device=device)
                target = dtypes.as_dtype(side, dtype)
                if dtypes.is_complex(here, array.dtype) and not dtypes.is_complex(side, target):
                    raise TypeError(
                        f"{self._head}.to: {name} is complex and dtype is {dtypes.name(target)}; expected a complex "
                        "one."
                    )
                moved = dtypes.astype(side, moved, target)
            changes[name] = devices.move(moved, xp=xp, device=device)
        if all(changes[name] is array for name, array in self._array_fields.items()):
            return self
        return self._replace(**changes)

    def _in_precision(self, xp: Namespace, dtype: DType) -> Bilinear:
        if self.dtype is None:
            return self
        wide = dtypes.real_dtype(xp, dtypes.compute_dtype(xp, dtypes.result_dtype(xp, self.dtype, dtype)))
        if self._has_precision(xp, wide):
            return self
        kept = self._cache.get(wide)
        if kept is not None and tracing.may_keep(kept._arrays, self._arrays):
            return kept  # type: ignore[no-any-return]
        casts = {}
        for name in self._param_fields:
            array = getattr(self, name)
            cast = memory.native(
                dtypes.astype(xp, array, dtypes.complex_dtype(xp, wide) if dtypes.is_complex(xp, array.dtype) else wide)
            )
            casts[name] = cast if cast is array else memory.read_only(cast)
        leaf = self._replace(**casts)
        if all(tracing.may_keep(cast, self._arrays) for cast in casts.values()):
            self._cache[wide] = leaf
        return leaf

    @property
    def _param_fields(self) -> list[str]:
        return [name for name, spec in self._specs.items() if spec.role == "parameter"]
