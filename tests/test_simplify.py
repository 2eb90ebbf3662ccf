"""Simplification: every rule fires, and what it makes is the same matrix of the same kind."""

import logging
import pickle
from typing import Any

import array_api_strict
import numpy as np
import pytest
from backends import library
from hypothesis import given, settings
from trees import DTYPES, trees

import structmat as sm
from structmat.core.compose import Power, Product, Sum
from structmat.rewrite import RULES, rewritten

jax = library("jax")
jnp = library("jax.numpy")
torch = library("torch")

RNG = np.random.default_rng(0)
EPS = {"float32": 2e-7, "float64": 2.3e-16}


def draw(*shape: int, dtype: str = "float64") -> np.ndarray:
    host = RNG.standard_normal(shape)
    return (host + 1j * RNG.standard_normal(shape) if "complex" in dtype else host).astype(dtype)


def circulant(n: int = 6, dtype: str = "float64") -> sm.Circulant:
    return sm.Circulant(draw(n, dtype=dtype))


def diagonal(n: int = 6, dtype: str = "float64") -> sm.Diagonal:
    return sm.Diagonal(draw(n, dtype=dtype))


def blocks(p: int = 2, q: int = 2, b: int = 3, dtype: str = "float64") -> sm.BlockCirculant:
    return sm.BlockCirculant(draw(p, q, b, dtype=dtype))


def dense(m: int = 6, n: int = 6, dtype: str = "float64") -> sm.Dense:
    return sm.Dense(draw(m, n, dtype=dtype))


def signs(n: int = 6) -> sm.SignFlip:
    return sm.SignFlip.random(n, rng=RNG)


def some(n: int, m: int) -> sm.Restriction:
    return sm.Restriction(n, RNG.permutation(n)[:m])


def leaves(A: sm.LinearOperator) -> int:
    return sum(map(leaves, A._children)) or 1


def names(lines: list[str]) -> list[str]:
    """The rules that fired, less what they fired at."""
    return [line.partition(":")[0] for line in lines]


def bound(A: sm.LinearOperator) -> float:
    """The norms of the parts put together: what rounding is relative to."""
    parts = [bound(part) for part in A._children]
    if isinstance(A, Product):
        return float(np.prod(parts))
    if isinstance(A, Power):
        return parts[0] ** A.exponent
    factor = abs(getattr(A, "scalar", 1))
    return factor * sum(parts) if parts else float(np.linalg.norm(matrix(A)))


def matrix(A: sm.LinearOperator) -> np.ndarray:
    return sm.testing.dense_pair(A)[0]


def check(A: sm.LinearOperator) -> tuple[sm.LinearOperator, list[str]]:
    """Simplify, and hold the result against the original."""
    B, fired = rewritten(A)
    assert (B.shape, str(B.dtype), B._is_complex) == (A.shape, str(A.dtype), A._is_complex)
    assert B.xp in (None, A.xp)
    assert B.device in (None, A.device)
    eps = EPS["float32" if A.dtype in (np.float32, np.complex64) else "float64"]
    assert np.linalg.norm(matrix(B) - matrix(A)) <= 100 * eps * bound(A)
    assert bool(B.params) <= bool(A.params)
    assert leaves(B) <= leaves(A)
    if not fired:
        assert B is A
    again, more = rewritten(B)
    assert more == []
    assert again is B
    return B, names(fired)


# ---------------------------------------------------------------------- the table, row by row

C, D, S, W, K = circulant(), diagonal(), signs(), dense(), blocks()
R = some(6, 4)
Z, E = circulant(dtype="complex128"), diagonal(dtype="complex128")
U = dense(6, 4)
V = dense(6, 6)

