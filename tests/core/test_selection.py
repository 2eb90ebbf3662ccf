"""Entries, diagonals, rows, columns and parts of operators: `A[i, j]`, `A.diagonal()`, `A[rows, columns]`."""

from typing import Any

import backends
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat._backend import devices
from structmat.core import OPERATORS

LIBRARIES = [backend for backend in backends.ALL if backend.transform is None]


def example(name: str) -> sm.LinearOperator:
    return OPERATORS[name].example(9, np.random.default_rng(0))


# JAX compiles each shape anew, so it takes a few.
ENTRIES = [
    pytest.param(name, backend, id=f"{name}-{backend}")
    for name in sorted(OPERATORS)
    for backend in LIBRARIES
    if backend.name != "jax" or name in {"Toeplitz", "Hadamard", "DCT"}
]


@pytest.mark.parametrize(("name", "backend"), ENTRIES)
def test_entries_are_those_of_the_products(name: str, backend: backends.Backend) -> None:
    A = backend.bring(example(name), "float32")
    matrix = devices.to_host(A.to_dense())
    i, j = A.m - 1, A.n // 2
    near = {"rtol": 0, "atol": 30 * np.finfo(np.float32).eps * np.linalg.norm(matrix, 2)}
    for part, wanted in (
        (A[i, j], matrix[i, j]),
        (A[i], matrix[i]),
        (A[:, j], matrix[:, j]),
        (A[1:, -1], matrix[1:, -1]),
        (A.H[j], matrix[:, j].conj()),
        (A.diagonal(), matrix.diagonal()),
        ((2 * A + A)[i, j], 3 * matrix[i, j]),
        (sm.kron(A, A.H)[:, 1], np.kron(matrix, matrix.conj().T)[:, 1]),
        ((A @ A.H).diagonal(), (matrix @ matrix.conj().T).diagonal()),
    ):
        assert part.dtype == A._library[1]
        assert tuple(part.shape) == wanted.shape
        np.testing.assert_allclose(devices.to_host(part), wanted, **near, err_msg=name)


def test_entries_are_exact() -> None:
    c, r = np.asarray([1.1, 2.2, 3.3]), np.asarray([9.9, 4.4, 5.5, 6.6])
    A = sm.Toeplitz(c, r)
    wanted = np.asarray([[1.1, 4.4, 5.5, 6.6], [2.2, 1.1, 4.4, 5.5], [3.3, 2.2, 1.1, 4.4]])
    assert [[A[i, j] for j in range(4)] for i in range(3)] == wanted.tolist()
    assert A[-1].tolist() == wanted[-1].tolist()
    assert A.diagonal().tolist() == [1.1] * 3
    assert sm.linalg.trace(sm.Circulant(np.full(7, 0.1))) == np.sum(np.full(7, 0.1))


keys = st.one_of(
    st.slices(6).filter(lambda key: len(range(6)[key])),
    st.lists(st.integers(-6, 5), min_size=1, max_size=6, unique_by=lambda place: place % 6),
    st.lists(st.booleans(), min_size=6, max_size=6).filter(any).map(np.asarray),
    st.permutations(range(6)).map(lambda places: np.asarray(places, dtype=np.int8)),
)


@given(rows=keys, columns=keys)
def test_parts_are_operators(rows: Any, columns: Any) -> None:
    C = sm.Circulant(np.arange(6.0))
    A = C @ sm.Diagonal(1 + np.arange(6.0))
    matrix = A.to_dense()[np.arange(6)[rows], :][:, np.arange(6)[columns]]
    part = A[rows, columns]
    assert part.shape == matrix.shape
    np.testing.assert_allclose(part.to_dense(), matrix, atol=1e-13)
    np.testing.assert_allclose(sm.simplify(part).to_dense(), matrix, atol=1e-13)
    assert part.param_names[0].endswith("column")
    np.testing.assert_allclose(A[rows].to_dense(), A.to_dense()[np.arange(6)[rows]], atol=1e-13)
    sm.testing.check_operator(part, checks=["products", "adjoint", "gradients"])


@pytest.mark.parametrize("backend", LIBRARIES, ids=repr)
@pytest.mark.parametrize("key", [slice(None, None, 2), slice(None, None, -3), slice(7, 2, -2), slice(3, 4)], ids=str)
def test_slices_of_any_step_on_any_library(key: slice, backend: backends.Backend) -> None:
    x, whole = np.arange(18.0).reshape(2, 9), sm.Restriction(9, key)
    assert devices.to_host(whole.matvec(backend.asarray(x))).tolist() == x[:, key].tolist()
    back = np.zeros_like(x)
    back[:, key] = x[:, : whole.m]
    assert devices.to_host(whole.rmatvec(backend.asarray(x[:, : whole.m]))).tolist() == back.tolist()


