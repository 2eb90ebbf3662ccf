"""Shorter operators of the same values: one table of rules, applied from the leaves up until none fires."""

import cmath
import functools
import itertools
import logging
import operator
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

from structmat._backend import (
    Array,
    DType,
    astype,
    complex_dtype,
    compute_dtype,
    device,
    dft,
    idft,
    is_array,
    is_complex,
    real_dtype,
    result_dtype,
)
from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate, Inverse, Wrapper
from structmat.core.blocks import BlockDiag, HStack, Repeat, VStack, repeat
from structmat.core.compose import Composite, Power, Product, Scaled, Several, Sum, added, power, product
from structmat.core.leaf import Leaf
from structmat.operators import BlockCirculant, Circulant, Dense, Diagonal, Identity, Restriction, SignFlip

Maybe = LinearOperator | None  # what a rule answers: the shorter operator, or None where it does not apply
T = TypeVar("T")

log = logging.getLogger("structmat")

# ---------------------------------------------------------------------- what rules ask of operators


def _same(a: Any, b: Any) -> bool:
    """Tell whether two operators are one by construction: the same arrays, not equal ones."""
    if a is b:
        return True
    if type(a) is not type(b) or is_array(a):
        return False
    if isinstance(a, LinearOperator):
        theirs = b._fields
        return all(_same(value, theirs[name]) for name, value in a._fields.items())
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return bool(a == b)


def _agree(*leaves: Any) -> bool:
    """Tell whether leaves may become one: all learnable or all frozen, those without parameters going with either."""
    return len({leaf._frozen for leaf in leaves if leaf._param_fields}) < 2


def _joint_dtype(a: Leaf, b: Leaf) -> DType:
    """Return the dtype of what a and b become, None if they must stay apart."""
    return result_dtype(a.xp, a.dtype, b.dtype) if _agree(a, b) else None


def _term(A: LinearOperator) -> tuple[Any, LinearOperator]:
    return (A.scalar, A.of) if type(A) is Scaled else (1.0, A)


def _scaled(scalar: Any, of: LinearOperator) -> LinearOperator:
    """Scale as the algebra does, but keep the kind: a complex 1 makes a real operator complex."""
    if type(of) is Scaled and (whole := _scalar_product([scalar, of.scalar])) is not None:
        scalar, of = whole, of.of
    return of if scalar == 1 and (of._is_complex or not isinstance(scalar, complex)) else Scaled(of, scalar)


def _scalar_product(scalars: list[Any]) -> Any:
    """Multiply scalars; None where the product leaves the range of double precision and they do not."""
    whole = functools.reduce(operator.mul, scalars)
    ordinary = all(cmath.isfinite(s) and s != 0 for s in scalars)
    return None if ordinary and not (cmath.isfinite(whole) and whole != 0) else whole


