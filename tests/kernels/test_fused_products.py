"""Products that one compiled call multiplies, with the factors beside it: the same numbers as by dense matrices."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from dense import hadamard

import structmat as sm
from structmat import _kernels, projections
from structmat._backend import kernels
from structmat.core.bilinear import Adjoint
from structmat.core.compose import Product, Scaled

Array = np.ndarray[Any, Any]
Make = Callable[[Any], sm.LinearOperator]


def flip(rng: Any, n: int) -> sm.LinearOperator:
    return sm.SignFlip.random(n, rng=rng)


def fixed(rng: Any, n: int) -> sm.LinearOperator:
    return sm.Diagonal(rng.standard_normal(n)).freeze()


# an operator and the number of transforms that it takes
PRODUCTS: dict[str, tuple[Make, int]] = {
    "signs": (lambda rng: flip(rng, 16) @ sm.Hadamard(16) @ flip(rng, 16), 1),
    "order 24": (lambda rng: flip(rng, 24) @ sm.Hadamard(24) @ flip(rng, 24), 1),
    "signs of signs": (lambda rng: sm.Hadamard(8) @ flip(rng, 8) @ flip(rng, 8), 1),
    "fixed diagonal": (lambda rng: fixed(rng, 40) @ sm.Hadamard(40, norm="ortho") @ flip(rng, 40), 1),
    "fixed diagonal and signs": (lambda rng: fixed(rng, 16) @ flip(rng, 16) @ sm.Hadamard(16), 1),
    "padded and cropped": (lambda rng: sm.Hadamard(16, norm="ortho")[:5, :11] @ flip(rng, 11), 1),
    "multiple": (lambda rng: 0.3 * sm.Hadamard(16), 1),
    "multiple in a product": (lambda rng: flip(rng, 16) @ (0.3 * sm.Hadamard(16)) @ flip(rng, 16), 1),
    "multiple of a product": (lambda rng: -3 * (sm.Hadamard(32) @ flip(rng, 32)), 1),
    "complex multiple": (lambda rng: 3j * (sm.Hadamard(8) @ flip(rng, 8)), 1),
    "two matrices": (lambda rng: sm.Hadamard(16) @ flip(rng, 16) @ sm.Hadamard(16), 2),
    "inverse": (lambda rng: (sm.Hadamard(20) @ flip(rng, 20)) ** -1, 1),
    "srht": (lambda rng: projections.srht(11, 7, rng=rng), 1),
    "hd3": (lambda rng: projections.hd3(13, rng=rng), 3),
    "sorf": (lambda rng: projections.sorf(11, 7, rng=rng), 3),
    "fastfood": (lambda rng: projections.fastfood(13, 16, rng=rng), 2),
    "learnt diagonal": (lambda rng: sm.Hadamard(16) @ sm.Diagonal(rng.standard_normal(16)) @ sm.Hadamard(16), 2),
    "multiple of a circulant": (lambda rng: 0.3 * sm.Circulant(rng.standard_normal(12)), 0),
    "multiple of a circulant in a product": (
        lambda rng: flip(rng, 12) @ (0.3 * sm.Circulant(rng.standard_normal(12))) @ flip(rng, 12), 0,
    ),
    "Hankel matrix": (
        lambda rng: -2 * (flip(rng, 5) @ sm.Hankel(rng.standard_normal(5), rng.standard_normal(8)) @ flip(rng, 8)), 0,
    ),
    "cropped Hankel matrix": (
        lambda rng: (sm.Hankel(rng.standard_normal(5), rng.standard_normal(8)) @ flip(rng, 8))[:4, :6], 0,
    ),
    "fixed diagonals and a Toeplitz matrix": (
        lambda rng: fixed(rng, 9) @ (2 * sm.Toeplitz(rng.standard_normal(9), rng.standard_normal(9))) @ fixed(rng, 9), 0,
    ),
}  # fmt: skip


def entries(A: sm.LinearOperator) -> Array:
    """The matrix of an operator by the definitions of its parts."""
    if isinstance(A, Product):
        return np.linalg.multi_dot([*map(entries, A.parts), np.eye(A.n)])
    if isinstance(A, Scaled):
        return A.scalar * entries(A.of)
    if isinstance(A, Adjoint):
        return entries(A.of).conj().T
    if isinstance(A, sm.Hadamard):
        return hadamard(A.n) * (1 if A.norm == "ortho" else np.sqrt(A.n))
    return A._entries(np, np.arange(A.m)[:, None], np.arange(A.n))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter:
    counted: Counter = Counter()
    walsh = kernels.walsh

    def counting(*arguments: Any, workers: int) -> None:
        counted["walsh"] += 1
        walsh(*arguments, workers=workers)

    monkeypatch.setattr(kernels, "walsh", counting)
    return counted


CASES = [(name, char) for name in PRODUCTS for char in ("FD" if name == "complex multiple" else "fdFD")]


@pytest.mark.parametrize(("name", "char"), CASES)
def test_products(name: str, char: str, calls: Counter) -> None:
    make, transforms = PRODUCTS[name]
    rng = np.random.default_rng(0)
    A = make(rng).to(dtype=np.dtype(char.lower()))
    dense = entries(A)
    x, g = (
        np.asarray(rng.standard_normal((4, size)) + 1j * (char in "FD") * rng.standard_normal((4, size)))
        for size in (A.n, A.m)
    )
    x, g = ((each if char in "FD" else each.real).astype(char) for each in (x, g))
    tolerance = {"rtol": 0, "atol": 100 * np.finfo(char).eps * np.linalg.norm(dense, 2)}

    assert np.allclose(A.matvec(x), x @ dense.T, **tolerance)
    if _kernels.loaded is not None and char in "fd":
        assert calls["walsh"] == transforms
    assert np.allclose(A.rmatvec(g), g @ dense.conj(), **tolerance)
    out = np.empty((4, A.m), char)
    assert A.matvec(x, out=out) is out
    assert np.allclose(out, x @ dense.T, **tolerance)
    y, saved = A.forward(x)
    dx, grads = A.backward(saved, g)
    assert y.dtype == dx.dtype == np.dtype(char)
    assert np.allclose(y, x @ dense.T, **tolerance)
    assert np.allclose(dx, g @ dense.conj(), **tolerance)
    for place, grad in enumerate(grads):  # A is linear in its parameters
        changed = [np.zeros_like(value) for value in A.params]
        for k in range(len(grad)):
            changed[place][:] = np.arange(len(grad)) == k
            slope = np.sum((g.conj() * (x @ entries(A.with_params(changed)).T)).real)
            assert np.isclose(grad[k], slope, rtol=0, atol=4000 * np.finfo(char).eps * np.linalg.norm(dense))


@pytest.mark.parametrize("name", PRODUCTS)
def test_tensors_with_a_graph(name: str) -> None:
    A = PRODUCTS[name][0](np.random.default_rng(1)).to(xp=torch)
    x = torch.randn((3, A.n), dtype=torch.float64, requires_grad=True)
    y = A.matvec(x)
    assert torch.allclose(y, A.matvec(x.detach()))
    g = torch.ones_like(y)
    y.backward(g)
    assert torch.allclose(x.grad, A.rmatvec(g).real)


@pytest.mark.skipif(_kernels.loaded is None, reason="without kernels every factor is multiplied by itself")
@pytest.mark.parametrize("name", PRODUCTS)
def test_tensors_take_as_many_transforms(name: str, calls: Counter) -> None:
    """Signs of PyTorch are integers that no kernel takes; they are read once, when a product is first multiplied."""
    B = PRODUCTS[name][0](np.random.default_rng(1))
    A, x = B.to(xp=torch), torch.randn((3, B.n), dtype=torch.complex128 if B._is_complex else torch.float64)
    expected = B.matvec(x.numpy())
    transforms = calls["walsh"]
    assert np.allclose(A.matvec(x), expected)
    assert calls["walsh"] == 2 * transforms
    if isinstance(A, Product):
        assert len(A._runs) == len(B._runs)


@pytest.mark.parametrize("change", ["in place", "unseen", "sign of zero", "NaN", "large"])
def test_spectra_of_parameters_are_kept_by_value(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Optimisers and others change parameters without a trace; one that has its values still is not transformed."""
    made = []
    compile_ = sm.Circulant._compile
    monkeypatch.setattr(sm.Circulant, "_compile", lambda self: (made.append(1), compile_(self))[1])
    n = 2**19 if change == "large" else 12
    column = torch.nn.Parameter(torch.randn(n))
    A, x = sm.Circulant(column) @ sm.SignFlip.random(n, rng=0, xp=torch), torch.randn(n)

    def check() -> None:
        dense = np.fft.ifft(np.fft.fft(column.detach().double()) * np.fft.fft((A.parts[1].signs * x).double())).real
        np.testing.assert_allclose(A.matvec(x), dense, rtol=0, atol=1e-4 * max(np.linalg.norm(dense), 1))

    with torch.no_grad():
        check()
        check()
        assert len(made) == (2 if change == "large" else 1) or _kernels.loaded is None
        if change == "unseen":
            column.data[3] += 1
        elif change == "NaN":
            column.data[3] = torch.nan
        elif change == "sign of zero":
            column[:] = 0
            check()
            column[:] = -0.0
        else:
            column[3] += 1
        before = len(made)
        check()
        assert len(made) == before + 1 or _kernels.loaded is None


