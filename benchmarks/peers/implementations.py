"""Implementations of each kind of problem: structmat's, and each peer's as its users write it.

`forward` is a product; arrays that depend on the parameter alone, such as spectra, are kept from before. `step` is a
training step: the product, the gradient to x and the gradient to the parameter, which is new in each step.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
import scipy.linalg

import structmat as sm
from benchmarks.measuring import Call, Within
from benchmarks.peers.problems import KINDS, Array, Problem, Shape, arrays, exact, off, reversed_blocks
from structmat import _kernels

PURE = "structmat, no kernels"
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
LARGEST_DENSE = 4096


class Calls(NamedTuple):
    """Calls that return y, and (y, dx, gradient to the parameter), in arrays of the implementation's library."""

    forward: Call
    step: Call | None = None


class Implementation(NamedTuple):
    """One implementation of one kind of problem."""

    name: str
    needs: tuple[str, ...]  # modules that must be installed
    make: Callable[[SimpleNamespace], Calls]
    layout: str  # of its parameter: columns, rows, a whole matrix, or a symmetric Toeplitz matrix
    fits: Callable[[Shape], bool]

    def calls(self, problem: Problem) -> Calls:
        """Make the calls for a problem."""
        return self.make(arrays(problem, self.layout))

    def missing(self) -> str | None:
        """Return why the implementation can't run here; None if it can."""
        return next(filter(None, map(import_error, self.needs)), None)


@cache
def import_error(module: str) -> str | None:
    """Return why a module can't be imported; None if it can."""
    try:
        with without_mkl_fft() if module == "pylops" else nullcontext():
            importlib.import_module(module)
    except Exception as error:  # noqa: BLE001  (whatever a broken installation raises)
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return None


