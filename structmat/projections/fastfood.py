"""Fastfood: approximately Gaussian matrices from Hadamard matrices and diagonals."""

from types import ModuleType

from structmat._backend import random
from structmat._backend.types import RNG, Device, DType
from structmat.core.base import LinearOperator
from structmat.operators import Diagonal, Hadamard, Permutation, SignFlip
from structmat.projections.parts import RandomSource, checked_sizes, hadamard_order, pad, stack, truncate


def double_hadamard(rows: int, G: Diagonal, shuffle: Permutation, B: LinearOperator) -> LinearOperator:
    """Return the first rows of H G Π H B, for orthogonal H."""
    H = Hadamard(G.n, norm="ortho")
    return truncate(rows, G.n) @ H @ G @ shuffle @ H @ B


def fastfood(
    d: int,
    k: int,
    *,
    adaptive: bool = False,
    rng: RNG = None,
    dtype: DType = None,
    xp: ModuleType | None = None,
    device: Device = None,
) -> LinearOperator:
    r"""Fastfood projection of d dimensions to k: approximately Gaussian, at the cost of Hadamard transforms.

    .. math:: P = \sqrt{n / k}\, S H G \Pi H B,

    where B flips random signs, H is the orthogonal Hadamard matrix of the least order n ≥ d, Π a random permutation, G
    a diagonal of standard Gaussians, and S a diagonal that gives the rows the lengths of Gaussian vectors:
    S_ii = s_i / ‖G‖, where s_i has the χ distribution with n degrees of freedom. x is padded with zeros to length n.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int
        Output dimension: the first k rows for k < n, stacked independent blocks for k > n.
    adaptive : bool, optional
        Whether S, G and B are parameters, as in a deep-fried network; otherwise they are constant.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (k, d), scaled so that E‖P x‖² = ‖x‖². With `adaptive` it has three parameters a block, of k (or n), n
        and n entries; S holds the scale as well.

    Raises
    ------
    ValueError
        d or k is not a positive int.

    Notes
    -----
    Cost: O(n log n) time and O(n) memory for each of ⌈k/n⌉ blocks.

    For d = n the lengths of the rows of √k P are independent and distributed exactly as for standard Gaussian vectors,
    and cosines between rows are of order 1/√n. For random features of the Gaussian kernel exp(-‖x - z‖² / 2σ²) use
    √k / σ times P.

    Gradient: see `Diagonal`.

    References
    ----------
    .. [1] Q. Le, T. Sarlós and A. Smola, "Fastfood - approximating kernel expansions in loglinear time", *ICML* 2013.
    .. [2] Z. Yang, M. Moczulski, M. Denil, N. de Freitas, A. Smola, L. Song and Z. Wang, "Deep fried convnets", *ICCV*
       2015.

    Examples
    --------
    >>> import structmat as sm
    >>> P = sm.projections.fastfood(784, 500, adaptive=True, rng=0, dtype="float32")
    >>> print(P)
    Product(500×784, 8 parts, dtype=float32, xp=numpy, device=cpu, params=2548)
    ├─ Diagonal(500×500, dtype=float32, xp=numpy, device=cpu, params=500)
    ├─ Restriction(500×1024, params=0)
    ├─ Hadamard(1024×1024, params=0)
    ├─ Diagonal(1024×1024, dtype=float32, xp=numpy, device=cpu, params=1024)
    ├─ Permutation(1024×1024, xp=numpy, device=cpu, params=0)
    ├─ Hadamard(1024×1024, params=0)
    ├─ Diagonal(1024×1024, dtype=float32, xp=numpy, device=cpu, params=1024)
    └─ Adjoint(1024×784, params=0)
       └─ Restriction(784×1024, params=0)
    >>> sm.projections.fastfood(784, 500, rng=0).params
    ()
    """
    d, k = checked_sizes("fastfood", d=d, k=k)
    source, n = RandomSource.of(rng, dtype, xp, device), hadamard_order(d)

    def block(rows: int) -> LinearOperator:
        signs = random.signs(source.rng, n)
        B = Diagonal(source.array(signs)) if adaptive else SignFlip(source.index(signs))
        shuffle = source.permutation(n)
        draws = source.rng.standard_normal(n)
        lengths = (source.rng.chisquare(n, rows) * (n / k) / (draws @ draws)) ** 0.5
        S, G = Diagonal(source.array(lengths)), Diagonal(source.array(draws))
        return S @ double_hadamard(rows, G, shuffle, B)

    whole = stack(k, n, block) @ pad(d, n)
    return whole if adaptive else whole.freeze()
