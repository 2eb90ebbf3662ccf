"""What the author of a new operator imports: the base class, the field declarations and the helpers that kernels share.

`Leaf` has a worked example; `structmat.testing.check_operator` proves the result.
"""

import warnings
from typing import Any

from structmat._backend.fft import dft, idft
from structmat._backend.ops import batch_sum, outer_sum, pad
from structmat._backend.types import Array, Namespace
from structmat.core import Leaf, cached, constant, param, register_operator, size

__all__ = [
    "Array",
    "Leaf",
    "Namespace",
    "batch_sum",
    "cached",
    "constant",
    "dft",
    "idft",
    "outer_sum",
    "pad",
    "param",
    "register_operator",
    "size",
]


def __getattr__(name: str) -> Any:
    """Give the decorator under its former name, for one release."""
    if name != "operator":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    warnings.warn(
        "structmat.custom.operator was renamed to register_operator; the old name goes with the next release.",
        DeprecationWarning,
        stacklevel=2,
    )
    return register_operator
