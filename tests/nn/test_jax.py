"""Operators as pytrees of JAX, and the derivatives of their products."""

import copy
import json
import os
import pickle
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat.core.registry import OPERATORS

jax = library("jax")
jnp = library("jax.numpy")
check_grads = library("jax.test_util").check_grads
matvec = library("structmat.nn.jax").matvec

N = 6


def draw(seed: int, *shape: int, dtype: str = "float64") -> Any:
    rng = np.random.default_rng(seed)
    host = rng.standard_normal(shape)
    return jnp.asarray((host + 1j * rng.standard_normal(shape) if "complex" in dtype else host).astype(dtype))


def tree(dtype: str = "float64") -> sm.LinearOperator:
    """Real and complex leaves, an adjoint, an inverse, signs, a slice, tied and frozen parameters."""
    C, D = sm.Circulant(draw(0, N, dtype=dtype)), sm.Diagonal(draw(1, N) + 3)
    flips = sm.SignFlip.random(N, rng=0, xp=jnp)
    fixed = sm.Toeplitz(draw(2, N), draw(3, N)).freeze()
    whole = sm.Restriction(N, slice(1, 5)) @ C @ (2.0 * flips) @ D**-1 @ (fixed + C.H)
    return whole if dtype == "float64" else whole + sm.Dense(draw(4, 4, N)).conj()


def same(A: Any, B: Any) -> bool:
    leaves = zip(jax.tree.leaves(A), jax.tree.leaves(B), strict=True)
    return jax.tree.structure(A) == jax.tree.structure(B) and all(one is other for one, other in leaves)


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_are_pytrees(name: str) -> None:
    A = OPERATORS[name].example(N, np.random.default_rng(0))
    for operator in (A, A.H, 2.0 * A, A.H @ A, A.freeze()):
        leaves, structure = jax.tree.flatten(operator)
        assert [id(leaf) for leaf in leaves] == [id(array) for array in operator._arrays]
        made = jax.tree.unflatten(structure, leaves)
        assert same(made, operator)
        assert hash(jax.tree.structure(made)) == hash(structure)
        assert repr(made) == repr(operator)
        x = np.random.default_rng(1).standard_normal(operator.n)
        np.testing.assert_array_equal(made.matvec(x), operator.matvec(x))
        empty = jax.tree.map(lambda leaf: None, operator)
        assert jax.tree.map(lambda _, leaf: leaf, operator, operator).shape == operator.shape
        assert not jax.tree.leaves(empty)
        assert same(jax.tree.map(lambda leaf, _: leaf, operator, empty, is_leaf=lambda v: v is None), operator)


def test_leaves_have_names() -> None:
    paths = jax.tree_util.tree_flatten_with_path(sm.Circulant(draw(0, 3)) @ sm.SignFlip(jnp.ones(3)))[0]
    assert [jax.tree_util.keystr(path) for path, _ in paths] == [".parts[0].column", ".parts[1].signs"]


def test_classes_made_later_are_pytrees() -> None:
    class Late(sm.Circulant):
        pass

    assert same(jax.tree.map(lambda leaf: leaf, Late(draw(0, 3))), Late(draw(0, 3))) is False  # other arrays
    assert len(jax.tree.leaves(Late(draw(0, 3)))) == 1


def test_what_is_no_operator_can_be_shown_and_copied() -> None:
    batch = jax.vmap(lambda c: sm.Circulant(c) @ sm.Diagonal(c))(draw(0, 5, N))
    assert repr(batch.parts[0]) == "Circulant(column=(5, 6))"
    assert "(5, 6)" in str(batch)
    for again in (copy.deepcopy(batch), pickle.loads(pickle.dumps(batch))):
        assert jax.tree.structure(again) == jax.tree.structure(batch)
        np.testing.assert_array_equal(again.parts[0].column, batch.parts[0].column)
    with pytest.raises(ValueError, match=r"Circulant: column has shape \(5, 6\); expected 1 axes") as caught:
        batch.matvec(draw(1, N))
    assert "jax.vmap" in caught.value.__notes__[0]
    with pytest.raises(TypeError, match=r"Circulant: column is a ShapeDtypeStruct; expected an array"):
        jax.eval_shape(lambda A: A, sm.Circulant(draw(0, N))).matvec(draw(1, N))
    with pytest.raises(AttributeError, match=r"'Circulant' object has no attribute 'row'"):
        sm.Circulant(draw(0, N)).row  # noqa: B018