def _power_of(x: T, exponent: int, times: Callable[[T, T], T]) -> T:
    """Raise to a positive power by squaring."""
    if exponent == 1:
        return x
    half = _power_of(times(x, x), exponent // 2, times)
    return times(half, x) if exponent % 2 else half


# ---------------------------------------------------------------------- leaves that are linear in their arrays

#: The fields that an operator is linear in, all together: scaling them scales it, adding them adds it, conjugating
#: them conjugates it.
LINEAR: dict[type, tuple[str, ...]] = {
    BlockCirculant: ("blocks",),
    Circulant: ("column",),
    Dense: ("matrix",),
    Diagonal: ("entries",),
}


def _linear_fields(A: LinearOperator) -> dict[str, Array]:
    return {name: getattr(A, name) for name in LINEAR[type(A)]}


def _scale_arrays(A: Scaled) -> Maybe:
    """Scale a leaf by its arrays; a complex scalar stays outside of a real one, which it would double."""
    of = A.of
    if type(of) not in LINEAR or of._is_complex < isinstance(A.scalar, complex):
        return None
    return of._replace(**{name: A.scalar * value for name, value in _linear_fields(of).items()})


def _conjugate_arrays(A: Conjugate) -> Maybe:
    if type(A.of) not in LINEAR:
        return None
    return A.of._replace(**{name: A.xp.conj(value) for name, value in _linear_fields(A.of).items()})


def _linear_combination(s: Any, A: LinearOperator, t: Any, B: LinearOperator) -> Maybe:
    """Add s A and t B of one class."""
    mine, theirs = _linear_fields(A), _linear_fields(B)
    shapes = [[tuple(value.shape) for value in fields.values()] for fields in (mine, theirs)]
    others = [{k: v for k, v in X._fields.items() if k not in LINEAR[type(A)]} for X in (A, B)]
    dtype = _joint_dtype(A, B)  # type: ignore[arg-type]
    if dtype is None or shapes[0] != shapes[1] or not all(_same(v, others[1][k]) for k, v in others[0].items()):
        return None
    xp = A.xp
    if isinstance(s, complex) or isinstance(t, complex):
        dtype = complex_dtype(xp, dtype)
    return A._replace(
        **{name: s * astype(xp, mine[name], dtype) + t * astype(xp, theirs[name], dtype) for name in mine}
    )


def _add_arrays(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = _term(a), _term(b)
    if type(A) not in LINEAR or type(A) is not type(B):
        return None
    return _linear_combination(s, A, t, B)


def _add_like_terms(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = _term(a), _term(b)
    return _scaled(s + t, A) if _same(A, B) else None


# ---------------------------------------------------------------------- leaves of a special kind as leaves of another


def _identity_as_block_circulant(_: Identity, like: BlockCirculant) -> BlockCirculant | None:
    p, q, b = like.blocks.shape
    places = like.xp.eye(p, dtype=like.dtype, device=like.device)
    return like._replace(blocks=places[:, :, None] * _unit(like, b)[None, None, :]) if p == q else None


def _circulant_as_block_circulant(A: Circulant, like: BlockCirculant) -> BlockCirculant | None:
    return like._replace(blocks=A.column[None, None, :], _frozen=A._frozen) if A.n == like.blocks.shape[-1] else None


def _identity_as_circulant(A: Identity, like: Circulant) -> Circulant:
    return like._replace(column=_unit(like, A.n))


def _identity_as_dense(A: Identity, like: Dense) -> Dense:
    return like._replace(matrix=like.xp.eye(A.n, dtype=like.dtype, device=like.device))


def _identity_as_diagonal(A: Identity, like: Diagonal) -> Diagonal:
    return like._replace(entries=like.xp.ones(A.n, dtype=like.dtype, device=like.device))


def _signs_as_diagonal(A: SignFlip, like: Diagonal) -> Diagonal:
    return like._replace(entries=astype(like.xp, A.signs, like.dtype))


def _unit(like: Leaf, n: int) -> Array:
    """1, 0, ..., 0, the first column of the identity."""
    return like.xp.eye(1, n, dtype=like.dtype, device=like.device)[0, :]


#: A leaf of the first class written as one of the second, beside a given one of the second.
EMBEDDINGS: dict[tuple[type, type], Callable[[Any, Any], Leaf | None]] = {
    (Circulant, BlockCirculant): _circulant_as_block_circulant,
    (Identity, BlockCirculant): _identity_as_block_circulant,
    (Identity, Circulant): _identity_as_circulant,
    (Identity, Dense): _identity_as_dense,
    (Identity, Diagonal): _identity_as_diagonal,
    (SignFlip, Diagonal): _signs_as_diagonal,
}


def _embedded(A: Any, B: Any) -> tuple[Any, Any] | None:
    """Bring two leaves to one class, if one of them can be written as the other."""
    left, right = EMBEDDINGS.get((type(A), type(B))), EMBEDDINGS.get((type(B), type(A)))
    if (left is None and right is None) or not _agree(A, B):
        return None
    pair = (left(A, B) if left else A), (right(B, A) if right else B)
    return None if None in pair else pair


def _add_embedded(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = _term(a), _term(b)
    pair = _embedded(A, B)
    return None if pair is None else _linear_combination(s, pair[0], t, pair[1])


def _multiply_embedded(a: LinearOperator, b: LinearOperator) -> Maybe:
    pair = _embedded(a, b)
    if pair is None:
        return None
    rules = (rule for rule in RULES if rule.form is Product and rule.parts == (type(pair[0]), type(pair[1])))
    return next((rule.rewrite(*pair) for rule in rules), None)


# ---------------------------------------------------------------------- circulants


def _spectrum(A: Circulant, dtype: DType) -> Array:
    return A.spectrum if A.dtype == dtype else dft(A.xp, astype(A.xp, A.column, dtype))


def _with_spectrum(A: Circulant, spectrum: Array, dtype: DType) -> Circulant:
    column = idft(A.xp, spectrum, A.n, real=not is_complex(A.xp, dtype))
    return A._replace(column=astype(A.xp, column, dtype))


def _multiply_circulants(a: Circulant, b: Circulant) -> Maybe:
    dtype = _joint_dtype(a, b)
    return None if dtype is None else _with_spectrum(a, _spectrum(a, dtype) * _spectrum(b, dtype), dtype)


def _adjoint_column(A: Adjoint) -> LinearOperator:
    xp, column = A.xp, A.of.column  # type: ignore[attr-defined]
    return A.of._replace(column=xp.conj(xp.roll(xp.flip(column), 1)))


def _power_circulant(A: Power) -> Maybe:
    of: Circulant = A.of  # type: ignore[assignment]
    if A.exponent == 0:
        return of._replace(column=_unit(of, of.n))
    return _with_spectrum(of, _power_of(of.spectrum, A.exponent, operator.mul), of.dtype)


def _invert_circulant(A: Inverse) -> LinearOperator:
    of: Circulant = A.of  # type: ignore[assignment]
    return _with_spectrum(of, 1 / of.spectrum, of.dtype)


# ---------------------------------------------------------------------- matrices of circulant blocks


def _block_spectra(A: BlockCirculant, dtype: DType) -> Array:
    xp = A.xp
    return A.spectra if A.dtype == dtype else xp.permute_dims(dft(xp, astype(xp, A.blocks, dtype)), (2, 0, 1))


def _with_spectra(A: BlockCirculant, spectra: Array, dtype: DType) -> BlockCirculant:
    xp = A.xp
    blocks = idft(xp, xp.permute_dims(spectra, (1, 2, 0)), A.blocks.shape[-1], real=not is_complex(xp, dtype))
    return A._replace(blocks=astype(xp, blocks, dtype))


def _not_larger(a: LinearOperator, b: LinearOperator) -> bool:
    """Tell whether the product of two matrices has no more entries than they have: thin factors stay factors."""
    return a.m * b.n <= a.m * a.n + b.m * b.n


def _multiply_block_circulants(a: BlockCirculant, b: BlockCirculant) -> Maybe:
    dtype = _joint_dtype(a, b)
    if dtype is None or a.blocks.shape[-1] != b.blocks.shape[-1] or not _not_larger(a, b):
        return None
    return _with_spectra(a, a.xp.matmul(_block_spectra(a, dtype), _block_spectra(b, dtype)), dtype)


def _adjoint_blocks(A: Adjoint) -> LinearOperator:
    xp, blocks = A.xp, A.of.blocks  # type: ignore[attr-defined]
    turned = xp.roll(xp.flip(blocks, axis=-1), 1, axis=-1)
    return A.of._replace(blocks=xp.conj(xp.permute_dims(turned, (1, 0, 2))))


def _power_block_circulant(A: Power) -> Maybe:
    of: BlockCirculant = A.of  # type: ignore[assignment]
    if A.exponent == 0:
        return _identity_as_block_circulant(Identity(A.n), of)
    return _with_spectra(of, _power_of(of.spectra, A.exponent, of.xp.matmul), of.dtype)


# ---------------------------------------------------------------------- diagonals and signs


def _multiply_diagonals(a: Diagonal, b: Diagonal) -> Maybe:
    dtype = _joint_dtype(a, b)
    if dtype is None:
        return None
    return a._replace(entries=astype(a.xp, a.entries, dtype) * astype(a.xp, b.entries, dtype))


def _invert_diagonal(A: Inverse) -> LinearOperator:
    of: Diagonal = A.of  # type: ignore[assignment]
    return of._replace(entries=1 / of.entries)


def _adjoint_diagonal(A: Adjoint) -> LinearOperator:
    return A.of._replace(entries=A.xp.conj(A.of.entries))  # type: ignore[attr-defined]


def _power_diagonal(A: Power) -> Maybe:
    of: Diagonal = A.of  # type: ignore[assignment]
    if A.exponent == 0:
        return _identity_as_diagonal(Identity(A.n), of)
    return of._replace(entries=_power_of(of.entries, A.exponent, operator.mul))


def _multiply_signs(a: SignFlip, b: SignFlip) -> Maybe:
    return a._replace(signs=a.signs * b.signs)


def _power_signs(A: Power) -> Maybe:
    return A.of if A.exponent % 2 else Identity(A.n)


# ---------------------------------------------------------------------- dense matrices


def _multiply_dense(a: Dense, b: Dense) -> Maybe:
    dtype = _joint_dtype(a, b)
    if dtype is None or not _not_larger(a, b):
        return None
    return a._replace(matrix=a.xp.matmul(astype(a.xp, a.matrix, dtype), astype(a.xp, b.matrix, dtype)))


def _scale_rows(a: LinearOperator, b: Dense) -> Maybe:
    factors: Array = a.signs if isinstance(a, SignFlip) else a.entries  # type: ignore[attr-defined]
    dtype = _joint_dtype(a, b)  # type: ignore[arg-type]
    if dtype is None:
        return None
    return b._replace(matrix=astype(b.xp, factors, dtype)[:, None] * astype(b.xp, b.matrix, dtype))


def _scale_columns(a: Dense, b: LinearOperator) -> Maybe:
    factors: Array = b.signs if isinstance(b, SignFlip) else b.entries  # type: ignore[attr-defined]
    dtype = _joint_dtype(a, b)  # type: ignore[arg-type]
    if dtype is None:
        return None
    return a._replace(matrix=astype(a.xp, a.matrix, dtype) * astype(a.xp, factors, dtype)[None, :])


def _adjoint_dense(A: Adjoint) -> LinearOperator:
    return A.of._replace(matrix=A.xp.conj(A.xp.matrix_transpose(A.of.matrix)))  # type: ignore[attr-defined]


# ---------------------------------------------------------------------- selections


def _select_twice(a: Restriction, b: Restriction) -> LinearOperator:
    """Select by a from what b selects."""
    if not is_array(a.index) and not is_array(b.index):
        kept = b._span[_as_slice(a._span)]
        return a._replace(n=b.n, index=_as_slice(kept))
    xp = a.xp or b.xp
    span = b._span if not is_array(b.index) else None
    kept = b.index if span is None else xp.arange(span.start, span.stop, span.step, device=device(a.index))
    return a._replace(n=b.n, index=a._matvec(xp, kept))


def _as_slice(places: range) -> slice:
    return slice(places.start, None if places.stop < 0 else places.stop, places.step)


def _select_what_was_padded(a: Restriction, b: Adjoint) -> Maybe:
    return Identity(a.m) if _same(a, b.of) else None


def _select_all(A: Restriction) -> Maybe:
    return Identity(A.n) if not is_array(A.index) and A._span == range(A.n) else None


# ---------------------------------------------------------------------- rules for all operators


def _cancel_unitary(a: LinearOperator, b: LinearOperator) -> Maybe:
    leaf = a
    while isinstance(leaf, Wrapper):
        leaf = leaf.of
    if not leaf._is_unitary or not _same(a.H, b):
        return None
    return _scaled(1 + 0j if a._is_complex else 1.0, Identity(a.n))


def _cancel_inverse(a: LinearOperator, b: LinearOperator) -> Maybe:
    inverse, of = (a, b) if isinstance(a, Inverse) else (b, a)
    if not isinstance(inverse, Inverse) or not _same(inverse.of, of):
        return None
    return _scaled(1 + 0j if a._is_complex else 1.0, Identity(a.n))


def _pull_scalars(A: Product) -> Maybe:
    scalars = [part.scalar for part in A.parts if type(part) is Scaled]
    whole = _scalar_product(scalars) if scalars else None
    return None if whole is None else _scaled(whole, _rebuilt(A, tuple(_term(part)[1] for part in A.parts)))


def _power_zero(A: Power) -> Maybe:
    return Identity(A.n) if A.exponent == 0 else None


def _power_identity(A: Power) -> Maybe:
    return A.of


def _power_power(A: Power) -> Maybe:
    return power(A.of.of, A.of.exponent * A.exponent)  # type: ignore[attr-defined]


def _power_scaled(A: Power) -> Maybe:
    scalar, of = _term(A.of)
    whole = 1.0 if A.exponent == 0 else _scalar_product([scalar] * A.exponent)
    return None if whole is None else _scaled(whole, power(of, A.exponent))


def _power_blocks(A: Power) -> Maybe:
    of: BlockDiag = A.of  # type: ignore[assignment]
    if any(part.m != part.n for part in of.parts):
        return None
    return BlockDiag(tuple(power(part, A.exponent) for part in of.parts))


def _power_repeat(A: Power) -> Maybe:
    of: Repeat = A.of  # type: ignore[assignment]
    return repeat(power(of.of, A.exponent), of.times) if of.of.m == of.of.n else None


def _flatten_blocks(A: Several) -> Maybe:
    parts = tuple(inner for part in A.parts for inner in (part.parts if type(part) is type(A) else (part,)))
    return type(A)(parts) if len(parts) > len(A.parts) else None


def _one_diagonal(A: BlockDiag) -> Maybe:
    """Write blocks of diagonals, signs and identities as one diagonal, and of signs or identities alone as such."""
    kinds = {type(part) for part in A.parts}
    if kinds == {Identity}:
        return Identity(A.n)
    if kinds == {SignFlip}:
        return A.parts[0]._replace(signs=A.xp.concat([part.signs for part in A.parts]))  # type: ignore[attr-defined]
    if not kinds <= {Diagonal, SignFlip, Identity} or Diagonal not in kinds or not _agree(*A.parts):
        return None
    like = next(part for part in A.parts if isinstance(part, Diagonal))
    diagonals = [
        part if isinstance(part, Diagonal) else EMBEDDINGS[type(part), Diagonal](part, like) for part in A.parts
    ]
    return like._replace(entries=A.xp.concat([astype(A.xp, part.entries, A.dtype) for part in diagonals]))  # type: ignore[union-attr]


def _multiply_blocks(a: Several, b: Several) -> Maybe:
    if [part.n for part in a.parts] != [part.m for part in b.parts]:
        return None
    whole = type(b) if isinstance(a, BlockDiag) else type(a)
    return whole(tuple(map(product, a.parts, b.parts)))


def _add_blocks(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = _term(a), _term(b)
    if not isinstance(A, BlockDiag) or not isinstance(B, BlockDiag):
        return None
    if [part.shape for part in A.parts] != [part.shape for part in B.parts]:
        return None
    return BlockDiag(tuple(added(_scaled(s, x), _scaled(t, y)) for x, y in zip(A.parts, B.parts, strict=True)))


def _repeat_identity(A: Repeat) -> Maybe:
    return Identity(A.n)


def _repeat_repeat(A: Repeat) -> Maybe:
    return Repeat(A.of.of, A.of.times * A.times)  # type: ignore[attr-defined]


def _multiply_repeats(a: Repeat, b: Repeat) -> Maybe:
    return Repeat(product(a.of, b.of), a.times) if a.times == b.times else None


# ---------------------------------------------------------------------- the table


class Rule(NamedTuple):
    """A row of the table.

    In a product the rewrite is offered each two neighbours, in a sum each two terms, if they are of the classes
    `parts`. In other forms it is offered the whole operator, if its one part is. Without `parts` it is offered every
    whole operator of the form. `LinearOperator` stands for any class.
    """

    name: str
    form: type[LinearOperator]
    parts: tuple[type[LinearOperator], ...]
    rewrite: Callable[..., Maybe]
    rounds: bool = False  # whether it computes new arrays, and doesn't only move, conjugate or cast their entries

    @property
    def in_pairs(self) -> bool:
        """Whether the rewrite takes two neighbours or terms instead of the whole."""
        return self.form in (Product, Sum) and self.parts != ()


ANY, ROUNDS = LinearOperator, True

RULES: tuple[Rule, ...] = (
    # products
    Rule("U @ U.H", Product, (ANY, ANY), _cancel_unitary),
    Rule("A ** -1 @ A", Product, (ANY, ANY), _cancel_inverse),
    Rule("Restriction @ Restriction.H", Product, (Restriction, Adjoint), _select_what_was_padded),
    Rule("Restriction @ Restriction", Product, (Restriction, Restriction), _select_twice),
    Rule("SignFlip @ SignFlip", Product, (SignFlip, SignFlip), _multiply_signs),
    Rule("Diagonal @ Diagonal", Product, (Diagonal, Diagonal), _multiply_diagonals, ROUNDS),
    Rule("Circulant @ Circulant", Product, (Circulant, Circulant), _multiply_circulants, ROUNDS),
    Rule(
        "BlockCirculant @ BlockCirculant", Product, (BlockCirculant, BlockCirculant), _multiply_block_circulants, ROUNDS
    ),
    Rule("Dense @ Dense", Product, (Dense, Dense), _multiply_dense, ROUNDS),
    Rule("Diagonal @ Dense", Product, (Diagonal, Dense), _scale_rows, ROUNDS),
    Rule("Dense @ Diagonal", Product, (Dense, Diagonal), _scale_columns, ROUNDS),
    Rule("SignFlip @ Dense", Product, (SignFlip, Dense), _scale_rows),
    Rule("Dense @ SignFlip", Product, (Dense, SignFlip), _scale_columns),
    Rule("special @ general", Product, (ANY, ANY), _multiply_embedded, ROUNDS),
    Rule("BlockDiag @ BlockDiag", Product, (BlockDiag, BlockDiag), _multiply_blocks),
    Rule("HStack @ BlockDiag", Product, (HStack, BlockDiag), _multiply_blocks),
    Rule("BlockDiag @ VStack", Product, (BlockDiag, VStack), _multiply_blocks),
    Rule("Repeat @ Repeat", Product, (Repeat, Repeat), _multiply_repeats),
    Rule("A @ (s * B)", Product, (), _pull_scalars),
    # sums
    Rule("s * A + t * A", Sum, (ANY, ANY), _add_like_terms),
    Rule("linear + linear", Sum, (ANY, ANY), _add_arrays, ROUNDS),
    Rule("special + general", Sum, (ANY, ANY), _add_embedded, ROUNDS),
    Rule("BlockDiag + BlockDiag", Sum, (ANY, ANY), _add_blocks),
    # multiples, adjoints and conjugates
    Rule("s * linear", Scaled, (), _scale_arrays, ROUNDS),
    Rule("Circulant.H", Adjoint, (Circulant,), _adjoint_column),
    Rule("BlockCirculant.H", Adjoint, (BlockCirculant,), _adjoint_blocks),
    Rule("Diagonal.H", Adjoint, (Diagonal,), _adjoint_diagonal),
    Rule("Dense.H", Adjoint, (Dense,), _adjoint_dense),
    Rule("linear.conj()", Conjugate, (), _conjugate_arrays),
    # inverses and powers
    Rule("Circulant ** -1", Inverse, (Circulant,), _invert_circulant, ROUNDS),
    Rule("Diagonal ** -1", Inverse, (Diagonal,), _invert_diagonal, ROUNDS),
    Rule("Circulant ** k", Power, (Circulant,), _power_circulant, ROUNDS),
    Rule("BlockCirculant ** k", Power, (BlockCirculant,), _power_block_circulant, ROUNDS),
    Rule("Diagonal ** k", Power, (Diagonal,), _power_diagonal, ROUNDS),
    Rule("SignFlip ** k", Power, (SignFlip,), _power_signs),
    Rule("Identity ** k", Power, (Identity,), _power_identity),
    Rule("A ** k ** l", Power, (Power,), _power_power),
    Rule("(s * A) ** k", Power, (Scaled,), _power_scaled),
    Rule("BlockDiag ** k", Power, (BlockDiag,), _power_blocks),
    Rule("Repeat ** k", Power, (Repeat,), _power_repeat),
    Rule("A ** 0", Power, (), _power_zero),
    # blocks
    Rule("BlockDiag of BlockDiag", BlockDiag, (), _flatten_blocks),
    Rule("HStack of HStack", HStack, (), _flatten_blocks),
    Rule("VStack of VStack", VStack, (), _flatten_blocks),
    Rule("BlockDiag of Diagonal", BlockDiag, (), _one_diagonal),
    Rule("Repeat of Identity", Repeat, (Identity,), _repeat_identity),
    Rule("Repeat of Repeat", Repeat, (Repeat,), _repeat_repeat),
    # leaves
    Rule("Restriction to all", Restriction, (), _select_all),
)

# ---------------------------------------------------------------------- the engine


def _fits(parts: tuple[LinearOperator, ...], wanted: tuple[type[LinearOperator], ...]) -> bool:
    """Classes are compared as they are: a subclass may mean another matrix by the same fields."""
    return len(parts) == len(wanted) and all(
        kind is ANY or type(part) is kind for part, kind in zip(parts, wanted, strict=True)
    )


def _keeps(old: LinearOperator, new: LinearOperator) -> bool:
    """Tell whether a rewrite kept the facts that a user sees; an operator without arrays takes any library's."""
    return (
        (new.shape, new._is_complex) == (old.shape, old._is_complex)
        and (new.dtype is None) == (old.dtype is None)  # apart, as NumPy's float64 equals None
        and new.dtype == old.dtype
        and new.xp in (None, old.xp)
        and new.device in (None, old.device)
    )


Candidates = Iterator[tuple[Rule, str, LinearOperator]]  # a rule, what it does in words, and what would come out


class _Rewriting:
    """One call of `simplify`."""

    def __init__(self, A: LinearOperator) -> None:
        self.fired: list[str] = []  # a line for each rule: its name, a colon, and what became what
        self.done: dict[int, tuple[Any, LinearOperator]] = {}  # what became of each operator, so that shared parts stay
        self.precision = None if A.dtype is None else real_dtype(A.xp, compute_dtype(A.xp, A.dtype))

    def may(self, rule: Rule, old: LinearOperator) -> bool:
        """Tell whether a rule may round: a part of lower precision than the whole takes part with all its digits."""
        return not rule.rounds or (old.dtype is not None and real_dtype(old.xp, old.dtype) == self.precision)

    def step(self, A: LinearOperator) -> Maybe:
        """Fire one rule at an operator whose parts are simple."""
        for rule, what, new in itertools.chain(self.pairs(A), self.wholes(A)):
            if _keeps(A, new):
                self.fired.append(f"{rule.name}: {what}")
                return new
        return None

    def wholes(self, A: LinearOperator) -> Candidates:
        for rule in RULES:
            if rule.form is not type(A) or rule.in_pairs or (rule.parts and not _fits(A._children, rule.parts)):
                continue
            if self.may(rule, A) and (new := rule.rewrite(A)) is not None:
                yield rule, f"{A._label} -> {new._label}", new

    def pairs(self, A: LinearOperator) -> Candidates:
        """Offer each two neighbours of a product, and each two terms of a sum."""
        if not isinstance(A, Product | Sum):
            return
        places = range(len(A.parts))
        for i, j in itertools.pairwise(places) if isinstance(A, Product) else itertools.combinations(places, 2):
            a, b = A.parts[i], A.parts[j]
            for rule, new in self.pair(type(A), a, b):
                what = f"{a._label} {'@' if isinstance(A, Product) else '+'} {b._label} -> {new._label}"
                yield rule, what, _rebuilt(A, (*A.parts[:i], new, *A.parts[i + 1 : j], *A.parts[j + 1 :]))

    def pair(self, form: type[Several], a: LinearOperator, b: LinearOperator) -> Iterator[tuple[Rule, LinearOperator]]:
        for rule in RULES:
            if rule.form is form and rule.in_pairs and _fits((a, b), rule.parts) and self.may(rule, form((a, b))):
                new = rule.rewrite(a, b)
                if new is not None:
                    yield rule, new
        if form is Product and isinstance(a, Adjoint) and isinstance(b, Adjoint):  # A^H B^H = (B A)^H
            for rule, new in self.pair(form, b.of, a.of):
                yield rule, new.H

    def simple(self, A: LinearOperator) -> LinearOperator:
        """Rewrite the parts, then the whole, until no rule fires."""
        seen = []
        while id(A) not in self.done:
            seen.append(A)
            children = tuple(map(self.simple, A._children))
            if all(map(operator.is_, children, A._children)):
                changed = self.step(A)
                if changed is None:
                    break
                A = changed
            else:
                A = _rebuilt(A, children)
        simple = self.done[id(A)][1] if id(A) in self.done else A
        self.done.update({id(each): (each, simple) for each in seen})  # each is held, so that its id stays taken
        return simple


def _rebuilt(A: LinearOperator, children: tuple[LinearOperator, ...]) -> LinearOperator:
    """Put other parts into an operator: products and sums stay flat, scalars of scalars multiply."""
    if isinstance(A, Product | Sum):
        kind = type(A)
        parts = tuple(inner for part in children for inner in (part.parts if type(part) is kind else (part,)))
        if kind is Product:
            parts = tuple(part for part in parts if not part._is_identity) or parts[:1]
        return kind(parts) if len(parts) > 1 else parts[0]
    if isinstance(A, Scaled):
        return _scaled(A.scalar, children[0])
    if isinstance(A, Composite):
        return A._rebuilt(children)
    return children[0].H if isinstance(A, Adjoint) else children[0].conj()


def rewritten(A: LinearOperator) -> tuple[LinearOperator, list[str]]:
    """Return the simple form, and a line for each rule that fired."""
    rewriting = _Rewriting(A)
    return rewriting.simple(A), rewriting.fired


def simplify(A: LinearOperator, verbose: bool = False) -> LinearOperator:
    """Shorten an operator: multiply, add and cancel parts whose product or sum has their structure.

    Rules are applied from the leaves up until none fires. Products of circulants become one circulant, sign flips and
    diagonals one diagonal, and a unitary operator cancels with its own adjoint. Nothing becomes dense, no rule makes
    more leaves or larger arrays, and the operator given is left as it is.

    Parameters
    ----------
    A : LinearOperator
        Any tree of operators.
    verbose : bool, optional
        Tell which rules fire, one line each, through the logger "structmat" at level INFO. Where the program has
        set up no logging, the lines go to standard error.

    Returns
    -------
    LinearOperator
        Of the shape and dtype of A, for the same arrays. Its products are those of A to rounding in the dtype of A. It
        is A itself if no rule fires.

    Raises
    ------
    TypeError
        A is no operator.

    Notes
    -----
    The parameters of the result are new arrays, functions of the old ones, and usually fewer: simplify for inference,
    after training. Constants and parameters are not mixed: leaves become one only if all are frozen or none is. Signs
    and identities, which have no parameters, go with either.

    Arrays of lower precision than the whole are left alone, since rounding their products would show; half precision
    always is, since its products are computed in single. A complex multiple of a real leaf is left alone too, since a
    complex leaf takes twice the memory.

    Operators are the same if they hold the same array objects or are made with the same sizes. No values are looked
    at, so `simplify` works in `jax.jit`, and PyTorch differentiates through it. An operator that cancels altogether
    becomes an `Identity`, which has no arrays and takes those of any library.

    Cost: that of the arithmetic on parameters, such as three transforms for two circulants; O(m n k) for two dense
    matrices, and only where their product is no larger than they are.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> C = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> S = sm.SignFlip(np.asarray([1, -1, 1]))
    >>> A = 2 * C @ S @ S @ C.H
    >>> sm.simplify(A)
    Circulant(3×3, dtype=float64, xp=numpy, device=cpu, params=3)
    >>> sm.simplify(A).column
    array([28., 22., 22.])
    """
    if not isinstance(A, LinearOperator):
        raise TypeError(f"simplify: A is a {type(A).__name__}; expected a LinearOperator.")
    simple, fired = rewritten(A)
    if verbose:
        _tell([f"simplify: {line}" for line in fired or ["no rule fires"]])
    return simple


def _tell(lines: list[str]) -> None:
    """Log for a program that listens, or else write to standard error: who asks to be told should be."""
    for line in lines:
        if log.hasHandlers():
            log.info("%s", line)
        else:
            record = log.makeRecord(log.name, logging.INFO, __file__, 0, line, (), None)
            logging.StreamHandler().handle(record)