# An operator, the rules that must fire (others may too), and what must come out.
CASES: dict[str, tuple[sm.LinearOperator, set[str], str]] = {
    "circulants": (C @ circulant(), {"Circulant @ Circulant"}, "Circulant"),
    "circulants-mixed": (C @ Z @ circulant(dtype="float32"), {"Circulant @ Circulant"}, "Circulant"),
    "circulants-of-odd-size": (circulant(5) @ circulant(5), {"Circulant @ Circulant"}, "Circulant"),
    "circulants-added": (2 * C + circulant() - 3j * Z, {"linear + linear"}, "Circulant"),
    "circulants-added-to-complex": (C + 1j * circulant(), {"linear + linear"}, "Circulant"),
    "circulant-scaled": (3 * C, {"s * linear"}, "Circulant"),
    "circulant-adjoint": (C.H, {"Circulant.H"}, "Circulant"),
    "circulant-adjoint-complex": (Z.H, {"Circulant.H"}, "Circulant"),
    "circulant-conjugate": (Z.conj(), {"linear.conj()"}, "Circulant"),
    "circulant-transpose": (Z.T, {"Circulant.H", "linear.conj()"}, "Circulant"),
    "circulant-power": (C**5, {"Circulant ** k"}, "Circulant"),
    "circulant-power-0": (Z**0, {"Circulant ** k"}, "Circulant"),
    "circulant-inverse": (C**-1 @ circulant(), {"Circulant ** -1", "Circulant @ Circulant"}, "Circulant"),
    "circulant-inverse-complex": ((Z**-1).H, {"Circulant ** -1", "Circulant.H"}, "Circulant"),
    "diagonal-inverse": (D**-1, {"Diagonal ** -1"}, "Diagonal"),
    "inverse-cancels": (V**-1 @ V @ D, {"A ** -1 @ A"}, "Diagonal"),
    "inverse-cancels-after": (V @ V**-1 @ D, {"A ** -1 @ A"}, "Diagonal"),
    "circulant-and-identity": (C - 2 * sm.identity(6), {"special + general"}, "Circulant"),
    "normal-equations": (Z.H @ Z + 0.1 * sm.identity(6), {"special + general"}, "Circulant"),
    "blocks": (blocks(2, 3, 4) @ blocks(3, 2, 4), {"BlockCirculant @ BlockCirculant"}, "BlockCirculant"),
    "blocks-mixed": (K @ blocks(dtype="complex64"), {"BlockCirculant @ BlockCirculant"}, "BlockCirculant"),
    "blocks-added": (K - 2 * blocks(), {"linear + linear"}, "BlockCirculant"),
    "blocks-adjoint": (blocks(2, 3, 4, "complex128").H, {"BlockCirculant.H"}, "BlockCirculant"),
    "blocks-conjugate": (blocks(2, 3, 4, "complex128").conj(), {"linear.conj()"}, "BlockCirculant"),
    "blocks-scaled": (K / 2, {"s * linear"}, "BlockCirculant"),
    "blocks-power": (K**3, {"BlockCirculant ** k"}, "BlockCirculant"),
    "blocks-power-0": (K**0, {"BlockCirculant ** k"}, "BlockCirculant"),
    "blocks-and-identity": (K + sm.identity(6), {"special + general"}, "BlockCirculant"),
    "one-block": (C @ blocks(1, 2, 6), {"special @ general"}, "BlockCirculant"),
    "one-block-added": (blocks(1, 1, 6) + C, {"special + general"}, "BlockCirculant"),
    "diagonals": (D @ E, {"Diagonal @ Diagonal"}, "Diagonal"),
    "diagonals-added": (D - 2 * diagonal(), {"linear + linear"}, "Diagonal"),
    "diagonal-scaled": (-D, {"s * linear"}, "Diagonal"),
    "diagonal-adjoint": (E.H, {"Diagonal.H"}, "Diagonal"),
    "diagonal-transpose": (E.T, {"Diagonal.H", "linear.conj()"}, "Diagonal"),
    "diagonal-power": (D**4, {"Diagonal ** k"}, "Diagonal"),
    "diagonal-power-0": (D**0, {"Diagonal ** k"}, "Diagonal"),
    "diagonal-and-identity": (D + sm.identity(6) / 2, {"special + general"}, "Diagonal"),
    "diagonal-and-signs": (D + 1j * S, {"special + general"}, "Diagonal"),
    "signs": (S @ signs(), {"SignFlip @ SignFlip"}, "SignFlip"),
    "signs-twice": (S @ S, {"U @ U.H"}, "Identity"),
    "signs-and-diagonal": (S @ D, {"special @ general"}, "Diagonal"),
    "diagonal-and-signs-product": (E @ S, {"special @ general"}, "Diagonal"),
    "signs-odd-power": (S**3, {"SignFlip ** k"}, "SignFlip"),
    "signs-even-power": (S**4, {"SignFlip ** k"}, "Identity"),
    "dense": (W @ dense(), {"Dense @ Dense"}, "Dense"),
    "dense-wide": (U.H @ U, {"Dense.H", "Dense @ Dense"}, "Dense"),
    "dense-added": (W + 1j * dense(), {"linear + linear"}, "Dense"),
    "dense-and-identity": (W + sm.identity(6), {"special + general"}, "Dense"),
    "dense-rows": (D @ W, {"Diagonal @ Dense"}, "Dense"),
    "dense-columns": (W @ E, {"Dense @ Diagonal"}, "Dense"),
    "dense-row-signs": (S @ W, {"SignFlip @ Dense"}, "Dense"),
    "dense-column-signs": (W @ S, {"Dense @ SignFlip"}, "Dense"),
    "restrictions": (some(4, 2) @ R, {"Restriction @ Restriction"}, "Restriction"),
    "restrictions-slices": (
        sm.Restriction(4, slice(1, 3)) @ sm.Restriction(6, slice(2, None)),
        {"Restriction @ Restriction"},
        "Restriction",
    ),
    "restrictions-mixed": (
        sm.Restriction(2, np.asarray([1, 0])) @ sm.Restriction(4, slice(1, 3)) @ R,
        {"Restriction @ Restriction"},
        "Restriction",
    ),
    "restrictions-narrow-index": (
        sm.Restriction(3, np.asarray([2, 0], dtype=np.int8)) @ sm.Restriction(300, slice(250, 253)),
        {"Restriction @ Restriction"},
        "Restriction",
    ),
    "restrictions-adjoint": ((some(4, 2) @ R).H, {"Restriction @ Restriction"}, "Adjoint"),
    "restriction-and-padding": (R @ R.H, {"Restriction @ Restriction.H"}, "Identity"),
    "restriction-made-twice": (
        sm.Restriction(6, slice(1, 3)) @ sm.Restriction(6, slice(1, 3)).H,
        {"Restriction @ Restriction.H"},
        "Identity",
    ),
    "restriction-to-all": (sm.Restriction(6, slice(0, None)), {"Restriction to all"}, "Identity"),
    "like-terms": (2 * (C @ S) + 3 * (C @ S), {"s * A + t * A"}, "Scaled"),
    "scalars": ((2 * S) @ (R.H @ R) @ (3j * signs()), {"A @ (s * B)"}, "Scaled"),
    "power-of-power": (((C @ S) ** 2) ** 3, {"A ** k ** l"}, "Power"),
    "power-of-multiple": ((2 * (R.H @ R)) ** 3, {"(s * A) ** k"}, "Scaled"),
    "power-of-identity": (sm.identity(3) ** 3, {"Identity ** k"}, "Identity"),
    "power-0": ((R.H @ R) ** 0, {"A ** 0"}, "Identity"),
    "power-of-blocks": (sm.block_diag([C, S]) ** 3, {"BlockDiag ** k"}, "BlockDiag"),
    "power-of-repeat": (sm.repeat(C, 2) ** 2, {"Repeat ** k"}, "Repeat"),
    "block-diag": (sm.block_diag([C, U]) @ sm.block_diag([Z, R]), {"BlockDiag @ BlockDiag"}, "BlockDiag"),
    "block-diag-added": (
        2 * sm.block_diag([C, S]) + 3j * sm.block_diag([circulant(), R.H @ R]),
        {"BlockDiag + BlockDiag"},
        "BlockDiag",
    ),
    "block-diag-nested": (sm.block_diag([C, sm.block_diag([W, C])]), {"BlockDiag of BlockDiag"}, "BlockDiag"),
    "block-diag-of-diagonals": (
        sm.block_diag([diagonal(2, "float32"), signs(3), E, sm.identity(2)]),
        {"BlockDiag of Diagonal"},
        "Diagonal",
    ),
    "block-diag-of-signs": (sm.block_diag([signs(2), S]), {"BlockDiag of Diagonal"}, "SignFlip"),
    "block-diag-of-identities": (
        sm.block_diag([sm.identity(2), sm.identity(3)]),
        {"BlockDiag of Diagonal"},
        "Identity",
    ),
    "hstack": (sm.hstack([C, W]) @ sm.block_diag([circulant(), W]), {"HStack @ BlockDiag"}, "HStack"),
    "hstack-nested": (sm.hstack([sm.hstack([C, W]), S]), {"HStack of HStack"}, "HStack"),
    "vstack": (sm.block_diag([circulant(), W]) @ sm.vstack([C, W]), {"BlockDiag @ VStack"}, "VStack"),
    "vstack-nested": (sm.vstack([sm.vstack([C, W]), S]), {"VStack of VStack"}, "VStack"),
    "repeat": (sm.repeat(C, 2) @ sm.repeat(circulant(), 2), {"Repeat @ Repeat"}, "Repeat"),
    "repeat-of-repeat": (sm.repeat(sm.repeat(C, 2), 3), {"Repeat of Repeat"}, "Repeat"),
    "repeat-of-identity": (sm.repeat(sm.identity(2), 3), {"Repeat of Identity"}, "Identity"),
    "all-together": (2 * C @ S @ S @ C.H + sm.identity(6), {"Circulant @ Circulant", "U @ U.H"}, "Circulant"),
}


