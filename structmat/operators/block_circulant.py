"""Matrices of circulant blocks."""

from typing import Any

from structmat._backend import fft, linear_algebra, memory, ops
from structmat._backend.convolution import Convolution, corner
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, param, register_operator
from structmat.core.facts import power_of


def _example(n: int, rng: Any) -> "BlockCirculant":
    return BlockCirculant(rng.standard_normal((3, 2, (n + 1) // 2)))


@register_operator(cost="O((p + q) b log b + p q b)", references=("Ding2017", "Davis1979"), example=_example)
class BlockCirculant(Leaf):
    r"""Matrix of circulant blocks.

    .. math::

       A = \begin{pmatrix} C_{11} & \cdots & C_{1q} \\ \vdots & & \vdots \\ C_{p1} & \cdots & C_{pq} \end{pmatrix},
       \qquad C_{ij} = \operatorname{circ}(w_{ij}).

    A product transforms the q pieces of x once, multiplies a p×q matrix at each frequency, and transforms p pieces
    back: p + q transforms of length b instead of p q.

    Parameters
    ----------
    blocks : array, shape (p, q, b)
        First column w of each block, real or complex. The operator has p b rows and q b columns.

    Attributes
    ----------
    spectra : array, shape (f, p, q)
        The matrix of the blocks' Fourier coefficients at each of the f = b // 2 + 1 frequencies (f = b if complex).
        Their singular values are those of the operator.

    Raises
    ------
    TypeError
        `blocks` is not an array or has no floating dtype.
    ValueError
        `blocks` is not three-dimensional, or one is empty.

    Notes
    -----
    Cost: O((p + q) b log b + p q b) time, O(p q b) memory.

    Gradient: with spectra X and G of the pieces, dL/dw = idft(Σ G X^H) at each frequency, one inverse transform of the
    p q blocks for the whole batch.

    References
    ----------
    .. [1] C. Ding et al., "CirCNN: accelerating and compressing deep neural networks using block-circulant weight
       matrices", *MICRO* 2017.
    .. [2] P. J. Davis, *Circulant Matrices*, Wiley, 1979.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.BlockCirculant(np.asarray([[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]])).to_dense()
    array([[1., 3., 2.],
           [2., 1., 3.],
           [3., 2., 1.],
           [4., 6., 5.],
           [5., 4., 6.],
           [6., 5., 4.]])
    """

    dims = "p*b", "q*b"
    _linear_over = "complex"
    blocks: Array = param("p", "q", "b")

    @cached
    def spectra(self) -> Array:
        """The p×q matrix of Fourier coefficients at each frequency."""
        return memory.contiguous(self.xp, self.xp.permute_dims(fft.dft(self.xp, self.blocks), (2, 0, 1)))

    def _compile(self) -> Convolution | None:
        return corner(self.xp, self.blocks, self.shape)

    def _column_grads(self, xp: Namespace, column: Array) -> tuple[Array, ...]:
        return (column,)

    def _prepare(self, xp: Namespace, x: Array) -> tuple[Array, tuple[int, ...]]:
        """Transform the pieces of each vector: (..., c b) -> (f, B, c), and the batch shape."""
        b = self.blocks.shape[-1]
        batch = x.shape[:-1]
        count = 1
        for width in batch:
            count *= width
        c = x.shape[-1] // b
        spectra = memory.contiguous(xp, xp.matrix_transpose(fft.dft(xp, xp.reshape(x, (count * c, b)))))
        return xp.reshape(spectra, (spectra.shape[0], count, c)), batch

    _right = _left = _prepare

    def _finish_blocks(self, xp: Namespace, Y: Array, batch: tuple[int, ...]) -> Array:
        return xp.reshape(self._back(xp, Y, temporary=True), (*batch, Y.shape[-1] * self.blocks.shape[-1]))

    def _back(self, xp: Namespace, Y: Array, *, temporary: bool = False) -> Array:
        """Transform matrices of spectra back: (f, r, c) -> (r, c, b)."""
        f, r, c = Y.shape
        b = self.blocks.shape[-1]
        Y = xp.matrix_transpose(xp.reshape(Y, (f, r * c)))
        pieces = fft.idft(xp, Y, b, real=not self._is_complex, temporary=temporary)
        return xp.reshape(pieces, (r, c, b))

    def _matvec(self, xp: Namespace, X: tuple[Array, tuple[int, ...]]) -> Array:
        spectra, batch = X
        return self._finish_blocks(xp, ops.matmul(xp, spectra, xp.matrix_transpose(self.spectra)), batch)

    def _rmatvec(self, xp: Namespace, G: tuple[Array, tuple[int, ...]]) -> Array:
        spectra, batch = G
        return self._finish_blocks(xp, ops.matmul(xp, spectra, ops.conj(xp, self.spectra)), batch)

    def _grad(self, xp: Namespace, X: Any, G: Any) -> tuple[Array, ...]:
        spectra = ops.matmul(xp, xp.matrix_transpose(G[0]), xp.conj(X[0]))
        return (self._back(xp, spectra),)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        b = self.blocks.shape[-1]
        return self.blocks[i // b, j // b, (i - j) % b]

    def _transposed_fields(self) -> dict[str, Array]:
        return {"blocks": self.xp.permute_dims(ops.reversed_mod_n(self.xp, self.blocks, 2), (1, 0, 2))}

    def _product_fields(self, other: Any) -> dict[str, Array] | None:
        (p, q, b), (_, r, width) = self.blocks.shape, other.blocks.shape
        if b != width or p * r > q * (p + r):  # the product of thin factors has more parameters
            return None
        return {"blocks": self._back(self.xp, self.xp.matmul(self.spectra, other.spectra))}

    def _power_fields(self, exponent: int) -> dict[str, Array] | None:
        powers = None if exponent < 0 else power_of(self.spectra, exponent, self.xp.matmul)
        return None if powers is None else {"blocks": self._back(self.xp, powers)}

    def _including(self, A: Leaf) -> dict[str, Array] | None:
        """A circulant is one block, and an identity p×p blocks."""
        p, q, b = self.blocks.shape
        if A._is_identity and p == q:
            xp, one = self.xp, self.blocks
            places, unit = (xp.eye(*shape, dtype=one.dtype, device=self.device) for shape in ((p, p), (1, b)))
            return {"blocks": places[:, :, None] * unit[None, :, :]}
        column = A._as_circulant(self) if A.n == b else None
        return None if column is None else {"blocks": column[None, None, :]}

    @cached
    def _inverted(self) -> Array:
        return self.xp.linalg.inv(self.spectra)

    def _solve(self, xp: Namespace, Y: tuple[Array, tuple[int, ...]]) -> Array:
        spectra, batch = Y
        return self._finish_blocks(xp, ops.matmul(xp, spectra, xp.matrix_transpose(self._inverted)), batch)

    def _rsolve(self, xp: Namespace, X: tuple[Array, tuple[int, ...]]) -> Array:
        spectra, batch = X
        return self._finish_blocks(xp, ops.matmul(xp, spectra, ops.conj(xp, self._inverted)), batch)

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator:
        spectra = linear_algebra.pseudoinverse(xp, self.spectra, cutoff)
        return self._replace(blocks=self._back(xp, spectra))

    def _singular_values(self, xp: Namespace) -> Array:
        b = self.blocks.shape[-1]
        values = xp.linalg.svdvals(self.spectra)
        mirrored = values if self._is_complex else values[1 : (b + 1) // 2, :]
        whole = values if self._is_complex else xp.concat((values, mirrored))
        return ops.sorted_moduli(xp, xp.reshape(whole, (-1,)))

    def _slogdet(self, xp: Namespace) -> tuple[Array, Array] | None:
        if self.m != self.n:
            return None
        signs, logarithms = xp.linalg.slogdet(self.spectra)
        if not self._is_complex:
            mirrored = slice(1, (self.blocks.shape[-1] + 1) // 2)
            signs = xp.real(xp.prod(signs) * xp.prod(xp.conj(signs[mirrored])))
            return signs, xp.sum(logarithms) + xp.sum(logarithms[mirrored])
        return xp.prod(signs), xp.sum(logarithms)
