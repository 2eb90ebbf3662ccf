"""Providers of the Fourier transforms of NumPy arrays: SciPy, Intel's MKL, ducc0, or a module that the user passes."""

import ctypes
import importlib
import os
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import scipy.fft

from structmat._backend import memory, threads
from structmat._backend.threads import Restore
from structmat._backend.types import Array

VARIABLE = "STRUCTMAT_FFT_PROVIDER"  #: environment variable that names the provider


class Provider:
    """Transforms along the last axis of nonempty arrays; real vectors have half spectra."""

    def __init__(self, name: str) -> None:
        self.name = name

    def forward(self, x: Array, n: int, real: bool) -> Array:
        """Transform vectors, cropped or zero-padded to length n."""
        raise NotImplementedError

    def inverse(self, X: Array, n: int, real: bool, *, temporary: bool = False) -> Array:
        """Undo `forward`; X may be overwritten if it is temporary."""
        raise NotImplementedError

    convolve: Callable[[Array, Array], Array] | None = None  #: of vectors (..., n) and a column (n,), in one call
    is_extended = True  #: whether it transforms extended precision


class Module(Provider):
    """Any module with the functions of `numpy.fft`."""

    def __init__(self, name: str, module: Any, **options: Any) -> None:
        super().__init__(name)
        self.module, self.options = module, options

    def forward(self, x: Array, n: int, real: bool) -> Array:
        x = _contiguous(x) if isinstance(x, np.ndarray) else x
        return (self.module.rfft if real else self.module.fft)(x, n=n, axis=-1)

    def inverse(self, X: Array, n: int, real: bool, *, temporary: bool = False) -> Array:
        options = self.options if temporary else {}
        X = _contiguous(X) if isinstance(X, np.ndarray) else X
        return (self.module.irfft if real else self.module.ifft)(X, n=n, axis=-1, **options)

    def unscaled_inverse(self, X: Array, n: int, real: bool) -> Array:
        """Return n times the inverse, of a temporary X."""
        return (self.module.irfft if real else self.module.ifft)(X, n=n, axis=-1, norm="forward", **self.options)


class Pocket(Provider):
    """A compiled module with the functions of pocketfft: SciPy's own, or its successor ducc0.

    SciPy's public functions take three to five times as long for a short vector: they look for other backends and
    check their arguments.
    """

    def __init__(self, name: str, module: Any) -> None:
        super().__init__(name)
        self.c2c, self.r2c, self.c2r = module.c2c, module.r2c, module.c2r

    def forward(self, x: Array, n: int, real: bool) -> Array:
        x = memory.native(_fitted(x, n))
        return (self.r2c if real else self.c2c)(x, (x.ndim - 1,), True, 0, None, threads.count())

    def inverse(self, X: Array, n: int, real: bool, *, temporary: bool = False) -> Array:
        X = memory.native(X)
        axes = (X.ndim - 1,)
        if real:
            return self.c2r(X, axes, n, False, 2, None, threads.count())
        return self.c2c(X, axes, False, 2, X if temporary else None, threads.count())


class Ducc(Pocket):
    """ducc0, which convolves each vector while it is in the cache."""

    def __init__(self) -> None:
        module = importlib.import_module("ducc0").fft
        super().__init__("ducc0", module)
        self.convolve_axis = module.convolve_axis

    def convolve(self, x: Array, column: Array) -> Array:
        x = memory.native(x)
        return self.convolve_axis(x, np.empty(x.shape, x.dtype), x.ndim - 1, memory.native(column), threads.count())


class MKL(Module):
    """Intel's Math Kernel Library, through `mkl_fft`."""

    SMALL = 4096  #: size below which it transforms in one thread anyway
    is_extended = False

    def __init__(self) -> None:
        super().__init__("mkl_fft", importlib.import_module("mkl_fft"))
        library = ctypes.CDLL(importlib.import_module("mkl_fft._pydfti").__file__)
        self._limit = library.MKL_Set_Num_Threads_Local  # for calls from this thread; returns the limit before

    def forward(self, x: Array, n: int, real: bool) -> Array:
        transform, x = self.module.rfft if real else self.module.fft, _contiguous(x)
        return transform(x, n) if x.size < self.SMALL else self._in_one_thread(transform, x, n)

    def inverse(self, X: Array, n: int, real: bool, *, temporary: bool = False) -> Array:
        X, small = _contiguous(X), X.size < self.SMALL
        if real:
            return self.module.irfft(X, n) if small else self._in_one_thread(self.module.irfft, X, n)
        out = X if temporary else None
        return self.module.ifft(X, out=out) if small else self._in_one_thread(self.module.ifft, X, out=out)

    def _in_one_thread(self, transform: Callable[..., Array], *arguments: Any, **options: Any) -> Array:
        before = self._limit(1)  # results depend on the number of threads
        try:
            return transform(*arguments, **options)
        finally:
            self._limit(before)


_COMPILED = "_pocketfft.pypocketfft", "_duccfft.pyduccfft"  # to SciPy 1.17, and from 1.18 on


def _scipy() -> Provider:
    """Return SciPy's transforms, without its dispatcher if this release has them at a known place."""
    for place in _COMPILED:
        try:
            found = Pocket("scipy", importlib.import_module(f"scipy.fft.{place}"))
            trial = found.inverse(found.forward(np.asarray([1.0, 2.0]), 3, True), 3, True)
        except (ImportError, AttributeError, TypeError):
            continue
        if np.allclose(trial, [1, 2, 0]):
            return found
    return Module("scipy", scipy.fft, overwrite_x=True)


