"""The base class of the hashes, and the projection onto Gaussian vectors that two of them draw."""

import dataclasses
from typing import ClassVar

from structmat._backend import namespaces, tracing
from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.operators import Diagonal
from structmat.projections.fastfood import double_hadamard
from structmat.projections.parts import RandomSource, hadamard_order, pad, stack


@dataclasses.dataclass(frozen=True)
class Hash:
    """Integer codes of the products with a projection, whose rows are divided among tables and then among hashes."""

    projection: LinearOperator
    n_tables: int = dataclasses.field(default=1, kw_only=True)

    _title: ClassVar[str] = "Hash"

    def __post_init__(self) -> None:
        share = checked_size(self._title, "n_tables", self.n_tables) * self._outputs
        if self.projection.m % share:
            raise ValueError(
                f"{self._title}: projection is {self.projection._label}; its {self.projection.m} rows must be a "
                f"multiple of {share}, the rows of one hash for each table."
            )

    @property
    def _outputs(self) -> int:
        """Number of rows of the projection for one hash."""
        return 1

    @property
    def n_hashes(self) -> int:
        """Number of hashes of a table, the length of a code."""
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
            Their codes, of the library and device of x.

        Raises
        ------
        ValueError
            A product with the projection is NaN or infinite, or for `DHHash` so large that its dtype does not separate
            buckets. Traced arrays are not checked.
        """
        y = checked_finite(self._title, self.projection.matvec(x))
        xp = namespaces.of(y)
        return xp.reshape(self._codes(xp, y), (*y.shape[:-1], self.n_tables, self.n_hashes))

    def _codes(self, xp: Namespace, y: Array) -> Array:
        raise NotImplementedError


def checked_finite(title: str, y: Array) -> Array:
    """Return the products that codes are computed from; raise ValueError if one is NaN or infinite."""
    xp = namespaces.of(y)
    if not tracing.is_traced(y) and not bool(xp.all(xp.isfinite(y))):
        raise ValueError(
            f"{title}: a product of a vector with the projection is NaN or infinite; expected finite vectors, short "
            f"enough not to overflow."
        )
    return y


def gaussian_products(d: int, k: int, source: RandomSource) -> LinearOperator:
    """Draw √n H G M H D of Dasgupta et al.: each entry of its product with x is Gaussian, given D and M."""
    n = hadamard_order(d)

    def block(rows: int) -> LinearOperator:
        D, M = source.signs(n), source.permutation(n)
        return double_hadamard(rows, Diagonal(source.normal((n,), n**0.5)), M, D)

    return (stack(k, n, block) @ pad(d, n)).freeze()
