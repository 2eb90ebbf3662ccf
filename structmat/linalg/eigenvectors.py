"""Eigenvectors of Hermitian operators, as operators themselves."""

import functools
import math
from typing import NamedTuple

from structmat._backend import Array, is_complex, is_traced, on_real_axis
from structmat.core.base import DENSE_LIMIT, LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate, Inverse
from structmat.core.blocks import BlockDiag, Kron, Repeat, block_diag, kron, repeat
from structmat.core.compose import Power, Scaled, product
from structmat.linalg._door import admits, namespace_of, numbers
from structmat.operators import (
    DFT,
    Circulant,
    Dense,
    Diagonal,
    Identity,
    MultilevelCirculant,
    Permutation,
    Shift,
    SignFlip,
    SkewCirculant,
    identity,
)


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, and a unitary operator whose columns are the eigenvectors."""

    eigenvalues: Array
    eigenvectors: LinearOperator


class Eigenpairs(NamedTuple):
    """Eigenvalues of a normal operator, and the unitary V whose columns are the eigenvectors in the same order."""

    values: Array
    vectors: LinearOperator


def eigenpairs(A: LinearOperator) -> Eigenpairs | None:
    """Return eigenvalues and eigenvectors of a normal operator, where its structure gives both."""
    return numbers(A, _pairs)  # type: ignore[no-any-return]


@functools.singledispatch
def _pairs(A: LinearOperator) -> Eigenpairs | None:  # noqa: ARG001 (the cases below take it)
    return None


@_pairs.register(Diagonal | Identity | SignFlip)
def _(A: Diagonal | Identity | SignFlip) -> Eigenpairs:
    return Eigenpairs(A._eigenvalues(namespace_of(A)), identity(A.n))


def _by_fourier(A: LinearOperator, vectors: LinearOperator) -> Eigenpairs:
    xp = namespace_of(A)
    return Eigenpairs(on_real_axis(xp, A._eigenvalues(xp)), vectors)


@_pairs.register(Circulant | Shift)
def _(A: Circulant | Shift) -> Eigenpairs:
    return _by_fourier(A, DFT(A.n, norm="ortho").H)


@_pairs.register
def _(A: MultilevelCirculant) -> Eigenpairs:
    first, *others = [DFT(width, norm="ortho").H for width in A.tensor.shape]
    return _by_fourier(A, functools.reduce(kron, others, first))


@_pairs.register
def _(A: SkewCirculant) -> Eigenpairs:
    return _by_fourier(A, product(Diagonal(A._untwist).freeze(), DFT(A.n, norm="ortho").H))


@_pairs.register
def _(A: Adjoint) -> Eigenpairs | None:
    found = _pairs(A.of)
    return found and Eigenpairs(namespace_of(A).conj(found.values), found.vectors)


@_pairs.register
def _(A: Conjugate) -> Eigenpairs | None:
    found = _pairs(A.of)
    return found and Eigenpairs(namespace_of(A).conj(found.values), found.vectors.conj())


@_pairs.register
def _(A: Inverse) -> Eigenpairs | None:
    found = _pairs(A.of)
    return found and Eigenpairs(1 / found.values, found.vectors)


@_pairs.register
def _(A: Power) -> Eigenpairs | None:
    found = _pairs(A.of)
    return found and Eigenpairs(found.values**A.exponent, found.vectors)


@_pairs.register
def _(A: Scaled) -> Eigenpairs | None:
    found = _pairs(A.of)
    return found and Eigenpairs(A._times(namespace_of(A), A.scalar, found.values), found.vectors)


@_pairs.register
def _(A: Repeat) -> Eigenpairs | None:
    found = _pairs(A.of)
    return found and Eigenpairs(namespace_of(A).concat([found.values] * A.times), repeat(found.vectors, A.times))


@_pairs.register(BlockDiag | Kron)
def _(A: BlockDiag | Kron) -> Eigenpairs | None:
    found = [pairs for part in A.parts if (pairs := _pairs(part)) is not None]
    if len(found) < len(A.parts):
        return None
    xp = namespace_of(A)
    values, vectors = ([pairs[place] for pairs in found] for place in (0, 1))
    if isinstance(A, BlockDiag):
        return Eigenpairs(xp.concat(values), block_diag(vectors))
    return Eigenpairs(xp.reshape(values[0][:, None] * values[1][None, :], (-1,)), kron(*vectors))


@admits(square=True)
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
        Unitary V of shape (n, n) with A V = V diag(eigenvalues): made of Fourier transforms and a permutation for
        circulants, skew-circulants and multilevel circulants, of theirs for Kronecker products and block diagonals; a
        `Dense` one otherwise.

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
    if is_complex(xp, values.dtype):
        _check_hermitian(A, xp.max(xp.abs(xp.imag(values))), xp.max(xp.abs(values)), "eigenvalues have imaginary parts")
        values = xp.real(values)
    order = xp.argsort(values)
    return EighResult(xp.take(values, order), V @ Permutation(order).H)


def _check_hermitian(A: LinearOperator, off: Array, largest: Array, what: str) -> None:
    if is_traced(off):
        return
    eps = float(namespace_of(A).finfo(off.dtype).eps)
    if not float(off) <= 8 * math.sqrt(A.n) * eps * float(largest):
        raise ValueError(f"linalg.eigh: A is {A._label}, which is not Hermitian: its {what} of up to {float(off):.3g}.")
