"""Building blocks of projections: random arrays and operators, padding, truncation and stacking."""

import dataclasses
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any, Self

from structmat._backend import devices, dtypes, namespaces, random
from structmat._backend.types import RNG, Array, Device, DType
from structmat.core.base import LinearOperator
from structmat.core.blocks import vstack
from structmat.core.fields import checked_size
from structmat.operators import Hadamard, Permutation, Restriction, SignFlip, identity


@dataclasses.dataclass(frozen=True)
class RandomSource:
    """The generator, dtype, library and device of the random parts of an operator."""

    rng: Any
    dtype: DType
    xp: ModuleType | None
    device: Device

    @classmethod
    def of(cls, rng: RNG, dtype: DType, xp: ModuleType | None, device: Device) -> Self:
        """Validate the keyword arguments that all projections share."""
        return cls(random.generator(rng), dtypes.as_dtype(namespaces.resolve(xp), dtype), xp, device)

    def array(self, draws: Any) -> Array:
        """Move numbers from the host to the device, in the dtype."""
        return devices.from_host(draws, namespaces.resolve(self.xp), device=self.device, dtype=self.dtype)

    def index(self, draws: Any) -> Array:
        """Move integers from the host to the device."""
        return devices.from_host(draws, namespaces.resolve(self.xp), device=self.device)

    def normal(self, shape: tuple[int, ...], scale: float) -> Array:
        """Draw Gaussians of standard deviation `scale`."""
        return random.normal(self.rng, shape, scale, dtype=self.dtype, xp=self.xp, device=self.device)

    def signs(self, n: int) -> SignFlip:
        """Draw fair signs."""
        return SignFlip.random(n, rng=self.rng, xp=self.xp, device=self.device)

    def permutation(self, n: int) -> Permutation:
        """Draw a permutation."""
        return Permutation.random(n, rng=self.rng, xp=self.xp, device=self.device)

    def rows(self, k: int, n: int) -> LinearOperator:
        """Draw k of n rows, all subsets with equal probability; the identity for k = n."""
        if k == n:
            return identity(n)
        return Restriction(n, self.index(self.rng.permutation(n)[:k]))

    def rotation(self, n: int) -> LinearOperator:
        """Draw the orthogonal matrix H D3 H D2 H D1, where n is an order of `Hadamard`."""
        H = Hadamard(n, norm="ortho")
        D1, D2, D3 = (self.signs(n) for _ in range(3))
        return H @ D3 @ H @ D2 @ H @ D1


def checked_sizes(title: str, **sizes: Any) -> list[int]:
    """Return sizes as ints; raise ValueError unless they are positive ints."""
    return [checked_size(title, name, value) for name, value in sizes.items()]


def hadamard_order(d: int) -> int:
    """Return the least n ≥ d that is an order of `Hadamard`: 2^k, 12·2^k or 20·2^k."""
    return min(core << ((d - 1) // core).bit_length() for core in (1, 12, 20))


def warn_of_few_rotations(title: str, d: int, fault: str, remedy: str, *, stacklevel: int = 3) -> None:
    """Warn if d is so small that `RandomSource.rotation` has few values, unlike a random rotation."""
    n = hadamard_order(d)
    if n < 12:
        warnings.warn(
            f"{title}: d is {d}; signs and Hadamard matrices of order {n} make few rotations, {fault}. Use {remedy}, "
            f"or vectors of at least 9 entries.",
            stacklevel=stacklevel,
        )


def truncate(k: int, n: int) -> LinearOperator:
    """Return the operator that keeps the first k of n entries."""
    return identity(n) if k == n else Restriction(n, slice(0, k))


def pad(d: int, n: int) -> LinearOperator:
    """Return the operator that pads vectors of length d with zeros to length n."""
    return truncate(d, n).H


def stack(k: int, n: int, block: Callable[[int], LinearOperator]) -> LinearOperator:
    """Stack blocks of n rows, the last of fewer, to k rows in all; `block` draws one of a number of rows."""
    return vstack([block(min(n, k - start)) for start in range(0, k, n)])
