"""Large batches in pieces, results in given memory, what `forward` keeps, and small operators as dense matrices."""

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import ALL, Backend, library

import structmat as sm
from structmat.core.registry import OPERATORS

MANY = [backend for backend in ALL if backend.name in {"numpy", "strict", "torch", "jax"}]


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def tree(n: int) -> sm.LinearOperator:
    """An operator with parameters in several places."""
    c, d, t = draw(3, n, seed=1)
    return sm.Circulant(c) @ sm.Diagonal(d) + sm.Toeplitz(t, t[::-1].copy()).H


@pytest.mark.parametrize("chunk_size", [1, 2, 4, 6, 100])
@pytest.mark.parametrize("backend", MANY, ids=repr)
def test_pieces_give_what_the_whole_gives(backend: Backend, chunk_size: int) -> None:
    A = backend.bring(tree(8))
    x, g = (backend.asarray(draw(2, 3, 8, seed=seed)) for seed in (2, 3))

    def close(got: Any, wanted: Any) -> None:
        assert got.shape == wanted.shape
        assert np.allclose(np.asarray(got), np.asarray(wanted), atol=1e-12)

    close(A.matvec(x, chunk_size=chunk_size), A.matvec(x))
    close(A.rmatvec(g, chunk_size=chunk_size), A.rmatvec(g))
    dx, grads = A.vjp(x, g)
    for save in ("spectrum", "input"):
        y, saved = A.forward(x, save=save, chunk_size=chunk_size)
        close(y, A.matvec(x))
        for _ in range(2):
            got_dx, got_grads = A.backward(saved, g)
            close(got_dx, dx)
            for got, wanted in zip(got_grads, grads, strict=True):
                close(got, wanted)
    got_dx, got_grads = A.vjp(x, g, chunk_size=chunk_size)
    close(got_dx, dx)
    for got, wanted in zip(got_grads, grads, strict=True):
        close(got, wanted)


@pytest.mark.parametrize("shape", [(8,), (0, 8), (5, 8), (2, 3, 8)])
def test_empty_and_single_vectors_in_pieces(shape: tuple[int, ...]) -> None:
    A, x = tree(8), draw(*shape, seed=2)
    for size in (1, 3):
        assert A.matvec(x, chunk_size=size).shape == shape
        dx, grads = A.vjp(x, x, chunk_size=size)
        assert dx.shape == shape
        assert len(grads) == 4


def test_pieces_carry_pytorch_s_graph() -> None:
    torch = library("torch")
    A = tree(8).to(xp=torch)
    x = torch.asarray(draw(6, 8, seed=2)).requires_grad_()
    A.matvec(x, chunk_size=4).sum().backward()
    whole, x.grad = x.grad, None
    A.matvec(x).sum().backward()
    assert torch.allclose(whole, x.grad)
    mapped = torch.func.vmap(lambda v: A.matvec(v, chunk_size=2))(x.detach().reshape(2, 3, 8))
    assert torch.allclose(mapped.reshape(6, 8), A.matvec(x.detach()))


