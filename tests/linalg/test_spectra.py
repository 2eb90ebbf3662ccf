"""Eigenvalues, eigenvectors and functions of random trees of normal operators, against dense linear algebra."""

import functools

import numpy as np
import pytest
import scipy.linalg

import structmat as sm
from structmat.testing.reference import norm_bound

L = sm.linalg
TREES = 120


def leaf(n: int, dtype: str, hermitian: bool, rng: np.random.Generator) -> sm.LinearOperator:
    """A normal operator whose eigenvalues have moduli from 1/2 to 3/2, made from them."""
    kind = rng.choice(["circulant", "skew", "levels", "diagonal", "signs", "identity", "shift"])
    if kind in ("signs", "identity") or (kind == "shift" and hermitian):
        return sm.SignFlip.random(n, rng=rng) if kind == "signs" else sm.identity(n)
    if kind == "shift":
        return sm.Shift(n, int(rng.integers(-n, n)))
    width = int(rng.choice([d for d in range(1, n + 1) if n % d == 0])) if kind == "levels" else n
    shape, place = (n // width, width), np.arange(n)
    phases = rng.choice([-1, 1], n) if hermitian else np.exp(1j * rng.uniform(-np.pi, np.pi, n))
    values = rng.uniform(0.5, 1.5, n) * phases
    if "complex" not in dtype:  # conjugate pairs
        partner = (-(place // width) % shape[0]) * width + (-place) % width
        partner = {"skew": (1 - place) % n, "diagonal": place}.get(str(kind), partner)
        values = np.where(place < partner, values, values[partner].conj())
        values = np.where(place == partner, np.abs(values) * np.sign(phases.real), values)
    column = values if kind == "diagonal" else np.fft.ifftn(values.reshape(shape))
    column = column.ravel() * (np.exp(-1j * np.pi * place / n) if kind == "skew" else 1)
    column = (column if "complex" in dtype else column.real).astype(dtype)
    if kind == "levels":
        return sm.MultilevelCirculant(column.reshape(shape))
    return {"circulant": sm.Circulant, "skew": sm.SkewCirculant, "diagonal": sm.Diagonal}[str(kind)](column)


def tree(n: int, depth: int, hermitian: bool, dtypes: list[str], rng: np.random.Generator) -> sm.LinearOperator:
    """Put normal operators together to normal ones, and Hermitian ones to Hermitian ones."""
    form = rng.choice(["scaled", "H", "T", "conj", "power", "inverse", "repeat", "kron", "block_diag"])
    divisor = int(rng.choice([d for d in range(1, n + 1) if n % d == 0]))
    cut = int(rng.integers(1, n)) if n > 1 else 0
    part = functools.partial(tree, depth=depth - 1, hermitian=hermitian, dtypes=dtypes, rng=rng)
    if depth == 0 or (form == "block_diag" and not cut):
        return leaf(n, str(rng.choice(dtypes)), hermitian, rng)
    if form == "scaled":
        return [-1, 0.5, 2, *([] if hermitian else [1j, 0.6 - 0.8j])][rng.integers(3 if hermitian else 5)] * part(n)
    if form == "power":
        return part(n) ** int(rng.integers(0, 4))
    if form == "repeat":
        return sm.repeat(part(divisor), n // divisor)
    if form == "kron":
        return sm.kron(part(divisor), part(n // divisor))
    if form == "block_diag":
        return sm.block_diag([part(cut), part(n - cut)])
    A = part(n)
    return {"H": lambda: A.H, "T": lambda: A.T, "conj": A.conj, "inverse": lambda: A**-1}[str(form)]()


def drawn(seed: int, hermitian: bool) -> tuple[sm.LinearOperator, np.ndarray, float]:
    """A tree, its matrix, and a bound on the norm of what linear algebra with it leaves of rounding.

    The parts have condition numbers of 3 at most, so an inverse loses no more than a factor of 9; a transform of up to
    8 entries has an error of a few eps, and a tree has some ten of them.
    """
    rng = np.random.default_rng(seed)
    dtypes = [["complex128"], ["float64", "complex128"], ["complex64", "float32"], ["float64"]][seed % 4]
    A = tree(int(rng.integers(1, 9)), seed % 5, hermitian, dtypes, rng)
    if rng.integers(4) == 0:  # a circulant of two levels
        first, second = (leaf(int(rng.integers(1, 4)), dtypes[0], hermitian, rng) for _ in range(2))
        A = sm.kron(first, sm.identity(second.n)) + sm.kron(sm.identity(first.n), 4 * second)
    matrix = sm.testing.dense_pair(A)[0].astype(complex)
    return A, matrix, 300 * float(np.finfo(dtypes[0]).eps) * norm_bound(A)


@pytest.mark.parametrize("seed", range(TREES))
def test_eigenvectors_belong_to_their_eigenvalues(seed: int) -> None:
    """A V = V diag(w) with a unitary V and ascending w, those of the dense matrix."""
    A, matrix, error = drawn(seed, hermitian=True)
    values, V = L.eigh(A)
    vectors = V.to_dense()
    assert np.all(np.diff(values) >= 0)
    assert np.max(np.abs(values - np.linalg.eigvalsh(matrix))) <= error
    assert np.linalg.norm(matrix @ vectors - vectors * values, 2) <= error * A.n
    assert np.linalg.norm(vectors.conj().T @ vectors - np.eye(A.n), 2) <= 300 * np.finfo(values.dtype).eps * A.n


#: The function of operators, that of eigenvalues, and its slope at most, by the largest and the least modulus of these.
FUNCTIONS = {
    "expm": (L.expm, np.exp, lambda large, _: np.exp(large)),
    "square": (lambda A: L.funm(A, np.square), np.square, lambda large, _: 2 * large),
    "sqrtm": (L.sqrtm, np.sqrt, lambda _, small: small**-0.5),
    "logm": (L.logm, np.log, lambda _, small: 1 / small),
    "third root": (lambda A: L.fractional_matrix_power(A, 1 / 3), lambda v: v ** (1 / 3), lambda _, small: small**-1),
    "-3/2": (lambda A: L.fractional_matrix_power(A, -1.5), lambda v: v**-1.5, lambda _, small: 2 * small**-2.5),
    "-2": (lambda A: L.fractional_matrix_power(A, -2), lambda v: v**-2.0, lambda _, small: 2 * small**-3),
}


@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("seed", range(TREES))
def test_functions_of_eigenvalues(seed: int, hermitian: bool) -> None:
    """f(A) = Z f(T) Z^H with Schur's form T, which is diagonal for a normal matrix; on the branch cut from above."""
    A, matrix, error = drawn(seed, hermitian)
    triangle, Z = scipy.linalg.schur(matrix, "complex")
    values = np.diag(triangle)
    values = np.where((np.abs(values.imag) <= error) & (values.real < 0), values.real, values)
    known = "funm" in L.exact(A)
    for ours, theirs, slope in FUNCTIONS.values():
        if not known:
            with pytest.raises(TypeError, match=r"no structure is known for functions of Sum"):
                ours(A)
            continue
        found = ours(A)
        moduli = np.abs(values)
        allowed = error * slope(float(np.max(moduli)), float(np.min(moduli))) + error * np.max(np.abs(theirs(values)))
        assert np.linalg.norm(found.to_dense() - Z * theirs(values) @ Z.conj().T, 2) <= A.n * allowed
        assert A.dtype is None or found.dtype in (A.dtype, np.result_type(A.dtype, np.complex64))
