"""The structures of `nearest` and `fit`, by name, and the validation of their arguments."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

from structmat._backend import devices, dtypes, namespaces, solvers
from structmat._backend.types import Array, Namespace
from structmat.compounds import block_circulant
from structmat.core.base import LinearOperator
from structmat.core.fields import as_integer, checked_floating
from structmat.operators import (
    Banded,
    Circulant,
    Diagonal,
    Hankel,
    Permutation,
    SkewCirculant,
    SymmetricToeplitz,
    Toeplitz,
    Tridiagonal,
)
from structmat.projections.least_squares import require_affine

#: Functions that make an operator of ones, of a shape. An entry depends on one parameter only, to which it is equal
#: up to its sign.
PATTERNS: dict[str, Callable[..., LinearOperator]] = {
    "banded": lambda ones, shape, bands: Banded(ones(sum(bands) + 1, shape[1]), *bands),
    "block_circulant": lambda ones, shape, block_size: block_circulant(
        ones(*(math.ceil(side / block_size) for side in shape), block_size), shape
    ),
    "circulant": lambda ones, shape: Circulant(ones(max(shape)))[: shape[0], : shape[1]],
    "diagonal": lambda ones, shape: Diagonal(ones(shape[1])),
    "hankel": lambda ones, shape: Hankel(*map(ones, shape)),
    "skew_circulant": lambda ones, shape: SkewCirculant(ones(shape[1])),
    "symmetric_toeplitz": lambda ones, shape: SymmetricToeplitz(ones(shape[1])),
    "toeplitz": lambda ones, shape: Toeplitz(*map(ones, shape)),
    "tridiagonal": lambda ones, shape: Tridiagonal(*(ones(shape[1] - beside) for beside in (1, 0, 1))),
}

#: The required option of a structure, and its least value; other structures have none.
_OPTIONS: dict[Any, tuple[str, Any]] = {
    "banded": ("bands", (0, 0)),
    "block_circulant": ("block_size", 1),
    "kron": ("factors", ((1, 1), (1, 1))),
    "low_rank": ("rank", 1),
    "monarch": ("blocks", (1, 1)),
}


def of_ones(title: str, like: str, shape: tuple[int, int], entries: Array, **options: Any) -> LinearOperator:
    """Return an operator of a structure whose parameters are all one, of the dtype and device of `entries`."""
    xp = namespaces.of(entries)
    made = PATTERNS[like](
        lambda *sizes: xp.ones(sizes, dtype=entries.dtype, device=devices.of(entries)), shape, **options
    )
    if made.shape != shape:
        raise ValueError(f"{title}: like is {like!r}, which is square; the matrix has the shape {shape}.")
    return made


def checked_affine(title: str, like: LinearOperator, shape: tuple[int, int], entries: Array) -> LinearOperator:
    """Validate an operator whose parameters are to be fitted; return it in the dtype of `entries`."""
    if like.shape != shape:
        raise ValueError(f"{title}: like is {like._label}; the matrix has the shape {shape}.")
    like = like.to(dtype=entries.dtype)
    require_affine(title, like)
    return like


def best_permutation(title: str, scores: Array) -> LinearOperator:
    """Return the permutation that maximises Re Σ_i scores[i, index[i]]."""
    xp, (m, n) = namespaces.of(scores), scores.shape
    if m != n:
        raise ValueError(f"{title}: like is 'permutation', which is square; the matrix has the shape {(m, n)}.")
    return Permutation(solvers.linear_assignment(xp, dtypes.astype(xp, scores, dtypes.real_dtype(xp, scores.dtype))))


def checked_rank(title: str, rank: int, shape: tuple[int, int]) -> int:
    """Return a rank; raise ValueError if it exceeds a side of the shape."""
    if rank > min(shape):
        raise ValueError(f"{title}: rank is {rank}; expected {min(shape)} or less for the shape {shape}.")
    return rank


def solver_for(
    title: str,
    like: Any,
    solvers: Mapping[str, Callable[..., LinearOperator]],
    of_operator: Callable[..., LinearOperator],
    options: dict[str, Any],
) -> Callable[..., LinearOperator]:
    """Return the solver for a name or an operator, with its options; raise ValueError unless these are right."""
    given = {name: value for name, value in options.items() if value is not None}
    by_name = not isinstance(like, LinearOperator)
    if by_name and like not in solvers:
        raise ValueError(f"{title}: like is {like!r}; expected an operator or one of {', '.join(sorted(solvers))}.")
    needed = dict([_OPTIONS[like]]) if by_name and like in _OPTIONS else {}
    if set(given) != set(needed):
        raise ValueError(
            f"{title}: like is {like!r} and the options given are {', '.join(sorted(given)) or 'none'}; expected "
            f"{', '.join(needed) or 'none'}."
        )
    for name, least in needed.items():
        if not _is_at_least(given[name], least):
            raise ValueError(f"{title}: {name} is {given[name]!r}; expected {least} or more, in ints.")
    return functools.partial(solvers[like], **given) if by_name else functools.partial(of_operator, like)


def _is_at_least(value: Any, least: Any) -> bool:
    if isinstance(least, tuple):
        return isinstance(value, tuple) and len(value) == len(least) and all(map(_is_at_least, value, least))
    size = as_integer(value)
    return size is not None and size >= least


def checked_matrices(title: str, **arrays: Array) -> tuple[Namespace, list[Array]]:
    """Validate nonempty floating matrices of one library; return the library, and them with half cast to single."""
    xp, found = checked_floating(title, **arrays)
    for name, array in arrays.items():
        if array.ndim != 2 or 0 in array.shape:
            raise ValueError(f"{title}: {name} has shape {tuple(array.shape)}; expected two axes, none empty.")
    return xp, found
