"""`LinearOperator`, the base class of all operators, assembled from one class for each concern."""

from typing import Any

from structmat.core.contract import NoExactInverseError
from structmat.core.conversion import Conversion
from structmat.core.entries import DENSE_LIMIT, Entries
from structmat.core.extensions import extensions
from structmat.core.gradients import Gradients, Saved
from structmat.core.printing import Printing

__all__ = ["DENSE_LIMIT", "LinearOperator", "NoExactInverseError", "Saved"]


class LinearOperator(Entries, Gradients, Conversion, Printing):
    """A matrix that is never stored densely: the base of all operators.

    Operators are immutable. They hold the given arrays, without a copy, and never write to them. Vectors are batched
    over leading axes, operators are not. A product has the dtype `result_type(A.dtype, x.dtype)`; products in half
    precision are computed in single precision.

    Attributes
    ----------
    shape : tuple of int
        Rows m and columns n.
    m, n : int
        Rows and columns.
    dtype : dtype or None
        Common dtype of the parameters; None for an operator without parameters, whose products have the dtype of x.
    xp : module or None
        Array-API namespace of the arrays; None for an operator without arrays, which multiplies arrays of any library.
    device : device or None
        Device of the arrays.

    Notes
    -----
    Subclass `Leaf` for new mathematics. Gradients follow dL = Re⟨g, dy⟩ with ⟨u, v⟩ = Σ conj(u) v: the gradient with
    respect to x is `rmatvec(g)`, as in PyTorch.
    """

    ndim = 2
    __array_ufunc__ = None  # so that `array @ A` and `scalar * A` reach this class

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if extensions.register_pytree is not None:
            extensions.register_pytree(cls)
