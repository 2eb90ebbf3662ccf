"""Products with batches that are divided among tasks or devices: the same method multiplies each part."""

from typing import TYPE_CHECKING, Any

from structmat._backend import divided, namespaces
from structmat._backend.types import Array

if TYPE_CHECKING:
    from structmat.core.gradients import Gradients
    from structmat.core.vector_products import VectorProducts


def multiply(A: "VectorProducts", call: str, x: Array, side: int, *, out: Any, chunk_size: int | None) -> Array:
    """Return `A.matvec(x)` or `A.rmatvec(x)`."""
    xp = namespaces.of(divided.sample(x))
    A._check_batch(call, x, side, chunk_size)
    if out is not None:
        raise TypeError(
            f"{A._head}.{call}: out is a {type(out).__name__} and {'gx'[side]} a divided {type(x).__name__}, whose "
            f"product is divided as well; expected no out."
        )
    width, dtype = A.shape[1 - side], A._product_dtype(xp, x.dtype)
    return divided.map_vectors(_product, A, x, width=width, dtype=dtype, call=call, chunk_size=chunk_size)


def vjp(A: "Gradients", x: Array, g: Array, *, chunk_size: int | None) -> tuple[Array, tuple[Array, ...]]:
    """Return `A.vjp(x, g)`."""
    A._check_batch("vjp", x, 1, chunk_size)
    A._check_vector("vjp", "g", g, 0)
    if (kinds := [namespaces.name(namespaces.of(each)) for each in (x, g)])[0] != kinds[1]:
        raise TypeError(f"{A._head}.vjp: x is an array of {kinds[0]}, g of {kinds[1]}; expected two of one library.")
    parts = [divided.parts_of_batch(each) if divided.is_divided(each) else "one part" for each in (x, g)]
    if parts[0] != parts[1]:
        shape = (*x.shape[:-1], A.m)
        raise ValueError(
            f"{A._head}.vjp: g has shape {tuple(g.shape)} and is divided otherwise than x along the batch; expected "
            f"shape {shape}, divided as x: {parts[0]}, not {parts[1]}."
        )
    return divided.pull_back(_pair, A, x, g, chunk_size=chunk_size)


def _product(x: Array, A: "VectorProducts", *, call: str, chunk_size: int | None) -> Array:
    product: Array = getattr(A, call)(x, chunk_size=chunk_size)
    return product


def _pair(x: Array, g: Array, A: "Gradients", *, chunk_size: int | None) -> tuple[Array, tuple[Array, ...]]:
    return A.vjp(x, g, chunk_size=chunk_size)
