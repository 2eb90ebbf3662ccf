"""Eigenvectors of Hermitian operators, as operators themselves."""

import functools
import math
from typing import NamedTuple

from structmat._backend import Array, is_complex, is_traced
from structmat.core.blocks import BlockDiag, Kron, Repeat, block_diag, kron, repeat
from structmat.core.compose import Scaled, product
from structmat.core.operator import DENSE_LIMIT, LinearOperator
from structmat.linalg._door import admits, known, namespace_of
from structmat.operators import (
    DFT,
    Circulant,
    Dense,
    Diagonal,
    Identity,
    MultilevelCirculant,
    Permutation,
    SignFlip,
    SkewCirculant,
    identity,
)


class EighResult(NamedTuple):
    """Eigenvalues in ascending order, and a unitary operator whose columns are the eigenvectors."""

    eigenvalues: Array
    eigenvectors: LinearOperator


def eigenbasis(A: LinearOperator) -> tuple[Array, LinearOperator] | None:
    """Return the eigenvalues of a normal operator and the unitary V of its eigenvectors, where they are known."""
    basis: LinearOperator | None = known(A, _basis)
    if basis is None:
        return None
    values = known(A, lambda form: form._eigenvalues(namespace_of(form)))
    return None if values is None else (values, basis)


@functools.singledispatch
def _basis(A: LinearOperator) -> LinearOperator | None:  # noqa: ARG001 (the cases below take it)
    """Eigenvectors in the order that `_eigenvalues` has."""
    return None


@_basis.register(Diagonal | Identity | SignFlip)
def _(A: LinearOperator) -> LinearOperator:
    return identity(A.n)


@_basis.register
def _(A: Circulant) -> LinearOperator:
    return DFT(A.n, norm="ortho").H


@_basis.register
def _(A: MultilevelCirculant) -> LinearOperator:
    first, *others = A.tensor.shape
    basis: LinearOperator = DFT(first, norm="ortho").H
    for width in others:
        basis = kron(basis, DFT(width, norm="ortho").H)
    return basis


@_basis.register
def _(A: SkewCirculant) -> LinearOperator:
    return product(Diagonal(A._untwist).freeze(), DFT(A.n, norm="ortho").H)


@_basis.register
def _(A: Scaled) -> LinearOperator | None:
    return _basis(A.of)


@_basis.register
def _(A: Repeat) -> LinearOperator | None:
    basis = _basis(A.of)
    return None if basis is None else repeat(basis, A.times)


@_basis.register(BlockDiag | Kron)
def _(A: BlockDiag | Kron) -> LinearOperator | None:
    found = [_basis(part) if part.m == part.n else None for part in A.parts]
    bases = [basis for basis in found if basis is not None]
    if len(bases) < len(found):
        return None
    return block_diag(bases) if isinstance(A, BlockDiag) else kron(*bases)


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
    found = eigenbasis(A)
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