@pytest.mark.usefixtures("without_kernels")
@pytest.mark.parametrize(("with_graph", "pieces"), [(None, 3), ("x", 1), ("column", 1)])
def test_large_batches_of_pytorch(with_graph: str | None, pieces: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are taken in pieces unless a graph goes through them, whether graphs are enabled or not."""
    torch = library("torch")
    arrays = {"column": torch.asarray(draw(1024)), "x": torch.asarray(draw(3 * 256, 1024, seed=1))}
    if with_graph:
        arrays[with_graph].requires_grad_()
    A, x = sm.Circulant(arrays["column"]), arrays["x"]
    counts, product = [], sm.Circulant._apply_fused

    def counted(A: Any, xp: Any, x: Any) -> Any:
        counts.append(x.shape[0])
        return product(A, xp, x)

    monkeypatch.setattr(sm.Circulant, "_apply_fused", counted)
    y = A.matvec(x)
    assert counts == pieces * [768 // pieces]
    assert y.requires_grad == (with_graph is not None)
    assert torch.allclose(y[::767].detach(), x[::767].detach() @ A.to_dense().detach().T)


@pytest.mark.parametrize("save", ["spectrum", "input", "nothing"])
@pytest.mark.parametrize("complex_", [False, True])
def test_what_forward_keeps(save: str, complex_: bool) -> None:
    A = tree(6) @ (sm.DFT(6) if complex_ else sm.identity(6))
    x, g = draw(3, 6, seed=2), draw(3, 6, seed=3) * (1 + 1j)
    dx, grads = A.vjp(x, g)
    y, saved = A.forward(x, save=save)
    assert np.allclose(y, A.matvec(x))
    got, got_grads = A.backward(saved, g)
    assert got.dtype == x.dtype
    assert np.allclose(got, dx)
    assert len(got_grads) == (0 if save == "nothing" else len(grads))
    for one, two in zip(got_grads, grads, strict=False):
        assert np.allclose(one, two)


def test_transforms_of_each_policy(counted: Counter) -> None:
    c, x = draw(16), draw(5, 16, seed=1)
    seen = {}
    for save in ("spectrum", "input", "nothing"):
        A = sm.Circulant(c)
        A.spectrum  # noqa: B018
        counted.clear()
        A.backward(A.forward(x, save=save)[1], x)
        seen[save] = counted["rfft", 5], counted["irfft", 5], counted["irfft", 1]
    assert seen == {"spectrum": (2, 2, 1), "input": (3, 2, 1), "nothing": (2, 2, 0)}


@pytest.mark.parametrize("backend", [backend for backend in MANY if backend.name != "jax"], ids=repr)
@pytest.mark.parametrize("shape", [(8,), (5, 8), (2, 3, 8)])
def test_results_in_given_memory(backend: Backend, shape: tuple[int, ...]) -> None:
    A = backend.bring(tree(8))
    x = backend.asarray(draw(*shape, seed=2))
    for product in (A.matvec, A.rmatvec):
        for size in (None, 2):
            out = backend.asarray(np.full(shape, np.nan))
            assert product(x, out=out, chunk_size=size) is out
            assert np.allclose(np.asarray(out), np.asarray(product(x)), atol=1e-12)
    strided = backend.asarray(np.zeros((*shape, 2)))[..., 0]
    A.matvec(x, out=strided, chunk_size=2)
    assert np.allclose(np.asarray(strided), np.asarray(A.matvec(x)), atol=1e-12)


def test_files_in_memory(tmp_path: Path) -> None:
    """A `numpy.memmap` is taken as the array that it is: in pieces, and with all that is checked of memory."""
    x = np.memmap(tmp_path / "x", dtype=float, mode="w+", shape=(6, 4))
    x[...] = draw(6, 4)
    A = sm.Circulant(draw(4, seed=1))
    wanted = A.matvec(np.asarray(x).copy())
    y = A.matvec(x)
    assert type(y) is np.ndarray
    assert np.array_equal(y, wanted)
    assert np.allclose(A.vjp(x, x)[0], A.rmatvec(x))
    for out in (x[::-1], np.asarray(x)[::-1]):
        with pytest.raises(ValueError, match="out shares memory with x"):
            A.matvec(x, out=out, chunk_size=1)
    out = np.memmap(tmp_path / "y", dtype=float, mode="w+", shape=(6, 4))
    assert A.matvec(x, out=out, chunk_size=2) is out
    assert np.allclose(out, wanted)
    read_only = np.memmap(tmp_path / "y", dtype=float, mode="r", shape=(6, 4))
    with pytest.raises(ValueError, match="out is read-only"):
        A.matvec(x, out=read_only)


def test_large_files_in_memory_are_taken_in_pieces(tmp_path: Path) -> None:
    A, x = sm.Circulant(np.ones(1024, np.float32)), np.memmap(tmp_path / "x", np.float32, "w+", shape=(4096, 1024))
    A.matvec(x[:1])
    tracemalloc.start()
    A.matvec(x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * x.nbytes


def test_parameters_in_files_are_plain_arrays(tmp_path: Path) -> None:
    column = np.memmap(tmp_path / "column", dtype=float, mode="w+", shape=6)
    column[...] = draw(6)
    column.flush()
    kept = np.memmap(tmp_path / "column", dtype=float, mode="r", shape=6)
    A, x = sm.Circulant(kept), draw(3, 6, seed=1)
    assert type(A.column) is np.ndarray
    assert np.shares_memory(A.column, kept)
    assert np.array_equal(A.matvec(x), sm.Circulant(np.asarray(column)).matvec(x))
    assert np.array_equal(A.with_params([kept]).column, column)


def test_large_files_through_out(tmp_path: Path) -> None:
    """Files are read and written in place; the product needs a spectrum and no more."""
    A, options = sm.Circulant(draw(4096).astype("f")), {"dtype": "f", "mode": "w+", "shape": (2**14, 4096)}  # 256 MiB
    x, out = (np.memmap(tmp_path / name, **options) for name in "xy")
    x[::1000] = draw(4096, seed=1)
    A.matvec(x[:1])
    tracemalloc.start()
    A.matvec(x, out=out)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24
    assert np.array_equal(out[:2000], A.matvec(np.asarray(x[:2000])))
    assert not out[-1].any()


def test_wrong_memory() -> None:
    A, x = sm.Circulant(draw(4)), draw(3, 4)
    read_only = np.zeros((3, 4))
    read_only.flags.writeable = False
    jax_out = library("jax.numpy").zeros((3, 4))
    for error, out, message in (
        (ValueError, np.zeros((2, 4)), r"out has shape \(2, 4\); expected that of the product, \(3, 4\)\."),
        (TypeError, np.zeros((3, 4), np.float32), "out has dtype float32; expected that of the product, float64"),
        (TypeError, [0.0] * 4, "out is a list; expected an array of x's library, to write to"),
        (TypeError, jax_out, "out is an array of jax; expected an array of x's library, to write to"),
        (ValueError, read_only, "out is read-only; expected an array to write to"),
        (ValueError, x, "out shares memory with x or the operator; expected an array of its own"),
        (ValueError, x[::-1], "out shares memory with x or the operator"),
    ):
        with pytest.raises(error, match=rf"Circulant\(4×4\)\.matvec: {message}"):
            A.matvec(x, out=out)
    with pytest.raises(ValueError, match="out shares memory with g or the operator"):
        A.rmatvec(draw(4, seed=3), out=A.column)
    y = library("jax.numpy").ones(4)
    with pytest.raises(TypeError, match="out is an array of jax that takes no writes; expected one that is neither"):
        A.to(xp=library("jax.numpy")).matvec(y, out=y)


@pytest.mark.parametrize("size", [0, -2, 1.5, True, "3"])
def test_wrong_sizes_of_pieces(size: Any) -> None:
    A, x = sm.Circulant(draw(4)), draw(3, 4)
    calls = {
        "matvec": lambda: A.matvec(x, chunk_size=size),
        "rmatvec": lambda: A.rmatvec(x, chunk_size=size),
        "forward": lambda: A.forward(x, chunk_size=size),
        "vjp": lambda: A.vjp(x, x, chunk_size=size),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=rf"Circulant\(4×4\)\.{name}: chunk_size is {size!r}; expected a positive"):
            call()


def test_wrong_policy() -> None:
    with pytest.raises(ValueError, match=r"forward: save is 'all'; expected one of 'spectrum', 'input', 'nothing'\."):
        sm.Circulant(draw(4)).forward(draw(4), save="all")
    for save in ("spectrum", "input", "nothing"):
        with pytest.raises(ValueError, match=r"Circulant\(4×4\)\.forward: x has shape \(5,\)"):
            sm.Circulant(draw(4)).forward(draw(5), save=save)


def peak(call: Any) -> int:
    tracemalloc.start()
    result = call()  # noqa: F841  (held until the peak is read)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.parametrize(
    "A", [sm.Circulant(draw(1024)), sm.projections.fastfood(1024, 1024, rng=0)], ids=["circulant", "fastfood"]
)
def test_memory_is_bounded(A: sm.LinearOperator) -> None:
    """32 MiB of vectors: unasked, a product takes its result and some blocks of 1 MiB."""
    x = draw(4096, 1024)
    A.vjp(x[:1], x[:1])  # what the operator keeps
    assert peak(lambda: A.matvec(x)) <= x.nbytes + 2**23
    assert peak(lambda: A.vjp(x, x)) <= x.nbytes + 2**24
    assert peak(lambda: A.matvec(x, out=np.empty_like(x))) <= x.nbytes + 2**23


def test_pieces_side_by_side() -> None:
    """The same pieces in the same order: the same digits."""
    A, x = tree(512), draw(3000, 512).astype("float32")
    A = A.to(dtype="float32")
    with sm.set_threads(1):
        y, dx, grads = A.matvec(x), *A.vjp(x, x)
        with sm.set_threads(2):
            assert np.array_equal(A.matvec(x), y)
            for got_dx, got_grads in (A.vjp(x, x), A.backward(A.forward(x)[1], x)):
                assert np.array_equal(got_dx, dx)
                assert all(map(np.array_equal, got_grads, grads))


def test_an_error_in_a_piece_is_raised() -> None:
    calls = []

    def product(x: np.ndarray) -> np.ndarray:
        calls.append(x)
        if len(calls) == 3:
            raise ZeroDivisionError
        return x

    A = sm.FunctionOperator((4, 4), product, product)
    with sm.set_threads(2), pytest.raises(ZeroDivisionError):
        A.matvec(np.ones((9, 4)), chunk_size=1)


def test_pieces_are_large_enough_for_large_operators() -> None:
    """A dense matrix must not be read anew for a few vectors at a time."""
    A = sm.Dense(draw(512, 512))
    calls = []
    original = type(A)._matvec

    class Counting(type(A)):  # type: ignore[misc]
        def _matvec(self, xp: Any, X: Any) -> Any:
            calls.append(len(X))
            return original(self, xp, X)

    Counting(A.matrix).matvec(np.ones((4096, 512)))
    assert min(calls[:-1]) >= 4 * 512


def test_the_dense_crossover_warns_and_does_nothing() -> None:
    A, x = sm.Circulant(draw(9)), draw(9)
    with pytest.warns(DeprecationWarning, match=r"sm\.Dense\(A\.to_dense\(\)\)"), sm.set_dense_crossover(64):
        y = A.matvec(x)
    assert np.array_equal(y, A.matvec(x))


@pytest.mark.parametrize("name", ["Circulant", "Toeplitz", "Householder", "SkewCirculant"])
@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_what_is_kept_cuts_no_graph(name: str, dtype: str) -> None:
    """A product without a graph keeps spectra; one that asks for gradients later can't take them."""
    torch = library("torch")
    A = OPERATORS[name].example(6, np.random.default_rng(0)).to(xp=torch, dtype=dtype)
    x = torch.ones(A.n, dtype=A.dtype)
    A.matvec(x)
    A.params[0].requires_grad_()
    for _ in range(2):
        A.params[0].grad = None
        A.matvec(x).square().sum().backward()
        assert A.params[0].grad.abs().sum() > 0
