"""Every registered operator keeps the contract, on every backend, in every dtype and size."""

import zlib

import numpy as np
import pytest
from backends import ALL, WITHOUT, Backend, library

import structmat as sm
from structmat.core import OPERATORS

NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))
# Not every check says something new on every backend: another device shows where arrays are made, which these checks
# reach; under a transformation only two differ from those without it; and JAX, which compiles each shape anew, takes
# one dtype where it runs eagerly, and the others compiled.
CHECKS = {
    "numpy-readonly": ("products", "matrices", "forward", "gradients", "untouched"),
    "strict-device1": ("entries", "dense", "products", "matrices", "adjoint", "forward", "gradients", "params"),
    "jax": ("products", "gradients", "dtypes", "params", "pickle", "messages"),
    "jax-jit": ("products", "gradients"),
}
CASES = [
    pytest.param(backend, dtype, check, id=f"{backend}-{dtype}-{check}")
    for backend in ALL
    for dtype in backend.dtypes
    for check in CHECKS.get(backend.name, sm.testing.CHECKS)
    if check != "views" or dtype in {"float32", "complex128"}  # layouts differ by the size of an entry alone
]


def example(name: str, n: int) -> sm.LinearOperator:
    return OPERATORS[name].example(n, np.random.default_rng(zlib.crc32(f"{name}{n}".encode())))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("backend", "dtype", "check"), CASES)
def test_contract(backend: Backend, dtype: str, check: str, name: str) -> None:
    for n in backend.sizes[1:3] if check == "views" else backend.sizes:
        A = backend.bring(example(name, n), dtype)
        sm.testing.check_operator(
            A,
            checks=[check],
            batches=backend.batches,
            transform=backend.transform,
            xp=backend.xp,
            device=backend.device,
            rng=n,
        )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", NAMES)
def test_half_precision(name: str, dtype: str) -> None:
    """Operators in half precision compute in single and round once."""
    torch = library("torch")
    A = example(name, 9).to(xp=torch, dtype=dtype)
    checks = ["entries", "dense", "products", "adjoint", "gradients", "dtypes", "params"]
    sm.testing.check_operator(A, checks=checks, xp=torch)


def test_every_backend_is_here() -> None:
    """What is tested on fewer libraries says so, in STRUCTMAT_TEST_WITHOUT."""
    assert {"numpy", "strict", "torch", "jax"} - WITHOUT <= {backend.name for backend in ALL}


def test_every_file_of_operators_is_registered() -> None:
    import pkgutil

    import structmat.operators as package

    modules = {f"structmat.operators.{module.name}" for module in pkgutil.iter_modules(package.__path__)}
    assert modules == {OPERATORS[name].cls.__module__ for name in NAMES}
    assert {OPERATORS[name].cls.__name__ for name in NAMES} <= set(package.__all__)
    assert set(NAMES) <= set(sm.__all__)


def test_unknown_check_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown checks speed; known are entries, dense, products"):
        sm.testing.check_operator(sm.identity(2), checks=["speed"])