@contextmanager
def without_mkl_fft() -> Iterator[None]:
    """Hide mkl_fft from PyLops, which would import interfaces that need mkl-service."""
    known = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "mkl_fft"}
    sys.modules["mkl_fft"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["mkl_fft"]
        sys.modules.update(known)


IMPLEMENTATIONS: dict[str, dict[str, Implementation]] = {kind: {} for kind in KINDS}


def implementation(
    kind: str,
    name: str,
    *needs: str,
    layout: str = "column",
    fits: Callable[[Shape], bool] = lambda shape: True,
) -> Callable[[Callable[[SimpleNamespace], Calls]], Callable[[SimpleNamespace], Calls]]:
    """Register a function that makes the calls for a problem."""

    def enter(make: Callable[[SimpleNamespace], Calls]) -> Callable[[SimpleNamespace], Calls]:
        IMPLEMENTATIONS[kind][name] = Implementation(name, needs, make, layout, fits)
        return make

    return enter


def errors(one: Implementation, problem: Problem, calls: Calls) -> dict[str, float]:
    """Return the error of each result in units of rounding."""
    results = (calls.forward(), *(calls.step() if calls.step else ()))
    wanted = list(exact(problem, one.layout).items())[: len(results)]
    return {name: off(got, right, problem.dtype) for got, (name, right) in zip(results, wanted, strict=True)}


# ---------------------------------------------------------------------- circulant products: structmat


def operator_calls(A: sm.LinearOperator, p: SimpleNamespace) -> Calls:
    """Multiply by an operator that keeps its spectrum; make a new operator in each step."""

    def step() -> tuple[Array, ...]:
        fresh = type(A)(*A.params)
        y, saved = fresh.forward(p.x)
        dx, grads = fresh.backward(saved, p.g)
        return (y, dx, *grads)

    return Calls(lambda: A.matvec(p.x), step)


@implementation("circulant", "structmat")
def _(p: SimpleNamespace) -> Calls:
    return operator_calls(sm.Circulant(p.column), p)


@implementation("blocks", "structmat")
def _(p: SimpleNamespace) -> Calls:
    return operator_calls(sm.BlockCirculant(p.blocks), p)


@implementation("projection", "structmat")
def _(p: SimpleNamespace) -> Calls:
    """Multiply as `circulant_projection(n, n // 2)` does, by signs first, which all are 1 here."""
    n = len(p.column)
    A = sm.Restriction(n, np.arange(n // 2)) @ sm.Circulant(p.column) @ sm.SignFlip(np.ones(n, np.int8))
    return Calls(lambda: A.matvec(p.x))


@implementation("projection", "circulant product")
def _(p: SimpleNamespace) -> Calls:
    A = sm.Circulant(p.column)
    return Calls(lambda: A.matvec(p.x)[..., : len(p.column) // 2])


@implementation("circulant", "structmat layer", "torch")
def _(p: SimpleNamespace) -> Calls:
    """Multiply by `CirculantLinear`, whose signs and bias are left out."""
    import torch

    from structmat.nn.torch import CirculantLinear

    layer = CirculantLinear(len(p.column), len(p.column), bias=False, signs=False)
    x, g = torch.tensor(p.x, requires_grad=True), torch.tensor(p.g)
    layer.to(x.dtype).column.data.copy_(torch.tensor(p.column))
    torch.set_num_threads(THREADS)

    def without_graph() -> Any:
        with torch.no_grad():
            return layer(x)

    def step() -> tuple[Any, ...]:
        y = layer(x)
        return (y.detach(), *torch.autograd.grad(y, (x, layer.column), g))

    return Calls(without_graph, step)


@contextmanager
def without_kernels() -> Iterator[None]:
    """Let operators do without the compiled kernels."""
    loaded, _kernels.loaded = _kernels.loaded, None
    try:
        yield
    finally:
        _kernels.loaded = loaded


def pure(kind: str) -> None:
    """Register structmat without the compiled kernels, where there are any."""

    @implementation(kind, PURE, fits=lambda shape: _kernels.loaded is not None)
    def _(p: SimpleNamespace) -> Calls:
        calls = IMPLEMENTATIONS[kind]["structmat"].make(p)
        return Calls(*(None if call is None else Within(without_kernels, call) for call in calls))


# ---------------------------------------------------------------------- circulant products: transforms by hand


def by_hand(p: SimpleNamespace, rfft: Callable[[Array], Array], irfft: Callable[[Array, int], Array]) -> Calls:
    """Write a product and its gradients with a library of transforms; `irfft` may overwrite its argument."""
    n, spectrum = len(p.column), rfft(p.column)

    def forward() -> Array:
        X = rfft(p.x)
        X *= spectrum
        return irfft(X, n)

    def step() -> tuple[Array, ...]:
        C, X, G = rfft(p.column), rfft(p.x), rfft(p.g)
        y, dx = irfft(C * X, n), irfft(C.conj() * G, n)
        products = X.conj() * G
        return y, dx, irfft(products if products.ndim == 1 else products.sum(axis=0), n)

    return Calls(forward, step)


@implementation("circulant", "scipy.fft")
def _(p: SimpleNamespace) -> Calls:
    return by_hand(
        p,
        lambda x: scipy.fft.rfft(x, workers=THREADS),
        lambda X, n: scipy.fft.irfft(X, n, workers=THREADS, overwrite_x=True),
    )


@implementation("circulant", "numpy.fft")
def _(p: SimpleNamespace) -> Calls:
    return by_hand(p, np.fft.rfft, np.fft.irfft)


@implementation("circulant", "mkl_fft", "mkl_fft")
def _(p: SimpleNamespace) -> Calls:
    import mkl_fft

    return by_hand(p, mkl_fft.rfft, mkl_fft.irfft)


@implementation("circulant", "ducc0", "ducc0")
def _(p: SimpleNamespace) -> Calls:
    from ducc0.fft import c2r, r2c

    def irfft(X: Array, n: int) -> Array:
        return c2r(X, axes=(-1,), lastsize=n, forward=False, inorm=2, nthreads=THREADS)

    return by_hand(p, lambda x: r2c(x, axes=(-1,), nthreads=THREADS), irfft)


# ---------------------------------------------------------------------- circulant products: frameworks


def torch_calls(
    p: SimpleNamespace, parameter: Array, forward: Callable[[Any], Any], product: Callable[[Any, Any], Any]
) -> Calls:
    """Multiply without a graph, and with PyTorch's own derivatives."""
    import torch

    torch.set_num_threads(THREADS)
    x, w = (torch.tensor(value, requires_grad=True) for value in (p.x, parameter))
    g = torch.tensor(p.g)

    def without_graph() -> Any:
        with torch.no_grad():
            return forward(x)

    def step() -> tuple[Any, ...]:
        y = product(x, w)
        return (y.detach(), *torch.autograd.grad(y, (x, w), g))

    return Calls(without_graph, step)


@implementation("circulant", "torch.fft", "torch")
def _(p: SimpleNamespace) -> Calls:
    import torch
    from torch.fft import irfft, rfft

    n, spectrum = len(p.column), rfft(torch.tensor(p.column))
    return torch_calls(
        p, p.column, lambda x: irfft(rfft(x) * spectrum, n=n), lambda x, w: irfft(rfft(x) * rfft(w), n=n)
    )


@implementation("blocks", "torch.fft", "torch")
def _(p: SimpleNamespace) -> Calls:
    import torch
    from torch.fft import irfft, rfft

    b = p.blocks.shape[-1]
    spectra = rfft(torch.tensor(p.blocks))

    def product(x: Any, spectra: Any) -> Any:
        pieces = rfft(x.reshape(*x.shape[:-1], -1, b))
        return irfft(torch.einsum("...qf,pqf->...pf", pieces, spectra), n=b).flatten(-2)

    return torch_calls(p, p.blocks, lambda x: product(x, spectra), lambda x, w: product(x, rfft(w)))


def c3a(p: SimpleNamespace, columns: Array) -> Calls:
    """Call PEFT's function for C3A adapters, which takes first rows and keeps no spectrum."""
    import torch
    from peft.tuners.c3a.utils import BlockCircularConvolution

    rows = reversed_blocks(columns)
    kept = torch.tensor(rows)
    product = BlockCircularConvolution.apply
    return torch_calls(p, rows, lambda x: product(x, kept), product)


@implementation("circulant", "PEFT C3A", "peft.tuners.c3a.utils", layout="row")
def _(p: SimpleNamespace) -> Calls:
    calls = c3a(p, p.column[None, None])

    def step() -> tuple[Any, ...]:
        y, dx, rows = calls.step()
        return y, dx, rows[0, 0]

    return Calls(calls.forward, step)


@implementation("blocks", "PEFT C3A", "peft.tuners.c3a.utils", layout="row")
def _(p: SimpleNamespace) -> Calls:
    return c3a(p, p.blocks)


# Of length 2 n - 1, which for n = 2^20 takes it 10 s a step.
@implementation(
    "circulant", "linear_operator Toeplitz", "linear_operator", layout="toeplitz", fits=lambda shape: shape[1] <= 2**16
)
def _(p: SimpleNamespace) -> Calls:
    import torch
    from linear_operator.operators import ToeplitzLinearOperator

    def product(x: Any, column: Any) -> Any:
        return (ToeplitzLinearOperator(column) @ x.mT).mT if x.ndim > 1 else ToeplitzLinearOperator(column) @ x

    kept = torch.tensor(p.column)
    return torch_calls(p, p.column, lambda x: product(x, kept), product)


@implementation("circulant", "TF LinearOperatorCirculant", "tensorflow")
def _(p: SimpleNamespace) -> Calls:
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it warns of each cast to real
    batched = p.x.ndim > 1
    x, g = (tf.constant(value.T if batched else value) for value in (p.x, p.g))
    column = tf.Variable(p.column)

    def operator(column: Any) -> Any:
        return tf.linalg.LinearOperatorCirculant(
            tf.signal.fft(tf.cast(column, tf.complex64)), input_output_dtype=tf.float32
        )

    def product(A: Any, x: Any) -> Any:
        return A.matmul(x) if batched else A.matvec(x)

    kept = operator(tf.constant(p.column))
    forward = tf.function(lambda x: product(kept, x))

    @tf.function
    def step(x: Any, g: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = product(operator(column), x)
        return y, *tape.gradient(y, [x, column], g)

    def stepped() -> tuple[Any, ...]:
        y, dx, dcolumn = step(x, g)
        return Transposed(y), Transposed(dx), dcolumn

    return Calls(lambda: Transposed(forward(x)), stepped)


class Transposed:
    """A result whose vectors are columns; as a NumPy array they are rows."""

    def __init__(self, columns: Any) -> None:
        self.columns = columns

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self.columns).T


@implementation("circulant", "jax.numpy.fft, jit", "jax")
def _(p: SimpleNamespace) -> Calls:
    import jax
    import jax.numpy as jnp

    n = len(p.column)
    x, g, column = (jnp.asarray(value) for value in (p.x, p.g, p.column))
    forward = jax.jit(lambda x, spectrum: jnp.fft.irfft(jnp.fft.rfft(x) * spectrum, n=n))

    @jax.jit
    def step(x: Any, column: Any, g: Any) -> Any:
        y, pull = jax.vjp(lambda x, column: forward(x, jnp.fft.rfft(column)), x, column)
        return y, *pull(g)

    spectrum = jnp.fft.rfft(column)
    return Calls(lambda: forward(x, spectrum).block_until_ready(), lambda: jax.block_until_ready(step(x, column, g)))


# ---------------------------------------------------------------------- circulant products: other operators


@implementation("circulant", "fastmat", "fastmat")
def _(p: SimpleNamespace) -> Calls:
    import fastmat

    A, x = fastmat.Circulant(p.column), np.asfortranarray(np.atleast_2d(p.x).T)
    return Calls(lambda: (A * x).T.reshape(p.x.shape))


@implementation("circulant", "PyLops", "pylops")
def _(p: SimpleNamespace) -> Calls:
    from pylops import Diagonal
    from pylops.signalprocessing import FFT

    n = len(p.column)
    options = {"real": True, "norm": "ortho", "engine": "scipy", "dtype": p.x.dtype, "workers": THREADS}
    F = FFT(dims=p.x.shape, axis=-1, **options)
    spectrum = np.broadcast_to(scipy.fft.rfft(p.column), (*p.x.shape[:-1], n // 2 + 1))
    A, x = F.H @ Diagonal(spectrum.ravel(), dtype=spectrum.dtype) @ F, p.x.ravel()
    return Calls(lambda: (A @ x).real.reshape(p.x.shape))


@implementation("circulant", "scipy matmul_toeplitz", fits=lambda shape: shape[0] * shape[1] <= 2**21)
def _(p: SimpleNamespace) -> Calls:
    pair, x = (p.column, reversed_blocks(p.column)), p.x.T
    return Calls(lambda: scipy.linalg.matmul_toeplitz(pair, x, workers=THREADS).T)


def dense_calls(p: SimpleNamespace, matrix: Array) -> Calls:
    """Multiply by the stored matrix; the gradient is that to all its entries."""
    transposed = np.ascontiguousarray(matrix.T.astype(p.x.dtype))
    if not hasattr(p, "g"):
        return Calls(lambda: p.x @ transposed)

    def step() -> tuple[Array, ...]:
        outer = p.g.T @ p.x if p.x.ndim > 1 else np.outer(p.g, p.x)
        return p.x @ transposed, p.g @ transposed.T, outer

    return Calls(lambda: p.x @ transposed, step)


@implementation("circulant", "dense BLAS", layout="matrix", fits=lambda shape: shape[1] <= LARGEST_DENSE)
def _(p: SimpleNamespace) -> Calls:
    return dense_calls(p, scipy.linalg.circulant(p.column))


@implementation("blocks", "dense BLAS", layout="matrix", fits=lambda shape: max(shape[1:3]) * shape[3] <= LARGEST_DENSE)
def _(p: SimpleNamespace) -> Calls:
    return dense_calls(p, np.block([[scipy.linalg.circulant(column) for column in row] for row in p.blocks]))


# ---------------------------------------------------------------------- other problems


@implementation("solve", "structmat")
def _(p: SimpleNamespace) -> Calls:
    return Calls(lambda: sm.linalg.solve(sm.Circulant(p.column), p.x))


@implementation("solve", "scipy solve_circulant")
def _(p: SimpleNamespace) -> Calls:
    return Calls(lambda: scipy.linalg.solve_circulant(p.column, p.x))


@implementation("toeplitz", "structmat")
def _(p: SimpleNamespace) -> Calls:
    A = sm.Toeplitz(p.column, p.row)
    return Calls(lambda: A.matvec(p.x))


@implementation("toeplitz", "scipy matmul_toeplitz")
def _(p: SimpleNamespace) -> Calls:
    return Calls(lambda: scipy.linalg.matmul_toeplitz((p.column, p.row), p.x.T, workers=THREADS).T)


@implementation("hadamard", "structmat")
def _(p: SimpleNamespace) -> Calls:
    A = sm.Hadamard(p.x.shape[-1])
    return Calls(lambda: A.matvec(p.x))


@implementation("hadamard", "dense BLAS")
def _(p: SimpleNamespace) -> Calls:
    return dense_calls(p, scipy.linalg.hadamard(p.x.shape[-1]))


@implementation("signed hadamard", "structmat")
def _(p: SimpleNamespace) -> Calls:
    A = sm.Hadamard(p.x.shape[-1]) @ sm.SignFlip(p.signs.astype(np.int8))
    return Calls(lambda: A.matvec(p.x))


for kind in ("circulant", "toeplitz", "signed hadamard"):
    pure(kind)
