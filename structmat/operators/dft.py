"""The discrete Fourier transform."""

from typing import Any

from structmat._backend import dtypes, fft, trigonometric
from structmat._backend.types import Array, DType, Namespace
from structmat.core import Leaf, LinearOperator, register_operator, size

_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _example(n: int, rng: Any) -> "DFT":
    return DFT(n, norm=str(rng.choice(["backward", "forward", "ortho"])))


@register_operator(cost="O(n log n)", references=("CooleyTukey1965",), example=_example)
class DFT(Leaf):
    r"""Discrete Fourier transform, as a complex matrix.

    .. math:: A_{jk} = s\, e^{-2 \pi i j k / n}, \qquad s = 1, \quad \tfrac{1}{\sqrt n} \quad\text{or}\quad \tfrac1n.

    Products are those of `scipy.fft.fft` with the same `norm`; real vectors have complex products. `A ** -1` is
    `scipy.fft.ifft`, and the adjoint `A.H` is the same only with "ortho".

    Parameters
    ----------
    n : int
        Rows and columns.
    norm : {None, "backward", "ortho", "forward"}, optional
        Scale s: 1 for None and "backward", 1/√n, which makes the matrix unitary, for "ortho", and 1/n for "forward".

    Raises
    ------
    ValueError
        n is not a positive int, or `norm` is unknown.

    Notes
    -----
    Cost: one transform per product, O(n log n), no memory. Odd and prime n are fast too.

    Gradient: none, the operator has no parameters. It has no arrays either, so it takes vectors of any library.

    References
    ----------
    .. [1] J. W. Cooley and J. W. Tukey, "An algorithm for the machine calculation of complex Fourier series",
       *Mathematics of Computation* 19(90), 1965.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.DFT(2).to_dense()
    array([[ 1.+0.j,  1.+0.j],
           [ 1.+0.j, -1.+0.j]])
    """

    dims = "n", "n"
    _always_complex = True
    n: int = size()
    norm: str | None = None

    def _check(self) -> None:
        if self.norm not in _OPPOSITE:
            raise ValueError(f'DFT: norm is {self.norm!r}; expected None, "backward", "ortho" or "forward".')

    def _scales(self, xp: Namespace, dtype: DType) -> tuple[Any, Any, Any]:
        """The scale s, s √n and s n."""
        number, sqrt = dtypes.scalar_arithmetic(xp, dtype)
        n, root = number(self.n), sqrt(number(self.n))
        return {"ortho": (1 / root, number(1), root), "forward": (1 / n, 1 / root, number(1))}.get(
            self.norm or "", (number(1), root, n)
        )

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        y, (scale, _, _) = fft.dft(xp, x), self._scales(xp, x.dtype)
        return y if scale == 1 else scale * y

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return fft.idft(xp, self._scales(xp, g.dtype)[2] * g, self.n, real=False, temporary=True)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        root = trigonometric.unit_root(xp, -2 * i, j, self.n)
        return self._scales(xp, root.dtype)[0] * root

    def _inverse(self) -> LinearOperator:
        return self._replace(norm=_OPPOSITE[self.norm]).H

    def _singular_values(self, xp: Namespace) -> Array:
        dtype = self._value_dtype(xp)
        return xp.full((self.n,), self._scales(xp, dtype)[1], dtype=dtype, device=self.device)

    @property
    def _is_unitary(self) -> bool:  # type: ignore[override]
        return self.norm == "ortho"
