"""Multilevel circulant matrices."""

from collections.abc import Callable
from typing import Any

from structmat._backend import dtypes, fft, linear_algebra, ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator


def _example(n: int, rng: Any) -> "MultilevelCirculant":
    return MultilevelCirculant(rng.standard_normal((3, 2, (n + 5) // 6)))


@register_operator(cost="O(n log n)", references=("Davis1979", "ChanNg1996"), example=_example)
class MultilevelCirculant(Leaf):
    r"""Multilevel circulant matrix: circulant blocks in a circulant order, to any depth.

    .. math:: A_{ij} = t_{(i_1 - j_1) \bmod n_1, \dots, (i_L - j_L) \bmod n_L}, \qquad A x = t \circledast x,

    where :math:`i = (i_1, \dots, i_L)` are the indices of an array of the shape of t, in C order: the circular
    convolution in L dimensions of arrays flattened to vectors. One level is `Circulant`, two levels are a
    block-circulant matrix with circulant blocks, as in deblurring images with periodic borders.

    Parameters
    ----------
    tensor : array, shape (n_1, ..., n_L)
        First column t in the shape of the arrays, real or complex; L ≥ 1. The operator has n = n_1 ... n_L columns.

    Attributes
    ----------
    spectrum : array, shape (n_1, ..., n_L // 2 + 1) or (n_1, ..., n_L)
        Multidimensional Fourier transform of the tensor: half of it for a real one, all of it for a complex one. These
        are the eigenvalues; the spectral norm is their largest modulus.

    Raises
    ------
    TypeError
        The tensor is not an array or has no floating dtype.
    ValueError
        The tensor has no axis, or an empty one.

    Notes
    -----
    Cost: two multidimensional transforms per product, each along all L axes, O(n log n), O(n) memory.

    Gradient: with spectra X and G of x and g, dL/dt = idft(Σ conj(X) G), one inverse transform for the whole batch.

    Accuracy is normwise, as for `Circulant`.

    References
    ----------
    .. [1] P. J. Davis, *Circulant Matrices*, Wiley, 1979.
    .. [2] R. H. Chan and M. K. Ng, "Conjugate gradient methods for Toeplitz systems", *SIAM Review* 38(3), 1996.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.MultilevelCirculant(np.asarray([[1.0, 2.0, 3.0]])).to_dense()
    array([[1., 3., 2.],
           [2., 1., 3.],
           [3., 2., 1.]])
    >>> sm.MultilevelCirculant(np.asarray([[1.0, 2.0], [3.0, 4.0]])).to_dense()
    array([[1., 2., 3., 4.],
           [2., 1., 4., 3.],
           [3., 4., 1., 2.],
           [4., 3., 2., 1.]])
    """

    dims = "n", "n"
    _is_normal = True
    _linear_over = "complex"
    _spectral = "tensor", "spectrum"
    tensor: Array = param("n...")

    @cached
    def spectrum(self) -> Array:
        """Fourier transform of the tensor, its half for a real one."""
        return self._transform(self.xp, self.tensor)

    def _transform(self, xp: Namespace, x: Array) -> Array:
        return fft.dftn(xp, x, self.tensor.ndim)

    def _back(self, xp: Namespace, Y: Array, *, temporary: bool = False) -> Array:
        return fft.idftn(xp, Y, self.tensor.shape, real=not self._is_complex, temporary=temporary)

    def _right(self, xp: Namespace, x: Array) -> Array:
        return self._transform(xp, xp.reshape(x, (*x.shape[:-1], *self.tensor.shape)))

    _left = _right

    def _matvec(self, xp: Namespace, X: Array) -> Array:
        return self._vectors(xp, self._back(xp, self.spectrum * X, temporary=True))

    def _rmatvec(self, xp: Namespace, G: Array) -> Array:
        return self._vectors(xp, self._back(xp, ops.conj(xp, self.spectrum) * G, temporary=True))

    def _vectors(self, xp: Namespace, y: Array) -> Array:
        return xp.reshape(y, (*y.shape[: y.ndim - self.tensor.ndim], self.n))

    def _grad(self, xp: Namespace, X: Array, G: Array) -> tuple[Array, ...]:
        batch = tuple(range(X.ndim - self.tensor.ndim))
        products = xp.conj(X) * G
        return (self._back(xp, xp.sum(products, axis=batch) if batch else products),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        index: tuple[Any, ...] = ()
        for width in reversed(self.tensor.shape):
            index = ((i - j) % width, *index)
            i, j = i // width, j // width
        return self.tensor[index]

    def _transposed_fields(self) -> dict[str, Array]:
        return {"tensor": ops.reversed_mod_n(self.xp, self.tensor, *range(self.tensor.ndim))}

    def _from_spectrum(self, spectrum: Array) -> Array:
        return self._back(self.xp, spectrum)

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        """A circulant has one level, the axis longer than 1; an identity has any levels."""
        shape, column = self.tensor.shape, A._as_circulant(self)
        if column is None or not (A._is_identity or max(shape) == A.n):
            return None
        return {"tensor": self.xp.reshape(column, shape)}

    def _solve(self, xp: Namespace, X: Array) -> Array:
        return self._vectors(xp, self._back(xp, X / self.spectrum))

    def _rsolve(self, xp: Namespace, G: Array) -> Array:
        return self._vectors(xp, self._back(xp, G / ops.conj(xp, self.spectrum)))

    def _eigenvalues(self, xp: Namespace) -> Array:
        tensor = dtypes.astype(xp, self.tensor, dtypes.complex_dtype(xp, self.dtype))
        return xp.reshape(self._transform(xp, tensor), (self.n,))

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator:
        return basis(self.n, self.tensor.shape)

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator:
        def back(Y: Array) -> Array:
            return fft.idftn(xp, Y, self.tensor.shape, real=False)

        spectrum = xp.reshape(self._eigenvalues(xp), self.tensor.shape)
        pairs = None if self._is_complex else 1
        return self._replace(tensor=linear_algebra.function_of_spectrum(xp, function, spectrum, back, pairs))

    def _singular_values(self, xp: Namespace) -> Array:
        return ops.sorted_moduli(xp, self._eigenvalues(xp))