def test_extreme_multiples() -> None:
    """A product of two factors that fits into no float is taken one after the other."""
    x = np.full((2, 8), 1e-30, "f")
    A = 1e30 * sm.Hadamard(8)
    assert np.allclose(A.matvec(x)[:, 0], 8)
    tiny = sm.Diagonal(np.full(8, 1e-30, "f")).freeze()
    B = tiny @ (1e-20 * sm.Circulant(np.eye(1, 8, dtype="f")[0])) @ sm.Diagonal(np.full(8, 1e25, "f")).freeze()
    assert np.allclose(B.matvec(np.full((2, 8), 1e12, "f")), 1e-13, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "longdouble"])
def test_precisions_that_the_kernels_lack(dtype: str) -> None:
    A = sm.Hadamard(16) @ sm.SignFlip.random(16, rng=0)
    x = np.random.default_rng(0).integers(-9, 9, (3, 16)).astype(dtype)
    assert np.array_equal(A.matvec(x), x.astype(int) @ entries(A).T)


def test_wider_factors_decide_the_precision() -> None:
    A = fixed(np.random.default_rng(0), 16) @ sm.Hadamard(16)
    x = np.random.default_rng(1).standard_normal((3, 16)).astype("f")
    out = np.empty((3, 16))
    assert np.allclose(A.matvec(x, out=out), x @ entries(A).T, rtol=1e-13, atol=1e-13)
    assert np.array_equal(A.matvec(x), out)


def test_a_tape_serves_whether_graphs_are_recorded_or_not() -> None:
    """Factors are fused where PyTorch records no graph, and the tape may come from the other mode."""
    parts = sm.Restriction(64, np.arange(32)), sm.Circulant(np.arange(64.0)), sm.SignFlip(np.ones(64, np.int8))
    A = (parts[0] @ parts[1] @ parts[2]).to(xp=torch)
    A = A.with_params([column.clone().requires_grad_() for column in A.params])
    x, g = torch.ones(3, 64, dtype=torch.float64), torch.arange(96.0, dtype=torch.float64).reshape(3, 32)
    recorded = A.forward(x)[1]
    with torch.no_grad():
        plain = A.forward(x)[1]
        dx, (dc,) = A.backward(recorded, g)
    other_dx, (other_dc,) = A.backward(plain, g)
    torch.testing.assert_close(dx, other_dx)
    torch.testing.assert_close(dc, other_dc)
