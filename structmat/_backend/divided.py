"""Batches divided among tasks or devices: Dask's lazy arrays, and JAX arrays that are sharded explicitly.

Vectors are independent, so an operator multiplies each part of a batch by itself.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from structmat._backend import libraries
from structmat._backend.types import Array, DType


def is_divided(x: Array) -> bool:
    """Tell whether x has parts, in tasks or on devices, that are multiplied one by one."""
    return type(x) is not np.ndarray and libraries.of_array(x).is_divided(x)


def is_lazy(x: Array) -> bool:
    """Tell whether an array is a plan of blocks, without values."""
    return type(x) is not np.ndarray and libraries.of_array(x).is_lazy


def sample(x: Array) -> Array:
    """Return an array of the library, device and dtype of the parts of x; x itself unless it is lazy."""
    return x if type(x) is np.ndarray else libraries.of_array(x).sample(x)


def parts_of_axis(x: Array, axis: int) -> str | None:
    """Describe the parts of an axis; None for an axis that is whole."""
    return None if type(x) is np.ndarray else libraries.of_array(x).parts_of_axis(x, axis)


def joined_hint(x: Array, name: str, axis: int) -> str:
    """Return the expression that makes an axis of x whole."""
    return libraries.of_array(x).joined_hint(x, name, axis)


def parts_of_batch(x: Array) -> Any:
    """Describe how the leading axes are divided; equal for arrays that are divided alike."""
    return libraries.of_array(x).parts_of_batch(x)


def map_vectors(function: Callable[..., Array], A: Any, x: Array, *, width: int, dtype: DType, **options: Any) -> Array:
    """Return function(x, A), vectors (..., width), of each part of vectors (..., n), with one operator for all of them.

    Nothing is computed for lazy arrays, so the width and the dtype of the results must be known.
    """
    return libraries.of_array(x).map_vectors(function, A, x, width, dtype, **options)


def pull_back(
    function: Callable[..., Any], A: Any, x: Array, g: Array, **options: Any
) -> tuple[Array, tuple[Array, ...]]:
    """Return dx and gradients of function(x, g, A): dx of each pair of parts, and the sums of the gradients."""
    found: tuple[Array, tuple[Array, ...]] = libraries.of_array(x).pull_back(function, A, x, g, **options)
    return found
