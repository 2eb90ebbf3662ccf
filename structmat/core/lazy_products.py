"""Products with lazy arrays, of which Dask makes one task for each block of a batch."""

from typing import TYPE_CHECKING, Any

from structmat._backend import lazy
from structmat._backend.types import Array

if TYPE_CHECKING:
    from structmat.core.gradients import Gradients
    from structmat.core.vector_products import VectorProducts


def multiply(A: "VectorProducts", call: str, x: Array, side: int, *, out: Any, chunk_size: int | None) -> Array:
    """Plan `A.matvec(x)` or `A.rmatvec(x)`."""
    A._check_vector(call, "gx"[side], x, side)
    if out is not None:
        raise TypeError(
            f"{A._head}.{call}: out is a {type(out).__name__} and {'gx'[side]} a lazy array, whose product has no "
            f"values yet; expected no out: write the product with da.store or y.to_zarr."
        )
    return lazy.map_vectors(_product, A, x, call=call, chunk_size=chunk_size)


def vjp(A: "Gradients", x: Array, g: Array, *, chunk_size: int | None) -> tuple[Array, tuple[Array, ...]]:
    """Plan `A.vjp(x, g)`."""
    A._check_vector("vjp", "x", x, 1)
    A._check_vector("vjp", "g", g, 0)
    if not lazy.is_lazy(x) or type(x) is not type(g):
        raise TypeError(f"{A._head}.vjp: x is a {type(x).__name__}, g is a {type(g).__name__}; expected one type.")
    if not _are_equal(x.chunks[:-1], g.chunks[:-1]):
        raise ValueError(
            f"{A._head}.vjp: x has the chunks {x.chunks[:-1]} along its batch, g has {g.chunks[:-1]}; expected the "
            f"same: g.rechunk(...)."
        )
    return lazy.pull_back(_pair, A, x, g, chunk_size=chunk_size)


def _are_equal(first: tuple[Any, ...], second: tuple[Any, ...]) -> bool:
    """Compare chunks; sizes that are not known, NaN, may be equal."""
    if list(map(len, first)) != list(map(len, second)):
        return False
    pairs = [pair for one, other in zip(first, second, strict=True) for pair in zip(one, other, strict=True)]
    return all(one == other or one != one or other != other for one, other in pairs)  # noqa: PLR0124 (NaN)


def _product(x: Array, A: "VectorProducts", *, call: str, chunk_size: int | None) -> Array:
    product: Array = getattr(A, call)(x, chunk_size=chunk_size)
    return product


def _pair(x: Array, g: Array, A: "Gradients", *, chunk_size: int | None) -> tuple[Array, tuple[Array, ...]]:
    return A.vjp(x, g, chunk_size=chunk_size)