@pytest.mark.parametrize("case", CASES)
def test_rules(case: str) -> None:
    A, wanted, kind = CASES[case]
    B, fired = check(A)
    assert wanted <= set(fired)
    assert type(B).__name__ == kind


def test_every_rule_is_fired_by_a_case() -> None:
    fired = {name for A, _, _ in CASES.values() for name in names(rewritten(A)[1])}
    assert fired == {rule.name for rule in RULES}
    assert len({rule.name for rule in RULES}) == len(RULES)


# ---------------------------------------------------------------------- what stays


LEFT_ALONE = {
    "frozen @ learnable": C.freeze() @ circulant(),
    "frozen + learnable": C.freeze() + circulant(),
    "learnable @ frozen": D @ diagonal().freeze(),
    "dense @ frozen": W @ diagonal().freeze(),
    "frozen and learnable blocks": sm.block_diag([D, D.freeze()]),
    "thin dense factors": dense(6, 1) @ dense(1, 6),
    "thin block-circulant factors": blocks(4, 1, 2) @ blocks(1, 4, 2),
    "blocks of other sizes": blocks(1, 2, 3) @ blocks(3, 1, 2),
    "complex multiple of real": 1j * C,
    "padding @ restriction": R.H @ R,
    "other selections": some(6, 4) @ R.H,
    "neighbours of other kinds": C @ S @ C,
    "terms of other kinds": C + S,
    "power 0 with a dtype": (C @ S) ** 0,
    "blocks that are cut elsewhere": sm.block_diag([C, U]) @ sm.block_diag([dense(5, 2), dense(5, 3)]),
    "blocks of other kinds": sm.block_diag([C, S]),
    "multiple of a product": 2 * (C @ S),
    "repeat": sm.repeat(C, 2),
    "scalars whose product is 0": (1e-200 * S) @ R.H @ (1e-200 * sm.identity(4)),
}


