"""Fixed transforms against SciPy's, exactly where they are exact."""

# ruff: noqa: E501 (the tables have one row a case)

import math

import numpy as np
import pytest
import scipy.fft
import scipy.linalg

import structmat as sm

rng = np.random.default_rng(0)
HADAMARD_ORDERS = [1, 2, 4, 8, 64, 12, 24, 48, 96, 20, 40, 80, 160]


@pytest.mark.parametrize("k", range(8))
def test_hadamard_is_scipys(k: int) -> None:
    assert np.array_equal(sm.Hadamard(2**k).to_dense(), scipy.linalg.hadamard(2**k))


@pytest.mark.parametrize("n", HADAMARD_ORDERS)
def test_hadamard_columns_are_orthogonal(n: int) -> None:
    H = sm.Hadamard(n).to_dense().astype(int)
    assert set(np.unique(H)) <= {-1, 1}
    assert np.array_equal(H @ H.T, n * np.eye(n, dtype=int))
    assert np.array_equal(sm.Hadamard(n).H.to_dense(), H.T)


@pytest.mark.parametrize("n", [12, 20, 40])
def test_paley_matrices_are_not_symmetric(n: int) -> None:
    """So that a product in the place of an adjoint product shows."""
    H = sm.Hadamard(n)
    assert not np.array_equal(H.to_dense(), H.T.to_dense())


@pytest.mark.parametrize("n", HADAMARD_ORDERS)
def test_hadamard_is_exact_on_integers(n: int) -> None:
    x = rng.integers(-1000, 1000, (3, n))
    H = sm.Hadamard(n)
    entries = H.to_dense().astype(int)
    assert np.array_equal(H.matvec(x.astype(np.float32)), x @ entries.T)
    assert np.array_equal(H.rmatvec(x.astype(np.float32)), x @ entries)


@pytest.mark.parametrize("norm", [None, "backward", "ortho"])
@pytest.mark.parametrize("n", [1, 8, 24, 20])
def test_hadamard_inverse(n: int, norm: str | None) -> None:
    H = sm.Hadamard(n, norm=norm)
    x = rng.standard_normal(n)
    assert np.allclose((H**-1).matvec(H.matvec(x)), x, rtol=1e-13)
    if norm == "ortho":
        assert np.isclose(np.linalg.norm(H.matvec(x)), np.linalg.norm(x), rtol=1e-14)


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (
            6,
            r"Hadamard: n is 6; expected 2\^k, 12·2\^k or 20·2\^k, nearest 4 or 8, and no Hadamard matrix has order 6\.",
        ),
        (28, r"n is 28; expected .*, nearest 24 or 32\."),
        (1000, r"n is 1000; expected .*, nearest 768 or 1024\."),
        (3, r"nearest 2 or 4, and no Hadamard matrix has order 3"),
        (0, r"Hadamard: n is 0; expected a positive int\."),
    ],
)
def test_impossible_hadamard_orders(n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.Hadamard(n)


def test_unknown_hadamard_norm() -> None:
    with pytest.raises(ValueError, match=r'Hadamard: norm is "?\'forward\'"?; expected None, "backward" or "ortho"\.'):
        sm.Hadamard(4, norm="forward")


NORMS = [None, "backward", "ortho", "forward"]
LENGTHS = [1, 2, 3, 4, 5, 8, 9, 31, 100]


def near(got: np.ndarray, wanted: np.ndarray) -> bool:
    """Equal to rounding, beside the largest entry."""
    return bool(np.max(np.abs(got - wanted)) <= 1e-13 * max(1.0, np.max(np.abs(wanted))))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("n", LENGTHS)
def test_dft_is_scipys(n: int, norm: str | None) -> None:
    F = sm.DFT(n, norm=norm)
    for x in (rng.standard_normal((2, n)), rng.standard_normal((2, n)) + 1j * rng.standard_normal((2, n))):
        assert near(F.matvec(x), scipy.fft.fft(x, norm=norm))
        assert near((F**-1).matvec(x), scipy.fft.ifft(x, norm=norm))
        assert near(F.rmatvec(x), x @ scipy.fft.fft(np.eye(n), norm=norm).conj())


def test_dft_of_single_precision() -> None:
    F = sm.DFT(8)
    x = rng.standard_normal(8).astype(np.float32)
    assert F.dtype is None
    assert F.matvec(x).dtype == np.complex64
    assert F.rmatvec(x).dtype == np.complex64
    assert F.T.matvec(x).dtype == np.complex64
    assert sm.SignFlip(np.ones(8)).__matmul__(F).matvec(x).dtype == np.complex64
    assert (F @ sm.Diagonal(x)).dtype == np.complex64  # a real part with a dtype, and a complex one without


def test_circulants_are_diagonal_in_fourier_space() -> None:
    c = rng.standard_normal(9)
    F = sm.DFT(9, norm="ortho")
    assert near((F.H @ sm.Diagonal(np.fft.fft(c)) @ F).to_dense(), scipy.linalg.circulant(c))


CASES = {(name, n, kind) for name in ("DCT", "DST") for n in LENGTHS for kind in (1, 2, 3, 4)} - {("DCT", 1, 1)}


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("name", "n", "kind"), sorted(CASES))
def test_trigonometric_transforms_are_scipys(name: str, n: int, kind: int, norm: str | None) -> None:
    transform, inverse = getattr(scipy.fft, name.lower()), getattr(scipy.fft, "i" + name.lower())
    A = getattr(sm, name)(n, type=kind, norm=norm)
    x = rng.standard_normal((2, n))
    assert near(A.matvec(x), transform(x, type=kind, norm=norm))
    assert near(A.matvec(x + 1j * x[::-1]), transform(x + 1j * x[::-1], type=kind, norm=norm))
    assert near(A.rmatvec(x), x @ transform(np.eye(n), type=kind, norm=norm, axis=0))
    assert near((A**-1).matvec(x), inverse(x, type=kind, norm=norm))
    wanted = np.linalg.svd(transform(np.eye(n), type=kind, norm=norm, axis=0), compute_uv=False)
    assert near(sm.linalg.svdvals(A), wanted)
    if norm == "ortho":
        assert near((A.H @ A).to_dense(), np.eye(n))


@pytest.mark.parametrize("name", ["DCT", "DST"])
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_singular_values_of_large_trigonometric_transforms(name: str, kind: int) -> None:
    """No dense matrix is made: it would take 8 TB."""
    A = getattr(sm, name)(2**20, type=kind)
    end = math.sqrt(2) if (name, kind) == ("DCT", 1) else 1  # at both ends of the spectrum
    assert np.isclose(sm.linalg.cond(A), {1: end**2, 2: 2**0.5, 3: 2**0.5, 4: 1}[kind])
    assert sm.linalg.exact(A) == ("solve", "pinv", "svdvals")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sm.DFT(4, norm="orthonormal"), r"DFT: norm is 'orthonormal'; expected None, \"backward\", \"ortho\" or \"forward\"\."),
        (lambda: sm.DFT(0), r"DFT: n is 0; expected a positive int\."),
        (lambda: sm.DCT(4, type=5), r"DCT: type is 5; expected 1, 2, 3 or 4\."),
        (lambda: sm.DST(4, norm="orthonormal"), r"DST: norm is 'orthonormal'; expected None"),
        (lambda: sm.DCT(1, type=1), r"DCT: n is 1; expected at least 2 for type 1\."),
    ],
)  # fmt: skip
def test_bad_input(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
