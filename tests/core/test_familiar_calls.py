"""What users of NumPy, SciPy and PyTorch try first: it works, or the error says what does."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import scipy.sparse.linalg as spla
from backends import WITHOUT, library

import structmat as sm
from structmat._backend import devices, namespaces
from structmat.core.base import NoExactInverseError

jax = library("jax")
torch = library("torch")

N = 24
A = sm.SymmetricToeplitz(np.r_[4.0, 1.0, np.zeros(N - 2)])
b = np.random.default_rng(0).standard_normal(N)
TO_SCIPY: dict[str, Callable[[Any], Any]] = {
    "svds": lambda A: spla.svds(A, k=2, v0=b)[1],
    "lobpcg": lambda A: spla.lobpcg(A, np.eye(N)[:, :2], tol=1e-2)[0],
    "onenormest": spla.onenormest,
    "expm_multiply": lambda A: spla.expm_multiply(A, b, traceA=4.0 * N),
    "expm_multiply without trace": lambda A: spla.expm_multiply(A, b),
    "expm_multiply at several times": lambda A: spla.expm_multiply(A, b, start=0, stop=1, num=3),
    "matmat": lambda A: spla.aslinearoperator(A).matmat(np.eye(N)),
    "column": lambda A: spla.aslinearoperator(A) @ np.ones((N, 1)),
    "adjoint of columns": lambda A: spla.aslinearoperator(A).rmatvec(np.ones((N, 1))),
    "krylov": lambda A: spla.funm_multiply_krylov(scipy.linalg.expm, A, b),
    "cg": lambda A: spla.cg(A, b)[0],
    "gmres": lambda A: spla.gmres(A, b)[0],
    "lsmr": lambda A: spla.lsmr(A, b)[0],
    "eigs": lambda A: spla.eigs(A, k=2, v0=b)[0],
    "eigsh": lambda A: spla.eigsh(A, k=2, v0=b)[0],
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # estimates of traces
@pytest.mark.parametrize("name", TO_SCIPY)
def test_functions_of_scipy_take_operators_or_tell_of_to_scipy(name: str) -> None:
    call = TO_SCIPY[name]
    wanted = np.sort(np.ravel(call(spla.aslinearoperator(A.to_dense()))))
    tolerance = {"rtol": 1e-6, "atol": 1e-8}
    if name != "lobpcg":  # which ends early, wherever it is then
        assert np.allclose(np.sort(np.ravel(call(A.to_scipy()))), wanted, **tolerance)
    try:
        got = call(A)
    except (TypeError, ValueError, AttributeError) as error:
        assert "A.to_scipy()" in str(error)  # noqa: PT017
    else:
        assert np.allclose(np.sort(np.ravel(got)), wanted, **tolerance)


def test_names_of_scipy_s_class() -> None:
    rng = np.random.default_rng(0)
    C = sm.Circulant(rng.standard_normal(4) + 1j * rng.standard_normal(4))
    D = sm.Diagonal(rng.standard_normal(4))
    S = C.to_scipy()
    x, X = rng.standard_normal(4), rng.standard_normal((4, 2))
    assert C.ndim == S.ndim == (C @ D).ndim == 2
    assert C.adjoint() is C.H
    assert np.array_equal(C.transpose().to_dense(), C.to_dense().T)
    for other in (x, X):
        assert np.array_equal(C.dot(other), C @ other)
        assert np.allclose(C.dot(other), S.dot(other), rtol=1e-14)
    assert np.array_equal(C.dot(D).to_dense(), (C @ D).to_dense())
    assert C.dot(2).args == (2 * C).args == (C, 2.0)
    assert C.dot(np.float32(2)).args == C.dot(np.asarray(2.0)).args == (C, 2.0)
    assert (C.args, S.args) == ((), ())
    assert (C @ D).args == (C + D).args == sm.kron(C, D).args == sm.hstack([C, D]).args == (C, D)
    assert (C**3).args == (C, 3)
    assert C.H.args == (C,)
    assert sm.repeat(C, 2).args == (C, 2)


@pytest.mark.parametrize("name", ["trace", "toarray", "todense", "copy"])
def test_names_that_are_elsewhere(name: str) -> None:
    assert not hasattr(A, name)
    with pytest.raises(AttributeError, match=rf"'SymmetricToeplitz' object has no attribute '{name}'; "):
        getattr(A, name)


@pytest.mark.parametrize("kind", ["real", "complex"])
def test_the_row_of_a_toeplitz_matrix_is_the_conjugate_of_its_column(kind: str) -> None:
    column = np.asarray([1.0, 2.0, 3.0]) + (1j * np.asarray([5.0, 4.0, -2.0]) if kind == "complex" else 0)
    for made in (sm.Toeplitz(column), sm.Toeplitz(column=column), sm.Toeplitz(column, None)):
        assert np.array_equal(made.to_dense(), scipy.linalg.toeplitz(column))
        assert made.row is not column
        assert not np.shares_memory(made.row, column)
    sm.testing.check_operator(sm.Toeplitz(column), batches=[(), (2,)])
    given = torch.tensor(column, requires_grad=True)
    sm.Toeplitz(given).to_dense().real.sum().backward()
    assert np.allclose(given.grad.numpy().real, [3, 4, 2])
    with pytest.raises(TypeError, match=r"Toeplitz: column is a list; expected an array of shape \(m\)\."):
        sm.Toeplitz([1.0, 2.0])


def test_blocks_of_none_are_zero() -> None:
    C, D, W = sm.Circulant(np.ones(2)), sm.Diagonal(np.ones(3)), sm.Dense(np.ones((2, 3)))
    got = sm.block_array([[C, None, W], [None, D, None]])
    wanted = scipy.sparse.block_array([[C.to_dense(), None, W.to_dense()], [None, D.to_dense(), None]]).toarray()
    assert np.array_equal(got.to_dense(), wanted)
    assert np.allclose(got @ np.arange(8.0), wanted @ np.arange(8.0), rtol=1e-14)
    assert got.param_names == ("0.0.column", "0.2.matrix", "1.1.entries")
    on_torch = sm.block_array([[C.to(xp=torch), None], [None, C.to(xp=torch)]])
    assert on_torch.to_dense().tolist() == np.kron(np.eye(2), np.ones((2, 2))).tolist()
    for rows, message in (
        ([[C, None], [D, None]], r"block_array: column 2 of blocks is all None"),
        ([[None, None], [C, D]], r"block_array: row 1 of blocks is all None"),
        ([[C, None], [C]], r"block_array: the rows have 2, 1 blocks; expected equally many"),
        ([[C, None], [None, D], [W, D]], r"HStack: part 1 is Dense 2×3 but part 2 has 3 rows"),
    ):
        with pytest.raises(ValueError, match=message):
            sm.block_array(rows)
    with pytest.raises(TypeError, match=r"block_array: block 2 of row 1 is a int; expected a LinearOperator or None\."):
        sm.block_array([[None, 3], [C, D]])
    with pytest.raises(TypeError, match=r"block_array: operators is a sequence of operators; expected rows of them"):
        sm.block_array([C, D])


@pytest.mark.parametrize(
    "name", ["solve", "inv", "det", "slogdet", "norm", "eigvals", "pinv", "cond", "expm", "svdvals"]
)
def test_functions_of_linalg_that_are_no_methods(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"'Circulant' .* '{name}'; structmat\.linalg has {name}$"):
        getattr(sm.Circulant(np.ones(3)), name)
    assert callable(getattr(sm.linalg, name))


def test_methods_of_tensors_that_operators_lack() -> None:
    C = sm.Circulant(np.ones(3))
    for name, instead, works in (
        ("double", 'A.to("float64") converts it', lambda: C.to("float64")),
        ("numpy", 'A.to("numpy") converts it', lambda: C.to("numpy")),
        ("detach", "A.freeze() has no gradients", C.freeze),
        ("mH", "A.H is its conjugate transpose", lambda: C.H),
    ):
        with pytest.raises(AttributeError, match=re.escape(f"'{name}'; {instead}")):
            getattr(C, name)
        assert isinstance(works(), sm.LinearOperator)


def test_parameters_by_name() -> None:
    C = sm.Circulant(np.arange(3.0)) @ sm.Diagonal(np.ones(3))
    x = np.ones(3)
    _, grads = C.vjp(x, x)
    named = C.unflatten(grads)
    assert all(new is grad for new, grad in zip(C.with_params(named).params, grads, strict=True))
    turned = dict(reversed(named.items()))
    assert all(new is grad for new, grad in zip(C.with_params(turned).params, grads, strict=True))
    message = r"with_params: got the names 0.column; expected 0.column, 1.entries\."
    with pytest.raises(ValueError, match=message):
        C.with_params({"0.column": x})


def test_images_are_flattened_first() -> None:
    M = sm.MultilevelCirculant(np.ones((3, 4)))
    image, batch = np.ones((3, 4)), np.ones((5, 3, 4))
    for call, hint, works in (
        (lambda: M @ image, "A.matvec(X.ravel())", lambda: M.matvec(image.ravel())),
        (lambda: M.matvec(image), "A.matvec(x.ravel())", lambda: M.matvec(image.ravel())),
        (lambda: M.rmatvec(image), "A.rmatvec(g.ravel())", lambda: M.rmatvec(image.ravel())),
        (lambda: M @ batch, "A.matvec(X.reshape(*X.shape[:-2], 12))", lambda: M(batch.reshape(*batch.shape[:-2], 12))),
        (lambda: M.vjp(batch, batch), "A.matvec(x.reshape(*x.shape[:-2], 12))", lambda: M(batch.reshape(5, 12))),
        (lambda: sm.kron(A, sm.identity(2))(np.ones((N, 2))), "A.matvec(x.ravel())", lambda: None),
    ):
        with pytest.raises(ValueError, match="entries together: flatten them, ") as raised:
            call()
        assert hint in str(raised.value)
        works()
    with pytest.raises(ValueError, match=r"\(set by tensor\)\.$"):
        M(np.ones((3, 5)))


TARGETS: list[tuple[Any, dict[str, str]]] = [
    ("float32", {"dtype": "float32"}),
    (np.float32, {"dtype": "float32"}),
    (np.dtype("<c16"), {"dtype": "complex128"}),
    ("f4", {"dtype": "float32"}),
    ("numpy", {"xp": "numpy"}),
    ("array_api_strict", {"xp": "array_api_strict"}),
    ("cpu", {}),
]
if "torch" not in WITHOUT:
    TARGETS += [("torch", {"xp": "torch"}), (torch, {"xp": "torch"}), (torch.complex64, {"dtype": "complex64"})]


@pytest.mark.parametrize(("target", "facts"), TARGETS, ids=str)
def test_operators_go_where_they_are_told(target: Any, facts: dict[str, str]) -> None:
    there = A.to(target)
    assert namespaces.name(there.xp) == facts.get("xp", "numpy")
    assert str(there.dtype).rsplit(".", maxsplit=1)[-1] == facts.get("dtype", "float64")
    assert np.array_equal(devices.to_host(there.to_dense()), A.to_dense())


def test_devices_by_position() -> None:
    there = sm.Circulant(array_api_strict.ones(3)).to(array_api_strict.Device("device1"))
    assert there.device == array_api_strict.Device("device1")
    assert str(sm.Circulant(torch.ones(3)).to("meta").device) == "meta"


@pytest.mark.parametrize("target", ["flaot32", "tensorflow", 3, [1], "", "float 32"])
def test_unknown_targets(target: Any) -> None:
    with pytest.raises(TypeError, match=r"SymmetricToeplitz\(24×24\).to: got .*; expected a dtype such as|dtype is"):
        A.to(target)
    with pytest.raises(TypeError, match=r"to: got 'float32', and dtype= is given as well"):
        A.to("float32", dtype="float64")


def test_libraries_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sm.save(tmp_path / "A", A)
    for name in ("numpy", "torch", "jax", "jax.numpy", "array_api_strict"):
        if name.partition(".")[0] in WITHOUT:
            continue
        single = A.to("float32")
        assert namespaces.name(single.to(xp=name).xp) == name.split(".")[0]
        assert sm.SignFlip.random(3, rng=0, xp=name).m == 3
        assert sm.load(tmp_path / "A", xp=name).xp is A.to(xp=name).xp
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(
        ImportError, match=r"xp='torch': needs the package torch: pip install 'torch>=.*pip install '.\[torch\]'"
    ):
        A.to("torch")
    with pytest.raises(
        TypeError, match=r"xp is 'foo'; expected an array module .*, or the name of one: 'numpy', 'cupy'"
    ):
        A.to(xp="foo")


DRAWN: dict[str, Callable[..., sm.LinearOperator]] = {
    **{
        name: getattr(sm.projections, name)
        for name in ("circulant_projection", "block_circulant_projection", "toeplitz_projection", "srht")
    },
    "fastfood": sm.projections.fastfood,
    "acdc": lambda d, k, **options: sm.projections.acdc(d, 2, **options),
    "low_rank": lambda d, k, **options: sm.projections.low_rank(d, k, 2, **options),
}
DRAWN["block_circulant_projection"] = lambda d, k, **options: sm.projections.block_circulant_projection(
    d, k, block_size=2, **options
)


@pytest.mark.parametrize("name", DRAWN)
def test_what_is_drawn_has_the_default_dtype_of_the_library(name: str) -> None:
    draw = DRAWN[name]
    single = jax.numpy.zeros(()).dtype == np.float32
    assert draw(8, 4, rng=0).dtype in (np.float64, None)
    on_torch = draw(8, 4, rng=0, xp=torch)
    assert on_torch.dtype in (torch.float32, None)
    on_jax = draw(8, 4, rng=0, xp=jax.numpy)  # without the warning that JAX gives of double precision
    assert on_jax.dtype in (np.float32 if single else np.float64, None)
    torch.set_default_dtype(torch.float64)
    try:
        assert draw(8, 4, rng=0, xp="torch").dtype in (torch.float64, None)
    finally:
        torch.set_default_dtype(torch.float32)
    assert draw(8, 4, rng=0, xp=torch, dtype="float64").dtype in (torch.float64, None)


@pytest.mark.parametrize(
    ("xp", "hint"),
    [
        (np, '{}.astype("float64")'),
        (torch, "{}.to(torch.float64)"),
        (array_api_strict, "xp.astype({}, xp.float64)"),
    ],
    ids=["numpy", "torch", "strict"],
)
def test_hints_fit_the_library(xp: Any, hint: str) -> None:
    x = xp.arange(4)
    for name, call in (("x", sm.identity(4)), ("column", sm.Circulant)):
        with pytest.raises(TypeError, match="convert it first, for example with ") as raised:
            call(x)
        expression = hint.format(name)
        assert expression in str(raised.value)
        call(eval(expression, {name: x, "torch": torch, "xp": xp}))


def test_inverses_of_sums_tell_of_simplify() -> None:
    with pytest.raises(NoExactInverseError, match=r"structmat.simplify may find an operator that has"):
        (A + A) ** -1
    assert np.allclose(2 * (A @ sm.linalg.solve(A + A, b)), b)
    with pytest.raises(NoExactInverseError) as raised:
        A**-1
    assert "simplify" not in str(raised.value)


@pytest.mark.parametrize(
    "rng",
    [True, False, np.True_, [], [1, 2], (), 1.5, "a", np.asarray([1]), np.random.RandomState(0), -1],
    ids=lambda rng: re.sub(r" at 0x.*", "", repr(rng)),  # the same in every process
)
def test_what_is_no_seed(rng: Any) -> None:
    message = r"rng is .*; expected a seed, an int of 0 or more, a numpy.random.Generator or None\."
    for draw in (
        lambda: sm.SignFlip.random(3, rng=rng),
        lambda: sm.Permutation.random(3, rng=rng),
        lambda: sm.projections.circulant_projection(4, 2, rng=rng),
        lambda: sm.testing.check_operator(sm.identity(2), rng=rng),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            draw()


def test_seeds() -> None:
    signs = [
        devices.to_host(sm.SignFlip.random(64, rng=seed).signs).tolist()
        for seed in (7, np.int8(7), np.random.SeedSequence(7), np.random.PCG64(7), np.random.default_rng(7))
    ]
    assert all(each == signs[0] for each in signs)
    going_on = np.random.default_rng(7)
    assert devices.to_host(sm.SignFlip.random(64, rng=going_on).signs).tolist() == signs[0]
    assert devices.to_host(sm.SignFlip.random(64, rng=going_on).signs).tolist() != signs[0]
