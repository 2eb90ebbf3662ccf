"""Cascades of diagonals and fast transforms."""

from functools import reduce
from operator import matmul
from types import ModuleType

from structmat._backend import random
from structmat._backend.types import RNG, Device, DType
from structmat.core.base import LinearOperator
from structmat.operators import DCT, Circulant, Diagonal
from structmat.projections.parts import RandomSource, checked_sizes


def acdc(
    d: int,
    depth: int,
    *,
    sigma: float = 0.1,
    rng: RNG = None,
    dtype: DType = None,
    xp: ModuleType | None = None,
    device: Device = None,
) -> LinearOperator:
    r"""Cascade of diagonals between cosine transforms, near the identity.

    .. math:: P = \prod_{l} C^T D_l C A_l,

    where C is the orthogonal discrete cosine transform and the diagonals A and D are drawn from N(1, σ²), divided by
    √(1 + σ²).

    Parameters
    ----------
    d : int
        Input and output dimension, any.
    depth : int
        Number of factors, at least 1.
    sigma : float, optional
        Standard deviation σ of the diagonals. Deep cascades need a start near the identity to be trained [1]_.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (d, d), with 2 `depth` parameters of d entries, scaled so that E‖P x‖² = ‖x‖².

    Raises
    ------
    ValueError
        d or `depth` is not a positive int, or `sigma` is negative.

    Notes
    -----
    Cost: O(depth d log d) time, O(depth d) memory.

    It is a structure for training, not a random projection: initially it keeps the directions of vectors, not only
    their distances. The paper writes the factor A C D C⁻¹ for row vectors; networks put nonlinearities and permutations
    between factors.

    Gradient: see `Diagonal`.

    References
    ----------
    .. [1] M. Moczulski, M. Denil, J. Appleyard and N. de Freitas, "ACDC: a structured efficient linear layer", *ICLR*
       2016.

    Examples
    --------
    >>> import structmat as sm
    >>> P = sm.projections.acdc(100, depth=3, rng=0)
    >>> P, len(P.params)
    (Product(100×100, 12 parts, dtype=float64, xp=numpy, device=cpu, params=600), 6)
    """
    d, depth = checked_sizes("acdc", d=d, depth=depth)
    if not sigma >= 0:
        raise ValueError(f"acdc: sigma is {sigma!r}; expected a standard deviation of at least 0.")
    source, C = RandomSource.of(rng, dtype, xp, device), DCT(d, norm="ortho")

    def diagonal() -> Diagonal:
        return Diagonal(source.array((1 + sigma * source.rng.standard_normal(d)) / (1 + sigma**2) ** 0.5))

    return reduce(matmul, [C.H @ diagonal() @ C @ diagonal() for _ in range(depth)])


def diagonal_circulant(
    d: int, depth: int, *, rng: RNG = None, dtype: DType = None, xp: ModuleType | None = None, device: Device = None
) -> LinearOperator:
    r"""Cascade of circulant matrices and diagonals.

    .. math:: P = \prod_{l} C_l D_l,

    where the circulant C have Gaussian columns of variance 1/d and the diagonals D are initially random signs.

    Parameters
    ----------
    d : int
        Input and output dimension, any.
    depth : int
        Number of factors, at least 1.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (d, d), with 2 `depth` parameters of d entries, scaled so that E‖P x‖² = ‖x‖².

    Raises
    ------
    ValueError
        d or `depth` is not a positive int.

    Notes
    -----
    Cost: O(depth d log d) time, O(depth d) memory.

    A product of d factors with complex entries can equal any matrix of order d [1]_. The mean squared length is kept at
    each depth; its variance grows with the depth.

    Gradient: see `Circulant` and `Diagonal`.

    References
    ----------
    .. [1] M. Huhtanen and A. Perämäki, "Factoring matrices into the product of circulant and diagonal matrices",
       *Journal of Fourier Analysis and Applications* 21, 2015.
    .. [2] A. Araujo, B. Negrevergne, Y. Chevaleyre and J. Atif, "Understanding and training deep diagonal circulant
       neural networks", *ECAI* 2020.

    Examples
    --------
    >>> import structmat as sm
    >>> P = sm.projections.diagonal_circulant(100, depth=2, rng=0)
    >>> P.param_names
    ('0.column', '1.entries', '2.column', '3.entries')
    """
    d, depth = checked_sizes("diagonal_circulant", d=d, depth=depth)
    source = RandomSource.of(rng, dtype, xp, device)

    def factor() -> LinearOperator:
        D = Diagonal(source.array(random.signs(source.rng, d)))
        return Circulant(source.normal((d,), d**-0.5)) @ D

    return reduce(matmul, [factor() for _ in range(depth)])