_MAKERS: dict[str, Callable[[], Provider]] = {"mkl_fft": MKL, "ducc0": Ducc, "scipy": _scipy}

# By (many vectors, length is a power of two), fastest first, as measured by `python -m benchmarks.providers`. For many
# vectors whose length is a power of two, MKL is the fastest in single precision only, and outside of _LONG.
_FASTEST = {
    (False, True): ("mkl_fft", "ducc0", "scipy"),
    (False, False): ("mkl_fft", "ducc0", "scipy"),
    (True, True): ("mkl_fft", "ducc0", "scipy"),
    (True, False): ("ducc0", "scipy", "mkl_fft"),
}
_LONG = range(2**13, 2**16)
_MANY = 4  # vectors


class _Settings:
    """The settings of `set_fft_provider` and the environment."""

    forced: Provider | None = None
    from_outside: str | None = os.environ.get(VARIABLE) or None  #: until it is first needed


_settings = _Settings()


@lru_cache
def _made(name: str) -> Provider:
    return _MAKERS[name]()


def installed() -> list[str]:
    """Return the names of the providers that are installed."""
    return [name for name in _MAKERS if find_spec(name) is not None]


def _named(name: str, source: str) -> Provider | None:
    """Return the provider of a name, None for "auto"; errors name the source of the name."""
    if name == "auto":
        return None
    if name in installed():
        return _made(name)
    there = ", ".join(map(repr, ["auto", *installed()]))
    what = f"is not installed: pip install {name}" if name in _MAKERS else "is unknown"
    raise ValueError(f"{source}: the provider {name!r} {what}; there are {there}.")


@lru_cache(maxsize=1024)
def _fastest(n: int, many: bool, char: str) -> Provider:
    there = installed()
    if find_spec("mkl") and find_spec("torch"):  # see `set_fft_provider`
        there = [name for name in there if name != "mkl_fft"]
    order: tuple[str, ...] = _FASTEST[many, n & (n - 1) == 0]
    if many and (char in "dD" or n in _LONG):
        order = "ducc0", *order
    if char in "gG":  # extended precision is SciPy's alone
        order = ("scipy",)
    return _made(next(name for name in order if name in there))


def _use_variable() -> None:
    if _settings.from_outside is not None:
        _use(_named(_settings.from_outside, f"the environment variable {VARIABLE}"))


def provider_for(x: Array, n: int) -> Provider:
    """Return the provider for NumPy vectors (..., k), cropped or zero-padded to length n."""
    if _settings.from_outside is not None:
        _use_variable()
    forced, char = _settings.forced, x.dtype.char
    if forced is not None and (forced.is_extended or char not in "gG"):
        return forced
    return _fastest(n, x.size >= _MANY * x.shape[-1], char)


def choice() -> str:
    """Return the name of the provider that is set, or of all that "auto" chooses from."""
    _use_variable()
    return _settings.forced.name if _settings.forced else "/".join(installed())


def _contiguous(x: Array) -> Array:
    """Return a NumPy array as a contiguous array in native byte order.

    `mkl_fft` misreads views that repeat entries (stride 0).
    """
    if x.flags.carray and x.dtype.isnative:
        return x
    return np.require(x, x.dtype.newbyteorder("="), ["C", "A"])


def _fitted(x: Array, n: int) -> Array:
    """Crop or zero-pad vectors to length n."""
    width = x.shape[-1]
    if width == n:
        return x
    if width > n:
        return x[..., :n]
    padded = np.zeros((*x.shape[:-1], n), x.dtype)
    padded[..., :width] = x
    return padded


def set_fft_provider(provider: str | ModuleType) -> Restore:
    """Choose the provider of the Fourier transforms of NumPy arrays.

    Parameters
    ----------
    provider : str or module
        "auto", the default: the fastest installed provider for each length, batch size and dtype, by measurement.
        "scipy", "mkl_fft" or "ducc0": always this one. A module with the functions `fft`, `ifft`, `rfft` and `irfft` of
        `numpy.fft`: always its functions; for example `scipy.fft` itself, to use the backends of
        `scipy.fft.set_backend`, which "scipy" bypasses.

    Returns
    -------
    context manager
        Restores the earlier choice at the end of a `with` block. Without one the choice stays.

    Raises
    ------
    ValueError
        The name is unknown, or names a package that is not installed.
    TypeError
        `provider` is neither a name nor such a module.

    Notes
    -----
    The choice holds for all threads of the process. The environment variable STRUCTMAT_FFT_PROVIDER sets it from
    outside. Results of different providers differ by rounding. Arrays of other libraries are always transformed by
    their own library.

    Do not install mkl-service beside PyTorch. mkl_fft loads it if it is installed; it exposes MKL to PyTorch, which
    contains another MKL, and transforms in several threads may then be wrong in both. "auto" does not choose mkl_fft
    in this case.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> with sm.set_fft_provider("scipy"):
    ...     A @ np.asarray([1.0, 0.0, 0.0])
    array([1., 2., 3.])
    """
    if isinstance(provider, str):
        found = _named(provider, "set_fft_provider")
    elif all(callable(getattr(provider, name, None)) for name in ("fft", "ifft", "rfft", "irfft")):
        found = Module(provider.__name__, provider)
    else:
        raise TypeError(
            f"set_fft_provider: provider is {provider!r}; expected a name, or a module with fft, ifft, rfft and irfft."
        )
    before = _settings.forced, _settings.from_outside
    _use(found)
    return Restore(lambda: _use(*before))


def _use(provider: Provider | None, from_outside: str | None = None) -> None:
    _settings.forced, _settings.from_outside = provider, from_outside
