"""Leaves that are linear in their arrays: multiples, sums, conjugates and adjoints of them; one kind as another."""

import cmath
from collections.abc import Callable
from typing import Any

from structmat._backend import Array, astype, complex_dtype, is_complex_number, pad, reversed_mod_n
from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate
from structmat.core.compose import Scaled
from structmat.core.leaf import Leaf
from structmat.operators import (
    Banded,
    BlockCirculant,
    Butterfly,
    Circulant,
    Dense,
    Diagonal,
    FCirculant,
    Hankel,
    Householder,
    Identity,
    LowRank,
    Monarch,
    MultilevelCirculant,
    Shift,
    SignFlip,
    SkewCirculant,
    SymmetricToeplitz,
    Toeplitz,
    Tridiagonal,
)
from structmat.rewrite.common import Maybe, agree, alike, joint_dtype, parameters, same, scaled, term, uniform

#: Scaling all parameters scales the operator, and adding them adds it.
LINEAR = {
    Banded,
    BlockCirculant,
    Circulant,
    Dense,
    Diagonal,
    FCirculant,
    Hankel,
    MultilevelCirculant,
    SkewCirculant,
    SymmetricToeplitz,
    Toeplitz,
    Tridiagonal,
}

#: Scaling these parameters, which are not all, scales the operator.
SCALED_BY: dict[type, list[str]] = {LowRank: ["left"], Monarch: ["left"]}

#: Conjugating all parameters conjugates the operator.
CONJUGATED_BY_ARRAYS = LINEAR | {Butterfly, Householder, LowRank, Monarch}


def _is_real_linear(A: LinearOperator) -> bool:
    """Tell whether real scalars alone go into the arrays: the row is the conjugate of the column."""
    return type(A) is SymmetricToeplitz


def scale_arrays(A: Scaled) -> Maybe:
    """Scale a leaf by its arrays; a complex scalar stays outside of a real one, which it would double."""
    of = A.of
    if not isinstance(of, Leaf) or not uniform(of):
        return None
    if is_complex_number(A.scalar) and (not of._is_complex or _is_real_linear(of)):
        return None
    names = of._param_fields if type(of) in LINEAR else SCALED_BY.get(type(of), [])
    return of._replace(**{name: A.scalar * getattr(of, name) for name in names}) if names else None


def conjugate_arrays(A: Conjugate) -> Maybe:
    of = A.of
    return _conjugated(of) if isinstance(of, Leaf) and type(of) in CONJUGATED_BY_ARRAYS else None


def _conjugated(A: Leaf) -> Leaf:
    if not A._is_complex:
        return A
    changes = {name: A.xp.conj(value) for name, value in parameters(A).items()}
    return A._replace(**changes, f=A.f.conjugate()) if isinstance(A, FCirculant) else A._replace(**changes)


def _linear_combination(s: Any, A: Leaf, t: Any, B: Leaf) -> Maybe:
    """Add s A and t B of one class."""
    mine, theirs = parameters(A), parameters(B)
    dtype = joint_dtype(A, B)
    if dtype is None or not alike(A, B) or any(mine[name].shape != theirs[name].shape for name in mine):
        return None
    if is_complex_number(s) or is_complex_number(t):
        if _is_real_linear(A):
            return None
        dtype = complex_dtype(A.xp, dtype)
    cast = {name: (astype(A.xp, mine[name], dtype), astype(A.xp, theirs[name], dtype)) for name in mine}
    return A._replace(**{name: s * first + t * second for name, (first, second) in cast.items()})


