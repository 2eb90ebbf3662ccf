"""Dask: arrays that are plans of chunks; an operator of the chunks' library multiplies each."""

import operator
from collections.abc import Callable, Sequence
from functools import partial, reduce
from typing import Any

import dask
import dask.array as da

from structmat._backend.libraries.generic import Library
from structmat._backend.types import Array, DType

_FAN_IN = 8  # gradients of chunks that one task adds


class Dask(Library):
    is_lazy = True

    def sample(self, x: Array) -> Array:
        return getattr(x, "_meta", x)  # Dask's other objects have none

    def is_divided(self, x: Array) -> bool:
        return isinstance(x, da.Array)

    def parts_of_axis(self, x: Array, axis: int) -> str | None:
        return f"{x.numblocks[axis]} chunks" if x.numblocks[axis] > 1 else None

    def joined_hint(self, x: Array, name: str, axis: int) -> str:
        return f"{name}.rechunk({{{axis}: -1}})"

    def parts_of_batch(self, x: Array) -> str:
        return str(x.chunks[:-1])

    def map_vectors(
        self, function: Callable[..., Array], A: Any, x: Array, width: int, dtype: DType, **options: Any
    ) -> Array:
        return _mapped(partial(function, **options), A, (x,), width, dtype)

    def pull_back(self, function: Callable[..., Any], A: Any, x: Array, g: Array, **options: Any) -> Any:
        # An array whose chunks are pairs of arrays, which the tasks below take.
        pairs = _mapped(partial(function, **options), A, (x, g), A.n, x.dtype)
        dx = pairs.map_blocks(operator.itemgetter(0), dtype=x.dtype, meta=x._meta)
        if not A.params:
            return dx, ()
        shares, add = list(pairs.to_delayed(optimize_graph=False).flat), dask.delayed(_added, pure=True)
        while len(shares) > 1:
            shares = [add(shares[start : start + _FAN_IN]) for start in range(0, len(shares), _FAN_IN)]
        return dx, tuple(
            da.from_delayed(shares[0][1][place], p.shape, dtype=p.dtype, meta=p[(slice(0, 0),) * p.ndim])
            for place, p in enumerate(A.params)
        )


def _mapped(function: Callable[..., Any], A: Any, arrays: tuple[Array, ...], width: int, dtype: DType) -> Array:
    """Plan a function of each chunk and A, which is a task of its own: each worker has it once, with what it caches."""
    x, axes = arrays[0], tuple(range(arrays[0].ndim))
    shared = dask.delayed(A, name=f"{type(A).__name__}-{dask.base.tokenize(A)}", traverse=False)
    return da.blockwise(
        function,
        axes,
        *(each for array in arrays for each in (array, axes)),
        *(shared, None),
        adjust_chunks={axes[-1]: width},
        dtype=dtype,
        meta=x._meta,
        align_arrays=False,
    )


def _added(pairs: Sequence[tuple[Any, tuple[Array, ...]]]) -> tuple[None, tuple[Array, ...]]:
    """Add the gradients of several chunks, parameter by parameter."""
    shares = zip(*(grads for _, grads in pairs), strict=True)
    return None, tuple(reduce(operator.add, each) for each in shares)


adapter = Dask()