@pytest.mark.parametrize("case", LEFT_ALONE)
def test_left_alone(case: str) -> None:
    A = LEFT_ALONE[case]
    B, fired = check(A)
    assert fired == []
    assert B is A


def test_frozen_stays_frozen() -> None:
    frozen, learnable = (C @ D @ D @ C).freeze(), C @ D @ S @ D @ C
    assert sm.simplify(frozen).params == ()
    assert sm.simplify(learnable).param_names == ("0.column", "1.diagonal", "2.column")
    mixed = sm.simplify(C @ C @ C.freeze() @ C.freeze())
    assert [bool(part.params) for part in mixed.parts] == [True, False]
    assert sm.simplify(S @ D.freeze()).params == ()
    assert sm.simplify(D.freeze() + sm.identity(6)).params == ()


def test_the_operator_given_is_left_as_it_is() -> None:
    column = draw(4)
    column.flags.writeable = False
    A = 2 * sm.Circulant(column) @ sm.Circulant(column).H
    before = matrix(A)
    shown = str(A)
    sm.simplify(A)
    assert str(A) == shown
    assert np.array_equal(matrix(A), before)


def test_a_unitary_cancels_by_identity_of_its_arrays() -> None:
    twin = sm.SignFlip(S.signs.copy())
    assert isinstance(sm.simplify(S @ twin), sm.SignFlip)  # equal values are not looked at
    assert isinstance(sm.simplify(S @ sm.SignFlip(S.signs)), sm.Identity)
    A = pickle.loads(pickle.dumps(C @ S @ S))
    assert isinstance(sm.simplify(A), sm.Circulant)


