"""Facts of any library of the array API standard; adapters override them where a library differs."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import array_api_compat as compat
import numpy as np

from structmat._backend import namespaces
from structmat._backend.types import Array, Device, DType, Namespace

UNCHANGED = nullcontext()


class Library:
    """Facts of one library.

    `dtypes`, `memory`, `devices`, `divided`, `tracing` and `ops` document the methods without docstrings.
    """

    is_lazy = False  #: whether arrays are plans of blocks, without values
    solvers: str | None = None  #: module with the Krylov methods of `scipy.sparse.linalg`
    native_dtypes: frozenset[DType] = frozenset()  #: singletons, so that arrays of one dtype share one object
    cast_hint = '{}.astype("float64")'

    def kind(self, xp: Namespace, dtype: DType) -> str | None:
        if xp.isdtype(dtype, "real floating"):
            return "real"
        return "complex" if xp.isdtype(dtype, "complex floating") else None

    def is_integer(self, xp: Namespace, dtype: DType) -> bool:
        return bool(xp.isdtype(dtype, "integral"))

    def default_dtype(self, xp: Namespace) -> DType:
        """Return the dtype of arrays that are made from Python floats."""
        return self.double_dtype(xp)

    def double_dtype(self, xp: Namespace) -> DType:
        return xp.float64

    def result_dtype(self, xp: Namespace, first: DType, second: DType) -> DType:
        return xp.result_type(first, second)

    def sample(self, x: Array) -> Array:
        return x

    def device(self, x: Array) -> Device:
        return compat.device(x)

    def place(self, device: Device) -> Device:
        return device

    def is_divided(self, x: Array) -> bool:
        return False

    def parts_of_axis(self, x: Array, axis: int) -> str | None:
        return None

    # The next four are asked of arrays that are divided only, so that libraries without such arrays need none of them.

    def joined_hint(self, x: Array, name: str, axis: int) -> str:
        raise NotImplementedError

    def parts_of_batch(self, x: Array) -> Any:
        raise NotImplementedError

    def map_vectors(
        self, function: Callable[..., Array], A: Any, x: Array, width: int, dtype: DType, **options: Any
    ) -> Array:
        raise NotImplementedError

    def pull_back(self, function: Callable[..., Any], A: Any, x: Array, g: Array, **options: Any) -> Any:
        raise NotImplementedError

    def layout(self, x: Array) -> str:
        return "strided"

    def strides(self, x: Array) -> tuple[tuple[int, ...], int] | None:
        """Return the strides and the size of an entry in the same unit; None if the library shows no strides."""
        strides = getattr(x, "strides", None)
        return None if strides is None else (strides, x.itemsize)

    def overlap(self, x: Array, y: Array) -> bool:
        return x is y

    def takes_writes(self, x: Array) -> bool:
        return True

    def is_large(self, x: Array, limit: int) -> bool:
        """Tell whether an array on the host, outside of traces and graphs, has more bytes than the limit."""
        return False

    def copy(self, xp: Namespace, x: Array) -> Array:
        return xp.asarray(x, copy=True)

    def contiguous(self, xp: Namespace, x: Array) -> Array:
        return xp.ascontiguousarray(x) if hasattr(xp, "ascontiguousarray") else x

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        return np.asarray(x)

    def from_host(self, x: np.ndarray[Any, Any], xp: Namespace, device: Device, dtype: DType) -> Array:
        return xp.asarray(x.copy(), dtype=getattr(xp, x.dtype.name) if dtype is None else dtype, device=device)

    def host_char(self, dtype: DType) -> str | None:
        """Return NumPy's character of a dtype that compiled kernels take, if arrays may have host views."""
        return None

    def host_view(self, x: Array) -> np.ndarray[Any, Any] | None:
        return None

    def is_on_host(self, x: Array) -> bool:
        """Tell whether an array has values in the memory of the host, which may be read and kept."""
        return False

    def is_ready(self, x: Array, device: Device) -> bool:
        """Tell whether products take an array of the dtype of their parameters as it is: contiguous, on the device."""
        return False

    def from_host_view(self, y: np.ndarray[Any, Any]) -> Array:
        raise NotImplementedError

    #: Whether no array will need a graph, so that what is made of one may be kept without asking again.
    lacks_graphs = False

    def device_view(self, x: Array) -> Array | None:
        """Return an array on a GPU whose memory CUDA kernels may read, None for others, or if a graph would miss it."""
        return None

    def device_char(self, dtype: DType) -> str | None:
        """Return NumPy's character of a dtype that CUDA kernels take."""
        return None

    def address(self, x: Array) -> int:
        """Return the address of the first entry of an array on a GPU."""
        raise NotImplementedError

    def empty(self, like: Array, shape: tuple[int, ...]) -> Array:
        """Return an array beside another one, of its dtype, whose entries are to be written."""
        raise NotImplementedError

    def launching(self, x: Array) -> AbstractContextManager[object]:
        """Return a context in which CuPy launches kernels on the device and the current stream of an array."""
        return UNCHANGED

    def workers(self) -> int:
        """Return how many threads the library takes."""
        return 1

    def is_traced(self, x: Array) -> bool:
        return False

    def is_constant(self, x: Array) -> bool:
        return not self.is_traced(x)

    def may_keep(self, value: Array, sources: tuple[Array, ...]) -> bool:
        return True

    def stop_gradient(self, x: Array) -> Array:
        return x

    def static_shape(self, x: Array) -> tuple[int, ...]:
        return tuple(x.shape)

    def conj(self, xp: Namespace, x: Array) -> Array:
        return xp.conj(x)

    def index_add(self, xp: Namespace, x: Array, index: Array, n: int) -> Array:
        if hasattr(xp.add, "at"):  # NumPy, CuPy
            y = xp.zeros((*x.shape[:-1], n), dtype=x.dtype, device=compat.device(x))
            xp.add.at(y, (..., index), x)
            return y
        places = xp.arange(n, dtype=index.dtype, device=compat.device(index))
        return xp.matmul(x, xp.astype(index[:, None] == places[None, :], x.dtype))  # the standard has no scatter

    def full_precision(self, x: Array) -> AbstractContextManager[object]:
        return UNCHANGED

    def transforms(self, xp: Namespace) -> tuple[str, Any, dict[str, Any]]:
        """Return a name, a module with the functions of `numpy.fft`, and options for temporaries."""
        return f"{namespaces.name(xp)}.fft", xp.fft, {}

    def scales_apart(self, X: Array) -> bool:
        """Tell whether the inverse transform divides its result by n in a separate pass."""
        return False