READ: dict[str, Any] = {
    "list": [0, 2],
    "tuple": (3, 1),
    "range": range(0, 5, 2),
    "repeated": [0, 0, -1, 0],
    "negative": [-1, -5],
    "empty list": [],
    "empty array": np.asarray([], dtype=np.int64),
    "one axis of one": [4],
    "two axes": np.asarray([[0, 1], [4, 4]]),
    "nested lists": [[0, 1], [4, 4]],
    "three axes, none of it": np.zeros((2, 0, 3), dtype=np.int64),
    "unsigned": np.asarray([4, 1], dtype=np.uint8),
    "byte-swapped": np.asarray([4, 1], dtype=">i2"),
    "a view": np.arange(10)[4::-2],
    "mask": np.asarray([True, False, True, False, True]),
    "list of bools": [True, False, False, True, False],
    "nothing of a mask": np.zeros(5, dtype=bool),
    "slice": slice(1, 4),
    "slice backwards": slice(None, None, -2),
    "slice of a step": slice(1, 40, 3),
    "empty slice": slice(2, 2),
    "empty slice backwards": slice(0, 3, -1),
    "slice of NumPy's integers": slice(np.int64(1), np.int32(3)),
    "ellipsis": ...,
    "int": 2,
    "negative int": -4,
    "NumPy's int": np.int16(3),
    "no axes": np.asarray(1),
}
SUBJECTS = {
    "known": sm.Circulant(np.asarray([2.0, 3.0, 5.0, 7.0, 11.0])),
    "complex": sm.Circulant(np.asarray([2.0, 3.0j, 5.0, 7.0, 11.0])),
    "product": sm.Tridiagonal(np.ones(4), np.arange(1.0, 6), np.ones(4))
    @ sm.Tridiagonal(np.ones(4), np.ones(5), np.ones(4)),
    "function": sm.FunctionOperator(
        (5, 5), lambda x: np.cumsum(x, axis=-1), lambda g: np.cumsum(g[..., ::-1], axis=-1)[..., ::-1]
    ),
}


def as_numpy_reads(key: Any) -> Any:
    """A list of none is of floats to NumPy, and tuples in tuples are lists."""
    return np.asarray(list(key), dtype=None if len(key) else int) if isinstance(key, list | tuple | range) else key


@pytest.mark.parametrize("kind", READ)
@pytest.mark.parametrize("subject", SUBJECTS)
def test_entries_are_read_as_numpy_reads_them(subject: str, kind: str) -> None:
    A, key = SUBJECTS[subject], READ[kind]
    matrix, wanted = A.to_dense(), as_numpy_reads(key)
    for place in (0, -2, np.int8(3)):
        for got, expected in ((A[key, place], matrix[wanted, place]), (A[place, key], matrix[place, wanted])):
            assert got.shape == expected.shape
            assert got.dtype == matrix.dtype
            assert np.array_equal(got, expected)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_other_keys_of_numpy(subject: str) -> None:
    A = SUBJECTS[subject]
    matrix = A.to_dense()
    assert A[...] is A[()] is A[:] is A[..., :] is A[:, :, ...] is A
    for key in ((..., 0), (0, ...), (..., 1, 2), (1, ..., 2), (1, 2, ...), 3, -1):
        assert np.array_equal(A[key], matrix[key])
    mask = np.abs(matrix) > 2
    assert np.array_equal(A[mask], matrix[mask])
    assert A[mask & False].shape == (0,)
    key = np.ix_([0, 3], [1, 2, 4])
    assert np.array_equal(A[key].to_dense(), matrix[key])
    assert np.array_equal(A[1:3][1, :], matrix[1:3][1, :])
    assert np.array_equal(np.stack(list(A)), matrix)


