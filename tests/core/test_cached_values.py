"""What operators keep: no call changes it, nothing that is written to reaches it, and nothing outlives its trace."""

import inspect
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from backends import library

import structmat as sm
from structmat._backend import fft
from structmat.core import OPERATORS
from structmat.core.base import LinearOperator

NAMES = sorted(name for name, entry in OPERATORS.items() if entry.cls.__module__.startswith("structmat.operators."))


def z(A: LinearOperator, side: int, *batch: int) -> np.ndarray:
    return np.random.default_rng(side).standard_normal((*batch, A.shape[side])) + (1j if A._is_complex else 0)


def backward(A: LinearOperator) -> None:
    for save in ("spectrum", "input", "nothing"):
        A.backward(A.forward(z(A, 1, 3), save=save)[1], z(A, 0, 3))


def inverse(A: LinearOperator) -> None:
    B = A**-1
    B.vjp(z(B, 1, 3), z(B, 0, 3))


METHODS: dict[str, Callable[[Any], Any]] = {
    "H": lambda A: (A.H.matvec(z(A, 0)), A.H.vjp(z(A, 0, 3), z(A, 1, 3))),
    "T": lambda A: A.T.matvec(z(A, 0, 3)),
    "adjoint": lambda A: A.adjoint().matvec(z(A, 0)),
    "args": lambda A: A.args,
    "backward": backward,
    "conj": lambda A: A.conj().vjp(z(A, 1, 3), z(A, 0, 3)),
    "diagonal": lambda A: A.diagonal(),
    "dot": lambda A: (A.dot(z(A, 1)), A.dot(A.H)),
    "forward": lambda A: A.forward(z(A, 1)),
    "freeze": lambda A: A.freeze().matvec(z(A, 1)),
    "matmat": lambda A: A.matmat(z(A, 1, 3).T),
    "matvec": lambda A: (A.matvec(z(A, 1)), A.matvec(z(A, 1, 3))),
    "nbytes": lambda A: A.nbytes,
    "param_names": lambda A: A.param_names,
    "params": lambda A: A.params,
    "rmatmat": lambda A: A.rmatmat(z(A, 0, 3).T),
    "rmatvec": lambda A: (A.rmatvec(z(A, 0)), A.rmatvec(z(A, 0, 3))),
    "to": lambda A: A.to(dtype="complex64").matvec(z(A, 1)),
    "to_dense": lambda A: A.to_dense(),
    "to_scipy": lambda A: A.to_scipy() @ z(A, 1),
    "transpose": lambda A: A.transpose().matvec(z(A, 0)),
    "unflatten": lambda A: A.unflatten(A.params),
    "vjp": lambda A: A.vjp(z(A, 1, 3), z(A, 0, 3)),
    "with_params": lambda A: A.with_params([2 * value for value in A.params]).matvec(z(A, 1)),
    "power": lambda A: (A**2).vjp(z(A, 1, 3), z(A, 0, 3)),
    "inverse": inverse,
    "entry": lambda A: (A[0, 0], A[0], A[:, 0], A[1:, 1:].matvec(z(A, 1)[1:])),
    "simplify": lambda A: (sm.simplify(A @ A.H), sm.simplify(A.H + 2 * A.H), sm.simplify((A @ A.H) ** 3)),
    "repr": lambda A: (repr(A), str(A)),
}
ELSEWHERE = {
    "dtype",
    "ndim",
    "device",
    "m",
    "n",
    "shape",
    "xp",
    "to_cupyx",
    "to_linear_operator",
    "to_lineax",
    "to_pylops",
}
LINALG: dict[str, Callable[[Any], Any]] = {
    "circulant_approximation": sm.linalg.circulant_approximation,
    "circulant_preconditioner": sm.linalg.circulant_preconditioner,
    "cond": lambda A: [sm.linalg.cond(A, p) for p in (None, 1, "fro")],
    "det": sm.linalg.det,
    "diagonal": sm.linalg.diagonal,
    "eigh": lambda A: (sm.linalg.eigh(A @ A.H), sm.linalg.eigh(A)),
    "eigvals": sm.linalg.eigvals,
    "exact": lambda A: (sm.linalg.exact(A), sm.linalg.exact(A.H), sm.linalg.exact(sm.block_diag([A, sm.DCT(3)]))),
    "expm": sm.linalg.expm,
    "fractional_matrix_power": lambda A: sm.linalg.fractional_matrix_power(A, 0.5),
    "funm": lambda A: sm.linalg.funm(A, lambda values: values),  # the values themselves, which may be kept ones
    "inv": lambda A: sm.linalg.inv(A).matvec(z(A, 1)),
    "logm": sm.linalg.logm,
    "lstsq": lambda A: sm.linalg.lstsq(A, z(A, 0)),
    "norm": lambda A: [sm.linalg.norm(A, kind) for kind in ("fro", 1, 2, np.inf)],
    "pinv": lambda A: sm.linalg.pinv(A).matvec(z(A, 0)),
    "slogdet": sm.linalg.slogdet,
    "solve": lambda A: (sm.linalg.solve(A, z(A, 0)), sm.linalg.solve(A, z(A, 0, 3).T), sm.linalg.solve(A.H, z(A, 0))),
    "solve_iterative": lambda A: sm.linalg.solve_iterative(A, z(A, 0), maxiter=5),
    "solve_vjp": lambda A: sm.linalg.solve_vjp(A, z(A, 0), z(A, 1)),
    "sqrtm": sm.linalg.sqrtm,
    "svdvals": sm.linalg.svdvals,
    "trace": sm.linalg.trace,
}


