"""The CUDA kernels of `_kernels/circulant.cuh`: circulant products of rows on a GPU, and their gradients."""

import sys
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from structmat import _kernels

SOURCE = Path(__file__).parents[1] / "_kernels" / "circulant.cuh"
SHARED_BYTES = 227 * 2**10  #: of a block of threads, at most

_THREADS = 64, 512  #: of a block, at least and at most
_BUSY = 2**17  #: threads that occupy the largest GPU


class Rows(NamedTuple):
    """Rows of an array on the device, whose entries are contiguous: address, entries between rows, number of rows."""

    address: int
    stride: int
    number: int


class Layout(NamedTuple):
    """How a block of threads holds rows: radices of the passes, number of rows and of threads."""

    radices: tuple[int, ...]
    rows: int
    threads: int
    product_blocks: int  # of threads on a multiprocessor, which bounds the registers
    gradient_blocks: int

    def bytes(self, char: str) -> int:
        """Shared memory of a block."""
        return self.slots * self.rows * (8 if char in "fF" else 16)

    @property
    def slots(self) -> int:
        """Complex entries of a row in shared memory."""
        return int(np.prod(self.radices))


def layout(n: int, char: str) -> Layout | None:
    """Return the layout for rows of length n, None if the kernels don't support it."""
    slots = n if char in "FD" else n // 2
    if n < 32 or n & (n - 1) or slots * (8 if char in "fF" else 16) > SHARED_BYTES:
        return None
    eights, rest = divmod(slots.bit_length() - 1, 3)
    radices = (2**rest,) * (rest > 0) + (8,) * eights
    threads = min(max(slots // 8, _THREADS[0]), _THREADS[1])
    busy = 1024 if char in "fF" else 512
    return Layout(radices, max(8 * threads // slots, 1), threads, max(busy // threads, 1), max(busy // 2 // threads, 1))


def twiddles(radices: tuple[int, ...], is_real: bool) -> np.ndarray[Any, Any]:
    """Return what the passes after the first one multiply by: for each, entry k - 1 of a block is its root to the k.

    The tree of phases is that of `circulant.cuh`: a block modulo z^m - exp(-2πi phase) has children of the phases
    (phase + j)/R. The first block of real rows has no phase; its entry here is not used.
    """
    phases, tables = np.zeros(1), []
    for index, radix in enumerate(radices):
        powers = np.arange(1, radix)[:, None] * phases / radix
        if index:
            tables.append(np.exp(-2j * np.pi * powers).ravel())
        children = phases[:, None] / radix + _reversed(radix)
        if is_real:
            children[0] = [0] + [(0.25 + _reversed(p)[j - p] * p) / p for j in range(1, radix) for p in (_floor(j),)]
        phases = children.ravel()
    return np.concatenate(tables)


def _reversed(radix: int) -> np.ndarray[Any, Any]:
    """Return bit-reversed j / radix for j < radix."""
    found = np.zeros(1)
    while found.size < radix:
        found = np.concatenate([found, found + 1 / (2 * found.size)])
    return found


def _floor(j: int) -> int:
    """Return the largest power of two that is not larger than j."""
    return 1 << (j.bit_length() - 1)


def definitions(layout: Layout, char: str, *, is_gradient: bool) -> list[str]:
    """Return the compiler's options that define what the source leaves open."""
    values = {
        "SCALAR": "float" if char in "fF" else "double",
        "REAL": "true" if char in "fd" else "false",
        "RADICES": ",".join(map(str, layout.radices)),
        "ROWS": layout.rows,
        "THREADS": layout.threads,
        "BLOCKS": layout.gradient_blocks if is_gradient else layout.product_blocks,
    }
    return [f"-DSTRUCTMAT_{name}={value}" for name, value in values.items()] + ["-DSTRUCTMAT_GRADIENT"] * is_gradient


class Plan:
    """Kernels for rows of a length on the current device, and their tables there.

    The arrays that methods take are on that device; results are written on the current stream of CuPy.
    """

    def __init__(self, char: str, held: Layout) -> None:
        import cupy

        self.char, self.layout, self.value = char, held, np.dtype("F" if char in "fF" else "D")
        self.twiddles = cupy.asarray(twiddles(held.radices, char in "fd").astype(self.value))
        self.shared = held.bytes(char)
        self.spectrum_size = held.slots  # complex entries
        self.kernels: dict[str, Any] = {}

    def kernel(self, name: str) -> Any:
        """Return a kernel, which is compiled at its first use together with those that are used beside it."""
        if name not in self.kernels:
            self._compile(
                ("spectrum", "product") if name in {"spectrum", "product"} else ("gradient", "total", "column")
            )
        return self.kernels[name]

    def _compile(self, names: tuple[str, ...]) -> None:
        import cupy

        is_gradient = "gradient" in names
        options = (*definitions(self.layout, self.char, is_gradient=is_gradient), "-std=c++17")
        module = cupy.RawModule(code=SOURCE.read_text(encoding="utf-8"), options=options)
        for name in names:
            kernel = self.kernels[name] = module.get_function(name)
            if name != "total" and self.shared > 48 * 2**10:
                kernel.max_dynamic_shared_size_bytes = self.shared

    def _launch(self, name: str, blocks: int, *arguments: Any) -> None:
        self.kernel(name)((blocks,), (self.layout.threads,), arguments, shared_mem=self.shared)

    def spectrum(self, column: int, spectrum: int) -> None:
        """Write the spectrum of a column."""
        self._launch("spectrum", 1, _address(column), _address(spectrum), self.twiddles)

    def product(self, x: Rows, y: Rows, spectrum: int, *, conjugate: bool) -> None:
        """Multiply rows by the matrix of a spectrum, or by its conjugate transpose."""
        sign = np.int32(-1 if conjugate else 1)
        arguments = *_rows(x), *_rows(y), np.int64(x.number), self.twiddles, _address(spectrum), sign
        self._launch("product", -(-x.number // self.layout.rows), *arguments)

    def part_length(self, count: int) -> int:
        """Return how many rows each part of the gradient's sums has; it depends on nothing but the number of rows."""
        return min(max(count * self.layout.threads // (self.layout.rows * _BUSY), 1), 16)

    def parts(self, count: int) -> int:
        """Return the number of spectra that `gradient` needs as memory for its sums."""
        each = self.part_length(count) * self.layout.rows
        parts = -(-count // each) * self.layout.rows
        return parts + sum(_levels(parts))

    def gradient(  # noqa: PLR0917
        self, x: Rows, g: Rows, dx: Rows, column: int, spectrum: int, memory: int, *, conjugate: bool
    ) -> None:
        """Write the gradients with respect to rows and to the column."""
        count, length, rows = x.number, self.part_length(x.number), self.layout.rows
        blocks = -(-count // (length * rows))
        sign = np.int32(-1 if conjugate else 1)
        arguments = *_rows(x), *_rows(g), *_rows(dx), np.int64(count), self.twiddles, _address(spectrum), sign
        self._launch("gradient", blocks, *arguments, np.int32(length), _address(memory))
        parts, slots = blocks * rows, self.layout.slots
        for sums in _levels(parts):
            after = memory + parts * slots * self.value.itemsize
            pointers = _address(memory), np.int32(parts), _address(after)
            self.kernel("total")((-(-slots // 32), sums), (1024,), pointers)
            parts, memory = sums, after
        self._launch("column", 1, _address(memory), _address(column), self.twiddles)


def _levels(parts: int) -> list[int]:
    """Return how many sums there are after each addition of 1024 parts."""
    levels = []
    while parts > 1:
        parts = -(-parts // 1024)
        levels.append(parts)
    return levels


def _address(address: int) -> np.uint64:
    return np.uint64(address)


def _rows(rows: Rows) -> tuple[np.uint64, np.int64]:
    return np.uint64(rows.address), np.int64(rows.stride)


@lru_cache(maxsize=64)
def _plan(n: int, char: str, device: int) -> Plan:
    held = layout(n, char)
    if held is None:
        raise ValueError(f"no CUDA kernels for vectors of {n} entries")
    made = Plan(char, held)
    sys.modules["cupy"].cuda.Device(device).synchronize()  # other streams may read the tables
    return made


def plan(n: int, char: str) -> Plan:
    """Return the plan for a length that `layout` supports, on CuPy's current device."""
    return _plan(n, char, sys.modules["cupy"].cuda.runtime.getDevice())


@cache
def is_on() -> bool:
    """Tell whether the kernels can be compiled and run: there are CuPy and a GPU, and the user did not refuse them."""
    if _kernels.is_refused or find_spec("cupy") is None:
        return False
    import cupy

    return bool(cupy.is_available()) and not cupy.cuda.runtime.is_hip


@cache
def shared_bytes() -> int:
    """Return the shared memory that a block of threads may have on CuPy's current device."""
    attributes = sys.modules["cupy"].cuda.Device().attributes
    return int(attributes.get("MaxSharedMemoryPerBlockOptin", 48 * 2**10))