def test_jit_compiles_one_structure_once() -> None:
    traced = []

    @jax.jit
    def product(A: sm.LinearOperator, x: Any) -> Any:
        traced.append(A)
        return matvec(A, x)

    for seed in range(3):
        A = sm.Circulant(draw(seed, N))
        np.testing.assert_allclose(product(A, draw(9, N)), A.matvec(draw(9, N)), rtol=1e-12, atol=1e-12)
    assert len(traced) == 1
    product(A.freeze(), draw(9, N))
    assert len(traced) == 2


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_the_derivative_is_that_of_jax(dtype: str) -> None:
    """JAX differentiates the steps of `A.matvec` itself; what takes adjoints agrees in every leaf."""
    A, x, g = tree(dtype), draw(5, 2, 3, N, dtype=dtype), draw(6, 2, 3, 4, dtype=dtype)
    gradients, dense = [], jax.jit(sm.LinearOperator.to_dense)(A)
    for product in (matvec, sm.LinearOperator.matvec):
        of_params = lambda params, x, product=product: product(A.with_params(params), x)  # noqa: E731
        y, gradient = jax.jit(lambda params, x, f=of_params: (f(params, x), jax.vjp(f, params, x)[1](g)))(A.params, x)
        np.testing.assert_allclose(y, x @ dense.T, rtol=1e-10, atol=1e-10)
        gradients.append(jax.tree.leaves(gradient))
    for ours, other in zip(*gradients, strict=True):
        assert ours.dtype == other.dtype
        np.testing.assert_allclose(ours, other, rtol=1e-10, atol=1e-10)


def test_gradients_are_operators() -> None:
    """Integers have the gradient that JAX gives them, frozen parameters zero."""
    A, x = tree(), draw(5, N)

    def loss(A: sm.LinearOperator) -> Any:
        return jnp.sum(matvec(A, x) ** 2)

    slope = jax.jit(jax.grad(loss, allow_int=True))(A)
    assert jax.tree.structure(slope) == jax.tree.structure(A)
    _, grads = jax.jit(lambda A: A.vjp(x, 2 * A.matvec(x)))(A)
    found = jax.tree.leaves(slope)
    learned = [any(leaf is value for value in A.params) for leaf in A._arrays]
    assert learned == [True, False, True, False, False, True]
    gradients = iter(grads)
    for leaf, array, is_learned in zip(found, A._arrays, learned, strict=True):
        if is_learned:
            np.testing.assert_allclose(leaf, next(gradients), rtol=1e-12)
        else:
            assert leaf.dtype == (jax.dtypes.float0 if array.dtype == jnp.int8 else array.dtype)
            assert leaf.shape == array.shape
            assert leaf.dtype == jax.dtypes.float0 or not leaf.any()
    better = A.with_params([value - 1e-3 * grad for value, grad in zip(A.params, grads, strict=True)])
    assert loss(better) < loss(A)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_check_grads(dtype: str) -> None:
    """First and second order in all modes, by differences."""
    C, x = sm.Circulant(draw(0, 4, dtype=dtype)), draw(5, 2, 4, dtype=dtype)

    def of_arrays(product: Any) -> Any:  # `check_grads` takes differences in NumPy
        return jax.jit(lambda *given: product(*jax.tree.map(jnp.asarray, given)))

    for product in (matvec, sm.LinearOperator.matvec):
        check_grads(of_arrays(product), (C, x), order=2, modes=["fwd", "rev"])

    def gradient(C: sm.LinearOperator, x: Any) -> Any:
        return jax.grad(lambda C, x: jnp.sum(jnp.abs(matvec(C, x)) ** 2), (0, 1))(C, x)

    check_grads(of_arrays(gradient), (C, x), order=1, modes=["fwd", "rev"])


