"""The checks of the operator contract, by name; each compares with a dense reference or tests an identity."""

import pickle
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np

from structmat._backend import devices, dtypes, namespaces
from structmat._backend.types import RNG, Array, Device
from structmat.core.base import LinearOperator
from structmat.testing.facts import check_facts
from structmat.testing.reference import dense_pair, norm_bound
from structmat.testing.subject import Subject, Transform, assert_same, lengths
from structmat.testing.views import check_views

BATCHES: tuple[tuple[int, ...], ...] = ((), (0,), (3,), (2, 3))


def check_entries(subject: Subject) -> None:
    """`to_dense` equals the matrix of the definition."""
    subject.assert_close(subject.A.to_dense(), subject.matrix, subject.norm, "to_dense")


def check_dense(subject: Subject) -> None:
    """`A.to_dense()[i, j]` and `A[i, j]` have equal bits, where the definition gives the entries.

    Complex entries that are products may differ in the last digit, as libraries use fused instructions for some.
    """
    A = subject.A
    matrix = devices.to_host(A.to_dense())
    xp = A._library[0]
    first = xp.zeros((1,), dtype=xp.int64, device=A.device)
    reproducible = not np.iscomplexobj(matrix) or (xp is namespaces.resolve(None) and not A._children)
    exact = reproducible and A._entries(xp, first, first) is not None
    rows, columns = ({0, size - 1, int(subject.rng.integers(size))} for size in A.shape)
    subject.assert_close(A.H.to_dense(), matrix.conj().T, subject.norm, "A.H.to_dense()")
    reads = [("A.diagonal()", A.diagonal(), matrix.diagonal())]
    reads += [(f"A[{i}, :]", A[i, :], matrix[i]) for i in rows]
    reads += [(f"A[:, {j}]", A[:, j], matrix[:, j]) for j in columns]
    reads += [
        (f"A[{i}, {j}]", xp.reshape(xp.asarray(A[i, j]), (1,)), matrix[i, j : j + 1]) for i in rows for j in columns
    ]
    for what, got, wanted in reads:
        subject.assert_close(got, wanted, subject.norm, f"{what} against to_dense")
        if exact and not np.array_equal(devices.to_host(got), wanted, equal_nan=True):
            raise AssertionError(f"{what} and to_dense differ")


def check_products(subject: Subject) -> None:
    """`matvec` and `rmatvec` agree with the dense matrix, for every batch shape, real and complex."""
    for x in subject.vectors(1):
        got, wanted = subject.transform(subject.A.matvec)(x), devices.to_host(x) @ subject.matrix.T
        subject.assert_close(
            got, wanted, subject.norm * lengths(x), f"matvec of {tuple(x.shape)} {dtypes.name(x.dtype)}"
        )
    for g in subject.vectors(0):
        got, wanted = subject.transform(subject.A.rmatvec)(g), devices.to_host(g) @ subject.matrix.conj()
        subject.assert_close(
            got, wanted, subject.norm * lengths(g), f"rmatvec of {tuple(g.shape)} {dtypes.name(g.dtype)}"
        )


def check_matrices(subject: Subject) -> None:
    """`matmat`, `rmatmat` and `@` on both sides agree with the dense matrix."""
    A, real = subject.A, subject.dtypes()[0]
    X, Y = subject.draw((2, A.n, 3), real), subject.draw((2, A.m, 3), real)
    scales = [subject.norm * np.linalg.norm(devices.to_host(Z).astype(float), axis=(-2, -1))[:, None] for Z in (X, Y)]
    subject.assert_close(A.matmat(X), subject.matrix @ devices.to_host(X), scales[0], "matmat")
    subject.assert_close(A @ X, subject.matrix @ devices.to_host(X), scales[0], "A @ X")
    subject.assert_close(A.rmatmat(Y), subject.matrix.conj().T @ devices.to_host(Y), scales[1], "rmatmat")
    rows = subject.draw((2, 3, A.m), real)
    subject.assert_close(
        A.__rmatmul__(rows), devices.to_host(rows) @ subject.matrix, subject.norm * lengths(rows), "X @ A"
    )
    x, g = subject.draw((A.n,), real), subject.draw((A.m,), real)
    assert_same(A @ x, A.matvec(x), "A @ x against matvec")
    assert_same(A(x), A.matvec(x), "A(x) against matvec")
    subject.assert_close(A.__rmatmul__(g), devices.to_host(g) @ subject.matrix, subject.norm * lengths(g), "x @ A")


