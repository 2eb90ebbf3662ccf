"""Linear algebra against NumPy and SciPy on the written-out matrices."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from backends import ALL, Backend, library

import structmat as sm
from structmat._backend import devices

L = sm.linalg


def draw(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    host = rng.standard_normal(shape)
    return (host + 1j * rng.standard_normal(shape) if "complex" in dtype else host).astype(dtype)


def safe(n: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """The column of a circulant that is far from singular."""
    column = draw(n, dtype=dtype, seed=seed) / (3 * np.sqrt(n))
    column[0] += 2
    return column


def cases(dtype: str) -> dict[str, sm.LinearOperator]:
    C, D = sm.Circulant(safe(6, dtype)), sm.Diagonal(safe(6, dtype) + 2)
    blocks = draw(2, 2, 3, dtype=dtype) / 8
    blocks[[0, 1], [0, 1], 0] += 2
    S, B = sm.SignFlip.random(6, rng=3), sm.BlockCirculant(blocks)
    W = sm.Dense(draw(6, 6, dtype=dtype) / 8 + 2 * np.eye(6, dtype=dtype))
    named = {"circulant": C, "odd": sm.Circulant(safe(7, dtype)), "one": sm.Circulant(safe(1, dtype)), "diagonal": D}
    named |= {"signs": S, "identity": sm.identity(6), "blocks": B, "dense": W, "scaled": -2 * C, "power": C**3}
    named |= {"adjoint": C.H, "transpose": B.T, "product": C @ S @ D @ W, "repeat": sm.repeat(C, 2)}
    named |= {"skew": sm.SkewCirculant(safe(6, dtype)), "skew odd": sm.SkewCirculant(safe(7, dtype))}
    named |= {
        "twisted": sm.FCirculant(safe(5, dtype), 0.5),
        "levels": sm.MultilevelCirculant(safe(12, dtype).reshape(2, 3, 2)),
    }
    named |= {"permutation": sm.Permutation.random(6, rng=0), "shift": sm.Shift(5, 2), "hadamard": sm.Hadamard(4)}
    named |= {"kron": sm.kron(C, D), "dft": sm.DFT(5), "reflection": sm.Householder(safe(5, dtype))}
    bands = draw(4, 6, dtype=dtype) / 8
    bands[1] += 2
    named |= {"banded": sm.Banded(bands, 2, 1), "three": sm.Tridiagonal(bands[0, 1:], bands[1], bands[2, 1:])}
    named |= {"banded adjoint": named["banded"].H, "triangular": sm.Banded(bands[:2], 0, 1)}
    named |= {"cosine": sm.DCT(5, type=3, norm="ortho"), "sine": sm.DST(6, type=1, norm="ortho")}
    return named | {"block_diag": sm.block_diag([C, S, D]), "inverse": C**-1, "conjugate": D.conj()}


DTYPES = ["float64", "complex128", "float32"]
NAMES = list(cases("float64"))
each = pytest.mark.parametrize("name", NAMES)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)


def close(got: object, wanted: object, dtype: str) -> bool:
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    return bool(np.allclose(devices.to_host(got), wanted, rtol=tolerance, atol=tolerance))


@every_dtype
@each
def test_inverses_keep_the_contract(name: str, dtype: str) -> None:
    """The references invert in extended precision; these matrices have condition numbers of a few units."""
    A = cases(dtype)[name]
    sm.testing.check_operator(L.inv(A), batches=[(), (2,)])
    assert L.inv(A).param_names == (A.param_names if name != "product" else ("0.matrix", "1.entries", "3.column"))


@every_dtype
@each
def test_systems(name: str, dtype: str) -> None:
    A = cases(dtype)[name]
    dense, b = A.to_dense(), draw(A.n, 3, dtype=dtype, seed=1)
    assert close(L.solve(A, b), np.linalg.solve(dense, b), dtype)
    assert close(L.solve(A, b[:, 0]), np.linalg.solve(dense, b[:, 0]), dtype)
    assert L.solve(A, b).dtype == (A @ b).dtype
    assert (L.inv(A) ** -1).shape == A.shape
    assert close((L.inv(A) ** -1).to_dense(), dense, dtype)


@every_dtype
@each
def test_spectra(name: str, dtype: str) -> None:
    A = cases(dtype)[name]
    dense = A.to_dense()
    singular = np.linalg.svd(dense, compute_uv=False)
    assert close(L.svdvals(A), singular, dtype)
    wanted = np.linalg.eigvals(dense)
    found = devices.to_host(L.eigvals(A))
    assert found.shape == wanted.shape
    for value in wanted:
        assert np.min(np.abs(found - value)) < (1e-3 if dtype == "float32" else 1e-9)
    sign, logabsdet = np.linalg.slogdet(dense)
    result = L.slogdet(A)
    assert close(result.sign, sign, dtype)
    assert close(result.logabsdet, logabsdet, dtype)
    assert close(L.det(A), np.linalg.det(dense), "float32")
    assert close(L.trace(A), np.trace(dense), dtype)
    assert close(L.diagonal(A), np.diag(dense), dtype)
    assert close(L.cond(A), np.linalg.cond(dense), dtype)
    for order in ("fro", 2, 1, np.inf):
        assert close(L.norm(A, order), np.linalg.norm(dense, order), dtype)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@each
def test_results_may_be_written_to(name: str, dtype: str) -> None:
    """Neither spectra nor functions of them share memory with the operator's arrays or caches."""
    A = cases(dtype)[name]
    b = draw(A.n)
    product, trace = A @ b, L.trace(A)
    calls = [L.eigvals, L.svdvals, L.diagonal, L.trace, lambda A: A.diagonal(), sm.LinearOperator.to_dense]
    results = [np.asarray(call(A)) for call in calls] + list(map(np.asarray, L.slogdet(A)))
    if "funm" in L.exact(A):
        table = np.ones(A.n, complex)
        for f in (lambda v: v, lambda v: np.multiply(v, 2, out=v), lambda v: table[: len(v)]):
            results += L.funm(A, f).params
        assert np.all(table == 1)
    for result in results:
        np.multiply(result, 0, out=result)
    assert np.array_equal(A @ b, product)
    assert L.trace(A) == trace