def callback(function: Any) -> Any:
    """A linear map of pairs of neighbours that JAX knows nothing of."""

    def called(x: Any) -> Any:
        like = jax.ShapeDtypeStruct((*x.shape[:-1], 2 * x.shape[-1] // 4 * 2), x.dtype)
        return jax.pure_callback(function, like, x, vmap_method="expand_dims")

    return called


def opaque() -> sm.LinearOperator:
    turn = np.asarray([[1.0, 2.0], [3.0, 4.0]])
    pairs = lambda W: callback(lambda x: (np.asarray(x).reshape(*x.shape[:-1], -1, 2) @ W).reshape(x.shape))  # noqa: E731
    return sm.FunctionOperator((4, 4), pairs(turn.T), pairs(turn))


def gathers() -> sm.LinearOperator:
    """Indices, signs, a transform and a frozen operator between complex parameters."""
    fixed = sm.Hadamard(8)[:N, :N] @ sm.Circulant(draw(2, N)).freeze()
    shuffled = sm.Restriction(N, jnp.asarray([4, 1, 3])) @ sm.Permutation.random(N, rng=0, xp=jnp)
    return shuffled @ sm.Circulant(draw(0, N, dtype="complex128")) @ sm.SignFlip.random(N, rng=0, xp=jnp) @ fixed


MODES = {
    "gathers": gathers,
    "functions": lambda: sm.Diagonal(draw(0, 4) + 3) ** -1 @ opaque() @ sm.Circulant(draw(1, 4)).H,
    "constants": lambda: sm.Permutation.random(N, rng=0, xp=jnp),
}


@pytest.mark.parametrize("name", MODES)
def test_every_mode(name: str) -> None:
    """Forward, reverse, linearised, of second order, batched: against the matrix, and the parameters' own gradients."""
    A = MODES[name]()
    params, rng = A.params, np.random.default_rng(7)
    dense = jnp.asarray(A.matmat(jnp.eye(A.n)))
    moves = tuple(jnp.asarray(rng.standard_normal(value.shape)).astype(value.dtype) for value in params)
    x, dx, g = draw(5, 2, A.n), draw(6, 2, A.n), draw(7, 2, A.m).astype(dense.dtype)

    def curved(product: Any, x: Any) -> Any:
        return jnp.sum(jnp.sin(jnp.abs(product(x)) ** 2))

    @jax.jit
    def modes(A: Any, params: Any, moves: Any, x: Any) -> Any:
        of_params = lambda params, x: matvec(A.with_params(params), x)  # noqa: E731
        of_x = partial(matvec, A)
        return {
            "forward": jax.jvp(of_params, (params, x), (moves, dx)),
            "reverse": jax.vjp(of_params, params, x)[1](jnp.conj(g)),
            "linearised": jax.vmap(lambda x, dx: jax.linearize(of_x, x)[1](dx))(x, dx),
            "jacfwd": jax.jacfwd(of_x)(x[0]),
            "hessian": jax.vmap(jax.hessian(partial(curved, of_x)))(x),
        }

    found = modes(A, params, moves, x)
    close = partial(np.testing.assert_allclose, rtol=1e-9, atol=1e-9)
    y, dy = found["forward"]
    close(y, x @ dense.T)
    own_dx, own_grads = A.vjp(x, g)
    slopes, slope = found["reverse"]
    for got, own in zip((*slopes, slope), (*own_grads, own_dx), strict=True):
        close(jnp.conj(got), own)
    close(own_dx, jnp.real(g @ jnp.conj(dense)))
    work = sum(jnp.real(jnp.vdot(grad, move)) for grad, move in zip(own_grads, moves, strict=True))
    close(jnp.real(jnp.vdot(g, dy)), jnp.real(jnp.vdot(g, dx @ dense.T)) + work)
    close(found["linearised"], dx @ dense.T)
    close(found["jacfwd"], dense)
    close(found["hessian"], jax.vmap(jax.hessian(partial(curved, lambda x: dense @ x)))(x))


def test_gathers_stay_gathers() -> None:
    """JAX's own transpose of a permutation scatters; so did the gradients of Fastfood by `A.matvec`."""
    A, x = gathers(), draw(1, 3, N)
    step = jax.jit(jax.grad(lambda A, x: jnp.sum(jnp.abs(matvec(A, x)) ** 2), (0, 1), allow_int=True))
    assert "scatter" not in step.lower(A, x).compile().as_text()


def test_arrays_of_numpy_are_taken() -> None:
    A, x = sm.Circulant(draw(0, N)), np.random.default_rng(0).standard_normal((2, N))
    for product in (matvec, jax.jit(matvec)):
        y = product(A, x)
        assert isinstance(y, jax.Array)
        np.testing.assert_allclose(y, A.matvec(jnp.asarray(x)), rtol=1e-12, atol=1e-12)


UNASKED = """
import sys, numpy as np, structmat as sm
before = sm.Circulant(np.ones(4))
assert "jax" not in sys.modules and "structmat.interop.jax" not in sys.modules
import jax, jax.numpy as jnp
product = jax.jit(lambda A, x: A.matvec(x))
for A in (before @ before, before, sm.DCT(4), sm.Circulant(jnp.ones(4))):
    print(product(A, jnp.ones(4)).shape)
assert "structmat.nn.jax" not in sys.modules
"""


def test_operators_are_arguments_of_jit_unasked() -> None:
    """Once JAX is imported, the next operator that is made registers them all, those of before as well."""
    root = str(Path(sm.__file__).parents[1])
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", UNASKED]
    ran = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["(4,)"] * 4, ran.stderr


def test_a_step_shares_transforms() -> None:
    """Six: of x, g and the column, and back for y, dx and the gradient of the column."""
    step = jax.jit(jax.grad(lambda A, x: jnp.sum(matvec(A, x) ** 2), (0, 1)))
    text = step.lower(sm.Circulant(draw(0, 8)), draw(1, 3, 8)).compile().as_text()
    assert text.count(" fft(") == 6


def test_vmap_over_operators() -> None:
    make = lambda c, s: sm.Circulant(c) @ sm.SignFlip(s)  # noqa: E731
    columns, x = draw(0, 3, N), draw(1, 3, 2, N)
    signs = jnp.sign(draw(2, 3, N)).astype(jnp.int8)
    batch = jax.vmap(make)(columns, signs)
    gradient = jax.grad(lambda A, x: jnp.sum(matvec(A, x) ** 3), allow_int=True)
    y, slopes = jax.jit(jax.vmap(lambda A, x: (matvec(A, x), gradient(A, x).parts[0].column)))(batch, x)
    for place in range(3):
        A = make(columns[place], signs[place])
        np.testing.assert_allclose(y[place], x[place] @ A.to_dense().T, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(slopes[place], A.vjp(x[place], 3 * y[place] ** 2)[1][0], rtol=1e-10, atol=1e-10)
    shared = jax.vmap(matvec, in_axes=(0, None))(batch, x[0])
    np.testing.assert_allclose(shared[0], y[0], rtol=1e-10, atol=1e-10)
    inputs = jax.vmap(partial(matvec, A))(x[2])
    np.testing.assert_allclose(inputs, y[2], rtol=1e-10, atol=1e-10)


def test_half_precision() -> None:
    A = sm.Circulant(draw(0, N).astype(jnp.bfloat16))
    x = draw(1, 2, N).astype(jnp.bfloat16)
    y, pullback = jax.vjp(matvec, A, x)
    dA, dx = pullback(jnp.ones_like(y))
    assert y.dtype == dA.column.dtype == dx.dtype == jnp.bfloat16
    exact = A.to(dtype="float32").matvec(x.astype(jnp.float32))
    np.testing.assert_array_equal(y, exact.astype(jnp.bfloat16))


def test_what_is_refused() -> None:
    A = sm.Circulant(draw(0, N))
    for x, error, message in [
        (draw(1, 5), ValueError, r"x has shape \(5,\); its last axis must be n = 6"),
        (jnp.arange(6), TypeError, "x has dtype int64; expected a real or complex floating dtype"),
        ([1.0] * 6, TypeError, "x is a list; expected an array"),
    ]:
        for product in (matvec, jax.jit(matvec)):
            for B, name in ((A, "Circulant"), (A.freeze(), "Circulant"), (A @ A, "Product")):
                if not isinstance(x, list) or product is matvec:
                    with pytest.raises(error, match=rf"{name}\(6×6\).matvec: {message}"):
                        product(B, x)
    with pytest.raises(TypeError, match=r"matvec: A is a ArrayImpl; expected a LinearOperator"):
        matvec(draw(0, N, N), draw(1, N))


SHARDED = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import PartitionSpec as P
import structmat as sm
from structmat.nn.jax import matvec

mesh = jax.make_mesh((8,), ("batch",))
A = sm.projections.circulant_projection(16, 12, rng=0, dtype="float32", xp=jnp)
x = jnp.asarray(np.random.default_rng(0).standard_normal((32, 16)), jnp.float32)

def loss(A, x):
    local = jax.shard_map(matvec, mesh=mesh, in_specs=(P(), P("batch")), out_specs=P("batch"))
    return jnp.sum(local(A, x) ** 2)

step = jax.jit(jax.value_and_grad(loss, allow_int=True))
spread = jax.device_put(x, jax.NamedSharding(mesh, P("batch")))
compiled = step.lower(A, spread).compile()
text = compiled.as_text()
value, slope = compiled(A, spread)
_, (grad,) = A.vjp(x, 2 * A.matvec(x))
[found] = [leaf for leaf in jax.tree.leaves(slope) if leaf.dtype == jnp.float32]
np.testing.assert_allclose(found, grad, rtol=1e-4, atol=1e-4)
np.testing.assert_allclose(value, jnp.sum(A.matvec(x) ** 2), rtol=1e-5)
print(len(jax.devices()), text.count("all-gather"), text.count("all-reduce(") > 0, "f32[4,16]" in text)
"""


def test_a_batch_on_many_devices_is_not_gathered() -> None:
    """Each of eight devices transforms the four vectors that it has; only the gradient is summed between them."""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    root = str(Path(sm.__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", SHARDED], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["8", "0", "True", "True"]


EXPLICIT = """
import jax, jax.numpy as jnp, numpy as np, pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import structmat as sm
from structmat.nn.jax import matvec

mesh = jax.make_mesh((4, 2), ("rows", "columns"), axis_types=(AxisType.Explicit,) * 2)
place = lambda *axes: NamedSharding(mesh, P(*axes))
A = sm.projections.circulant_projection(16, 12, rng=0, dtype="float32", xp=jnp)
B = sm.DCT(16)
x = jnp.asarray(np.random.default_rng(0).standard_normal((8, 4, 16)), jnp.float32)
g = jnp.asarray(np.random.default_rng(1).standard_normal((8, 4, 12)), jnp.float32)
R = jax.device_put(A, place())
close = lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)

def everything(A, x, g):
    return A.matvec(x), matvec(A, x), A.rmatvec(g), A @ x.mT, A.vjp(x, g), B.matvec(x)

wanted = everything(A, x, g)
for spec in (("rows", "columns", None), (("rows", "columns"), None, None)):
    xs, gs = jax.device_put(x, place(*spec)), jax.device_put(g, place(*spec))
    found = jax.jit(everything)(R, xs, gs)
    jax.tree.map(close, found, wanted)
    assert [jax.typeof(y).sharding.spec for y in (found[0], found[1], found[4][0], found[5])] == [P(*spec)] * 4
    assert jax.typeof(found[4][1][0]).sharding.spec == P(None)
y = R.matvec(xs)  # outside of jit
assert jax.typeof(y).sharding.spec == P(*spec)
close(y, wanted[0])

# An operator moves to the devices of a batch, whose sharding is not its own, and errors name what helps.
assert A.to(device=xs.device).device == place()
across = jax.device_put(x, place(None, None, "rows"))
with pytest.raises(ValueError, match=r"x has parts on the mesh axes rows along its last axis; expected one, as of"):
    R.matvec(across)
close(R.matvec(jax.sharding.reshard(across, jax.NamedSharding(mesh, jax.P(None, None, None)))), wanted[0])
with pytest.raises(ValueError, match="is divided otherwise than x along the batch; expected .*, not one part"):
    R.vjp(xs, jax.device_put(g, place()))
with pytest.raises(TypeError, match="x is on .*, the operator on"):
    A.matvec(xs)

# Layers
import equinox, flax.nnx
from structmat.nn import equinox as with_equinox, flax as with_flax

layer = with_equinox.CirculantLinear(16, 12, key=jax.random.key(0))
there = jax.tree.map(lambda leaf: jax.device_put(leaf, place()) if equinox.is_array(leaf) else leaf, layer)
close(equinox.filter_jit(there)(xs), layer(x))

layer = with_flax.CirculantLinear(16, 12, rngs=flax.nnx.Rngs(0))
graph, state = flax.nnx.split(layer)
product = jax.jit(lambda state, x: flax.nnx.merge(graph, state)(x))
close(product(jax.device_put(state, place()), xs), layer(x))

from structmat.nn import keras as with_keras

layer = with_keras.CirculantDense(12)
expected = layer(x)
trained, others = [[v.value for v in each] for each in (layer.trainable_variables, layer.non_trainable_variables)]
with jax.set_mesh(mesh):
    there = jax.device_put((trained, others), place())
    close(jax.jit(lambda values, x: layer.stateless_call(*values, x)[0])(there, xs), expected)
"""


def test_a_batch_on_explicit_axes() -> None:
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
    }
    root = str(Path(sm.__file__).parents[1])
    ran = subprocess.run(
        [sys.executable, "-c", EXPLICIT], env=environment, cwd=root, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr


def test_collectives_of_a_batch_on_explicit_axes(tmp_path: Path) -> None:
    """Nothing is gathered, and the gradients are summed once."""
    root, results = str(Path(sm.__file__).parents[1]), tmp_path / "results.json"
    command = ["benchmarks.scale", "jax", "--operators", "Hadamard", "--axes", "Explicit"]
    ran = subprocess.run(
        [sys.executable, "-m", *command, "--json", str(results)], cwd=root, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    cases = json.loads(results.read_text())["cases"]
    assert [case["operator"] for case in cases] == ["Hadamard", "circulant_projection", "fastfood"]
    for case in cases:
        assert not any(case["product"].values())
        assert case["step"].pop("all-reduce") == 1
        assert not any(case["step"].values())
        assert case["largest difference"] < 1e-5
