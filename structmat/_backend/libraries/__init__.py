"""One adapter for each array library, imported at the first array or namespace of that library."""

from functools import lru_cache

from structmat._backend import namespaces
from structmat._backend.libraries.generic import Library
from structmat._backend.types import Array, Namespace

GENERIC = Library()


def of_array(x: Array) -> Library:
    """Return the adapter of the library that made an array."""
    return _of_type(type(x))  # type: ignore[arg-type]  # mypy: type[Any] is not Hashable


@lru_cache(maxsize=256)
def _of_type(cls: type) -> Library:
    for base in cls.__mro__:  # torch.nn.Parameter is a subclass of torch.Tensor
        found = _named(base.__module__.partition(".")[0])
        if found is not GENERIC:
            return found
    return GENERIC


@lru_cache(maxsize=64)
def of_namespace(xp: Namespace) -> Library:
    """Return the adapter of the library that a namespace belongs to."""
    return _named(namespaces.name(xp))


def _named(name: str) -> Library:
    adapter: Library = GENERIC
    match name:
        case "numpy":
            from structmat._backend.libraries.numpy import adapter
        case "cupy":
            from structmat._backend.libraries.cupy import adapter
        case "torch":
            from structmat._backend.libraries.torch import adapter
        case "jax" | "jaxlib":
            from structmat._backend.libraries.jax import adapter
        case "dask":
            from structmat._backend.libraries.dask import adapter
        case "array_api_strict":
            from structmat._backend.libraries.strict import adapter
    return adapter
