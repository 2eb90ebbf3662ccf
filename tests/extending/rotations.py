"""Rotations of pairs of entries, with a scale each, in one file."""

from typing import Any

from structmat.custom import Array, Leaf, Namespace, batch_sum, cached, param, register_operator


def _example(n: int, rng: Any) -> "Rotations":
    return Rotations(rng.standard_normal((2, (n + 1) // 2)))


@register_operator(cost="O(n)", example=_example)
class Rotations(Leaf):
    r"""Rotations and scalings of pairs of entries, as complex numbers multiply.

    .. math::

       A = \operatorname{diag}(R_1, \dots, R_h), \qquad R_k = \begin{pmatrix} a_k & -b_k \\ b_k & a_k \end{pmatrix}.

    All have the same eigenvectors, so that they multiply as their eigenvalues :math:`a_k \pm i b_k` do.

    Parameters
    ----------
    parts : array, shape (2, h)
        The entries a and b, real or complex.

    Notes
    -----
    Cost: O(n) time and memory, for products and solutions.

    Gradient: dL/da = Σ conj(x_0) g_0 + conj(x_1) g_1 and dL/db = Σ conj(x_0) g_1 - conj(x_1) g_0 of each pair over the
    batch.
    """

    dims = "2*h", "2*h"
    _is_normal = True
    _linear_over = "complex"
    _spectral = "parts", "spectrum"
    parts: Array = param("2", "h")

    def _bound(self) -> dict[str, int]:
        if self.parts.shape[0] != 2:
            raise ValueError(f"Rotations: parts has shape {tuple(self.parts.shape)}; expected (2, h).")
        return {}

    @cached
    def spectrum(self) -> Array:
        """The eigenvalues, a + ib in one row and a - ib in the other."""
        a, b = self.parts[0, :], self.parts[1, :]
        return self.xp.stack((a + 1j * b, a - 1j * b))

    def _from_spectrum(self, spectrum: Array) -> Array:
        one, other = spectrum[0, :], spectrum[1, :]
        parts = self.xp.stack(((one + other) / 2, (one - other) / 2j))
        return parts if self._is_complex else self.xp.real(parts)

    def _right(self, xp: Namespace, x: Array) -> tuple[Array, Array]:
        """The first and the second entry of each pair."""
        pairs = xp.reshape(x, (*x.shape[:-1], self.n // 2, 2))
        return pairs[..., 0], pairs[..., 1]

    _left = _right

    def _turned(self, xp: Namespace, X: tuple[Array, Array], a: Array, b: Array) -> Array:
        y = xp.stack((a * X[0] - b * X[1], b * X[0] + a * X[1]), axis=-1)
        return xp.reshape(y, (*y.shape[:-2], self.n))

    def _matvec(self, xp: Namespace, X: tuple[Array, Array]) -> Array:
        return self._turned(xp, X, self.parts[0, :], self.parts[1, :])

    def _rmatvec(self, xp: Namespace, G: tuple[Array, Array]) -> Array:
        return self._turned(xp, G, xp.conj(self.parts[0, :]), -xp.conj(self.parts[1, :]))

    def _grad(self, xp: Namespace, X: tuple[Array, Array], G: tuple[Array, Array]) -> tuple[Array, ...]:
        x, y = (xp.conj(entry) for entry in X)
        return (xp.stack((batch_sum(xp, x * G[0] + y * G[1]), batch_sum(xp, x * G[1] - y * G[0]))),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        a, b = self.parts[0, i // 2], self.parts[1, i // 2]
        return xp.where(i == j, a, xp.where(i // 2 != j // 2, 0, xp.where(i > j, b, -b)))

    def _solve(self, xp: Namespace, X: tuple[Array, Array]) -> Array:
        a, b = self.parts[0, :], self.parts[1, :]
        return self._turned(xp, X, a / (a**2 + b**2), -b / (a**2 + b**2))

    def _rsolve(self, xp: Namespace, G: tuple[Array, Array]) -> Array:
        a, b = xp.conj(self.parts[0, :]), xp.conj(self.parts[1, :])
        return self._turned(xp, G, a / (a**2 + b**2), b / (a**2 + b**2))

    def _eigenvalues(self, xp: Namespace) -> Array:
        return xp.reshape(self.spectrum, (-1,))

    def _singular_values(self, xp: Namespace) -> Array:
        return xp.sort(xp.abs(self._eigenvalues(xp)), descending=True)

    def _transposed_fields(self) -> dict[str, Array]:
        return {"parts": self.xp.stack((self.parts[0, :], -self.parts[1, :]))}

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        """An identity turns by nothing."""
        if not A._is_identity:
            return None
        return {"parts": self.xp.stack((self.xp.ones_like(self.parts[0, :]), self.xp.zeros_like(self.parts[1, :])))}

    def _as_banded(self, like: Leaf) -> tuple[Array, int, int]:
        xp, (a, b) = self.xp, (self.parts[0, :], self.parts[1, :])
        o = xp.zeros_like(b)
        bands = [xp.reshape(xp.stack(pair, axis=-1), (1, self.n)) for pair in ((o, -b), (a, a), (b, o))]
        return xp.concat(bands), 1, 1
