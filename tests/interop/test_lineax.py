"""The way to lineax: its solvers and transformations against the written-out matrix."""

import sys

import numpy as np
import pytest
from backends import library

import structmat as sm

jax = library("jax")
jnp = library("jax.numpy")
lx = library("lineax")

N = 8


def draw(seed: int, dtype: str = "float64") -> object:
    rng = np.random.default_rng(seed)
    host = rng.standard_normal(N) / 4
    return jnp.asarray((host + 1j * rng.standard_normal(N) / 4 if "complex" in dtype else host).astype(dtype))


def definite(c: object, d: object) -> sm.LinearOperator:
    """Positive definite, with parameters, signs, and an index that is a slice."""
    C, S = sm.Circulant(c), sm.SignFlip.random(N, rng=0, xp=jnp)
    R = sm.Restriction(N, slice(1, 5))
    return C @ C.H + S @ sm.Diagonal(jnp.abs(d) + 1) @ S + 2.0 * R.H @ R


def general(c: object, d: object) -> sm.LinearOperator:
    return sm.Circulant(c) @ sm.SignFlip.random(N, rng=0, xp=jnp) + sm.Diagonal(d + 3)


CASES = [
    pytest.param(lx.CG(1e-13, 1e-13), definite, lx.positive_semidefinite_tag, "float64", id="CG"),
    pytest.param(lx.CG(1e-13, 1e-13), definite, lx.positive_semidefinite_tag, "complex128", id="CG-complex"),
    pytest.param(lx.GMRES(1e-13, 1e-13), general, (), "complex128", id="GMRES-complex"),
    pytest.param(lx.BiCGStab(1e-13, 1e-13), general, (), "float64", id="BiCGStab"),
    pytest.param(lx.AutoLinearSolver(well_posed=True), general, (), "float64", id="direct"),
]


@pytest.mark.parametrize(("solver", "make", "tags", "dtype"), CASES)
def test_solutions_and_their_gradients(solver: object, make: object, tags: object, dtype: str) -> None:
    """With respect to the parameters and to the right-hand side, as JAX takes them through the dense matrix."""

    def ours(c: object, d: object, b: object) -> object:
        operator = make(c, d).to_lineax(tags=tags)
        return jnp.sum(jnp.abs(lx.linear_solve(operator, b, solver).value) ** 2)

    def dense(c: object, d: object, b: object) -> object:
        return jnp.sum(jnp.abs(jnp.linalg.solve(make(c, d).to_dense(), b)) ** 2)

    given = draw(0, dtype), draw(1, dtype), draw(2, dtype)
    value, grads = jax.jit(jax.value_and_grad(ours, (0, 1, 2)))(*given)
    wanted, wanted_grads = jax.jit(jax.value_and_grad(dense, (0, 1, 2)))(*given)
    np.testing.assert_allclose(value, wanted, rtol=1e-9)
    for grad, other in zip(grads, wanted_grads, strict=True):
        np.testing.assert_allclose(grad, other, rtol=1e-7, atol=1e-9)


