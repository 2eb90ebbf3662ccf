"""Bad input: a clear error that names the operator, the argument, what came and what was expected."""

# ruff: noqa: E501 (the tables have one row a case)

import dataclasses
import pickle
import warnings
from typing import Any

import array_api_strict
import numpy as np
import pytest
import scipy.sparse
from backends import library

import structmat as sm
from structmat.core import OPERATORS

jnp = library("jax.numpy")
torch = library("torch")

C = sm.Circulant(np.ones(4))
W = sm.Dense(np.ones((2, 4)))
M = np.ma.masked_array(np.ones(4), [True, False, False, False])
S = type("Series", (), {"ndim": 1, "to_numpy": lambda self: np.ones(4)})()  # of pandas or polars


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: C.matvec(np.ones((32, 5))), r"Circulant\(4×4\).matvec: x has shape \(32, 5\); its last axis must be n = 4 \(set by column\)\."),
        (lambda: W.rmatvec(np.ones(4)), r"Dense\(2×4\).rmatvec: g has shape \(4,\); its last axis must be m = 2 \(set by matrix\)\."),
        (lambda: C.matvec(np.ones((4, 3))), r"Columns of a matrix go through A.matmat\."),
        (lambda: W.rmatvec(np.ones((2, 3))), r"Columns of a matrix go through A.rmatmat\."),
        (lambda: C.matvec(np.asarray(1.0)), r"x has shape \(\); its last axis must be n = 4"),
        (lambda: C @ np.float64(3), r"x has shape \(\)"),
        (lambda: C.matvec(np.ones((4, 0))), r"x has shape \(4, 0\)"),
        (lambda: C.matvec(np.ones(0)), r"x has shape \(0,\)"),
        (lambda: C @ np.ones((3, 4)), r"Circulant\(4×4\).matmat: X has shape \(3, 4\); its second to last axis must be n = 4"),
        (lambda: np.ones((4, 3)) @ C, r"matvec: x has shape \(4, 3\)"),
        (lambda: C.matmat(np.ones(4)), r"X has shape \(4,\); its second to last axis"),
        (lambda: C @ sm.identity(5), r"Product: factor 1 is Circulant 4×4 but factor 2 has 5 rows \(Identity 5×5\)\."),
        (lambda: C @ C @ W, r"Product: factor 2 is Circulant 4×4 but factor 3 has 2 rows \(Dense 2×4\)\."),
        (lambda: C + W, r"Sum: term 1 is Circulant 4×4 but term 2 is Dense 2×4\."),
        (lambda: sm.hstack([C, W]), r"HStack: part 1 is Circulant 4×4 but part 2 has 2 rows \(Dense 2×4\)\."),
        (lambda: sm.vstack([C, sm.identity(3)]), r"VStack: part 1 is Circulant 4×4 but part 2 has 3 columns \(Identity 3×3\)\."),
        (lambda: sm.hstack([]), r"hstack: operators is empty; expected at least one\."),
        (lambda: sm.repeat(C, True), r"repeat: times is True; expected a positive int\."),
        (lambda: sm.identity(np.float64(4)), r"Identity: n is np.float64\(4.0\); expected a positive int\."),
        (lambda: C.matvec(np.ones((3, 4)), chunk_size=np.int64(0)), r"matvec: chunk_size is np.int64\(0\); expected a positive int\."),
        (lambda: sm.block_circulant(np.ones((1, 1, 3)), 4), r"block_circulant: shape is 4; expected \(m, n\)\."),
        (lambda: sm.projections.hd3(4, rng=-1), r"rng is -1; expected a seed, an int of 0 or more"),
        (lambda: sm.repeat(C, 0), r"repeat: times is 0; expected a positive int\."),
        (lambda: W**2, r"Dense\(2×4\) \*\* 2: powers need a square operator\."),
        (lambda: W**-1, r"Dense\(2×4\) \*\* -1: powers need a square operator\."),
        (lambda: sm.SignFlip(np.asarray([1, 0, -1])), r"SignFlip: signs has entries other than -1 and \+1; expected only these\."),
        (lambda: sm.SignFlip(np.asarray([1.0, np.nan])), r"SignFlip: signs has entries other than"),
        (lambda: sm.SignFlip.random(0), r"SignFlip.random: n is 0; expected a positive int\."),
        (lambda: sm.identity(-1), r"Identity: n is -1; expected a positive int\."),
        (lambda: sm.identity(2.0), r"Identity: n is 2.0; expected a positive int\."),
        (lambda: sm.Circulant(np.ones((2, 2))), r"Circulant: column has shape \(2, 2\); expected 1 axes \(n\)\."),
        (lambda: sm.Circulant(np.ones(0)), r"Circulant: column has shape \(0,\); expected no empty axis: no operator is empty"),
        (lambda: sm.BlockCirculant(np.ones(3)), r"BlockCirculant: blocks has shape \(3,\); expected 3 axes \(p, q, b\)\."),
        (lambda: sm.Circulant.from_spectrum(np.ones(3) + 0j, n=3), r"from_spectrum: spectrum has shape \(3,\); expected \(2,\), half of n = 3\."),
        (lambda: sm.Circulant.from_spectrum(np.ones((2, 2)) + 0j), r"from_spectrum: spectrum has shape \(2, 2\); expected \(n,\)\."),
        (lambda: sm.Restriction(3, np.asarray([0, 3])), r"Restriction: index runs from 0 to 3; expected 0 to n - 1 = 2\."),
        (lambda: sm.Restriction(3, np.asarray([-1, 0])), r"Restriction: index runs from -1 to 0"),
        (lambda: sm.Restriction(3, np.asarray([1, 1])), r"Restriction: index has an entry twice"),
            (lambda: sm.Restriction(4, slice(3, 0)), r"Restriction: index is slice\(3, 0, None\); expected entries below n = 4"),
        (lambda: sm.Restriction(3, slice(5, 9)), r"Restriction: index is slice\(5, 9, None\)"),
        (lambda: C.with_params([]), r"Circulant\(4×4\).with_params: got 0 arrays; expected 1 \(column\)\."),
        (lambda: (C @ C).with_params([np.ones(4)]), r"with_params: got 1 arrays; expected 2 \(0.column, 1.column\)\."),
        (lambda: C.with_params([np.ones(5)]), r"with_params: column has shape \(5,\); expected \(4,\)\."),
        (lambda: C.unflatten([]), r"Circulant\(4×4\).unflatten: got 0 arrays; expected 1 \(column\)\."),
        (lambda: C.backward(W.forward(np.ones(4))[1], np.ones(4)), r"saved comes from another operator \(Dense 2×4\)"),
        (lambda: C.backward((C**2).forward(np.ones(4))[1], np.ones(4)), r"saved comes from another operator \(Power 4×4\)"),
        (lambda: C.backward(C.forward(np.ones((3, 4)))[1], np.ones(4)), r"backward: g has shape \(4,\); expected that of y, \(3, 4\)\."),
        (lambda: sm.projections.circulant_projection(0), r"circulant_projection: d is 0; expected a positive int\."),
        (lambda: sm.projections.circulant_projection(4, -1), r"circulant_projection: k is -1; expected a positive int\."),
        (lambda: sm.projections.circulant_projection(4, 2.5), r"circulant_projection: k is 2.5; expected a positive int\."),
        (lambda: sm.projections.circulant_projection(4, kind="wrap"), r"kind is 'wrap'; expected 'truncate', 'stack' or 'pad'\."),
        (lambda: sm.projections.circulant_projection(4, 8, kind="truncate"), r"kind is 'truncate' with k = 8, d = 4; expected k <= d\."),
        (lambda: sm.projections.circulant_projection(4, 2, kind="pad"), r"kind is 'pad' with k = 2, d = 4; expected k >= d\."),
    ],
)  # fmt: skip
def test_values(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: C.matvec([1.0] * 4), r"Circulant\(4×4\).matvec: x is a list; expected an array"),
        (lambda: C.matvec(None), r"x is a NoneType"),
        *[
            (lambda dtype=dtype: C.matvec(np.zeros(4, dtype=dtype)), rf"matvec: x has dtype {name}; expected a real or complex")
            for dtype, name in [(int, "int64"), (bool, "bool"), (object, "object"), ("U3", "str96")]
        ],
        (lambda: sm.Circulant([1.0, 2.0]), r"Circulant: column is a list; expected an array of shape \(n\)\."),
        (lambda: sm.Circulant(np.arange(3)), r"Circulant: column has dtype int64; expected a real or complex floating dtype"),
        (lambda: sm.Diagonal(np.asarray(["a"])), r"Diagonal: entries has dtype str32"),
        (lambda: sm.SignFlip([1, -1]), r"SignFlip: signs is a list"),
        (lambda: sm.SignFlip(np.asarray([True])), r"SignFlip: signs has dtype bool; expected integers or floats"),
        (lambda: sm.Restriction(3, np.asarray([0.0])), r"Restriction: index has dtype float64; expected an integer dtype\."),
        (lambda: sm.Restriction(3, 1), r"Restriction: index is a int; expected an array"),
        (lambda: sm.Circulant.from_spectrum(np.ones(3)), r"from_spectrum: spectrum is float64; expected a complex array\."),
        (lambda: C.matvec(torch.ones(4)), r"x is an array of torch, the operator's are of numpy; convert one, the operator with A.to\(xp="),
        (lambda: C.to(xp=torch).matvec(np.ones(4)), r"x is an array of numpy, the operator's are of torch"),
        (lambda: C @ C.to(xp=torch), r"Product: part 1 is of numpy and part 2 \(Circulant 4×4\) of torch; convert one"),
        (lambda: sm.vstack([C, C.to(xp=jnp)]), r"VStack: part 1 is of numpy and part 2 \(Circulant 4×4\) of jax"),
        (lambda: C @ C.to(xp=torch, device="meta"), r"of torch"),
        (lambda: C.to(xp=torch).matvec(torch.ones(4, device="meta", dtype=torch.float64)), r"matvec: x is on meta, the operator on cpu; move one"),
        (lambda: C.to(xp=torch) @ sm.Circulant(torch.ones(4, device="meta")), r"part 1 is on cpu and part 2 \(Circulant 4×4\) on meta"),
        (lambda: C.with_params([torch.ones(4)]), r"with_params: column is an array of torch; expected one of numpy\."),
        (lambda: C.with_params([np.ones(4, dtype=int)]), r"with_params: column has dtype int64; expected a floating or complex"),
        (lambda: C.with_params([3.0]), r"with_params: column is a float; expected an array\."),
        (lambda: C.backward("tape", np.ones(4)), r"backward: saved is a str; expected what forward returned\."),
        (lambda: C @ 3, r"Circulant\(4×4\) @ 3: @ takes operators and arrays; scale with 3 \* A\."),
        (lambda: 3 @ C, r"3 @ Circulant\(4×4\): @ takes"),
        (lambda: C @ C.to_scipy(), r"Circulant\(4×4\) @ a SciPyOperator: .*; sm.aslinearoperator makes operators of .* SciPy"),
        (lambda: sm.Restriction(3, np.ones(3, bool)), r"index has dtype bool; expected .*\. A mask has .* numpy\.flatnonzero"),
        (lambda: C @ [1.0, 2.0, 3.0, 4.0], r"Circulant\(4×4\) @ a list: @ takes operators and arrays; make an array of it\."),
        (lambda: C * C, r"Circulant\(4×4\) \* Circulant\(4×4\): \* takes scalars; use @ for products\."),
        (lambda: C * np.ones(4), r"Circulant\(4×4\) \* a ndarray: \* takes scalars"),
        (lambda: np.ones(4) * C, r"\* takes scalars"),
        (lambda: C @ S, r"Circulant\(4×4\) @ a Series: @ takes operators and arrays; x.to_numpy\(\) is an array\."),
        (lambda: S @ C, r"a Series @ Circulant\(4×4\): @ takes operators and arrays; x.to_numpy\(\) is an array\."),
        (lambda: C @ scipy.sparse.eye_array(4), r"Circulant\(4×4\) @ a dia_array: .*; sm.aslinearoperator makes operators of sparse"),
        (lambda: C @ scipy.sparse.csr_matrix(np.eye(4)), r"Circulant\(4×4\) @ a csr_matrix: .*; sm.aslinearoperator makes"),
        (lambda: C @ M, r"Circulant\(4×4\) @ a MaskedArray: .*; convert it to a plain array\."),
        (lambda: M @ C, r"a MaskedArray @ Circulant\(4×4\): .*; convert it to a plain array\."),
        (lambda: C @ np.ones((4, 1)).view(np.matrix), r"Circulant\(4×4\) @ a matrix: .*; convert it to a plain array\."),
        (lambda: C.matvec(M), r"Circulant\(4×4\).matvec: x is a MaskedArray; expected an array of NumPy"),
        (lambda: sm.Diagonal(M), r"Diagonal: entries is a MaskedArray; expected an array of shape \(n\)"),
        (lambda: sm.LowRank(M[:, None], M[:, None]), r"LowRank: left is a MaskedArray"),
        (lambda: C.with_params([M]), r"with_params: column is a MaskedArray; expected an array\."),
        (lambda: C - np.ones(4), r"Circulant\(4×4\) - a ndarray: operators add to operators, such as sm.identity\(n\)\."),
        (lambda: np.ones(4) + C, r"a ndarray \+ Circulant\(4×4\): operators add to operators"),
        (lambda: 0.0 + C, r"0.0 \+ Circulant\(4×4\): operators add to operators"),
        (lambda: np.dot(np.ones(4), C), r"Circulant\(4×4\): NumPy's functions take no operators; write A @ x"),
        (lambda: np.asarray(C), r"or take A.to_dense\(\)"),
        (lambda: C * np.ones(1), r"Circulant\(4×4\) \* a ndarray: \* takes scalars; use @"),
        (lambda: C**True, r"\*\* True: expected an int\."),
        (lambda: C.to_dense("a"), r"Circulant\(4×4\).to_dense: max_bytes is 'a'; expected a number\."),
        (lambda: sm.projections.hd3(4, rng="a"), r"rng is 'a'; expected a seed, an int of 0 or more, a numpy.random.Generator or None\."),
        (lambda: sm.testing.check_operator(3), r"check_operator: A is a int; expected a LinearOperator\."),
        (lambda: sm.save(None, C), r"save: path is a NoneType; expected a str or a path\."),
        (lambda: sm.load(3), r"load: path is a int; expected a str or a path\."),
        (lambda: C + 3, r"Circulant\(4×4\) \+ 3: operators add to operators, such as sm.identity\(n\)\."),
        (lambda: 3 - C, r"operators add to operators"),
        (lambda: C**1.5, r"Circulant\(4×4\) \*\* 1.5: expected an int\."),
        (lambda: (C + C) ** -1, r"Sum\(4×4\) \*\* -1: Sum has no exact inverse; structmat.linalg.solve finds solutions"),
        (lambda: C.to(dtype="int32"), r"dtype is 'int32'; expected a real or complex floating dtype of numpy\."),
        (lambda: C.to(dtype="i4"), r"dtype is 'i4'; expected a real or complex floating dtype of numpy\."),
        (lambda: C.to(dtype="complex128").to(dtype="float32"), r"Circulant\(4×4\).to: column is complex and dtype is float32"),
        (lambda: C.to(dtype="bfloat16"), r"dtype is 'bfloat16'; expected a real or complex floating dtype of numpy"),
        (lambda: C.to(xp="tensorflow"), r"xp is 'tensorflow'; expected an array module such as numpy, .* or the name of one"),
        (lambda: C.to(xp=pickle), r"xp is the module pickle, which makes no arrays"),
        (lambda: sm.vstack([C, np.ones((4, 4))]), r"vstack: part 2 is a ndarray; expected a LinearOperator\."),
        (lambda: C / "a", r"unsupported operand"),
    ],
)  # fmt: skip
def test_types(call: object, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_devices_of_one_operator_agree() -> None:
    device = array_api_strict.Device("device1")
    A = C.to(xp=array_api_strict, device=device)
    with pytest.raises(TypeError, match=r"x is on array_api_strict.Device\('CPU_DEVICE'\), the operator on"):
        A.matvec(array_api_strict.ones(4))


@pytest.mark.parametrize(
    "A",
    [
        sm.Circulant(np.asarray([1.0, 1.0, 1.0])),
        sm.Diagonal(np.asarray([1.0, 0.0])),
        sm.Dense(np.ones((2, 2))),
        sm.Dense(np.zeros((2, 2))),
        sm.BlockCirculant(np.ones((2, 2, 3))),
        sm.Circulant(np.asarray([1.0, np.nan])),
        sm.Circulant(np.ones(3)) @ sm.Diagonal(np.ones(3)),
    ],
)
def test_singular_operators_have_no_inverse(A: sm.LinearOperator) -> None:
    with pytest.raises(
        np.linalg.LinAlgError, match=r"\*\* -1: the operator is singular to working precision: its sing"
    ):
        A**-1


def test_division_by_zero() -> None:
    with pytest.raises(ZeroDivisionError, match=r"Circulant\(4×4\) / 0: division by zero"):
        C / 0


def test_scalars_beyond_double_precision() -> None:
    with pytest.raises(OverflowError, match=r"Circulant\(4×4\): the scalar is too large; expected one that double"):
        10**400 * C


def test_dense_limit() -> None:
    A = sm.Circulant(np.ones(2**15, dtype=np.float32))
    with pytest.raises(
        MemoryError, match=r"takes 4,294,967,296 bytes, over the limit of 1,073,741,824; .*max_bytes=4294967296"
    ):
        A.to_dense()
    with pytest.raises(MemoryError, match=r"limit of 15"):
        C.to_dense(max_bytes=15)
    assert C.to_dense(max_bytes=128).nbytes == 128


def test_saved_of_an_operator_with_other_parameters_is_foreign() -> None:
    _, saved = C.forward(np.ones(4))
    with pytest.raises(ValueError, match=r"saved comes from another operator"):
        C.with_params([np.zeros(4)]).backward(saved, np.ones(4))


def test_an_operator_is_immutable() -> None:
    with pytest.raises(AttributeError):
        C.column = np.zeros(4)


def test_nothing_warns_on_empty_batches() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y, saved = C.forward(np.ones((0, 4)))
        dx, (dc,) = C.backward(saved, y)
    assert y.shape == dx.shape == (0, 4)
    assert np.array_equal(dc, np.zeros(4))


def test_two_classes_may_not_share_a_name() -> None:
    from structmat.custom import Leaf, param

    class Circulant(Leaf):
        dims = "n", "n"
        column: object = param("n")

    with pytest.raises(ValueError, match=r"operator Circulant is registered already, by structmat.operators.circulant"):
        sm.custom.register_operator(cost="O(1)", example=lambda n, rng: None)(Circulant)


def test_the_former_name_of_the_decorator_warns() -> None:
    with pytest.warns(DeprecationWarning, match="renamed to register_operator"):
        from structmat.custom import operator
    assert operator is sm.custom.register_operator
    with pytest.raises(AttributeError, match="no attribute 'operators'"):
        _ = sm.custom.operators


@pytest.mark.parametrize(
    "name", sorted(name for name, each in OPERATORS.items() if each.cls.__module__.startswith("structmat.operators."))
)
def test_no_operator_is_empty(name: str) -> None:
    """Each size and each axis of each array of 0 is refused, by its name."""
    example = OPERATORS[name].example(8, np.random.default_rng(0))
    tried = 0
    for field in dataclasses.fields(example):
        value = getattr(example, field.name)
        changes: list[Any] = []
        if "size" in field.metadata:
            changes = [0]
        elif isinstance(value, np.ndarray):
            changes = [np.take(value, np.asarray([], dtype=int), axis=axis) for axis in range(value.ndim)]
        for change in changes:
            fields = {each.name: getattr(example, each.name) for each in dataclasses.fields(example) if each.init}
            if name == "FunctionOperator":
                shape = tuple(0 if each == field.name else fields[each] for each in ("m", "n"))
                fields = {"shape": shape, "matvec": fields["product"], "rmatvec": fields["adjoint_product"]}
            else:
                fields[field.name] = change
            with pytest.raises(ValueError, match=rf"{name}: \w+ (is 0; expected a positive int|has shape .*)"):
                type(example)(**fields)
            tried += 1
    assert tried
