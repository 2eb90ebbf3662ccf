"""How products reach the CUDA kernels, without a GPU: PyTorch's tensors on the host stand in for those on a device.

The kernels' plan is one that reads and writes the same memory by NumPy's transforms.
"""

import contextlib
import ctypes
import sys
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat import _kernels
from structmat._backend import cuda

torch = library("torch")
Tensor = torch.Tensor  # where PyTorch is left out, the file ends here
adapter = library("structmat._backend.libraries.torch")
calls: Counter[str] = Counter()


def at(address: Any, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Return the array at an address."""
    memory = (ctypes.c_char * (int(np.prod(shape)) * np.dtype(dtype).itemsize)).from_address(int(address))
    return np.frombuffer(memory, dtype).reshape(shape)


class HostPlan:
    """A plan of the CUDA kernels for memory on the host."""

    def __init__(self, n: int, char: str) -> None:
        self.n, self.char, self.value = n, char, "F" if char in "fF" else "D"
        self.spectrum_size = n if char in "FD" else n // 2

    def _rows(self, rows: cuda.Rows) -> np.ndarray:
        assert rows.stride == self.n
        return at(rows.address, (rows.number, self.n), self.char)

    def _unpacked(self, address: int) -> np.ndarray:
        h = at(address, (self.spectrum_size,), self.value).astype(complex)
        return h if self.char in "FD" else np.concatenate(([h[0].real], h[1:], [h[0].imag]))

    def _times(self, x: np.ndarray, h: np.ndarray) -> np.ndarray:
        if self.char in "FD":
            return np.fft.ifft(np.fft.fft(x.astype(complex)) * h)
        return np.fft.irfft(np.fft.rfft(x.astype(float)) * h, self.n)

    def spectrum(self, column: int, spectrum: int) -> None:
        calls["spectrum"] += 1
        c, h = at(column, (self.n,), self.char), at(spectrum, (self.spectrum_size,), self.value)
        if self.char in "FD":
            h[:] = np.fft.fft(c)
        else:
            found = np.fft.rfft(c.astype(float))
            h[:] = found[:-1]
            h[0] = found[0].real + 1j * found[-1].real

    def product(self, x: cuda.Rows, y: cuda.Rows, spectrum: int, *, conjugate: bool) -> None:
        calls["product"] += 1
        h = self._unpacked(spectrum)
        self._rows(y)[:] = self._times(self._rows(x), h.conj() if conjugate else h)

    def parts(self, count: int) -> int:
        return 3

    def gradient(
        self, x: cuda.Rows, g: cuda.Rows, dx: cuda.Rows, column: int, spectrum: int, memory: int, *, conjugate: bool
    ) -> None:
        calls["gradient"] += 1
        at(memory, (3, self.spectrum_size), self.value)[:] = np.nan
        h = self._unpacked(spectrum)
        self._rows(dx)[:] = self._times(self._rows(g), h if conjugate else h.conj())
        left, right = (g, x) if conjugate else (x, g)
        products = np.fft.fft(self._rows(left).astype(complex)).conj() * np.fft.fft(self._rows(right).astype(complex))
        sums = np.fft.ifft(products.sum(0))
        at(column, (self.n,), self.char)[:] = sums if self.char in "FD" else sums.real


@pytest.fixture(autouse=True)
def device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take PyTorch's tensors on the host for those on a GPU."""
    kind = adapter.Torch
    monkeypatch.setattr(cuda, "plan", HostPlan)
    monkeypatch.setattr(cuda, "shared_bytes", lambda: 48 * 2**10)
    monkeypatch.setattr(kind, "host_view", lambda self, x: None)
    monkeypatch.setattr(kind, "is_on_host", lambda self, x: False)
    monkeypatch.setattr(kind, "device_view", lambda self, x: x.detach() if self._is_plain(x) else None)
    monkeypatch.setattr(kind, "launching", lambda self, x: contextlib.nullcontext())
    monkeypatch.setattr("structmat._backend.kernels.serve", lambda device: True)
    calls.clear()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_contract(dtype: str) -> None:
    rng = np.random.default_rng(0)
    parts = rng.standard_normal((2, 64))
    column = parts[0] + 1j * parts[1] if dtype.startswith("complex") else parts[0]
    A = sm.Circulant(torch.asarray(column.astype(dtype)))
    sm.testing.check_operator(A, xp=torch)
    assert {"spectrum", "product", "gradient"} <= set(calls)


def test_one_spectrum_serves_all_products() -> None:
    A, x = sm.Circulant(torch.randn(64)), torch.randn(5, 64)
    for _ in range(3):
        A.matvec(x)
        A.rmatvec(x)
        A.backward(A.forward(x)[1], x)
    assert calls == {"spectrum": 1, "product": 9, "gradient": 3}


def test_results_in_given_memory() -> None:
    A, x = sm.Circulant(torch.randn(64)), torch.randn(5, 64)
    out = torch.empty(5, 64)
    assert A.matvec(x, out=out) is out
    assert torch.equal(out, A.matvec(x))
    crowded = torch.empty(64, 5).T
    A.matvec(x, out=crowded)
    assert torch.allclose(crowded, out)


def test_layers_learn_by_the_kernels() -> None:
    from structmat.nn.torch import CirculantLinear

    layer, x = CirculantLinear(64, 64), torch.randn(7, 64, requires_grad=True)
    y = layer(x)
    weight = layer.weight.detach()
    assert torch.allclose(y, x @ weight.T + layer.bias, atol=1e-5)
    y.backward(g := torch.randn(7, 64))
    assert torch.allclose(x.grad, g @ weight, atol=1e-5)
    assert calls["gradient"] == 1


@pytest.mark.parametrize("n", [1, 16, 48, 2**13, 2**17])  # the last two take more shared memory than there is
def test_other_lengths_take_another_way(n: int) -> None:
    A, x = sm.Circulant(torch.randn(n, dtype=torch.float64)), torch.randn(2, n, dtype=torch.float64)
    wanted = torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(A.params[0]), n=n)
    assert torch.allclose(A.matvec(x), wanted)
    assert not calls


@pytest.mark.parametrize(
    ("refused", "available", "hip", "expected"),
    [(False, True, False, True), (True, True, False, False), (False, False, False, False), (False, True, True, False)],
)
def test_when_the_kernels_are_on(
    refused: bool, available: bool, hip: bool, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    cupy = SimpleNamespace(is_available=lambda: available, cuda=SimpleNamespace(runtime=SimpleNamespace(is_hip=hip)))
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(cuda, "find_spec", lambda name: name)
    monkeypatch.setattr(_kernels, "is_refused", refused)
    assert cuda.is_on.__wrapped__() is expected
