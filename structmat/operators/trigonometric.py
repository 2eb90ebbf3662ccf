"""Discrete cosine and sine transforms."""

from typing import Any, ClassVar

from structmat._backend import trigonometric
from structmat._backend.types import Array, DType, Namespace
from structmat.core import Leaf, LinearOperator, register_operator, size

_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward", "ortho": "ortho"}


def _choices(rng: Any) -> dict[str, Any]:
    return {"type": int(rng.integers(2, 5)), "norm": str(rng.choice(["backward", "forward", "ortho"]))}


class Trigonometric(Leaf):
    """2 s diag(e) T diag(d), where T has plain cosines or sines, and d and e are 1 except at one or both ends."""

    dims = "n", "n"
    _is_sine: ClassVar[bool]
    n: int
    type: int
    norm: str | None

    def _check(self) -> None:
        title = self.__class__.__name__
        if self.type not in trigonometric.TRANSPOSED:
            raise ValueError(f"{title}: type is {self.type!r}; expected 1, 2, 3 or 4.")
        if self.norm not in _OPPOSITE:
            raise ValueError(f'{title}: norm is {self.norm!r}; expected None, "backward", "ortho" or "forward".')
        if self._period < 1:
            raise ValueError(f"{title}: n is {self.n}; expected at least 2 for type 1.")

    @property
    def _period(self) -> int:
        """Length of the periodic extension, whose Fourier transform this is."""
        return 2 * (self.n + (self.type == 1) * (1 if self._is_sine else -1))

    @property
    def _ends(self) -> tuple[int, int]:
        """Where the weighted entries at the beginning stop, and those at the end start."""
        return (0, self.n - (self.type != 1)) if self._is_sine else (1, self.n - (self.type == 1))

    def _weights(self, xp: Namespace, dtype: DType) -> tuple[Any, Any, Any]:
        """The scale 2 s, and the entries of d and e at the ends."""
        return trigonometric.weights(xp, dtype, self._period, self.type, self.norm)

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return self._transformed(xp, x, self.type, self._weights(xp, x.dtype))

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        scale, before, after = self._weights(xp, g.dtype)
        return self._transformed(xp, g, trigonometric.TRANSPOSED[self.type], (scale, after, before))

    def _transformed(self, xp: Namespace, x: Array, transform: int, weights: tuple[Any, Any, Any]) -> Array:
        scale, before, after = weights
        if not trigonometric.suits_scipy(x, transform):
            sums = trigonometric.sums(xp, self._weighted(xp, x, before), self.n, transform, sine=self._is_sine)
            return scale * self._weighted(xp, sums, after)
        if not self._is_unitary:
            x = self._weighted(xp, x, 2 * before if transform == 3 else before)  # SciPy halves it for type 3
        y = trigonometric.scipy_transform(x, transform, self.norm, sine=self._is_sine)
        return y if self._is_unitary else self._weighted(xp, y, after)

    def _weighted(self, xp: Namespace, x: Array, weight: Any) -> Array:
        if weight == 1:
            return x
        first, stop = self._ends
        return xp.concat((x[..., :first] * weight, x[..., first:stop], x[..., stop:] * weight), axis=-1)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        shifts = ((2 - half if self._is_sine else half) for half in (+(self.type in (2, 4)), +(self.type in (3, 4))))
        root = trigonometric.unit_root(xp, 2 * j + next(shifts), 2 * i + next(shifts), 2 * self._period)
        scale, *weights = self._weights(xp, root.dtype)
        entry = scale * (xp.imag(root) if self._is_sine else xp.real(root))
        for k, weight in zip((j, i), weights, strict=True):
            entry = xp.where((k < self._ends[0]) | (k >= self._ends[1]), weight * entry, entry)
        return entry

    def _inverse(self) -> LinearOperator:
        return self._replace(type=trigonometric.TRANSPOSED[self.type], norm=_OPPOSITE[self.norm])

    def _singular_values(self, xp: Namespace) -> Array:
        dtype, where = self._value_dtype(xp), self.device
        return trigonometric.singular_values(
            xp, self.n, self.type, self.norm, sine=self._is_sine, dtype=dtype, device=where
        )

    @property
    def _is_unitary(self) -> bool:  # type: ignore[override]
        return self.norm == "ortho"

    @property
    def _details(self) -> str:
        return f", type={self.type}"


