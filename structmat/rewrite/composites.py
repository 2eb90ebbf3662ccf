"""Rules for all operators: cancellation, scalars, zeros, powers, blocks and Kronecker products."""

from typing import Any

from structmat._backend import dtypes
from structmat.core import LinearOperator
from structmat.core.bilinear import Inverse
from structmat.core.blocks import BlockDiag, Kron, Repeat, repeat
from structmat.core.compose import NaryOperator, Power, Product, Scaled, added, power, product
from structmat.core.leaf import Leaf
from structmat.operators import Diagonal, Identity, SignFlip, Zero
from structmat.rewrite.common import (
    Maybe,
    complex_like,
    leaf_of,
    may_merge,
    rebuilt,
    same,
    scalar_product,
    scaled,
    split_scalar,
)
from structmat.rewrite.levels import factors


def cancel_unitary(a: LinearOperator, b: LinearOperator) -> Maybe:
    return complex_like(a, Identity(a.n)) if leaf_of(a)._is_unitary and same(a.H, b) else None


def cancel_inverse(a: LinearOperator, b: LinearOperator) -> Maybe:
    inverse, of = (a, b) if isinstance(a, Inverse) else (b, a)
    if not isinstance(inverse, Inverse) or not same(inverse.of, of):
        return None
    return complex_like(a, Identity(a.n))


# ---------------------------------------------------------------------- scalars and zeros


def pull_scalars(A: Product | Kron | Repeat) -> Maybe:
    scalars = [part.scalar for part in A._children if type(part) is Scaled]
    whole = scalar_product(scalars) if scalars else None
    return None if whole is None else scaled(whole, rebuilt(A, tuple(split_scalar(part)[1] for part in A._children)))


def multiply_zero(a: LinearOperator, b: LinearOperator) -> Maybe:
    return complex_like(Product((a, b)), Zero(a.m, b.n)) if Zero in (type(a), type(b)) else None


def add_zero(a: LinearOperator, b: LinearOperator) -> Maybe:
    if type(split_scalar(a)[1]) is Zero:
        return b
    return a if type(split_scalar(b)[1]) is Zero else None


def scale_zero(A: Scaled) -> Maybe:
    return None if dtypes.is_complex_number(A.scalar) else A.of


# ---------------------------------------------------------------------- powers


def power_zero(A: Power) -> Maybe:
    return Identity(A.n) if A.exponent == 0 else None


def power_same(A: Power) -> Maybe:
    """Replace a power of the identity, or a positive power of zero, by its base."""
    return A.of if A.exponent or type(A.of) is Identity else None


def power_power(A: Power) -> Maybe:
    of: Any = A.of
    return power(of.of, of.exponent * A.exponent)


def power_scaled(A: Power) -> Maybe:
    scalar, of = split_scalar(A.of)
    whole = 1.0 if A.exponent == 0 else scalar_product([scalar] * A.exponent)
    return None if whole is None else scaled(whole, power(of, A.exponent))


def power_parts(A: Power) -> Maybe:
    """Raise the parts of a block diagonal or Kronecker product, if they are square."""
    of: Any = A.of
    if any(part.m != part.n for part in of.parts):
        return None
    return type(of)(tuple(power(part, A.exponent) for part in of.parts))  # type: ignore[no-any-return]


def power_repeat(A: Power) -> Maybe:
    of: Any = A.of
    return repeat(power(of.of, A.exponent), of.times) if of.of.m == of.of.n else None


# ---------------------------------------------------------------------- blocks


def flatten_blocks(A: NaryOperator) -> Maybe:
    parts = tuple(inner for part in A.parts for inner in (part.parts if type(part) is type(A) else (part,)))
    return type(A)(parts) if len(parts) > len(A.parts) else None


def one_diagonal(A: BlockDiag) -> Maybe:
    """Merge diagonal blocks: identities into an identity, signs into signs, and others with a `Diagonal` into one."""
    kinds = {type(part) for part in A.parts}
    if kinds == {Identity}:
        return Identity(A.n)
    if kinds == {SignFlip}:
        return A.parts[0]._replace(signs=A.xp.concat([part.signs for part in A.parts]))  # type: ignore[attr-defined]
    if Diagonal not in kinds or not all(isinstance(part, Leaf) for part in A.parts) or not may_merge(*A.parts):
        return None
    like: Any = next(part for part in A.parts if type(part) is Diagonal)
    diagonals = [part._as_diagonal(like) for part in A.parts]  # type: ignore[attr-defined]
    if any(diagonal is None for diagonal in diagonals):
        return None
    merged: Diagonal = like._replace(
        entries=A.xp.concat([dtypes.astype(A.xp, entries, A.dtype) for entries in diagonals])
    )
    return merged


def multiply_blocks(a: NaryOperator, b: NaryOperator) -> Maybe:
    if [part.n for part in a.parts] != [part.m for part in b.parts]:
        return None
    whole = type(b) if isinstance(a, BlockDiag) else type(a)
    return whole(tuple(map(product, a.parts, b.parts)))


def add_blocks(a: LinearOperator, b: LinearOperator) -> Maybe:
    (s, A), (t, B) = split_scalar(a), split_scalar(b)
    if not isinstance(A, BlockDiag) or not isinstance(B, BlockDiag):
        return None
    if [part.shape for part in A.parts] != [part.shape for part in B.parts]:
        return None
    return BlockDiag(tuple(added(scaled(s, x), scaled(t, y)) for x, y in zip(A.parts, B.parts, strict=True)))


def repeat_identity(A: Repeat) -> Maybe:
    return Identity(A.n)


def repeat_repeat(A: Repeat) -> Maybe:
    of: Any = A.of
    return Repeat(of.of, of.times * A.times)


def multiply_repeats(a: Repeat, b: Repeat) -> Maybe:
    return Repeat(product(a.of, b.of), a.times) if a.times == b.times else None


# ---------------------------------------------------------------------- Kronecker products


def multiply_krons(a: LinearOperator, b: LinearOperator) -> Maybe:
    """Multiply (A ⊗ B)(C ⊗ D) = A C ⊗ B D, unless that takes more products with B or C."""
    left, right = factors(a), factors(b)
    if not left or not right or Kron not in (type(a), type(b)):
        return None
    (A, B), (C, D) = left, right
    if (A.n, B.n) != (C.m, D.m) or C.n > C.m or B.m > B.n:
        return None
    return Kron((product(A, C), product(B, D)))


def kron_identity(A: Kron) -> Maybe:
    """Write I ⊗ B as a repetition, and omit an identity of size 1."""
    first, second = A.parts
    if type(second) is Identity and second.n == 1:
        return first
    return repeat(second, first.n) if type(first) is Identity else None
