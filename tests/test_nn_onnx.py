"""Models on the way to ONNX: `torch.onnx.export` as it is, ONNX Runtime as the judge, in single precision."""

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat._backend import dft, idft
from structmat._backend import namespace as namespace_of
from structmat.core import OPERATORS

torch = library("torch")
Module = torch.nn.Module  # where PyTorch is left out, the file ends here
nn = library("structmat.nn.torch")
onnxruntime = library("onnxruntime")


def exported(model: Any, x: Any, path: Path) -> Any:
    """A session of ONNX Runtime that runs the model on any number of vectors."""
    batch = torch.export.Dim("batch", min=2)
    with warnings.catch_warnings(action="ignore"):  # of the exporter's own use of PyTorch
        program = torch.onnx.export(model, (x,), dynamo=True, dynamic_shapes=({0: batch},), verbose=False)
    program.save(path)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run(session: Any, x: Any) -> list[np.ndarray]:
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})


def vectors(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """The exporter tells that torchvision is not there."""
    caplog.set_level(logging.ERROR, logger="torch.onnx")


def test_a_model_of_all_layers(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        nn.CirculantLinear(12, 30),
        torch.nn.ReLU(),
        nn.BlockCirculantLinear(30, 21, 7),
        torch.nn.ReLU(),
        nn.ToeplitzLinear(21, 20),
        nn.FastfoodLinear(20, 40),
        torch.nn.ReLU(),
        nn.LowRankLinear(40, 16, 3),
        nn.CirculantLinear(16, 5, learn=False),
    ).eval()
    session = exported(model, vectors(3, 12), tmp_path / "model.onnx")
    for batch in (1, 2, 9):
        x = vectors(batch, 12)
        (y,) = run(session, x)
        torch.testing.assert_close(torch.asarray(y), model(x).detach(), rtol=1e-4, atol=1e-5)


class Side(Module):
    """Layers of operators side by side, each of as many entries as it has columns."""

    def __init__(self, operators: dict[str, sm.LinearOperator]) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleDict({name: nn.StructuredLinear(A) for name, A in operators.items()})

    def forward(self, x: Any) -> list[Any]:
        return [torch.view_as_real(y) if y.is_complex() else y for y in self.each(x)]

    def each(self, x: Any) -> list[Any]:
        return [layer(x[:, : layer.in_features]) for layer in self.layers.values()]


def test_every_operator(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    operators = {name: entry.example(12, rng).to(xp=torch, dtype="float32") for name, entry in OPERATORS.items()}
    operators["tree"] = sm.DCT(12) @ operators["Circulant"] + 2 * operators["Dense"].H @ operators["Dense"]
    model = Side(operators)
    session = exported(model, vectors(3, 16), tmp_path / "operators.onnx")
    x = vectors(5, 16)
    for name, y, wanted in zip(model.layers, run(session, x), model(x), strict=True):
        torch.testing.assert_close(
            torch.asarray(y), wanted.detach(), rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
        )
