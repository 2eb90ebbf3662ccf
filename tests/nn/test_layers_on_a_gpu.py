"""PyTorch's layers on a GPU: the numbers of the CPU, and no transfer that nobody asked for."""

import contextlib
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from backends import library

import structmat as sm

torch = library("torch")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs PyTorch with a GPU")
nn = library("structmat.nn.torch")

LAYERS = {
    "circulant": lambda: nn.CirculantLinear(96, 64),
    "prime": lambda: nn.CirculantLinear(83, 83),
    "power of two": lambda: nn.CirculantLinear(1024, 1024),
    "blocks": lambda: nn.BlockCirculantLinear(96, 64, 16),
    "toeplitz": lambda: nn.ToeplitzLinear(96, 64),
    "fastfood": lambda: nn.FastfoodLinear(96, 64),
    "low rank": lambda: nn.LowRankLinear(96, 64, 3),
    "operator": lambda: nn.StructuredLinear(sm.projections.srht(96, 64, rng=0).to(xp=torch)),
}


def trained(layer: Any, x: Any, g: Any) -> list[Any]:
    """Return outputs and gradients."""
    x = x.clone().requires_grad_()
    y = layer(x)
    y.backward(g)
    return [y.detach(), x.grad, *(parameter.grad for parameter in layer.parameters())]


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """Refuse every call that makes the CPU wait for the GPU, as copies between them do."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def both(name: str, dtype: Any) -> tuple[Any, Any, Any, Any]:
    torch.manual_seed(0)
    layer = LAYERS[name]().to(dtype)
    x, g = (torch.randn(5, size, dtype=dtype) for size in (layer.in_features, layer.out_features))
    return layer, copy.deepcopy(layer).cuda(), x, g


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", LAYERS)
def test_numbers_are_those_of_the_cpu(name: str, dtype: Any) -> None:
    layer, moved, x, g = both(name, dtype)
    limit = 1e-5 if dtype == torch.float32 else 1e-13
    for found, wanted in zip(trained(moved, x.cuda(), g.cuda()), trained(layer, x, g), strict=True):
        assert found.is_cuda
        assert found.dtype == wanted.dtype
        torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=limit * float(wanted.abs().max()))


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_waits(name: str) -> None:
    """The first step may prepare tables."""
    _, layer, x, g = both(name, torch.float32)
    x, g = x.cuda(), g.cuda()
    trained(layer, x, g)
    with no_waiting():
        trained(layer, x, g)


@pytest.mark.parametrize("name", LAYERS)
def test_autocast(name: str) -> None:
    _, layer, x, _ = both(name, torch.float32)
    with torch.no_grad():
        wanted = layer(x.cuda())
        with torch.autocast("cuda", dtype=torch.bfloat16):
            y = layer(x.cuda())
    assert float((y - wanted).abs().max()) <= 0.05 * float(wanted.abs().max())


@pytest.mark.parametrize("name", ["circulant", "power of two", "fastfood"])
def test_graphs_of_cuda(name: str) -> None:
    """A product can be captured in a graph and played back with other vectors."""
    layer, moved, x, _ = both(name, torch.float32)
    held = x.cuda()
    with torch.no_grad():
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            moved(held)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            y = moved(held)
        held.copy_(2 * x)
        graph.replay()
        wanted = layer(2 * x)
    torch.testing.assert_close(y.cpu(), wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


def test_compiled() -> None:
    layer, moved, x, g = both("circulant", torch.float32)
    compiled = torch.compile(moved)
    for found, wanted in zip(trained(compiled, x.cuda(), g.cuda()), trained(layer, x, g), strict=True):
        torch.testing.assert_close(found.cpu(), wanted, rtol=0, atol=1e-5 * float(wanted.abs().max()))


def test_arrays_of_two_devices_are_refused() -> None:
    A = sm.Circulant(torch.randn(8, device="cuda"))
    with pytest.raises(TypeError, match="an array of numpy, the operator's are of torch"):
        A @ np.ones(8)
    with pytest.raises((TypeError, ValueError), match="cuda"):
        A @ torch.ones(8)
