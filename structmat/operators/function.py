"""Operators given by functions."""

import functools
from collections.abc import Callable
from typing import Any

from structmat._backend import dtypes, memory, namespaces, ops
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, register_operator, size


def _crop(stop: int, x: Array) -> Array:
    return x[..., :stop]


def _grow(width: int, g: Array) -> Array:
    return ops.pad(namespaces.of(g), g, 0, width)


def _example(n: int, rng: Any) -> "FunctionOperator":
    m = n // 2 + 1
    functions = functools.partial(_crop, m), functools.partial(_grow, n - m)
    return FunctionOperator((m, n), *functions, dtype=rng.choice(["float64", "complex128"]))


@register_operator(cost="that of the functions", references=("GolubVanLoan2013",), example=_example)
class FunctionOperator(Leaf):
    r"""Any linear map, given by two functions.

    .. math:: A x = \mathtt{matvec}(x), \qquad A^H g = \mathtt{rmatvec}(g).

    It makes any linear map a part of products, sums and stacks. Both functions must be linear and take batches of
    vectors along the last axis, as `A.matvec` does; this is not checked.

    Parameters
    ----------
    shape : tuple of int
        Rows m and columns n.
    matvec : callable
        From an array (..., n) to the array (..., m) of products, of the same library, device and dtype.
    rmatvec : callable
        From an array (..., m) to the array (..., n) of products with the conjugate transpose.
    dtype : dtype or str, optional
        A real or complex dtype, real by default. The functions of a real operator receive real vectors only, those of
        a complex one complex vectors. The precision is that of the vectors.

    Raises
    ------
    TypeError
        `matvec` or `rmatvec` is not callable.
    ValueError
        `shape` is not two positive ints.

    Notes
    -----
    Cost: that of the functions. Pickling needs functions that can be pickled.

    Gradient: none. Arrays inside the functions are not parameters; a `structmat.custom.Leaf` has parameters. As the
    functions alone define the matrix, `structmat.testing.check_operator` takes its reference from `matvec` of unit
    vectors: it detects a wrong adjoint, a map that is not linear, and wrong batches or dtypes, but not a wrong matrix.

    References
    ----------
    .. [1] G. H. Golub and C. F. Van Loan, *Matrix Computations*, 4th edition, Johns Hopkins University Press, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> def totals(x):
    ...     return np.cumsum(x, axis=-1)
    >>> def totals_from_the_end(g):
    ...     return np.flip(np.cumsum(np.flip(g, axis=-1), axis=-1), axis=-1)
    >>> sm.FunctionOperator((3, 3), totals, totals_from_the_end).to_dense()
    array([[1., 0., 0.],
           [1., 1., 0.],
           [1., 1., 1.]])
    """

    dims = "m", "n"
    m: int = size()
    n: int = size()
    product: Callable[[Array], Array]
    adjoint_product: Callable[[Array], Array]
    complex_entries: bool

    def __init__(
        self,
        shape: tuple[int, int],
        matvec: Callable[[Array], Array],
        rmatvec: Callable[[Array], Array],
        dtype: Any = None,
    ) -> None:
        sizes: Any = shape
        if not isinstance(sizes, tuple) or len(sizes) != 2:
            raise ValueError(f"FunctionOperator: shape is {shape!r}; expected (m, n).")
        for name, function in (("matvec", matvec), ("rmatvec", rmatvec)):
            if not callable(function):
                raise TypeError(f"FunctionOperator: {name} is a {type(function).__name__}; expected a function.")
        complex_entries = dtype is not None and dtypes.is_complex(
            namespaces.resolve(None), dtypes.as_dtype(namespaces.resolve(None), dtype)
        )
        fields = {"m": shape[0], "n": shape[1], "product": matvec, "adjoint_product": rmatvec}
        self.__dict__.update(fields, complex_entries=complex_entries)
        self.__post_init__()

    @property
    def _always_complex(self) -> bool:  # type: ignore[override]
        return self.complex_entries

    def _matvec(self, xp: Namespace, x: Array) -> Array:
        return self._checked(xp, "matvec", self.product(x), (*x.shape[:-1], self.m))

    def _rmatvec(self, xp: Namespace, g: Array) -> Array:
        return self._checked(xp, "rmatvec", self.adjoint_product(g), (*g.shape[:-1], self.n))

    def _checked(self, xp: Namespace, name: str, y: Any, shape: tuple[int, ...]) -> Array:
        if not namespaces.is_array(y) or namespaces.of(y) is not xp:
            found = (
                f"an array of {namespaces.name(namespaces.of(y))}"
                if namespaces.is_array(y)
                else f"a {type(y).__name__}"
            )
            raise TypeError(f"{self._head}: {name} returns {found}; expected an array of {namespaces.name(xp)}.")
        if tuple(y.shape) != tuple(shape):
            raise ValueError(f"{self._head}: {name} returns the shape {tuple(y.shape)}; expected {tuple(shape)}.")
        if dtypes.is_complex(xp, y.dtype) and not self.complex_entries:
            raise TypeError(f"{self._head}: {name} returns complex numbers; expected real ones, or dtype=complex.")
        return memory.copy(xp, y)  # it may be a view of x, or memory that the function keeps

    def _entries(self, xp: Namespace, i: Array, j: Array) -> None:
        return None  # a function gives products only

    def _entry(self, xp: Namespace, i: Array, j: Array) -> Array:
        units = xp.eye(self.n, dtype=xp.complex128 if self.complex_entries else xp.float64)
        return self.product(units)[j, i]
