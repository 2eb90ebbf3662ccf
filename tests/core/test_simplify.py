"""Simplification: every rule fires, and what it makes is the same matrix of the same kind."""

import logging
import pickle
from typing import Any

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
from backends import library
from hypothesis import given, settings
from trees import DTYPES, KINDS, leaf, trees

import structmat as sm
from structmat.core.bilinear import Inverse
from structmat.core.compose import Power, Product, Scaled, Sum
from structmat.rewrite import RULES, rewritten
from structmat.rewrite.composites import scale_zero

jax = library("jax")
jnp = library("jax.numpy")
torch = library("torch")

RNG = np.random.default_rng(0)
EPS = {"float32": 2e-7, "float64": 2.3e-16}


def draw(*shape: int, dtype: str = "float64") -> np.ndarray:
    host = RNG.standard_normal(shape)
    return (host + 1j * RNG.standard_normal(shape) if "complex" in dtype else host).astype(dtype)


def circulant(n: int = 6, dtype: str = "float64") -> sm.Circulant:
    return sm.Circulant(draw(n, dtype=dtype))


def diagonal(n: int = 6, dtype: str = "float64") -> sm.Diagonal:
    return sm.Diagonal(draw(n, dtype=dtype))


def blocks(p: int = 2, q: int = 2, b: int = 3, dtype: str = "float64") -> sm.BlockCirculant:
    return sm.BlockCirculant(draw(p, q, b, dtype=dtype))


def dense(m: int = 6, n: int = 6, dtype: str = "float64") -> sm.Dense:
    return sm.Dense(draw(m, n, dtype=dtype))


def toeplitz(m: int = 6, n: int = 6, dtype: str = "float64") -> sm.Toeplitz:
    return sm.Toeplitz(draw(m, dtype=dtype), draw(n, dtype=dtype))


def hankel(m: int = 6, n: int = 6, dtype: str = "float64") -> sm.Hankel:
    return sm.Hankel(draw(m, dtype=dtype), draw(n, dtype=dtype))


def symmetric(n: int = 6, dtype: str = "float64") -> sm.SymmetricToeplitz:
    return sm.SymmetricToeplitz(draw(n, dtype=dtype))


def skew(n: int = 6, dtype: str = "float64") -> sm.SkewCirculant:
    return sm.SkewCirculant(draw(n, dtype=dtype))


def twisted(f: complex, n: int = 6, dtype: str = "float64") -> sm.FCirculant:
    return sm.FCirculant(draw(n, dtype=dtype), f)


def levels(*shape: int, dtype: str = "float64") -> sm.MultilevelCirculant:
    return sm.MultilevelCirculant(draw(*shape, dtype=dtype))


def tridiagonal(n: int = 6, dtype: str = "float64") -> sm.Tridiagonal:
    return sm.Tridiagonal(draw(n - 1, dtype=dtype), draw(n, dtype=dtype), draw(n - 1, dtype=dtype))


def banded(lower: int = 2, upper: int = 1, n: int = 6, dtype: str = "float64") -> sm.Banded:
    return sm.Banded(draw(lower + upper + 1, n, dtype=dtype), lower, upper)


def low_rank(m: int = 6, n: int = 6, rank: int = 2, dtype: str = "float64") -> sm.LowRank:
    return sm.LowRank(draw(m, rank, dtype=dtype), draw(n, rank, dtype=dtype))


def permutation(n: int = 6) -> sm.Permutation:
    return sm.Permutation.random(n, rng=RNG)


def signs(n: int = 6) -> sm.SignFlip:
    return sm.SignFlip.random(n, rng=RNG)


def some(n: int, m: int) -> sm.Restriction:
    return sm.Restriction(n, RNG.permutation(n)[:m])


def leaves(A: sm.LinearOperator) -> int:
    return sum(map(leaves, A._children)) or 1


def names(lines: list[str]) -> list[str]:
    """The rules that fired, less what they fired at."""
    return [line.partition(":")[0] for line in lines]


def bound(A: sm.LinearOperator) -> float:
    """The norms of the parts put together: what rounding is relative to."""
    parts = [bound(part) for part in A._children]
    if isinstance(A, Product):
        return float(np.prod(parts))
    if isinstance(A, Power):
        return parts[0] ** A.exponent
    if isinstance(A, Inverse):
        return parts[0] * float(np.linalg.norm(matrix(A))) ** 2  # the condition number times the norm
    factor = abs(getattr(A, "scalar", 1))
    return factor * sum(parts) if parts else float(np.linalg.norm(matrix(A)))


def matrix(A: sm.LinearOperator) -> np.ndarray:
    return sm.testing.dense_pair(A)[0]


def check(A: sm.LinearOperator) -> tuple[sm.LinearOperator, list[str]]:
    """Simplify, and hold the result against the original."""
    B, fired = rewritten(A)
    assert (B.shape, str(B.dtype), B._is_complex) == (A.shape, str(A.dtype), A._is_complex)
    assert B.xp in (None, A.xp)
    assert B.device in (None, A.device)
    eps = EPS["float32" if A.dtype in (np.float32, np.complex64) else "float64"]
    assert np.linalg.norm(matrix(B) - matrix(A)) <= 100 * eps * bound(A)
    assert bool(B.params) <= bool(A.params)
    assert leaves(B) <= leaves(A)
    if not fired:
        assert B is A
    again, more = rewritten(B)
    assert more == []
    assert again is B
    return B, names(fired)


# ---------------------------------------------------------------------- the table, row by row

C, D, S, W, K = circulant(), diagonal(), signs(), dense(), blocks()
R = some(6, 4)
Z, E = circulant(dtype="complex128"), diagonal(dtype="complex128")
U = dense(6, 4)
V = dense(6, 6)
P, X = permutation(), sm.Shift(6, 2)
L, Y = low_rank(), low_rank(dtype="complex128")
F, ORTHO = sm.DFT(6), sm.DFT(6, norm="ortho")

