"""Products with corners of circulant and skew-circulant matrices, and their gradients, by the compiled kernels."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from structmat._backend import devices, kernels
from structmat._backend.kernels import HostView
from structmat._backend.types import Array, DType, Namespace


class Tape(NamedTuple):
    """What the gradient of a convolution needs: the vectors, their transforms, or both."""

    convolution: Any  # `Convolution`, or `DeviceConvolution`
    x: Array | None
    transforms: Array | None


class Side(NamedTuple):
    """What happens to vectors on one side of a matrix: entries in reverse order, and factors of these."""

    width: int
    is_reversed: bool = False
    factors: HostView | None = None

    def scaled(self, factors: HostView | None, width: int) -> "Side":
        """Return the side of a matrix with fewer rows or columns, and with further factors of these."""
        if self.is_reversed and factors is not None:
            factors = factors[::-1]
        if self.factors is not None:
            factors = self.factors[:width] if factors is None else self.factors[:width] * factors
        return Side(width, self.is_reversed, None if factors is None else np.ascontiguousarray(factors))

    def extended(self, places: Array, values: Array | None, width: int, char: str | None) -> "Side | None":
        """Return the side after a matrix that moves entry k to a place and multiplies it by a value.

        None unless it leaves the entries where they are, and for values that the kernels can't multiply by at once:
        they have one precision, `char`, or that of the vectors if it is None.
        """
        if not (devices.to_host(places) == np.arange(width)).all():
            return None
        if values is None:
            return self.scaled(None, width)
        factors = devices.to_host(values)
        if factors.dtype.kind == "f":
            if factors.dtype.char not in ("fd" if char is None else char.lower()):
                return None
            if self.factors is not None and self.factors.dtype.kind == "f":
                return None  # a product of two factors could overflow
        return self.scaled(factors if char is None else factors.astype(char), width)

    def in_dtype(self, dtype: DType) -> HostView | None:
        """Return the factors in a dtype."""
        return None if self.factors is None else self.factors.astype(dtype, copy=False)

    def conj(self) -> "Side":
        """Return the same side of the conjugate matrix."""
        return self._replace(factors=None if self.factors is None else self.factors.conj())


class Convolution:
    """The matrix J^a diag(f) C diag(g) J^b, C the upper left corner of a circulant or skew-circulant matrix.

    C may also be a corner of a matrix of p x q such blocks, with columns (p, q, n). J is the exchange matrix; `output`
    has a and f, `input` has b and g. The column is that of the whole matrix: vectors are padded with zeros to its
    length, and products are cropped. With `conjugate`, C is the corner of the conjugate transpose. Methods take and
    return arrays of the library `xp`; they return None for arrays without a host view.
    """

    __slots__ = (
        "_adjoint",
        "_multiple",
        "_spectra",
        "_vector_product",
        "column",
        "conjugate",
        "input",
        "is_lasting",
        "output",
        "root",
    )

    def __init__(self, column: HostView, output: Side, input: Side, root: int, conjugate: bool = False) -> None:
        self.column, self.output, self.input, self.root, self.conjugate = column, output, input, root, conjugate
        self._spectra: dict[bool, tuple[Any, HostView]] = {}  # one object for all views of a matrix
        self.is_lasting = False  # whether the column is an array of NumPy, which no graph will ever need
        self._adjoint: Convolution | None = None
        self._multiple: tuple[float, Convolution | None] = math.nan, None  # the last one
        self._vector_product: Callable[[HostView], HostView] | None = None

    def _view(self, output: Side, input: Side, conjugate: bool) -> "Convolution":
        view = Convolution(self.column, output, input, self.root, conjugate)
        view._spectra, view.is_lasting = self._spectra, self.is_lasting
        return view

    @property
    def adjoint(self) -> "Convolution":
        """The conjugate transpose."""
        if self._adjoint is None:
            self._adjoint = self._view(self.input.conj(), self.output.conj(), not self.conjugate)
        return self._adjoint

    def between(self, output: Side, input: Side) -> "Convolution | None":
        """Return diag(output.factors) A diag(input.factors), cropped to the widths of the sides.

        None if it needs a part of a side in reverse order.
        """
        pairs = (self.output, output), (self.input, input)
        if any(inner.is_reversed and outer.width < inner.width for inner, outer in pairs):
            return None
        first, last = [inner.scaled(outer.in_dtype(self.column.dtype), outer.width) for inner, outer in pairs]
        return self._view(first, last, self.conjugate)

    def scaled(self, scalar: float) -> "Convolution | None":
        """Return a multiple of the matrix, None if it needs a product of two factors, which could overflow."""
        width, factors = self.output.width, self.output.factors
        if self._multiple[0] != scalar:
            fits = factors is None or (abs(factors) == 1).all()
            scalars = Side(width, factors=np.full(width, scalar))
            self._multiple = scalar, self.between(scalars, Side(self.input.width)) if fits else None
        return self._multiple[1]

    def _planned(self, batched: bool) -> tuple[Any, HostView]:
        """Plan and spectrum for a batch or for one vector."""
        found = self._spectra.get(batched)
        if found is None:
            *blocks, n = self.column.shape
            plan = kernels.plan(n, self.column.dtype.char, self.root, batched, tuple(blocks))
            other = self._spectra.get(not batched)
            if other is not None and other[0] is plan:
                found = other
            else:
                found = plan, np.empty(plan.spectrum_size, self.column.real.dtype)
                plan.spectrum(self.column.reshape(-1), found[1])
            self._spectra[batched] = found
        return found

    def apply(self, xp: Namespace, x: Array) -> Array | None:
        """Multiply vectors."""
        if type(x) is np.ndarray and x.ndim == 1 and x.flags.carray:
            if self._vector_product is None:
                self._vector_product = self._made_vector_product()
            return self._vector_product(x)
        view = x if type(x) is np.ndarray else kernels.host_view(x)
        if view is None:
            return None
        y = self._product(view, kernels.workers(x))[0]
        return y if view is x else kernels.from_host(xp, y)

    def _made_vector_product(self) -> Callable[[HostView], HostView]:
        """Return the product with a single vector, which must be contiguous."""
        (m, turned, after), (_, turns, before) = self.output, self.input
        plan, spectrum = self._planned(batched=False)
        product, empty, dtype, conjugate = plan.product, np.empty, self.column.dtype, self.conjugate

        def multiply(x: HostView) -> HostView:
            y = empty(m, dtype)
            product(x, spectrum, y, before, after, None, conjugate, 1)
            return y

        def multiply_turned(x: HostView) -> HostView:
            y = multiply(x[::-1].copy() if turns else x)
            return y[::-1].copy() if turned else y

        return multiply_turned if turned or turns else multiply

    def forward(self, xp: Namespace, x: Array) -> tuple[Array, Tape] | None:
        """Multiply vectors, and return a tape with the product."""
        view = kernels.host_view(x)
        if view is None:
            return None
        y, tape = self._product(view, kernels.workers(x), keep=True)
        if view is x:
            return y, Tape(self, None, tape)
        return kernels.from_host(xp, y), Tape(self, x, kernels.from_host(xp, tape))

    def recorded(self, x: Array) -> Tape | None:
        """Return a tape of vectors that are not multiplied."""
        return None if kernels.host_view(x) is None else Tape(self, x, None)

    def write(self, x: Array, out: Array) -> bool:
        """Multiply vectors into an array that shares no memory with them; return False for arrays that can't be."""
        view, target = kernels.host_view(x), kernels.host_view(out)
        if view is None or target is None or not target.flags.carray or self.output.is_reversed:
            return False
        self._product(view, kernels.workers(x), target)
        return True

    def _product(
        self, x: HostView, workers: int, out: HostView | None = None, *, keep: bool = False
    ) -> tuple[HostView, Any]:
        (m, turned, after), (_, turns, before) = self.output, self.input
        plan, spectrum = self._planned(x.ndim > 1)
        y = np.empty((*x.shape[:-1], m), x.dtype) if out is None else out
        tape = None
        if keep:
            tape = np.empty(plan.tape_size(max(y.size // m, 1)), spectrum.dtype)
        if x.ndim == 1 and not turns:
            flags = x.flags
            rows, out = (x if flags.c_contiguous and flags.aligned else x.copy()), y
        else:
            rows, out = kernels.rows(x[..., ::-1] if turns else x), y.reshape(-1, m)
        plan.product(rows, spectrum, out, before, after, tape, self.conjugate, workers)
        return (y[..., ::-1].copy() if turned else y), tape

    def pull_back(self, xp: Namespace, tape: Tape, g: Array) -> tuple[Array, Array] | None:
        """Return the gradients with respect to the vectors and to the column."""
        view = kernels.host_view(g)
        kept = None if tape.transforms is None else kernels.host_view(tape.transforms)
        x = None if kept is not None or tape.x is None else kernels.host_view(tape.x)
        if view is None or (kept is None and x is None):
            return None
        (_, turned, after), (k, turns, before) = self.output, self.input
        plan, spectrum = self._planned(view.ndim > 1)
        dx, sums, column = (
            np.empty((*view.shape[:-1], k), view.dtype),
            np.empty_like(spectrum),
            np.empty_like(self.column),
        )
        plan.gradient(
            kept,
            None if x is None else kernels.rows(x[..., ::-1] if turns else x),
            kernels.rows(view[..., ::-1] if turned else view),
            spectrum,
            dx.reshape(-1, k),
            sums,
            before,
            after,
            self.conjugate,
            kernels.workers(g),
        )
        plan.column(sums, column.reshape(-1))
        dx = dx[..., ::-1].copy() if turns else dx
        return (dx, column) if view is g else (kernels.from_host(xp, dx), kernels.from_host(xp, column))


def corner(
    xp: Namespace, column: Array, shape: tuple[int, int], *, root: int = 1, reverses_input: bool = False
) -> Convolution | None:
    """Return the upper left corner of the matrix with a column, or with columns (p, q, n) of blocks.

    None if the kernels do not support their length.
    """
    char = kernels.char_of(xp, column.dtype)
    view = None if char is None else kernels.host_view(column)
    if char is None or view is None or not kernels.is_supported(view.shape[-1], char, root):
        return None
    is_lasting = type(column) is np.ndarray
    # Others may free or change the memory of a parameter while it is not in use, as FSDP does.
    entries = np.ascontiguousarray(view) if is_lasting else view.copy()
    made = Convolution(entries, Side(shape[0]), Side(shape[1], reverses_input), root)
    made.is_lasting = is_lasting
    return made