def test_least_squares() -> None:
    A = sm.vstack([general(draw(0), draw(1)), sm.Diagonal(draw(3))])
    b = jnp.concatenate([draw(4), draw(5)])
    x = lx.linear_solve(A.to_lineax(), b, lx.LSMR(1e-13, 1e-13)).value
    np.testing.assert_allclose(x, np.linalg.lstsq(np.asarray(A.to_dense()), np.asarray(b))[0], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_it_is_lineaxs(dtype: str) -> None:
    A = (sm.Restriction(N, slice(1, 6)) @ general(draw(0, dtype), draw(1, dtype))).to(dtype=dtype)
    L, dense, x = A.to_lineax(), A.to_dense(), draw(2, dtype)
    assert isinstance(L, lx.AbstractLinearOperator)
    for operator, matrix in [
        (L, dense),
        (L.T, dense.T),
        (lx.conj(L), dense.conj()),
        (lx.conj(L).T, dense.conj().T),
        (lx.linearise(L), dense),
        (lx.materialise(L), dense),
        (2 * L + L, 3 * dense),
        (L.T @ L, dense.T @ dense),
    ]:
        assert operator.in_structure() == jax.ShapeDtypeStruct(matrix.shape[1:], dtype)
        assert operator.out_structure() == jax.ShapeDtypeStruct(matrix.shape[:1], dtype)
        v = x[: matrix.shape[1]]
        assert operator.mv(v).dtype == dtype
        np.testing.assert_allclose(operator.mv(v), matrix @ v, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(operator.as_matrix(), matrix, rtol=1e-4, atol=1e-5)
    square = general(draw(0), draw(1))
    np.testing.assert_allclose(lx.diagonal(square.to_lineax()), jnp.diag(square.to_dense()), atol=1e-12)
    banded = sm.Tridiagonal(draw(0)[1:], draw(1), draw(2)[1:])
    for ours, other in zip(lx.tridiagonal(banded.to_lineax()), (draw(1), draw(0)[1:], draw(2)[1:]), strict=True):
        np.testing.assert_allclose(ours, other, atol=1e-12)


CHECKS = {
    "symmetric_tag": "is_symmetric",
    "diagonal_tag": "is_diagonal",
    "tridiagonal_tag": "is_tridiagonal",
    "unit_diagonal_tag": "has_unit_diagonal",
    "lower_triangular_tag": "is_lower_triangular",
    "upper_triangular_tag": "is_upper_triangular",
    "positive_semidefinite_tag": "is_positive_semidefinite",
    "negative_semidefinite_tag": "is_negative_semidefinite",
}


def test_tags_are_told_and_none_is_guessed() -> None:
    A = sm.identity(3)
    for tag, check in CHECKS.items():
        told = getattr(lx, check)
        assert not told(A.to_lineax())
        assert told(A.to_lineax(tags=getattr(lx, tag)))
        assert told(A.to_lineax(tags=[getattr(lx, tag)]))
    assert lx.is_upper_triangular(A.to_lineax(tags=lx.lower_triangular_tag).T)
    assert not lx.is_lower_triangular(A.to_lineax(tags=lx.lower_triangular_tag).T)


def test_dtypes() -> None:
    assert sm.identity(3).to_lineax().in_structure().dtype == jnp.float64
    assert sm.identity(3).to_lineax(jnp.float32).in_structure().dtype == jnp.float32
    assert sm.DFT(3).to_lineax().in_structure().dtype == jnp.complex128
    mixed = sm.Circulant(draw(0, "complex64")).to_lineax("float32")
    assert (mixed.in_structure().dtype, mixed.out_structure().dtype) == (jnp.float32, jnp.complex64)


def test_vmap_over_operators() -> None:
    solve = jax.vmap(lambda c, b: lx.linear_solve(general(c, draw(1)).to_lineax(), b, lx.GMRES(1e-12, 1e-12)).value)
    c, b = jnp.stack([draw(2), draw(3)]), jnp.stack([draw(4), draw(5)])
    for one, other, x in zip(c, b, solve(c, b), strict=True):
        np.testing.assert_allclose(x, jnp.linalg.solve(general(one, draw(1)).to_dense(), other), rtol=1e-8)


def test_one_structure_is_compiled_once() -> None:
    """Operators of one structure are one type to JAX, whatever their arrays hold; others are not."""
    compiled = []

    @jax.jit
    def product(L: object, x: object) -> object:
        compiled.append(L)
        return L.mv(x)

    for seed in range(3):
        A = definite(draw(seed), draw(seed + 1))
        np.testing.assert_allclose(product(A.to_lineax(), draw(9)), A @ draw(9), rtol=1e-12)
    assert len(compiled) == 1
    for number in (2.0, 2 + 0j):  # equal numbers, which make different operators
        assert product((number * sm.identity(N)).to_lineax(jnp.float64), draw(9)).dtype == (number * draw(9)).dtype
    assert len(compiled) == 3


def test_a_solver_does_not_transform_the_column_again() -> None:
    """A product takes three transforms; what solvers repeat, after `linearise`, two."""
    import equinox as eqx

    L = sm.Circulant(draw(0)).to_lineax()
    for operator, transforms in ((L, 3), (lx.linearise(L), 2)):
        arrays, rest = eqx.partition(operator, eqx.is_array)
        product = jax.jit(lambda arrays, x, rest=rest: eqx.combine(arrays, rest).mv(x))
        assert product.lower(arrays, draw(1)).compile().as_text().count(" fft(") == transforms


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match=r"Circulant\(3×3\).to_lineax: the operator has arrays of numpy; expected jax"):
        sm.Circulant(np.ones(3)).to_lineax()
    monkeypatch.setitem(sys.modules, "lineax", None)
    with pytest.raises(ImportError, match=r"needs the package lineax: pip install 'jax>=.*' 'lineax>="):
        sm.identity(3).to_lineax()
