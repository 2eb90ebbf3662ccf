"""The arrays of an operator: parameters and their names, other values in their place, libraries, devices and dtypes."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from structmat._backend import devices, dtypes, memory, namespaces, storage
from structmat._backend.types import Array, Device, DType
from structmat.core.contract import Contract

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator


class Parameters(Contract):
    """Parameters and other arrays of the leaves, from left to right through the tree."""

    @property
    def _named_params(self) -> tuple[tuple[str, Array], ...]:
        children = self._children
        prefix = "{}." if len(children) > 1 else ""
        inherited = (
            (prefix.format(place) + name, value)
            for place, child in enumerate(children)
            for name, value in child._named_params
        )
        return (*self._own_params, *inherited)

    @functools.cached_property
    def params(self) -> tuple[Array, ...]:
        """The arrays that have gradients, from left to right through the tree."""
        return tuple(value for _, value in self._named_params)

    @property
    def param_names(self) -> tuple[str, ...]:
        """A name for each of `params`: the path of its operator in the tree and the field, such as "0.column"."""
        return tuple(name for name, _ in self._named_params)

    @property
    def _arrays(self) -> tuple[Array, ...]:
        return tuple([array for child in self._children for array in child._arrays])

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays of the operator, parameters or not; an array used twice counts once."""
        return sum(memory.nbytes(array) for array in {id(array): array for array in self._arrays}.values())

    def __sizeof__(self) -> int:
        """Bytes of the object and its arrays, by which engines decide how to send it to their workers."""
        return object.__sizeof__(self) + self.nbytes

    def with_params(self, params: Sequence[Array] | Mapping[str, Array]) -> Self:
        """Return the same operator with other parameters.

        Parameters
        ----------
        params : sequence or dict of array
            One for each of `params`, in their order or by name, as `unflatten` returns them; of the same shape,
            namespace and device. Floating or complex dtypes may change.

        Returns
        -------
        LinearOperator
            A new operator; this one is left as it is.

        Raises
        ------
        ValueError
            The number of arrays, a name or a shape is wrong.
        TypeError
            An array has no floating dtype, or belongs to another library or device.
        """
        named, names = self._named_params, self.param_names
        if isinstance(params, Mapping):
            if set(params) != set(names):
                got, wanted = (", ".join(map(str, each)) for each in (params, names))
                raise ValueError(f"{self._head}.with_params: got the names {got}; expected {wanted}.")
            params = [params[name] for name in names]
        given = tuple(params)
        if len(given) != len(named):
            wanted = f"{len(named)} ({', '.join(names)})"
            raise ValueError(f"{self._head}.with_params: got {len(given)} arrays; expected {wanted}.")
        for (name, old), new in zip(named, given, strict=True):
            self._check_param(name, old, new)
        supply = iter(given)
        return self._map(lambda leaf: leaf._take_params(supply))  # type: ignore[return-value]

    def _check_param(self, name: str, old: Array, new: Any) -> None:
        call = f"{self._head}.with_params"
        if not namespaces.is_array(new):
            raise TypeError(f"{call}: {name} is a {type(new).__name__}; expected an array.")
        xp = namespaces.of(new)
        if xp is not namespaces.of(old):
            raise TypeError(
                f"{call}: {name} is an array of {namespaces.name(xp)}; expected one of "
                f"{namespaces.name(namespaces.of(old))}."
            )
        if tuple(new.shape) != tuple(old.shape):
            raise ValueError(f"{call}: {name} has shape {tuple(new.shape)}; expected {tuple(old.shape)}.")
        if dtypes.kind(xp, new.dtype) is None:
            raise TypeError(f"{call}: {name} has dtype {dtypes.name(new.dtype)}; expected a floating or complex one.")
        if devices.are_apart(devices.of(new), devices.of(old)):
            raise TypeError(f"{call}: {name} is on {devices.of(new)}; expected {devices.of(old)}.")

    def _with_arrays(self, arrays: Iterable[Array]) -> "LinearOperator":
        """Return the same operator with other arrays for `_arrays`; checks sizes, devices and libraries."""
        supply = iter(arrays)
        return self._map(lambda leaf: leaf._take_arrays(supply))

    def unflatten(self, grads: Sequence[Array]) -> dict[str, Array]:
        """Name the gradients that `backward` returned.

        Parameters
        ----------
        grads : sequence of array
            One for each of `params`.

        Returns
        -------
        dict
            Arrays by parameter name.

        Raises
        ------
        ValueError
            Their number differs from that of the parameters.
        """
        names, given = self.param_names, tuple(grads)
        if len(given) != len(names):
            raise ValueError(
                f"{self._head}.unflatten: got {len(given)} arrays; expected {len(names)} ({', '.join(names)})."
            )
        return dict(zip(names, given, strict=True))

    def freeze(self) -> Self:
        """Return the same operator without parameters: its arrays are constants that `backward` spends nothing on."""
        return self._map(lambda leaf: leaf._frozen_copy())  # type: ignore[return-value]

    def to(
        self, target: Any = None, /, *, xp: ModuleType | str | None = None, device: Device = None, dtype: DType = None
    ) -> Self:
        """Move the operator to an array library, a device, a dtype, or several of them.

        No other method moves arrays between libraries or devices.

        Parameters
        ----------
        target : dtype, module, device or str, optional
            One of the three that follow, recognised by its type: `A.to("float32")`, `A.to("torch")`, `A.to("cuda")`.
        xp : module or str, optional
            numpy, cupy, torch, jax.numpy, ..., or its name.
        device : device, optional
            A device of that library.
        dtype : dtype or str, optional
            Floating dtype for the parameters; signs and indices keep theirs.

        Returns
        -------
        LinearOperator
            A new operator, which shares the arrays that needed no change.

        Raises
        ------
        TypeError
            The library lacks the dtype, complex parameters would become real, or `target` is none of these or given
            twice.
        ImportError
            The library is not installed.
        """
        if target is not None:
            what = _keyword_of(target)
            given = {"xp": xp, "device": device, "dtype": dtype}
            if what is None or given[what] is not None:
                twice = f", and {what}= is given as well" if what else ""
                raise TypeError(
                    f"{self._head}.to: got {target!r}{twice}; expected a dtype such as 'float32', a library such as "
                    f"'torch', or a device such as 'cuda'."
                )
            return self.to(**{**given, what: target})
        library = None if xp is None else namespaces.resolve(xp)
        # a leaf used twice is moved once, so that both places share the new arrays
        move = functools.cache(lambda leaf: leaf._moved(library, device, dtype))
        return self._map(move)  # type: ignore[return-value]


def _keyword_of(target: Any) -> str | None:
    """Return the keyword of `to` that a positional target belongs to: "xp", "dtype" or "device"; None if unknown."""
    named = isinstance(target, str)
    if isinstance(target, ModuleType) or (named and target in {*namespaces.LIBRARIES, "dask.array"}):
        return "xp"
    if (name := dtypes.name(target)) in storage.DTYPES or name.startswith(
        ("float", "longdouble", "complex", "clongdouble")
    ):
        return "dtype"
    known = named and target.partition(":")[0] in {"cpu", "cuda", "gpu", "meta", "mps", "tpu", "xpu"}
    return "device" if known or "device" in type(target).__name__.lower() else None