def arrays_of(value: Any) -> Iterator[np.ndarray]:
    """Yield all arrays that a value holds: fields, kept values, parts, and what sparse matrices are made of."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, LinearOperator):
        yield from arrays_of((*value._fields.values(), *value._cache.values()))
    elif isinstance(value, tuple):
        for each in value:
            yield from arrays_of(each)
    elif hasattr(value, "indptr"):
        yield from (value.data, value.indices, value.indptr)


def kept_of(A: LinearOperator) -> Iterator[np.ndarray]:
    for value in A._cache.values():
        if isinstance(value, LinearOperator):  # a copy in another precision, which shares what needed no change
            shared = {id(array) for array in A._arrays}
            yield from (array for array in value._arrays if id(array) not in shared)
            yield from kept_of(value)
        else:
            yield from arrays_of(value)
    for child in A._children:
        yield from kept_of(child)


def examples(name: str) -> Iterator[LinearOperator]:
    for dtype in ("float32", "float64", "complex128"):  # products of the first are those of a copy in double precision
        A = OPERATORS[name].example(8, np.random.default_rng(zlib.crc32(name.encode()))).to(dtype=dtype)
        yield A
        if A.m == A.n:
            yield sm.block_diag([A, sm.Toeplitz(np.asarray([3.0, 1]), np.asarray([3.0, 2])), sm.DCT(2)])


@pytest.mark.parametrize("name", NAMES)
def test_no_call_changes_an_operator(name: str) -> None:
    for A in examples(name):
        for call, function in {**METHODS, **LINALG}.items():
            before = [(array, array.tobytes()) for array in arrays_of(A)]
            lacks = ""
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of ill-conditioned examples
                try:
                    function(A)
                except (TypeError, ValueError, IndexError, np.linalg.LinAlgError) as error:
                    lacks = str(error)
            assert "read-only" not in lacks, (call, A)  # it would have written to what is kept
            assert all(array.tobytes() == old for array, old in before), (call, A)
        assert not any(array.flags.writeable for array in kept_of(A)), A


def test_every_public_call_is_among_these() -> None:
    methods = {name for name in dir(LinearOperator) if not name.startswith("_")}
    assert methods <= METHODS.keys() | ELSEWHERE, methods - METHODS.keys() - ELSEWHERE
    functions = {name for name in sm.linalg.__all__ if inspect.isfunction(getattr(sm.linalg, name))}
    assert functions == LINALG.keys()


def test_inverse_transforms_leave_what_is_kept() -> None:
    """They overwrite temporaries alone, and what is kept is no temporary."""
    xp = sm.Circulant(np.ones(1)).xp
    for n in (2, 8, 83, 5000):
        c = np.random.default_rng(n).standard_normal(n) + 1j
        A = sm.Circulant(c)
        kept = A.spectrum.copy()
        assert np.allclose(A._back(xp, A.spectrum), c)
        assert np.allclose(sm.linalg.funm(A, lambda values: values).column, c)
        assert np.allclose(sm.Circulant.from_spectrum(A.spectrum).column, c)
        assert np.array_equal(A.spectrum, kept)
        with pytest.raises(ValueError, match="read-only"):
            A.spectrum[0] = 0


def test_transforms_may_overwrite_temporaries_alone() -> None:
    X, xp = np.arange(16.0) + 1j, sm.Circulant(np.ones(1)).xp
    before = X.copy()
    x = fft.idft(xp, X, 16, real=False)
    assert np.array_equal(X, before)
    assert np.array_equal(fft.idft(xp, X, 16, real=False, temporary=True), x)
    assert np.array_equal(X, x)


def test_nothing_is_kept_of_a_trace_or_a_graph() -> None:
    """It would hold the trace, and a whole graph in memory, for as long as the operator lives."""
    jax, torch = library("jax"), library("torch")
    for name in ("Circulant", "Toeplitz", "FCirculant", "BlockCirculant", "Householder", "Banded"):
        A = OPERATORS[name].example(6, np.random.default_rng(0))
        inside = []

        def product(arrays: Any, x: Any, B: Any, inside: list[Any] = inside) -> Any:
            C = B._with_arrays(arrays)
            inside.append(C)
            return C.matvec(x)

        B = A.to(xp=library("jax.numpy"))
        jax.jit(lambda arrays, x, B=B: product(arrays, x, B))(B._arrays, np.ones(A.n))
        C = A.to(xp=torch)
        arrays = [array.requires_grad_() for array in C._arrays]
        product(arrays, torch.ones(A.n, dtype=torch.float64), C)
        assert len(inside) == 2
        assert all(operator._cache == {} for operator in inside), name
