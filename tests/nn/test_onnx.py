"""Models on the way to ONNX: `torch.onnx.export` as it is, ONNX Runtime as the judge, in single precision."""

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat.core import OPERATORS

torch = library("torch")
Module = torch.nn.Module  # where PyTorch is left out, the file ends here
nn = library("structmat.nn.torch")
torch_fft = library("structmat._backend.torch_fft")
onnxruntime = library("onnxruntime")


def tensor(host: np.ndarray, single: bool) -> Any:
    kinds = {"f": (torch.float64, torch.float32), "c": (torch.complex128, torch.complex64)}
    return torch.asarray(host, dtype=kinds[host.dtype.kind][single])


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("n", [*range(1, 20), 37, 96, 784, 1021])
def test_transforms_by_those_of_powers_of_two(n: int, single: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against NumPy's, normwise: two transforms of up to four times the length, each with an error of ε log n."""
    lengths = set()

    def noting(transform: Any) -> Any:
        def run(x: Any, n: int | None = None, axis: int = -1, norm: str = "backward") -> Any:
            lengths.add(x.shape[axis] if n is None else n)
            return transform(x, n, axis, norm)

        return run

    for name in ("fft", "ifft", "rfft", "irfft"):
        monkeypatch.setattr(torch.fft, name, noting(getattr(torch.fft, name)))
    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    rng = np.random.default_rng(n)
    eps = np.finfo("float32" if single else "float64").eps
    for given in (n, n + 3, max(1, n - 1)):  # as it is, cropped and padded
        x, y = rng.standard_normal((2, 2, given))
        z = x + 1j * y
        for name, vectors in {"fft": z, "rfft": x, "ifft": np.fft.fft(z, n), "irfft": np.fft.rfft(x, n)}.items():
            transform, wanted = getattr(torch_fft, name), getattr(np.fft, name)(vectors, n)
            found = transform(tensor(vectors, single), n=n)
            assert found.dtype == tensor(wanted, single).dtype
            bound = 4 * eps * np.log2(4 * n) * np.linalg.norm(wanted)
            assert np.linalg.norm(found.numpy() - wanted) < bound
            if name.startswith("i"):
                unscaled = transform(tensor(vectors, single), n=n, norm="forward")
                assert np.linalg.norm(unscaled.numpy() / n - wanted) < bound
    assert all(length & (length - 1) == 0 for length in lengths)


def exported(model: Any, x: Any, file: Path, **options: Any) -> Any:
    """What maps vectors by ONNX Runtime."""
    with warnings.catch_warnings(action="ignore"):  # of the exporter, for its own use of PyTorch
        program = torch.onnx.export(model, (x,), dynamo=True, verbose=False, external_data=False, **options)
    program.save(file)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {session.get_inputs()[0].name: x.numpy()})


def vectors(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_a_model(tmp_path: Path) -> None:
    """Of a prime size, which ONNX Runtime's own transform is inaccurate at; the file stays small."""
    torch.manual_seed(0)
    n = 1021
    layers = nn.CirculantLinear(n, n), torch.nn.ReLU(), nn.BlockCirculantLinear(n, 30, 256), nn.LowRankLinear(30, 5, 3)
    model = torch.nn.Sequential(*layers).eval()
    batch = torch.export.Dim("batch", min=2)
    run = exported(model, vectors(3, n), tmp_path / "model.onnx", dynamic_shapes=({0: batch},))
    assert (tmp_path / "model.onnx").stat().st_size < 4 * n * n / 10
    double = copy.deepcopy(model).double()
    for batch in (1, 2, 9):
        x = vectors(batch, n)
        (y,), wanted = run(x), double(x.double()).detach().numpy()
        assert np.linalg.norm(y - wanted) < 3e-6 * np.linalg.norm(wanted)


def test_adapters_of_peft(tmp_path: Path) -> None:
    peft, adapters = library("peft"), library("structmat.nn.peft")
    config = adapters.BlockCirculantConfig(block_size=4, target_modules=["0", "2"], init_weights="gaussian")
    base = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    model = peft.get_peft_model(base, config).eval()
    x = vectors(3, 12)
    (y,) = exported(model.base_model.model, x, tmp_path / "adapters.onnx", optimize=False)(x)
    np.testing.assert_allclose(y, model(x).detach(), rtol=1e-4, atol=1e-5)


class Side(Module):
    """Layers side by side, each of as many entries as it takes."""

    def __init__(self, layers: dict[str, Any]) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleDict(layers)

    def forward(self, x: Any) -> list[Any]:
        products = [layer(x[:, : layer.in_features]) for layer in self.layers.values()]
        return [torch.view_as_real(y) if y.is_complex() else y for y in products]


# Of the kernels of Tridiagonal, Toeplitz, FCirculant, DCT: left out for the seconds that they take.
ALIKE = {"Banded", "Hankel", "SymmetricToeplitz", "SkewCirculant", "DST"}


def test_every_operator_and_layer(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    examples = {name: entry.example(12, rng) for name, entry in OPERATORS.items() if name not in ALIKE}
    operators = {name: A.to(xp=torch, dtype="float32") for name, A in examples.items()}
    fourier = "BlockCirculant", "Circulant", "FCirculant", "MultilevelCirculant", "Toeplitz"
    operators |= {f"{name}_adjoint": operators[name].H for name in fourier}
    operators["inverse"] = operators["Circulant"] ** -1
    operators["tree"] = sm.DCT(12) @ operators["Circulant"] + 2 * operators["Dense"].H @ operators["Dense"]
    layers = {name: nn.StructuredLinear(A) for name, A in operators.items()}
    layers |= {"toeplitz": nn.ToeplitzLinear(12, 9), "fastfood": nn.FastfoodLinear(12, 9, learn=False)}
    model = Side(layers)
    x = vectors(3, 18)
    run = exported(model, x, tmp_path / "operators.onnx", optimize=False)  # in half the time
    for name, y, wanted in zip(layers, run(x), model(x), strict=True):
        np.testing.assert_allclose(y, wanted.detach(), rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("tracked", [True, False])
def test_the_older_exporter(tracked: bool, tmp_path: Path) -> None:
    """It traces, and knows no Fourier transforms: files hold the matrices, and take batches of any size."""
    torch.manual_seed(0)
    layers = nn.CirculantLinear(12, 9), torch.nn.ReLU(), nn.FastfoodLinear(9, 20), nn.ToeplitzLinear(20, 3)
    model = torch.nn.Sequential(*layers).eval().requires_grad_(tracked)
    file = tmp_path / "model.onnx"
    with warnings.catch_warnings(action="ignore"):  # of the exporter, for its age
        axes = {"x": {0: "batch"}}
        torch.onnx.export(model, (vectors(3, 12),), str(file), dynamo=False, input_names=["x"], dynamic_axes=axes)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    for batch in (1, 5):
        x = vectors(batch, 12)
        (y,) = session.run(None, {"x": x.numpy()})
        np.testing.assert_allclose(y, model(x).detach(), rtol=1e-4, atol=1e-5)
    wanted = model(vectors(3, 12))
    assert wanted.requires_grad == tracked  # tracing has left the layers as they were
