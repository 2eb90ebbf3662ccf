"""Hadamard matrices."""

import functools
from typing import Any

from structmat._backend import devices, dtypes, hadamard, namespaces, tracing
from structmat._backend.convolution import Side
from structmat._backend.hadamard import Transform
from structmat._backend.types import Array, DType, Namespace
from structmat.core import Leaf, LinearOperator, register_operator, size

_NORMS = (None, "backward", "ortho")


def _example(n: int, rng: Any) -> "Hadamard":
    order = 12 if n % 2 and n > 2 else 1 << (n.bit_length() - 1)
    return Hadamard(order, norm=str(rng.choice(["backward", "ortho"])))


def _core(n: int) -> int:
    """Order of the factor that is not a power of two, 1, 12 or 20; 0 if n is no known order."""
    power = n & -n
    if n == power:
        return 1
    return 4 * (n // power) if power >= 4 and n // power in (3, 5) else 0


@functools.cache
def _paley(core: int) -> list[list[int]]:
    """Paley's first construction, I + [[0, 1], [-1, Q]] with Q_ij = 1 where i - j is a square modulo core - 1."""
    if core == 1:
        return [[1]]
    prime = core - 1
    squares = {x * x % prime for x in range(prime)}  # 0 among them, for the diagonal
    return [[1] * core] + [[-1] + [2 * ((i - j) % prime in squares) - 1 for j in range(prime)] for i in range(prime)]


@register_operator(cost="O(n log n)", references=("HedayatWallis1978", "Paley1933", "FinoAlgazi1976"), example=_example)
class Hadamard(Leaf):
    r"""Hadamard matrix: entries ±1, and orthogonal columns.

    .. math::

       H_1 = 1, \qquad H_{2n} = \begin{pmatrix} H_n & H_n \\ H_n & -H_n \end{pmatrix}, \qquad H_n^T H_n = n I,

    in the natural order of Sylvester, as `scipy.linalg.hadamard`. If n is not a power of two, the recursion starts
    from Paley's matrix of order 12 or 20, which is not symmetric.

    Parameters
    ----------
    n : int
        Rows and columns: 2^k, 12·2^k or 20·2^k.
    norm : {None, "backward", "ortho"}, optional
        With "ortho" the entries are ±1 / √n and the matrix is orthogonal; otherwise they are ±1.

    Raises
    ------
    ValueError
        n is not one of these orders, or `norm` is unknown.

    Notes
    -----
    Cost: O(n log n) additions, the fast Walsh–Hadamard transform; no memory. Without "ortho" products with integers
    are exact, up to 2^24 / n in single precision.

    Gradient: none, the operator has no parameters. It has no arrays either, so it takes vectors of any library.

    References
    ----------
    .. [1] A. Hedayat and W. D. Wallis, "Hadamard matrices and their applications", *Annals of Statistics* 6(6), 1978.
    .. [2] R. E. A. C. Paley, "On orthogonal matrices", *Journal of Mathematics and Physics* 12, 1933.
    .. [3] B. J. Fino and V. R. Algazi, "Unified matrix treatment of the fast Walsh-Hadamard transform", *IEEE
       Transactions on Computers* C-25(11), 1976.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.Hadamard(4).to_dense()
    array([[ 1.,  1.,  1.,  1.],
           [ 1., -1.,  1., -1.],
           [ 1.,  1., -1., -1.],
           [ 1., -1., -1.,  1.]])
    """

    dims = "n", "n"
    n: int = size()
    norm: str | None = None

    def _check(self) -> None:
        if self.norm not in _NORMS:
            raise ValueError(f'Hadamard: norm is {self.norm!r}; expected None, "backward" or "ortho".')
        if not _core(self.n):
            known = [n for k in range(self.n.bit_length() + 1) for n in (2**k, 12 * 2**k, 20 * 2**k)]
            below, above = max(n for n in known if n < self.n), min(n for n in known if n > self.n)
            reason = "" if self.n % 4 == 0 else f", and no Hadamard matrix has order {self.n}"
            raise ValueError(
                f"Hadamard: n is {self.n}; expected 2^k, 12·2^k or 20·2^k, nearest {below} or {above}{reason}."
            )

    @property
    def _mixes(self) -> bool:  # type: ignore[override]
        return _core(self.n) == 1

    def _root(self, xp: Namespace, dtype: DType) -> Any:
        """The divisor of the entries ±1."""
        number, sqrt = dtypes.scalar_arithmetic(xp, dtype)
        return sqrt(number(self.n)) if self.norm == "ortho" else number(1)

    def _core_matrix(self, xp: Namespace, x: Array) -> Array | None:
        """The factor beside Sylvester's for products with x, None if it is (1); kept, as a GPU waits for its copy."""
        if _core(self.n) == 1:
            return None
        key = "core", namespaces.name(xp), dtypes.name(x.dtype), str(devices.of(x))
        found = self._cache.get(key)
        if found is None:
            found = xp.asarray(_paley(_core(self.n)), dtype=x.dtype, device=devices.of(x))
            if tracing.may_keep(found, ()):
                self._cache[key] = found
        return found

    def _times(self, xp: Namespace, x: Array, core: Array | None) -> Array:
        y = hadamard.times(xp, x, core)
        return y / self._root(xp, x.dtype) if self.norm == "ortho" else y

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return self._times(xp, x, self._core_matrix(xp, x))

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        core = self._core_matrix(xp, g)
        return self._times(xp, g, None if core is None else core.T)

    def _compile(self) -> Transform:
        scale = self.n**-0.5 if self.norm == "ortho" else 1.0
        return Transform(self.n, _paley(_core(self.n)), scale, Side(self.n), Side(self.n))

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        core, prime = _core(self.n), _core(self.n) - 1
        common = (i // core) & (j // core)
        sign = 1 - 2 * (sum(common >> bit & 1 for bit in range(self.n.bit_length())) % 2)
        if core > 1:
            i, j = i % core, j % core
            squares = [(i - j) % prime == x * x % prime for x in range(1, prime // 2 + 1)]
            flipped = (i > 0) & ((j == 0) | ((i != j) & ~xp.any(xp.stack(squares), axis=0)))
            sign = xp.where(flipped, -sign, sign)
        if self.norm != "ortho":
            return sign
        entry = xp.astype(sign, dtypes.extended_dtype(xp))
        return entry / self._root(xp, entry.dtype)

    def _adjoint(self) -> LinearOperator:
        return self if _core(self.n) == 1 else super()._adjoint()

    def _inverse(self) -> LinearOperator:
        return self.H if self.norm == "ortho" else self.H / self.n

    def _singular_values(self, xp: Namespace) -> Array:
        dtype = self._value_dtype(xp)
        number, sqrt = dtypes.scalar_arithmetic(xp, dtype)
        return xp.full((self.n,), sqrt(number(self.n)) / self._root(xp, dtype), dtype=dtype, device=self.device)

    @property
    def _is_unitary(self) -> bool:  # type: ignore[override]
        return self.norm == "ortho"
