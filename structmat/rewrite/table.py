"""The table of rules."""

from collections.abc import Callable
from typing import NamedTuple

from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate, Inverse
from structmat.core.blocks import BlockDiag, HStack, Kron, Repeat, VStack
from structmat.core.compose import Power, Product, Scaled, Sum
from structmat.operators import Identity, Permutation, Restriction, Shift, SignFlip, Zero
from structmat.rewrite import composites, dense, levels, linear, selections, spectral
from structmat.rewrite.common import Maybe


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
    Rule("0 @ A", Product, TWO, composites.multiply_zero),
    Rule("U @ U.H", Product, TWO, composites.cancel_unitary),
    Rule("A ** -1 @ A", Product, TWO, composites.cancel_inverse),
    Rule("DFT.H @ DFT", Product, TWO, spectral.cancel_fourier),
    Rule("transform ** -1 @ transform", Product, TWO, spectral.cancel_transform),
    Rule("Restriction @ Restriction.H", Product, (Restriction, Adjoint), selections.select_what_was_padded),
    # products of one structure
    Rule("selection @ selection", Product, TWO, selections.select_twice),
    Rule("move @ padding", Product, TWO, selections.move_padding),
    Rule("SignFlip @ SignFlip", Product, (SignFlip, SignFlip), selections.multiply_signs),
    Rule("spectrum @ spectrum", Product, TWO, spectral.multiply_in_class, ROUNDS),
    Rule("special @ general", Product, TWO, spectral.multiply_included, ROUNDS),
    Rule("DFT.H @ spectrum @ DFT", Product, THREE, spectral.between_transforms, ROUNDS),
    Rule("move @ dense", Product, TWO, dense.absorb_moves),
    Rule("leaf @ dense", Product, TWO, dense.absorb, ROUNDS),
    Rule("BlockDiag @ BlockDiag", Product, (BlockDiag, BlockDiag), composites.multiply_blocks),
    Rule("HStack @ BlockDiag", Product, (HStack, BlockDiag), composites.multiply_blocks),
    Rule("BlockDiag @ VStack", Product, (BlockDiag, VStack), composites.multiply_blocks),
    Rule("Repeat @ Repeat", Product, (Repeat, Repeat), composites.multiply_repeats),
    Rule("Kron @ Kron", Product, TWO, composites.multiply_krons),
    Rule("A @ (s * B)", Product, (), composites.pull_scalars),
    # sums
    Rule("A + 0", Sum, TWO, composites.add_zero),
    Rule("s * A + t * A", Sum, TWO, linear.add_like_terms),
    Rule("linear + linear", Sum, TWO, linear.add_params, ROUNDS),
    Rule("special + general", Sum, TWO, linear.add_included, ROUNDS),
    Rule("LowRank + LowRank", Sum, TWO, dense.add_low_ranks, ROUNDS),
    Rule("BlockDiag + BlockDiag", Sum, TWO, composites.add_blocks),
    Rule("Kron + Kron", Sum, TWO, levels.add_krons),
    Rule("Kron of circulants + Kron of circulants", Sum, TWO, levels.add_levels, ROUNDS),
    # multiples, adjoints and conjugates
    Rule("s * 0", Scaled, (Zero,), composites.scale_zero),
    Rule("s * linear", Scaled, (), linear.scale_params, ROUNDS),
    Rule("arrays.H", Adjoint, (), linear.adjoint_by_moves),
    Rule("arrays.H, rounded", Adjoint, (), linear.adjoint_by_rounding, ROUNDS),
    Rule("arrays.conj()", Conjugate, (), linear.conjugate_params),
    Rule("DFT.conj()", Conjugate, (), spectral.conjugate_fourier),
    # inverses and powers
    Rule("spectrum ** -1", Inverse, (), spectral.invert_in_class, ROUNDS),
    Rule("spectrum ** k", Power, (), spectral.power_in_class, ROUNDS),
    Rule("SignFlip ** k", Power, (SignFlip,), selections.power_signs),
    Rule("Permutation ** k", Power, (Permutation,), selections.power_moves),
    Rule("Shift ** k", Power, (Shift,), selections.power_moves),
    Rule("Identity ** k", Power, (Identity,), composites.power_same),
    Rule("0 ** k", Power, (Zero,), composites.power_same),
    Rule("A ** k ** l", Power, (Power,), composites.power_power),
    Rule("(s * A) ** k", Power, (Scaled,), composites.power_scaled),
    Rule("BlockDiag ** k", Power, (BlockDiag,), composites.power_parts),
    Rule("Kron ** k", Power, (Kron,), composites.power_parts),
    Rule("Repeat ** k", Power, (Repeat,), composites.power_repeat),
    Rule("A ** 0", Power, (), composites.power_zero),
    # blocks
    Rule("BlockDiag of BlockDiag", BlockDiag, (), composites.flatten_blocks),
    Rule("HStack of HStack", HStack, (), composites.flatten_blocks),
    Rule("VStack of VStack", VStack, (), composites.flatten_blocks),
    Rule("BlockDiag of Diagonal", BlockDiag, (), composites.one_diagonal),
    Rule("Repeat of Identity", Repeat, (Identity,), composites.repeat_identity),
    Rule("Repeat of Repeat", Repeat, (Repeat,), composites.repeat_repeat),
    Rule("Repeat of s * A", Repeat, (Scaled,), composites.pull_scalars),
    Rule("Kron of s * A", Kron, (), composites.pull_scalars),
    Rule("Kron of Identity", Kron, (), composites.kron_identity),
    # leaves
    Rule("Restriction to all", Restriction, (), selections.select_all),
    Rule("Shift by 0", Shift, (), selections.shift_by_none),
)
