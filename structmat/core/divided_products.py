"""Products with batches that are divided among tasks or devices: the same method multiplies each part."""

from typing import TYPE_CHECKING, Any

from structmat._backend import divided
from structmat._backend.types import Array

if TYPE_CHECKING:
    from structmat.core.gradients import Gradients
    from structmat.core.vector_products import VectorProducts


def multiply(A: "VectorProducts", call: str, x: Array, side: int, *, out: Any, chunk_size: int | None) -> Array:
    """Return `A.matvec(x)` or `A.rmatvec(x)`."""
    A._check_vector(call, "gx"[side], x, side)
    if out is not None:
        raise TypeError(
            f"{A._head}.{call}: out is a {type(out).__name__} and {'gx'[side]} a divided {type(x).__name__}, whose "
            f"product is divided as well; expected no out."
        )
    return divided.map_vectors(_product, A, x, call=call, chunk_size=chunk_size)


def vjp(A: "Gradients", x: Array, g: Array, *, chunk_size: int | None) -> tuple[Array, tuple[Array, ...]]:
    """Return `A.vjp(x, g)`."""
    A._check_vector("vjp", "x", x, 1)
    A._check_vector("vjp", "g", g, 0)
    parts = [divided.parts_of_batch(each) if divided.is_divided(each) else "no parts" for each in (x, g)]
    if parts[0] != parts[1]:
        raise ValueError(
            f"{A._head}.vjp: x has {parts[0]} along its batch, g has {parts[1]}; expected one division of both."
        )
    return divided.pull_back(_pair, A, x, g, chunk_size=chunk_size)


def _product(x: Array, A: "VectorProducts", *, call: str, chunk_size: int | None) -> Array:
    product: Array = getattr(A, call)(x, chunk_size=chunk_size)
    return product


def _pair(x: Array, g: Array, A: "Gradients", *, chunk_size: int | None) -> tuple[Array, tuple[Array, ...]]:
    return A.vjp(x, g, chunk_size=chunk_size)
