"""Who transforms NumPy's arrays: every provider gives the same, and settings are checked, nest and end."""

import os
import subprocess
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
from backends import WITHOUT, library

import structmat as sm
from structmat._backend import providers, threads
from structmat.core import OPERATORS

NAMES = [name for name in ("scipy", "mkl_fft", "ducc0") if name not in WITHOUT]
PROVIDERS = (*NAMES, np.fft, scipy.fft)
SIZES = (1, 2, 3, 8, 15, 64, 67)


@pytest.fixture(autouse=True)
def chosen_automatically() -> Iterator[None]:
    """Whatever STRUCTMAT_FFT_PROVIDER says of the whole run."""
    with sm.set_fft_provider("auto"):
        yield


def draw(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if dtype.startswith("complex") else x).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("provider", PROVIDERS, ids=str)
def test_providers_agree_with_dense_matrices(provider: object, dtype: str) -> None:
    with sm.set_fft_provider(provider):  # type: ignore[arg-type]
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


@pytest.mark.parametrize("provider", NAMES)
def test_awkward_arrays(provider: str) -> None:
    c, x = draw((16,), "float64", 0), draw((40, 16), "float64", 1)
    unaligned = np.empty(x.nbytes + 1, np.uint8)[1:].view(np.float64).reshape(x.shape)
    unaligned[...] = x
    wanted = x @ scipy.linalg.circulant(c).T
    with sm.set_fft_provider(provider):
        for given in (x, np.asfortranarray(x), x[:, ::-1].copy()[:, ::-1], unaligned, x.astype(">f8")):
            before = given.copy()
            assert np.allclose(sm.Circulant(c).matvec(given), wanted, atol=1e-12)
            assert np.allclose(sm.Circulant(c.astype(">f8")).matvec(given), wanted, atol=1e-12)
            assert np.array_equal(given, before)


@pytest.mark.parametrize("provider", ["auto", *PROVIDERS], ids=str)
def test_extended_precision_stays(provider: object) -> None:
    c = draw((8,), "float64", 0).astype(np.longdouble)
    with sm.set_fft_provider(provider):  # type: ignore[arg-type]
        y = sm.Circulant(c).matvec(c)
    assert y.dtype == np.longdouble
    assert np.allclose(y, scipy.linalg.circulant(c) @ c, rtol=0, atol=100 * np.finfo(np.longdouble).eps)


@pytest.mark.skipif({"mkl_fft", "ducc0"} & WITHOUT, reason="STRUCTMAT_TEST_WITHOUT leaves a provider out")
def test_the_choice_depends_on_length_and_batch() -> None:
    one, many, odd, long = (np.zeros(shape, np.float32) for shape in (64, (99, 64), (99, 63), (4, 2**14)))
    chosen = [providers.provider_for(x, x.shape[-1]).name for x in (one, many, odd, long, many.astype(float))]
    assert chosen == ["mkl_fft", "mkl_fft", "ducc0", "ducc0", "ducc0"]
    assert providers.provider_for(np.empty(64, np.longdouble), 64).name == "scipy"


def test_without_other_providers_it_is_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "installed", lambda: ["scipy"])
    providers._fastest.cache_clear()
    try:
        assert {providers.provider_for(np.empty((2, n)), n).name for n in (63, 64)} == {"scipy"}
    finally:
        providers._fastest.cache_clear()


@pytest.mark.parametrize("there", [["mkl_fft", "scipy"], ["scipy"]])
def test_mkl_service_beside_pytorch(monkeypatch: pytest.MonkeyPatch, there: list[str]) -> None:
    """It makes transforms of both wrong, so mkl_fft is not chosen; nor is it missed where it is not installed."""
    monkeypatch.setattr(providers, "find_spec", lambda name: object())
    monkeypatch.setattr(providers, "installed", lambda: there)
    providers._fastest.cache_clear()
    try:
        assert providers.provider_for(np.zeros(64), 64).name == "scipy"
    finally:
        providers._fastest.cache_clear()


def test_unknown_places_of_scipy_s_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_COMPILED", ("_nowhere.module",))
    found = providers._scipy()
    assert isinstance(found, providers.Module)
    x = draw((3, 6), "complex128", 0)
    assert np.allclose(found.inverse(found.forward(x, 6, False), 6, False), x)


