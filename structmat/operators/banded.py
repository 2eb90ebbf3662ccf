"""Banded and tridiagonal matrices."""

import functools
import operator as op
from typing import Any

from structmat._backend import banded, devices, dtypes, ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator
from structmat.core.fields import checked_size


def _banded(n: int, rng: Any) -> "Banded":
    return Banded(rng.standard_normal((4, n)), 1, 2)


def _tridiagonal(n: int, rng: Any) -> "Tridiagonal":
    n = max(n, 2)
    return Tridiagonal(rng.standard_normal(n - 1), rng.standard_normal(n), rng.standard_normal(n - 1))


class Bands(Leaf):
    """A matrix with few diagonals; systems are solved by Gaussian elimination with partial pivoting."""

    dims = "n", "n"
    _mixes = True
    _linear_over = "complex"

    @property
    def _diagonals(self) -> tuple[Array, int, int]:
        """The diagonals, A[i, j] at [upper + i - j, j], and the numbers of them below and above."""
        raise NotImplementedError

    @cached
    def _factors(self) -> banded.Factors:
        return banded.factor(self.xp, *self._diagonals)

    def _solve(self, xp: Namespace, X: Array) -> Array:
        return banded.solve(xp, self._factors, X, self._matvec)

    def _rsolve(self, xp: Namespace, G: Array) -> Array:
        return banded.solve(xp, self._factors, G, self._rmatvec, adjoint=True)

    def _slogdet(self, xp: Namespace) -> tuple[Array, Array]:
        return banded.slogdet(xp, self._factors)

    def _extremes(self, xp: Namespace) -> tuple[Array, Array, str]:
        norm = xp.max(xp.sum(xp.abs(self._diagonals[0]), axis=0))
        return 1 / banded.inverse_norm(xp, self._factors), norm, "norms, 1 / ‖A⁻¹‖ and ‖A‖,"

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        bands, _, upper = self._diagonals
        inside = (upper + i - j >= 0) & (upper + i - j < bands.shape[0])
        return xp.where(inside, bands[xp.where(inside, upper + i - j, 0), j], 0)


@register_operator(cost="O(n d)", references=("GolubVanLoan2013",), example=_banded)
class Banded(Bands):
    r"""Banded matrix, in the layout of `scipy.linalg.solve_banded`.

    .. math:: A_{ij} = B_{u + i - j,\, j} \quad\text{for}\quad -u \le i - j \le l, \quad\text{else } 0.

    Row u of B is the diagonal, the rows above it are the diagonals above, shifted to the right, and the rows below it
    those below, shifted to the left: each column of B holds entries of one column of A.

    Parameters
    ----------
    bands : array, shape (d, n)
        The diagonals B, real or complex, where d = l + u + 1. Corner entries outside of A are ignored, and their
        gradient is 0.
    lower, upper : int
        Number of diagonals below, l, and above, u; 0 or more.

    Raises
    ------
    TypeError
        `bands` is not an array or has no floating dtype.
    ValueError
        `bands` is not two-dimensional, or not l + u + 1 rows, or `lower` or `upper` is not an int of 0 or more.

    Notes
    -----
    Cost: O(n d) time and memory.

    Gradient: in the row of each diagonal, dL/dB_{u+s, j} = Σ conj(x_j) g_{j+s} over the batch.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.Banded(np.asarray([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]), lower=0, upper=1).to_dense()
    array([[3., 1., 0.],
           [0., 4., 2.],
           [0., 0., 5.]])
    """

    bands: Array = param("d", "n")
    lower: int
    upper: int

    def _bound(self) -> dict[str, int]:
        for name in ("lower", "upper"):
            self.__dict__[name] = checked_size("Banded", name, getattr(self, name), least=0)
        rows = self.lower + self.upper + 1
        if self.bands.shape[0] != rows:
            raise ValueError(
                f"Banded: bands has shape {tuple(self.bands.shape)}; expected lower + upper + 1 = {rows} rows."
            )
        return {}

    @property
    def _diagonals(self) -> tuple[Array, int, int]:
        return self._columns, self.lower, self.upper

    def _transposed_fields(self) -> dict[str, Any]:
        return {"bands": self.xp.flip(self._rows, axis=0), "lower": self.upper, "upper": self.lower}

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        if (found := A._as_banded(self)) is None or found[1] > self.lower or found[2] > self.upper:
            return None
        bands, lower, upper = found
        zeros = [self.xp.zeros_like(bands[:1, :])]
        return {"bands": self.xp.concat([*zeros * (self.upper - upper), bands, *zeros * (self.lower - lower)])}

    @property
    def _places(self) -> range:
        return range(self.lower + self.upper + 1)

    @cached
    def _columns(self) -> Array:
        """The bands, with zeros in the corners."""
        xp, n = self.xp, self.bands.shape[1]
        here = xp.arange(n, device=devices.of(self.bands))
        row = here + xp.reshape(xp.arange(len(self._places), device=devices.of(self.bands)), (-1, 1)) - self.upper
        return xp.where((row >= 0) & (row < n), self.bands, xp.zeros_like(self.bands))

    @cached
    def _rows(self) -> Array:
        """The same diagonals, indexed by the row of A instead of the column."""
        xp = self.xp
        return xp.stack([xp.roll(self._columns[place, :], place - self.upper) for place in self._places])

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        n, last, x = self.n, len(self._places) - 1, ops.pad(xp, x, self.lower, self.upper)
        terms = (self._rows[place, :] * x[..., last - place : last - place + n] for place in self._places)
        return functools.reduce(op.add, terms)

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        g = ops.pad(xp, g, self.upper, self.lower)
        terms = (xp.conj(self._columns[place, :]) * g[..., place : place + self.n] for place in self._places)
        return functools.reduce(op.add, terms)

    def _grad(self, xp: Namespace, x: Array, g: Array) -> tuple[Array, ...]:
        x, g = xp.conj(x), ops.pad(xp, g, self.upper, self.lower)
        return (xp.stack([ops.batch_sum(xp, x * g[..., place : place + self.n]) for place in self._places]),)


