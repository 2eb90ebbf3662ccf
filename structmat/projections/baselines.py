"""Baselines for comparison with the structured projections."""

from types import ModuleType

from structmat._backend.types import RNG, Device, DType
from structmat.core.base import LinearOperator
from structmat.operators import Dense, LowRank
from structmat.projections.parts import RandomSource, checked_sizes


def gaussian_projection(
    d: int, k: int, *, rng: RNG = None, dtype: DType = None, xp: ModuleType | None = None, device: Device = None
) -> LinearOperator:
    """Dense Gaussian projection of d dimensions to k.

    All entries are independent, of mean 0 and variance 1/k.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int
        Output dimension.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        A `Dense` of shape (k, d), scaled so that E‖P x‖² = ‖x‖².

    Raises
    ------
    ValueError
        d or k is not a positive int.

    Notes
    -----
    Cost: O(d k) time and memory.

    ‖P x‖² / ‖x‖² has the χ² distribution with k degrees of freedom, divided by k, so the distances of N points are kept
    to a factor 1 ± ε for k of order ε⁻² log N [1]_, the best order of any linear map.

    Gradient: see `Dense`.

    References
    ----------
    .. [1] S. Dasgupta and A. Gupta, "An elementary proof of a theorem of Johnson and Lindenstrauss", *Random Structures
       & Algorithms* 22(1), 2003.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.projections.gaussian_projection(784, 100, rng=0)
    Dense(100×784, dtype=float64, xp=numpy, device=cpu, params=78400)
    """
    d, k = checked_sizes("gaussian_projection", d=d, k=k)
    return Dense(RandomSource.of(rng, dtype, xp, device).normal((k, d), k**-0.5))


def low_rank(
    d: int,
    k: int,
    rank: int,
    *,
    rng: RNG = None,
    dtype: DType = None,
    xp: ModuleType | None = None,
    device: Device = None,
) -> LinearOperator:
    """Gaussian matrix of low rank, from d dimensions to k.

    P = U V^T with independent Gaussian entries, of variance 1/k in U and 1/r in V.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int
        Output dimension.
    rank : int
        Columns r of U and V.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        A `LowRank` of shape (k, d), with two parameters, scaled so that E‖P x‖² = ‖x‖².

    Raises
    ------
    ValueError
        d, k or `rank` is not a positive int.

    Notes
    -----
    Cost: O((d + k) r) time and memory.

    It keeps distances as a Gaussian projection to r dimensions does, however large k is. As a layer it is a baseline
    for structured ones [1]_.

    Gradient: see `LowRank`.

    References
    ----------
    .. [1] T. N. Sainath, B. Kingsbury, V. Sindhwani, E. Arisoy and B. Ramabhadran, "Low-rank matrix factorization for
       deep neural network training with high-dimensional output targets", *ICASSP* 2013.

    Examples
    --------
    >>> import structmat as sm
    >>> sm.projections.low_rank(784, 100, rank=8, rng=0)
    LowRank(100×784, dtype=float64, xp=numpy, device=cpu, params=7072)
    """
    d, k, rank = checked_sizes("low_rank", d=d, k=k, rank=rank)
    source = RandomSource.of(rng, dtype, xp, device)
    return LowRank(source.normal((k, rank), k**-0.5), source.normal((d, rank), rank**-0.5))
