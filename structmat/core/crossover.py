"""A removed setting, whose name stays for one release."""

import contextlib
import warnings


def set_dense_crossover(n: int) -> contextlib.AbstractContextManager[None]:  # noqa: ARG001
    """Warn, and do nothing: for a dense product multiply by ``sm.Dense(A.to_dense())``.

    .. deprecated:: 0.2
       Goes with the next release.

    Parameters
    ----------
    n : int
        Ignored.

    Returns
    -------
    context manager
        Without effect.
    """
    warnings.warn(
        "structmat.set_dense_crossover has no effect and goes with the next release; for a dense product multiply by "
        "sm.Dense(A.to_dense()).",
        DeprecationWarning,
        stacklevel=2,
    )
    return contextlib.nullcontext()
