"""Eigenvectors of Hermitian operators, as operators themselves."""

import functools
import math
from typing import NamedTuple

from structmat._backend import dtypes, linear_algebra, tracing
from structmat._backend.types import Array
from structmat.core.base import DENSE_LIMIT, LinearOperator
from structmat.core.blocks import kron
from structmat.core.compose import product
from structmat.linalg._structure import exact_values
from structmat.linalg._validation import checked, namespace_of
from structmat.operators import DFT, Dense, Diagonal, Permutation, identity


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, and a unitary operator whose columns are the eigenvectors."""

    eigenvalues: Array
    eigenvectors: LinearOperator


class Eigenpairs(NamedTuple):
    """Eigenvalues of a normal operator, and the unitary V whose columns are the eigenvectors in the same order."""

    values: Array
    vectors: LinearOperator


def eigenpairs(A: LinearOperator) -> Eigenpairs | None:
    """Return eigenvalues and eigenvectors of a normal operator where its structure gives both."""
    return exact_values(A, _pairs)  # type: ignore[no-any-return]


def _pairs(A: LinearOperator) -> Eigenpairs | None:
    """A = V Λ V^H, where Λ is the tree of A with each leaf replaced by the diagonal matrix of its eigenvalues."""
    vectors = A._eigenvectors(eigenbasis)
    if vectors is None:
        return None
    return Eigenpairs(A._map(_diagonalised)._eigenvalues(namespace_of(A)), vectors)


def _diagonalised(leaf: LinearOperator) -> Diagonal:
    xp = namespace_of(leaf)
    values, vectors = leaf._eigenvalues(xp), leaf._eigenvectors(eigenbasis)
    assert vectors is not None
    return Diagonal(values if vectors._is_identity else linear_algebra.on_real_axis(xp, values))


def eigenbasis(n: int, widths: tuple[int, ...] = (), twist: Array | None = None) -> LinearOperator:
    """Return diag(twist) F^H, see `LinearOperator._eigenvectors`."""
    if not widths:
        return identity(n)
    transform = functools.reduce(kron, [DFT(width, norm="ortho").H for width in widths])
    return transform if twist is None else product(Diagonal(twist).freeze(), transform)


@checked(square=True)
def eigh(A: LinearOperator, max_bytes: int = DENSE_LIMIT) -> EighResult:
    """Eigenvalues and eigenvectors of a Hermitian operator.

    Parameters
    ----------
    A : LinearOperator
        Hermitian, or symmetric if it is real.
    max_bytes : int, optional
        Largest dense matrix to make where the structure gives no eigenvectors.

    Returns
    -------
    eigenvalues : array, shape (n,)
        Real, in ascending order, as for `numpy.linalg.eigh`.
    eigenvectors : LinearOperator
        Unitary V of shape (n, n) with A V = V diag(eigenvalues). For circulants, skew-circulants and multilevel
        circulants V is a product of Fourier transforms and a permutation; Kronecker products and block diagonals
        combine the eigenvectors of their parts; otherwise V is `Dense`.

    Raises
    ------
    ValueError
        A is not square, or not Hermitian.
    MemoryError
        There is no exact formula, and the dense matrix would be larger than `max_bytes`.

    Notes
    -----
    Cost: O(n log n) where the structure gives the eigenvectors, O(n³) otherwise.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([2.0, -1.0, 0.0, -1.0]))
    >>> eigenvalues, V = sm.linalg.eigh(A)
    >>> eigenvalues
    array([0., 2., 2., 4.])
    >>> bool(np.allclose((V.H @ A @ V).to_dense(), np.diag(eigenvalues)))
    True
    """
    xp = namespace_of(A)
    found = eigenpairs(A)
    if found is None:
        matrix = A.to_dense(max_bytes)
        skew = xp.max(xp.abs(matrix - xp.conj(xp.matrix_transpose(matrix))))
        _check_hermitian(A, skew, xp.max(xp.abs(matrix)), "entries differ from those of its adjoint")
        eigenvalues, vectors = xp.linalg.eigh(matrix)
        return EighResult(eigenvalues, Dense(vectors))
    values, V = found
    if dtypes.is_complex(xp, values.dtype):
        _check_hermitian(A, xp.max(xp.abs(xp.imag(values))), xp.max(xp.abs(values)), "eigenvalues have imaginary parts")
        values = xp.real(values)
    order = xp.argsort(values)
    return EighResult(xp.take(values, order), V @ Permutation(order).H)


def _check_hermitian(A: LinearOperator, off: Array, largest: Array, what: str) -> None:
    if tracing.is_traced(off):
        return
    eps = float(namespace_of(A).finfo(off.dtype).eps)
    if not float(off) <= 8 * math.sqrt(A.n) * eps * float(largest):
        raise ValueError(f"linalg.eigh: A is {A._label}, which is not Hermitian: its {what} of up to {float(off):.3g}.")
