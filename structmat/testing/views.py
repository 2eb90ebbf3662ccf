"""Arrays of unusual memory layout: strided, broadcast, unaligned, byte-swapped and read-only; the check of them."""

import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from structmat._backend import devices, dtypes, namespaces
from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.core.leaf import Leaf
from structmat.testing.reference import dense_pair, norm_bound
from structmat.testing.subject import Subject, assert_same, lengths

#: Writable views without overlapping entries.
WRITABLE = ("reversed", "columns first", "every second", "unaligned", "field of records", "memory map")


def same_entries(x: np.ndarray[Any, Any]) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """Yield the names of layouts and NumPy arrays with the entries of x in these."""
    back = (slice(None, None, -1),) * x.ndim
    layouts = {
        "reversed": x[back].copy()[back],
        "columns first": np.asfortranarray(x),
        "every second": np.zeros([2 * width for width in x.shape], x.dtype)[(slice(None, None, 2),) * x.ndim],
        "unaligned": np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape),
        # the strides of an aligned field need not be multiples of its size
        "field of records": np.zeros(x.shape, [("x", x.dtype), ("y", x.real.dtype)])["x"],
        "byte-swapped": x.astype(x.dtype.newbyteorder()),
        "read-only": x.copy(),
    }
    for name, view in layouts.items():
        if name in WRITABLE:
            view[...] = x
        view.flags.writeable = name != "read-only"
        yield name, view
    with tempfile.TemporaryFile() as file:
        mapped = np.memmap(file, x.dtype, "w+", shape=x.shape)
        mapped[...] = x
        yield "memory map", mapped


def layouts(x: Array) -> Iterator[tuple[str, Array]]:
    """Yield the names of layouts and vectors (3, k) in these; broadcast and overlapping ones have other entries."""
    xp, k = namespaces.of(x), x.shape[-1]
    if isinstance(x, np.ndarray):
        yield from same_entries(x)
        yield "windows", np.lib.stride_tricks.sliding_window_view(x.reshape(-1)[: k + 2], k)
    elif hasattr(x, "unfold"):  # PyTorch
        yield "windows", xp.reshape(x, (-1,))[: k + 2].unfold(0, k, 1)
    yield "transposed", xp.matrix_transpose(xp.asarray(xp.matrix_transpose(x), copy=True))
    yield "every second vector", xp.concat((x, x))[::2, :]
    yield "one number a vector", xp.broadcast_to(x[:, :1], x.shape)
    yield "one vector", xp.broadcast_to(x[0, :], x.shape)


def check_views(subject: Subject) -> None:
    """Products and gradients do not depend on the memory layout (strided, broadcast, byte-swapped, ...) of vectors.

    Nor on the layout of parameters. `out=` accepts writable memory without overlaps and rejects other arrays.
    """
    A, matrix, dtype = subject.A, subject.matrix, subject.dtypes()[0]
    pairs = (layouts(subject.draw((3, side), dtype)) for side in (A.n, A.m))
    for (name, x), (_, g) in zip(*pairs, strict=True):
        _assert_products(subject, A, (matrix, subject.norm), x, g, what=name)
        wanted = devices.to_host(g) @ matrix.conj()
        wanted = wanted if dtypes.is_complex(subject.xp, dtype) else wanted.real
        y, saved = A.forward(x)
        subject.assert_close(y, devices.to_host(x) @ matrix.T, subject.norm * lengths(x), f"forward, {name}")
        for call, (dx, grads) in {"backward": A.backward(saved, g), "vjp": A.vjp(x, g)}.items():
            subject.assert_close(dx, wanted, subject.norm * lengths(g), f"{call}, {name}")
            subject.assert_gradients(
                A, (subject.derivative, subject.directions), (x, g), grads, f"gradients of {call}, {name}"
            )
    if subject.xp is namespaces.resolve(None):
        _check_views_of_numpy(subject)


def _assert_products(
    subject: Subject, A: LinearOperator, reference: tuple[np.ndarray[Any, Any], float], x: Array, g: Array, *, what: str
) -> None:
    (matrix, norm), columns = reference, subject.xp.matrix_transpose
    forwards, backwards = devices.to_host(x) @ matrix.T, devices.to_host(g) @ matrix.conj()
    for name, got, wanted, of in (
        ("matvec", A.matvec(x), forwards, x),
        ("matvec one by one", A.matvec(x, chunk_size=1), forwards, x),
        ("matvec of the first", A.matvec(x[0, :]), forwards[0], x[0, :]),
        ("matmat", columns(A.matmat(columns(x))), forwards, x),
        ("rmatvec", A.rmatvec(g), backwards, g),
        ("rmatvec of the first", A.rmatvec(g[0, :]), backwards[0], g[0, :]),
        ("rmatmat", columns(A.rmatmat(columns(g))), backwards, g),
    ):
        subject.assert_close(got, wanted, norm * lengths(of), f"{name}, {what}")


def _check_views_of_numpy(subject: Subject) -> None:
    A, dtype = subject.A, subject.dtypes()[0]
    x, g = (subject.draw((3, side), dtype) for side in (A.n, A.m))
    for product, vectors in ((A.matvec, x), (A.rmatvec, g)):
        wanted = product(vectors)
        for name, out in layouts(np.full_like(wanted, np.nan)):
            if name in (*WRITABLE, "transposed", "every second vector"):
                if product(vectors, out=out) is not out:
                    raise AssertionError(f"out= in memory of the layout {name} is not what the product returns")
                assert_same(out, wanted, f"out= in memory of the layout {name}")
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
        _assert_products(subject, B, (subject.matrix, subject.norm), x, g, what=f"parameters {views[0][0]}")
        for value, grad in zip(B.params, B.vjp(x, A.matvec(x))[1], strict=True):
            subject.assert_placed(grad, x, value.dtype, f"gradient to a parameter {views[0][0]}")
    if isinstance(A, Leaf):  # others may be inverses, which may not exist for equal parameters
        B = A.with_params([np.broadcast_to(value.reshape(-1)[0], value.shape) for value in A.params])
        _assert_products(subject, B, (dense_pair(B)[0], norm_bound(B)), x, g, what="parameters of one number each")
