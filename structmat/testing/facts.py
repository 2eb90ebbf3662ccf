"""The check of the facts that a leaf declares of its structure."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, TypeAlias

import numpy as np

from structmat._backend import devices, dtypes
from structmat.core.leaf import Leaf
from structmat.testing.reference import dense_pair
from structmat.testing.subject import Subject

Matrix: TypeAlias = np.ndarray[Any, Any]


def check_facts(subject: Subject) -> None:
    """The facts that a class declares, such as `_linear_over`, `_transposed_fields` and `_spectral`, hold.

    Half precision is left out, as leaves compute in single precision then.
    """
    A, matrix = subject.A, subject.matrix
    if not isinstance(A, Leaf) or dtypes.compute_dtype(subject.xp, subject.dtype) != subject.dtype:
        return
    for what, fields, wanted in _changes(A, subject):
        if fields is not None:
            scale = max(subject.norm, float(np.linalg.norm(wanted.astype(complex), 2)))
            subject.assert_close(A._replace(**fields).to_dense(), wanted, scale, what)
    if A._moves_entries and not (np.isin(matrix, (-1, 0, 1)).all() and np.count_nonzero(matrix, axis=1).max() <= 1):
        raise AssertionError("_moves_entries: a row has two entries, or one that is neither 1 nor -1")
    like: Any = SimpleNamespace(xp=subject.xp, dtype=subject.dtype, device=subject.device)
    i, j = np.arange(A.m)[:, None], np.arange(A.n)[None, :]
    if (diagonal := A._as_diagonal(like)) is not None:
        subject.assert_close(np.diag(devices.to_host(diagonal)), matrix, subject.norm, "_as_diagonal")
    if (banded := A._as_banded(like)) is not None:
        bands, row = devices.to_host(banded[0]), i - j + banded[2]
        inside = (row >= 0) & (row < len(bands))
        entries = np.where(inside, bands[np.where(inside, row, 0), j], 0)
        subject.assert_close(entries, matrix, subject.norm, "_as_banded")
    if (column := A._as_circulant(like)) is not None:
        subject.assert_close(devices.to_host(column)[(i - j) % A.n], matrix, subject.norm, "_as_circulant")
    if (sides := A._as_toeplitz(like)) is not None:
        below, above = (
            devices.to_host(side)[np.maximum(lag, 0)] for side, lag in zip(sides, (i - j, j - i), strict=True)
        )
        subject.assert_close(np.where(i >= j, below, above), matrix, subject.norm, "_as_toeplitz")


def _changes(A: Leaf, subject: Subject) -> Iterator[tuple[str, dict[str, Any] | None, Matrix]]:
    """Yield the name of a declared fact, the fields of another operator that follow from it, and its matrix."""
    matrix = subject.matrix
    params = {name: getattr(A, name) for name in A._param_fields}
    if names := A._param_fields if A._linear_over else A._scaled_by:
        is_complex = all(dtypes.is_complex(subject.xp, params[name].dtype) for name in names)
        scalar = 2j if is_complex and A._linear_over != "real" else -2.0
        scaled = {name: dtypes.astype(subject.xp, scalar * params[name], params[name].dtype) for name in names}
        yield "scaled parameters", scaled, scalar * matrix
    if A._linear_over and A.params:
        moves = zip(params.items(), subject.directions, strict=True)
        other = dense_pair(A.with_params(subject.directions))[0]
        yield "added parameters", {name: value + step for (name, value), step in moves}, matrix + other
    yield "_conjugated_fields", A._conjugated_fields(), matrix.conj()
    yield "_transposed_fields", A._transposed_fields(), matrix.T
    if A._spectral is not None:
        yield "_from_spectrum", {A._spectral[0]: A._from_spectrum(getattr(A, A._spectral[1]))}, matrix
    turned = None if A._transpose_rounds else A._transposed_fields()
    if turned is not None:
        yield "_product_fields", A._product_fields(A._replace(**turned)), matrix @ matrix.T
    if A.m == A.n:
        yield "_product_fields", A._product_fields(A), matrix @ matrix
        yield "_power_fields", A._power_fields(3), matrix @ matrix @ matrix
    if A._outer_factors is not None:
        rows = subject.xp.arange(A.m, dtype=subject.dtypes()[0], device=subject.device)[:, None]
        yield (
            "_outer_factors",
            {A._outer_factors[0]: rows * params[A._outer_factors[0]]},
            np.arange(A.m)[:, None] * matrix,
        )