def test_a_complex_unitary_leaves_a_complex_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind is kept: products with the identity that is left are complex, as those with the product were."""
    monkeypatch.setattr(sm.Circulant, "_is_unitary", True)
    shift = sm.Circulant(np.asarray([0, 1j, 0]))
    D = sm.Diagonal(np.ones(3))
    monkeypatch.setattr("structmat.rewrite.RULES", [rule for rule in RULES if rule.name in ("U @ U.H", "A @ (s * B)")])
    for A in (D @ shift @ shift.H, shift.H @ shift @ D):
        B, fired = rewritten(A)
        assert names(fired)[0] == "U @ U.H"
        assert str(B.dtype) == "complex128"
        assert np.array_equal(B.matvec(np.ones(3)), np.ones(3) + 0j)
    assert sm.simplify(shift @ shift.H).dtype == complex  # alone they stay, as an identity has no dtype


def test_half_precision_is_left_alone() -> None:
    A = circulant(dtype="float16")
    for B in (A @ A, A + 2 * A, A**2, A + sm.identity(6), 3 * A):
        simple = sm.simplify(B)
        assert np.array_equal(simple.to_dense(), B.to_dense())
    assert sm.simplify(A @ circulant(dtype="float32")).dtype == np.float32


def test_large_and_small_scalars() -> None:
    """Scalars are multiplied only where their product is a number and not 0."""
    for A in ((1e200 * S) ** 2, (1e200 * S) @ R.H @ (1e200 * some(6, 4)), (1e-200 * S) ** 2):
        assert rewritten(A)[1] == []


def test_shared_parts_stay_shared() -> None:
    twice = C @ circulant()
    B = sm.simplify(sm.block_diag([twice, 1j * twice]))
    assert isinstance(B.parts[0], sm.Circulant)
    assert B.parts[0] is B.parts[1].of


def test_long_chains() -> None:
    unit = sm.Circulant(np.asarray([0.0, 1.0, 0.0, 0.0, 0.0]))
    A: sm.LinearOperator = unit
    B: sm.LinearOperator = unit
    for _ in range(300):
        A, B = A @ unit, B + unit
    assert np.allclose(sm.simplify(A).to_dense(), np.linalg.matrix_power(unit.to_dense(), 301), atol=1e-12)
    assert np.allclose(sm.simplify(B).to_dense(), 301 * unit.to_dense())


# ---------------------------------------------------------------------- random trees


@settings(max_examples=300)
@given(A=trees())
def test_trees(A: sm.LinearOperator) -> None:
    check(A)


@settings(max_examples=100)
@given(A=trees(depth=4))
def test_deep_trees(A: sm.LinearOperator) -> None:
    check(A)


@settings(max_examples=100)
@given(A=trees(dtypes=("float32", "complex128")))
def test_products_keep_their_dtype(A: sm.LinearOperator) -> None:
    B = sm.simplify(A)
    for dtype in DTYPES:
        x = np.ones(A.n, dtype=dtype)
        assert B.matvec(x).dtype == A.matvec(x).dtype
        assert B.rmatvec(np.ones(A.m, dtype=dtype)).dtype == A.rmatvec(np.ones(A.m, dtype=dtype)).dtype


# ---------------------------------------------------------------------- other libraries


def model() -> sm.LinearOperator:
    """A tree in which many rules fire."""
    keep = sm.Restriction(6, np.asarray([4, 0, 1]))
    short = sm.Restriction(3, np.asarray([2, 1]))
    inner = C @ Z.H @ (2 * C) ** 3 + sm.identity(6) - 1j * circulant()
    outer = sm.block_diag([S @ D, K @ K.H + sm.identity(6)]) @ sm.vstack([inner, K])
    return sm.hstack([short @ keep, short @ keep]) @ outer @ S @ S @ E @ S @ W @ D


@pytest.mark.parametrize(
    ("xp", "device"),
    [(torch, None), (jnp, None), (array_api_strict, array_api_strict.Device("device1"))],
    ids=["torch", "jax", "strict"],
)
def test_other_libraries(xp: Any, device: Any) -> None:
    cases = [model(), *(A for A, _, _ in CASES.values() if xp is not jnp)]
    for A in cases:
        there = A.to(xp=xp, device=device)
        B, fired = rewritten(there)
        assert fired
        assert B.shape == A.shape
        assert (B.xp, B.device) in [(there.xp, there.device), (None, None)]
        assert np.linalg.norm(matrix(B) - matrix(A)) <= 1e-4 * bound(A)


def test_traced_by_jax() -> None:
    A = model().to(xp=jnp)
    x = jnp.asarray(draw(A.n))

    @jax.jit
    def product(params: Any, x: Any) -> Any:
        return sm.simplify(A.with_params(params)).matvec(x)

    scale = bound(model())
    assert np.linalg.norm(product(A.params, x) - A.matvec(x)) < 1e-14 * scale
    index = jnp.asarray([3, 1])
    both = jax.jit(lambda i, x: sm.simplify(sm.Restriction(4, i) @ sm.Restriction(6, slice(1, 5))).matvec(x))
    assert np.array_equal(both(index, x), x[index + 1])


def test_differentiated_by_torch() -> None:
    A = (C @ S @ S @ C.H @ (2 * C)).to(xp=torch)
    learned = A.with_params([value.clone().requires_grad_() for value in A.params])
    x, g = torch.asarray(draw(6)), torch.asarray(draw(6))
    simple = sm.simplify(learned)
    assert isinstance(simple, sm.Circulant)
    simple.matvec(x).backward(g)
    for value, grad in zip(learned.params, A.vjp(x, g)[1], strict=True):
        torch.testing.assert_close(value.grad, grad)


# ---------------------------------------------------------------------- the call


def test_verbose_logs(caplog: pytest.LogCaptureFixture) -> None:
    sm.simplify(S @ S)
    assert caplog.records == []
    sm.simplify(S @ S, verbose=True)
    assert caplog.messages == ["simplify: U @ U.H: SignFlip 6×6 @ SignFlip 6×6 -> Identity 6×6"]
    assert {(record.name, record.levelname) for record in caplog.records} == {("structmat", "INFO")}
    caplog.clear()
    sm.simplify(C, verbose=True)
    assert caplog.messages == ["simplify: no rule fires"]


@pytest.fixture
def nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("structmat"), "hasHandlers", lambda: False)


@pytest.mark.usefixtures("nobody_listens")
def test_verbose_reaches_a_program_without_logging(capsys: pytest.CaptureFixture[str]) -> None:
    sm.simplify(S @ S, verbose=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("simplify: U @ U.H: SignFlip 6×6")


def test_refuses_what_is_no_operator() -> None:
    with pytest.raises(TypeError, match="simplify: A is a ndarray; expected a LinearOperator"):
        sm.simplify(np.eye(3))


def test_sum_form_is_flat() -> None:
    assert isinstance(sm.simplify(C + S + (W - sm.identity(6))), Sum)