def check_linear(subject: Subject) -> None:
    """A (x + a z) = A x + a A z."""
    for dtype in subject.dtypes():
        x, z = subject.draw((subject.A.n,), dtype), subject.draw((subject.A.n,), dtype)
        wanted = devices.to_host(subject.A.matvec(x)) + 2.0 * devices.to_host(subject.A.matvec(z))
        scale = subject.norm * 3 * (lengths(x) + 2 * lengths(z))
        subject.assert_close(subject.A.matvec(x + 2.0 * z), wanted, scale, "linearity")


def check_adjoint(subject: Subject) -> None:
    """⟨g, A x⟩ = ⟨A^H g, x⟩, and A.H, A.T and A.conj() have the products of their matrices."""
    A, matrix = subject.A, subject.matrix
    for dtype in subject.dtypes():
        for other in subject.dtypes():
            x, g = subject.draw((4, A.n), dtype), subject.draw((4, A.m), other)
            forward = np.sum(devices.to_host(g).conj() * devices.to_host(A.matvec(x)), axis=-1, keepdims=True)
            backward = np.sum(devices.to_host(A.rmatvec(g)).conj() * devices.to_host(x), axis=-1, keepdims=True)
            subject.assert_close(forward, backward, subject.norm * lengths(x) * lengths(g), "adjoint: dot test")
    if A.H.H is not A:
        raise AssertionError("A.H.H is not A")
    for name, B, wanted in (
        ("A.H", A.H, matrix.conj().T),
        ("A.T", A.T, matrix.T),
        ("conj(A)", A.conj(), matrix.conj()),
    ):
        if B.shape != wanted.shape:
            raise AssertionError(f"{name}: shape {B.shape}, expected {wanted.shape}")
        x, g = subject.draw((2, B.n), subject.dtype), subject.draw((2, B.m), subject.dtype)
        subject.assert_close(B.matvec(x), devices.to_host(x) @ wanted.T, subject.norm * lengths(x), f"{name} matvec")
        subject.assert_close(
            B.rmatvec(g), devices.to_host(g) @ wanted.conj(), subject.norm * lengths(g), f"{name} rmatvec"
        )


def check_forward(subject: Subject) -> None:
    """`forward` returns the result of `matvec`, and `backward` can be called twice."""
    for x in subject.vectors(1):
        y, saved = subject.A.forward(x)
        subject.assert_close(
            y, devices.to_host(subject.A.matvec(x)), subject.norm * lengths(x), "forward against matvec"
        )
        g = subject.draw(y.shape, y.dtype)
        first, second = subject.A.backward(saved, g), subject.A.backward(saved, g)
        assert_same(first[0], second[0], "backward twice")
        for one, two in zip(first[1], second[1], strict=True):
            assert_same(one, two, "backward twice")


def check_gradients(subject: Subject) -> None:
    """The gradient of x is A^H g, and gradients p' of parameters satisfy Re⟨p', d⟩ = Re⟨g, A'(d) x⟩ to rounding."""
    for name, A, matrix, derivative in (
        ("A", subject.A, subject.matrix, subject.derivative),
        ("A.H", subject.A.H, *dense_pair(subject.A.H, _adjoint_directions(subject))),
    ):
        directions = subject.directions if A is subject.A else _adjoint_directions(subject)
        for batch in subject.batches:
            for dtype in subject.dtypes():
                x = subject.draw((*batch, A.n), dtype)
                g = subject.draw((*batch, A.m), A.matvec(x).dtype)
                dx, grads = subject.transform(A.vjp)(x, g)
                exact = devices.to_host(g) @ matrix.conj()
                wanted = exact if dtypes.is_complex(subject.xp, x.dtype) else exact.real
                subject.assert_close(
                    dx, wanted, subject.norm * lengths(g), f"{name} backward to x of {dtypes.name(dtype)}"
                )
                subject.assert_placed(dx, x, x.dtype, "gradient to x")
                what = f"{name} gradients for {tuple(x.shape)} {dtypes.name(dtype)}"
                subject.assert_gradients(A, (derivative, directions), (x, g), grads, what)
                for grad, value in zip(grads, A.params, strict=True):
                    subject.assert_placed(grad, value, value.dtype, "gradient to a parameter")
                    if grad.shape != value.shape:
                        raise AssertionError(f"gradient of shape {grad.shape} for a parameter of shape {value.shape}")