@pytest.mark.parametrize("backend", [each for each in LIBRARIES if each.name != "jax"], ids=repr)
def test_index_arrays_belong_to_the_library(backend: backends.Backend) -> None:
    A = backend.bring(sm.Circulant(np.arange(1.0, 6)), "float32")
    matrix = devices.to_host(A.to_dense())
    index = backend.xp.asarray([3, 3, -1], device=A.device)
    assert devices.to_host(A[index, 1]).tolist() == matrix[[3, 3, -1], 1].tolist()
    assert devices.to_host(A[0, [1, 1]]).tolist() == matrix[0, [1, 1]].tolist()
    assert devices.to_host(A[index[1:], :].to_dense()).tolist() == matrix[[3, -1]].tolist()
    if backend.name != "numpy" and not backend.name.startswith("numpy"):
        with pytest.raises(TypeError, match=r"rows is an array of numpy; expected one of .*, or a list\."):
            A[np.asarray([0, 1]), 1]


def test_traced_places() -> None:
    jax = backends.library("jax")
    A = sm.Circulant(jax.numpy.arange(1.0, 6))
    assert jax.jit(lambda i: A[i, 1])(3) == A[3, 1]
    assert jax.jit(lambda i: A[2, i])(jax.numpy.asarray([0, -1])).tolist() == [3.0, 4.0]


def test_nothing_is_in_an_operator() -> None:
    with pytest.raises(TypeError, match=r"not a container|not iterable"):
        5 in sm.identity(3)  # noqa: B015


def test_narrow_integers_count_from_the_end_too() -> None:
    assert sm.identity(1000)[np.asarray([1, -1], dtype=np.int8)].index.tolist() == [1, 999]


def test_select_takes_operators_only() -> None:
    with pytest.raises(TypeError, match=r"select: A is a ndarray; expected a LinearOperator\."):
        sm.select(np.eye(3), 0)


def test_nothing_is_selected_from_all() -> None:
    A = sm.Circulant(np.ones(4))
    assert A[:, :] is A
    assert A[0:4] is A
    assert type(A[:, 1:].parts[0]) is sm.Circulant


@pytest.mark.parametrize(
    ("key", "error", "message"),
    [
        ((4, 0), IndexError, r"Circulant\(4×4\): row 4 is out of range; expected -4 to 3\."),
        ((0, -5), IndexError, r"Circulant\(4×4\): column -5 is out of range"),
        (([0, 7], 0), IndexError, r"Circulant\(4×4\): row 7 is out of range; expected -4 to 3\."),
        ([-5], IndexError, r"row -5 is out of range; expected -4 to 3\."),
        (np.asarray([2, 200], dtype=np.uint8), IndexError, "row 200 is out of range"),
        ([], ValueError, "rows selects nothing; expected at least one"),
        (np.zeros(4, dtype=bool), ValueError, "rows selects nothing"),
        ((slice(None), slice(2, 2)), ValueError, "columns selects nothing"),
        (([0, 0], slice(None)), ValueError, "rows has an entry twice; expected each of 0 to 3 once at most, unless"),
        (([[0, 1]], slice(None)), IndexError, r"rows has shape \(1, 2\); expected one axis, unless the other index is"),
        (np.asarray([True, False]), IndexError, "rows is a mask of 2 entries; expected 4"),
        ((np.ones((4, 4), dtype=bool), 0), IndexError, r"rows is a mask of shape \(4, 4\); expected 4"),
        (np.ones((4, 3), dtype=bool), IndexError, r"the mask has shape \(4, 3\); expected \(4, 4\)"),
        ((slice(None), "a"), IndexError, "columns is 'a'; expected an int, a slice, or a sequence or array of ints"),
        ((["a"], 0), IndexError, "rows has dtype str"),
        (([[0], [1, 2]], 0), IndexError, r"rows is \[\[0\], \[1, 2\]\], which makes no array of ints"),
        (([2**70], 0), IndexError, "rows has dtype object"),
        ((2**70, 0), IndexError, "row 1180591620717411303424 is out of range"),
        ((0, 0, 0), IndexError, "3 indices; expected one for rows and one for columns"),
        ((..., ...), IndexError, "2 indices"),
        ([0.5], IndexError, "rows has dtype float64; expected integers or bool"),
        (1.0, IndexError, "rows is 1.0; expected an int"),
        (True, IndexError, "rows is True; expected an int"),
        ((0, np.True_), IndexError, "columns is np.True_|columns is True"),
        (None, IndexError, "rows is None; .* None adds an axis, which an operator can't have"),
        (slice(0, 2.5), TypeError, r"rows is slice\(0, 2.5, None\): slice indices must be integers"),
        (slice(0, 2, 0), ValueError, r"rows is slice\(0, 2, 0\): slice step cannot be zero"),
    ],
)
def test_bad_keys(key: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sm.Circulant(np.ones(4))[key]