def test_settings_nest_and_end() -> None:
    def seen() -> tuple[str, int]:
        return providers.choice(), threads.count()

    before = seen()
    with sm.set_fft_provider(np.fft), sm.set_threads(2):
        assert seen() == ("numpy.fft", 2)
        with sm.set_fft_provider("auto"), sm.set_threads(None):
            assert seen() == before
        assert seen() == ("numpy.fft", 2)
        with pytest.raises(ZeroDivisionError), sm.set_fft_provider("scipy"):
            1 / 0  # noqa: B018
        assert seen() == ("numpy.fft", 2)
    assert seen() == before
    with scipy.fft.set_workers(2):
        assert threads.count() == 2


OPERATORS_OF_OURS = sorted(
    name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators.")
)


@pytest.mark.parametrize("name", OPERATORS_OF_OURS)
@pytest.mark.parametrize("provider", NAMES)
def test_threads_change_no_bit(provider: str, name: str) -> None:
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

            with sm.set_fft_provider(provider), sm.set_threads(1):
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


@pytest.mark.skipif("mkl_fft" in WITHOUT, reason="STRUCTMAT_TEST_WITHOUT leaves mkl_fft out")
def test_mkl_s_limit_ends_with_the_transform(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is set for a thread of the system, where PyTorch's and NumPy's MKL would meet it; also after an error."""
    provider = providers.MKL()
    limits = [provider._limit(3)]  # what was set before
    try:
        with sm.set_threads(2):  # MKL transforms in one all the same
            for x, real in ((np.ones((64, 128)), True), (np.ones((64, 128), complex), False)):
                X = provider.forward(x, 128, real)
                limits.append(provider._limit(3))
                provider.inverse(X, 128, real)
                limits.append(provider._limit(3))
            monkeypatch.setattr(provider, "module", SimpleNamespace(fft=len, rfft=len))
            with pytest.raises(TypeError):
                provider.forward(np.ones((64, 128)), 128, True)
            limits.append(provider._limit(3))
    finally:
        provider._limit(limits[0])
    assert limits[1:] == [3] * 5


def test_pieces_side_by_side_are_transformed_alone() -> None:
    """A thread that works beside others asks for no more threads, within its transforms or for pieces of pieces."""

    def seen(depth: int) -> list[int]:
        return [threads.count(), *(max(inner) for inner in threads.starmap(seen, [(depth - 1,)] * depth))]

    with sm.set_threads(2):
        assert threads.count() == 2
        assert [number for numbers in threads.starmap(seen, [(2,)] * 6) for number in numbers] == [1] * 18
        assert threads.count() == 2


def test_wrong_settings() -> None:
    with pytest.raises(ValueError, match=r"set_fft_provider: the provider 'fftw' is unknown; there are 'auto'"):
        sm.set_fft_provider("fftw")
    with pytest.raises(TypeError, match=r"set_fft_provider: provider is 3; expected a name, or a module"):
        sm.set_fft_provider(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="expected a name, or a module"):
        sm.set_fft_provider(SimpleNamespace(fft=np.fft.fft))  # type: ignore[arg-type]
    for count in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match=f"set_threads: count is {count!r}; expected a positive int or None"):
            sm.set_threads(count)  # type: ignore[arg-type]


def test_a_provider_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "installed", lambda: ["scipy"])
    with pytest.raises(ValueError, match=r"'ducc0' is not installed: pip install ducc0; there are 'auto', 'scipy'\."):
        sm.set_fft_provider("ducc0")


def test_the_environment_variable() -> None:
    code = (
        "import numpy as np, structmat as sm\n"
        "from structmat._backend import providers\n"
        "with sm.set_fft_provider(np.fft): pass\n"  # which must not make it forgotten
        "sm.Circulant(np.ones(3)).matvec(np.ones(3)); print(providers.choice())"
    )

    def run(value: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "STRUCTMAT_FFT_PROVIDER": value}
        return subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
        )

    assert run("scipy").stdout == "scipy\n"
    assert run("").stdout == "/".join(providers.installed()) + "\n"
    message = "the environment variable STRUCTMAT_FFT_PROVIDER: the provider 'fftw' is unknown; there are 'auto'"
    assert message in run("fftw").stderr
