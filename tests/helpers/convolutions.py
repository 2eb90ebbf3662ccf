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
