"""The CUDA source, on the host: products and gradients agree with direct sums, and accesses meet few banks twice."""

import ctypes
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from structmat._backend import cuda

Array = np.ndarray[Any, Any]
CASES = [(n, char) for n in (32, 128, 512) for char in "fdF"]
CASES += [(64, "f"), (2048, "d"), (4096, "f"), (16384, "f")]


def type_of(n: int, char: str) -> str:
    """The C++ type for rows of length n."""
    layout = cuda.layout(n, char)
    assert layout is not None
    scalar, real = ("float" if char in "fF" else "double"), ("true" if char in "fd" else "false")
    return f"structmat::Circulant<{scalar}, {real}, {layout.rows}, {', '.join(map(str, layout.radices))}>"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The phases for all cases, in one library."""
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("no g++")
    folder = tmp_path_factory.mktemp("cuda")
    lines = [f"RUN(run_{n}_{char}, {type_of(n, char)})\n" for n, char in CASES]
    (folder / "source.cpp").write_text(f'#include "{Path(__file__).with_name("cuda_source.cpp")}"\n{"".join(lines)}')
    options = [
        "-std=c++17",
        "-O1",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        f'-DSTRUCTMAT_SOURCE="{cuda.SOURCE}"',
    ]
    subprocess.run([compiler, *options, folder / "source.cpp", "-o", folder / "source.so"], check=True)
    return ctypes.CDLL(str(folder / "source.so"))


def convolved(c: Array, x: Array) -> Array:
    """The product with the circulant matrix, by one sum for each entry."""
    n = c.size
    rows = np.arange(0, n, max(n // 64, 1))
    return np.stack([x @ c[(i - np.arange(n)) % n] for i in rows], axis=-1)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("n", "char"), CASES)
def test_the_source_agrees_with_direct_sums(library: ctypes.CDLL, n: int, char: str, sign: int) -> None:
    rng = np.random.default_rng(n)
    layout = cuda.layout(n, char)
    assert layout is not None
    B, stride = layout.rows + 1, n + 3

    def normal(*shape: int) -> Array:
        parts = rng.standard_normal((2, *shape))
        return np.asarray(parts[0] + 1j * parts[1] if char == "F" else parts[0]).astype(char)

    c, x, g = normal(n), normal(B, stride), normal(B, stride)
    y, dx, dc, counts = np.full_like(x, 7), np.full_like(x, 7), np.empty_like(c), np.zeros(2, np.int64)
    w = cuda.twiddles(layout.radices, char in "fd").astype("F" if char in "fF" else "D")
    pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (c, x, g, w, y, dx, dc, counts)]
    library[f"run_{n}_{char}"](*pointers[:3], B, stride, sign, *pointers[3:])

    wide = c.astype(complex if char == "F" else float)
    matrix = wide if sign == 1 else np.roll(wide[::-1], 1).conj()
    adjoint = np.roll(wide[::-1], 1).conj() if sign == 1 else wide
    left, right = (x, g) if sign == 1 else (g, x)
    each = np.arange(0, n, max(n // 64, 1))
    gradient = np.stack(
        [(np.roll(left[:, :n].astype(wide.dtype), k, axis=1).conj() * right[:, :n]).sum() for k in each]
    )
    for found, expected in ((y, convolved(matrix, x[:, :n])), (dx, convolved(adjoint, g[:, :n])), (dc, gradient)):
        eps = np.finfo(char).eps
        error = np.abs(found[..., each] - expected).max()
        assert error < 2 * eps * np.log2(n) * np.abs(expected).max(), error / eps / np.abs(expected).max()
    assert (y[:, n:] == 7).all()
    assert (dx[:, n:] == 7).all()
    assert counts[0] <= counts[1] * (1 if n >= 128 else 1.5)
