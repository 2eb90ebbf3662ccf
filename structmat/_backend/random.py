"""Random numbers, drawn on the host by NumPy so that one seed gives the same operator on every backend."""

from typing import TypeAlias

import numpy as np

from structmat._backend.arrays import Array, Device, DType, Namespace, as_dtype, as_namespace, from_host

RNG: TypeAlias = np.random.Generator | int | None


def generator(rng: RNG) -> np.random.Generator:
    """Return a generator as SPEC 7 has it: from a seed, a generator (returned as it is) or None (fresh entropy)."""
    if rng is not None and not isinstance(rng, np.random.Generator | SEEDS):
        raise _no_seed(rng, TypeError)
    if isinstance(rng, bool | np.bool_):  # an int to Python, and hardly the seed 0 or 1
        raise _no_seed(rng, TypeError)
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise _no_seed(rng, type(error)) from error


SEEDS = int | np.integer | np.random.SeedSequence | np.random.BitGenerator


def _no_seed(rng: object, kind: type[Exception]) -> Exception:
    old = isinstance(rng, np.random.RandomState)
    hint = " numpy.random.default_rng(state.randint(2**31)) is a generator that it seeds." if old else ""
    return kind(f"rng is {rng!r}; expected a seed, an int of 0 or more, a numpy.random.Generator or None.{hint}")


def random_signs(rng: np.random.Generator, n: int, *, xp: Namespace | None = None, device: Device = None) -> Array:
    """Draw n independent fair signs, as int8."""
    signs = 1 - 2 * rng.integers(0, 2, size=n, dtype=np.int8)
    return from_host(signs, as_namespace(xp), device=device)


def random_permutation(
    rng: np.random.Generator, n: int, *, xp: Namespace | None = None, device: Device = None
) -> Array:
    """Draw a permutation of 0, ..., n - 1, as int64."""
    return from_host(rng.permutation(n), as_namespace(xp), device=device)


def random_normal(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    scale: float,
    *,
    dtype: DType = None,
    xp: Namespace | None = None,
    device: Device = None,
) -> Array:
    """Draw independent Gaussians of mean 0 and standard deviation `scale`, in double precision, then cast."""
    xp = as_namespace(xp)
    draws = rng.standard_normal(shape) * scale
    return from_host(draws, xp, device=device, dtype=as_dtype(xp, dtype))
