"""Lower triangular Toeplitz matrices, in one file: closed under products, but no transform diagonalises them."""

from typing import Any

import numpy as np

from structmat.custom import Array, Leaf, Namespace, batch_sum, cached, dft, idft, pad, param, register_operator


def _example(n: int, rng: Any) -> "LowerToeplitz":
    return LowerToeplitz((2.0 + rng.uniform(size=n)) * 0.5 ** np.arange(n))


@register_operator(cost="O(n log n)", example=_example)
class LowerToeplitz(Leaf):
    r"""Lower triangular Toeplitz matrix, given by its first column.

    .. math:: A_{ij} = c_{i - j} \ \text{for}\ i \ge j, \ \text{else}\ 0.

    Products are those of power series modulo :math:`z^n`, and so are inverses.

    Parameters
    ----------
    column : array, shape (n,)
        First column c, real or complex.

    Notes
    -----
    Cost: two transforms of length 2n per product, O(n log n), O(n) memory. The column of the inverse takes O(n log n)
    once, by Newton's iteration.

    Gradient: dL/dc is the first n entries of idft(Σ conj(X) G), with spectra of the padded x and g.
    """

    dims = "n", "n"
    _linear_over = "complex"
    column: Array = param("n")

    def _right(self, xp: Namespace, x: Array) -> Array:
        return dft(xp, x, 2 * self.n)

    _left = _right

    def _back(self, xp: Namespace, Y: Array) -> Array:
        return idft(xp, Y, 2 * self.n, real=not self._is_complex)[..., : self.n]

    @cached
    def _spectrum(self) -> Array:
        return self._right(self.xp, self.column)

    def _matvec(self, xp: Namespace, X: Array) -> Array:
        return self._back(xp, X * self._spectrum)

    def _rmatvec(self, xp: Namespace, G: Array) -> Array:
        return self._back(xp, G * xp.conj(self._spectrum))

    def _grad(self, xp: Namespace, X: Array, G: Array) -> tuple[Array, ...]:
        return (self._back(xp, batch_sum(xp, xp.conj(X) * G)),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.where(i >= j, self.column[xp.clip(i - j, 0, self.n - 1)], 0)

    @cached
    def _inverted(self) -> Array:
        """Spectrum of the column of the inverse: each step of Newton's doubles the number of right coefficients."""
        xp, known = self.xp, 1
        series = pad(xp, 1 / self.column[:1], 0, self.n - 1)
        while known < self.n:
            known *= 2
            image = self._right(xp, self._matvec(xp, self._right(xp, series)))
            step = self._back(xp, self._right(xp, series) * image)
            series = pad(xp, (2 * series - step)[:known], 0, max(0, self.n - known))
        return self._right(xp, series)

    def _solve(self, xp: Namespace, Y: Array) -> Array:
        return self._back(xp, Y * self._inverted)

    def _rsolve(self, xp: Namespace, X: Array) -> Array:
        return self._back(xp, X * xp.conj(self._inverted))

    def _eigenvalues(self, xp: Namespace) -> Array:
        return self.column[0] * xp.ones_like(self.column)

    def _product_fields(self, other: Any) -> dict[str, Array]:
        return {"column": self._back(self.xp, self._spectrum * other._spectrum)}

    def _power_fields(self, exponent: int) -> dict[str, Array]:
        xp, power = self.xp, self._spectrum if exponent > 0 else self._inverted
        for _ in range(exponent - 1):
            power = self._right(xp, self._matvec(xp, power))
        return {"column": self._back(xp, power)}

    def _as_toeplitz(self, like: Leaf) -> tuple[Array, Array]:
        return self.column, self.xp.zeros_like(self.column)

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        return {"column": A._as_circulant(self)} if A._is_identity else None
