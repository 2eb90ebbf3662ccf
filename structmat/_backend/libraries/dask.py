"""Dask: arrays that are plans of blocks; an operator with arrays of their blocks' library multiplies each."""

from collections.abc import Callable
from typing import Any

import array_api_compat as compat
import dask
import dask.array as da
from dask.base import tokenize

from structmat._backend.libraries.generic import Library
from structmat._backend.types import Array

_AT_ONCE = 8  # gradients that one task adds


class Dask(Library):
    is_lazy = True

    def sample(self, x: Array) -> Array:
        return x._meta

    def is_divided(self, x: Array) -> bool:
        return True

    def parts_of_axis(self, x: Array, axis: int) -> str | None:
        return f"the chunks {x.chunks[axis]}" if x.numblocks[axis] > 1 else None

    def joined_hint(self, x: Array, name: str, axis: int) -> str:
        return f"{name}.rechunk({{{axis}: -1}})"

    def parts_of_batch(self, x: Array) -> str:
        return f"the chunks {x.chunks[:-1]}"

    def map_vectors(self, function: Callable[..., Array], A: Any, x: Array, **options: Any) -> Array:
        like = function(_no_vectors(x), A, **options)
        return x.map_blocks(
            function,
            _sent_once(A),
            dtype=like.dtype,
            chunks=(*x.chunks[:-1], like.shape[-1:]),
            meta=da.utils.meta_from_array(like, ndim=x.ndim),
            **options,
        )

    def pull_back(self, function: Callable[..., Any], A: Any, x: Array, g: Array, **options: Any) -> Any:
        like = _no_vectors(x)
        dx, grads = function(like, _no_vectors(g), A, **options)
        pairs = da.map_blocks(function, x, g, _sent_once(A), dtype=object, meta=like.astype(object), **options)
        whole = pairs.map_blocks(
            _first, dtype=dx.dtype, chunks=x.chunks, meta=da.utils.meta_from_array(dx, ndim=x.ndim)
        )
        terms = [dask.delayed(_second)(pair) for pair in pairs.to_delayed(optimize_graph=False).ravel()]
        while len(terms) > 1:
            terms = [dask.delayed(_added)(terms[k : k + _AT_ONCE]) for k in range(0, len(terms), _AT_ONCE)]
        sums = [
            da.from_delayed(terms[0][place], grad.shape, grad.dtype, meta=da.utils.meta_from_array(grad))
            for place, grad in enumerate(grads)
        ]
        return whole, tuple(sums)


def _sent_once(A: Any) -> Any:
    """Return a task for an operator, one for all equal operators: engines send it to each worker once."""
    return dask.delayed(A, name=f"{type(A).__name__}-{tokenize(A)}", pure=True, traverse=False)


def _no_vectors(x: Array) -> Array:
    """Return an empty batch of vectors in the library and dtype of the blocks of x."""
    sample = x._meta
    xp = compat.array_namespace(sample)
    return xp.zeros((0, x.shape[-1]), dtype=sample.dtype, device=compat.device(sample))


def _first(pair: Any) -> Array:
    return pair[0]


def _second(pair: Any) -> Any:
    return pair[1]


def _added(terms: list[tuple[Array, ...]]) -> tuple[Array, ...]:
    return tuple(sum(each[1:], each[0]) for each in zip(*terms, strict=True))


adapter = Dask()
