"""The circulant projection: its shapes, its scale, one operator on every backend."""

import numpy as np
import pytest
from backends import ALL, Backend

import structmat as sm

project = sm.projections.circulant_projection
CASES = [
    (6, 6, None),
    (7, 3, None),
    (5, 12, None),
    (5, 12, "pad"),
    (4, 8, "stack"),
    (4, 4, "pad"),
    (4, 4, "stack"),
    (1, 3, None),
]


@pytest.mark.parametrize(("d", "k", "kind"), CASES)
def test_contract(d: int, k: int, kind: str | None) -> None:
    A = project(d, k, kind=kind, rng=0)
    assert A.shape == (k, d)
    assert len(A.params) == 1
    sm.testing.check_operator(A)


@pytest.mark.parametrize(
    "backend", [b for b in ALL if b.name in ("strict", "strict-device1", "torch", "jax")], ids=repr
)
@pytest.mark.parametrize(("d", "k", "kind"), CASES[:4])
def test_one_seed_is_one_operator(backend: Backend, d: int, k: int, kind: str | None) -> None:
    A = project(d, k, kind=kind, rng=5, dtype="float32")
    B = project(d, k, kind=kind, rng=5, dtype="float32", xp=backend.xp, device=backend.device)
    assert B.shape == A.shape
    assert B.param_names == A.param_names
    home = B.to(xp=np)
    assert all(np.array_equal(here, there) for here, there in zip(A._arrays, home._arrays, strict=True))
    x = np.random.default_rng(0).standard_normal((3, d)).astype(np.float32)
    assert B.matvec(backend.asarray(x)).shape == (3, k)
    sm.testing.check_operator(B, checks=["products", "gradients"], batches=[(2,)])


@pytest.mark.parametrize(("d", "k", "kind"), CASES)
def test_the_mean_squared_length_is_kept(d: int, k: int, kind: str | None) -> None:
    """E‖P x‖² = ‖x‖², for the vector of ones too: 4,000 draws, and a bound at five standard errors."""
    rng = np.random.default_rng(1)
    for x in (np.ones(d), rng.standard_normal(d)):
        ratios = [np.sum(project(d, k, kind=kind, rng=rng).matvec(x) ** 2) / np.sum(x**2) for _ in range(4000)]
        assert abs(np.mean(ratios) - 1) < 5 * np.std(ratios) / np.sqrt(len(ratios))


def test_kinds_are_the_matrices_they_say() -> None:
    d, k = 3, 7
    rng = np.random.default_rng(2)
    A = project(d, k, kind="stack", rng=2)
    signs = 1 - 2 * rng.integers(0, 2, size=d, dtype=np.int8)
    columns = rng.standard_normal((3, 1, d)) / np.sqrt(k)
    import scipy.linalg

    dense = np.vstack([scipy.linalg.circulant(column) for column in columns[:, 0]])[:k] * signs
    assert np.allclose(A.to_dense(), dense, atol=1e-15)
    rng = np.random.default_rng(2)
    B = project(d, k, kind="pad", rng=2)
    signs = 1 - 2 * rng.integers(0, 2, size=d, dtype=np.int8)
    dense = scipy.linalg.circulant(rng.standard_normal(k) / np.sqrt(k))[:, :d] * signs
    assert np.allclose(B.to_dense(), dense, atol=1e-15)


def test_fresh_draws_differ() -> None:
    assert not np.array_equal(project(8).params[0], project(8).params[0])
    generator = np.random.default_rng(0)
    assert not np.array_equal(project(8, rng=generator).params[0], project(8, rng=generator).params[0])
    assert project(8, rng=0).dtype == np.float64
    assert project(8, rng=0, dtype=np.float32).dtype == np.float32
