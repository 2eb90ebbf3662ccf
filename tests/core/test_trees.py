"""Random expression trees against their dense twins."""

import functools
from collections.abc import Iterator

import numpy as np
import pytest
from backends import ALL, Backend, library
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import trees

import structmat as sm

torch = library("torch")
P = sm.projections

ALGEBRA = ["products", "matrices", "linear", "adjoint", "forward", "gradients", "dtypes"]
HOUSEKEEPING = ["entries", "dense", "untouched", "views", "params", "pickle", "printing", "messages"]
EAGER = [b for b in ALL if b.name in ("strict", "strict-device1", "torch")]


@settings(max_examples=150)
@given(A=trees())
def test_trees(A: sm.LinearOperator) -> None:
    sm.testing.check_operator(A, checks=ALGEBRA, batches=[(), (2, 3)])


@settings(max_examples=60)
@given(A=trees())
def test_trees_keep_house(A: sm.LinearOperator) -> None:
    sm.testing.check_operator(A, checks=HOUSEKEEPING)


@pytest.mark.parametrize("backend", EAGER, ids=repr)
@settings(max_examples=40)
@given(A=trees())
def test_trees_on_other_libraries(backend: Backend, A: sm.LinearOperator) -> None:
    there = backend.bring(A)
    sm.testing.check_operator(
        there, checks=["dense", "products", "gradients"], batches=[(2,)], xp=backend.xp, device=backend.device
    )


@given(A=trees(dtypes=("float64",)), B=trees(dtypes=("complex128",)), x=st.integers(0, 99))
def test_adjoint_of_a_product(A: sm.LinearOperator, B: sm.LinearOperator, x: int) -> None:
    """(A B)^H = B^H A^H, by the operators alone."""
    middle = sm.Dense(np.random.default_rng(x).standard_normal((A.n, B.m)))
    whole = A @ middle @ B
    g = np.random.default_rng(x).standard_normal(A.m)
    apart = B.H @ (middle.H @ (A.H @ g))
    assert np.allclose(whole.H @ g, apart, rtol=1e-12, atol=1e-12 * np.max(np.abs(apart), initial=1))


def test_the_case_that_a_check_at_the_door_alone_gets_wrong() -> None:
    rng = np.random.default_rng(0)
    C = sm.Circulant(rng.standard_normal(5) + 1j * rng.standard_normal(5))
    A = (C @ sm.Diagonal(rng.standard_normal(5))).H
    sm.testing.check_operator(A)
    x, g = rng.standard_normal(5), rng.standard_normal(5) + 0j
    dx, (dd, dc) = A.vjp(x, g)
    assert dx.dtype == dd.dtype == float
    assert dc.dtype == complex


def test_composites_by_name() -> None:
    """One instance of each composite, with all checks."""
    rng = np.random.default_rng(1)
    C, D = sm.Circulant(rng.standard_normal(4)), sm.Diagonal(rng.standard_normal(4) + 1j)
    for A in [C @ D, C + D, C - D, 2 * C, 1j * C, C / 2, -D, C**3, D**0, C.T, D.conj(), sm.repeat(D, 3)]:
        sm.testing.check_operator(A)
    for A in [sm.hstack([C, D]), sm.vstack([C, D]), sm.block_diag([C, D]), sm.block_array([[C, D], [D, C]])]:
        sm.testing.check_operator(A)


def test_construction_simplifies_only_what_keeps_every_parameter() -> None:
    C, D = sm.Circulant(np.ones(3)), sm.Diagonal(np.ones(3))
    product = C @ D @ C
    assert product.H.H is product
    assert [type(part).__name__ for part in product.parts] == ["Circulant", "Diagonal", "Circulant"]
    assert C @ sm.identity(3) is C
    assert sm.identity(3) @ C is C
    assert len((C + D + C).parts) == 3
    assert (2 * (3 * C)).scalar == 6
    assert 1 * C is C
    assert C**1 is C
    assert D.H is D  # real
    assert C.conj() is C
    assert sm.SignFlip.random(3, rng=0).H.shape == (3, 3)


def test_tied_parameters_add_up() -> None:
    rng = np.random.default_rng(2)
    C = sm.Circulant(rng.standard_normal(5))
    x, g = rng.standard_normal(5), rng.standard_normal(5)
    (tied,) = (C**3).vjp(x, g)[1]
    apart = (C @ C @ C).vjp(x, g)[1]
    assert len(apart) == 3
    assert np.allclose(tied, sum(apart), rtol=1e-13)
    xs, gs = rng.standard_normal(15), rng.standard_normal(15)
    (tied,) = sm.repeat(C, 3).vjp(xs, gs)[1]
    assert np.allclose(tied, sum(sm.block_diag([C, C, C]).vjp(xs, gs)[1]), rtol=1e-13)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_inverses(n: int, dtype: str) -> None:
    rng = np.random.default_rng(n)

    def draw(*shape: int) -> np.ndarray:
        return (rng.standard_normal(shape) + (1j if "complex" in dtype else 0) * rng.standard_normal(shape)).astype(
            dtype
        )

    C, D, W = sm.Circulant(draw(n)), sm.Diagonal(draw(n)), sm.Dense(draw(n, n))
    S, blocks = sm.SignFlip.random(n, rng=rng), sm.BlockCirculant(draw(2, 2, n))
    cases = [C, D, W, S, sm.identity(n), blocks, C @ S @ D, 2 * C, C.T, C.H, C**2, sm.repeat(C, 2)]
    for A in [*cases, sm.block_diag([C, D]), C.conj()]:
        dense = A.to_dense()
        inverse = A**-1
        assert inverse.shape == A.shape
        assert np.linalg.norm(inverse.to_dense() @ dense - np.eye(A.n)) < 1e-13 * np.linalg.cond(dense) * A.n
    assert np.allclose(
        (C**-2).to_dense() @ (C**2).to_dense(), np.eye(n), atol=1e-12 * np.linalg.cond(C.to_dense()) ** 2
    )


