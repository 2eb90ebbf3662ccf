"""The named checks of the operator contract, each against the dense reference or an exact identity."""

import pickle
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np

from structmat._backend import (
    RNG,
    Array,
    Device,
    as_namespace,
    complex_dtype,
    compute_dtype,
    device,
    dtype_name,
    from_host,
    generator,
    is_complex,
    kind,
    namespace,
    real_dtype,
    to_host,
)
from structmat.core.base import LinearOperator
from structmat.core.leaf import Leaf
from structmat.testing.facts import check_facts
from structmat.testing.reference import DIFFERENCE_ERROR, dense_pair, norm_bound, sensitivity
from structmat.testing.views import WRITABLE, layouts, same_entries

RATIO = 30.0  # the threshold of LAPACK's tests: error / (eps ‖A‖ ‖x‖)
BATCHES: tuple[tuple[int, ...], ...] = ((), (0,), (3,), (2, 3))

Transform = Callable[[Callable[..., Any]], Callable[..., Any]]


class Bench:
    """One operator under test: its references, and vectors for it."""

    def __init__(
        self,
        A: LinearOperator,
        rng: RNG,
        batches: Iterable[tuple[int, ...]],
        transform: Transform,
        *,
        xp: ModuleType | None,
        device: Device,
    ) -> None:
        self.A, self.rng, self.batches, self.run = A, generator(rng), tuple(batches), transform
        self.xp, self.device = (as_namespace(xp), device) if A.xp is None else (A.xp, A.device)
        self.dtype = self.xp.float64 if A.dtype is None else A.dtype
        self.directions = [self.draw(value.shape, value.dtype) for value in A.params]
        self.matrix, self.derivative = dense_pair(A, self.directions)
        self.norm = norm_bound(A)
        precise = compute_dtype(self.xp, self.dtype)
        self.eps = float(self.xp.finfo(self.dtype).eps if precise != self.dtype else self.xp.finfo(precise).eps)

    def draw(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Draw a Gaussian array where the operator's arrays are."""
        host = self.rng.standard_normal(shape)
        if is_complex(self.xp, dtype):
            host = host + 1j * self.rng.standard_normal(shape)
        return from_host(host, self.xp, device=self.device, dtype=dtype)

    def kinds(self) -> list[Any]:
        """Real and complex vectors of the operator's precision; a half-precision operator meets real ones."""
        real = self.dtype if kind(self.xp, self.dtype) == "real" else real_dtype(self.xp, self.dtype)
        return [real] if compute_dtype(self.xp, real) != real else [real, complex_dtype(self.xp, real)]

    def cases(self, side: int) -> Iterable[Array]:
        """Vectors for a side of the operator, of each batch shape and kind."""
        for batch in self.batches:
            for dtype in self.kinds():
                yield self.draw((*batch, self.A.shape[side]), dtype)

    def near(self, got: Array, wanted: np.ndarray[Any, Any], scale: Any, what: str) -> None:
        """Hold vectors against a reference, normwise: ‖error‖ ≤ RATIO eps scale."""
        host = to_host(got)
        if host.shape != wanted.shape:
            raise AssertionError(f"{what}: shape {host.shape}, expected {wanted.shape}")
        error = np.sqrt(np.sum(np.abs(host - wanted) ** 2, axis=-1))
        bound = RATIO * self.eps * np.asarray(scale, dtype=float)
        if not np.all(error <= bound):
            raise AssertionError(f"{what}: {_ratio(error, bound) * RATIO:.3g} eps ‖A‖ ‖x‖, expected at most {RATIO:g}")

    def paired(
        self,
        A: LinearOperator,
        slope: tuple[np.ndarray[Any, Any], list[Array]],
        vectors: tuple[Array, Array],
        grads: tuple[Array, ...],
        what: str,
    ) -> None:
        """Hold gradients against a derivative and its directions: Re⟨p', d⟩ = Re⟨g, A'(d) x⟩ to rounding."""
        (derivative, directions), (x, g) = slope, map(to_host, vectors)
        # a gradient is rounded to its parameter's precision, which may be lower than the tree's
        coarsest = max([self.eps, *(float(self.xp.finfo(value.dtype).eps) for value in self.A.params)])
        steps = sum(float(np.linalg.norm(to_host(d).astype(complex))) for d in directions)
        bent = sensitivity(A, self.norm)
        scale = RATIO * coarsest * (_norm(derivative) + steps * (1 + bent)) + DIFFERENCE_ERROR * bent * steps
        bound = scale * float(np.sum(_lengths(vectors[0]) * _lengths(vectors[1])))
        moved = np.sum(g.conj() * (x @ derivative.T)).real
        pairs = zip(grads, directions, strict=True)
        found = sum(np.sum(to_host(p).astype(np.clongdouble).conj() * to_host(d)).real for p, d in pairs)
        if not abs(found - moved) <= bound:
            off = abs(found - moved) / bound * RATIO
            raise AssertionError(f"{what}: off by {off:.3g} eps, expected at most {RATIO:g}")

    def kept(self, got: Array, like: Array, dtype: Any, what: str) -> None:
        """Hold the library, device and dtype of a result against those of the argument."""
        facts = (namespace(got), device(got), dtype_name(got.dtype))
        wanted = (namespace(like), device(like), dtype_name(dtype))
        if facts != wanted:
            raise AssertionError(f"{what}: on {facts}, expected {wanted}")


def _norm(matrix: np.ndarray[Any, Any]) -> float:
    narrow = matrix.astype(np.complex128 if matrix.dtype.kind == "c" else np.float64)
    return float(np.linalg.norm(narrow, 2))


def _ratio(error: np.ndarray[Any, Any], bound: np.ndarray[Any, Any]) -> float:
    return float(np.max(error / np.maximum(bound, np.finfo(float).tiny)))


def _lengths(x: Array) -> np.ndarray[Any, Any]:
    host = to_host(x)
    lengths: np.ndarray[Any, Any] = np.sqrt(np.sum(np.abs(host.astype(np.complex128)) ** 2, axis=-1))
    return lengths


def _same(got: Array, wanted: Array, what: str) -> None:
    if not np.array_equal(to_host(got), to_host(wanted), equal_nan=True):
        raise AssertionError(f"{what}: differs")


def check_entries(bench: Bench) -> None:
    """`to_dense` is the matrix of the definition."""
    bench.near(bench.A.to_dense(), bench.matrix, bench.norm, "to_dense")


def check_dense(bench: Bench) -> None:
    """`A.to_dense()[i, j]` and `A[i, j]` are the same bits, where the definition gives the entries.

    Complex ones that are products may differ in the last digit: libraries multiply some at once by fused instructions.
    """
    A = bench.A
    matrix = to_host(A.to_dense())
    xp = A._library[0]
    first = xp.zeros((1,), dtype=xp.int64, device=A.device)
    alike = not np.iscomplexobj(matrix) or (xp is as_namespace(None) and not A._children)
    exact = alike and A._entries(xp, first, first) is not None
    rows, columns = ({0, size - 1, int(bench.rng.integers(size))} for size in A.shape)
    bench.near(A.H.to_dense(), matrix.conj().T, bench.norm, "A.H.to_dense()")
    reads = [("A.diagonal()", A.diagonal(), matrix.diagonal())]
    reads += [(f"A[{i}, :]", A[i, :], matrix[i]) for i in rows]
    reads += [(f"A[:, {j}]", A[:, j], matrix[:, j]) for j in columns]
    reads += [
        (f"A[{i}, {j}]", xp.reshape(xp.asarray(A[i, j]), (1,)), matrix[i, j : j + 1]) for i in rows for j in columns
    ]
    for what, got, wanted in reads:
        bench.near(got, wanted, bench.norm, f"{what} against to_dense")
        if exact and not np.array_equal(to_host(got), wanted, equal_nan=True):
            raise AssertionError(f"{what} and to_dense differ")


def check_products(bench: Bench) -> None:
    """`matvec` and `rmatvec` agree with the dense matrix, for every batch shape, real and complex."""
    for x in bench.cases(1):
        got, wanted = bench.run(bench.A.matvec)(x), to_host(x) @ bench.matrix.T
        bench.near(got, wanted, bench.norm * _lengths(x), f"matvec of {tuple(x.shape)} {dtype_name(x.dtype)}")
    for g in bench.cases(0):
        got, wanted = bench.run(bench.A.rmatvec)(g), to_host(g) @ bench.matrix.conj()
        bench.near(got, wanted, bench.norm * _lengths(g), f"rmatvec of {tuple(g.shape)} {dtype_name(g.dtype)}")


def check_matrices(bench: Bench) -> None:
    """`matmat`, `rmatmat` and `@` on both sides agree with the dense matrix."""
    A, real = bench.A, bench.kinds()[0]
    X, Y = bench.draw((2, A.n, 3), real), bench.draw((2, A.m, 3), real)
    scales = [bench.norm * np.linalg.norm(to_host(Z).astype(float), axis=(-2, -1))[:, None] for Z in (X, Y)]
    bench.near(A.matmat(X), bench.matrix @ to_host(X), scales[0], "matmat")
    bench.near(A @ X, bench.matrix @ to_host(X), scales[0], "A @ X")
    bench.near(A.rmatmat(Y), bench.matrix.conj().T @ to_host(Y), scales[1], "rmatmat")
    rows = bench.draw((2, 3, A.m), real)
    bench.near(A.__rmatmul__(rows), to_host(rows) @ bench.matrix, bench.norm * _lengths(rows), "X @ A")
    x, g = bench.draw((A.n,), real), bench.draw((A.m,), real)
    _same(A @ x, A.matvec(x), "A @ x against matvec")
    _same(A(x), A.matvec(x), "A(x) against matvec")
    bench.near(A.__rmatmul__(g), to_host(g) @ bench.matrix, bench.norm * _lengths(g), "x @ A")


def check_linear(bench: Bench) -> None:
    """A (x + a z) = A x + a A z."""
    for dtype in bench.kinds():
        x, z = bench.draw((bench.A.n,), dtype), bench.draw((bench.A.n,), dtype)
        together = to_host(bench.A.matvec(x + 2.0 * z))
        apart = to_host(bench.A.matvec(x)) + 2.0 * to_host(bench.A.matvec(z))
        scale = bench.norm * 3 * (_lengths(x) + 2 * _lengths(z))
        bench.near(from_host(together, as_namespace(None)), apart, scale, "linearity")


def check_adjoint(bench: Bench) -> None:
    """⟨g, A x⟩ = ⟨A^H g, x⟩, and A.H, A.T and conj(A) are the matrices they say."""
    A, matrix = bench.A, bench.matrix
    for dtype in bench.kinds():
        for other in bench.kinds():
            x, g = bench.draw((4, A.n), dtype), bench.draw((4, A.m), other)
            forward = np.sum(to_host(g).conj() * to_host(A.matvec(x)), axis=-1)
            backward = np.sum(to_host(A.rmatvec(g)).conj() * to_host(x), axis=-1)
            bound = RATIO * bench.eps * bench.norm * _lengths(x) * _lengths(g)
            if not np.all(np.abs(forward - backward) <= bound):
                raise AssertionError(
                    f"adjoint: dot test off by {np.max(np.abs(forward - backward) / bound) * RATIO:.3g} eps"
                )
    if A.H.H is not A:
        raise AssertionError("A.H.H is not A")
    for name, B, wanted in (
        ("A.H", A.H, matrix.conj().T),
        ("A.T", A.T, matrix.T),
        ("conj(A)", A.conj(), matrix.conj()),
    ):
        if B.shape != wanted.shape:
            raise AssertionError(f"{name}: shape {B.shape}, expected {wanted.shape}")
        x, g = bench.draw((2, B.n), bench.dtype), bench.draw((2, B.m), bench.dtype)
        bench.near(B.matvec(x), to_host(x) @ wanted.T, bench.norm * _lengths(x), f"{name} matvec")
        bench.near(B.rmatvec(g), to_host(g) @ wanted.conj(), bench.norm * _lengths(g), f"{name} rmatvec")


def check_forward(bench: Bench) -> None:
    """`forward` gives what `matvec` gives, and `backward` can be called twice."""
    for x in bench.cases(1):
        y, saved = bench.A.forward(x)
        bench.near(y, to_host(bench.A.matvec(x)), bench.norm * _lengths(x), "forward against matvec")
        g = bench.draw(y.shape, y.dtype)
        first, second = bench.A.backward(saved, g), bench.A.backward(saved, g)
        _same(first[0], second[0], "backward twice")
        for one, two in zip(first[1], second[1], strict=True):
            _same(one, two, "backward twice")


def check_gradients(bench: Bench) -> None:
    """The gradient to x is A^H g; those to the parameters satisfy Re⟨p', d⟩ = Re⟨g, A'(d) x⟩ to rounding."""
    for name, A, matrix, derivative in (
        ("A", bench.A, bench.matrix, bench.derivative),
        ("A.H", bench.A.H, *dense_pair(bench.A.H, _adjoint_directions(bench))),
    ):
        directions = bench.directions if A is bench.A else _adjoint_directions(bench)
        for batch in bench.batches:
            for dtype in bench.kinds():
                x = bench.draw((*batch, A.n), dtype)
                g = bench.draw((*batch, A.m), A.matvec(x).dtype)
                dx, grads = bench.run(A.vjp)(x, g)
                exact = to_host(g) @ matrix.conj()
                wanted = exact if is_complex(bench.xp, x.dtype) else exact.real
                bench.near(dx, wanted, bench.norm * _lengths(g), f"{name} backward to x of {dtype_name(dtype)}")
                bench.kept(dx, x, x.dtype, "gradient to x")
                what = f"{name} gradients for {tuple(x.shape)} {dtype_name(dtype)}"
                bench.paired(A, (derivative, directions), (x, g), grads, what)
                for grad, value in zip(grads, A.params, strict=True):
                    bench.kept(grad, value, value.dtype, "gradient to a parameter")
                    if grad.shape != value.shape:
                        raise AssertionError(f"gradient of shape {grad.shape} for a parameter of shape {value.shape}")


def _adjoint_directions(bench: Bench) -> list[Array]:
    """The directions in the order of the parameters of A.H."""
    by_array = {id(value): d for value, d in zip(bench.A.params, bench.directions, strict=True)}
    return [by_array[id(value)] for value in bench.A.H.params]


def check_dtypes(bench: Bench) -> None:
    """Results have the dtype `result_type(A, x)`, half precision included, and stay on library and device."""
    A, xp = bench.A, bench.xp
    for name in ("float16", "bfloat16", "float32", "float64", "complex64", "complex128"):
        dtype = getattr(xp, name, None)
        if dtype is None:
            continue
        x = bench.draw((2, A.n), dtype) * (1 + bench.norm) ** -2.0  # A^H A x is within the range of half precision
        if dtype_name(x.dtype) != name:  # JAX makes single precision of double unless told otherwise
            continue
        wanted = dtype if A.dtype is None else xp.result_type(A.dtype, dtype)
        if A._is_complex and not is_complex(xp, wanted):
            wanted = complex_dtype(xp, wanted)
        bench.kept(A.matvec(x), x, wanted, f"matvec of {name}")
        bench.kept(A.rmatvec(bench.draw((A.m,), dtype)), x, wanted, f"rmatvec of {name}")
        y, saved = A.forward(x)
        bench.kept(y, x, wanted, f"forward of {name}")
        bench.kept(A.backward(saved, y)[0], x, dtype, f"backward of {name}")


def check_untouched(bench: Bench) -> None:
    """No argument and no array of the operator changes, and results have memory of their own."""
    A = bench.A
    x, g = bench.draw((3, A.n), bench.dtype), bench.draw((3, A.m), bench.dtype)
    watched = [x, g, *A._arrays]
    before = [to_host(value).copy() for value in watched]
    columns = bench.xp.matrix_transpose
    results = [A.matvec(x), A.rmatvec(g), A.vjp(x, g)[0], A.forward(x)[0], A.to_dense()]
    results += [A.matmat(columns(x)), A.rmatmat(columns(g))]
    for value, old in zip(watched, before, strict=True):
        if not np.array_equal(to_host(value), old):
            raise AssertionError("a product changed its argument or the operator")
    for value in (x, g):
        if any(
            isinstance(y, np.ndarray) and np.shares_memory(y, value) for y in results if isinstance(value, np.ndarray)
        ):
            raise AssertionError("a result shares memory with an argument")


def check_views(bench: Bench) -> None:
    """Vectors in any layout (strided, repeated, swapped, ...) give the products and gradients of their entries.

    So do parameters, and `out` takes what is its own memory and refuses the rest.
    """
    A, matrix, dtype = bench.A, bench.matrix, bench.kinds()[0]
    pairs = (layouts(bench.draw((3, side), dtype)) for side in (A.n, A.m))
    for (name, x), (_, g) in zip(*pairs, strict=True):
        _hold_products(bench, A, (matrix, bench.norm), x, g, what=name)
        wanted = to_host(g) @ matrix.conj()
        wanted = wanted if is_complex(bench.xp, dtype) else wanted.real
        y, saved = A.forward(x)
        bench.near(y, to_host(x) @ matrix.T, bench.norm * _lengths(x), f"forward, {name}")
        for call, (dx, grads) in {"backward": A.backward(saved, g), "vjp": A.vjp(x, g)}.items():
            bench.near(dx, wanted, bench.norm * _lengths(g), f"{call}, {name}")
            bench.paired(A, (bench.derivative, bench.directions), (x, g), grads, f"gradients of {call}, {name}")
    if bench.xp is as_namespace(None):
        _check_views_of_numpy(bench)


def _hold_products(
    bench: Bench, A: LinearOperator, reference: tuple[np.ndarray[Any, Any], float], x: Array, g: Array, *, what: str
) -> None:
    (matrix, norm), columns = reference, bench.xp.matrix_transpose
    forwards, backwards = to_host(x) @ matrix.T, to_host(g) @ matrix.conj()
    for name, got, wanted, of in (
        ("matvec", A.matvec(x), forwards, x),
        ("matvec one by one", A.matvec(x, chunk_size=1), forwards, x),
        ("matvec of the first", A.matvec(x[0, :]), forwards[0], x[0, :]),
        ("matmat", columns(A.matmat(columns(x))), forwards, x),
        ("rmatvec", A.rmatvec(g), backwards, g),
        ("rmatvec of the first", A.rmatvec(g[0, :]), backwards[0], g[0, :]),
        ("rmatmat", columns(A.rmatmat(columns(g))), backwards, g),
    ):
        bench.near(got, wanted, norm * _lengths(of), f"{name}, {what}")


def _check_views_of_numpy(bench: Bench) -> None:
    A, dtype = bench.A, bench.kinds()[0]
    x, g = (bench.draw((3, side), dtype) for side in (A.n, A.m))
    for product, vectors in ((A.matvec, x), (A.rmatvec, g)):
        wanted = product(vectors)
        for name, out in layouts(np.full_like(wanted, np.nan)):
            if name in (*WRITABLE, "transposed", "every second vector"):
                if product(vectors, out=out) is not out:
                    raise AssertionError(f"out= in memory of the layout {name} is not what the product returns")
                _same(out, wanted, f"out= in memory of the layout {name}")
                continue
            try:
                product(vectors, out=out)
            except (TypeError, ValueError) as error:
                if "out " not in str(error):
                    raise AssertionError(f"out= in memory of the layout {name} raises {error}") from error
            else:
                raise AssertionError(f"out= in memory of the layout {name} is not refused")
    for views in zip(*[same_entries(value) for value in A.params], strict=True):
        B = A.with_params([view for _, view in views])
        _hold_products(bench, B, (bench.matrix, bench.norm), x, g, what=f"parameters {views[0][0]}")
        for value, grad in zip(B.params, B.vjp(x, A.matvec(x))[1], strict=True):
            bench.kept(grad, x, value.dtype, f"gradient to a parameter {views[0][0]}")
    if isinstance(A, Leaf):  # an inverse may have none of equal numbers
        B = A.with_params([np.broadcast_to(value.reshape(-1)[0], value.shape) for value in A.params])
        _hold_products(bench, B, (dense_pair(B)[0], norm_bound(B)), x, g, what="parameters of one number each")


def check_params(bench: Bench) -> None:
    """`with_params` and `unflatten` invert `params`; `freeze` has none and gives the same products."""
    A = bench.A
    if len(A.param_names) != len(A.params) or len(set(A.param_names)) != len(A.params):
        raise AssertionError(f"param_names {A.param_names} do not name {len(A.params)} parameters")
    again = A.with_params(A.params)
    if again.shape != A.shape or any(new is not old for new, old in zip(again.params, A.params, strict=True)):
        raise AssertionError("with_params(params) has other parameters")
    if tuple(A.unflatten(A.params)) != A.param_names:
        raise AssertionError("unflatten names other parameters")
    x = bench.draw((2, A.n), bench.dtype)
    moved = A.with_params(bench.directions)
    wanted = to_host(x) @ dense_pair(moved)[0].T
    bench.near(moved.matvec(x), wanted, norm_bound(moved) * _lengths(x), "matvec with other parameters")
    _same(again.matvec(x), A.matvec(x), "with_params(params)")
    frozen = A.freeze()
    _same(frozen.matvec(x), A.matvec(x), "freeze")
    dx, grads = frozen.vjp(x, A.matvec(x))
    _same(dx, A.vjp(x, A.matvec(x))[0], "freeze")
    if frozen.params or grads or frozen.nbytes != A.nbytes:
        raise AssertionError("a frozen operator has parameters, or lost its arrays")


def check_pickle(bench: Bench) -> None:
    """Pickles restore the operator, without derived values."""
    A = bench.A
    x = bench.draw((2, A.n), bench.dtype)
    y = A.matvec(x)
    again = pickle.loads(pickle.dumps(A))
    if again._cache or repr(again) != repr(A):
        raise AssertionError("a pickled operator kept its cache or changed")
    _same(again.matvec(x), y, "pickle")


def check_printing(bench: Bench) -> None:
    """`repr` is one line that names class and shape; `str` is a tree that begins with it."""
    A = bench.A
    text = repr(A)
    if "\n" in text or type(A).__name__ not in text or f"{A.m}×{A.n}" not in text:
        raise AssertionError(f"repr is {text!r}")
    if not str(A).startswith(text):
        raise AssertionError("str does not begin with repr")


def check_messages(bench: Bench) -> None:
    """Bad arguments raise the right error, which names the operator and the argument."""
    A, xp = bench.A, bench.xp
    scalar = xp.asarray(1.0, dtype=bench.dtype, device=bench.device)
    integers = xp.zeros((A.n,), dtype=xp.int32, device=bench.device)
    calls: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (ValueError, "x has shape", lambda: A.matvec(bench.draw((2, A.n + 1), bench.dtype))),
        (ValueError, "g has shape", lambda: A.rmatvec(bench.draw((2, A.m + 1), bench.dtype))),
        (ValueError, "x has shape ()", lambda: A.matvec(scalar)),
        (TypeError, "x has dtype int32", lambda: A.matvec(integers)),
        (TypeError, "x is a list", lambda: A.matvec([1.0] * A.n)),
        (ValueError, "X has shape", lambda: A.matmat(bench.draw((A.n,), bench.dtype))),
        (TypeError, "saved is a tuple", lambda: A.backward((), bench.draw((A.m,), bench.dtype))),  # type: ignore[arg-type]
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
CHECKS: dict[str, Callable[[Bench], None]] = {
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
    """Check that an operator keeps the contract: products, adjoint, parameter gradients, dtypes, errors and all else.

    The references are dense matrices in extended precision, from the definition of the entries, so A must be small.

    Parameters
    ----------
    A : LinearOperator
        Any operator or composite, on any library and device.
    checks : iterable of str, optional
        Names out of `CHECKS`; all unless given.
    rng : int, numpy.random.Generator or None, optional
        Seed or generator of the vectors.
    batches : iterable of tuple of int, optional
        Batch shapes to try.
    transform : callable, optional
        Wraps each product and gradient before it is called, for example `jax.jit`.
    xp : module, optional
        Array library of the vectors for an operator without arrays of its own, NumPy unless given.
    device : device, optional
        Device of that library.

    Raises
    ------
    AssertionError
        A check fails; the message begins with its name.
    ValueError
        A check's name is unknown.
    TypeError
        A is no operator.

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
    bench = Bench(A, rng, batches, transform or (lambda function: function), xp=xp, device=device)
    for name in names:
        try:
            CHECKS[name](bench)
        except AssertionError as failed:
            raise AssertionError(f"{name}: {A!r}: {failed}") from failed
