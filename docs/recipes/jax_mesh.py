"""Multiply a batch that is sharded over the devices of JAX, and differentiate."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import structmat as sm
from structmat.nn.jax import matvec


def loss(A, x):
    return (matvec(A, x) ** 2).sum()


A = sm.Circulant(jnp.arange(64.0))
x = jax.random.normal(jax.random.key(0), (4096, 64))

# A mesh with explicit axes: nothing is gathered, and the gradients are summed once.
mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Explicit,))
sharded = jax.device_put(x, NamedSharding(mesh, P("batch", None)))
replicated = jax.device_put(A, NamedSharding(mesh, P()))
explicit = jax.jit(jax.grad(loss))(replicated, sharded)

# A mesh with automatic axes: jit would gather the batch, so each device gets its part.
mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
each = jax.shard_map(matvec, mesh=mesh, in_specs=(P(), P("batch")), out_specs=P("batch"))
automatic = jax.jit(jax.grad(lambda A, x: (each(A, x) ** 2).sum()))(A, x)

np.testing.assert_allclose(explicit.column, automatic.column, rtol=1e-3)
