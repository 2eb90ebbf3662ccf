"""Who transforms NumPy arrays: SciPy, Intel's MKL, ducc0, or a module of the user's; and on how many threads."""

import collections
import ctypes
import importlib
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from types import ModuleType, TracebackType
from typing import Any, Self

import numpy as np
import scipy.fft

from structmat._backend.arrays import Array, native

VARIABLE = "STRUCTMAT_FFT_PROVIDER"  #: environment variable that names the provider


class Provider:
    """Transforms along the last axis of arrays that are not empty; real vectors have half spectra."""

    def __init__(self, name: str) -> None:
        self.name = name

    def forward(self, x: Array, n: int, real: bool) -> Array:
        """Transform vectors, cropped or zero-padded to length n."""
        raise NotImplementedError

    def inverse(self, X: Array, n: int, real: bool, *, temporary: bool = False) -> Array:
        """Undo `forward`; a temporary X may be overwritten."""
        raise NotImplementedError

    convolve: Callable[[Array, Array], Array] | None = None  # vectors (..., n) and a column (n,), in one go
    is_extended = True  # whether it knows extended precision


class Module(Provider):
    """Any module with the functions of `numpy.fft`."""

    def __init__(self, name: str, module: Any, **options: Any) -> None:
        super().__init__(name)
        self.module, self.options = module, options

    def forward(self, x: Array, n: int, real: bool) -> Array:
        """Transform by `rfft` or `fft`."""
        x = _packed(x) if isinstance(x, np.ndarray) else x
        return (self.module.rfft if real else self.module.fft)(x, n=n, axis=-1)

    def inverse(self, X: Array, n: int, real: bool, *, temporary: bool = False) -> Array:
        """Transform by `irfft` or `ifft`."""
        options = self.options if temporary else {}
        X = _packed(X) if isinstance(X, np.ndarray) else X
        return (self.module.irfft if real else self.module.ifft)(X, n=n, axis=-1, **options)

    def unscaled_inverse(self, X: Array, n: int, real: bool) -> Array:
        """Return n times the inverse of a temporary."""
        return (self.module.irfft if real else self.module.ifft)(X, n=n, axis=-1, norm="forward", **self.options)


class Pocket(Provider):
    """A compiled module whose functions have the arguments of pocketfft: the one inside SciPy, or ducc0, its heir.

    SciPy's own functions take three to five times as long as this for a short vector: they look for other backends and
    check what is known here.
    """

    def __init__(self, name: str, module: Any) -> None:
        super().__init__(name)
        self.c2c, self.r2c, self.c2r = module.c2c, module.r2c, module.c2r

    def forward(self, x: Array, n: int, real: bool) -> Array:
        """Transform, with no scale."""
        x = native(_fitted(x, n))
        return (self.r2c if real else self.c2c)(x, (x.ndim - 1,), True, 0, None, threads())

    def inverse(self, X: Array, n: int, real: bool, *, temporary: bool = False) -> Array:
        """Transform, with the scale 1/n; complex temporaries in place."""
        X = native(X)
        axes = (X.ndim - 1,)
        if real:
            return self.c2r(X, axes, n, False, 2, None, threads())
        return self.c2c(X, axes, False, 2, X if temporary else None, threads())


class Ducc(Pocket):
    """ducc0, which can convolve each vector while it is in the cache."""

    def __init__(self) -> None:
        module = importlib.import_module("ducc0").fft
        super().__init__("ducc0", module)
        self.convolve_axis = module.convolve_axis

    def convolve(self, x: Array, column: Array) -> Array:
        """Convolve without keeping the spectrum."""
        x = native(x)
        return self.convolve_axis(x, np.empty(x.shape, x.dtype), x.ndim - 1, native(column), threads())


class MKL(Module):
    """Intel's Math Kernel Library, through `mkl_fft`."""

    SMALL = 4096  # numbers that it transforms in one thread anyway
    is_extended = False

    def __init__(self) -> None:
        super().__init__("mkl_fft", importlib.import_module("mkl_fft"))
        library = ctypes.CDLL(importlib.import_module("mkl_fft._pydfti").__file__)
        self._limit = library.MKL_Set_Num_Threads_Local  # for calls out of this thread; returns what was set before

    def forward(self, x: Array, n: int, real: bool) -> Array:
        """Transform by `rfft` or `fft`."""
        transform = self.module.rfft if real else self.module.fft
        x = _packed(x)
        if x.size < self.SMALL:
            return transform(x, n)
        with self._limited():
            return transform(x, n)

    def inverse(self, X: Array, n: int, real: bool, *, temporary: bool = False) -> Array:
        """Transform by `irfft`, or by `ifft`, temporaries in place."""
        X = _packed(X)
        if X.size < self.SMALL:
            return self._inverted(X, n, real, temporary)
        with self._limited():
            return self._inverted(X, n, real, temporary)

    def _inverted(self, X: Array, n: int, real: bool, temporary: bool) -> Array:
        return self.module.irfft(X, n) if real else self.module.ifft(X, out=X if temporary else None)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        before = self._limit(1)  # its results depend on the number of threads
        try:
            yield
        finally:
            self._limit(before)


_COMPILED = "_pocketfft.pypocketfft", "_duccfft.pyduccfft"  # to SciPy 1.17, and from 1.18 on


def _scipy() -> Provider:
    """Return SciPy's transforms, without its dispatcher where this release has them in a known place."""
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

