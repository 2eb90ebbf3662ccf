"""Array-API namespaces: of arrays, of modules and of names."""

from types import ModuleType

import array_api_compat as compat
import array_api_compat.numpy as numpy_namespace
import numpy as np

from structmat._backend.packages import import_optional
from structmat._backend.types import Array, Namespace

LIBRARIES = {  #: names that users may pass as xp, and the extra that installs each library
    "numpy": None,
    "cupy": "cuda12",
    "torch": "torch",
    "jax": "jax",
    "jax.numpy": "jax",
    "array_api_strict": None,
}
NO_LAZY_ARRAYS = (
    "operators hold no lazy arrays, but multiply them: keep the operator's arrays in NumPy or CuPy, and pass the Dask "
    "array as x, A.matvec(x)."
)


def is_array(x: object) -> bool:
    """Tell whether x is an array of a supported library.

    Masked arrays are not, since products would ignore the mask, nor matrices, which keep two axes when indexed.
    """
    if type(x) is np.ndarray:
        return True
    return compat.is_array_api_obj(x) and not isinstance(x, np.ma.MaskedArray | np.matrix)


def of(x: Array) -> Namespace:
    """Return the namespace of an array."""
    return numpy_namespace if type(x) is np.ndarray else compat.array_namespace(x)


def resolve(xp: ModuleType | str | None) -> Namespace:
    """Return the namespace of a module, or of a library by its name, such as "torch"; None is NumPy."""
    if xp is None:
        return numpy_namespace
    if (xp if isinstance(xp, str) else getattr(xp, "__name__", "")).endswith("dask.array"):
        raise TypeError(f"xp is dask.array; {NO_LAZY_ARRAYS}")
    if isinstance(xp, str) and xp in LIBRARIES:
        xp = import_optional(f"xp={xp!r}", "jax.numpy" if xp == "jax" else xp, LIBRARIES[xp])
    if not isinstance(xp, ModuleType):
        raise TypeError(
            f"xp is {xp!r}; expected an array module such as numpy, cupy, torch or jax.numpy, or the name of one: "
            f"{', '.join(map(repr, LIBRARIES))}."
        )
    if xp.__name__ == "numpy":
        return numpy_namespace
    if xp.__name__ in {"cupy", "torch"}:
        return compat.array_namespace(xp.empty(0))
    if not hasattr(xp, "asarray"):
        raise TypeError(
            f"xp is the module {xp.__name__}, which makes no arrays; expected numpy, cupy, torch, jax.numpy."
        )
    return xp


def name(xp: Namespace) -> str:
    """Return the name of the library that a namespace belongs to."""
    return str(xp.__name__.removeprefix("array_api_compat.").split(".")[0])
