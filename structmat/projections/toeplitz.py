"""The Toeplitz projection."""

from types import ModuleType

from structmat._backend.types import RNG, Device, DType
from structmat.core.base import LinearOperator
from structmat.operators import Toeplitz
from structmat.projections.parts import RandomSource, checked_sizes


def toeplitz_projection(
    d: int, k: int, *, rng: RNG = None, dtype: DType = None, xp: ModuleType | None = None, device: Device = None
) -> LinearOperator:
    r"""Random Toeplitz projection of d dimensions to k, x ↦ T D x.

    D flips random signs, which are fixed; T is Toeplitz with a Gaussian column and row, the parameters.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int
        Output dimension, larger than d or not.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (k, d), with two parameters, scaled so that E‖P x‖² = ‖x‖². `.freeze()` makes T constant.

    Raises
    ------
    ValueError
        d or k is not a positive int.

    Notes
    -----
    Cost: O((d + k) log(d + k)) time, O(d + k) memory. It has k - 1 random numbers more than `circulant_projection`,
    and no row is a shift of another row, so one matrix suffices for k > d.

    A distance is kept to a factor 1 ± ε with probability 1 - δ for k of order ε⁻² log²(1/δ) [1]_, more than for a dense
    Gaussian projection.

    Gradient: see `Toeplitz`.

    References
    ----------
    .. [1] C. B. Freksen and K. G. Larsen, "On using Toeplitz and circulant matrices for Johnson-Lindenstrauss
       transforms", *Algorithmica* 82, 2020.

    Examples
    --------
    >>> import structmat as sm
    >>> print(sm.projections.toeplitz_projection(784, 100, rng=0))
    Product(100×784, 2 parts, dtype=float64, xp=numpy, device=cpu, params=884)
    ├─ Toeplitz(100×784, dtype=float64, xp=numpy, device=cpu, params=884)
    └─ SignFlip(784×784, xp=numpy, device=cpu, params=0)
    """
    d, k = checked_sizes("toeplitz_projection", d=d, k=k)
    source = RandomSource.of(rng, dtype, xp, device)
    flips = source.signs(d)
    return Toeplitz(source.normal((k,), k**-0.5), source.normal((d,), k**-0.5)) @ flips
