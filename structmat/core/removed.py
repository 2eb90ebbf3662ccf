"""Removed settings, whose names stay for one release: they warn, and do nothing."""

import contextlib
import os
import warnings

_BACKENDS = "NumPy arrays are transformed by scipy.fft, whose backends are set by scipy.fft.set_backend"

if os.environ.get("STRUCTMAT_FFT_PROVIDER"):
    message = f"the environment variable STRUCTMAT_FFT_PROVIDER has no effect: {_BACKENDS}."
    warnings.warn(message, FutureWarning, stacklevel=2)


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
    return _removed("set_dense_crossover", "for a dense product multiply by sm.Dense(A.to_dense())")


def set_fft_provider(provider: object) -> contextlib.AbstractContextManager[None]:  # noqa: ARG001
    """Warn, and do nothing: `scipy.fft` transforms NumPy arrays, by the backend that `scipy.fft.set_backend` sets.

    .. deprecated:: 0.2
       Goes with the next release.

    Parameters
    ----------
    provider : str or module
        Ignored.

    Returns
    -------
    context manager
        Without effect.
    """
    return _removed("set_fft_provider", _BACKENDS)


def _removed(name: str, instead: str) -> contextlib.AbstractContextManager[None]:
    message = f"structmat.{name} has no effect and goes with the next release; {instead}."
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return contextlib.nullcontext()