# An operator, the rules that must fire (others may too), and what must come out.
CASES: dict[str, tuple[sm.LinearOperator, set[str], str]] = {
    "circulants": (C @ circulant(), {"spectrum @ spectrum"}, "Circulant"),
    "circulants-mixed": (C @ Z @ circulant(dtype="float32"), {"spectrum @ spectrum"}, "Circulant"),
    "circulants-of-odd-size": (circulant(5) @ circulant(5), {"spectrum @ spectrum"}, "Circulant"),
    "circulants-added": (2 * C + circulant() - 3j * Z, {"linear + linear"}, "Circulant"),
    "circulants-added-to-complex": (C + 1j * circulant(), {"linear + linear"}, "Circulant"),
    "circulant-scaled": (3 * C, {"s * linear"}, "Circulant"),
    "circulant-adjoint": (C.H, {"arrays.H"}, "Circulant"),
    "circulant-adjoint-complex": (Z.H, {"arrays.H"}, "Circulant"),
    "circulant-conjugate": (Z.conj(), {"arrays.conj()"}, "Circulant"),
    "circulant-transpose": (Z.T, {"arrays.H", "arrays.conj()"}, "Circulant"),
    "circulant-power": (C**5, {"spectrum ** k"}, "Circulant"),
    "circulant-power-0": (Z**0, {"spectrum ** k"}, "Circulant"),
    "circulant-inverse": (C**-1 @ circulant(), {"spectrum ** -1", "spectrum @ spectrum"}, "Circulant"),
    "circulant-inverse-complex": ((Z**-1).H, {"spectrum ** -1", "arrays.H"}, "Circulant"),
    "diagonal-inverse": (D**-1, {"spectrum ** -1"}, "Diagonal"),
    "inverse-cancels": (V**-1 @ V @ D, {"A ** -1 @ A"}, "Diagonal"),
    "inverse-cancels-after": (V @ V**-1 @ D, {"A ** -1 @ A"}, "Diagonal"),
    "circulant-and-identity": (C - 2 * sm.identity(6), {"special + general"}, "Circulant"),
    "normal-equations": (Z.H @ Z + 0.1 * sm.identity(6), {"special + general"}, "Circulant"),
    "blocks": (blocks(2, 3, 4) @ blocks(3, 2, 4), {"spectrum @ spectrum"}, "BlockCirculant"),
    "blocks-mixed": (K @ blocks(dtype="complex64"), {"spectrum @ spectrum"}, "BlockCirculant"),
    "blocks-added": (K - 2 * blocks(), {"linear + linear"}, "BlockCirculant"),
    "blocks-adjoint": (blocks(2, 3, 4, "complex128").H, {"arrays.H"}, "BlockCirculant"),
    "blocks-conjugate": (blocks(2, 3, 4, "complex128").conj(), {"arrays.conj()"}, "BlockCirculant"),
    "blocks-scaled": (K / 2, {"s * linear"}, "BlockCirculant"),
    "blocks-power": (K**3, {"spectrum ** k"}, "BlockCirculant"),
    "blocks-power-0": (K**0, {"spectrum ** k"}, "BlockCirculant"),
    "blocks-and-identity": (K + sm.identity(6), {"special + general"}, "BlockCirculant"),
    "one-block": (C @ blocks(1, 2, 6), {"special @ general"}, "BlockCirculant"),
    "one-block-added": (blocks(1, 1, 6) + C, {"special + general"}, "BlockCirculant"),
    "diagonals": (D @ E, {"spectrum @ spectrum"}, "Diagonal"),
    "diagonals-added": (D - 2 * diagonal(), {"linear + linear"}, "Diagonal"),
    "diagonal-scaled": (-D, {"s * linear"}, "Diagonal"),
    "diagonal-adjoint": (E.H, {"arrays.H"}, "Diagonal"),
    "diagonal-transpose": (E.T, {"arrays.H", "arrays.conj()"}, "Diagonal"),
    "diagonal-power": (D**4, {"spectrum ** k"}, "Diagonal"),
    "diagonal-power-0": (D**0, {"spectrum ** k"}, "Diagonal"),
    "diagonal-and-identity": (D + sm.identity(6) / 2, {"special + general"}, "Diagonal"),
    "diagonal-and-signs": (D + 1j * S, {"special + general"}, "Diagonal"),
    "signs": (S @ signs(), {"SignFlip @ SignFlip"}, "SignFlip"),
    "signs-twice": (S @ S, {"U @ U.H"}, "Identity"),
    "signs-and-diagonal": (S @ D, {"special @ general"}, "Diagonal"),
    "diagonal-and-signs-product": (E @ S, {"special @ general"}, "Diagonal"),
    "signs-odd-power": (S**3, {"SignFlip ** k"}, "SignFlip"),
    "signs-even-power": (S**4, {"SignFlip ** k"}, "Identity"),
    "dense": (W @ dense(), {"leaf @ dense"}, "Dense"),
    "dense-wide": (U.H @ U, {"arrays.H", "leaf @ dense"}, "Dense"),
    "dense-added": (W + 1j * dense(), {"linear + linear"}, "Dense"),
    "dense-and-identity": (W + sm.identity(6), {"special + general"}, "Dense"),
    "dense-rows": (D @ W, {"leaf @ dense"}, "Dense"),
    "dense-columns": (dense(dtype="complex128") @ E, {"leaf @ dense"}, "Dense"),
    "dense-row-signs": (S @ W, {"move @ dense"}, "Dense"),
    "dense-column-signs": (W @ S, {"move @ dense"}, "Dense"),
    "restrictions": (some(4, 2) @ R, {"selection @ selection"}, "Restriction"),
    "restrictions-slices": (
        sm.Restriction(4, slice(1, 3)) @ sm.Restriction(6, slice(2, None)),
        {"selection @ selection"},
        "Restriction",
    ),
    "restrictions-mixed": (
        sm.Restriction(2, np.asarray([1, 0])) @ sm.Restriction(4, slice(1, 3)) @ R,
        {"selection @ selection"},
        "Restriction",
    ),
    "restrictions-narrow-index": (
        sm.Restriction(3, np.asarray([2, 0], dtype=np.int8)) @ sm.Restriction(300, slice(250, 253)),
        {"selection @ selection"},
        "Restriction",
    ),
    "restrictions-adjoint": ((some(4, 2) @ R).H, {"selection @ selection"}, "Adjoint"),
    "restriction-and-padding": (R @ R.H, {"Restriction @ Restriction.H"}, "Identity"),
    "restriction-made-twice": (
        sm.Restriction(6, slice(1, 3)) @ sm.Restriction(6, slice(1, 3)).H,
        {"Restriction @ Restriction.H"},
        "Identity",
    ),
    "restriction-to-all": (sm.Restriction(6, slice(0, None)), {"Restriction to all"}, "Identity"),
    "like-terms": (2 * (C @ S) + 3 * (C @ S), {"s * A + t * A"}, "Scaled"),
    "scalars": ((2 * S) @ (R.H @ R) @ (3j * signs()), {"A @ (s * B)"}, "Scaled"),
    "power-of-power": (((C @ S) ** 2) ** 3, {"A ** k ** l"}, "Power"),
    "power-of-multiple": ((2 * (R.H @ R)) ** 3, {"(s * A) ** k"}, "Scaled"),
    "power-of-identity": (sm.identity(3) ** 3, {"Identity ** k"}, "Identity"),
    "power-0": ((R.H @ R) ** 0, {"A ** 0"}, "Identity"),
    "power-of-blocks": (sm.block_diag([C, S]) ** 3, {"BlockDiag ** k"}, "BlockDiag"),
    "power-of-repeat": (sm.repeat(C, 2) ** 2, {"Repeat ** k"}, "Repeat"),
    "block-diag": (sm.block_diag([C, U]) @ sm.block_diag([Z, R]), {"BlockDiag @ BlockDiag"}, "BlockDiag"),
    "block-diag-added": (
        2 * sm.block_diag([C, S]) + 3j * sm.block_diag([circulant(), R.H @ R]),
        {"BlockDiag + BlockDiag"},
        "BlockDiag",
    ),
    "block-diag-nested": (sm.block_diag([C, sm.block_diag([W, C])]), {"BlockDiag of BlockDiag"}, "BlockDiag"),
    "block-diag-of-diagonals": (
        sm.block_diag([diagonal(2, "float32"), signs(3), E, sm.identity(2)]),
        {"BlockDiag of Diagonal"},
        "Diagonal",
    ),
    "block-diag-of-signs": (sm.block_diag([signs(2), S]), {"BlockDiag of Diagonal"}, "SignFlip"),
    "block-diag-of-identities": (
        sm.block_diag([sm.identity(2), sm.identity(3)]),
        {"BlockDiag of Diagonal"},
        "Identity",
    ),
    "hstack": (sm.hstack([C, W]) @ sm.block_diag([circulant(), W]), {"HStack @ BlockDiag"}, "HStack"),
    "hstack-nested": (sm.hstack([sm.hstack([C, W]), S]), {"HStack of HStack"}, "HStack"),
    "vstack": (sm.block_diag([circulant(), W]) @ sm.vstack([C, W]), {"BlockDiag @ VStack"}, "VStack"),
    "vstack-nested": (sm.vstack([sm.vstack([C, W]), S]), {"VStack of VStack"}, "VStack"),
    "repeat": (sm.repeat(C, 2) @ sm.repeat(circulant(), 2), {"Repeat @ Repeat"}, "Repeat"),
    "repeat-of-repeat": (sm.repeat(sm.repeat(C, 2), 3), {"Repeat of Repeat"}, "Repeat"),
    "repeat-of-identity": (sm.repeat(sm.identity(2), 3), {"Repeat of Identity"}, "Identity"),
    # Toeplitz and its kin
    "toeplitz-scaled": (3 * toeplitz(4, 6), {"s * linear"}, "Toeplitz"),
    "toeplitz-added": (toeplitz(4, 6) - 2j * toeplitz(4, 6, "complex64"), {"linear + linear"}, "Toeplitz"),
    "toeplitz-adjoint": (toeplitz(4, 6, "complex128").H, {"arrays.H"}, "Toeplitz"),
    "toeplitz-transpose": (toeplitz(6, 4, "complex128").T, {"arrays.H", "arrays.conj()"}, "Toeplitz"),
    "toeplitz-and-circulant": (toeplitz() - 1j * Z, {"special + general"}, "Toeplitz"),
    "toeplitz-and-identity": (2 * sm.identity(6) + toeplitz(), {"special + general"}, "Toeplitz"),
    "toeplitz-and-shift": (2 * X + toeplitz(), {"special + general"}, "Toeplitz"),
    "toeplitz-and-symmetric": (toeplitz() + 1j * symmetric(dtype="complex64"), {"special + general"}, "Toeplitz"),
    "toeplitz-and-skew": (toeplitz() + skew(), {"special + general"}, "Toeplitz"),
    "toeplitz-and-twisted": (twisted(0.5j) + toeplitz(), {"special + general"}, "Toeplitz"),
    "toeplitz-of-two-kinds": (sm.Toeplitz(draw(6), Z.column) + toeplitz(), {"linear + linear"}, "Toeplitz"),
    "symmetric-scaled": (-2 * symmetric(dtype="complex128"), {"s * linear"}, "SymmetricToeplitz"),
    "symmetric-added": (symmetric() - 2 * symmetric(dtype="complex128"), {"linear + linear"}, "SymmetricToeplitz"),
    "symmetric-adjoint": (symmetric(dtype="complex128").H, {"arrays.H"}, "SymmetricToeplitz"),
    "symmetric-conjugate": (symmetric(dtype="complex128").conj(), {"arrays.conj()"}, "SymmetricToeplitz"),
    "symmetric-and-identity": (symmetric() + 2 * sm.identity(6), {"special + general"}, "SymmetricToeplitz"),
    "hankel-scaled": (hankel(6, 4) / 2, {"s * linear"}, "Hankel"),
    "hankel-added": (hankel(4, 6) + hankel(4, 6, "complex128"), {"linear + linear"}, "Hankel"),
    "hankel-adjoint": (hankel(4, 6, "complex128").H, {"arrays.H"}, "Hankel"),
    "hankel-adjoint-tall": (hankel(6, 4).H, {"arrays.H"}, "Hankel"),
    "hankel-conjugate": (hankel(4, 6, "complex128").conj(), {"arrays.conj()"}, "Hankel"),
    # families with spectra
    "skews": (skew() @ skew(dtype="complex64"), {"spectrum @ spectrum"}, "SkewCirculant"),
    "skews-of-odd-size": (skew(5) @ skew(5), {"spectrum @ spectrum"}, "SkewCirculant"),
    "skew-adjoint": (skew(dtype="complex128").H, {"arrays.H"}, "SkewCirculant"),
    "skew-adjoint-of-one": (skew(1, "complex128").H, {"arrays.H"}, "SkewCirculant"),
    "skew-power": (skew() ** 3, {"spectrum ** k"}, "SkewCirculant"),
    "skew-power-0": (skew() ** 0, {"spectrum ** k"}, "SkewCirculant"),
    "skew-inverse": (skew() ** -1, {"spectrum ** -1"}, "SkewCirculant"),
    "skew-and-identity": (2 * skew() + sm.identity(6), {"special + general"}, "SkewCirculant"),
    "twisted": (twisted(-0.5) @ twisted(-0.5, dtype="complex128"), {"spectrum @ spectrum"}, "FCirculant"),
    "twisted-complex": (twisted(1j) @ twisted(1j), {"spectrum @ spectrum"}, "FCirculant"),
    "twisted-adjoint": (twisted(2j, dtype="complex128").H, {"arrays.H, rounded"}, "FCirculant"),
    "twisted-conjugate": (twisted(2j).conj(), {"arrays.conj()"}, "FCirculant"),
    "twisted-power": (twisted(2) ** 4, {"spectrum ** k"}, "FCirculant"),
    "twisted-inverse": (twisted(2) ** -1, {"spectrum ** -1"}, "FCirculant"),
    "twisted-added": (3 * twisted(2) + sm.identity(6) - twisted(2), {"linear + linear"}, "FCirculant"),
    "levels": (levels(2, 3) @ levels(2, 3, dtype="complex128"), {"spectrum @ spectrum"}, "MultilevelCirculant"),
    "levels-real": (levels(2, 3, 2) @ levels(2, 3, 2), {"spectrum @ spectrum"}, "MultilevelCirculant"),
    "levels-adjoint": (levels(2, 3, 2, dtype="complex128").H, {"arrays.H"}, "MultilevelCirculant"),
    "levels-power": (levels(3, 2) ** 2, {"spectrum ** k"}, "MultilevelCirculant"),
    "levels-inverse": (levels(3, 2) ** -1, {"spectrum ** -1"}, "MultilevelCirculant"),
    "levels-and-identity": (levels(3, 2) + sm.identity(6), {"special + general"}, "MultilevelCirculant"),
    "one-level": (levels(1, 6) @ C, {"special @ general"}, "MultilevelCirculant"),
    "circulant-and-shift": (C @ X, {"special @ general"}, "Circulant"),
    "circulant-plus-shift": (X - C, {"special + general"}, "Circulant"),
    # few diagonals
    "tridiagonal-scaled": (2j * tridiagonal(dtype="complex128"), {"s * linear"}, "Tridiagonal"),
    "tridiagonal-added": (tridiagonal() + tridiagonal(dtype="complex64"), {"linear + linear"}, "Tridiagonal"),
    "tridiagonal-adjoint": (tridiagonal(dtype="complex128").H, {"arrays.H"}, "Tridiagonal"),
    "tridiagonal-and-diagonal": (E - 2 * tridiagonal(), {"special + general"}, "Tridiagonal"),
    "tridiagonal-and-signs": (tridiagonal() + S, {"special + general"}, "Tridiagonal"),
    "banded-scaled": (2 * banded(), {"s * linear"}, "Banded"),
    "banded-added": (banded() - banded(dtype="complex128"), {"linear + linear"}, "Banded"),
    "banded-adjoint": (banded(2, 1, dtype="complex128").H, {"arrays.H"}, "Banded"),
    "banded-adjoint-wide": (banded(0, 3, 2).H, {"arrays.H"}, "Banded"),
    "banded-and-tridiagonal": (banded(1, 2) + 2 * tridiagonal(), {"special + general"}, "Banded"),
    "banded-and-identity": (banded(0, 2) - sm.identity(6), {"special + general"}, "Banded"),
    # moves
    "permutations": (P @ permutation(), {"selection @ selection"}, "Permutation"),
    "permutation-twice": (P @ P, {"selection @ selection"}, "Permutation"),
    "permutation-and-back": (P @ P.H, {"U @ U.H"}, "Identity"),
    "permutation-inverse": (P**-1 @ P, {"U @ U.H"}, "Identity"),
    "permutation-power": (P**5, {"Permutation ** k"}, "Permutation"),
    "permutation-power-0": (P**0, {"A ** 0"}, "Identity"),
    "shifts": (X @ sm.Shift(6, 3), {"selection @ selection"}, "Shift"),
    "shifts-all-round": (X @ sm.Shift(6, 4), {"selection @ selection", "Shift by 0"}, "Identity"),
    "shift-and-back": (X @ X.H, {"U @ U.H"}, "Identity"),
    "shift-power": (X**-2, {"Shift ** k"}, "Shift"),
    "shift-and-permutation": (X @ P, {"selection @ selection"}, "Permutation"),
    "permutation-and-shift": (P @ X, {"selection @ selection"}, "Permutation"),
    "restriction-of-permutation": (R @ P, {"selection @ selection"}, "Restriction"),
    "cut-of-permutation": (sm.Restriction(6, slice(1, 4)) @ P, {"selection @ selection"}, "Restriction"),
    "permuted-restriction": (permutation(4) @ R, {"selection @ selection"}, "Restriction"),
    "shifted-restriction": (sm.Shift(4, 1) @ R, {"selection @ selection"}, "Restriction"),
    "permuted-cut": (permutation(3) @ sm.Restriction(6, slice(1, 4)), {"selection @ selection"}, "Restriction"),
    "cut-of-shift": (sm.Restriction(6, slice(2, 5)) @ X, {"selection @ selection"}, "Restriction"),
    "permuted-padding": (P @ R.H, {"move @ padding"}, "Adjoint"),
    "padding-of-permuted": (R.H @ permutation(4), {"move @ padding"}, "Adjoint"),
    # transforms
    "fourier-diagonal": (ORTHO.H @ E @ ORTHO, {"DFT.H @ spectrum @ DFT"}, "Circulant"),
    "fourier-real-diagonal": (ORTHO.H @ D @ ORTHO, {"DFT.H @ spectrum @ DFT"}, "Circulant"),
    "fourier-scaled": (F.H @ D @ F / 6, {"DFT.H @ spectrum @ DFT", "s * linear"}, "Circulant"),
    "fourier-inverse": (F**-1 @ diagonal(6, "float32") @ F, {"DFT.H @ spectrum @ DFT"}, "Circulant"),
    "fourier-other-way": (F @ E @ F**-1, {"DFT.H @ spectrum @ DFT"}, "Circulant"),
    "fourier-circulant": (ORTHO @ C @ ORTHO.H, {"DFT.H @ spectrum @ DFT"}, "Diagonal"),
    "fourier-circulant-other-way": (F.H @ Z @ F, {"DFT.H @ spectrum @ DFT"}, "Diagonal"),
    "fourier-twice": (F.H @ D @ ORTHO @ ORTHO.H @ E @ F, {"U @ U.H", "DFT.H @ spectrum @ DFT"}, "Circulant"),
    "fourier-cancels": (F**-1 @ F @ Z, {"DFT.H @ DFT"}, "Circulant"),
    "fourier-cancels-scaled": (F @ F.H @ Z, {"DFT.H @ DFT"}, "Circulant"),
    "fourier-transpose": (F.T, {"DFT.conj()"}, "DFT"),
    "fourier-conjugate": (ORTHO.conj() @ E @ ORTHO, {"DFT.conj()", "DFT.H @ spectrum @ DFT"}, "Circulant"),
    "cosine-cancels": (
        sm.DCT(6, norm="ortho").H @ sm.DCT(6, norm="ortho"),
        {"U @ U.H"},
        "Identity",
    ),
    "sine-cancels": (sm.DST(6, type=1, norm="ortho") @ sm.DST(6, type=1, norm="ortho").H, {"U @ U.H"}, "Identity"),
    "cosine-inverse": (sm.DCT(6) ** -1 @ sm.DCT(6), {"transform ** -1 @ transform"}, "Identity"),
    "cosine-inverse-after": (sm.DCT(6) @ sm.DCT(6) ** -1, {"transform ** -1 @ transform"}, "Identity"),
    "hadamard-cancels": (sm.Hadamard(12).H @ sm.Hadamard(12), {"transform ** -1 @ transform"}, "Scaled"),
    "hadamard-ortho": (sm.Hadamard(8, norm="ortho") @ sm.Hadamard(8, norm="ortho"), {"U @ U.H"}, "Identity"),
    "householder-twice": (D @ (mirror := sm.Householder(draw(6))) @ mirror, {"U @ U.H"}, "Diagonal"),
    "householder-conjugate": (sm.Householder(Z.column).conj(), {"arrays.conj()"}, "Householder"),
    # low rank, dense and factored
    "monarch-scaled": (2 * sm.Monarch(draw(3, 2, 2), draw(2, 3, 3)), {"s * linear"}, "Monarch"),
    "monarch-conjugate": (
        sm.Monarch(draw(3, 2, 2, dtype="complex128"), draw(2, 3, 3, dtype="complex128")).conj(),
        {"arrays.conj()"},
        "Monarch",
    ),
    "butterfly-conjugate": (sm.Butterfly(draw(2, 2, 2, 2, dtype="complex64")).conj(), {"arrays.conj()"}, "Butterfly"),
    "rank-scaled": (2 * L, {"s * linear"}, "LowRank"),
    "rank-adjoint": (low_rank(4, 6, dtype="complex128").H, {"arrays.H"}, "LowRank"),
    "rank-conjugate": (Y.conj(), {"arrays.conj()"}, "LowRank"),
    "ranks-added": (2 * L - low_rank(rank=3), {"LowRank + LowRank"}, "LowRank"),
    "ranks": (L @ low_rank(rank=3, dtype="complex128"), {"leaf @ dense"}, "LowRank"),
    "rank-and-diagonal": (D @ L @ diagonal(), {"leaf @ dense"}, "LowRank"),
    "rank-and-signs": (S @ L @ P, {"move @ dense"}, "LowRank"),
    "rank-and-dense": (L @ dense(6, 4), {"leaf @ dense"}, "LowRank"),
    "dense-and-rank": (dense(4, 6) @ Y, {"leaf @ dense"}, "LowRank"),
    "rank-and-circulant": (Z.H @ Y @ skew(), {"leaf @ dense"}, "LowRank"),
    "rank-and-restriction": (R @ L @ R.H, {"move @ dense"}, "LowRank"),
    "rank-and-fourier": (ORTHO @ Y, {"leaf @ dense"}, "LowRank"),
    "dense-and-permutation": (P @ W @ X, {"move @ dense"}, "Dense"),
    "dense-and-circulant": (C @ W @ toeplitz(), {"leaf @ dense"}, "Dense"),
    # zeros
    "zero-product": (sm.Zero(4, 6) @ P @ X, {"0 @ A"}, "Zero"),
    "zero-in-a-complex-product": (sm.DFT(6) @ sm.Zero(6, 4), {"0 @ A"}, "Scaled"),
    "zero-added": (C + sm.Zero(6, 6), {"A + 0"}, "Circulant"),
    "zero-added-first": (2 * sm.Zero(6, 6) + C, {"A + 0", "s * 0"}, "Circulant"),
    "zero-power": (sm.Zero(6, 6) ** 3, {"0 ** k"}, "Zero"),
    # Kronecker products
    "krons": (sm.kron(C, S) @ sm.kron(circulant(), U), {"Kron @ Kron"}, "Kron"),
    "kron-and-repeat": (sm.kron(C, U.H) @ sm.repeat(V, 6), {"Kron @ Kron"}, "Kron"),
    "repeat-and-kron": (sm.repeat(D, 6) @ sm.kron(C, diagonal()), {"Kron @ Kron"}, "Kron"),
    "kron-cancels": (sm.kron(S, P) @ sm.kron(S, P).H, {"Kron @ Kron", "U @ U.H"}, "Identity"),
    "kron-power": (sm.kron(C, D) ** 2, {"Kron ** k"}, "Kron"),
    "kron-of-identity": (sm.kron(sm.identity(3), U), {"Kron of Identity"}, "Repeat"),
    "kron-of-identities": (sm.kron(sm.identity(3), sm.identity(2)), {"Kron of Identity"}, "Identity"),
    "kron-with-one": (sm.kron(U, sm.identity(1)), {"Kron of Identity"}, "Dense"),
    "krons-that-share-the-right": (2 * sm.kron(S, U) - sm.kron(P, U), {"Kron + Kron"}, "Kron"),
    "krons-that-share-the-left": (sm.kron(U, S) + 3j * sm.kron(U, P), {"Kron + Kron"}, "Kron"),
    "repeats-that-share-the-left": (sm.repeat(S, 2) + sm.repeat(P, 2), {"Kron + Kron"}, "Repeat"),
    "krons-and-an-identity": (sm.kron(U @ U.H, sm.identity(2)) + 2 * sm.identity(12), {"Kron + Kron"}, "Kron"),
    "an-identity-and-repeats": (2 * sm.identity(12) - sm.repeat(V, 2), {"Kron + Kron"}, "Repeat"),
    "krons-of-circulants": (
        sm.kron(circulant(3), sm.identity(4)) + sm.kron(sm.identity(3), circulant(4)),
        {"Kron of circulants + Kron of circulants", "Kron of Identity"},
        "MultilevelCirculant",
    ),
    "krons-of-shifts-and-levels": (
        (sm.repeat(circulant(3), 4) - 2j * sm.kron(levels(2, 2), sm.Shift(3, 1)).T).freeze(),
        {"Kron of circulants + Kron of circulants"},
        "MultilevelCirculant",
    ),
    "krons-of-three-levels": (
        sm.kron(circulant(2), sm.identity(6))
        + 2 * sm.kron(sm.kron(sm.identity(2), circulant(3, "complex128")), sm.identity(2)).T
        - sm.repeat(sm.kron(sm.Shift(3, 2), circulant(2)), 2)
        + sm.identity(12),
        {"Kron of circulants + Kron of circulants", "special + general"},
        "MultilevelCirculant",
    ),
    "kron-of-multiples": (sm.kron(2 * S, 3j * P), {"Kron of s * A"}, "Scaled"),
    "repeat-of-multiple": (sm.repeat(2j * S, 3), {"Repeat of s * A"}, "Scaled"),
    "all-together": (2 * C @ S @ S @ C.H + sm.identity(6), {"spectrum @ spectrum", "U @ U.H"}, "Circulant"),
}