def _adjoint_directions(subject: Subject) -> list[Array]:
    """Return the directions in the order of the parameters of A.H."""
    by_array = {id(value): d for value, d in zip(subject.A.params, subject.directions, strict=True)}
    return [by_array[id(value)] for value in subject.A.H.params]


def check_dtypes(subject: Subject) -> None:
    """Results have the dtype `result_type(A, x)`, half precision included, and the library and device of x."""
    A, xp = subject.A, subject.xp
    for name in ("float16", "bfloat16", "float32", "float64", "complex64", "complex128"):
        dtype = getattr(xp, name, None)
        if dtype is None:
            continue
        x = subject.draw((2, A.n), dtype) * (1 + subject.norm) ** -2.0  # A^H A x is within the range of half precision
        if dtypes.name(x.dtype) != name:  # JAX casts double precision to single by default
            continue
        wanted = dtype if A.dtype is None else xp.result_type(A.dtype, dtype)
        if A._is_complex and not dtypes.is_complex(xp, wanted):
            wanted = dtypes.complex_dtype(xp, wanted)
        subject.assert_placed(A.matvec(x), x, wanted, f"matvec of {name}")
        subject.assert_placed(A.rmatvec(subject.draw((A.m,), dtype)), x, wanted, f"rmatvec of {name}")
        y, saved = A.forward(x)
        subject.assert_placed(y, x, wanted, f"forward of {name}")
        subject.assert_placed(A.backward(saved, y)[0], x, dtype, f"backward of {name}")


def check_untouched(subject: Subject) -> None:
    """Products modify neither their arguments nor the operator, and results share no memory with arguments."""
    A = subject.A
    x, g = subject.draw((3, A.n), subject.dtype), subject.draw((3, A.m), subject.dtype)
    watched = [x, g, *A._arrays]
    before = [devices.to_host(value).copy() for value in watched]
    columns = subject.xp.matrix_transpose
    results = [A.matvec(x), A.rmatvec(g), A.vjp(x, g)[0], A.forward(x)[0], A.to_dense()]
    results += [A.matmat(columns(x)), A.rmatmat(columns(g))]
    for value, old in zip(watched, before, strict=True):
        if not np.array_equal(devices.to_host(value), old):
            raise AssertionError("a product changed its argument or the operator")
    for value in (x, g):
        if any(
            isinstance(y, np.ndarray) and np.shares_memory(y, value) for y in results if isinstance(value, np.ndarray)
        ):
            raise AssertionError("a result shares memory with an argument")


def check_params(subject: Subject) -> None:
    """`with_params` and `unflatten` invert `params`; `freeze` removes parameters and keeps products."""
    A = subject.A
    if len(A.param_names) != len(A.params) or len(set(A.param_names)) != len(A.params):
        raise AssertionError(f"param_names {A.param_names} do not name {len(A.params)} parameters")
    again = A.with_params(A.params)
    if again.shape != A.shape or any(new is not old for new, old in zip(again.params, A.params, strict=True)):
        raise AssertionError("with_params(params) has other parameters")
    if tuple(A.unflatten(A.params)) != A.param_names:
        raise AssertionError("unflatten names other parameters")
    x = subject.draw((2, A.n), subject.dtype)
    other = A.with_params(subject.directions)
    wanted = devices.to_host(x) @ dense_pair(other)[0].T
    subject.assert_close(other.matvec(x), wanted, norm_bound(other) * lengths(x), "matvec with other parameters")
    assert_same(again.matvec(x), A.matvec(x), "with_params(params)")
    frozen = A.freeze()
    assert_same(frozen.matvec(x), A.matvec(x), "freeze")
    y = A.matvec(x)
    dx, grads = frozen.vjp(x, y)
    subject.assert_close(dx, devices.to_host(A.vjp(x, y)[0]), subject.norm * lengths(y), "freeze")
    if frozen.params or grads or frozen.nbytes != A.nbytes:
        raise AssertionError("a frozen operator has parameters, or lost its arrays")


def check_pickle(subject: Subject) -> None:
    """Pickles restore the operator without its cache."""
    A = subject.A
    x = subject.draw((2, A.n), subject.dtype)
    y = A.matvec(x)
    again = pickle.loads(pickle.dumps(A))
    if again._cache or repr(again) != repr(A):
        raise AssertionError("a pickled operator kept its cache or changed")
    assert_same(again.matvec(x), y, "pickle")


