"""Products with matrices of signs, which are exact wherever sums are.

NumPy's products of small matrices are several times faster than additions and subtractions, and as exact. Other
libraries may round the factors of a product, so their entries are added.
"""

import math
from functools import lru_cache
from typing import Any

import array_api_compat as compat
import numpy as np

from structmat._backend import dtypes, kernels, memory
from structmat._backend.convolution import Side
from structmat._backend.kernels import HostView
from structmat._backend.types import Array, DType, Namespace

BITS = 6  # largest k for which a product with the matrix of order 2^k is faster than butterflies


@lru_cache(maxsize=64)
def _sylvester(order: int, dtype: DType) -> np.ndarray[Any, Any]:
    from scipy.linalg import hadamard

    return memory.read_only(hadamard(order, dtype=dtype))  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _parts(dtype: DType) -> int:
    """The number of scalars of an entry, 0 if the kernels do not compute in its dtype."""
    return {"float32": 1, "float64": 1, "complex64": 2, "complex128": 2}.get(dtypes.name(dtype), 0)


class Transform:
    """The matrix scale · diag(f) (S ⊗ C) diag(g) for the compiled kernels, with Sylvester's S and a small C of signs.

    `output` has f, `input` has g. Vectors are padded with zeros to length n, and products are cropped.
    """

    __slots__ = "_adjoint", "_arrays", "_multiple", "core", "input", "n", "output", "scale"
    is_lasting = True

    def __init__(self, n: int, core: list[list[int]], scale: float, output: Side, input: Side) -> None:
        self.n, self.core, self.scale, self.output, self.input = n, core, scale, output, input
        self._adjoint: Transform | None = None
        self._multiple: tuple[float, Transform | None] = math.nan, None  # the last one
        self._arrays: dict[tuple[DType, int], list[HostView | None]] = {}

    @property
    def adjoint(self) -> "Transform":
        """The transpose."""
        if self._adjoint is None:
            self._adjoint = Transform(self.n, transposed(self.core), self.scale, self.input, self.output)
        return self._adjoint

    def between(self, output: Side, input: Side) -> "Transform":
        """Return diag(output.factors) A diag(input.factors), cropped to the widths of the sides."""
        sides = [
            inner.scaled(outer.factors, outer.width) for inner, outer in ((self.output, output), (self.input, input))
        ]
        return Transform(self.n, self.core, self.scale, *sides)

    def scaled(self, scalar: float) -> "Transform | None":
        """Return a multiple of the matrix, None if the scale would leave the range of single precision."""
        if self._multiple[0] != scalar:
            scale = self.scale * scalar
            fits = 1e-30 < abs(scale) < 1e30
            made = Transform(self.n, self.core, scale, self.output, self.input) if fits else None
            self._multiple = scalar, made
        return self._multiple[1]

    def apply(self, xp: Namespace, x: Array) -> Array | None:
        """Multiply vectors; None for arrays without a host view, or of a dtype that the kernels lack."""
        view = kernels.host_view(x)
        if view is None:
            return None
        y = np.empty((*view.shape[:-1], self.output.width), view.dtype)
        return kernels.from_host(xp, y) if self._write(view, y, kernels.workers(x)) else None

    def takes(self, dtype: DType) -> bool:
        """Tell whether the kernels compute in a dtype of any library."""
        return _parts(dtype) in ((1,) if len(self.core) > 1 else (1, 2))

    def write(self, x: Array, out: Array) -> bool:
        """Multiply vectors into an array that shares no memory with them; return False for arrays that can't be."""
        view, target = kernels.host_view(x), kernels.host_view(out)
        if view is None or target is None or view.dtype != target.dtype or not target.flags.carray:
            return False
        return self._write(view, target, kernels.workers(x))

    def _write(self, x: HostView, out: HostView, workers: int) -> bool:
        if not self.takes(x.dtype) or not x.dtype.isnative:
            return False
        real, parts = x.real.dtype, _parts(x.dtype)
        rows, y = (each.view(real) for each in (kernels.rows(x), out.reshape(-1, out.shape[-1])))
        options = *self._in_precision(real, parts), self.scale
        kernels.walsh(rows, y, parts * self.n, parts * len(self.core), *options, workers=workers)
        return True

    def _in_precision(self, real: DType, parts: int) -> list[HostView | None]:
        """The columns of the core, and the factors of input and output, for scalars of a dtype, parts of an entry."""
        found = self._arrays.get((real, parts))
        if found is None:
            core = np.asarray(self.core, real).T.ravel() if len(self.core) > 1 else None
            sides = (self.input.in_dtype(real), self.output.in_dtype(real))
            factors = [None if each is None else np.repeat(each, parts) for each in sides]
            found = self._arrays[real, parts] = [core, *factors]
        return found


def transposed(signs: list[list[int]]) -> list[list[int]]:
    """Return the columns of a small matrix."""
    return [list(column) for column in zip(*signs, strict=True)]


def _signed_sums(xp: Namespace, x: Array, core: Array) -> Array:
    """Multiply the last axis by a small matrix of signs."""
    if compat.is_numpy_namespace(xp):
        return x @ core.T
    return sum(x[..., place : place + 1] * core[:, place] for place in range(core.shape[0]))


def times(xp: Namespace, x: Array, core: Array | None) -> Array:
    """Multiply the last axis by S ⊗ C, with Sylvester's S and a small C of signs; C is (1) for None."""
    order, last = 1 if core is None else core.shape[0], x.shape[-1]
    y = xp.reshape(x, (*x.shape[:-1], last // order, order))
    if core is not None:
        y = _signed_sums(xp, y, core)
    if compat.is_numpy_namespace(xp):
        y = _products(np.ascontiguousarray(y).view(y.real.dtype)).view(x.dtype)
    else:
        y = _butterflies(xp, y)
    return xp.reshape(y, x.shape)


def _products(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Multiply by the small matrices whose Kronecker product is Sylvester's, the last axis first."""
    shape, width = x.shape, x.shape[-1]
    bits = shape[-2].bit_length() - 1
    if x.size == 0 or bits == 0:
        return x.copy()
    count = -(-bits // BITS)
    for place in range(count):
        order = 1 << (bits * (place + 1) // count - bits * place // count)
        small = _sylvester(order, x.dtype)
        x = x.reshape(-1, order) @ small if width == 1 else small @ x.reshape(-1, order, width)
        width *= order
    return x.reshape(shape)


def _butterflies(xp: Namespace, x: Array) -> Array:
    """Add and subtract halves, of the whole first, of pairs of neighbours last."""
    shape, width = x.shape, x.shape[-1]
    h = int(shape[-2])  # sizes are tensors in torch.jit.trace
    while h > 1:
        h //= 2
        pairs = xp.reshape(x, (*shape[:-2], shape[-2] // (2 * h), 2, h * width))
        upper, lower = pairs[..., 0:1, :], pairs[..., 1:2, :]
        x = xp.concat((upper + lower, upper - lower), axis=-2)
    return xp.reshape(x, shape)
