"""Functions of higher modules that methods of `LinearOperator` call.

A higher module assigns its functions here when it is imported, so that no lower module imports a higher one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator


class Extensions:
    """The functions, and the module that assigns each."""

    product: "Callable[..., LinearOperator]"  # core.product
    added: "Callable[..., LinearOperator]"  # core.compose
    scaled: "Callable[..., LinearOperator]"  # core.compose
    scaled_by_array: "Callable[..., LinearOperator]"  # compounds
    number: Callable[..., Any]  # core.compose
    power: "Callable[..., LinearOperator]"  # core.compose
    selected: Callable[..., Any]  # compounds
    adapter: Callable[[str], Any]  # interop: imports the adapter to a library
    register_pytree: "Callable[[type[LinearOperator]], None] | None" = None  # interop.jax, once JAX is imported


extensions = Extensions()
