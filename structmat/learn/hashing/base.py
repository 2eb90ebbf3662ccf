"""Codes from the products of a projection, and the projection of independent Gaussian rows."""

import dataclasses
from typing import ClassVar

from structmat._backend import Array, Namespace, is_traced, namespace
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.operators import Diagonal
from structmat.projections.fastfood import double_hadamard
from structmat.projections.parts import RandomSource, hadamard_order, pad, stack


@dataclasses.dataclass(frozen=True)
class Hash:
    """Codes from the products of a projection: its outputs in equal shares to the tables, and to their hashes."""

    projection: LinearOperator
    n_tables: int = dataclasses.field(default=1, kw_only=True)

    _title: ClassVar[str] = "Hash"

    def __post_init__(self) -> None:
        share = checked_size(self._title, "n_tables", self.n_tables) * self._outputs
        if self.projection.m % share:
            raise ValueError(
                f"{self._title}: projection is {self.projection._label}; its {self.projection.m} rows must be a "
                f"multiple of {share}, the outputs of one hash a table."
            )

    @property
    def _outputs(self) -> int:
        """Outputs of the projection that make one hash."""
        return 1

    @property
    def n_hashes(self) -> int:
        """Hashes of a table: a vector's code there is a tuple of so many integers."""
        return self.projection.m // (self.n_tables * self._outputs)

    def __call__(self, x: Array) -> Array:
        """Hash vectors.

        Parameters
        ----------
        x : array, shape (..., d)
            Real vectors along the last axis; leading axes are a batch.

        Returns
        -------
        array of int64, shape (..., n_tables, n_hashes)
            Their codes, on x's library and device.

        Raises
        ------
        ValueError
            A product with the projection is NaN or infinite, or for `DHHash` too many buckets from 0 to tell them
            apart. Inside a trace, where values are not known, it goes unnoticed.
        """
        y = checked_finite(self._title, self.projection.matvec(x))
        xp = namespace(y)
        return xp.reshape(self._codes(xp, y), (*y.shape[:-1], self.n_tables, self.n_hashes))

    def _codes(self, xp: Namespace, y: Array) -> Array:
        raise NotImplementedError


def checked_finite(title: str, y: Array) -> Array:
    """Return the products that codes are made from, which must be numbers: there is no code of others."""
    xp = namespace(y)
    if not is_traced(y) and not bool(xp.all(xp.isfinite(y))):
        raise ValueError(
            f"{title}: a product of a vector with the projection is NaN or infinite; expected finite vectors, of less "
            f"length than what overflows."
        )
    return y


def gaussian_products(d: int, k: int, source: RandomSource) -> LinearOperator:
    """√n H G M H D of Dasgupta et al.: given the rest, the Gaussians G alone make each output a Gaussian of x."""
    n = hadamard_order(d)

    def block(rows: int) -> LinearOperator:
        D, M = source.signs(n), source.permutation(n)
        return double_hadamard(rows, Diagonal(source.normal((n,), n**0.5)), M, D)

    return (stack(k, n, block) @ pad(d, n)).freeze()
