"""How NumPy arrays are transformed: by `scipy.fft` and its backends, in any precision, layout and number of threads."""

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from backends import library
from transforms import Watching

import structmat as sm
from structmat._backend import fft, threads
from structmat.core import OPERATORS

SIZES = (1, 2, 3, 8, 15, 64, 67)


def draw(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_products_agree_with_dense_matrices(dtype: str) -> None:
    for n in SIZES:
        c, r = draw((n,), dtype, 0), draw((n,), dtype, 1)
        for A, dense in (
            (sm.Circulant(c), scipy.linalg.circulant(c)),
            (sm.Toeplitz(c, r), scipy.linalg.toeplitz(c, r)),
        ):
            scale = 30 * np.finfo(dtype).eps * np.linalg.norm(dense)
            for batch in ((), (1,), (9,), (2, 3)):
                x = draw((*batch, n), dtype, 2)
                y, dx = A.matvec(x), A.rmatvec(x)
                assert y.dtype == dx.dtype == np.dtype(dtype)
                assert np.linalg.norm(y - x @ dense.T) <= scale * np.linalg.norm(x)
                assert np.linalg.norm(dx - x @ dense.conj()) <= scale * np.linalg.norm(x)
                assert np.allclose(A.forward(x)[0], y, atol=scale * np.linalg.norm(x))


def test_awkward_arrays() -> None:
    c, x = draw((16,), "float64", 0), draw((40, 16), "float64", 1)
    unaligned = np.empty(x.nbytes + 1, np.uint8)[1:].view(np.float64).reshape(x.shape)
    unaligned[...] = x
    wanted = x @ scipy.linalg.circulant(c).T
    for given in (x, np.asfortranarray(x), x[:, ::-1].copy()[:, ::-1], unaligned, x.astype(">f8")):
        before = given.copy()
        assert np.allclose(sm.Circulant(c).matvec(given), wanted, atol=1e-12)
        assert np.allclose(sm.Circulant(c.astype(">f8")).matvec(given), wanted, atol=1e-12)
        assert np.array_equal(given, before)


def test_extended_precision_stays() -> None:
    c = draw((8,), "float64", 0).astype(np.longdouble)
    y = sm.Circulant(c).matvec(c)
    assert y.dtype == np.longdouble
    assert np.allclose(y, scipy.linalg.circulant(c) @ c, rtol=0, atol=100 * np.finfo(np.longdouble).eps)


def test_backends_of_scipy_are_called() -> None:
    xp = sm.Circulant(np.ones(1)).xp
    calls: list[str] = []
    with scipy.fft.set_backend(Watching(lambda name, x: calls.append(name))):
        for dtype, wanted in (("float32", ["rfft", "irfft"]), ("complex128", ["fft", "ifft"])):
            x = draw((3, 9), dtype, 0)
            X = fft.dft(xp, x)
            assert np.allclose(fft.idft(xp, X, 9, real=dtype == "float32", temporary=True), x, atol=1e-6)
            assert calls == wanted
            calls.clear()
        sm.DCT(9).matvec(x.real)
        assert calls == ["dct"]


def test_settings_nest_and_end() -> None:
    before = threads.count()
    with sm.set_threads(2):
        assert threads.count() == 2
        with sm.set_threads(None):
            assert threads.count() == before
        assert threads.count() == 2
        with pytest.raises(ZeroDivisionError), sm.set_threads(3):
            1 / 0  # noqa: B018
        assert threads.count() == 2
    assert threads.count() == before
    with scipy.fft.set_workers(2):
        assert threads.count() == 2


OPERATORS_OF_OURS = sorted(
    name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators.")
)


@pytest.mark.parametrize("name", OPERATORS_OF_OURS)
def test_threads_change_no_bit(name: str) -> None:
    """Nor does a call differ from the same one before it."""
    dense = name in ("Dense", "LowRank", "Monarch", "Sparse")
    for n, count in ((250, 33),) if dense else ((127, 33), (4093, 2)):
        for dtype in ("float32", "complex128"):
            A = OPERATORS[name].example(n, np.random.default_rng(n)).to(dtype=dtype)
            x, g = draw((count, A.n), dtype, 1), draw((count, A.m), dtype, 2)

            def bits(A: Any = A, x: np.ndarray = x, g: np.ndarray = g) -> bytes:
                dx, grads = A.vjp(x, g)
                rest = A.vjp(x, g, chunk_size=2)
                y, saved = A.forward(x, chunk_size=2)
                whole = [A.matvec(x), A.rmatvec(g), A.matvec(x[0]), dx, *grads, rest[0], *rest[1], y]
                return b"".join(array.tobytes() for array in (*whole, *A.backward(saved, g)[1]))

            with sm.set_threads(1):
                once = bits()
                assert bits() == once
                for threads in (np.int64(2), 3):
                    with sm.set_threads(threads):
                        assert bits() == once, (n, dtype)


@pytest.mark.parametrize("name", ["Identity", "Permutation", "Restriction", "Shift", "SignFlip", "Zero"])
def test_products_of_the_same_bits_everywhere(name: str) -> None:
    torch, jnp = library("torch"), library("jax.numpy")
    for dtype in ("float32", "float64", "complex128"):
        A = OPERATORS[name].example(37, np.random.default_rng(0)).to(dtype=dtype)
        x = draw((5, A.n), dtype, 1)
        y = A.matvec(x)
        for xp in (torch, jnp):
            assert np.array_equal(np.asarray(A.to(xp=xp).matvec(xp.asarray(x))), y)
        assert np.array_equal(np.stack([A.matvec(v) for v in x]), y)
        assert np.array_equal(A.matvec(np.asfortranarray(x), chunk_size=2), y)


def test_pieces_side_by_side_are_transformed_alone() -> None:
    """A thread that works beside others asks for no more threads, within its transforms or for pieces of pieces."""

    def seen(depth: int) -> list[int]:
        return [threads.count(), *(max(inner) for inner in threads.starmap(seen, [(depth - 1,)] * depth))]

    with sm.set_threads(2):
        assert threads.count() == 2
        assert [number for numbers in threads.starmap(seen, [(2,)] * 6) for number in numbers] == [1] * 18
        assert threads.count() == 2


@pytest.mark.parametrize("count", [0, -1, 1.5, True, "2"])
def test_wrong_settings(count: Any) -> None:
    with pytest.raises(ValueError, match=f"set_threads: count is {count!r}; expected a positive int or None"):
        sm.set_threads(count)


@pytest.mark.parametrize("provider", ["auto", "mkl_fft", np.fft])
def test_set_fft_provider_warns_and_does_nothing(provider: Any) -> None:
    x = draw((9,), "float64", 0)
    with pytest.warns(DeprecationWarning, match=r"scipy\.fft\.set_backend") as found, sm.set_fft_provider(provider):
        y = sm.Circulant(x).matvec(x)
    assert found[0].filename == __file__
    assert np.array_equal(y, sm.Circulant(x).matvec(x))


def test_the_environment_variable_warns_and_does_nothing() -> None:
    code = "import numpy as np, structmat as sm; print(sm.Circulant(np.ones(3)).matvec(np.ones(3)))"

    def run(value: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "STRUCTMAT_FFT_PROVIDER": value}
        return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)

    assert run("").stdout == run("fftw").stdout
    assert run("").stderr == ""
    assert "FutureWarning: the environment variable STRUCTMAT_FFT_PROVIDER has no effect" in run("fftw").stderr
