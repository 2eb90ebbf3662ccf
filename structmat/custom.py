"""What the author of a new operator imports: the base class, the field declarations and the helpers that kernels share.

`Leaf` has a worked example; `structmat.testing.check_operator` proves the result.
"""

from structmat._backend import Array, Namespace, batch_sum, dft, idft, outer_sum, pad
from structmat.core import Leaf, cached, constant, operator, param, size

__all__ = [
    "Array",
    "Leaf",
    "Namespace",
    "batch_sum",
    "cached",
    "constant",
    "dft",
    "idft",
    "operator",
    "outer_sum",
    "pad",
    "param",
    "size",
]
