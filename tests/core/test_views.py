"""Arrays in any layout: strided, repeated, unaligned, byte-swapped, read-only, or in a file."""

import zlib

import numpy as np
import pytest
import scipy.fft
from backends import ALL, Backend, library
from transforms import Watching

import structmat as sm
from structmat._backend import fft, memory
from structmat.core import OPERATORS
from structmat.testing.views import layouts, same_entries

NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))
BY_TRANSFORM = {
    "BlockCirculant": lambda draw, n: sm.BlockCirculant(draw(2, 1, n)),
    "Circulant": lambda draw, n: sm.Circulant(draw(n)),
    "DFT": lambda _, n: sm.DFT(n),
    "DCT": lambda _, n: sm.DCT(n),
    "FCirculant": lambda draw, n: sm.FCirculant(draw(n), 0.5),
    "Hankel": lambda draw, n: sm.Hankel(draw(n), draw(n)),
    "MultilevelCirculant": lambda draw, n: sm.MultilevelCirculant(
        draw(1 + 3 * (n % 4 == 0), n // (1 + 3 * (n % 4 == 0)))
    ),
    "SkewCirculant": lambda draw, n: sm.SkewCirculant(draw(n)),
    "Toeplitz": lambda draw, n: sm.Toeplitz(draw(n), draw(n)),
}


def example(name: str, dtype: str, n: int = 9) -> sm.LinearOperator:
    return OPERATORS[name].example(n, np.random.default_rng(zlib.crc32(name.encode()))).to(dtype=dtype)


@pytest.mark.parametrize("dtype", ["float64", "complex64"])
@pytest.mark.parametrize("name", NAMES)
def test_views(name: str, dtype: str) -> None:
    sm.testing.check_operator(example(name, dtype), checks=["views"])


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("n", [64, 83])  # 83 is transformed at another length
@pytest.mark.parametrize("name", BY_TRANSFORM)
def test_large_views(name: str, n: int, dtype: str) -> None:
    """Plans of one layout must not serve another."""
    rng = np.random.default_rng(n)
    other = sm.Circulant(np.ones(n // 2, dtype))

    def draw(*shape: int) -> np.ndarray:
        host = rng.standard_normal(shape)
        return (host + 1j * rng.standard_normal(shape) if "complex" in dtype else host).astype(dtype)

    A = BY_TRANSFORM[name](draw, n)
    matrix = sm.testing.dense_pair(A)[0].astype(complex)
    bound = 30 * np.finfo(dtype).eps * np.linalg.norm(matrix, 2)
    for layout, x in layouts(draw(3, A.n)):
        many = np.broadcast_to(x, (8192 // n, *x.shape))
        wanted, lengths = x @ matrix.T, np.linalg.norm(x, axis=-1)
        for product in (A.matvec, lambda x: A.forward(x)[0]):
            for vectors in (x, many):
                other.matvec(np.ones(n // 2, dtype))
                assert np.all(np.linalg.norm(product(vectors) - wanted, axis=-1) <= bound * lengths), layout


def test_the_gradient_of_a_mean() -> None:
    """It is one number, broadcast."""
    rng = np.random.default_rng(0)
    A, x = sm.Circulant(rng.standard_normal(64)), rng.standard_normal((5, 64))
    g = np.broadcast_to(np.asarray(1 / x.size), x.shape)
    dx, (dc,) = A.vjp(x, g)
    assert np.allclose(dx, A.column.sum() / x.size)
    assert np.allclose(dc, x.sum() / x.size)


def test_layouts_are_what_they_say() -> None:
    x = np.arange(12.0).reshape(3, 4)
    views = dict(layouts(x))
    for name, view in same_entries(x):
        assert np.array_equal(view, x), name
        assert name == "memory map" or np.array_equal(views[name], x)
    assert {name for name, view in views.items() if memory.self_overlaps(view)} == {
        "windows",
        "one number a vector",
        "one vector",
    }
    z = dict(same_entries(x.astype(complex)))["field of records"]
    assert z.strides == (96, 24)
    assert memory.native(z).strides == (64, 16)
    assert memory.native(x[::-1]).strides == (-32, 8)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_linear_algebra_of_views(dtype: str) -> None:
    """`numpy.linalg` itself reads a field of records wrong where an entry is twice as wide as its alignment."""
    square = np.random.default_rng(0).standard_normal((3, 3)).astype(dtype)
    for view in dict(same_entries(square)).values():
        assert np.allclose((sm.Dense(view) ** -1).to_dense() @ square, np.eye(3), atol=1e-4)
    for name in ("Circulant", "Dense", "LowRank", "Tridiagonal", "Banded", "BlockCirculant", "SymmetricToeplitz"):
        A = example(name, dtype, 6)
        b = (np.arange(A.m) + 1).astype(dtype)
        calls = [lambda B, _: sm.linalg.svdvals(B), lambda B, _: sm.linalg.norm(B, 2)]
        if A.m == A.n:
            calls += [sm.linalg.solve, lambda B, _: sm.linalg.det(B)]
        if name in ("Circulant", "Tridiagonal"):
            calls.append(lambda B, b: (B**-1).vjp(b, b)[0])
        for call in calls:
            wanted = call(A, b)
            for views in zip(*[same_entries(value) for value in (*A.params, b)], strict=True):
                *params, right = (view for _, view in views)
                got = call(A.with_params(params), right)
                close = np.allclose(got, wanted, rtol=1e6 * np.finfo(dtype).eps, atol=0)
                assert close, (name, views[0][0])


def remade(A: sm.LinearOperator) -> sm.LinearOperator:
    """The operator that its constructor makes of its fields."""
    return type(A)(**{name: value for name, value in A._fields.items() if not name.startswith("_")})


@pytest.mark.parametrize("backend", [b for b in ALL if b.name in {"torch", "jax", "strict"}], ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "FunctionOperator"])
def test_moves_of_any_layout(backend: Backend, dtype: str, name: str) -> None:
    """Parameters and constants, in any layout and byte order, arrive as the numbers that they are."""
    A = example(name, dtype)
    other = dtype.replace("32", "64").replace("128", "64")
    for views in zip(*[same_entries(value) for value in A._arrays], strict=True):
        B = A._with_arrays([view for _, view in views])
        for operator in (B, remade(B)):
            for target in (None, other):
                moved = operator.to(xp=backend.xp, dtype=target)
                assert moved.dtype == (A.dtype and getattr(backend.xp, target or dtype))
                for array, old in zip(moved._arrays, A._arrays, strict=True):
                    assert np.array_equal(np.asarray(array), old.astype(np.asarray(array).dtype)), views[0][0]


def test_results_in_repeated_memory_are_refused() -> None:
    torch = library("torch")
    for A, out in (
        (sm.Circulant(np.ones(4)), np.lib.stride_tricks.as_strided(np.zeros(8), (3, 4), (8, 8), writeable=True)),
        (sm.Circulant(np.ones(4)), np.lib.stride_tricks.as_strided(np.zeros(8), (3, 4), (0, 8), writeable=True)),
        (sm.Circulant(torch.ones(4)), torch.zeros(4).expand(3, 4)),
        (sm.Circulant(torch.ones(4)), torch.zeros(8).as_strided((3, 4), (1, 1))),
    ):
        x = A.xp.ones((3, 4), dtype=A.dtype)
        with pytest.raises(
            ValueError, match="matvec: out has entries that share memory; expected an array with a place"
        ):
            A.matvec(x, out=out)


def test_backends_of_scipy_are_given_plain_arrays() -> None:
    """They may read repeated entries wrong, as mkl_fft does."""
    xp = sm.Circulant(np.ones(1)).xp
    seen: list[np.ndarray] = []
    with scipy.fft.set_backend(Watching(lambda name, x: seen.append(x))):
        for _, x in layouts(np.ones((3, 8))):
            fft.idft(xp, fft.dft(xp, x), 8, real=True)
            sm.MultilevelCirculant(np.ones((2, 4))).matvec(x)
    assert len(seen) > 40
    assert all(0 not in x.strides and x.flags.aligned and x.dtype.isnative for x in seen)
