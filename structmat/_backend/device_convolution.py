"""Products with circulant matrices and their gradients by the CUDA kernels, for CuPy arrays and PyTorch tensors."""

import math
from typing import Any

from structmat._backend import cuda, libraries
from structmat._backend.convolution import Tape
from structmat._backend.types import Array, Namespace


class DeviceConvolution:
    """A circulant matrix or its conjugate transpose, on a GPU.

    It is to the CUDA kernels what `Convolution` is to the compiled ones. Methods take and return arrays of the library
    of the column, on its device; they return None for arrays that the kernels can't read or that need a graph.
    """

    __slots__ = "_adjoint", "_spectra", "char", "column", "conjugate", "is_lasting", "library"

    def __init__(self, column: Array, char: str, *, conjugate: bool = False) -> None:
        self.column, self.char, self.conjugate = column, char, conjugate
        self.library = libraries.of_array(column)
        self.is_lasting = self.library.lacks_graphs
        self._spectra: list[Array] = []  # one at most, for the matrix and its adjoint
        self._adjoint: DeviceConvolution | None = None

    @property
    def adjoint(self) -> "DeviceConvolution":
        """The conjugate transpose."""
        if self._adjoint is None:
            self._adjoint = DeviceConvolution(self.column, self.char, conjugate=not self.conjugate)
            self._adjoint._spectra = self._spectra
        return self._adjoint

    @property
    def _scalars(self) -> int:
        """Entries of an array like the column for each value of a spectrum."""
        return 2 if self.char in "fd" else 1

    def scaled(self, scalar: float) -> None:
        """Return None: products are scaled afterwards."""

    def _rows(self, x: Array) -> cuda.Rows:
        """Describe contiguous vectors (..., n) for the kernels."""
        n = x.shape[-1]
        return cuda.Rows(self.library.address(x), n, math.prod(x.shape[:-1]))

    def _readable(self, x: Array) -> Array | None:
        """Return contiguous vectors with an address, None if there are none."""
        found = self.library.device_view(x)
        if found is None or 0 in found.shape or found.dtype != self.column.dtype:
            return None
        return self.library.contiguous(None, found)

    def _planned(self) -> tuple[Any, Array]:
        """Plan and spectrum, on the device of the column, which is the current one."""
        plan = cuda.plan(self.column.shape[0], self.char)
        if not self._spectra:
            spectrum = self.library.empty(self.column, (self._scalars * plan.spectrum_size,))
            plan.spectrum(
                self.library.address(self.library.contiguous(None, self.column)), self.library.address(spectrum)
            )
            self._spectra.append(spectrum)
        return plan, self._spectra[0]

    def apply(self, xp: Namespace, x: Array) -> Array | None:
        """Multiply vectors."""
        x = self._readable(x)
        if x is None:
            return None
        y = self.library.empty(x, x.shape)
        self._multiply(x, y)
        return y

    def write(self, x: Array, out: Array) -> bool:
        """Multiply vectors into an array that shares no memory with them; return False for arrays that can't be."""
        x, target = self._readable(x), self.library.device_view(out)
        if x is None or target is None or self.library.contiguous(None, target) is not target:
            return False
        self._multiply(x, target)
        return True

    def _multiply(self, x: Array, y: Array) -> None:
        with self.library.launching(x):
            plan, spectrum = self._planned()
            plan.product(self._rows(x), self._rows(y), self.library.address(spectrum), conjugate=self.conjugate)

    def forward(self, xp: Namespace, x: Array) -> tuple[Array, Tape] | None:
        """Multiply vectors, and return a tape with the product."""
        y = self.apply(xp, x)
        return None if y is None else (y, Tape(self, x, None))

    def recorded(self, x: Array) -> Tape | None:
        """Return a tape of vectors that are not multiplied."""
        return None if self._readable(x) is None else Tape(self, x, None)

    def pull_back(self, xp: Namespace, tape: Tape, g: Array) -> tuple[Array, Array] | None:
        """Return the gradients with respect to the vectors and to the column."""
        x, g = self._readable(tape.x), self._readable(g)
        if x is None or g is None:
            return None
        address, empty = self.library.address, self.library.empty
        dx, column = empty(g, g.shape), empty(g, self.column.shape)
        with self.library.launching(g):
            plan, spectrum = self._planned()
            rows = self._rows(x)
            memory = empty(self.column, (self._scalars * plan.spectrum_size * plan.parts(rows.number),))
            plan.gradient(
                rows,
                self._rows(g),
                self._rows(dx),
                address(column),
                address(spectrum),
                address(memory),
                conjugate=self.conjugate,
            )
        return dx, column


def circulant(column: Array) -> DeviceConvolution | None:
    """Return the circulant matrix of a column on a GPU, None without the kernels or if they lack its length."""
    library = libraries.of_array(column)
    view = library.device_view(column)
    char = None if view is None else library.device_char(column.dtype)
    held = None if char is None else cuda.layout(column.shape[0], char)
    if char is None or held is None or held.bytes(char) > cuda.shared_bytes():
        return None
    return DeviceConvolution(view, char)