@pytest.mark.parametrize("case", CASES)
def test_rules(case: str) -> None:
    A, wanted, kind = CASES[case]
    B, fired = check(A)
    assert wanted <= set(fired)
    assert type(B).__name__ == kind


def test_every_rule_is_fired_by_a_case() -> None:
    fired = {name for A, _, _ in CASES.values() for name in names(rewritten(A)[1])}
    assert fired == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)


# ---------------------------------------------------------------------- what stays


LEFT_ALONE = {
    "frozen @ learnable": C.freeze() @ circulant(),
    "frozen + learnable": C.freeze() + circulant(),
    "learnable @ frozen": D @ diagonal().freeze(),
    "dense @ frozen": W @ diagonal().freeze(),
    "frozen and learnable blocks": sm.block_diag([D, D.freeze()]),
    "thin dense factors": dense(6, 1) @ dense(1, 6),
    "thin block-circulant factors": blocks(4, 1, 2) @ blocks(1, 4, 2),
    "blocks of other sizes": blocks(1, 2, 3) @ blocks(3, 1, 2),
    "complex multiple of real": 1j * C,
    "padding @ restriction": R.H @ R,
    "other selections": some(6, 4) @ R.H,
    "neighbours of other kinds": C @ S @ C,
    "terms of other kinds": C + S,
    "power 0 with a dtype": (C @ S) ** 0,
    "blocks that are cut elsewhere": sm.block_diag([C, U]) @ sm.block_diag([dense(5, 2), dense(5, 3)]),
    "blocks of other kinds": sm.block_diag([C, S]),
    "multiple of a product": 2 * (C @ S),
    "repeat": sm.repeat(C, 2),
    "frozen @ low rank": C.freeze() @ L,
    "frozen low ranks": L.freeze() + low_rank(),
    "ranks that add up to all": low_rank(rank=3) + low_rank(rank=3),
    "ranks of two kinds": L + Y,
    "complex multiple of low rank": 1j * L,
    "complex multiple of a Hermitian one": 1j * symmetric(dtype="complex128"),
    "complex sum of Hermitian ones": symmetric(dtype="complex128") + 1j * symmetric(dtype="complex128"),
    "fourier @ real": ORTHO @ W,
    "fourier @ real low rank": ORTHO @ L,
    "padding @ low rank": R.H @ low_rank(4, 6),
    "low rank @ inverse": L @ V**-1,
    "function @ dense": sm.FunctionOperator((6, 6), lambda x: 2 * x, lambda g: 2 * g) @ W,
    "zero @ low rank": sm.Zero(6, 6) @ L,
    "other factors": twisted(2) @ twisted(3),
    "other factors added": twisted(2) + twisted(3),
    "other levels": levels(2, 3) @ levels(3, 2),
    "circulant of several levels": C @ levels(2, 3),
    "bands that tridiagonals do not fit in": banded(0, 2) + tridiagonal(),
    "diagonal and Toeplitz": D + toeplitz(),
    "Toeplitz @ Toeplitz": toeplitz() @ toeplitz(),
    "Toeplitz of two kinds, scaled": 2 * sm.Toeplitz(draw(6), draw(6, dtype="float32")),
    "Toeplitz of two kinds, turned": sm.Toeplitz(draw(6), Z.column).H,
    "real column, complex factor": twisted(1j) ** 2,
    "real column, complex factor, turned": twisted(1j).H,
    "cut that a shift tears": sm.Restriction(6, slice(0, 3)) @ X,
    "shift of a cut": sm.Shift(3, 1) @ sm.Restriction(6, slice(0, 3)),
    "signs @ permutation": S @ P,
    "zero with a dtype": C @ sm.Zero(6, 6),
    "complex zero": 2j * sm.Zero(6, 6),
    "two transforms there": F @ D @ F,
    "signs between transforms": F.H @ S @ F,
    "kron of other sizes": sm.kron(C, D) @ sm.kron(diagonal(4), circulant(9)),
    "kron that makes a repetition longer": sm.kron(C, U) @ sm.repeat(dense(4, 6), 6),
    "sum of krons of other levels": sm.kron(circulant(2), circulant(6)) + sm.kron(circulant(3), circulant(4)),
    "sum of krons of finer levels": sm.kron(circulant(2), circulant(6)) + sm.kron(circulant(4), circulant(3)),
    "sum of krons of others": sm.kron(circulant(2), skew(3)) + sm.kron(circulant(2), circulant(3)),
    "sum of krons, one frozen": sm.kron(circulant(2), sm.identity(3)) + sm.repeat(circulant(3), 2).freeze(),
    "kron that costs more": sm.kron(U.freeze(), C) @ sm.kron(sm.Dense(draw(4, 6)), C.freeze()),
    "scalars whose product is 0": (1e-200 * S) @ R.H @ (1e-200 * sm.identity(4)),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_left_alone(case: str) -> None:
    A = LEFT_ALONE[case]
    B, fired = check(A)
    assert fired == []
    assert B is A


NORMS = (None, "backward", "ortho", "forward")
FOURIER_PAIRS = [(first, second) for first in NORMS for second in NORMS]


@pytest.mark.parametrize(("left", "right"), FOURIER_PAIRS)
def test_scales_of_transforms_there_and_back(left: str | None, right: str | None) -> None:
    """The transform's own scale, by its definition, in every pair: alone, and around a diagonal and a circulant."""
    n, share = 6, {None: 1, "backward": 1, "ortho": 6**-0.5, "forward": 1 / 6}
    W = np.exp(-2j * np.pi * np.outer(range(n), range(n)) / n)
    one, other, c = share[left] * W, share[right] * W, draw(n, dtype="complex128")
    F, G, circ = sm.DFT(n, norm=left), sm.DFT(n, norm=right), scipy.linalg.circulant(c)
    for A, dense_form, kind in (
        (F.H @ G, one.conj().T @ other, (sm.Identity, Scaled)),
        (F @ G.H, one @ other.conj().T, (sm.Identity, Scaled)),
        (F.H @ sm.Diagonal(c) @ G, one.conj().T @ np.diag(c) @ other, (sm.Circulant,)),
        (F @ sm.Diagonal(c) @ G.H, one @ np.diag(c) @ other.conj().T, (sm.Circulant,)),
        (F.H @ sm.Circulant(c) @ G, one.conj().T @ circ @ other, (sm.Diagonal,)),
        (F @ sm.Circulant(c) @ G.H, one @ circ @ other.conj().T, (sm.Diagonal,)),
    ):
        simple = sm.simplify(A)
        assert isinstance(simple, kind)
        assert np.allclose(simple.to_dense(), dense_form, rtol=1e-12, atol=1e-12)


def test_what_stands_between_transforms_stays_frozen() -> None:
    for middle in (D, E, C, Z):
        for A in (ORTHO.H @ middle @ ORTHO, ORTHO @ middle @ ORTHO.H):
            frozen, learnable = (sm.simplify(form) for form in (A.freeze(), A))
            assert type(frozen) is type(learnable) is (sm.Circulant if type(middle) is sm.Diagonal else sm.Diagonal)
            assert frozen.params == ()
            assert len(learnable.params) == 1


def test_a_complex_zero_is_no_real_one() -> None:
    """The rule itself tells them apart, whatever its caller checks."""
    for scalar in (2j, 1 + 0j):
        assert scale_zero(Scaled(sm.Zero(6, 4), scalar)) is None
        assert sm.simplify(Scaled(sm.Zero(6, 4), scalar))._is_complex
    zero = sm.Zero(6, 4)
    assert scale_zero(Scaled(zero, 2.0)) is zero


def test_frozen_stays_frozen() -> None:
    frozen, learnable = (C @ D @ D @ C).freeze(), C @ D @ S @ D @ C
    assert sm.simplify(frozen).params == ()
    assert sm.simplify(learnable).param_names == ("0.column", "1.entries", "2.column")
    mixed = sm.simplify(C @ C @ C.freeze() @ C.freeze())
    assert [bool(part.params) for part in mixed.parts] == [True, False]
    assert sm.simplify(S @ D.freeze()).params == ()
    assert sm.simplify(D.freeze() + sm.identity(6)).params == ()


def test_the_operator_given_is_left_as_it_is() -> None:
    column = draw(4)
    column.flags.writeable = False
    A = 2 * sm.Circulant(column) @ sm.Circulant(column).H
    before = matrix(A)
    shown = str(A)
    sm.simplify(A)
    assert str(A) == shown
    assert np.array_equal(matrix(A), before)


@pytest.mark.parametrize("left", [sm.Shift(4, 1), sm.Hadamard(4), sm.DFT(4)], ids=repr)
def test_products_of_sums_without_arrays(left: sm.LinearOperator) -> None:
    """They have no inverse that might cancel."""
    A = left + sm.identity(4)
    for B in (A.H @ A, A.conj() @ A.T, A.T @ left, A**2 @ A.H):
        assert np.allclose(sm.simplify(B).to_dense(), B.to_dense(), atol=1e-12)
        assert np.isclose(sm.linalg.norm(B), np.linalg.norm(B.to_dense()))


def test_a_unitary_cancels_by_identity_of_its_arrays() -> None:
    twin = sm.SignFlip(S.signs.copy())
    assert isinstance(sm.simplify(S @ twin), sm.SignFlip)  # equal values are not looked at
    assert isinstance(sm.simplify(S @ sm.SignFlip(S.signs)), sm.Identity)
    A = pickle.loads(pickle.dumps(C @ S @ S))
    assert isinstance(sm.simplify(A), sm.Circulant)


def test_a_complex_unitary_leaves_a_complex_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind is kept: products with the identity that is left are complex, as those with the product were."""
    monkeypatch.setattr(sm.Circulant, "_is_unitary", True)
    shift = sm.Circulant(np.asarray([0, 1j, 0]))
    D = sm.Diagonal(np.ones(3))
    monkeypatch.setattr(
        "structmat.rewrite.engine.RULES", [rule for rule in RULES if rule.name in ("U @ U.H", "A @ (s * B)")]
    )
    for A in (D @ shift @ shift.H, shift.H @ shift @ D):
        B, fired = rewritten(A)
        assert names(fired)[0] == "U @ U.H"
        assert str(B.dtype) == "complex128"
        assert np.array_equal(B.matvec(np.ones(3)), np.ones(3) + 0j)
    assert sm.simplify(shift @ shift.H).dtype == complex  # alone they stay, as an identity has no dtype


UNITARY = {
    "identity": sm.identity(4),
    "signs": signs(4),
    "permutation": permutation(4),
    "shift": sm.Shift(4, 3),
    "reflection": sm.Householder(draw(4, dtype="complex128")),
    **{f"{A.__name__} {kind}": A(4, type=kind, norm="ortho") for A in (sm.DCT, sm.DST) for kind in (1, 2, 3, 4)},
    "fourier": sm.DFT(4, norm="ortho"),
    "hadamard": sm.Hadamard(12, norm="ortho"),
}


@pytest.mark.parametrize("name", UNITARY)
def test_unitary_leaves(name: str) -> None:
    A = UNITARY[name]
    D = diagonal(A.n, "complex128")
    assert A._is_unitary
    assert np.allclose(matrix(A.H) @ matrix(A), np.eye(A.n), atol=1e-14)
    assert type(sm.simplify(D @ A @ A.H)) is type(sm.simplify(D @ A.H @ A)) is sm.Diagonal


@pytest.mark.parametrize("A", [sm.DCT(4), sm.DST(4, norm="forward"), sm.DFT(4), sm.Hadamard(4)], ids=repr)
def test_transforms_of_another_norm_are_not_unitary(A: sm.LinearOperator) -> None:
    assert not A._is_unitary


def test_half_precision_is_left_alone() -> None:
    A = circulant(dtype="float16")
    for B in (A @ A, A + 2 * A, A**2, A + sm.identity(6), 3 * A):
        simple = sm.simplify(B)
        assert np.array_equal(simple.to_dense(), B.to_dense())
    assert sm.simplify(A @ circulant(dtype="float32")).dtype == np.float32


def test_large_and_small_scalars() -> None:
    """Scalars are multiplied only where their product is a number and not 0."""
    for A in ((1e200 * S) ** 2, (1e200 * S) @ R.H @ (1e200 * some(6, 4)), (1e-200 * S) ** 2):
        assert rewritten(A)[1] == []


def test_shared_parts_stay_shared() -> None:
    twice = C @ circulant()
    B = sm.simplify(sm.block_diag([twice, 1j * twice]))
    assert isinstance(B.parts[0], sm.Circulant)
    assert B.parts[0] is B.parts[1].of


def test_long_chains() -> None:
    unit = sm.Circulant(np.asarray([0.0, 1.0, 0.0, 0.0, 0.0]))
    A: sm.LinearOperator = unit
    B: sm.LinearOperator = unit
    for _ in range(300):
        A, B = A @ unit, B + unit
    assert np.allclose(sm.simplify(A).to_dense(), np.linalg.matrix_power(unit.to_dense(), 301), atol=1e-12)
    assert np.allclose(sm.simplify(B).to_dense(), 301 * unit.to_dense())


# ---------------------------------------------------------------------- random trees


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtypes", [("float64", "float64"), ("float32", "complex128")])
def test_two_leaves(kind: str, dtypes: tuple[str, str]) -> None:
    """Every kind beside every other: random trees seldom bring two of a family together."""
    rng = np.random.default_rng(1)
    for other in KINDS:
        A, B = leaf(4, 4, kind, dtypes[0], rng), leaf(4, 4, other, dtypes[1], rng)
        check(A @ B)
        check(B.H @ A.conj())
        check(2 * A - 1j * B.T)


@settings(max_examples=300)
@given(A=trees())
def test_trees(A: sm.LinearOperator) -> None:
    check(A)


@settings(max_examples=100)
@given(A=trees(depth=4))
def test_deep_trees(A: sm.LinearOperator) -> None:
    check(A)


@settings(max_examples=100)
@given(A=trees(dtypes=("float32", "complex128")))
def test_products_keep_their_dtype(A: sm.LinearOperator) -> None:
    B = sm.simplify(A)
    for dtype in DTYPES:
        x = np.ones(A.n, dtype=dtype)
        assert B.matvec(x).dtype == A.matvec(x).dtype
        assert B.rmatvec(np.ones(A.m, dtype=dtype)).dtype == A.rmatvec(np.ones(A.m, dtype=dtype)).dtype


# ---------------------------------------------------------------------- other libraries


def model() -> sm.LinearOperator:
    """A tree in which many rules fire."""
    keep = sm.Restriction(6, np.asarray([4, 0, 1]))
    short = sm.Restriction(3, np.asarray([2, 1]))
    inner = C @ Z.H @ (2 * C) ** 3 + sm.identity(6) - 1j * circulant()
    outer = sm.block_diag([S @ D, K @ K.H + sm.identity(6)]) @ sm.vstack([inner, K])
    return sm.hstack([short @ keep, short @ keep]) @ outer @ S @ S @ E @ S @ W @ D


@pytest.mark.parametrize(
    ("xp", "device"),
    [(torch, None), (jnp, None), (array_api_strict, array_api_strict.Device("device1"))],
    ids=["torch", "jax", "strict"],
)
def test_other_libraries(xp: Any, device: Any) -> None:
    cases = [model(), *(A for A, _, _ in CASES.values() if xp is not jnp)]
    for A in cases:
        there = A.to(xp=xp, device=device)
        B, fired = rewritten(there)
        assert fired
        assert B.shape == A.shape
        assert (B.xp, B.device) in [(there.xp, there.device), (None, None)]
        assert np.linalg.norm(matrix(B) - matrix(A)) <= 1e-4 * bound(A)


def test_traced_by_jax() -> None:
    A = model().to(xp=jnp)
    x = jnp.asarray(draw(A.n))

    @jax.jit
    def product(params: Any, x: Any) -> Any:
        return sm.simplify(A.with_params(params)).matvec(x)

    scale = bound(model())
    assert np.linalg.norm(product(A.params, x) - A.matvec(x)) < 1e-14 * scale
    index = jnp.asarray([3, 1])
    both = jax.jit(lambda i, x: sm.simplify(sm.Restriction(4, i) @ sm.Restriction(6, slice(1, 5))).matvec(x))
    assert np.array_equal(both(index, x), x[index + 1])


@pytest.mark.parametrize(
    ("A", "kind"),
    [
        (C @ S @ S @ C.H @ (2 * C), sm.Circulant),
        (skew() ** 2 @ skew(), sm.SkewCirculant),
        (C @ L @ toeplitz(6, 4), sm.LowRank),
        (F.H @ D @ F, sm.Circulant),
    ],
)
def test_differentiated_by_torch(A: sm.LinearOperator, kind: type) -> None:
    A = A.to(xp=torch)
    learned = A.with_params([value.clone().requires_grad_() for value in A.params])
    x = torch.asarray(draw(A.n))
    simple = sm.simplify(learned)
    assert isinstance(simple, kind)
    y = simple.matvec(x)
    g = torch.asarray(draw(A.m)).to(y.dtype)
    y.backward(g)
    for value, grad in zip(learned.params, A.vjp(x, g)[1], strict=True):
        torch.testing.assert_close(value.grad, grad)


# ---------------------------------------------------------------------- the call


def test_verbose_logs(caplog: pytest.LogCaptureFixture) -> None:
    sm.simplify(S @ S)
    assert caplog.records == []
    sm.simplify(S @ S, verbose=True)
    assert caplog.messages == ["simplify: U @ U.H: SignFlip 6×6 @ SignFlip 6×6 -> Identity 6×6"]
    assert {(record.name, record.levelname) for record in caplog.records} == {("structmat", "INFO")}
    caplog.clear()
    sm.simplify(C, verbose=True)
    assert caplog.messages == ["simplify: no rule fires"]


@pytest.fixture
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("structmat"), "hasHandlers", lambda: False)


@pytest.mark.usefixtures("nobody_listens")
def test_verbose_reaches_a_program_without_logging(capsys: pytest.CaptureFixture[str]) -> None:
    sm.simplify(S @ S, verbose=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("simplify: U @ U.H: SignFlip 6×6")


def test_refuses_what_is_no_operator() -> None:
    with pytest.raises(TypeError, match="simplify: A is a ndarray; expected a LinearOperator"):
        sm.simplify(np.eye(3))


def test_sum_form_is_flat() -> None:
    assert isinstance(sm.simplify(C + S + (W - sm.identity(6))), Sum)
