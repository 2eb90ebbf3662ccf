"""What the compiled kernels compute, by NumPy's transforms in double precision: the oracle of their tests."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class Convolution:
    """Products with C, the convolution modulo z^n - root by a column, and their pullbacks."""

    def __init__(self, n: int, root: int, column: Array) -> None:
        self.n = n
        self.twist = np.exp(-1j * np.pi * np.arange(n) / n) if root == -1 else np.ones(n)
        self.spectrum = self.transform(column)

    def transform(self, x: Array) -> Array:
        padded = np.zeros((*x.shape[:-1], self.n), np.complex128)
        padded[..., : x.shape[-1]] = x
        return np.fft.fft(padded * self.twist)

    def inverse(self, transformed: Array, width: int) -> Array:
        return (np.fft.ifft(transformed) / self.twist)[..., :width]

    def product(self, x: Array, width: int, before: Array | float, after: Array | float, conjugate: bool) -> Array:
        spectrum = self.spectrum.conj() if conjugate else self.spectrum
        return after * self.inverse(self.transform(before * x) * spectrum, width)

    def gradient(
        self, x: Array, g: Array, before: Array | float, after: Array | float, conjugate: bool
    ) -> tuple[Array, Array]:
        """Return dx, and the spectrum of the column's gradient (of its conjugate with `conjugate`)."""
        transformed_x, transformed_g = self.transform(before * x), self.transform(np.conj(after) * g)
        dx = self.inverse(transformed_g * (self.spectrum if conjugate else self.spectrum.conj()), x.shape[-1])
        each = transformed_x * transformed_g.conj() if conjugate else transformed_x.conj() * transformed_g
        return np.conj(before) * dx, each.sum(axis=0)


class BlockConvolution:
    """The same for a matrix of blocks modulo z^n - 1 with columns (p, q, n), whose vectors have a piece for each."""

    def __init__(self, columns: Array) -> None:
        self.n = columns.shape[-1]
        self.spectra = np.fft.fft(columns.astype(np.complex128))

    def transform(self, x: Array, count: int) -> Array:
        padded = np.zeros((*x.shape[:-1], count * self.n), np.complex128)
        padded[..., : x.shape[-1]] = x
        return np.fft.fft(padded.reshape(*x.shape[:-1], count, self.n))

    def times(self, x: Array, width: int, before: Array | float, after: Array | float, spectra: Array) -> Array:
        product = np.einsum("pqk,...qk->...pk", spectra, self.transform(before * x, spectra.shape[1]))
        return after * np.fft.ifft(product).reshape(*x.shape[:-1], -1)[..., :width]

    def matrices(self, conjugate: bool) -> Array:
        return self.spectra.conj().transpose(1, 0, 2) if conjugate else self.spectra

    def product(self, x: Array, width: int, before: Array | float, after: Array | float, conjugate: bool) -> Array:
        return self.times(x, width, before, after, self.matrices(conjugate))

    def gradient(
        self, x: Array, g: Array, before: Array | float, after: Array | float, conjugate: bool
    ) -> tuple[Array, Array]:
        """Return dx, and the gradient of the columns."""
        dx = self.times(g, x.shape[-1], np.conj(after), np.conj(before), self.matrices(not conjugate))
        p, q = self.spectra.shape[:2]
        ends = (before * x, q), (np.conj(after) * g, p)
        if conjugate:
            ends = (np.conj(after) * g, q), (before * x, p)
        columns, rows = (self.transform(*end) for end in ends)
        return dx, np.fft.ifft(np.einsum("npk,nqk->pqk", rows, columns.conj()))
