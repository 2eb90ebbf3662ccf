"""Threads: of a Fourier transform, or side by side on chunks of a batch."""

import collections
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.fft


class _Here(threading.local):
    threads: int | None = None


_process = SimpleNamespace(threads=None)  # the setting of `set_threads`
_here = _Here()  # overrides it within a thread


def chosen() -> int | None:
    """Return the number of `set_threads`, None if it was not called; 1 in a thread of `starmap`."""
    return _here.threads or _process.threads


def count() -> int:
    """Return how many threads a transform of NumPy arrays may take: SciPy's setting unless `set_threads` was called."""
    return chosen() or scipy.fft.get_workers()


def _limit_to_one() -> None:
    """Keep the transforms of a worker thread in that thread."""
    _here.threads = 1


def starmap(function: Callable[..., Any], items: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
    """Apply a function as `itertools.starmap` does, to as many items at once as `set_threads` allows."""
    workers = _here.threads or _process.threads or 1
    if workers == 1:
        yield from itertools.starmap(function, items)
        return
    with ThreadPoolExecutor(workers, initializer=_limit_to_one) as pool:
        waiting: collections.deque[Future[Any]] = collections.deque()
        for item in items:
            waiting.append(pool.submit(function, *item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def set_threads(count: int | None) -> ExitStack:
    """Set how many threads work on arrays on the CPU.

    They share a product by the compiled kernels, a Fourier transform of NumPy arrays, or the chunks of a large batch.

    Parameters
    ----------
    count : int or None
        At least 1. None, the default, follows the library of the array: `scipy.fft.set_workers` for NumPy arrays, which
        is 1 unless set, and `torch.set_num_threads` for PyTorch tensors.

    Returns
    -------
    context manager
        Restores the earlier number at the end of a `with` block. Without one it stays.

    Raises
    ------
    ValueError
        The count is not a positive integer.

    Notes
    -----
    The number holds for the whole process. No result depends on it. With more than one thread, the functions of a
    `FunctionOperator` are called from several threads at once, and chunks of large batches are transformed by the
    backend of `scipy.fft.set_global_backend`: that of `scipy.fft.set_backend` is the backend of one thread. Matrix
    products are NumPy's: `threadpoolctl` limits their threads.

    Examples
    --------
    >>> import structmat as sm
    >>> with sm.set_threads(2):
    ...     pass
    """
    given: Any = count
    if given is not None and not (isinstance(given, int | np.integer) and type(given) is not bool and given > 0):
        raise ValueError(f"set_threads: count is {count!r}; expected a positive int or None.")
    before, _process.threads = _process.threads, None if count is None else int(count)
    restore = ExitStack()
    restore.callback(setattr, _process, "threads", before)
    return restore
