"""The problems that peers are compared on: their arrays, and the exact results in double precision."""

from collections.abc import Callable
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg

from benchmarks.tables import shape_text

Array = np.ndarray[Any, Any]
LARGEST_ERROR = 1e99
Shape = tuple[int, ...]


class Problem(NamedTuple):
    """A problem of one of `KINDS`, with a shape and a precision."""

    kind: str
    shape: Shape
    dtype: str = "float32"

    def __str__(self) -> str:
        return f"{KINDS[self.kind].title} {shape_text(self.shape)}"


class ProblemKind(NamedTuple):
    """How to draw the arrays of a shape, and the exact results for them, in double precision.

    `gradient(p, layout)` is the gradient to the parameter in one of the layouts that implementations store.
    """

    title: str
    draw: Callable[[Shape, np.random.Generator], dict[str, Array]]
    forward: Callable[[SimpleNamespace], Array]
    backward: Callable[[SimpleNamespace], Array] | None = None
    gradient: Callable[[SimpleNamespace, str], Array] | None = None


def vectors(batch: int, n: int, rng: np.random.Generator) -> Array:
    """Draw a batch; for a batch of one, the vector itself."""
    return rng.standard_normal(n if batch == 1 else (batch, n))


def arrays(problem: Problem, layout: str = "column") -> SimpleNamespace:
    """Draw the arrays of a problem, the same each time, in its precision; layout "toeplitz" has a symmetric matrix."""
    p = SimpleNamespace(**KINDS[problem.kind].draw(problem.shape, np.random.default_rng(0)))
    if layout == "toeplitz":
        p.column = (p.column + reversed_blocks(p.column)) / 2
    return converted(p, problem.dtype)


def converted(p: SimpleNamespace, dtype: str) -> SimpleNamespace:
    """Convert the arrays to another precision."""
    return SimpleNamespace(**{name: value.astype(dtype) for name, value in vars(p).items()})


@lru_cache(maxsize=4)
def exact(problem: Problem, layout: str) -> dict[str, Array]:
    """Return the exact product, and the three exact results of a step, for the arrays as they were rounded."""
    kind, p = KINDS[problem.kind], converted(arrays(problem, layout), "float64")
    y = kind.forward(p)
    if kind.backward is None or kind.gradient is None:
        return {"forward": y}
    return {"forward": y, "y": y, "dx": kind.backward(p), "gradient": kind.gradient(p, layout)}


def reversed_blocks(columns: Array) -> Array:
    """Convert first rows of circulant matrices to first columns, or columns to rows."""
    return np.roll(np.flip(columns, -1), 1, -1)


# NumPy's transforms in double precision: exact compared with single, and independent of structmat.
rfft, irfft = np.fft.rfft, np.fft.irfft


def draw_circulant(shape: Shape, rng: np.random.Generator) -> dict[str, Array]:
    batch, n = shape
    column = rng.standard_normal(n) / np.sqrt(n)
    return {"column": column, "x": vectors(batch, n, rng), "g": vectors(batch, n, rng)}


def circulant(p: SimpleNamespace) -> Array:
    return irfft(rfft(p.column) * rfft(p.x), len(p.column))


