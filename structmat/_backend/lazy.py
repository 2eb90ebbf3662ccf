"""Lazy arrays: plans of blocks, whose vectors are multiplied when a block is computed."""

from collections.abc import Callable
from typing import Any

import numpy as np

from structmat._backend import libraries
from structmat._backend.types import Array


def is_lazy(x: Array) -> bool:
    """Tell whether an array is a plan of blocks."""
    return type(x) is not np.ndarray and libraries.of_array(x).is_lazy


def sample(x: Array) -> Array:
    """Return an array of the library, device and dtype of the blocks of x; x itself if it is not lazy."""
    return x if type(x) is np.ndarray else libraries.of_array(x).sample(x)


def is_divided(x: Array, axis: int) -> bool:
    """Tell whether several blocks share an axis."""
    return type(x) is not np.ndarray and libraries.of_array(x).is_divided(x, axis)


def map_vectors(function: Callable[..., Array], A: Any, x: Array, **options: Any) -> Array:
    """Plan y = function(x, A) for each block of vectors (..., n), with one operator for all blocks."""
    return libraries.of_array(x).map_vectors(function, A, x, **options)


def pull_back(
    function: Callable[..., Any], A: Any, x: Array, g: Array, **options: Any
) -> tuple[Array, tuple[Array, ...]]:
    """Plan dx, grads = function(x, g, A) for each pair of blocks, and the sums of the gradients, added as a tree."""
    found: tuple[Array, tuple[Array, ...]] = libraries.of_array(x).pull_back(function, A, x, g, **options)
    return found
