"""The precision of results: that of the operator in linear algebra, and NumPy's extended one wherever it comes in."""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from backends import ALL, Backend

import structmat as sm
from structmat.core import OPERATORS
from structmat.testing.reference import norm_bound

L = sm.linalg
EXTENDED = float(np.finfo(np.longdouble).eps)
extended = pytest.mark.skipif(np.finfo(float).eps == EXTENDED, reason="no precision beyond double here")


def example(name: str, n: int) -> sm.LinearOperator:
    return OPERATORS[name].example(n, np.random.default_rng(zlib.crc32(f"{name}{n}".encode())))


def column(n: int) -> np.ndarray:
    """That of a circulant whose eigenvalues are positive and far from zero."""
    return (2 * np.eye(n)[0] + np.random.default_rng(n).uniform(0, 1 / n, n)).astype("float64")


C, I2 = sm.Circulant(column(4)), sm.identity(2)
COMPOSITIONS = {
    "product with signs": C @ sm.SignFlip.random(4, rng=0),
    "product with a shift": sm.Shift(4, 1) @ C,
    "product with a transform": C @ sm.DFT(4, "ortho"),
    "kron with an identity": sm.kron(C, I2),
    "kron with a transform": sm.kron(sm.DCT(2, 2, "ortho"), C),
    "kron with a Hadamard matrix": sm.kron(sm.Hadamard(2), C),
    "kron of circulants": sm.kron(C, sm.Circulant(column(3))),
    "kron with a diagonal": sm.kron(C, sm.Diagonal(column(2) + 1)),
    "repeated": sm.repeat(C, 2),
    "multiple": -2 * C,
    "sum with an identity": C + 3 * sm.identity(4),
    "sum of krons": sm.kron(C, I2) + sm.kron(sm.identity(4), sm.Circulant(column(2))),
    "power": C**2,
    "inverse": C**-1,
    "update": C + sm.LowRank(np.ones((4, 1)), np.ones((4, 1))),
    "dense sum": C + sm.Toeplitz(np.arange(4.0), np.arange(4.0)),
    **{
        f"blocks with {type(part).__name__}": sm.block_diag([C, part])
        for part in (I2, sm.Shift(3, 1), sm.SignFlip.random(2, rng=1), sm.Zero(2, 2), sm.Hadamard(2), sm.DFT(3))
    },
    "blocks with a cosine transform": sm.block_diag([C, sm.DCT(3, 1)]),
    "blocks with a restriction": sm.block_diag([C, sm.Restriction(3, slice(0, 2))]),
}
REGISTRY = {
    name: example(name, 6) for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.")
}
SQUARE: dict[str, Callable[[sm.LinearOperator], Any]] = {
    "det": L.det,
    "sign": lambda A: L.slogdet(A).sign,
    "logabsdet": lambda A: L.slogdet(A).logabsdet,
    "eigvals": L.eigvals,
    "trace": L.trace,
    "eigh": lambda A: L.eigh(A).eigenvalues,
    "expm": L.expm,
    "funm": lambda A: L.funm(A, lambda values: np.asarray(values.real > 0)),
    "funm in double": lambda A: L.funm(A, lambda values: np.asarray(values.real, dtype=np.float64)),
    "sqrtm": L.sqrtm,
    "logm": L.logm,
    "power": lambda A: L.fractional_matrix_power(A, -0.5),
}
ANY: dict[str, Callable[[sm.LinearOperator], Any]] = {
    "svdvals": L.svdvals,
    "cond": L.cond,
    "diagonal": L.diagonal,
    "pinv": L.pinv,
    **{f"norm {order}": lambda A, order=order: L.norm(A, order) for order in ("fro", 2, 1, np.inf)},
}
REAL = {"logabsdet", "eigh", "svdvals", "cond", *(name for name in ANY if name.startswith("norm"))}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("name", [*REGISTRY, *COMPOSITIONS])
def test_results_have_the_precision_of_the_operator(name: str, dtype: str) -> None:
    """Half precision has no complex numbers: these are single."""
    A = {**REGISTRY, **COMPOSITIONS}[name].to(dtype=dtype)
    precision = np.dtype("float64") if A.dtype is None else np.empty(0, A.dtype).real.dtype
    for call, function in (SQUARE | ANY if A.m == A.n else ANY).items():
        try:
            with np.errstate(over="ignore"):  # a determinant may be too large for half precision
                found = function(A).dtype
        except (TypeError, ValueError, np.linalg.LinAlgError) as error:
            if any(reason in str(error) for reason in ("no structure is known", "not Hermitian", "singular")):
                continue
            raise
        if found is None:  # an operator without parameters, which takes the dtype of vectors
            continue
        wanted = {precision} if call in REAL else {precision, np.result_type(precision, np.complex64)}
        assert found in wanted, call


PLACED = [b for b in ALL if b.name in ("strict-device1", "torch")]


@pytest.mark.parametrize("backend", PLACED, ids=repr)
def test_results_are_where_the_operator_is(backend: Backend) -> None:
    """Parts without arrays take library, device and precision of the whole."""
    for name, host in COMPOSITIONS.items():
        A = backend.bring(host, "float32")
        for call in (L.svdvals, L.norm) + ((L.det, L.trace) if A.m == A.n else ()):
            result = call(A)
            assert str(result.dtype).rsplit(".", maxsplit=1)[-1] in ("float32", "complex64"), name
            assert sm._backend.namespaces.of(result) is A.xp
            assert sm._backend.devices.of(result) == A.device


# ---------------------------------------------------------------------- extended precision


