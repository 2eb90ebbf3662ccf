"""Fixed transforms against SciPy's, exactly where they are exact."""

# ruff: noqa: E501 (the tables have one row a case)

import numpy as np
import pytest
import scipy.linalg

import structmat as sm

rng = np.random.default_rng(0)
HADAMARD_ORDERS = [1, 2, 4, 8, 64, 12, 24, 48, 96, 20, 40, 80, 160]


@pytest.mark.parametrize("k", range(8))
def test_hadamard_is_scipys(k: int) -> None:
    assert np.array_equal(sm.Hadamard(2**k).to_dense(), scipy.linalg.hadamard(2**k))


@pytest.mark.parametrize("n", HADAMARD_ORDERS)
def test_hadamard_columns_are_orthogonal(n: int) -> None:
    H = sm.Hadamard(n).to_dense().astype(int)
    assert set(np.unique(H)) <= {-1, 1}
    assert np.array_equal(H @ H.T, n * np.eye(n, dtype=int))
    assert np.array_equal(sm.Hadamard(n).H.to_dense(), H.T)


@pytest.mark.parametrize("n", [12, 20, 40])
def test_paley_matrices_are_not_symmetric(n: int) -> None:
    """So that a product in the place of an adjoint product shows."""
    H = sm.Hadamard(n)
    assert not np.array_equal(H.to_dense(), H.T.to_dense())


@pytest.mark.parametrize("n", HADAMARD_ORDERS)
def test_hadamard_is_exact_on_integers(n: int) -> None:
    x = rng.integers(-1000, 1000, (3, n))
    H = sm.Hadamard(n)
    entries = H.to_dense().astype(int)
    assert np.array_equal(H.matvec(x.astype(np.float32)), x @ entries.T)
    assert np.array_equal(H.rmatvec(x.astype(np.float32)), x @ entries)


@pytest.mark.parametrize("norm", [None, "backward", "ortho"])
@pytest.mark.parametrize("n", [1, 8, 24, 20])
def test_hadamard_inverse(n: int, norm: str | None) -> None:
    H = sm.Hadamard(n, norm=norm)
    x = rng.standard_normal(n)
    assert np.allclose((H**-1).matvec(H.matvec(x)), x, rtol=1e-13)
    if norm == "ortho":
        assert np.isclose(np.linalg.norm(H.matvec(x)), np.linalg.norm(x), rtol=1e-14)


@pytest.mark.parametrize(
    ("n", "message"),
    [
        (
            6,
            r"Hadamard: n is 6; expected 2\^k, 12·2\^k or 20·2\^k, nearest 4 or 8, and no Hadamard matrix has order 6\.",
        ),
        (28, r"n is 28; expected .*, nearest 24 or 32\."),
        (1000, r"n is 1000; expected .*, nearest 768 or 1024\."),
        (3, r"nearest 2 or 4, and no Hadamard matrix has order 3"),
        (0, r"Hadamard: n is 0; expected a positive int\."),
    ],
)
def test_impossible_hadamard_orders(n: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sm.Hadamard(n)


def test_unknown_hadamard_norm() -> None:
    with pytest.raises(ValueError, match=r'Hadamard: norm is "?\'forward\'"?; expected None, "backward" or "ortho"\.'):
        sm.Hadamard(4, norm="forward")