@register_operator(cost="O(n)", references=("GolubVanLoan2013",), example=_tridiagonal)
class Tridiagonal(Bands):
    r"""Tridiagonal matrix, given by its three diagonals.

    .. math:: A_{i+1, i} = l_i, \qquad A_{ii} = d_i, \qquad A_{i, i+1} = u_i, \qquad \text{else } 0.

    Parameters
    ----------
    lower : array, shape (k,)
        Entries l below the diagonal, k = n - 1, real or complex.
    main : array, shape (n,)
        Entries d on the diagonal; n is at least 2.
    upper : array, shape (k,)
        Entries u above the diagonal.

    Raises
    ------
    TypeError
        An argument is not an array or has no floating dtype, or they belong to two libraries or devices.
    ValueError
        An argument is not one-dimensional, or their lengths do not fit.

    Notes
    -----
    Cost: O(n) time and memory.

    Gradient: dL/dl_i = Σ conj(x_i) g_{i+1}, dL/dd_i = Σ conj(x_i) g_i and dL/du_i = Σ conj(x_{i+1}) g_i over the batch.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.Tridiagonal(np.asarray([1.0, 2.0]), np.asarray([3.0, 4.0, 5.0]), np.asarray([6.0, 7.0])).to_dense()
    array([[3., 6., 0.],
           [1., 4., 7.],
           [0., 2., 5.]])
    """

    lower: Array = param("k")
    main: Array = param("n")
    upper: Array = param("k")

    def _bound(self) -> dict[str, int]:
        n, k = self.main.shape[0], self.lower.shape[0]
        if k != n - 1:
            raise ValueError(f"Tridiagonal: lower has shape ({k},); expected ({n - 1},), one less than main.")
        return {}

    @property
    def _diagonals(self) -> tuple[Array, int, int]:
        xp = self.xp
        lower, main, upper = (
            dtypes.astype(xp, diagonal, self.dtype) for diagonal in (self.lower, self.main, self.upper)
        )
        return xp.stack((ops.pad(xp, upper, 1, 0), main, ops.pad(xp, lower, 0, 1))), 1, 1

    def _transposed_fields(self) -> dict[str, Array]:
        return {"lower": self.upper, "upper": self.lower}

    def _as_banded(self, like: LinearOperator) -> tuple[Array, int, int]:
        return self._diagonals

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        if (main := A._as_diagonal(self)) is None:
            return None
        zeros = self.xp.zeros_like(main)[1:]
        return {"lower": zeros, "main": main, "upper": zeros}

    def _sum(self, xp: Namespace, x: Array, below: Array, here: Array, above: Array) -> Array:
        return here * x + ops.pad(xp, below * x[..., :-1], 1, 0) + ops.pad(xp, above * x[..., 1:], 0, 1)

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return self._sum(xp, x, self.lower, self.main, self.upper)

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return self._sum(xp, g, xp.conj(self.upper), xp.conj(self.main), xp.conj(self.lower))

    def _grad(self, xp: Namespace, x: Array, g: Array) -> tuple[Array, ...]:
        x = xp.conj(x)
        pairs = ((x[..., :-1], g[..., 1:]), (x, g), (x[..., 1:], g[..., :-1]))
        return tuple(ops.batch_sum(xp, left * right) for left, right in pairs)
