"""f-circulant matrices, skew-circulant ones among them."""

import cmath
from collections.abc import Callable
from numbers import Complex
from typing import Any

from structmat._backend import dtypes, fft, kernels, linear_algebra, ops, trigonometric
from structmat._backend.convolution import Convolution, Side, corner
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator


class Twisted(Leaf):
    """A circulant between diagonal matrices, A = D^-1 C D, where D holds the powers of an n-th root of f.

    A real column whose f has no real root (f < 0, n even) needs only every second frequency, as the others are their
    conjugates: transforms then have half the length, after the vector is folded onto its first half.
    """

    dims = "n", "n"
    _linear_over = "complex"
    _spectral = "column", "spectrum"
    column: Array
    f: Any

    @property
    def _folds(self) -> bool:
        return not self._is_complex and dtypes.is_complex(self.xp, self._twist.dtype)

    @cached
    def _twist(self) -> Array:
        return trigonometric.root_powers(self.xp, self.f, self.n, dtype=self.dtype, device=self.device)

    @cached
    def _untwist(self) -> Array:
        return 1 / self._twist

    @cached
    def spectrum(self) -> Array:
        """The eigenvalues, half of them for a real column."""
        return self._right(self.xp, self.column)

    def _to(self, xp: Namespace, x: Array, weights: Array) -> Array:
        x, half = weights * x, self.n // 2
        return fft.dft(xp, x[..., :half] + x[..., half:] if self._folds else x)

    def _from(self, xp: Namespace, Y: Array, weights: Array, *, temporary: bool = False) -> Array:
        real = not self._is_complex and not self._folds
        y = fft.idft(xp, Y, self.n // (1 + self._folds), real=real, temporary=temporary)
        return xp.real(xp.concat((y, y), axis=-1) * weights) if self._folds else y * weights

    def _right(self, xp: Namespace, x: Array) -> Array:
        return self._to(xp, x, self._twist)

    def _left(self, xp: Namespace, g: Array) -> Array:
        return self._to(xp, g, ops.conj(xp, self._untwist))

    def _matvec(self, xp: Namespace, X: Array) -> Array:
        return self._from(xp, self.spectrum * X, self._untwist, temporary=True)

    def _rmatvec(self, xp: Namespace, G: Array) -> Array:
        return self._from(xp, ops.conj(xp, self.spectrum) * G, ops.conj(xp, self._twist), temporary=True)

    def _grad(self, xp: Namespace, X: Array, G: Array) -> tuple[Array, ...]:
        return (self._from(xp, ops.batch_sum(xp, xp.conj(X) * G), xp.conj(self._twist)),)

    def _compile(self) -> Convolution | None:
        """As D^-1 C D, where D is real and C skew-circulant if only every second frequency is needed."""
        if not self._folds:
            return self._twisted(1, self._twist, self._untwist)
        return self._twisted(-1, *((self._modulus, 1 / self._modulus) if self.f != -1 else (None, None)))

    @cached
    def _modulus(self) -> Array:
        """Powers of the positive n-th root of |f|."""
        return trigonometric.root_powers(self.xp, abs(self.f), self.n, dtype=self.dtype, device=self.device)

    def _twisted(self, root: int, twist: Array | None, untwist: Array | None) -> Convolution | None:
        column = self.column if twist is None else twist * self.column
        found = corner(self.xp, column, self.shape, root=root)
        if found is None or twist is None:
            return found
        sides = (kernels.host_view(factors) for factors in (untwist, twist))
        return found.between(*(Side(self.n, factors=factors) for factors in sides))

    def _column_grads(self, xp: Namespace, column: Array) -> tuple[Array, ...]:
        if self._folds:
            return (column if self.f == -1 else column * self._modulus,)
        return (column * xp.conj(self._twist),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        entry = self.column[(i - j) % self.n]
        return xp.where(i >= j, entry, self.f * entry)

    @property
    def _first_row(self) -> Array:
        return self.xp.concat((self.column[:1], self.f * self.xp.flip(self.column[1:])))

    def _from_spectrum(self, spectrum: Array) -> Array:
        return self._from(self.xp, spectrum, self._untwist)

    def _as_toeplitz(self, like: LinearOperator) -> tuple[Array, Array]:
        return self.column, self._first_row

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        return {"column": A._as_circulant(self)} if A._is_identity else None

    def _solve(self, xp: Namespace, X: Array) -> Array:
        return self._from(xp, X / self.spectrum, self._untwist, temporary=True)

    def _rsolve(self, xp: Namespace, G: Array) -> Array:
        return self._from(xp, G / ops.conj(xp, self.spectrum), ops.conj(xp, self._twist), temporary=True)

    def _eigenvalues(self, xp: Namespace) -> Array:
        twisted = self._twist * self.column
        return fft.dft(xp, dtypes.astype(xp, twisted, dtypes.complex_dtype(xp, twisted.dtype)))

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator:
        def back(Y: Array) -> Array:
            return self._untwist * fft.idft(xp, Y, self.n, real=False)

        pairs = None if self._is_complex else 1 + self._folds  # at k and -k, or k and 1 - k if the twist is complex
        return self._replace(
            column=linear_algebra.function_of_spectrum(xp, function, self._eigenvalues(xp), back, pairs)
        )


def _example(n: int, rng: Any) -> "FCirculant":
    return FCirculant(rng.standard_normal(n), -0.5)


@register_operator(cost="O(n log n)", references=("Pan2001", "CrandallFagin1994"), example=_example)
class FCirculant(Twisted):
    r"""f-circulant matrix, given by its first column: a circulant whose entries above the diagonal are scaled by f.

    .. math:: A_{ij} = \begin{cases} c_{i - j}, & i \ge j, \\ f c_{n + i - j}, & i < j. \end{cases}

    Its products are those of polynomials modulo :math:`z^n - f`. With the diagonal matrix D of the powers of an n-th
    root of f, :math:`D A D^{-1}` is circulant.

    Parameters
    ----------
    column : array, shape (n,)
        First column c, real or complex.
    f : int, float or complex
        The factor, finite and not zero: a constant, not a parameter. A complex f makes the operator complex.

    Attributes
    ----------
    spectrum : array, shape (n,), (n // 2 + 1,) or (n / 2,)
        Eigenvalues: all for a complex operator, one of each conjugate pair for a real one.

    Raises
    ------
    TypeError
        The column is not an array or has no floating dtype, or f is not a number.
    ValueError
        The column is not one-dimensional, or is empty, or f is zero or not finite.

    Notes
    -----
    Cost: two transforms per product, O(n log n), O(n) memory. For real vectors, transforms are real of length n
    if f > 0 or n is odd, as f has a real root then, and complex of length n/2 otherwise.

    Gradient: with prepared vectors X = dft(D x) and G = dft(conj(D)^-1 g), dL/dc = conj(D) idft(Σ conj(X) G).

    Accuracy: for \|f\| = 1 as for `Circulant`. Otherwise D has nearly the condition number max(\|f\|, 1/\|f\|), and
    errors grow by up to this factor: for Gaussian columns and vectors of n = 1024 they were measured as 1 ε ‖A‖ ‖x‖ for
    \|f\| from 0.1 to 10, 4 for 0.01 and 100, 150 for 1e-4 and 1e4, and 6e5 for 1e-8. The product of `Toeplitz` loses
    nothing at any f, at twice the cost; this one is faster, and has the eigenvalues and the inverse.

    References
    ----------
    .. [1] V. Y. Pan, *Structured Matrices and Polynomials: Unified Superfast Algorithms*, Birkhäuser, 2001.
    .. [2] R. Crandall and B. Fagin, "Discrete weighted transforms and large-integer arithmetic", *Mathematics of
       Computation* 62(205), 1994.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.FCirculant(np.asarray([1.0, 2.0, 3.0]), 10).to_dense()
    array([[ 1., 30., 20.],
           [ 2.,  1., 30.],
           [ 3.,  2.,  1.]])
    """

    _transpose_rounds = True
    column: Array = param("n")
    f: complex

    def _conjugated_fields(self) -> dict[str, Any]:
        return {"column": self.xp.conj(self.column), "f": self.f.conjugate()}

    def _transposed_fields(self) -> dict[str, Any] | None:
        inverse = 1 / self.f
        return {"column": self._first_row, "f": inverse} if cmath.isfinite(inverse) else None

    def __post_init__(self) -> None:
        given: Any = self.f
        if not isinstance(given, Complex):
            raise TypeError(f"FCirculant: f is a {type(given).__name__}; expected a number.")
        if not 0 < float(abs(given)) < float("inf"):
            raise ValueError(f"FCirculant: f is {given * 1.0}; expected a finite number other than 0.")
        super().__post_init__()

    def _setup(self) -> None:
        super()._setup()
        # a Python number: a NumPy scalar has a dtype, which would promote the products
        self.__dict__["f"] = dtypes.as_scalar(self.xp, self.dtype, self.f)
        if dtypes.is_complex_number(self.f):
            self._settle(self.shape, dtypes.complex_dtype(self.xp, self.dtype), self.xp, self.device, True)

    @property
    def _details(self) -> str:
        return f", f={self.f}"


def _skew_example(n: int, rng: Any) -> "SkewCirculant":
    return SkewCirculant(rng.standard_normal(n))


@register_operator(cost="O(n log n)", references=("Davis1979", "CrandallFagin1994"), example=_skew_example)
class SkewCirculant(Twisted):
    r"""Skew-circulant matrix, given by its first column: a circulant with negated entries above the diagonal.

    .. math:: A_{ij} = \begin{cases} c_{i - j}, & i \ge j, \\ -c_{n + i - j}, & i < j. \end{cases}

    Its products are negacyclic convolutions, those of polynomials modulo :math:`z^n + 1`. It is `FCirculant` with
    f = -1, and normal.

    Parameters
    ----------
    column : array, shape (n,)
        First column c, real or complex.

    Attributes
    ----------
    spectrum : array, shape (n,), (n // 2 + 1,) or (n / 2,)
        Eigenvalues: all for a complex column, one of each conjugate pair for a real one. The spectral norm is their
        largest modulus.

    Raises
    ------
    TypeError
        The column is not an array or has no floating dtype.
    ValueError
        The column is not one-dimensional, or is empty.

    Notes
    -----
    Cost: two transforms per product, O(n log n), O(n) memory. Real vectors cost as much as for a circulant: for odd n,
    flipping every second sign gives a circulant, and for even n the transforms are complex of length n/2.

    Gradient: as for `FCirculant`, where D is unitary.

    Accuracy is normwise, as for `Circulant`; the roots of unity are computed in double precision and rounded, or
    in extended precision if the column has it.

    References
    ----------
    .. [1] P. J. Davis, *Circulant Matrices*, Wiley, 1979.
    .. [2] R. Crandall and B. Fagin, "Discrete weighted transforms and large-integer arithmetic", *Mathematics of
       Computation* 62(205), 1994.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.SkewCirculant(np.asarray([1.0, 2.0, 3.0])).to_dense()
    array([[ 1., -3., -2.],
           [ 2.,  1., -3.],
           [ 3.,  2.,  1.]])
    """

    _is_normal = True
    column: Array = param("n")
    f = -1.0

    def _transposed_fields(self) -> dict[str, Array]:
        return {"column": self._first_row}

    def _singular_values(self, xp: Namespace) -> Array:
        return ops.sorted_moduli(xp, self._eigenvalues(xp))

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator:
        return basis(self.n, (self.n,), self._untwist)