@pytest.mark.parametrize("dtype", ["float32", "complex64"])
def test_signs_of_large_determinants(dtype: str) -> None:
    """±1 for real matrices and of modulus 1 for complex ones, where products of 2^18 phases drift away from these."""
    n = 2**18
    column = draw(n, dtype=dtype)
    blocks = draw(2, 2, n // 2, dtype=dtype, seed=1)
    bands = draw(3, n, dtype=dtype, seed=2)
    tall = sm.Circulant(column)
    for A in (tall, sm.SkewCirculant(column), sm.BlockCirculant(blocks), sm.Diagonal(column), sm.Banded(bands, 1, 1)):
        sign = L.slogdet(A).sign
        assert abs(sign) == 1 if dtype == "float32" else abs(abs(sign) - 1) < 2e-7
    if dtype == "float32":  # of all eigenvalues only those at 0 and n/2 are real; the others come in conjugate pairs
        wanted = np.sign(np.sum(column, dtype=float) * np.sum(column * (-1.0) ** np.arange(n)))
        assert L.slogdet(tall).sign == wanted == L.slogdet(tall @ tall.H @ tall).sign
    assert L.slogdet(sm.Circulant(np.ones(4, dtype))) == (0, -np.inf)


def test_rectangular() -> None:
    A = sm.projections.circulant_projection(7, 4, rng=0)
    dense = A.to_dense()
    assert np.allclose(L.svdvals(A), np.linalg.svd(dense, compute_uv=False))
    assert np.allclose(L.diagonal(A), np.diag(dense))
    assert np.allclose(L.diagonal(A.T), np.diag(dense))
    for order in ("fro", 2, 1, np.inf):
        assert np.isclose(L.norm(A, order), np.linalg.norm(dense, order))


@pytest.mark.parametrize("n", [1, 4, 5])
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_functions_of_circulants(n: int, dtype: str) -> None:
    C = sm.Circulant(safe(n, dtype))
    dense = C.to_dense()
    for ours, theirs in [(L.expm, scipy.linalg.expm), (L.logm, scipy.linalg.logm), (L.sqrtm, scipy.linalg.sqrtm)]:
        found = ours(C)
        assert isinstance(found, sm.Circulant)
        assert found.dtype == C.dtype
        assert np.allclose(found.to_dense(), theirs(dense), atol=1e-12)
    whole = sm.block_diag([C, sm.repeat(sm.Diagonal(safe(n, dtype) + 3), 2)])
    assert np.allclose(L.expm(whole).to_dense(), scipy.linalg.expm(whole.to_dense()), atol=1e-9)


@pytest.mark.parametrize("backend", [b for b in ALL if b.name in ("numpy", "strict", "torch", "jax")], ids=repr)
def test_functions_of_any_numbers(backend: Backend) -> None:
    """Comparisons make spectral projectors, and one number stands for all; the dtype stays that of the eigenvalues."""
    xp = backend.xp

    def positive(v: Any) -> Any:
        return (xp.real(v) if v.dtype == xp.complex64 else v) > 0

    even = sm.Circulant(np.asarray([1, 2, 0, 2], "float32"))
    for host in (sm.Diagonal(np.asarray([1, -1, 2], "float32")), even, sm.kron(even, even)):
        values, V = np.linalg.eigh(host.to_dense())
        A = backend.bring(host)
        for f, wanted in (
            (positive, values > 0),
            (lambda v: xp.ones(v.shape, dtype=xp.int32), np.ones_like(values)),
            (lambda v: 2, 2 + 0 * values),
            (lambda v: True, 1 + 0 * values),
            (lambda v: 0.5, 0.5 + 0 * values),
            (lambda v: xp.asarray(3.0, dtype=v.dtype), 3 + 0 * values),
        ):
            found = L.funm(A, f)
            assert close(found.to_dense(), V * wanted @ V.T, "float32")
            assert found.dtype in (A.dtype, xp.complex64)
        assert close(L.funm(A, lambda v: 1j).to_dense(), 1j * np.eye(A.n), "float32")
        for wrong in (lambda v: v[:2], lambda v: v[:, None], lambda v: xp.stack((v, v))):
            with pytest.raises(ValueError, match=r"linalg.funm: function returned an array of shape \(.*expected \("):
                L.funm(A, wrong)
        with pytest.raises(TypeError, match=r"linalg.funm: function returned a list; expected an array of"):
            L.funm(A, lambda v: [1.0] * 4)


def test_functions_that_leave_the_real_line() -> None:
    root = L.sqrtm(sm.Diagonal(-np.ones(2)))
    assert root.dtype == np.complex128
    assert np.allclose(root.entries, 1j)
    C = sm.Circulant(np.asarray([0.0, 1.0]))  # eigenvalues 1 and -1
    assert L.sqrtm(C).dtype == np.complex128
    assert np.allclose((L.sqrtm(C) @ L.sqrtm(C)).to_dense(), C.to_dense())
    assert L.funm(C, np.abs).dtype == np.float64


def test_pseudoinverses() -> None:
    for A in [
        sm.Circulant(np.ones(4)),
        sm.Diagonal(np.asarray([2.0, 0.0])),
        sm.Dense(draw(4, 3)),
        sm.Dense(np.ones((2, 3))),
    ]:
        dense = A.to_dense()
        assert np.allclose(L.pinv(A).to_dense(), np.linalg.pinv(dense), atol=1e-13)
        b = draw(A.m, 2, seed=2)
        assert np.allclose(L.lstsq(A, b), np.linalg.lstsq(dense, b)[0], atol=1e-12)
    # the cut-off is relative to the largest singular value and to the precision
    small = sm.Diagonal(np.asarray([1e-20, 1e-21]))
    assert np.allclose(L.pinv(small).entries, [1e20, 1e21])
    noisy = sm.Diagonal(np.asarray([1.0, 1e-8], dtype=np.float32))
    assert L.pinv(noisy).entries[1] == 0
    assert L.pinv(noisy, rtol=1e-9).entries[1] > 0


def test_gradients_of_a_solution() -> None:
    """Against differences: the loss Re⟨g, A^{-1} b⟩ is smooth in the column."""
    c, b, g = safe(5, "complex128"), draw(2, 5, seed=1), draw(2, 5, dtype="complex128", seed=2)
    db, (dc,) = L.solve_vjp(sm.Circulant(c), b, g)
    assert db.dtype == np.float64

    def loss(column: np.ndarray, rhs: np.ndarray) -> float:
        return float(np.sum(g.conj() * np.linalg.solve(scipy.linalg.circulant(column), rhs.T).T).real)

    step = 1e-6
    for direction in (draw(5, seed=3), 1j * draw(5, seed=4)):
        change = (loss(c + step * direction, b) - loss(c - step * direction, b)) / (2 * step)
        assert np.isclose(np.sum(dc.conj() * direction).real, change, rtol=1e-7)
    direction = draw(2, 5, seed=5)
    change = loss(c, b + direction) - loss(c, b)
    assert np.isclose(np.sum(db * direction), change)


@pytest.mark.parametrize(
    "backend", [b for b in ALL if b.name in ("strict", "strict-device1", "torch", "jax")], ids=repr
)
@pytest.mark.parametrize(
    "name", ["circulant", "diagonal", "blocks", "dense", "product", "skew", "levels", "banded", "three"]
)
def test_other_libraries(backend: Backend, name: str) -> None:
    A = cases("float64")[name]
    there = backend.bring(A)
    b = draw(A.n, seed=1)
    assert close(L.solve(there, backend.asarray(b)), np.linalg.solve(A.to_dense(), b), "float64")
    assert close(L.svdvals(there), L.svdvals(A), "float64")
    assert close(L.slogdet(there).logabsdet, L.slogdet(A).logabsdet, "float64")
    assert close(L.norm(there, 1), L.norm(A, 1), "float64")
    assert close(L.cond(there), L.cond(A), "float64")
    if name in ("circulant", "diagonal"):
        assert close(L.expm(there).to_dense(), L.expm(A).to_dense(), "float64")
        assert close(L.trace(there), L.trace(A), "float64")


def test_half_precision_is_solved_in_single() -> None:
    torch = library("torch")
    for dtype in ("float16", "bfloat16"):
        A = sm.Circulant(safe(6)).to(xp=torch, dtype=dtype)
        x = L.solve(A, torch.ones(6, dtype=torch.float32))
        assert x.dtype == torch.float32
        assert torch.allclose(A @ x, torch.ones(6), atol=1e-5)
        assert L.solve(A, torch.ones(6, dtype=A.dtype)).dtype == A.dtype


def test_large_systems_are_solved_fast_and_accurately() -> None:
    """n = 2^20: nothing dense can be made here; the residual is at rounding level."""
    n = 2**20
    C = sm.Circulant(safe(n, "float32"))
    b = draw(n, dtype="float32", seed=1)
    x = L.solve(C, b)
    eps = np.finfo(np.float32).eps
    assert np.linalg.norm(C @ x - b) <= 30 * eps * float(L.norm(C, 2)) * np.linalg.norm(x)
    assert np.isfinite(L.slogdet(C).logabsdet)


def test_bad_input() -> None:
    W = sm.Dense(np.ones((2, 3)))
    C, D = sm.Circulant(np.ones(3)), sm.Diagonal(np.ones(3))
    for function in (L.inv, L.det, L.slogdet, L.eigvals, L.trace, L.expm, lambda A: L.solve(A, np.ones(2))):
        with pytest.raises(ValueError, match=r"linalg\.\w+: A is Dense 2×3; expected a square operator"):
            function(W)
    with pytest.raises(np.linalg.LinAlgError, match=r"singular values run from .* to 3"):
        L.solve(C, np.ones(3))
    with pytest.raises(np.linalg.LinAlgError):
        L.logm(C)
    nearly = sm.Diagonal(np.asarray([1.0, 1e-9], dtype=np.float32))
    with pytest.raises(np.linalg.LinAlgError, match=r"singular values run from 1e-09 to 1"):
        L.inv(nearly)
    assert L.inv(nearly.to(dtype="float64")).shape == (2, 2)
    with pytest.raises(TypeError, match=r"Sum\(3×3\) \*\* -1: Sum has no exact inverse"):
        L.inv(C + D)
    with pytest.raises(TypeError, match=r"linalg.funm: no structure is known for functions of Sum 3×3"):
        L.expm(C + D)
    with pytest.raises(ValueError, match=r"linalg.norm: ord is 3; expected 'fro', 2, 1 or inf"):
        L.norm(C, 3)
    with pytest.raises(MemoryError, match=r"max_bytes="):
        L.svdvals(C + D, max_bytes=8)
    with pytest.raises(ValueError, match=r"solve: b has shape \(2, 2\)"):
        L.solve(sm.identity(3), np.ones((2, 2)))
    assert float(L.det(sm.Diagonal(np.asarray([0.0, 1.0])))) == 0
    assert float(L.slogdet(sm.Diagonal(np.asarray([0.0, 1.0]))).logabsdet) == -np.inf
    assert all(isinstance(part, np.float64) for part in L.slogdet(sm.Circulant(np.asarray([2.0, 1.0]))))
    assert float(L.cond(sm.Diagonal(np.asarray([0.0, 1.0])))) == np.inf


def test_gradients_are_in_the_order_of_the_parameters() -> None:
    """An inverse of a product has the factors, and their parameters, in reverse; gradients are those of A."""
    V, W, C = (
        sm.Dense(draw(4, 4, seed=1) + 4 * np.eye(4)),
        sm.Dense(draw(4, 4, seed=2) + 4 * np.eye(4)),
        sm.Circulant(safe(4)),
    )
    for A in (
        V @ W,
        V @ C @ W,
        (V @ W).H,
        sm.repeat(V @ W, 2),
        sm.kron(V @ W, C),
        sm.block_diag([C, V @ W]),
        (V @ W) ** 2,
    ):
        b, g = draw(A.n, seed=3), draw(A.n, seed=4)
        _, grads = L.solve_vjp(A, b, g)
        zeros = [np.zeros_like(value) for value in A.params]
        for place, (grad, value) in enumerate(zip(grads, A.params, strict=True)):
            direction = draw(*value.shape, seed=5)
            matrix, change = sm.testing.dense_pair(A, [*zeros[:place], direction, *zeros[place + 1 :]])
            matrix, change = matrix.astype(float), change.astype(float)
            wanted = -np.linalg.solve(matrix.T, g) @ change @ np.linalg.solve(matrix, b)
            assert np.isclose(np.sum(grad * direction), wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n", [1, 8, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_singular_is_relative_to_size_and_precision(n: int, dtype: str) -> None:
    """Refused are singular values of at most n eps times the largest, or the rounding of transforms if that is less."""
    limit = min(n, 2 * np.log2(2 * n)) * np.finfo(dtype).eps
    for place in range(min(n, 3)):
        entries = np.ones(n, dtype)
        entries[place] = 0.75 * limit
        D = sm.Diagonal(entries)
        if n == 1:
            assert L.inv(D).shape == (1, 1)
            continue
        for A in (D, sm.Dense(np.diag(entries)), sm.block_diag([D, D])):
            with pytest.raises(np.linalg.LinAlgError, match=r"singular"):
                L.inv(A)
        entries[place] = 1.5 * limit
        assert L.inv(sm.Diagonal(entries)).shape == D.shape
        assert L.inv(sm.Dense(np.diag(entries))).shape == D.shape


def test_large_systems_in_single_precision_are_not_singular() -> None:
    """Of condition 1000, where n eps is 1/8: solved by inverse and least squares, with no singular value cut off."""
    n = 2**20
    entries = np.geomspace(1e-3, 1, n, dtype=np.float32)
    spectrum = np.abs(np.fft.fftfreq(n)) + 0.001
    C = sm.Circulant(np.fft.ifft(spectrum).real.astype(np.float32))
    b = draw(n, dtype="float32")
    for A in (sm.Diagonal(entries), C):
        for x in (L.solve(A, b), L.lstsq(A, b), L.pinv(A) @ b):
            assert np.linalg.norm(A @ x - b) < 1e-3 * np.linalg.norm(b)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        L.inv(sm.Circulant(C.column - sm.linalg.eigvals(C)[0].real / n))


def test_the_second_difference_of_a_million_points() -> None:
    """Dirichlet's has condition 4e11 in double precision, Neumann's is singular."""
    n = 10**6
    main, off = np.full(n, 2.0), np.full(n - 1, -1.0)
    k = np.arange(1.0, n + 1)
    assert np.allclose(L.solve(sm.Tridiagonal(off, main, off), np.ones(n)), k * (n + 1 - k) / 2, rtol=1e-4)
    main[[0, -1]] = 1
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        L.inv(sm.Tridiagonal(off, main, off))


def test_norms_over_several_blocks_of_columns() -> None:
    """Of 1,500 columns, which are read in three blocks; integers, so that sums are exact."""
    rng = np.random.default_rng(0)
    matrix = rng.integers(-4, 5, (1200, 1500)).astype(float)
    matrix[7], matrix[:, 1100] = 5, -6
    for A in (sm.Dense(matrix), sm.Dense(matrix.T), sm.Dense(matrix) @ sm.Permutation.random(1500, rng=1)):
        dense = np.abs(matrix if A.m == 1200 else matrix.T)
        assert L.norm(A, 1) == np.max(np.sum(dense, axis=0))
        assert L.norm(A, np.inf) == np.max(np.sum(dense, axis=1))


@pytest.mark.parametrize("n", [5, 1500])
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_systems_whose_singular_values_are_known(n: int, dtype: str) -> None:
    """Singular ones are refused at any size, and least squares have the shortest solution; nothing is iterated."""
    u, v, b = (draw(n, dtype=dtype, seed=seed) for seed in range(3))
    low = sm.LowRank(u[:, None], v[:, None])
    shortest = v * (np.vdot(u, b) / (np.vdot(u, u) * np.vdot(v, v)))
    for A, x in ((sm.Zero(n, n), 0 * b), (low, shortest), (2 * low, shortest / 2), (low + low, shortest / 2)):
        with pytest.raises(np.linalg.LinAlgError, match=r"is singular.*singular values run from"):
            L.solve(A, b)
        assert close(L.lstsq(A, b), x, "float32")
        assert close(L.pinv(A) @ b, x, "float32")
    full = sm.LowRank(draw(4, 4, dtype=dtype, seed=5), draw(4, 6, dtype=dtype, seed=6)[:, :4] + 3 * np.eye(4))
    assert close(L.solve(full, b[:4]), np.linalg.solve(full.to_dense(), b[:4]), "float32")


def test_functions_keep_structure_and_kind() -> None:
    """Of a real operator they are real where circulants, shifts, signs and identities are put together."""
    C, D, shift = sm.Circulant(safe(4)), sm.Diagonal(safe(3) + 3), sm.Shift(3, 1)
    for A, kind in (
        (sm.kron(C, sm.identity(3)), "Kron"),
        (-2 * sm.kron(sm.identity(3), C), "Repeat"),
        (sm.kron(C, sm.Circulant(safe(3))), "MultilevelCirculant"),
        (sm.kron(C, sm.identity(3)) + sm.kron(sm.identity(4), shift), "MultilevelCirculant"),
        (sm.kron(D, sm.SignFlip.random(2, rng=0)), "Diagonal"),
        (shift, "Circulant"),
        (shift + shift.H, "Circulant"),
        (-0.5 * sm.repeat(shift, 2), "Repeat"),
        (sm.block_diag([C, sm.identity(2), shift, 2 * sm.SignFlip.random(2, rng=0), C.H]), "BlockDiag"),
        (C.T**-2, "Circulant"),
    ):
        found = L.expm(A)
        assert not found._is_complex
        assert type(found).__name__ == kind
        assert np.allclose(found.to_dense(), scipy.linalg.expm(A.to_dense()), rtol=1e-12, atol=1e-10)
        assert "funm" in L.exact(A)


def test_functions_of_operators_that_only_their_simple_form_inverts() -> None:
    A = sm.Circulant(safe(4)) + sm.identity(4)
    for ours, theirs in (
        (L.logm, scipy.linalg.logm),
        (lambda A: L.fractional_matrix_power(A, -2), lambda M: np.linalg.inv(M @ M)),
    ):
        assert np.allclose(ours(A).to_dense(), theirs(A.to_dense()))
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        L.logm(sm.Circulant(np.asarray([1.0, -2.0, 1.0])) + sm.identity(3) - sm.identity(3))


def test_the_power_zero_of_a_singular_operator_is_the_identity() -> None:
    A = sm.Circulant(np.ones(4)) ** 0
    b = draw(4)
    for x in (L.solve(A, b), L.inv(A) @ b, L.lstsq(A, b)):
        assert np.allclose(x, b, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_roots_are_taken_from_above_the_cut(dtype: str) -> None:
    """Negative eigenvalues that come in pairs, as those of symmetric circulants, have the same root: rounding leaves
    the one below the real axis and the other above it.
    """
    odd = draw(9) - np.roll(draw(9)[::-1], 1)
    skew = 1j * sm.kron(sm.Circulant(odd.astype(dtype)), sm.Diagonal(np.asarray([1.0, 2.0])))
    values, V = np.linalg.eigh(skew.to_dense())
    root = (V * np.emath.sqrt(np.where(np.abs(values) < 1e-12, 0, values))) @ V.conj().T
    assert np.allclose(L.sqrtm(skew).to_dense(), root, atol=1e-6)  # the root of a zero's rounding
    spread = sm.Circulant(np.fft.ifft([1e4, -1, 2, -3, -3, 2, -1]).real.astype(dtype))  # whose inverse rounds more
    values, V = np.linalg.eigh(spread.to_dense())
    assert np.allclose(L.sqrtm(spread**-1).to_dense(), (V * np.emath.sqrt(1 / values)) @ V.conj().T, atol=1e-6)
    column = np.asarray([-3, 1, 0.25, 0.5, 0.5, 0.25, 1], dtype)
    for A in (sm.Circulant(column), sm.MultilevelCirculant(column[:, None]), sm.Circulant(column).conj().T):
        values, V = np.linalg.eigh(A.to_dense())
        wanted = (V * np.emath.sqrt(values)) @ V.conj().T
        assert np.allclose(L.sqrtm(A).to_dense(), wanted, atol=1e-13)
        assert np.allclose(
            L.sqrtm(sm.kron(A, sm.Diagonal(np.ones(2)))).to_dense(), np.kron(wanted, np.eye(2)), atol=1e-13
        )


def test_gradients_go_through_functions_of_real_eigenvalues() -> None:
    """Eigenvalues of a symmetric circulant are real; those beside it, where its column is moved, are not."""
    torch = library("torch")
    column, direction, weights = np.asarray([3.0, 1, 0.5, 1]), draw(4, seed=1), [1.0, 2, 4, -3]

    def loss(c: Any) -> Any:
        found = L.expm(sm.Circulant(c)).column
        return sum(weight * found[place] for place, weight in enumerate(weights))

    given = torch.asarray(column, requires_grad=True)
    loss(given).backward()
    change = (loss(column + 1e-6 * direction) - loss(column - 1e-6 * direction)) / 2e-6
    assert np.isclose(given.grad.numpy() @ direction, change, rtol=1e-6)
