"""Selections of rows."""

from typing import Any

from structmat._backend import devices, memory, namespaces, ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, LinearOperator, cached, constant, register_operator, size
from structmat.core.fields import ArraySpec, checked_index


def _example(n: int, rng: Any) -> "Restriction":
    return Restriction(n, rng.permutation(n)[: n // 2 + 1])


@register_operator(cost="O(m)", references=("AilonChazelle2009",), example=_example)
class Restriction(Leaf):
    r"""Selection of rows of the identity: keeps some entries of a vector.

    .. math:: A_{ij} = \delta_{\iota_i j}, \qquad (A x)_i = x_{\iota_i}.

    Its adjoint puts the entries back in their places and zeros elsewhere: `Restriction(n, slice(0, k)).H` pads a vector
    of length k with zeros to length n.

    Parameters
    ----------
    n : int
        Length of the vectors.
    index : array of int, shape (m,), or slice
        The entries kept, in this order: from 0 to n - 1, none repeated. A slice has the meaning that it has for Python
        sequences, needs no array, and works for every library.

    Raises
    ------
    TypeError
        `index` is neither a slice nor an array of integers.
    ValueError
        n is not a positive int, or an index is out of range or repeated, or none is kept.

    Notes
    -----
    Cost: O(m) for products, O(n) for adjoint products. Both gather, never scatter, and are exact, bit by bit.

    Gradient: none, the operator has no parameters.

    References
    ----------
    .. [1] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest neighbors",
       *SIAM Journal on Computing* 39(1), 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.Restriction(3, np.asarray([2, 0])).to_dense()
    array([[0., 0., 1.],
           [1., 0., 0.]])
    >>> sm.Restriction(3, slice(0, 2)).H.to_dense()
    array([[1., 0.],
           [0., 1.],
           [0., 0.]])
    """

    dims = "m", "n"
    _mixes = True
    _moves_entries = True
    n: int = size()
    index: Array = constant("m")

    def _check_field(self, name: str, spec: ArraySpec, value: Any) -> None:
        if not isinstance(value, slice):
            super()._check_field(name, spec, value)

    def _bound(self) -> dict[str, int]:
        return {} if namespaces.is_array(self.index) else {"m": len(self._span)}

    def _check(self) -> None:
        if isinstance(self.index, slice):
            if self.m < 1:
                raise ValueError(f"Restriction: index is {self.index}; expected entries below n = {self.n}.")
        else:
            self.__dict__["index"] = checked_index("Restriction", self.index, self.n)

    @property
    def _span(self) -> range:
        return range(*self.index.indices(self.n))

    @property
    def _ascending(self) -> range:
        return self._span if self._span.step > 0 else self._span[::-1]

    @cached
    def _places(self) -> Array:
        """The index in y of each entry of x; m if it is not kept."""
        xp = self.xp
        order = xp.argsort(self.index)
        ranked = xp.take(self.index, order)
        entries = xp.arange(self.n, dtype=self.index.dtype, device=devices.of(self.index))
        found = xp.clip(xp.searchsorted(ranked, entries), 0, self.m - 1)
        return xp.where(xp.take(ranked, found) == entries, xp.take(order, found), self.m)

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        if namespaces.is_array(self.index):
            return xp.take(x, self.index, axis=-1)
        kept = self._ascending
        kept_of_x = x[..., kept[0] : kept[-1] + 1 : kept.step]
        return memory.copy(xp, kept_of_x if kept == self._span else xp.flip(kept_of_x, axis=-1))

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        if namespaces.is_array(self.index):
            return xp.take(ops.pad(xp, g, 0, 1), self._places, axis=-1)
        kept = self._ascending
        g = g if kept == self._span else xp.flip(g, axis=-1)
        if kept.step > 1:
            spread = ops.pad(xp, xp.expand_dims(g, axis=-1), 0, kept.step - 1)
            g = xp.reshape(spread, (*g.shape[:-1], self.m * kept.step))[..., : kept[-1] - kept[0] + 1]
        return memory.copy(xp, g) if self.m == self.n else ops.pad(xp, g, kept[0], self.n - 1 - kept[-1])

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator:
        return self.H

    def _singular_values(self, xp: Namespace) -> Array:
        return xp.ones(self.m, dtype=self._value_dtype(xp), device=self.device)

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        return xp.astype(self._row_entry(xp, i)[0] == j, xp.int8)

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None]:
        return self.index[i] if namespaces.is_array(self.index) else self._span.start + self._span.step * i, None

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None]:
        if namespaces.is_array(self.index):
            places = self._places[j]
            return xp.where(places < self.m, places, -1), None
        span, off = self._span, j - self._span.start
        place = off // span.step
        return xp.where((off % span.step == 0) & (place >= 0) & (place < self.m), place, -1), None