def check_printing(subject: Subject) -> None:
    """`repr` is one line with class and shape; `str` is a tree that begins with `repr`."""
    A = subject.A
    text = repr(A)
    if "\n" in text or type(A).__name__ not in text or f"{A.m}×{A.n}" not in text:
        raise AssertionError(f"repr is {text!r}")
    if not str(A).startswith(text):
        raise AssertionError("str does not begin with repr")


def check_messages(subject: Subject) -> None:
    """Invalid arguments raise the documented errors, whose messages name the operator and the argument."""
    A, xp = subject.A, subject.xp
    scalar = xp.asarray(1.0, dtype=subject.dtype, device=subject.device)
    integers = xp.zeros((A.n,), dtype=xp.int32, device=subject.device)
    calls: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "x has shape", lambda: A.matvec(subject.draw((2, A.n + 1), subject.dtype))),
        (ValueError, "g has shape", lambda: A.rmatvec(subject.draw((2, A.m + 1), subject.dtype))),
        (ValueError, "x has shape ()", lambda: A.matvec(scalar)),
        (TypeError, "x has dtype int32", lambda: A.matvec(integers)),
        (TypeError, "x is a list", lambda: A.matvec([1.0] * A.n)),
        (ValueError, "X has shape", lambda: A.matmat(subject.draw((A.n,), subject.dtype))),
        (TypeError, "saved is a tuple", lambda: A.backward((), subject.draw((A.m,), subject.dtype))),  # type: ignore[arg-type]
        (ValueError, "with_params: got", lambda: A.with_params([*A.params, scalar])),
    ]
    for error, text, call in calls:
        try:
            call()
        except error as raised:
            if text not in str(raised) or type(A).__name__ not in str(raised):
                raise AssertionError(f"the message {str(raised)!r} lacks {text!r} or the operator's name") from raised
        else:
            raise AssertionError(f"no {error.__name__} with {text!r}")


#: The checks by name, in the order they run.
CHECKS: dict[str, Callable[[Subject], None]] = {
    "entries": check_entries,
    "dense": check_dense,
    "products": check_products,
    "matrices": check_matrices,
    "linear": check_linear,
    "adjoint": check_adjoint,
    "forward": check_forward,
    "gradients": check_gradients,
    "facts": check_facts,
    "dtypes": check_dtypes,
    "untouched": check_untouched,
    "views": check_views,
    "params": check_params,
    "pickle": check_pickle,
    "printing": check_printing,
    "messages": check_messages,
}


def check_operator(
    A: LinearOperator,
    *,
    checks: Iterable[str] | None = None,
    rng: RNG = 0,
    batches: Iterable[tuple[int, ...]] = BATCHES,
    transform: Transform | None = None,
    xp: ModuleType | None = None,
    device: Device = None,
) -> None:
    """Check an operator against the contract: products, adjoint, parameter gradients, dtypes, errors and others.

    The references are dense matrices in extended precision, from the definition of the entries, so A must be small.

    Parameters
    ----------
    A : LinearOperator
        Any operator or composite, on any library and device.
    checks : iterable of str, optional
        Names from `CHECKS`; all unless given.
    rng : int, numpy.random.Generator or None, optional
        Seed or generator of the vectors.
    batches : iterable of tuple of int, optional
        Batch shapes of the vectors.
    transform : callable, optional
        Applied to the methods for products and gradients before they are called, such as `jax.jit`.
    xp : module, optional
        Array library of the vectors for an operator without arrays, NumPy unless given.
    device : device, optional
        Device of that library.

    Raises
    ------
    AssertionError
        A check fails; the message begins with its name.
    ValueError
        The name of a check is unknown.
    TypeError
        A is not an operator.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.testing.check_operator(sm.Circulant(np.asarray([1.0, 2.0, 3.0])))
    """
    if not isinstance(A, LinearOperator):
        raise TypeError(f"check_operator: A is a {type(A).__name__}; expected a LinearOperator.")
    names = list(CHECKS) if checks is None else list(checks)
    unknown = sorted(set(names) - set(CHECKS))
    if unknown:
        raise ValueError(f"check_operator: unknown checks {', '.join(unknown)}; known are {', '.join(CHECKS)}.")
    subject = Subject(A, rng, batches, transform or (lambda function: function), xp=xp, device=device)
    for name in names:
        try:
            CHECKS[name](subject)
        except AssertionError as failed:
            raise AssertionError(f"{name}: {A!r}: {failed}") from failed
