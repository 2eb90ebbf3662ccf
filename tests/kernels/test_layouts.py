"""Vectors in any memory: products and gradients are those of contiguous copies, and of NumPy's transforms."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import torch

import structmat as sm
from structmat._backend import kernels

Array = np.ndarray[Any, Any]

B, N = 6, 16


def odd_offset(x: Array) -> Array:
    """The same entries one byte after a place that is aligned."""
    return np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)


def odd_strides(x: Array) -> Array:
    """Entries of a packed structure, whose rows are no multiple of an entry apart."""
    packed = np.zeros(x.shape[:-1], np.dtype([("gap", "u1"), ("row", x.dtype, x.shape[-1:])]))
    packed["row"] = x
    return packed["row"]


def read_only(x: Array) -> Array:
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "odd offset": odd_offset,
    "odd strides": odd_strides,
    "reversed entries": lambda x: x[..., ::-1].copy()[..., ::-1],
    "reversed rows": lambda x: x[::-1].copy()[::-1],
    "gaps": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "Fortran's order": np.asfortranarray,
    "columns of a matrix": lambda x: np.concatenate([x, x], axis=-1)[..., : x.shape[-1]],
    "one row many times": lambda x: np.broadcast_to(x[:1], x.shape),
    "one entry many times": lambda x: np.broadcast_to(x[:1, :1], x.shape),
    "another byte order": lambda x: x.astype(x.dtype.newbyteorder()),
    "three axes": lambda x: x.reshape(2, -1, x.shape[-1]).transpose(1, 0, 2),
    "a vector": lambda x: np.repeat(x[0], 3)[::3],
    "an odd vector": lambda x: odd_offset(x[0]),
    "read-only": read_only,
}


def circulant(rng: np.random.Generator, char: str) -> tuple[sm.LinearOperator, Array]:
    c = normal(rng, char, N)
    return sm.Circulant(c), scipy.linalg.circulant(c)


def toeplitz(rng: np.random.Generator, char: str) -> tuple[sm.LinearOperator, Array]:
    c, r = normal(rng, char, N - 3), normal(rng, char, N)
    r[0] = c[0]
    return sm.Toeplitz(c, r), scipy.linalg.toeplitz(c, r)


def hankel(rng: np.random.Generator, char: str) -> tuple[sm.LinearOperator, Array]:
    c, r = normal(rng, char, N - 3), normal(rng, char, N)
    r[0] = c[-1]
    return sm.Hankel(c, r), scipy.linalg.hankel(c, r)


def hadamard(rng: np.random.Generator, char: str) -> tuple[sm.LinearOperator, Array]:
    flip = sm.SignFlip.random(N, rng=rng)
    return sm.Hadamard(N, norm="ortho") @ flip, scipy.linalg.hadamard(N) / 4 * flip.signs


def normal(rng: np.random.Generator, char: str, *shape: int) -> Array:
    parts = rng.standard_normal((2, *shape))
    return np.asarray(parts[0] + 1j * parts[1] if char in "FD" else parts[0]).astype(char)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("char", "fdFD")
@pytest.mark.parametrize("make", [circulant, toeplitz, hankel, hadamard])
def test_layouts(make: Callable[..., tuple[sm.LinearOperator, Array]], char: str, layout: str) -> None:
    rng = np.random.default_rng(0)
    A, dense = make(rng, char)
    x, g = (LAYOUTS[layout](normal(rng, char, B, size)) for size in (A.n, A.m))
    tolerance = {"rtol": 0, "atol": 60 * np.finfo(char).eps * np.linalg.norm(dense, 2)}
    assert np.allclose(A.matvec(x), x @ dense.T, **tolerance)
    assert np.allclose(A.rmatvec(g), g @ dense.conj(), **tolerance)
    y, saved = A.forward(x)
    dx, grads = A.backward(saved, g)
    assert np.allclose(y, x @ dense.T, **tolerance)
    assert np.allclose(dx, g @ dense.conj(), **tolerance)
    _, expected = A.vjp(np.array(x, char), np.array(g, char))
    for grad, same in zip(grads, expected, strict=True):
        assert np.allclose(grad, same, rtol=0, atol=60 * np.finfo(char).eps * np.abs(x).max() * np.abs(g).max() * B * N)


@pytest.mark.parametrize("char", "fD")
def test_the_gradient_of_a_circulant_is_a_correlation(char: str) -> None:
    rng = np.random.default_rng(1)
    A, _ = circulant(rng, char)
    for layout in LAYOUTS.values():
        x, g = layout(normal(rng, char, B, N)), layout(normal(rng, char, B, N))
        _, (grad,) = A.vjp(x, g)
        expected = np.fft.ifft(np.conj(np.fft.fft(x)) * np.fft.fft(g)).reshape(-1, N).sum(axis=0)
        assert np.allclose(grad, expected, rtol=0, atol=1e-4 if char == "f" else 1e-12)


@pytest.mark.parametrize("layout", ["odd offset", "an odd vector"])
@pytest.mark.parametrize("make", [circulant, hankel, hadamard])
def test_tensors_in_odd_memory(make: Callable[..., tuple[sm.LinearOperator, Array]], layout: str) -> None:
    rng = np.random.default_rng(2)
    A, dense = make(rng, "f")
    x, g = (torch.from_numpy(LAYOUTS[layout](normal(rng, "f", B, size)).copy()) for size in (A.n, A.m))
    A = A.to(xp=torch)
    odd = [
        torch.frombuffer(bytearray(b"\0" + each.numpy().tobytes()), dtype=torch.float32, offset=1) for each in (x, g)
    ]
    odd = [each.reshape(like.shape) for each, like in zip(odd, (x, g), strict=True)]
    (dx, grads), (same_dx, same_grads) = A.vjp(*odd), A.vjp(x, g)
    assert np.allclose(A.matvec(odd[0]).numpy(), x.numpy() @ dense.T, atol=1e-4)
    for some, same in zip((dx, *grads), (same_dx, *same_grads), strict=True):
        assert torch.allclose(some, same, atol=1e-4)


def test_tensors_take_the_threads_of_pytorch() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert kernels.workers(torch.zeros(3)) == 2
        assert kernels.workers(np.zeros(3)) == scipy.fft.get_workers()
        with sm.set_threads(3):
            assert kernels.workers(torch.zeros(3)) == kernels.workers(np.zeros(3)) == 3
    finally:
        torch.set_num_threads(before)


def test_memory_of_tensors_can_be_resized() -> None:
    """FSDP frees the memory of parameters between products, and gives them another one."""
    column, x = torch.randn(64, dtype=torch.float64, requires_grad=True), torch.randn(3, 64, dtype=torch.float64)
    A, g = sm.Circulant(column), torch.randn(3, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = A.vjp(x, g)
        y, saved = A.forward(x)
        kept, storage = column.clone(), column.untyped_storage()
        size = storage.nbytes()
        storage.resize_(0)
        storage.resize_(size)
        column.copy_(kept)
        found = A.backward(saved, g)
        torch.testing.assert_close(A.matvec(x), y)
    for one, other in ((found[0], expected[0]), (found[1][0], expected[1][0])):
        torch.testing.assert_close(one, other)


def test_views_of_tensors_keep_their_memory() -> None:
    for make in (lambda: torch.arange(6.0), lambda: torch.arange(12.0).reshape(3, 4).T, lambda: torch.ones(0, 3)):
        view = kernels.host_view(make())
        assert view is not None
        np.testing.assert_array_equal(view, make().numpy())
        assert view.base.tensor.data_ptr() == view.ctypes.data or not view.size
    assert kernels.host_view(torch.ones(3, dtype=torch.bfloat16)) is None