def halved(p: SimpleNamespace) -> Array:
    return circulant(p)[..., : len(p.column) // 2]


def circulant_backward(p: SimpleNamespace) -> Array:
    return irfft(rfft(p.column).conj() * rfft(p.g), len(p.column))


def correlation(p: SimpleNamespace, length: int) -> Array:
    """Σ_b Σ_j g_b[j + k] x_b[j] for each shift k, modulo a length."""
    x, g = np.atleast_2d(p.x), np.atleast_2d(p.g)
    return irfft(np.sum(rfft(x, length).conj() * rfft(g, length), axis=0), length)


def circulant_gradient(p: SimpleNamespace, layout: str) -> Array:
    n = len(p.column)
    if layout == "matrix":
        return np.atleast_2d(p.g).T @ np.atleast_2d(p.x)
    if layout == "toeplitz":  # symmetric, by its first column
        shifts = correlation(p, 2 * n)
        return shifts[:n] + np.concatenate(([0.0], shifts[:n:-1]))
    shifts = correlation(p, n)
    return reversed_blocks(shifts) if layout == "row" else shifts


def draw_blocks(shape: Shape, rng: np.random.Generator) -> dict[str, Array]:
    batch, p, q, b = shape
    blocks = rng.standard_normal((p, q, b)) / np.sqrt(q * b)
    return {"blocks": blocks, "x": vectors(batch, q * b, rng), "g": vectors(batch, p * b, rng)}


def pieces(x: Array, b: int) -> Array:
    """Transform the blocks of each vector."""
    return rfft(x.reshape(*x.shape[:-1], -1, b))


def blocks(p: SimpleNamespace) -> Array:
    b = p.blocks.shape[-1]
    y = irfft(np.einsum("pqf,...qf->...pf", rfft(p.blocks), pieces(p.x, b)), b)
    return y.reshape(*p.x.shape[:-1], -1)


def blocks_backward(p: SimpleNamespace) -> Array:
    b = p.blocks.shape[-1]
    dx = irfft(np.einsum("pqf,...pf->...qf", rfft(p.blocks).conj(), pieces(p.g, b)), b)
    return dx.reshape(*p.g.shape[:-1], -1)


def blocks_gradient(p: SimpleNamespace, layout: str) -> Array:
    if layout == "matrix":
        return p.g.T @ p.x
    b = p.blocks.shape[-1]
    columns = irfft(np.einsum("npf,nqf->pqf", pieces(p.g, b), pieces(p.x, b).conj()), b)
    return reversed_blocks(columns) if layout == "row" else columns


def draw_system(shape: Shape, rng: np.random.Generator) -> dict[str, Array]:
    (n,) = shape
    column = rng.standard_normal(n) / np.sqrt(n)
    column[0] += 4  # well conditioned
    return {"column": column, "x": rng.standard_normal(n)}


def draw_toeplitz(shape: Shape, rng: np.random.Generator) -> dict[str, Array]:
    batch, n = shape
    return {"column": rng.standard_normal(n), "row": rng.standard_normal(n), "x": vectors(batch, n, rng)}


def draw_integers(shape: Shape, rng: np.random.Generator) -> dict[str, Array]:
    return {"x": rng.integers(-99, 100, shape)}


def draw_signed(shape: Shape, rng: np.random.Generator) -> dict[str, Array]:
    batch, n = shape
    return {"signs": rng.choice([-1, 1], n), "x": rng.integers(-99, 100, (batch, n))}


def signed_hadamard(p: SimpleNamespace) -> Array:
    """Multiply by butterflies, as the dense matrix of order 65,536 would take 32 GiB."""
    y = p.signs * p.x
    for half in 2 ** np.arange(p.x.shape[-1].bit_length() - 1):
        pairs = y.reshape(len(y), -1, 2, half)
        y = np.stack((pairs[:, :, 0] + pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]), 2).reshape(y.shape)
    return y


KINDS = {
    "circulant": ProblemKind("circulant", draw_circulant, circulant, circulant_backward, circulant_gradient),
    "blocks": ProblemKind("circulant blocks", draw_blocks, blocks, blocks_backward, blocks_gradient),
    "solve": ProblemKind("circulant system", draw_system, lambda p: scipy.linalg.solve_circulant(p.column, p.x)),
    "toeplitz": ProblemKind(
        "Toeplitz", draw_toeplitz, lambda p: scipy.linalg.matmul_toeplitz((p.column, p.row), p.x.T).T
    ),
    "projection": ProblemKind("projection to half the size", draw_circulant, halved),
    "signed hadamard": ProblemKind("Hadamard with signs", draw_signed, signed_hadamard),
    "hadamard": ProblemKind("Hadamard, integers", draw_integers, lambda p: p.x @ scipy.linalg.hadamard(p.x.shape[-1])),
}


def off(result: Any, exact: Array, dtype: str) -> float:
    """Return the error of a result of any library, relative to the norm of the exact one and to the precision."""
    got = np.asarray(result)
    if got.shape != exact.shape:
        raise AssertionError(f"shape {got.shape}, expected {exact.shape}")
    error = float(np.linalg.norm(got - exact) / np.linalg.norm(exact) / np.finfo(dtype).eps)
    return min(LARGEST_ERROR, error)  # for NaN as well
