"""What products do on a GPU, as far as that can be seen without one: no test here needs any.

Arrays of array_api_strict stand in for CuPy's. Their transforms take the arguments of CuPy 14, and destroy what they
may overwrite.
"""

import ast
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import array_api_strict as strict
import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat._backend import fft, libraries
from structmat._backend.libraries.cupy import adapter
from structmat.core.registry import OPERATORS

Calls = list[tuple[str, str, bool]]


class Transforms(ModuleType):
    """The transforms of `cupyx.scipy.fft` for arrays of array_api_strict; notes each call."""

    def __init__(self) -> None:
        super().__init__("cupyx.scipy.fft")
        self.calls: Calls = []

    def _run(self, name: str, x: Any, n: int | None, axis: int, norm: str | None, *, overwrite_x: bool) -> Any:
        self.calls.append((name, norm or "backward", overwrite_x))
        y = getattr(strict.fft, name)(x, n=n, axis=axis, norm=norm or "backward")
        if overwrite_x:
            x[...] = math.nan
        return y

    def fft(self, x: Any, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False) -> Any:
        return self._run("fft", x, n, axis, norm, overwrite_x=overwrite_x)

    def ifft(self, x: Any, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False) -> Any:
        return self._run("ifft", x, n, axis, norm, overwrite_x=overwrite_x)

    def rfft(self, x: Any, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False) -> Any:
        return self._run("rfft", x, n, axis, norm, overwrite_x=overwrite_x)

    def irfft(self, x: Any, n: Any = None, axis: int = -1, norm: Any = None, overwrite_x: bool = False) -> Any:
        return self._run("irfft", x, n, axis, norm, overwrite_x=overwrite_x)


@pytest.fixture
def cupyx(monkeypatch: pytest.MonkeyPatch) -> Iterator[Transforms]:
    """Make the library take array_api_strict for CuPy."""
    transforms = Transforms()
    known = libraries.of_namespace
    monkeypatch.setattr(libraries, "of_namespace", lambda xp: adapter if xp is strict else known(xp))
    monkeypatch.setitem(sys.modules, "cupyx.scipy.fft", transforms)
    fft._of_library.cache_clear()
    yield transforms
    fft._of_library.cache_clear()


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_what_transforms_overwrite_is_not_needed(name: str, cupyx: Transforms) -> None:
    sm.testing.check_operator(OPERATORS[name].example(9, np.random.default_rng(0)).to(xp=strict))


def test_nor_by_inverses(cupyx: Transforms) -> None:
    for n in (9, 83):  # as it is, and padded
        sm.testing.check_operator(sm.Circulant(draw(n)).to(xp=strict) ** -1)
    assert ("irfft", "backward", True) in cupyx.calls


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


FILTERS = {
    "circulant": sm.Circulant(draw(8)),
    "complex": sm.Circulant(draw(9) + 1j * draw(9, seed=1)),
    "padded": sm.Circulant(draw(83)),
    "toeplitz": sm.Toeplitz(draw(5), draw(7, seed=1)),
    "hankel": sm.Hankel(draw(5), draw(7, seed=1)),
}


@pytest.mark.parametrize("name", FILTERS)
def test_products_take_no_pass_to_divide_by_n(name: str, cupyx: Transforms) -> None:
    """CuPy and PyTorch on a GPU divide by n in one, so it is the kernel that is divided."""
    A = FILTERS[name]
    B = A.to(xp=strict)
    for product in ("matvec", "rmatvec"):
        vectors = draw(3, A.n if product == "matvec" else A.m, seed=2)
        before = strict.asarray(vectors)
        found = np.asarray(getattr(B, product)(before))
        assert np.allclose(found, getattr(A, product)(vectors), rtol=1e-12, atol=1e-12)
        assert np.array_equal(np.asarray(before), vectors)
    there, back = ("fft", "ifft") if A._is_complex else ("rfft", "irfft")
    assert set(cupyx.calls) == {(there, "backward", False), (back, "forward", True)}


@pytest.mark.usefixtures("without_kernels")
@pytest.mark.parametrize(("where", "norm"), [("cpu", "backward"), ("meta", "forward")])
def test_pytorch_divides_by_n_where_that_is_free(where: str, norm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = library("torch")
    norms, true = [], torch.fft.irfft

    def irfft(X: Any, n: int, axis: int, norm: str) -> Any:
        norms.append(norm)
        return true(X, n, axis, norm)

    monkeypatch.setattr(torch.fft, "irfft", irfft)
    A = FILTERS["circulant"].to(xp=torch, device=where)
    A.matvec(torch.empty(3, 8, dtype=torch.float64, device=where))
    assert norms == [norm]


KERNELS = {
    *("_right", "_left", "_matvec", "_rmatvec", "_grad", "_apply_fused", "_apply_adjoint_fused"),
    *("_apply", "_apply_adjoint", "_forward", "_residuals", "_backward", "_promote"),
}


def test_no_kernel_asks_for_a_value() -> None:
    """On a GPU that would wait for all work before it: no float(), bool(), int() or .item() in what products run."""
    package = Path(sm.__file__).parent
    seen = 0
    for path in (*package.glob("operators/*.py"), *package.glob("core/*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(function, ast.FunctionDef) or function.name not in KERNELS:
                continue
            seen += 1
            called = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
            names = {f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in called}
            forbidden = {"float", "bool", "int", "complex", "item", "tolist", "to_host", "asnumpy", "get"}
            assert not names & forbidden, f"{path.name}: {function.name} calls {names & forbidden}"
    assert seen > 100


@pytest.mark.parametrize("name", sorted(set(OPERATORS) - {"FunctionOperator"}))
def test_products_need_no_values(name: str) -> None:
    """PyTorch's device "meta" has shapes and dtypes only: whatever looks at a value there raises."""
    torch = library("torch")
    A = OPERATORS[name].example(9, np.random.default_rng(0)).to(xp=torch, device="meta")
    x, g = torch.empty(3, A.n, device="meta"), torch.empty(3, A.m, device="meta")
    assert A.matvec(x).shape == (3, A.m)
    dx, grads = A.vjp(x, g)
    assert dx.shape == (3, A.n)
    assert [grad.shape for grad in grads] == [value.shape for value in A.params]


@pytest.mark.parametrize(("dtype", "factor"), [("float32", 1), ("complex128", 1 + 2j)])
def test_sums_at_indices_are_in_a_fixed_order(dtype: str, factor: complex) -> None:
    rng = np.random.default_rng(0)
    for count, n in [(0, 3), (1, 1), (7, 3), (40, 9), (5, 60)]:
        index = rng.integers(0, n, count)
        x = (rng.integers(-9, 9, (2, 3, count)) * factor).astype(dtype)
        wanted = np.zeros((2, 3, n), dtype)
        np.add.at(wanted, (..., index), x)
        assert np.array_equal(adapter.index_add(np, x, index, n), wanted)
