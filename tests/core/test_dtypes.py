"""Vectors of another precision than the operator's, and arrays that hold no floating-point numbers."""

import itertools
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import numpy as np
import pytest
from backends import library
from hypothesis import strategies as st
from trees import DTYPES, trees

import structmat as sm
from structmat.core import OPERATORS
from structmat.testing.subject import Subject

NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))
REAL = ("float16", "float32", "float64")


def narrow(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> np.ndarray:
    x = rng.standard_normal(shape)
    return (x + 1j * rng.standard_normal(shape) if "complex" in dtype else x).astype(dtype)


@hypothesis.settings(max_examples=60)
@hypothesis.given(trees(), st.integers(0, 2**32 - 1))
def test_vectors_meet_a_tree_in_its_precision(A: sm.LinearOperator, seed: int) -> None:
    """A product labelled double precision has all of its digits, whichever part comes first."""
    rng, subject = np.random.default_rng(seed), Subject(A, seed, (), lambda f: f, xp=np, device=None)
    for dtype in (*REAL, "complex64", "complex128"):
        x, g = narrow(rng, (3, A.n), dtype), narrow(rng, (3, A.m), dtype)
        forwards, backwards = x @ subject.matrix.T, g @ subject.matrix.conj()
        columns = A.matmat(x.T).T, A.rmatmat(g.T).T
        pairs = [(A.matvec(x), forwards, x), (A.rmatvec(g), backwards, g), (A.forward(x)[0], forwards, x)]
        pairs += [(A.matvec(x, chunk_size=2), forwards, x), (columns[0], forwards, x), (columns[1], backwards, g)]
        for y, wanted, of in pairs:
            assert y.dtype == A._product_dtype(np, np.dtype(dtype))
            eps = np.finfo(y.dtype).eps
            bound = 30 * eps * subject.norm * np.linalg.norm(of.astype(complex), axis=-1)
            bound = bound + (eps * np.linalg.norm(wanted.astype(complex), axis=-1) if eps > 1e-4 else 0)
            assert np.all(np.linalg.norm((y - wanted).astype(complex), axis=-1) <= bound), (dtype, y.dtype)


def hold_gradients(A: sm.LinearOperator, seed: int) -> None:
    """Hold all gradients of a tree against its derivative, for vectors and cotangents of several precisions."""
    rng, subject = np.random.default_rng(seed), Subject(A, seed, (), lambda f: f, xp=np, device=None)
    for x_dtype, g_dtype in itertools.product(("float32", "complex64", "float64"), ("float32", "float64")):
        x, g = narrow(rng, (3, A.n), x_dtype), narrow(rng, (3, A.m), g_dtype)
        wanted = g @ subject.matrix.conj()
        wanted = wanted if "complex" in x_dtype else wanted.real
        eps = 30 * np.finfo(A._product_dtype(np, x.dtype)).eps + np.finfo(x_dtype).eps
        bound = eps * subject.norm * np.linalg.norm(g, axis=-1)
        for save in ("vjp", "spectrum", "input", "nothing"):
            dx, grads = A.vjp(x, g) if save == "vjp" else A.backward(A.forward(x, save=save)[1], g)
            assert dx.dtype == x.dtype
            assert np.all(np.linalg.norm((dx - wanted).astype(complex), axis=-1) <= bound), save
            if A.params and save != "nothing":
                subject.assert_gradients(
                    A, (subject.derivative, subject.directions), (x, g), grads, f"{save}, {x_dtype}, {g_dtype}"
                )


@hypothesis.settings(max_examples=40)
@hypothesis.given(trees(dtypes=("float64", "complex128")), st.integers(0, 2**32 - 1))
def test_gradients_meet_a_tree_in_its_precision(A: sm.LinearOperator, seed: int) -> None:
    """The gradients of a double-precision tree have all their digits, whatever the vectors and cotangents have."""
    hold_gradients(A, seed)


def test_gradients_past_parts_without_parameters() -> None:
    c, d = np.random.default_rng(0).standard_normal((2, 6))
    C, D, Q = sm.Circulant(c), sm.Diagonal(d), sm.DCT(6, norm="ortho")
    for A in (
        C @ Q,
        Q @ C,
        Q @ C @ Q,
        0.1 * C,
        C + 0.3 * Q,
        0.1 * (D @ sm.DFT(6)),
        sm.kron(Q, C),
        sm.vstack([C, 0.7 * Q]),
    ):
        hold_gradients(A, 1)
    hold_gradients(sm.Circulant(c.astype("float32")), 1)


@pytest.mark.parametrize(("kind", "vectors"), [("float32", "bfloat16"), ("float64", "float16"), ("float64", "float32")])
def test_half_precision_meets_a_tree_in_its_precision(kind: str, vectors: str) -> None:
    torch = library("torch")
    rng = np.random.default_rng(0)
    A = (sm.Circulant(rng.standard_normal(64)) @ sm.DCT(64, norm="ortho")).to(xp=torch, dtype=kind)
    x = torch.asarray(rng.standard_normal((3, 64))).to(getattr(torch, vectors))
    exact, eps = sm.testing.dense_pair(A)[0].astype(float), float(torch.finfo(A.dtype).eps)
    bound = 30 * eps * np.linalg.norm(exact, 2) * np.linalg.norm(x.double().numpy(), axis=-1)
    assert A.matvec(x).dtype == A.dtype
    assert np.all(np.linalg.norm(A.matvec(x).numpy() - x.double().numpy() @ exact.T, axis=-1) <= bound)
    assert np.all(np.linalg.norm(A.rmatvec(x).numpy() - x.double().numpy() @ exact, axis=-1) <= bound)


def test_right_hand_sides_meet_a_tree_in_its_precision() -> None:
    rng = np.random.default_rng(0)
    c, b = rng.standard_normal(64) + 9 * np.eye(64)[0], rng.standard_normal(64).astype("float32")
    A = sm.DCT(64, norm="ortho") @ sm.Circulant(c)
    x = sm.linalg.solve(A, b)
    assert x.dtype == np.float64
    assert np.linalg.norm(A @ x - b) <= 1e3 * np.finfo(float).eps * np.linalg.norm(b)
    assert np.allclose(sm.linalg.lstsq(A, b), x, rtol=1e-10)


# ---------------------------------------------------------------------- arrays of no floating dtype


def strange(n: int) -> Iterator[tuple[str, np.ndarray]]:
    """Arrays of NumPy of every kind but floating ones."""
    ones = np.ones(n, int)
    yield "object", ones.astype(object)
    yield "object", np.full(n, 1.5, dtype=object)
    yield "object", np.asarray(["a"] * n, dtype=object)
    for dtype in ("bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u8", "U3", "S3", "V4"):
        array = ones.astype(dtype) if dtype != "V4" else np.zeros(n, dtype)
        yield array.dtype.name, array
    for dtype in ("M8[s]", "m8[ms]"):
        array = np.zeros(n, dtype)
        yield array.dtype.name, array
    records = np.zeros(n, [("x", "f8"), ("y", "f8")])
    yield records.dtype.name, records
    yield np.dtype((np.record, records.dtype)).name, records.view(np.recarray)
    yield "StringDType", np.asarray(["a"] * n, dtype=np.dtypes.StringDType())


def calls(A: sm.LinearOperator) -> dict[str, tuple[int, str, Callable[[Any], Any]]]:
    """The calls that take an array: a side of the operator, the argument's name, and the call."""
    x, g = np.ones(A.n), np.ones(A.m)
    saved = A.forward(x)[1]
    return {
        "matvec": (1, "x", A.matvec),
        "matvec out": (1, "x", lambda v: A.matvec(v, out=np.ones(A.m))),
        "matvec in pieces": (1, "x", lambda v: A.matvec(v[None], chunk_size=1)),
        "rmatvec": (0, "g", A.rmatvec),
        "matmat": (1, "X", lambda v: A.matmat(v[:, None])),
        "rmatmat": (0, "Y", lambda v: A.rmatmat(v[:, None])),
        "forward": (1, "x", A.forward),
        "forward input": (1, "x", lambda v: A.forward(v, save="input")),
        "forward nothing": (1, "x", lambda v: A.forward(v, save="nothing")),
        "vjp of x": (1, "x", lambda v: A.vjp(v, g)),
        "vjp of g": (0, "g", lambda v: A.vjp(x, v)),
        "backward": (0, "g", lambda v: A.backward(saved, v)),
        "@": (1, "x", lambda v: A @ v),
        "@ of a matrix": (1, "X", lambda v: A @ v[:, None]),
        "on the right": (0, "x", lambda v: v @ A),
        "H": (0, "x", lambda v: A.H @ v),
        "solve": (0, "b", lambda v: sm.linalg.solve(A, v)),
        "lstsq": (0, "b", lambda v: sm.linalg.lstsq(A, v)),
    }


@pytest.mark.parametrize("dtype", ["f2", "f4", "c16", ">f8"])
@pytest.mark.parametrize("name", NAMES)
def test_arrays_of_no_floating_dtype_are_refused(name: str, dtype: str) -> None:
    A = OPERATORS[name].example(9, np.random.default_rng(zlib.crc32(name.encode())))
    A = A.with_params([value.astype(dtype) for value in A.params])
    for title, (side, argument, call) in calls(A).items():
        if title == "solve" and A.m != A.n:
            continue
        for told, array in strange(A.shape[side]):
            with pytest.raises(TypeError) as raised:
                call(array)
            message = str(raised.value)
            assert f"{argument} has dtype {told}" in message, title
            assert "expected a real or complex floating dtype" in message


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_no_floating_dtype_are_refused(name: str) -> None:
    A = OPERATORS[name].example(9, np.random.default_rng(0))
    for place, value in enumerate(A.params):
        for told, flat in strange(value.size):
            params = list(A.params)
            params[place] = flat.reshape(value.shape)
            with pytest.raises(TypeError, match="has dtype"):
                A.with_params(params)
            fields = {field: old for field, old in A._fields.items() if not field.startswith("_")}
            field = next(field for field, old in fields.items() if old is value)
            with pytest.raises(TypeError, match=re.escape(f"{field} has dtype {told}")):
                type(A)(**{**fields, field: params[place]})


@pytest.mark.parametrize(
    "make",
    [
        sm.SignFlip,
        sm.Permutation,
        lambda v: sm.Restriction(9, v),
        lambda v: sm.Sparse(np.ones(3), v, np.arange(3), 3, 3),
        sm.Circulant.from_row,
        sm.Circulant.from_spectrum,
        lambda v: sm.aslinearoperator(v[:, None]),
    ],
    ids=["SignFlip", "Permutation", "Restriction", "Sparse", "from_row", "from_spectrum", "aslinearoperator"],
)
def test_constants_of_strange_dtypes_are_refused(make: Callable[[Any], Any]) -> None:
    for told, array in strange(3):
        if "int" not in told and told != "bool":
            with pytest.raises(TypeError, match=r"(signs|index|rows|column|spectrum|matrix) (has dtype|is)"):
                make(array)


def test_other_libraries_integers_are_refused() -> None:
    torch, jnp = library("torch"), library("jax.numpy")
    for xp, dtypes in ((torch, ("bool", "uint8", "int64")), (jnp, ("bool", "uint8", "int32"))):
        for A in (sm.identity(4), sm.SignFlip(xp.ones(4, dtype=xp.int8)), sm.Circulant(xp.ones(4, dtype=xp.float16))):
            for dtype in dtypes:
                for call in (A.matvec, A.rmatvec, A.forward):
                    with pytest.raises(TypeError, match=rf"has dtype {dtype}"):
                        call(xp.ones(4, dtype=getattr(xp, dtype)))


def test_no_dtype_passes_for_that_of_an_operator_without_one() -> None:
    for A in (sm.identity(3), sm.Circulant(np.ones(3, "f2")), sm.Circulant(np.ones(3, ">f8")), sm.DCT(3)):
        assert A._native_dtype is None
    for dtype in ("f4", "f8", "g", "c8", "c16", "G"):
        assert sm.Circulant(np.ones(3, dtype))._native_dtype == np.dtype(dtype)
    assert sm.LowRank(np.ones((3, 1)), np.ones((3, 1), "f4"))._native_dtype is None
    assert sm.LowRank(np.ones((3, 1)), np.ones((3, 1), "c16"))._native_dtype == np.dtype("c16")
    assert set(DTYPES) == {"float32", "float64", "complex64", "complex128"}
