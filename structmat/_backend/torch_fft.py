"""PyTorch's Fourier transforms along the last axis; in an export to ONNX, by transforms whose length is a power of two.

ONNX Runtime in single precision loses more digits the longer a transform is, unless its length is a power of two. By
2 j k = j² + k² - (k - j)² a transform of any length is a convolution between two multiplications (Bluestein 1970).
"""

from typing import Any

import numpy as np
import torch


def _is_native(n: int) -> bool:
    return n & (n - 1) == 0 or not torch.onnx.is_in_onnx_export()


def _scale(n: int, norm: str) -> float:
    return 1.0 if norm == "forward" else 1 / n


def _constant(values: np.ndarray[Any, Any], like: torch.Tensor) -> torch.Tensor:
    """Return double-precision values as a tensor of the precision and on the device of another one."""
    single = like.dtype in (torch.float32, torch.complex64)
    return torch.asarray(values.astype("complex64" if single else "complex128"), device=like.device)


def _sums(x: torch.Tensor, n: int, count: int, sign: int) -> torch.Tensor:
    """Return Σ_j x_j exp(± 2πi j k / n) for k < count, of the first n entries of vectors."""
    x = x[..., :n] if x.shape[-1] > n else x
    length = int(x.shape[-1])  # sizes are tensors in torch.jit.trace
    size = 1 << (length + count - 2).bit_length()
    places = np.arange(max(length, count), dtype=np.int64)
    chirp = np.exp(sign * 1j * np.pi * (places**2 % (2 * n)) / n)
    kernel = np.zeros(size, np.complex128)
    kernel[:count] = chirp[:count].conj()
    kernel[size - length + 1 :] = chirp[length - 1 : 0 : -1].conj()
    pairs = torch.view_as_real(x * _constant(chirp[:length], x))  # ONNX cannot pad complex numbers
    padded = torch.view_as_complex(torch.nn.functional.pad(pairs, (0, 0, 0, size - length)))
    spectra = torch.fft.fft(padded) * _constant(np.fft.fft(kernel), x)
    return torch.fft.ifft(spectra)[..., :count] * _constant(chirp[:count], x)


def fft(x: torch.Tensor, n: int, axis: int = -1) -> torch.Tensor:
    """Transform complex vectors, cropped or zero-padded to length n."""
    return torch.fft.fft(x, n, axis) if _is_native(n) else _sums(x, n, n, -1)


def rfft(x: torch.Tensor, n: int, axis: int = -1) -> torch.Tensor:
    """Transform real vectors to half spectra."""
    return torch.fft.rfft(x, n, axis) if _is_native(n) else _sums(x, n, n // 2 + 1, -1)


def ifft(X: torch.Tensor, n: int, axis: int = -1, norm: str = "backward") -> torch.Tensor:
    """Undo `fft`; with the norm "forward", without the scale 1/n."""
    return torch.fft.ifft(X, n, axis, norm) if _is_native(n) else _sums(X, n, n, 1) * _scale(n, norm)


def irfft(X: torch.Tensor, n: int, axis: int = -1, norm: str = "backward") -> torch.Tensor:
    """Undo `rfft`; with the norm "forward", without the scale 1/n."""
    if _is_native(n):
        return torch.fft.irfft(X, n, axis, norm)
    weights = np.full(n // 2 + 1, 2 * _scale(n, norm))  # frequencies but 0 and n/2 also count for their conjugates
    weights[:: n // 2 if n % 2 == 0 else n] /= 2
    return _sums(X * _constant(weights, X), n, n, 1).real
