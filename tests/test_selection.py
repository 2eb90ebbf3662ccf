"""Entries, diagonals, rows, columns and parts of operators: `A[i, j]`, `A.diagonal()`, `A[rows, columns]`."""

from typing import Any

import backends
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import structmat as sm
from structmat._backend import to_host
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
    matrix = to_host(A.to_dense())
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
        np.testing.assert_allclose(to_host(part), wanted, **near, err_msg=name)


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
    assert to_host(whole.matvec(backend.asarray(x))).tolist() == x[:, key].tolist()
    back = np.zeros_like(x)
    back[:, key] = x[:, : whole.m]
    assert to_host(whole.rmatvec(backend.asarray(x[:, : whole.m]))).tolist() == back.tolist()


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
        ((0, np.zeros(4, dtype=bool)), ValueError, "columns selects nothing"),
        (([0, 0], slice(None)), ValueError, "index has an entry twice"),
        ((slice(2, 2), slice(None)), ValueError, r"Restriction: index is slice\(2, 2, None\)"),
        (np.asarray([True, False]), IndexError, "rows is a mask of 2 entries; expected 4"),
        ((slice(None), "a"), IndexError, "columns is 'a'; expected an int, a slice or"),
        ((0, 0, 0), IndexError, "3 indices; expected one for rows and one for columns"),
        ([0.5], IndexError, "rows has dtype float64; expected integers or bool"),
        (True, IndexError, "rows is True; expected an int"),
        (..., IndexError, "rows is Ellipsis"),
    ],
)
def test_bad_keys(key: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sm.Circulant(np.ones(4))[key]
