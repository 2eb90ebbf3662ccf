"""Permutation matrices."""

from types import ModuleType
from typing import Any

from structmat._backend import random
from structmat._backend.types import RNG, Array, Device, Namespace
from structmat.core import Leaf, LinearOperator, cached, constant, register_operator
from structmat.core.fields import checked_index, checked_size


def _example(n: int, rng: Any) -> "Permutation":
    return Permutation.random(n, rng=rng)


@register_operator(cost="O(n)", references=("GolubVanLoan2013",), example=_example)
class Permutation(Leaf):
    r"""Permutation matrix: reorders the entries of a vector.

    .. math:: A_{ij} = \delta_{\pi_i j}, \qquad (A x)_i = x_{\pi_i}.

    Its transpose is its inverse, the permutation that puts the entries back.

    Parameters
    ----------
    index : array of int, shape (n,)
        The permutation π: each of 0, ..., n - 1 once. It is a constant, not a parameter.

    Raises
    ------
    TypeError
        `index` is not an array of integers.
    ValueError
        `index` is not a bijection: an entry is out of range or repeated.

    Notes
    -----
    Cost: O(n). Products and adjoint products gather, never scatter, and are exact, bit by bit.

    Gradient: none, the operator has no parameters.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Permutation(np.asarray([2, 0, 1]))
    >>> A.to_dense()
    array([[0., 0., 1.],
           [1., 0., 0.],
           [0., 1., 0.]])
    >>> A @ np.asarray([10.0, 20.0, 30.0])
    array([30., 10., 20.])
    """

    dims = "n", "n"
    _is_unitary = True
    _mixes = True
    _moves_entries = True
    index: Array = constant("n")

    @classmethod
    def random(cls, n: int, *, rng: RNG = None, xp: ModuleType | None = None, device: Device = None) -> "Permutation":
        """Draw a permutation, uniformly from all of them.

        Parameters
        ----------
        n : int
            Number of entries.
        rng, xp, device : optional
            Seed or generator, and where the array is made; see `structmat.projections`.

        Returns
        -------
        Permutation
            Of size n.

        Raises
        ------
        ValueError
            n is not a positive int.

        Examples
        --------
        >>> import structmat as sm
        >>> sm.Permutation.random(4, rng=0).index
        array([2, 0, 1, 3])
        """
        size = checked_size("Permutation.random", "n", n)
        return cls(random.permutation(random.generator(rng), size, xp=xp, device=device))

    def _check(self) -> None:
        self.__dict__["index"] = checked_index("Permutation", self.index, self.n)

    @cached
    def _inverse_index(self) -> Array:
        """The inverse permutation."""
        return self.xp.argsort(self.index)

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return xp.take(x, self.index, axis=-1)

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return xp.take(g, self._inverse_index, axis=-1)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.astype(self.index[i] == j, xp.int8)

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None]:
        return self.index[i], None

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None]:
        return self._inverse_index[j], None

    def _adjoint(self) -> LinearOperator:
        return self._replace(index=self._inverse_index)

    def _inverse(self) -> LinearOperator:
        return self.H
