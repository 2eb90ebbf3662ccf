"""Random numbers, drawn on the host by NumPy so that a seed gives the same operator with every library."""

import numpy as np

from structmat._backend import devices, dtypes, namespaces
from structmat._backend.types import RNG, Array, Device, DType, Namespace

_SEEDS = int | np.integer | np.random.SeedSequence | np.random.BitGenerator


def generator(rng: RNG) -> np.random.Generator:
    """Return a generator from a seed, a generator (returned as it is) or None (fresh entropy)."""
    is_seed = isinstance(rng, _SEEDS) and not isinstance(rng, bool)  # hardly meant as the seed 0 or 1
    if not (rng is None or is_seed or isinstance(rng, np.random.Generator)):
        raise _seed_error(rng, TypeError)
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise _seed_error(rng, type(error)) from error


def _seed_error(rng: object, kind: type[Exception]) -> Exception:
    old = isinstance(rng, np.random.RandomState)
    hint = " numpy.random.default_rng(state.randint(2**31)) is a generator that it seeds." if old else ""
    return kind(f"rng is {rng!r}; expected a seed, an int of 0 or more, a numpy.random.Generator or None.{hint}")


def signs(rng: np.random.Generator, n: int, *, xp: Namespace | None = None, device: Device = None) -> Array:
    """Draw n independent fair signs, as int8."""
    draws = 1 - 2 * rng.integers(0, 2, size=n, dtype=np.int8)
    return devices.from_host(draws, namespaces.resolve(xp), device=device)


def permutation(rng: np.random.Generator, n: int, *, xp: Namespace | None = None, device: Device = None) -> Array:
    """Draw a permutation of 0, ..., n - 1, as int64."""
    return devices.from_host(rng.permutation(n), namespaces.resolve(xp), device=device)


def normal(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    scale: float,
    *,
    dtype: DType = None,
    xp: Namespace | None = None,
    device: Device = None,
) -> Array:
    """Draw independent Gaussians of mean 0 and standard deviation `scale`, in double precision, then cast."""
    xp = namespaces.resolve(xp)
    draws = rng.standard_normal(shape) * scale
    return devices.from_host(draws, xp, device=device, dtype=dtypes.as_dtype(xp, dtype))
