"""Circulant matrices."""

from collections.abc import Callable
from typing import Any

from structmat._backend import device_convolution, dtypes, fft, linear_algebra, namespaces, ops
from structmat._backend.convolution import Convolution, corner
from structmat._backend.device_convolution import DeviceConvolution
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator


def _example(n: int, rng: Any) -> "Circulant":
    return Circulant(rng.standard_normal(n))


@register_operator(cost="O(n log n)", references=("Davis1979", "Gray2006"), example=_example)
class Circulant(Leaf):
    r"""Circulant matrix, given by its first column.

    .. math:: A_{ij} = c_{(i - j) \bmod n}, \qquad A x = c \circledast x,

    the circular convolution of the column with x, as `scipy.linalg.circulant`. Products use fast Fourier
    transforms of length n, and half spectra if column and vectors are real. If n has a prime factor over 80, vectors
    are padded with zeros to a faster length of 2n or a little more, so that every n is fast.

    Parameters
    ----------
    column : array, shape (n,)
        First column c, real or complex.

    Attributes
    ----------
    spectrum : array, shape (n // 2 + 1,) or (n,)
        Fourier transform of the column: half of it for a real column, all of it for a complex one. These are the
        eigenvalues; the spectral norm is their largest modulus.

    Raises
    ------
    TypeError
        The column is not an array or has no floating dtype.
    ValueError
        The column is not one-dimensional, or is empty.

    Notes
    -----
    Cost: two transforms per product, O(n log n), O(n) memory. A training step (`forward` and `backward`) on a batch
    takes two batched transforms forward and two back, and two of single vectors.

    Gradient: with spectra X and G of x and g, dL/dc = idft(Σ conj(X) G), one inverse transform for the whole batch.

    Accuracy is normwise, ‖error‖ ≲ ε log(n) ‖A‖ ‖x‖, not componentwise.

    References
    ----------
    .. [1] P. J. Davis, *Circulant Matrices*, Wiley, 1979.
    .. [2] R. M. Gray, "Toeplitz and circulant matrices: a review", *Foundations and Trends in Communications and
       Information Theory* 2(3), 2006.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> A.to_dense()
    array([[1., 3., 2.],
           [2., 1., 3.],
           [3., 2., 1.]])
    >>> dx, (dc,) = A.vjp(np.asarray([1.0, 0.0, 0.0]), np.asarray([0.0, 1.0, 0.0]))
    >>> dc
    array([0., 1., 0.])
    """

    dims = "n", "n"
    _is_normal = True
    _linear_over = "complex"
    _spectral = "column", "spectrum"
    column: Array = param("n")

    @cached
    def spectrum(self) -> Array:
        """Fourier transform of the column, its half for a real one."""
        return fft.dft(self.xp, self.column)

    @classmethod
    def from_spectrum(cls, spectrum: Array, n: int | None = None) -> "Circulant":
        """Make the circulant matrix with a given spectrum.

        Parameters
        ----------
        spectrum : array, shape (n,) or (n // 2 + 1,)
            All eigenvalues in the order of the FFT, or with `n` the half spectrum of a real column, whose imaginary
            parts at frequency 0 and, for even n, n/2 have no effect.
        n : int, optional
            Length of a real column whose half spectrum is given.

        Returns
        -------
        Circulant
            With a complex column, or with `n` a real one.

        Raises
        ------
        TypeError
            The spectrum is not a complex array.
        ValueError
            Its shape is wrong.

        Examples
        --------
        >>> import numpy as np
        >>> import structmat as sm
        >>> half = np.fft.rfft([1.0, 2.0, 3.0])
        >>> sm.Circulant.from_spectrum(half, n=3).column
        array([1., 2., 3.])
        """
        if not namespaces.is_array(spectrum) or dtypes.kind(xp := namespaces.of(spectrum), spectrum.dtype) != "complex":
            found = spectrum.dtype if namespaces.is_array(spectrum) else type(spectrum).__name__
            raise TypeError(f"Circulant.from_spectrum: spectrum is {found}; expected a complex array.")
        wanted = spectrum.shape[:1] if n is None else (n // 2 + 1,)
        if spectrum.ndim != 1 or tuple(spectrum.shape) != tuple(wanted) or (n is not None and n < 1):
            raise ValueError(
                f"Circulant.from_spectrum: spectrum has shape {tuple(spectrum.shape)}; expected "
                f"{'(n,)' if n is None else f'({n // 2 + 1},), half of n = {n}'}."
            )
        return cls(fft.idft(xp, spectrum, n or spectrum.shape[0], real=n is not None))

    @classmethod
    def from_row(cls, row: Array) -> "Circulant":
        """Make the circulant matrix with a given first row.

        Parameters
        ----------
        row : array, shape (n,)
            First row r; row i is r shifted right by i.

        Returns
        -------
        Circulant
            With column r_0, r_{n-1}, ..., r_1.

        Raises
        ------
        TypeError
            The row is not an array or has no floating dtype.
        ValueError
            The row is not one-dimensional, or is empty.

        Examples
        --------
        >>> import numpy as np
        >>> import structmat as sm
        >>> sm.Circulant.from_row(np.asarray([1.0, 2.0, 3.0])).to_dense()
        array([[1., 2., 3.],
               [3., 1., 2.],
               [2., 3., 1.]])
        """
        xp = cls(row).xp
        return cls(xp.roll(xp.flip(row), 1))

    @property
    def _kernel(self) -> Array:
        """Spectrum that products use, at a length with fast transforms."""
        return self.spectrum if fft.convolution_length(self.n) == self.n else self._extended

    @cached
    def _extended(self) -> Array:
        return fft.dft(self.xp, fft.embedding_column(self.xp, self.column))

    def _apply_fused(self, xp: Namespace, x: Array) -> Array:
        return self._matvec(xp, self._right(xp, x), temporary=True)

    def _apply_adjoint_fused(self, xp: Namespace, g: Array) -> Array:
        return self._rmatvec(xp, self._left(xp, g), temporary=True)

    def _compile(self) -> Convolution | DeviceConvolution | None:
        column, shape = self.column, (self.n, self.n)
        if (found := device_convolution.circulant(column)) is not None:
            return found
        return corner(self.xp, column, shape) or corner(self.xp, fft.embedding_column(self.xp, column), shape)

    def _column_grads(self, xp: Namespace, column: Array) -> tuple[Array, ...]:
        return (fft.fold_aliased(xp, column, self.n),)

    def _right(self, xp: Namespace, x: Array) -> Array:
        return fft.dft(xp, x, fft.convolution_length(self.n))

    _left = _right

    def _matvec(self, xp: Namespace, X: Array, *, temporary: bool = False) -> Array:
        return self._filtered(xp, X, self._kernel, temporary=temporary)

    def _rmatvec(self, xp: Namespace, G: Array, *, temporary: bool = False) -> Array:
        return self._filtered(xp, G, ops.conj(xp, self._kernel), temporary=temporary)

    def _grad(self, xp: Namespace, X: Array, G: Array) -> tuple[Array, ...]:
        length = fft.convolution_length(self.n)
        return self._column_grads(xp, self._back(xp, ops.batch_sum(xp, xp.conj(X) * G), length, temporary=True))

    def _filtered(self, xp: Namespace, X: Array, kernel: Array, *, temporary: bool) -> Array:
        length, real = fft.convolution_length(self.n), not self._is_complex
        return fft.apply_spectrum(xp, X, kernel, length, real=real, temporary=temporary)[..., : self.n]

    def _back(self, xp: Namespace, Y: Array, n: int | None = None, *, temporary: bool = False) -> Array:
        return fft.idft(xp, Y, n or self.n, real=not self._is_complex, temporary=temporary)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return self.column[(i - j) % self.n]

    def _transposed_fields(self) -> dict[str, Array]:
        return {"column": ops.reversed_mod_n(self.xp, self.column, 0)}

    def _from_spectrum(self, spectrum: Array) -> Array:
        return self._back(self.xp, spectrum)

    def _as_circulant(self, like: LinearOperator) -> Array:
        return self.column

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        column = A._as_circulant(self)
        return None if column is None else {"column": column}

    def _solve(self, xp: Namespace, Y: Array) -> Array:
        return self._divided(xp, Y, self.spectrum)

    def _rsolve(self, xp: Namespace, X: Array) -> Array:
        return self._divided(xp, X, ops.conj(xp, self.spectrum))

    def _divided(self, xp: Namespace, Y: Array, spectrum: Array) -> Array:
        if (length := fft.convolution_length(self.n)) != self.n:  # Y is the spectrum of zero-padded vectors
            Y = fft.dft(xp, self._back(xp, Y, length)[..., : self.n])
        return self._back(xp, Y / spectrum, temporary=True)

    def _eigenvalues(self, xp: Namespace) -> Array:
        half = self.spectrum
        return half if self._is_complex else xp.concat((half, xp.flip(xp.conj(half[1 : (self.n + 1) // 2]))))

    def _singular_values(self, xp: Namespace) -> Array:
        return ops.sorted_moduli(xp, self._eigenvalues(xp))

    def _extremes(self, xp: Namespace) -> tuple[Array, Array, str]:
        moduli = xp.abs(self.spectrum)
        return xp.min(moduli), xp.max(moduli), "singular values"

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator:
        return basis(self.n, (self.n,))

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator:
        def back(Y: Array) -> Array:
            return fft.idft(xp, Y, self.n, real=False)

        pairs = None if self._is_complex else 1
        return self._replace(
            column=linear_algebra.function_of_spectrum(xp, function, self._eigenvalues(xp), back, pairs)
        )
