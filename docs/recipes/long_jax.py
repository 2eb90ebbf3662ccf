"""One circulant product of vectors that are sharded over the devices of JAX: four-step transforms.

As in long_dask.py; `all_to_all` is the exchange. Indices are exact for n below 2^31.
"""

import functools

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P

exchange = functools.partial(jax.lax.all_to_all, axis_name="parts", tiled=True)


def twiddled(x, sign, n):
    k1 = jnp.arange(x.shape[0], dtype=jnp.uint32)[:, None]
    first = jax.lax.axis_index("parts").astype(jnp.uint32) * x.shape[1]
    j2 = first + jnp.arange(x.shape[1], dtype=jnp.uint32)
    return x * jnp.exp(sign * 2j * jnp.pi / n * (k1 * j2 % n))


def spectrum(x, n1, n2):
    x = exchange(x.reshape(-1, n2), split_axis=1, concat_axis=0)
    x = twiddled(jnp.fft.fft(x, axis=0), -1, n1 * n2)
    return jnp.fft.fft(exchange(x, split_axis=0, concat_axis=1), axis=1)


def signal(X, n1, n2):
    x = exchange(jnp.fft.ifft(X, axis=1), split_axis=1, concat_axis=0)
    x = jnp.fft.ifft(twiddled(x, 1, n1 * n2), axis=0).real
    return exchange(x, split_axis=0, concat_axis=1).reshape(-1)


def circulant_product(mesh, n1, n2):
    """Return the product of a column and a vector, which are sharded along the axis "parts" of a mesh."""

    def product(c, x):
        return signal(spectrum(x, n1, n2) * spectrum(c, n1, n2), n1, n2)

    return jax.jit(jax.shard_map(product, mesh=mesh, in_specs=(P("parts"), P("parts")), out_specs=P("parts")))
