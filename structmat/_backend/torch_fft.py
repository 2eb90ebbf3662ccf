"""PyTorch's Fourier transforms along the last axis; on the way to ONNX, all of them by those of powers of two.

ONNX Runtime, in single precision, loses more digits the longer a transform is, unless its length is a power of two. By
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
    """Bring double precision to that of a tensor, and where it is."""
    single = like.dtype in (torch.float32, torch.complex64)
    return torch.asarray(values.astype("complex64" if single else "complex128"), device=like.device)


def _sums(x: torch.Tensor, n: int, count: int, sign: int) -> torch.Tensor:
    """Return Σ_j x_j exp(± 2πi j k / n) for k < count, of the first n entries of vectors."""
    x = x[..., :n] if x.shape[-1] > n else x
    length = int(x.shape[-1])  # traced by torch.jit, sizes are tensors
    size = 1 << (length + count - 2).bit_length()
    places = np.arange(max(length, count), dtype=np.int64)
    chirp = np.exp(sign * 1j * np.pi * (places**2 % (2 * n)) / n)
    kernel = np.zeros(size, np.complex128)
    kernel[:count] = chirp[:count].conj()
    kernel[size - length + 1 :] = chirp[length - 1 : 0 : -1].conj()
    pairs = torch.view_as_real(x * _constant(chirp[:length], x))  # ONNX pads nothing complex
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
    """Undo `fft`, or with the norm "forward" all of it but the scale 1/n."""
    return torch.fft.ifft(X, n, axis, norm) if _is_native(n) else _sums(X, n, n, 1) * _scale(n, norm)


def irfft(X: torch.Tensor, n: int, axis: int = -1, norm: str = "backward") -> torch.Tensor:
    """Undo `rfft`, or with the norm "forward" all of it but the scale 1/n."""
    if _is_native(n):
        return torch.fft.irfft(X, n, axis, norm)
    weights = np.full(n // 2 + 1, 2 * _scale(n, norm))  # a frequency stands for its conjugate as well, 0, n/2 do not
    weights[:: n // 2 if n % 2 == 0 else n] /= 2
    return _sums(X * _constant(weights, X), n, n, 1).real