@register_operator(
    cost="O(n log n)",
    references=("Makhoul1980", "Martucci1994"),
    example=lambda n, rng: DCT(n, **({"type": 1} if n == 2 else _choices(rng))),
)
class DCT(Trigonometric):
    r"""Discrete cosine transform of types 1 to 4.

    .. math::

       A_{kj} = 2 s\, e_k d_j \cos \frac{\pi (j + a)(k + b)}{N}, \qquad
       (a, b) = (0, 0), \ (\tfrac12, 0), \ (0, \tfrac12), \ (\tfrac12, \tfrac12),

    where N = n - 1 for type 1 and n for the others. Products are those of `scipy.fft.dct` with the same `type` and
    `norm`. d is 1/2 at j = 0 for types 1 and 3 and at j = n - 1 for type 1, else 1; e is 1. With norm "ortho" d has
    square roots there, and e has √½ at the same places for types 1 and 2.

    Parameters
    ----------
    n : int
        Rows and columns; at least 2 for type 1.
    type : {2, 1, 3, 4}, optional
        Type of the transform; 2 by default.
    norm : {None, "backward", "ortho", "forward"}, optional
        Scale s: 1 for None and "backward", 1/√(2N), which makes the matrix orthogonal, for "ortho", and 1/(2N) for
        "forward".

    Raises
    ------
    ValueError
        n is not a positive int or too small, or `type` or `norm` is unknown.

    Notes
    -----
    Cost: O(n log n), one Fourier transform of length n per product (2n for type 1); no memory. On NumPy arrays, types 2
    to 4 use SciPy's transforms.

    Gradient: none, the operator has no parameters. It has no arrays either, so it takes vectors of any library.

    References
    ----------
    .. [1] J. Makhoul, "A fast cosine transform in one and two dimensions", *IEEE Transactions on Acoustics, Speech, and
       Signal Processing* 28(1), 1980.
    .. [2] S. A. Martucci, "Symmetric convolution and the discrete sine and cosine transforms", *IEEE Transactions on
       Signal Processing* 42(5), 1994.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.DCT(3, type=1).to_dense()
    array([[ 1.,  2.,  1.],
           [ 1.,  0., -1.],
           [ 1., -2.,  1.]])
    """

    _is_sine = False
    n: int = size()
    type: int = 2
    norm: str | None = None


@register_operator(
    cost="O(n log n)",
    references=("Makhoul1980", "Martucci1994"),
    example=lambda n, rng: DST(n, **({"type": 1} if n == 2 else _choices(rng))),
)
class DST(Trigonometric):
    r"""Discrete sine transform of types 1 to 4.

    .. math::

       A_{kj} = 2 s\, e_k d_j \sin \frac{\pi (j + a)(k + b)}{N}, \qquad
       (a, b) = (1, 1), \ (\tfrac12, 1), \ (1, \tfrac12), \ (\tfrac12, \tfrac12),

    where N = n + 1 for type 1 and n for the others. Products are those of `scipy.fft.dst` with the same `type` and
    `norm`. d is 1/2 at j = n - 1 for type 3, else 1; e is 1. With norm "ortho" d has √½ there, and so has e at
    k = n - 1 for type 2.

    Parameters
    ----------
    n : int
        Rows and columns.
    type : {2, 1, 3, 4}, optional
        Type of the transform; 2 by default.
    norm : {None, "backward", "ortho", "forward"}, optional
        Scale s: 1 for None and "backward", 1/√(2N), which makes the matrix orthogonal, for "ortho", and 1/(2N) for
        "forward".

    Raises
    ------
    ValueError
        n is not a positive int, or `type` or `norm` is unknown.

    Notes
    -----
    Cost: O(n log n), one Fourier transform of length n per product (2n for type 1); no memory. On NumPy arrays, types 2
    to 4 use SciPy's transforms.

    Gradient: none, the operator has no parameters. It has no arrays either, so it takes vectors of any library.

    References
    ----------
    .. [1] J. Makhoul, "A fast cosine transform in one and two dimensions", *IEEE Transactions on Acoustics, Speech, and
       Signal Processing* 28(1), 1980.
    .. [2] S. A. Martucci, "Symmetric convolution and the discrete sine and cosine transforms", *IEEE Transactions on
       Signal Processing* 42(5), 1994.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.DST(3, type=1).to_dense().round(3)
    array([[ 1.414,  2.   ,  1.414],
           [ 2.   ,  0.   , -2.   ],
           [ 1.414, -2.   ,  1.414]])
    """

    _is_sine = True
    n: int = size()
    type: int = 2
    norm: str | None = None
