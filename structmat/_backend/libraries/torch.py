"""PyTorch: autograd, `torch.func`, `torch.compile`, `torch.jit.trace`, ONNX export and autocast."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np
import torch

from structmat._backend import cuda
from structmat._backend.libraries.generic import UNCHANGED, Library
from structmat._backend.types import Array, Device, DType, Namespace

_PROMOTED = {"float32", "float64", "complex64", "complex128"}
_HOST_CHARS = {torch.float32: "f", torch.float64: "d", torch.complex64: "F", torch.complex128: "D"}
_HOST_FORMATS = {dtype: (np.dtype(char).str, np.dtype(char).itemsize) for dtype, char in _HOST_CHARS.items()}
_ORDINARY = frozenset({torch.Tensor, torch.nn.Parameter})  # subclasses may have no memory, or record operations
_functorch = torch._C._functorch


class _Memory:
    """What NumPy reads of a tensor on the host, which lives as long as its views.

    `x.numpy()` would forbid the storage to be resized, as FSDP resizes that of a parameter.
    """

    __slots__ = "__array_interface__", "tensor"

    def __init__(self, x: Array) -> None:
        typestr, itemsize = _HOST_FORMATS[x.dtype]
        self.tensor = x
        self.__array_interface__ = {
            "data": (x.data_ptr(), False),
            "shape": tuple(x.shape),
            "strides": None if x.is_contiguous() else tuple([itemsize * step for step in x.stride()]),
            "typestr": typestr,
            "version": 3,
        }


class Torch(Library):
    native_dtypes = frozenset({torch.float32, torch.float64, torch.complex64, torch.complex128})
    cast_hint = "{}.to(torch.float64)"

    def host_char(self, dtype: DType) -> str | None:
        return _HOST_CHARS.get(dtype)

    def host_view(self, x: Array) -> np.ndarray[Any, Any] | None:
        return np.asarray(_Memory(x)) if x.is_cpu and x.dtype in _HOST_FORMATS and self._is_plain(x) else None

    def is_on_host(self, x: Array) -> bool:
        return x.is_cpu and self._has_memory(x)

    def is_ready(self, x: Array, device: Device) -> bool:
        if type(x) not in _ORDINARY or x.device != device or not x.is_contiguous():
            return False
        return not torch.is_autocast_enabled("cpu") if x.is_cpu else self.full_precision(x) is UNCHANGED

    def device_view(self, x: Array) -> Array | None:
        return x.detach() if x.is_cuda and self._is_plain(x) and cuda.is_on() else None

    device_char = host_char

    def address(self, x: Array) -> int:
        return int(x.data_ptr())

    def empty(self, like: Array, shape: tuple[int, ...]) -> Array:
        return torch.empty(shape, dtype=like.dtype, device=like.device)

    @contextmanager
    def launching(self, x: Array) -> Iterator[None]:
        cupy = sys.modules["cupy"]
        stream = torch.cuda.current_stream(x.device).cuda_stream
        with cupy.cuda.Device(x.device.index), cupy.cuda.ExternalStream(stream, x.device.index):
            yield

    def _is_plain(self, x: Array) -> bool:
        """Tell whether operations on a tensor need not be seen by PyTorch."""
        return not (x.requires_grad and torch.is_grad_enabled()) and self._has_memory(x)

    def _has_memory(self, x: Array) -> bool:
        """Tell whether the entries of a tensor are in its memory, and no trace or transformation records operations."""
        return not (
            type(x) not in _ORDINARY
            or torch.compiler.is_compiling()
            or x.layout is not torch.strided
            or x.is_conj()
            or x.is_neg()
            or torch.autograd.forward_ad._current_level >= 0
            or _functorch.peek_interpreter_stack() is not None
            or torch.jit.is_tracing()
        )

    def from_host_view(self, y: np.ndarray[Any, Any]) -> Array:
        return torch.from_numpy(y)

    def workers(self) -> int:
        return int(torch.get_num_threads())

    def default_dtype(self, xp: Namespace) -> DType:
        return torch.get_default_dtype()

    def result_dtype(self, xp: Namespace, first: DType, second: DType) -> DType:
        names = {str(first).removeprefix("torch."), str(second).removeprefix("torch.")}
        if not names <= _PROMOTED:
            return xp.result_type(first, second)
        bits = 64 if {"float64", "complex128"} & names else 32  # torch.compile cannot trace xp.result_type
        return getattr(xp, f"complex{2 * bits}" if {"complex64", "complex128"} & names else f"float{bits}")

    def layout(self, x: Array) -> str:
        return str(x.layout).removeprefix("torch.")

    def strides(self, x: Array) -> tuple[tuple[int, ...], int] | None:
        return x.stride(), 1

    def overlap(self, x: Array, y: Array) -> bool:
        return bool(x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr())

    def takes_writes(self, x: Array) -> bool:
        if torch.compiler.is_compiling() or torch.jit.is_tracing() or (x.requires_grad and torch.is_grad_enabled()):
            return False
        return not _functorch.is_functorch_wrapped_tensor(x)

    def is_large(self, x: Array, limit: int) -> bool:
        if type(x) is not torch.Tensor or torch.compiler.is_compiling() or torch.jit.is_tracing():
            return False  # in a trace the size may be a symbol
        return bool(x.nbytes > limit and x.device.type == "cpu" and self.takes_writes(x))

    def copy(self, xp: Namespace, x: Array) -> Array:
        return x.clone()

    def contiguous(self, xp: Namespace, x: Array) -> Array:
        return x.contiguous()

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        x = x.detach().cpu().resolve_conj().resolve_neg()
        return np.asarray(x.float() if x.dtype == torch.bfloat16 else x)

    def is_traced(self, x: Array) -> bool:
        if x.is_meta or type(x).__name__ == "FakeTensor" or torch.compiler.is_compiling():
            return True
        while _functorch.is_functorch_wrapped_tensor(x) and not _functorch.is_batchedtensor(x):
            x = _functorch.get_unwrapped(x)
        return bool(_functorch.is_batchedtensor(x))

    def is_constant(self, x: Array) -> bool:
        return x.is_cpu and self._is_plain(x.resolve_conj().resolve_neg()) and not self.is_traced(x)

    def may_keep(self, value: Array, sources: tuple[Array, ...]) -> bool:
        if torch.compiler.is_compiling() or value.is_inference():
            return False
        for x in (*sources, value):
            if type(x) is not torch.Tensor or x.requires_grad or _functorch.is_functorch_wrapped_tensor(x):
                return False
        return True

    def stop_gradient(self, x: Array) -> Array:
        return x.detach()

    def static_shape(self, x: Array) -> tuple[int, ...]:
        return tuple(map(int, x.shape)) if torch.jit.is_tracing() else tuple(x.shape)

    def conj(self, xp: Namespace, x: Array) -> Array:
        if x.is_complex() and torch.onnx.is_in_onnx_export():
            return torch.complex(x.real, -x.imag)  # ONNX stores complex numbers as pairs and cannot conjugate them
        return xp.conj(x)

    def index_add(self, xp: Namespace, x: Array, index: Array, n: int) -> Array:
        if x.is_cuda:  # index_add would add in another order at each call; index_put sorts
            y = torch.zeros((n, *x.shape[:-1]), dtype=x.dtype, device=x.device)
            return y.index_put((index,), x.movedim(-1, 0), accumulate=True).movedim(0, -1)
        return torch.zeros((*x.shape[:-1], n), dtype=x.dtype, device=x.device).index_add(-1, index, x)

    def full_precision(self, x: Array) -> AbstractContextManager[object]:
        kind = x.device.type
        enabled = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
        return torch.autocast(kind, enabled=False) if enabled else UNCHANGED

    def transforms(self, xp: Namespace) -> tuple[str, Any, dict[str, Any]]:
        from structmat._backend import torch_fft

        return "torch.fft", torch_fft, {}

    def scales_apart(self, X: Array) -> bool:
        return bool(X.device.type != "cpu")


adapter = Torch()