def thirds(shape: Any, rng: np.random.Generator, kind: str) -> np.ndarray:
    """Numbers that double precision does not hold."""
    real, imaginary = (rng.integers(-(2**20), 2**20, shape) / np.longdouble(3) / 2**19 for _ in range(2))
    return real + 1j * imaginary if kind == "complex" else real


def widened(A: sm.LinearOperator, kind: str) -> sm.LinearOperator:
    """The operator with such parameters."""
    rng = np.random.default_rng(7)
    return A.with_params([thirds(value.shape, rng, kind) for value in A.params]) if A.params else A


SIZES = {"Hadamard": 12}
LD = widened(sm.Circulant(np.ones(6)), "real")
TRANSFORMS = {
    **{f"DFT {norm} {n}": sm.DFT(n, norm) for norm in (None, "ortho", "forward") for n in (6, 7)},
    **{
        f"{kind.__name__}-{type} {norm}": kind(7, type, norm)
        for kind in (sm.DCT, sm.DST)
        for type in (1, 2, 3, 4)
        for norm in (None, "ortho", "forward")
    },
    **{f"Hadamard {n} ortho": sm.Hadamard(n, "ortho") for n in (2, 8, 12)},
}
TWISTED = {
    f"f = {f}, n = {n}": widened(sm.FCirculant(np.ones(n), f), "real")
    for f in (0.5, -1, -0.3, 1j, 3 - 2j, 0.1)
    for n in (5, 6)
}
WIDE = {
    **{f"{name} {kind}": widened(A, kind) for name, A in REGISTRY.items() for kind in ("real", "complex")},
    **TRANSFORMS,
    **TWISTED,
    "skew odd": widened(sm.SkewCirculant(np.ones(7)), "real"),
    "kron": sm.kron(LD, sm.DFT(3, "ortho")),
    "product": LD @ sm.DCT(6, 2, "ortho") @ sm.Shift(6, 1),
    "blocks": sm.block_diag([LD, sm.Hadamard(12, "ortho"), sm.DST(3, 1, "ortho")]),
    "simplified": sm.simplify(sm.DFT(6, "ortho").H @ widened(sm.Diagonal(np.ones(6)), "complex") @ sm.DFT(6, "ortho")),
}


@extended
@pytest.mark.parametrize("name", WIDE)
def test_products_keep_extended_precision(name: str) -> None:
    """Against the definitions: an error of a few units for each of the additions that an entry takes at most."""
    A = WIDE[name]
    matrix, rng = sm.testing.dense_pair(A)[0], np.random.default_rng(0)
    for product, dense, size in ((A.matvec, matrix, A.n), (A.rmatvec, matrix.conj().T, A.m)):
        x = thirds(size, rng, "real")
        y = product(x)
        assert np.finfo(y.dtype).eps == EXTENDED
        assert np.max(np.abs(y - dense @ x)) <= 4 * (A.m + A.n) * EXTENDED * norm_bound(A) * np.linalg.norm(x)


def is_invertible(A: sm.LinearOperator) -> bool:
    """Dense and block-circulant matrices are not: NumPy inverts in double precision at most, and says so."""
    try:
        return (A**-1).shape == A.shape
    except (TypeError, np.linalg.LinAlgError):
        return False


@extended
@pytest.mark.parametrize("name", [name for name, A in WIDE.items() if A.m == A.n and is_invertible(A)])
def test_inverses_keep_extended_precision(name: str) -> None:
    A = WIDE[name]
    x = thirds(A.n, np.random.default_rng(0), "real")
    values = np.linalg.svd(sm.testing.dense_pair(A)[0].astype(complex), compute_uv=False)
    error = np.max(np.abs(A @ (A**-1 @ x) - x))
    assert error <= 8 * A.n * EXTENDED * values[0] / values[-1] * np.linalg.norm(x)


@extended
@pytest.mark.parametrize("kind", ["real", "complex"])
def test_scalars_keep_extended_precision(kind: str) -> None:
    """Quotients and multiples by numbers that double precision rounds; elsewhere scalars stay plain numbers."""
    A, x = widened(sm.Circulant(np.ones(6)), kind), thirds(6, np.random.default_rng(0), "real")
    wanted, third = A @ x, np.longdouble(1) / 3
    for scaled in (
        A / 3,
        third * A,
        1j * A / 3j,
        (A * 3) ** -1 @ A @ A,
        sm.simplify(A / 3),
        (3 * A).H.conj().T / 9,
    ):
        y = scaled @ x
        assert y.dtype == wanted.dtype or kind == "real"
        assert np.max(np.abs(y - wanted / 3)) <= 100 * EXTENDED * norm_bound(A) * np.linalg.norm(x)
    assert type((A / 3).to(dtype="complex128").scalar) is float
    f = sm.FCirculant(A.column, third)
    assert f.f == third
    assert type(f.to(dtype="complex128").f) is float
    plain = sm.Circulant(np.ones(3, "float32"))
    assert type((third * plain).scalar) is float
    assert (third * plain).to_dense().dtype == np.float32


@extended
def test_spectra_keep_extended_precision() -> None:
    """The constants of parts that have no dtype are those of the whole."""
    two = np.longdouble(2)
    D = sm.Diagonal(np.ones(2, np.longdouble))
    assert L.norm(sm.block_diag([D, sm.Hadamard(2)]), 2) == np.sqrt(two)
    assert L.norm(sm.block_diag([D, sm.DCT(3, 2)]), 2) == np.sqrt(two) * np.sqrt(np.longdouble(6))
    angles = np.sort(np.angle(L.eigvals(sm.block_diag([D, sm.Shift(3, 1)]))))
    assert (
        np.max(np.abs(np.tan(angles[[0, -1]]) - [np.sqrt(np.longdouble(3)), -np.sqrt(np.longdouble(3))]))
        <= 30 * EXTENDED
    )
