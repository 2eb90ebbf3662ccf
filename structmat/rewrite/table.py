"""The table of rules."""

from collections.abc import Callable
from typing import NamedTuple

from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate, Inverse
from structmat.core.blocks import BlockDiag, HStack, Kron, Repeat, VStack
from structmat.core.compose import Power, Product, Scaled, Sum
from structmat.operators import Identity, Permutation, Restriction, Shift, SignFlip, Zero
from structmat.rewrite.common import Maybe
from structmat.rewrite.composites import (
    add_blocks,
    add_zero,
    cancel_inverse,
    cancel_unitary,
    flatten_blocks,
    kron_identity,
    multiply_blocks,
    multiply_krons,
    multiply_repeats,
    multiply_zero,
    one_diagonal,
    power_parts,
    power_power,
    power_repeat,
    power_same,
    power_scaled,
    power_zero,
    pull_scalars,
    repeat_identity,
    repeat_repeat,
    scale_zero,
)
from structmat.rewrite.dense import absorb, absorb_moves, add_low_ranks
from structmat.rewrite.levels import add_krons, add_levels
from structmat.rewrite.linear import (
    add_included,
    add_like_terms,
    add_params,
    adjoint_by_moves,
    adjoint_by_rounding,
    conjugate_params,
    scale_params,
)
from structmat.rewrite.selections import (
    move_padding,
    multiply_signs,
    power_moves,
    power_signs,
    select_all,
    select_twice,
    select_what_was_padded,
    shift_by_none,
)
from structmat.rewrite.spectral import (
    between_transforms,
    cancel_fourier,
    cancel_transform,
    conjugate_fourier,
    invert_in_class,
    multiply_in_class,
    multiply_included,
    power_in_class,
)


class Rule(NamedTuple):
    """A row of the table.

    In a product, `rewrite` is called with as many adjacent factors as `parts` has classes, and in a sum with each two
    terms, if they are of these classes. In other forms it is called with the whole operator, if its one part is of the
    class. Without `parts` it is called with every whole operator of the form. `LinearOperator` stands for any class.
    """

    name: str
    form: type[LinearOperator]
    parts: tuple[type[LinearOperator], ...]
    rewrite: Callable[..., Maybe]
    rounds: bool = False  # computes new arrays, rather than only move, conjugate or cast entries

    @property
    def of_neighbours(self) -> bool:
        """Whether `rewrite` takes adjacent factors or terms instead of the whole operator."""
        return self.form in (Product, Sum) and self.parts != ()


ANY, ROUNDS = LinearOperator, True
TWO, THREE = (ANY,) * 2, (ANY,) * 3

RULES: tuple[Rule, ...] = (
    # products: what cancels
    Rule("0 @ A", Product, TWO, multiply_zero),
    Rule("U @ U.H", Product, TWO, cancel_unitary),
    Rule("A ** -1 @ A", Product, TWO, cancel_inverse),
    Rule("DFT.H @ DFT", Product, TWO, cancel_fourier),
    Rule("transform ** -1 @ transform", Product, TWO, cancel_transform),
    Rule("Restriction @ Restriction.H", Product, (Restriction, Adjoint), select_what_was_padded),
    # products of one structure
    Rule("selection @ selection", Product, TWO, select_twice),
    Rule("move @ padding", Product, TWO, move_padding),
    Rule("SignFlip @ SignFlip", Product, (SignFlip, SignFlip), multiply_signs),
    Rule("spectrum @ spectrum", Product, TWO, multiply_in_class, ROUNDS),
    Rule("special @ general", Product, TWO, multiply_included, ROUNDS),
    Rule("DFT.H @ spectrum @ DFT", Product, THREE, between_transforms, ROUNDS),
    Rule("move @ dense", Product, TWO, absorb_moves),
    Rule("leaf @ dense", Product, TWO, absorb, ROUNDS),
    Rule("BlockDiag @ BlockDiag", Product, (BlockDiag, BlockDiag), multiply_blocks),
    Rule("HStack @ BlockDiag", Product, (HStack, BlockDiag), multiply_blocks),
    Rule("BlockDiag @ VStack", Product, (BlockDiag, VStack), multiply_blocks),
    Rule("Repeat @ Repeat", Product, (Repeat, Repeat), multiply_repeats),
    Rule("Kron @ Kron", Product, TWO, multiply_krons),
    Rule("A @ (s * B)", Product, (), pull_scalars),
    # sums
    Rule("A + 0", Sum, TWO, add_zero),
    Rule("s * A + t * A", Sum, TWO, add_like_terms),
    Rule("linear + linear", Sum, TWO, add_params, ROUNDS),
    Rule("special + general", Sum, TWO, add_included, ROUNDS),
    Rule("LowRank + LowRank", Sum, TWO, add_low_ranks, ROUNDS),
    Rule("BlockDiag + BlockDiag", Sum, TWO, add_blocks),
    Rule("Kron + Kron", Sum, TWO, add_krons),
    Rule("Kron of circulants + Kron of circulants", Sum, TWO, add_levels, ROUNDS),
    # multiples, adjoints and conjugates
    Rule("s * 0", Scaled, (Zero,), scale_zero),
    Rule("s * linear", Scaled, (), scale_params, ROUNDS),
    Rule("arrays.H", Adjoint, (), adjoint_by_moves),
    Rule("arrays.H, rounded", Adjoint, (), adjoint_by_rounding, ROUNDS),
    Rule("arrays.conj()", Conjugate, (), conjugate_params),
    Rule("DFT.conj()", Conjugate, (), conjugate_fourier),
    # inverses and powers
    Rule("spectrum ** -1", Inverse, (), invert_in_class, ROUNDS),
    Rule("spectrum ** k", Power, (), power_in_class, ROUNDS),
    Rule("SignFlip ** k", Power, (SignFlip,), power_signs),
    Rule("Permutation ** k", Power, (Permutation,), power_moves),
    Rule("Shift ** k", Power, (Shift,), power_moves),
    Rule("Identity ** k", Power, (Identity,), power_same),
    Rule("0 ** k", Power, (Zero,), power_same),
    Rule("A ** k ** l", Power, (Power,), power_power),
    Rule("(s * A) ** k", Power, (Scaled,), power_scaled),
    Rule("BlockDiag ** k", Power, (BlockDiag,), power_parts),
    Rule("Kron ** k", Power, (Kron,), power_parts),
    Rule("Repeat ** k", Power, (Repeat,), power_repeat),
    Rule("A ** 0", Power, (), power_zero),
    # blocks
    Rule("BlockDiag of BlockDiag", BlockDiag, (), flatten_blocks),
    Rule("HStack of HStack", HStack, (), flatten_blocks),
    Rule("VStack of VStack", VStack, (), flatten_blocks),
    Rule("BlockDiag of Diagonal", BlockDiag, (), one_diagonal),
    Rule("Repeat of Identity", Repeat, (Identity,), repeat_identity),
    Rule("Repeat of Repeat", Repeat, (Repeat,), repeat_repeat),
    Rule("Repeat of s * A", Repeat, (Scaled,), pull_scalars),
    Rule("Kron of s * A", Kron, (), pull_scalars),
    Rule("Kron of Identity", Kron, (), kron_identity),
    # leaves
    Rule("Restriction to all", Restriction, (), select_all),
    Rule("Shift by 0", Shift, (), shift_by_none),
)
