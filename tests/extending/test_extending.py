"""Operators written by the page on extending, one file each: the contract holds, and rewriting and solvers use them."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from backends import ALL, Backend
from extending.cauchy import BLOCK, Cauchy
from extending.cumulative_sum import CumulativeSum
from extending.lower_toeplitz import LowerToeplitz
from extending.rotations import Rotations

import structmat as sm
from structmat.core import OPERATORS
from structmat.custom import Leaf, param

NAMES = ("Cauchy", "CumulativeSum", "LowerToeplitz", "Rotations")
CHECKS = {  # those that say something new, as in the contract of the package's operators
    "numpy-readonly": ("products", "matrices", "forward", "gradients", "untouched"),
    "jax": ("products", "gradients"),
    "jax-jit": ("products", "gradients"),
}


def draw(*shape: int, dtype: str = "float64") -> np.ndarray:
    rng = np.random.default_rng(len(shape))
    real = rng.standard_normal(shape)
    return (real + 1j * rng.standard_normal(shape) if "complex" in dtype else real).astype(dtype)


def rotations(n: int = 6, dtype: str = "float64") -> Rotations:
    return Rotations(draw(2, n // 2, dtype=dtype))


def series(n: int = 6, dtype: str = "float64") -> LowerToeplitz:
    return LowerToeplitz((draw(n, dtype=dtype) + 3 * (np.arange(n) == 0)).astype(dtype))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backend", ALL, ids=repr)
def test_contract(backend: Backend, name: str) -> None:
    """Every check on NumPy, array_api_strict and PyTorch, as for the operators of the package; fewer on JAX."""
    for dtype in backend.dtypes:
        for n in backend.sizes:
            A = backend.bring(OPERATORS[name].example(n, np.random.default_rng(n)), dtype)
            sm.testing.check_operator(
                A,
                checks=CHECKS.get(backend.name),
                batches=backend.batches,
                transform=backend.transform,
                xp=backend.xp,
                device=backend.device,
            )


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_contract_with_numbers_of_every_kind(dtype: str) -> None:
    """Examples are real; their imaginary parts are zero in complex dtypes."""
    sm.testing.check_operator(Cauchy(draw(4, dtype=dtype) + 4, draw(5, dtype=dtype) - 4))
    sm.testing.check_operator(rotations(dtype=dtype))
    sm.testing.check_operator(series(dtype=dtype))


def test_cauchy_in_blocks() -> None:
    A = Cauchy(np.arange(3.0), -1 - np.arange(2.0 * BLOCK + 7))
    x, g = draw(2, A.n), draw(2, A.m)
    entries = 1 / (A.points[:, None] - A.poles[None, :])
    assert np.allclose(A.matvec(x), x @ entries.T)
    assert np.allclose(A.rmatvec(g), g @ entries)
    _, (points, poles) = A.vjp(x, g)
    assert np.allclose(points, -np.sum(g * (x @ entries.T**2), axis=0))
    assert np.allclose(poles, np.sum(x * (g @ entries**2), axis=0))


# ---------------------------------------------------------------------- what is declared is used


#: An operator, and the class that it simplifies to by the facts that its leaves declare.
SIMPLER: dict[str, tuple[sm.LinearOperator, type]] = {
    "Cauchy adjoint": (Cauchy(draw(3) + 4j, draw(4) - 1j).H, Cauchy),
    "Cauchy conjugate": (Cauchy(draw(3) + 4j, draw(4)).conj(), Cauchy),
    "Toeplitz and cumulative sum": (sm.Toeplitz(draw(6), draw(6)) - 2 * CumulativeSum(6), sm.Toeplitz),
    "cumulative sums, dense": (CumulativeSum(6) @ sm.Dense(draw(6, 6)), sm.Dense),
    "series": (series() @ series(), LowerToeplitz),
    "series of two dtypes": (series(dtype="complex64") @ series(), LowerToeplitz),
    "series added": (series() - 2 * sm.identity(6), LowerToeplitz),
    "power of a series": (series() ** 5, LowerToeplitz),
    "inverse of a series": (series() ** -1 @ series(dtype="complex128"), LowerToeplitz),
    "Toeplitz and a series": (series() + sm.Toeplitz(draw(6), draw(6)), sm.Toeplitz),
    "rotations": (rotations() @ rotations(), Rotations),
    "rotations of two dtypes": (rotations() @ rotations(dtype="complex64"), Rotations),
    "rotations added": (2 * rotations() - 1j * rotations(dtype="complex128"), Rotations),
    "rotations adjoint": (rotations(dtype="complex128").H, Rotations),
    "rotations transposed": (rotations(dtype="complex128").T, Rotations),
    "power": (rotations() ** 5, Rotations),
    "power 0": (rotations() ** 0, Rotations),
    "inverse": (rotations() ** -1, Rotations),
    "normal equations": (rotations().H @ rotations() + 0.1 * sm.identity(6), Rotations),
    "bands and rotations": (sm.Banded(draw(4, 6), 2, 1) + rotations(), sm.Banded),
}


@pytest.mark.parametrize("case", SIMPLER)
def test_simplified(case: str) -> None:
    A, wanted = SIMPLER[case]
    B = sm.simplify(A)
    assert type(B) is wanted
    assert B.dtype == A.dtype
    eps = 1e-5 if A.dtype == np.complex64 else 1e-13
    assert np.allclose(B.to_dense(), A.to_dense(), rtol=eps, atol=eps * np.linalg.norm(A.to_dense()))


@pytest.mark.parametrize(
    "A", [CumulativeSum(6), series(), series(9, "complex128"), rotations(), rotations(dtype="complex128")], ids=repr
)
def test_solved(A: sm.LinearOperator) -> None:
    matrix, b = A.to_dense(), draw(A.n)
    for B, dense in ((A, matrix), (A.H, matrix.conj().T), (A @ A, matrix @ matrix)):
        assert np.allclose(sm.linalg.solve(B, b), np.linalg.solve(dense, b), rtol=1e-12)
        assert "solve" in sm.linalg.exact(B)
    assert np.allclose(sm.linalg.svdvals(A), np.linalg.svd(matrix, compute_uv=False), rtol=1e-12)
    assert np.allclose(sm.linalg.det(A), np.linalg.det(matrix), rtol=1e-12)


def test_facts_of_numbers() -> None:
    assert set(sm.linalg.exact(CumulativeSum(6))) == {"solve", "pinv", "det", "eigvals", "svdvals"}
    assert np.array_equal(sm.linalg.eigvals(CumulativeSum(6)), np.ones(6))
    assert np.allclose(
        np.sort_complex(sm.linalg.eigvals(rotations())), np.sort_complex(scipy.linalg.eigvals(rotations().to_dense()))
    )


def test_a_subclass_of_another_matrix_declares_its_own_facts() -> None:
    """What holds of the base class may not hold of a class that defines its entries anew."""

    class Squared(sm.Diagonal):
        _linear_in_params = False

        def _matvec(self, xp: Any, x: Any) -> Any:
            return self.entries**2 * x

        def _rmatvec(self, xp: Any, g: Any) -> Any:
            return xp.conj(self.entries) ** 2 * g

        def _entry(self, xp: Any, i: Any, j: Any) -> Any:
            return xp.where(i == j, self.entries[i] ** 2, 0)

    class Renamed(sm.Diagonal):
        pass

    A = Squared(draw(3))
    for B in (2 * A, A + A @ A, A @ A, A + sm.identity(3)):
        assert sm.simplify(B) is B
    assert isinstance(sm.simplify(2 * Renamed(draw(3))), Renamed)


FALSE_FACTS: dict[str, tuple[str, Any]] = {
    "scaled parameters": ("_scaled_by", ("points",)),
    "added parameters": ("_linear_over", "complex"),
    "_transposed_fields": ("_transposed_fields", lambda A: {"points": A.poles, "poles": A.points}),
    "_moves_entries": ("_moves_entries", True),
    "_as_diagonal": ("_as_diagonal", lambda A, like: A.points),
    "_as_banded": ("_as_banded", lambda A, like: (A.points[None, :], 0, 0)),
    "_as_circulant": ("_as_circulant", lambda A, like: A.points),
    "_as_toeplitz": ("_as_toeplitz", lambda A, like: (A.points, A.poles)),
    "_from_spectrum": ("_spectral", ("points", "poles")),
}


@pytest.mark.parametrize("what", FALSE_FACTS)
def test_false_facts_are_found(what: str) -> None:
    name, fact = FALSE_FACTS[what]
    cls = type("Cauchy", (Cauchy,), {"_from_spectrum": lambda A, spectrum: 2 * spectrum, name: fact})
    with pytest.raises(AssertionError, match=f"^facts: .*({what}|scaled parameters)"):
        sm.testing.check_operator(cls(1 + draw(5) ** 2, -1 - draw(5) ** 2), checks=["facts"])


def test_a_class_that_is_not_decorated_names_the_decorator() -> None:
    class Scale(Leaf):
        dims = "n", "n"
        entries: Any = param("n")

    with pytest.raises(
        TypeError, match=r"Scale: the class has no constructor; decorate it with @structmat\.custom\.reg"
    ):
        Scale(np.ones(3))
    with pytest.raises(TypeError, match="no constructor"):
        Scale()
