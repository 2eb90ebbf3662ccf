"""Traces and graphs: whether an array has values, and whether it may outlive a call."""

import numpy as np

from structmat._backend import libraries
from structmat._backend.types import Array


class UntraceableError(TypeError):
    """A definition needs the values of indices, and these are traced."""


def is_traced(x: Array) -> bool:
    """Tell whether an array has no values to inspect: a tracer, a batch in `vmap`, on PyTorch's device "meta", lazy."""
    return type(x) is not np.ndarray and libraries.of_array(x).is_traced(x)


def is_constant(x: Array) -> bool:
    """Tell whether an array has values on the host to inspect and takes no part in a differentiation."""
    return type(x) is np.ndarray or libraries.of_array(x).is_constant(x)


def may_keep(value: Array, sources: tuple[Array, ...]) -> bool:
    """Tell whether a value derived from the sources may outlive this call.

    It may not if it is a JAX tracer, or a PyTorch tensor that carries a graph, would have to carry one, or lives only
    inside a transformation: kept on an operator, it would leak out of its trace or cut a graph. Nor may values derived
    from a `torch.nn.Parameter`, whose entries optimisers change in place, in part undetectably (`p.data`).
    """
    if isinstance(value, tuple):
        return all(may_keep(each, sources) for each in value)
    return type(value) is np.ndarray or libraries.of_array(value).may_keep(value, sources)


def stop_gradient(x: Array) -> Array:
    """Return an array that gradients do not flow through."""
    return libraries.of_array(x).stop_gradient(x)


def static_shape(x: Array) -> tuple[int, ...]:
    """Return the sizes of the axes as ints, also where `torch.jit.trace` makes tensors of them."""
    return libraries.of_array(x).static_shape(x)
