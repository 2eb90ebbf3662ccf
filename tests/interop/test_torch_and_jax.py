"""Inside PyTorch and JAX: gradients agree with autograd, nothing leaks out of a trace, transformations work."""

from typing import Any

import array_api_strict
import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat._backend import devices
from structmat.core import OPERATORS

jax = library("jax")
jnp = library("jax.numpy")
torch = library("torch")


def tree(dtype: str = "float64") -> sm.LinearOperator:
    rng = np.random.default_rng(0)
    c, d = rng.standard_normal(6), rng.standard_normal(6)
    if "complex" in dtype:
        c, d = c + 1j * rng.standard_normal(6), d + 1j * rng.standard_normal(6)
    whole = sm.Circulant(c.astype(dtype)) @ sm.SignFlip.random(6, rng=rng) @ sm.Diagonal(d.astype(dtype))
    return sm.Restriction(6, np.asarray([4, 0, 2])) @ whole


def vectors(n: int, dtype: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    host = rng.standard_normal((3, n))
    return (host + 1j * rng.standard_normal((3, n)) if "complex" in dtype else host).astype(dtype)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_are_those_of_torch(dtype: str) -> None:
    """The convention dL = Re⟨g, dy⟩ is PyTorch's: its autograd, run through our products, agrees with `vjp`."""
    A = tree(dtype).to(xp=torch)
    params = [value.clone().requires_grad_() for value in A.params]
    x = torch.asarray(vectors(6, dtype, 1)).requires_grad_()
    g = torch.asarray(vectors(3, dtype, 2))
    A.with_params(params).matvec(x).backward(g)
    dx, grads = A.vjp(x.detach(), g)
    torch.testing.assert_close(dx, x.grad)
    for ours, theirs in zip(grads, params, strict=True):
        torch.testing.assert_close(ours, theirs.grad)


def traceable() -> dict[str, sm.LinearOperator]:
    names = [name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators.")]
    found = {name: OPERATORS[name].example(9, np.random.default_rng(0)) for name in names if name != "FunctionOperator"}
    for transform in (sm.DCT, sm.DST):
        for kind in (1, 2, 3, 4):
            for norm in (None, "ortho", "forward"):
                found[f"{transform.__name__} {kind} {norm}"] = transform(6, type=kind, norm=norm)
    return found


@pytest.mark.filterwarnings("ignore")  # PyTorch's, of traces
@pytest.mark.parametrize("name", traceable())
def test_torch_traces_keep_double_precision(name: str) -> None:
    """`torch.jit.trace` makes tensors of sizes, and a quotient of integers is in single precision in its programs."""
    A = traceable()[name].to(xp=torch)
    for product, size in ((A.matvec, A.n), (A.rmatvec, A.m)):
        example = torch.ones(3, size, dtype=torch.float64)
        traced = torch.jit.trace(lambda x, product=product: product(x), example, check_trace=False)
        x = torch.asarray(vectors(size, "float64", 1))
        torch.testing.assert_close(traced(x), product(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_gradients_are_the_conjugates_of_those_of_jax(dtype: str) -> None:
    A = tree(dtype).to(xp=jnp)
    x, g = jnp.asarray(vectors(6, dtype, 1)), jnp.asarray(vectors(3, dtype, 2))
    _, pullback = jax.vjp(lambda params, x: A.with_params(params).matvec(x), A.params, x)
    theirs, their_dx = pullback(jnp.conj(g))
    dx, grads = A.vjp(x, g)
    np.testing.assert_allclose(dx, jnp.conj(their_dx), rtol=1e-12, atol=1e-12)
    for ours, other in zip(grads, theirs, strict=True):
        np.testing.assert_allclose(ours, jnp.conj(other), rtol=1e-12, atol=1e-12)


def test_parameters_can_be_traced() -> None:
    A = tree("float32").to(xp=jnp)
    x, g = jnp.asarray(vectors(6, "float32", 1)), jnp.asarray(vectors(3, "float32", 2))
    wanted = A.vjp(x, g)
    with jax.check_tracer_leaks():
        got = jax.jit(lambda params, x, g: A.with_params(params).vjp(x, g))(A.params, x, g)
    for ours, other in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-5, atol=1e-5)


def cached(A: Any) -> list[Any]:
    """Every derived value that a tree keeps."""
    inner = [value for value in A._cache.values() if isinstance(value, sm.LinearOperator)]
    arrays = [value for value in A._cache.values() if hasattr(value, "ndim")]
    return arrays + [value for child in (*A._children, *inner) for value in cached(child)]


def test_no_tracer_is_kept() -> None:
    """A constant operator inside a trace makes derived values that are tracers; they must not outlive it."""
    A = tree("float32").to(xp=jnp)
    double = tree("float32").to(xp=jnp)
    x = jnp.asarray(vectors(6, "float32", 1))
    jax.jit(A.matvec)(x)
    jax.jit(double.matvec)(x.astype(jnp.float64))  # also what is kept for other precisions
    assert not [value for value in cached(A) + cached(double) if isinstance(value, jax.core.Tracer)]
    A.matvec(x)
    assert cached(A)
    np.testing.assert_allclose(jax.jit(A.matvec)(x), A.matvec(x), rtol=1e-5, atol=1e-5)


def test_signs_are_checked_inside_a_trace() -> None:
    signs = jnp.asarray([1, -1, 1])
    np.testing.assert_array_equal(jax.jit(lambda x: sm.SignFlip(signs).matvec(x))(jnp.ones(3)), signs)
    with pytest.raises(ValueError, match=r"SignFlip: signs has entries other than -1 and \+1"):
        jax.jit(lambda x: sm.SignFlip(2 * x).matvec(x) + sm.SignFlip(np.arange(3)).matvec(x))(jnp.ones(3))


def test_no_graph_is_kept() -> None:
    A = tree().to(xp=torch)
    learned = A.with_params([value.clone().requires_grad_() for value in A.params])
    x = torch.asarray(vectors(6, "float64", 1))
    learned.matvec(x)
    with torch.no_grad():
        learned.matvec(x)  # derived here without a graph, which a later call needs
    assert not [value for value in cached(learned) if value.dtype.is_complex]
    for _ in range(2):  # a graph that was kept would be freed by the first pass
        learned.matvec(x).sum().backward()
    with torch.inference_mode():
        A.matvec(x)
    A.matvec(x.requires_grad_()).sum().backward()
    assert x.grad is not None


def test_torch_function_transforms() -> None:
    A = tree().to(xp=torch)
    x = torch.asarray(vectors(6, "float64", 1))
    torch.testing.assert_close(torch.func.vmap(A.matvec)(x), A.matvec(x))
    jacobian = torch.func.jacrev(A.matvec)(x[0])
    torch.testing.assert_close(jacobian, A.to_dense())
    by_column = torch.func.jacrev(lambda c: A.with_params([c, A.params[1]]).matvec(x[0]))(A.params[0])
    torch.testing.assert_close(torch.func.jacfwd(A.matvec)(x[0]), jacobian)
    assert by_column.shape == (3, 6)
    torch.testing.assert_close(A.matvec(x[0]), by_column @ A.params[0])


def test_gradcheck() -> None:
    A = tree("complex128").to(xp=torch)
    x = torch.asarray(vectors(6, "complex128", 1)).requires_grad_()
    params = [value.clone().requires_grad_() for value in A.params]
    assert torch.autograd.gradcheck(lambda x, *params: A.with_params(params).matvec(x), (x, *params))


def test_vmap_over_operators_in_jax() -> None:
    A = tree().to(xp=jnp)
    batch = tuple(jnp.stack([value, 2 * value]) for value in A.params)
    x = jnp.asarray(vectors(6, "float64", 1))
    y = jax.vmap(lambda params: A.with_params(params).matvec(x))(batch)
    np.testing.assert_allclose(y[1], 4 * y[0], rtol=1e-12)


def test_moves_between_libraries_are_exact() -> None:
    device = array_api_strict.Device("device1")
    for dtype in ("float32", "float64", "complex64", "complex128"):
        A = tree(dtype)
        far = A.to(xp=torch).to(xp=jnp).to(xp=array_api_strict, device=device).to(xp=np)
        for here, there in zip(A._arrays, far._arrays, strict=True):
            assert here.dtype == there.dtype
            assert np.array_equal(here, there)
    A = tree("float32")
    assert A.to(xp=np).params[0] is A.params[0]
    assert A.to(dtype="float32").params[0] is A.params[0]
    half = A.to(xp=torch, dtype="bfloat16")
    assert half.params[0].dtype == torch.bfloat16
    assert half.to(xp=np, dtype="float32").dtype == np.float32
    with pytest.raises(TypeError, match=r"numpy has no dtype bfloat16; convert the operator first"):
        half.to(xp=np)
    assert devices.to_host(half.params[0]).dtype == np.float32


def test_borrowed_arrays_are_not_copied() -> None:
    c = np.ones(4)
    assert sm.Circulant(c).column is c
    signs = np.ones(4, dtype=np.int8)
    assert sm.SignFlip(signs).signs is signs
    assert sm.SignFlip(np.ones(4)).signs.dtype == np.int8


@pytest.mark.parametrize("library", [torch, jnp], ids=lambda library: library.__name__)
def test_arrays_on_the_left(library: Any) -> None:
    """array_api_strict isn't here: its arrays refuse every operand but their own, without asking it."""
    A = sm.Dense(np.arange(6.0).reshape(2, 3)).to(xp=library)
    g = library.asarray(np.ones(2))
    assert np.array_equal(devices.to_host(g @ A), [3.0, 5.0, 7.0])


def test_jax_without_64_bits_narrows_places_in_silence() -> None:
    jax.config.update("jax_enable_x64", False)
    try:
        P = sm.projections.fastfood(4, 4, rng=0, xp=jnp, dtype="float32")  # warnings are errors here
        y = devices.to_host(P.matvec(jnp.ones(4, dtype="float32")))
    finally:
        jax.config.update("jax_enable_x64", True)
    assert np.allclose(y, sm.projections.fastfood(4, 4, rng=0, dtype="float32").matvec(np.ones(4, dtype="float32")))


# ---------------------------------------------------------------------- templates of layers


def template_class(framework: str) -> tuple[Any, Any]:
    modules = {"torch": (torch, "structmat.interop.torch"), "jax": (jnp, "structmat.nn.jax")}
    xp, module = modules[framework]
    xp.asarray  # noqa: B018 (skips where the framework is left out)
    return xp, library(module).Template


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_a_template_and_arrays_are_the_operator(framework: str) -> None:
    """Names are those of fields, and one for an array that occurs twice, unless it is frozen in one place."""
    xp, template_of = template_class(framework)
    A = tree().to(xp=xp)
    C = sm.Circulant(xp.asarray(np.arange(1.0, 7.0)))
    whole = A @ C @ C.H @ C.freeze() @ sm.Circulant(xp.asarray(np.ones(6)))
    template, slots = template_of.split("Layer", whole)
    places = ("index", "column_0", "signs", "entries", "column_1", "column_1", "column_3", "column_4")
    assert template.names == places
    assert [name for name, slot in slots.items() if slot.is_param] == ["column_0", "entries", "column_1", "column_4"]
    again = template.bind([slots[name].array for name in template.names])
    assert np.array_equal(devices.to_host(again.to_dense()), devices.to_host(whole.to_dense()))


@pytest.mark.parametrize("framework", ["torch", "jax"])
def test_templates_are_equal_if_their_structures_are(framework: str) -> None:
    xp, template_of = template_class(framework)
    A = tree().to(xp=xp)
    ours = template_of(A)
    other = template_of(A.with_params([2 * value for value in A.params]))
    assert ours == other
    assert hash(ours) == hash(other)
    assert ours not in (template_of(A.H), template_of(A.freeze()), template_of(A @ A.H), A, None)


def test_arrays_of_no_axes_are_scalars() -> None:
    A = sm.Circulant(np.arange(4.0, dtype=np.float32))
    for xp in (torch, jnp):
        B = A.to(xp=xp)
        for C in (B.column[2] * B, B * B.column[2], B / xp.asarray(0.5), xp.asarray(2) * B, B.dot(xp.asarray(2.0))):
            assert (C.scalar, type(C.scalar), C.dtype) == (2.0, float, B.dtype)
        assert (xp.asarray(2j) * B).scalar == 2j
        with pytest.raises(TypeError, match=r"\* takes scalars"):
            _ = xp.ones(1) * B


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_scalars_keep_their_gradients(dtype: str) -> None:
    """Of PyTorch and JAX, where they carry a graph or are traced."""
    column, x = np.arange(1.0, 5.0).astype(dtype), np.linspace(-1, 2, 8, dtype=np.float32).reshape(2, 4)
    plain = sm.Circulant(column)(x)
    wanted = np.sum(np.abs(plain) ** 2)  # the loss is s² times that, or its quotient

    A, X = sm.Circulant(torch.asarray(column)), torch.asarray(x)
    s = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    for B, slope in ((s * A, 4), (A * s, 4), (A.dot(s), 4), (A / s, -1 / 4)):
        assert (B.dtype, B.shape) == (A.dtype, A.shape)
        (grad,) = torch.autograd.grad((B(X).abs() ** 2).sum(), s)
        assert np.isclose(float(grad), slope * wanted)
    with torch.no_grad():
        assert (s * A).scalar == 2
    assert np.isclose(float(torch.func.grad(lambda s: ((s * A)(X).abs() ** 2).sum())(s.detach())), 4 * wanted)
    primal, tangent = torch.func.jvp(lambda s: (s * A)(X).real.sum(), (torch.tensor(2.0),), (torch.tensor(1.0),))
    assert np.isclose(float(primal), 2 * float(tangent))
    assert np.allclose(torch.func.vmap(lambda s: (s * A)(X))(torch.tensor([1.0, 3.0]))[1], 3 * plain)

    def loss(s: Any) -> Any:
        return jnp.sum(jnp.abs((s * sm.Circulant(jnp.asarray(column)))(jnp.asarray(x))) ** 2)

    assert np.isclose(float(jax.grad(loss)(2.0)), 4 * wanted)
    assert np.isclose(float(jax.jit(loss)(3)), 9 * wanted)
