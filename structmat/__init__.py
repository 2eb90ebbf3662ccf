"""Structured-matrix linear algebra: operators that are never stored densely."""

import importlib
from typing import TYPE_CHECKING, Any

from structmat import custom as custom
from structmat import linalg as linalg
from structmat import projections as projections
from structmat._backend.threads import set_threads as set_threads
from structmat.compounds import block_array as block_array
from structmat.compounds import block_circulant as block_circulant
from structmat.compounds import select as select
from structmat.core import LinearOperator as LinearOperator
from structmat.core.blocks import kron as kron
from structmat.core.blocks import repeat as repeat
from structmat.core.removed import set_dense_crossover as set_dense_crossover
from structmat.core.removed import set_fft_provider as set_fft_provider
from structmat.core.stacks import block_diag as block_diag
from structmat.core.stacks import hstack as hstack
from structmat.core.stacks import vstack as vstack
from structmat.interop import aslinearoperator as aslinearoperator
from structmat.io import load as load
from structmat.io import save as save
from structmat.operators import *  # noqa: F403 (a new operator has its one line there)
from structmat.rewrite import simplify as simplify

__version__ = "0.1.0"

if TYPE_CHECKING:  # type checkers take what is imported "as" itself
    from structmat import learn as learn
    from structmat import testing as testing
else:
    __all__ = ["custom", "learn", "linalg", "projections", "testing"]
    __all__ += [name for name, value in globals().items() if getattr(value, "__module__", "").startswith("structmat.")]


def __getattr__(name: str) -> Any:
    """Import on demand the modules that operators do not need, some of which require a framework."""
    if name in _ON_DEMAND:
        return importlib.import_module(f"structmat.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_ON_DEMAND = "learn", "nn", "plot", "sklearn", "testing"


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_DEMAND})
