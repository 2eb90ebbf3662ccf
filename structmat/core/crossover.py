"""The former setting for dense products of small operators, for one release."""

import contextlib
import warnings


def set_dense_crossover(n: int) -> contextlib.AbstractContextManager[None]:  # noqa: ARG001
    """Do nothing.

    .. deprecated:: 0.2
       Multiply by ``sm.Dense(A.to_dense())`` instead.

    Parameters
    ----------
    n : int
        Ignored.

    Returns
    -------
    context manager
        Without effect.

    Warns
    -----
    DeprecationWarning
        At each call.
    """
    warnings.warn(
        "structmat.set_dense_crossover has no effect any more and goes with the next release; multiply by "
        "sm.Dense(A.to_dense()) where a dense product is faster.",
        DeprecationWarning,
        stacklevel=2,
    )
    return contextlib.nullcontext()