def add_arrays(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = term(a), term(b)
    if not isinstance(A, Leaf) or not isinstance(B, Leaf) or type(A) not in LINEAR or type(A) is not type(B):
        return None
    return _linear_combination(s, A, t, B)


def add_like_terms(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = term(a), term(b)
    return scaled(s + t, A) if same(A, B) else None


# ---------------------------------------------------------------------- transposes


def _twisted(A: Any) -> Array:
    """The first column of the transpose of an f-circulant, which the factor has come to."""
    column = A.column
    return A.xp.concat((column[:1], A.f * A.xp.flip(column[1:])))


def _transposed_hankel(A: Any) -> dict[str, Array]:
    entries = A.xp.concat((A.column, A.row[1:]))
    return {"column": entries[: A.n], "row": entries[A.n - 1 :]}


def _transposed_toeplitz(A: Any) -> dict[str, Array]:
    return {"column": A.xp.concat((A.column[:1], A.row[1:])), "row": A.column}


def _transposed_hermitian(A: Any) -> dict[str, Array]:
    """Conjugate the column but for its first entry, which stands on the diagonal as it is."""
    return {"column": A.xp.concat((A.column[:1], A.xp.conj(A.column[1:])))}


#: The fields of the transpose that differ from the operator's. None of these rounds.
TRANSPOSES: dict[type, Callable[[Any], dict[str, Any]]] = {
    Banded: lambda A: {"bands": A.xp.flip(A._rows, axis=0), "lower": A.upper, "upper": A.lower},
    BlockCirculant: lambda A: {"blocks": A.xp.permute_dims(reversed_mod_n(A.xp, A.blocks, 2), (1, 0, 2))},
    Circulant: lambda A: {"column": reversed_mod_n(A.xp, A.column, 0)},
    Dense: lambda A: {"matrix": A.xp.matrix_transpose(A.matrix)},
    Diagonal: lambda _: {},
    Hankel: _transposed_hankel,
    LowRank: lambda A: {"left": A.xp.conj(A.right), "right": A.xp.conj(A.left)},
    MultilevelCirculant: lambda A: {"tensor": reversed_mod_n(A.xp, A.tensor, *range(A.tensor.ndim))},
    SkewCirculant: lambda A: {"column": _twisted(A)},
    SymmetricToeplitz: _transposed_hermitian,
    Toeplitz: _transposed_toeplitz,
    Tridiagonal: lambda A: {"lower": A.upper, "upper": A.lower},
}


def adjoint_by_arrays(A: Adjoint) -> Maybe:
    of, transpose = A.of, TRANSPOSES.get(type(A.of))
    if transpose is None or not isinstance(of, Leaf) or not uniform(of):
        return None
    return _conjugated(of._replace(**transpose(of)))


def adjoint_f_circulant(A: Adjoint) -> Maybe:
    """Transpose by the factor 1/f: entries above the diagonal come below it, with f."""
    of: FCirculant = A.of  # type: ignore[assignment]
    inverse = 1 / of.f
    if not uniform(of) or not cmath.isfinite(inverse):
        return None
    return _conjugated(of._replace(column=_twisted(of), f=inverse))


# ---------------------------------------------------------------------- leaves of a special kind as leaves of another


def _unit(like: Any, n: int) -> Array:
    """1, 0, ..., 0, the first column of the identity."""
    return like.xp.eye(1, n, dtype=like.dtype, device=like.device)[0, :]


def diagonal_of(A: Any, like: Any) -> Array:
    """The diagonal of a diagonal matrix, of the dtype of another operator where it has none."""
    if type(A) is Diagonal:
        return A.entries
    ones = like.xp.ones(A.n, dtype=like.dtype, device=like.device)
    return astype(like.xp, A.signs, like.dtype) if type(A) is SignFlip else ones


def column_of(A: Any, like: Any) -> Array:
    """The first column of a circulant."""
    if type(A) is Circulant:
        return A.column
    return like.xp.roll(_unit(like, A.n), A.k % A.n if type(A) is Shift else 0)


def _as_banded(A: Any, like: Banded) -> dict[str, Array] | None:
    xp = like.xp
    if type(A) is not Tridiagonal:
        middle, diagonal = [], diagonal_of(A, like)
    elif 0 in (like.lower, like.upper):
        return None
    else:
        diagonal = astype(xp, A.main, A.dtype)
        middle = [pad(xp, astype(xp, A.upper, A.dtype), 1, 0), pad(xp, astype(xp, A.lower, A.dtype), 0, 1)]
    zeros = xp.zeros_like(diagonal)
    known = [*middle[:1], diagonal, *middle[1:]]
    gaps = like.upper - len(middle[:1]), like.lower - len(middle[1:])
    return {"bands": xp.stack([zeros] * gaps[0] + known + [zeros] * gaps[1])}


def _as_block_circulant(A: Any, like: BlockCirculant) -> dict[str, Array] | None:
    p, q, b = like.blocks.shape
    if type(A) is Identity and p == q:
        places = like.xp.eye(p, dtype=like.dtype, device=like.device)
        return {"blocks": places[:, :, None] * _unit(like, b)[None, None, :]}
    return {"blocks": column_of(A, like)[None, None, :]} if A.n == b else None


def _as_dense(A: Any, like: Dense) -> dict[str, Array]:
    return {"matrix": like.xp.eye(A.n, dtype=like.dtype, device=like.device) * diagonal_of(A, like)[:, None]}


def _as_multilevel(A: Any, like: MultilevelCirculant) -> dict[str, Array] | None:
    """One level is one axis that is wider than 1; the identity has any number of them."""
    shape = like.tensor.shape
    if type(A) is not Identity and max(shape) != A.n:
        return None
    return {"tensor": like.xp.reshape(column_of(A, like), shape)}


def _as_toeplitz(A: Any, like: Toeplitz) -> dict[str, Array]:
    if type(A) is SymmetricToeplitz:
        column, row = A._toeplitz_sides()
    else:
        column = A.column if type(A) in (FCirculant, SkewCirculant) else column_of(A, like)
        row = getattr(A, "f", 1) * reversed_mod_n(like.xp, column, 0)
    return {"column": column, "row": row}


def _as_tridiagonal(A: Any, like: Tridiagonal) -> dict[str, Array]:
    diagonal = diagonal_of(A, like)
    zeros = like.xp.zeros_like(diagonal)[1:]
    return {"lower": zeros, "main": diagonal, "upper": zeros}


#: Classes that a class has among its values, and the parameters that they have there, beside a given operator of it.
EMBEDDINGS: dict[type, tuple[tuple[type, ...], Callable[[Any, Any], dict[str, Array] | None]]] = {
    Banded: ((Identity, SignFlip, Diagonal, Tridiagonal), _as_banded),
    BlockCirculant: ((Identity, Shift, Circulant), _as_block_circulant),
    Circulant: ((Identity, Shift), lambda A, like: {"column": column_of(A, like)}),
    Dense: ((Identity, SignFlip, Diagonal), _as_dense),
    Diagonal: ((Identity, SignFlip), lambda A, like: {"entries": diagonal_of(A, like)}),
    FCirculant: ((Identity,), lambda A, like: {"column": _unit(like, A.n)}),
    MultilevelCirculant: ((Identity, Shift, Circulant), _as_multilevel),
    SkewCirculant: ((Identity,), lambda A, like: {"column": _unit(like, A.n)}),
    SymmetricToeplitz: ((Identity,), lambda A, like: {"column": _unit(like, A.n)}),
    Toeplitz: ((Identity, Shift, Circulant, SkewCirculant, FCirculant, SymmetricToeplitz), _as_toeplitz),
    Tridiagonal: ((Identity, SignFlip, Diagonal), _as_tridiagonal),
}


def embedded(A: LinearOperator, like: LinearOperator) -> Leaf | None:
    """Write a leaf as one of the class of another; None where it is none, or they must stay apart."""
    sources, fields = EMBEDDINGS.get(type(like), ((), None))
    if fields is None or type(A) not in sources or not isinstance(like, Leaf) or not agree(A, like):
        return None
    found = fields(A, like)
    return None if found is None else like._replace(**found)


def one_class(a: LinearOperator, b: LinearOperator) -> tuple[Any, Any] | None:
    """Bring two leaves to one class, if one of them can be written as the other."""
    if (left := embedded(a, b)) is not None:
        return left, b
    return None if (right := embedded(b, a)) is None else (a, right)


def add_embedded(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = term(a), term(b)
    pair = one_class(A, B)
    return None if pair is None else _linear_combination(s, pair[0], t, pair[1])