# The fastest first, one vector or many, of a length that is a power of two or not: `python -m benchmarks.providers`
# measures it. Of many vectors in powers of two MKL is the fastest in single precision, and up to some length.
_FASTEST = {
    (False, True): ("mkl_fft", "ducc0", "scipy"),
    (False, False): ("mkl_fft", "ducc0", "scipy"),
    (True, True): ("mkl_fft", "ducc0", "scipy"),
    (True, False): ("ducc0", "scipy", "mkl_fft"),
}
_LONG = range(2**13, 2**16)
_MANY = 4  # vectors


class _Settings:
    """What `set_fft_provider` and `set_threads` set."""

    forced: Provider | None = None
    threads: int | None = None
    from_outside: str | None = os.environ.get(VARIABLE) or None  # until it is first asked for


_settings = _Settings()


_loaded: dict[str, Provider] = {}


def _made(name: str) -> Provider:
    if name not in _loaded:
        _loaded[name] = _MAKERS[name]()
    return _loaded[name]


def installed() -> list[str]:
    """Return the names of the providers that are there."""
    return [name for name in _MAKERS if find_spec(name) is not None]


def _named(name: str, source: str) -> Provider | None:
    """Return the provider with a name that someone gave, None for "auto"."""
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


def _heed_variable() -> None:
    if _settings.from_outside is not None:
        _use(_named(_settings.from_outside, f"the environment variable {VARIABLE}"))


def provider_for(x: Array, n: int) -> Provider:
    """Return who transforms NumPy vectors (..., k) of length n."""
    if _settings.from_outside is not None:
        _heed_variable()
    forced, char = _settings.forced, x.dtype.char
    if forced is not None and (forced.is_extended or char not in "gG"):
        return forced
    return _fastest(n, x.size >= _MANY * x.shape[-1], char)


def choice() -> str:
    """Return the name of the provider that is set, or all that are chosen from."""
    _heed_variable()
    return _settings.forced.name if _settings.forced else "/".join(installed())


def threads() -> int:
    """Return how many threads a transform may take: SciPy's setting unless `set_threads` was called."""
    return _here.threads or _settings.threads or scipy.fft.get_workers()


class _Here(threading.local):
    """What holds in one thread."""

    threads: int | None = None


_here = _Here()


def _work_alone() -> None:
    """Keep the transforms of a thread that works beside others in that thread."""
    _here.threads = 1


def side_by_side(function: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Apply a function, as `itertools.starmap` does, but to as many items at once as `set_threads` allows."""
    count = _here.threads or _settings.threads or 1
    if count == 1:
        yield from itertools.starmap(function, items)
        return
    with ThreadPoolExecutor(count, initializer=_work_alone) as pool:
        waiting: collections.deque[Future[Any]] = collections.deque()
        for item in items:
            waiting.append(pool.submit(function, *item))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _packed(x: Array) -> Array:
    """Return an array of NumPy in the machine's byte order, its entries side by side, as modules can read it.

    `mkl_fft` takes views that repeat entries (stride 0) for others.
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


class Restore:
    """Undoes a setting at the end of a `with` block; to be thrown away where the setting shall stay."""

    def __init__(self, undo: Callable[[], object]) -> None:
        self._undo = undo

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo()


def set_fft_provider(provider: str | ModuleType) -> Restore:
    """Choose who computes the Fourier transforms of NumPy arrays.

    Parameters
    ----------
    provider : str or module
        "auto": for each length, batch and dtype the fastest of those installed, by measurement; this is the default.
        "scipy", "mkl_fft" or "ducc0": always this one. A module with `fft`, `ifft`, `rfft` and `irfft` like those of
        `numpy.fft`: always its functions; `scipy.fft` itself, for example, to reach the backends of
        `scipy.fft.set_backend`, which "scipy" passes by.

    Returns
    -------
    context manager
        Restores the earlier choice at the end of a `with` block. Outside of one the choice stays.

    Raises
    ------
    ValueError
        The name is unknown, or names a package that is not installed.
    TypeError
        `provider` is neither a name nor such a module.

    Notes
    -----
    The choice holds for the whole process, all threads. The environment variable STRUCTMAT_FFT_PROVIDER sets it from
    outside. Results differ between providers by rounding. Arrays of other libraries are always transformed by their
    own.

    Beside PyTorch, do not install mkl-service, which mkl_fft loads if it is there: it lets PyTorch see MKL, where
    PyTorch has another MKL inside, and transforms in several threads may then be wrong in both. "auto" passes mkl_fft
    by then.

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


def set_threads(count: int | None) -> Restore:
    """Set how many threads work on NumPy arrays: on a Fourier transform, or side by side on pieces of a large batch.

    Parameters
    ----------
    count : int or None
        At least 1. None, the default, leaves it to `scipy.fft.set_workers`, which is 1 unless set.

    Returns
    -------
    context manager
        Restores the earlier number at the end of a `with` block. Outside of one it stays.

    Raises
    ------
    ValueError
        The count is no positive integer.

    Notes
    -----
    The number holds for the whole process, and for all providers but modules of the user's. No result depends on it:
    mkl_fft, whose results would, transforms an array in one thread, and only pieces of large batches side by side. The
    functions of a `FunctionOperator` are called from several threads at once then. Matrix products are NumPy's:
    `threadpoolctl` limits their threads.

    Examples
    --------
    >>> import structmat as sm
    >>> with sm.set_threads(2):
    ...     pass
    """
    given: Any = count
    if given is not None and not (isinstance(given, int | np.integer) and type(given) is not bool and given > 0):
        raise ValueError(f"set_threads: count is {count!r}; expected a positive int or None.")
    before, _settings.threads = _settings.threads, None if count is None else int(count)
    return Restore(lambda: setattr(_settings, "threads", before))
