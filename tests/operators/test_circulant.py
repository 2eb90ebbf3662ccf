"""What holds of circulants beyond the contract, against SciPy and by their algebra."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm

lengths = st.integers(1, 40)


def draw(n: int, seed: int, *, complex_: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal(n) + (1j * rng.standard_normal(n) if complex_ else 0)


@given(n=lengths, seed=st.integers(0, 9), complex_=st.booleans())
def test_first_column_as_scipy(n: int, seed: int, complex_: bool) -> None:
    c = draw(n, seed, complex_=complex_)
    assert np.allclose(sm.Circulant(c).to_dense(), scipy.linalg.circulant(c), atol=1e-14)


@given(n=lengths, seed=st.integers(0, 9), complex_=st.booleans())
def test_first_row(n: int, seed: int, complex_: bool) -> None:
    r = draw(n, seed, complex_=complex_)
    assert np.allclose(sm.Circulant.from_row(r).to_dense()[0], r, atol=1e-14)
    assert np.array_equal(sm.Circulant.from_row(r).column, np.roll(r[::-1], 1))


@given(n=lengths, seed=st.integers(0, 9))
def test_spectrum(n: int, seed: int) -> None:
    c, z = draw(n, seed), draw(n, seed, complex_=True)
    assert np.allclose(sm.Circulant(c).spectrum, np.fft.rfft(c))
    assert np.allclose(sm.Circulant.from_spectrum(np.fft.rfft(c), n=n).column, c)
    spectrum = np.fft.fft(z)
    kept = spectrum.copy()
    assert np.allclose(sm.Circulant.from_spectrum(spectrum).column, z)
    assert np.array_equal(spectrum, kept)
    assert sm.Circulant.from_spectrum(np.fft.rfft(c), n=n).dtype == float


@given(n=lengths, seed=st.integers(0, 9), shift=st.integers(-50, 50))
def test_circulants_commute_with_shifts(n: int, seed: int, shift: int) -> None:
    A, x = sm.Circulant(draw(n, seed)), draw(n, seed + 1)
    assert np.allclose(A @ np.roll(x, shift), np.roll(A @ x, shift), atol=1e-12)


@given(n=lengths, seed=st.integers(0, 9))
def test_eigenvectors(n: int, seed: int) -> None:
    c = draw(n, seed, complex_=True)
    F = scipy.linalg.dft(n)
    assert np.allclose(sm.Circulant(c).matmat(F.conj()), F.conj() * np.fft.fft(c), atol=1e-10)


@pytest.mark.parametrize("n", [3, 4])
def test_the_paper_s_gradients(n: int) -> None:
    """∂(a^T R x)/∂r is the circular convolution of a with x reversed and shifted by one, as the paper has it."""
    a, x, r = draw(n, 0), draw(n, 1), draw(n, 2)
    dx, (dr,) = sm.Circulant(r).vjp(x, a)
    assert np.allclose(dr, scipy.linalg.circulant(np.roll(x[::-1], 1)) @ a)
    assert np.allclose(dx, scipy.linalg.circulant(np.roll(r[::-1], 1)) @ a)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("n", [83, 97, 166])
def test_lengths_with_large_prime_factors(n: int, dtype: str) -> None:
    """Their vectors are zero-padded to faster lengths; the contract holds there too, and solutions are exact."""
    rng = np.random.default_rng(n)
    c = rng.standard_normal(n) + (1j * rng.standard_normal(n) if dtype.startswith("complex") else 0)
    c[0] += 3 * n**0.5
    A = sm.Circulant(c.astype(dtype))
    assert A._kernel.shape[0] > n - 1
    sm.testing.check_operator(A)
    x = rng.standard_normal((3, n)).astype(dtype)
    eps = np.finfo(dtype).eps
    dense = scipy.linalg.circulant(A.column)
    assert np.allclose((A**-1).matvec(x), np.linalg.solve(dense, x.T).T, atol=300 * eps)
    assert np.allclose((A**-1).rmatvec(x), np.linalg.solve(dense.conj().T, x.T).T, atol=300 * eps)