def test_ndarray_on_the_left() -> None:
    rng = np.random.default_rng(3)
    A = sm.Circulant(rng.standard_normal(4) + 1j) @ sm.Restriction(6, slice(1, 5))
    X = rng.standard_normal((3, 4))
    assert np.allclose(X @ A, X @ A.to_dense())
    assert np.allclose(X[0] @ A, X[0] @ A.to_dense())
    assert (np.float64(2) * A).scalar == 2
    assert (np.float32(2) * sm.Circulant(np.ones(3, dtype=np.float32))).dtype == np.float32


SIZED = {
    "power": lambda i: sm.Circulant(np.arange(4.0)) ** i(2),
    "inverse power": lambda i: sm.SignFlip.random(i(4), rng=0) ** i(-1),
    "identity": lambda i: sm.identity(i(4)),
    "repeat": lambda i: sm.repeat(sm.Diagonal(np.arange(3.0)), i(2)),
    "shift": lambda i: sm.Shift(i(4), i(3)),
    "banded": lambda i: sm.Banded(np.ones((3, 4)), i(1), i(1)),
    "hadamard": lambda i: sm.Hadamard(i(12)),
    "block_circulant": lambda i: sm.block_circulant(np.ones((2, 1, 3)), (i(5), i(2))),
    "low rank": lambda i: P.nearest(np.eye(4), "low_rank", rank=i(2)).operator,
    **{
        name: functools.partial(lambda name, i: getattr(P, name)(i(5), i(3), rng=0), name)
        for name in ("circulant_projection", "toeplitz_projection", "fastfood", "srht", "fjlt", "sorf")
    },
    "fourier": lambda i: sm.learn.FourierFeatures.random(i(5), i(4), gamma=1.0, rng=0).projection,
    "cross-polytope": lambda i: sm.learn.CrossPolytopeHash.random(i(9), n_hashes=i(2), vertices=i(4), rng=0).projection,
}


def held(A: sm.LinearOperator) -> Iterator[object]:
    """What the fields of a tree hold."""
    yield from A._fields.values()
    for child in A._children:
        yield from held(child)


@pytest.mark.parametrize("integer", [np.int64, np.int8, np.asarray])
@pytest.mark.parametrize("name", SIZED)
def test_integers_of_numpy_are_ints(name: str, integer: type) -> None:
    A, B = SIZED[name](int), SIZED[name](integer)
    assert repr(B) == repr(A)
    assert not any(isinstance(value, np.integer) for value in (*B.shape, *held(B)))
    assert np.array_equal(B.to_dense(), A.to_dense())


def test_chunks_of_numpy_s_integers() -> None:
    A, x = sm.Circulant(np.arange(4.0)), np.random.default_rng(0).standard_normal((7, 4))
    for step in (np.int64(3), np.uint8(3)):
        assert np.allclose(A.matvec(x, chunk_size=step), x @ A.to_dense().T)
        y, saved = A.forward(x, chunk_size=step)
        assert np.allclose(A.backward(saved, y)[0], y @ A.to_dense())


def test_arrays_of_no_axes_are_scalars() -> None:
    A = sm.Circulant(np.arange(4.0, dtype=np.float32))
    for B in (np.asarray(2.0) * A, A * np.asarray(2), A / np.asarray(0.5), A * np.asarray(2, dtype=np.float16)):
        assert (B.scalar, type(B.scalar), B.dtype) == (2.0, float, np.float32)
    assert (np.asarray(1j) * A).scalar == 1j


def test_sums_start_from_zero() -> None:
    A, B = sm.Circulant(np.arange(4.0)), sm.Diagonal(np.arange(4.0))
    assert np.array_equal(sum([A, B]).to_dense(), A.to_dense() + B.to_dense())
    assert sum([A]) is A


def test_names_that_numpy_gives_dtypes() -> None:
    A = sm.Circulant(np.arange(4.0))
    for name, dtype in {"f4": np.float32, "<f8": np.float64, "c16": np.complex128, "F": np.complex64}.items():
        assert A.to(dtype=name).dtype == dtype
    assert P.circulant_projection(4, rng=0, dtype="f4").dtype == np.float32


def test_torch_s_dtypes_by_the_names_that_numpy_gives() -> None:
    A = sm.Circulant(torch.ones(4, dtype=torch.float64))
    assert A.to(dtype="f4").dtype == torch.float32
    assert A.to(dtype="bfloat16").dtype == torch.bfloat16


def test_a_complex_part_without_parameters_makes_the_whole_complex() -> None:
    C, S = sm.Circulant(np.ones(3, dtype=np.float32)), sm.SignFlip.random(3, rng=0)
    for A in (C @ (1j * S), C + 1j * S, sm.vstack([C, 1j * S]), sm.block_diag([1j * S, C])):
        assert A.dtype == np.complex64
        sm.testing.check_operator(A)


def test_a_leaf_that_stands_twice_moves_once() -> None:
    S = sm.SignFlip.random(3, rng=0)
    moved = (S @ sm.Circulant(np.ones(3)) @ S).to(xp=torch)
    assert moved.parts[0] is moved.parts[2]
