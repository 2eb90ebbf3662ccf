"""Projections through Hadamard matrices and random signs."""

import math
from types import ModuleType

from structmat._backend import namespaces
from structmat._backend.types import RNG, Device, DType
from structmat.core.base import LinearOperator
from structmat.operators import Hadamard, Sparse, Zero
from structmat.projections.parts import RandomSource, checked_sizes, hadamard_order, pad, stack, truncate


def srht(
    d: int, k: int, *, rng: RNG = None, dtype: DType = None, xp: ModuleType | None = None, device: Device = None
) -> LinearOperator:
    r"""Subsampled randomised Hadamard transform of d dimensions to k.

    .. math:: P = \sqrt{n / k}\, R H D,

    where D flips random signs, H is the orthogonal Hadamard matrix of the least order n ≥ d, and R keeps k of its rows,
    drawn without replacement. x is padded with zeros to length n.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int
        Output dimension. For k > n independent transforms are stacked.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (k, d), without parameters, scaled so that E‖P x‖² = ‖x‖². For k = n = d it is orthogonal.

    Raises
    ------
    ValueError
        d or k is not a positive int.

    Notes
    -----
    Cost: O(n log n) time for each of ⌈k/n⌉ transforms; n bytes for the signs and k indices.

    No entry of H D x is larger than about √(log n / n) ‖x‖, so few rows suffice. A subspace of dimension r is embedded
    for k of order (r + log n) log r [2]_.

    Gradient: none, there are no parameters.

    References
    ----------
    .. [1] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest neighbors",
       *SIAM Journal on Computing* 39(1), 2009.
    .. [2] J. A. Tropp, "Improved analysis of the subsampled randomized Hadamard transform", *Advances in Adaptive Data
       Analysis* 3, 2011.

    Examples
    --------
    >>> import structmat as sm
    >>> print(sm.projections.srht(784, 100, rng=0))
    Scaled(100×784, scalar=3.2, xp=numpy, device=cpu, params=0)
    └─ Product(100×784, 4 parts, xp=numpy, device=cpu, params=0)
       ├─ Restriction(100×1024, xp=numpy, device=cpu, params=0)
       ├─ Hadamard(1024×1024, params=0)
       ├─ SignFlip(1024×1024, xp=numpy, device=cpu, params=0)
       └─ Adjoint(1024×784, params=0)
          └─ Restriction(784×1024, params=0)
    """
    d, k = checked_sizes("srht", d=d, k=k)
    source, n = RandomSource.of(rng, dtype, xp, device), hadamard_order(d)
    H = Hadamard(n, norm="ortho")
    return math.sqrt(n / k) * (stack(k, n, lambda rows: source.rows(rows, n) @ H @ source.signs(n)) @ pad(d, n))


def fjlt(
    d: int,
    k: int,
    *,
    density: float | None = None,
    rng: RNG = None,
    dtype: DType = None,
    xp: ModuleType | None = None,
    device: Device = None,
) -> LinearOperator:
    r"""Fast Johnson–Lindenstrauss transform of Ailon and Chazelle, of d dimensions to k.

    .. math:: \Phi = G H D, \qquad G_{ij} \sim \begin{cases} N(0, 1 / (k q)) & \text{with probability } q, \\
       0 & \text{otherwise}, \end{cases}

    where D flips random signs, H is the orthogonal Hadamard matrix of the least order n ≥ d, and G is sparse. x is
    padded with zeros to length n.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int
        Output dimension, larger than d or not.
    density : float, optional
        The probability q, 0 < q ≤ 1; min(1, (1 + ln n)² / n) unless given. Ailon and Chazelle take q of order
        log²(N) / d for N points; the default assumes N = n.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (k, d), scaled so that E‖P x‖² = ‖x‖². Its one parameter has the nonzero entries of G, whose positions
        are fixed; G is a `Zero` if there are none. `.freeze()` makes G constant.

    Raises
    ------
    ValueError
        d or k is not a positive int, or the density is not in (0, 1].

    Notes
    -----
    Cost: O(n log n + q k n) time and O(n + q k n) memory. With sparse Gaussian rows, k of order ε⁻² log N suffices, as
    for a dense Gaussian matrix; `srht` is cheaper.

    Gradient: see `Sparse`.

    References
    ----------
    .. [1] N. Ailon and B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest neighbors",
       *SIAM Journal on Computing* 39(1), 2009.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> P = sm.projections.fjlt(784, 100, rng=0)
    >>> P.shape, P.param_names
    ((100, 784), ('0.values',))
    >>> P.matvec(np.ones((5, 784))).shape
    (5, 100)
    """
    d, k = checked_sizes("fjlt", d=d, k=k)
    source, n = RandomSource.of(rng, dtype, xp, device), hadamard_order(d)
    q = min(1.0, (1 + math.log(n)) ** 2 / n) if density is None else density
    if not 0 < q <= 1:
        raise ValueError(f"fjlt: density is {density!r}; expected a probability, more than 0 and at most 1.")
    counts = source.rng.binomial(n, q, size=k)
    G: LinearOperator = Zero(k, n)
    if total := int(counts.sum()):
        host = namespaces.resolve(None)
        rows = host.repeat(host.arange(k), counts)
        columns = host.concat([source.rng.choice(n, count, replace=False) for count in counts])
        G = Sparse(source.normal((total,), (q * k) ** -0.5), source.index(rows), source.index(columns), k, n)
    return G @ Hadamard(n, norm="ortho") @ source.signs(n) @ pad(d, n)


def hd3(
    d: int, *, rng: RNG = None, dtype: DType = None, xp: ModuleType | None = None, device: Device = None
) -> LinearOperator:
    r"""Random rotation by three rounds of signs and a Hadamard matrix.

    .. math:: P = H D_3 H D_2 H D_1,

    where the D flip random signs and H is the orthogonal Hadamard matrix of the least order n ≥ d. x is padded with
    zeros to length n.

    Parameters
    ----------
    d : int
        Input dimension.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (n, d), without parameters; ‖P x‖ = ‖x‖ exactly. It is square where d is an order of `Hadamard`.

    Raises
    ------
    ValueError
        d is not a positive int.

    Notes
    -----
    Cost: O(n log n) time, 3 n bytes for the signs.

    It replaces a dense random rotation in locality-sensitive hashing [1]_ and in structured spinners [2]_. For fewer or
    more than n rows see `sorf`.

    It behaves like a random rotation for n ≥ 12 only. There are 2^3n sign patterns, but few distinct products for small
    n: 8 matrices for n = 2, and 192 for n = 4.

    Gradient: none, there are no parameters.

    References
    ----------
    .. [1] A. Andoni, P. Indyk, T. Laarhoven, I. Razenshteyn and L. Schmidt, "Practical and optimal LSH for angular
       distance", *NeurIPS* 2015.
    .. [2] M. Bojarski et al., "Structured adaptive and random spinners for fast machine learning computations",
       *AISTATS* 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> P = sm.projections.hd3(5, rng=0)
    >>> P.shape
    (8, 5)
    >>> np.allclose((P.H @ P).to_dense(), np.eye(5))
    True
    """
    (d,) = checked_sizes("hd3", d=d)
    n = hadamard_order(d)
    return RandomSource.of(rng, dtype, xp, device).rotation(n) @ pad(d, n)


def sorf(
    d: int, k: int, *, rng: RNG = None, dtype: DType = None, xp: ModuleType | None = None, device: Device = None
) -> LinearOperator:
    r"""Structured orthogonal random features: the rows of `hd3` rotations.

    .. math:: P = \sqrt{n / k}\, (H D_3 H D_2 H D_1)_{1..k},

    where the D flip random signs and H is the orthogonal Hadamard matrix of the least order n ≥ d. x is padded with
    zeros to length n.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int
        Output dimension. For k > n independent rotations are stacked.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (k, d), without parameters, scaled so that E‖P x‖² = ‖x‖².

    Raises
    ------
    ValueError
        d or k is not a positive int.

    Notes
    -----
    Cost: O(n log n) time for each of ⌈k/n⌉ rotations, 3 n bytes for the signs of each.

    For random features of the Gaussian kernel exp(-‖x - z‖² / 2σ²) use √k / σ times P: its rows have the length √n / σ,
    as in the matrix √d / σ H D1 H D2 H D3 of the paper. The rows are not Gaussian: with t = ‖x - z‖ / σ, features from
    uniformly distributed rows of this length have the mean

    .. math:: e^{-t^2/2} \Bigl(1 - \frac{t^4}{4 n} + O(n^{-2})\Bigr)

    instead of the kernel, which is at most 0.54 / n too small. For t ≤ 4, the measured error of P is at most 1 / n for
    n ≥ 12, but up to 0.45 for n = 8, 0.9 for n = 4 and 1 for n = 2, where products with the rows take few values. If
    x - z has one or two nonzero entries, products lie on a lattice for larger n as well, and at some larger distances,
    such as t = 25 for n = 16, the mean is 1 again.

    Gradient: none, there are no parameters.

    References
    ----------
    .. [1] F. X. Yu, A. T. Suresh, K. Choromanski, D. Holtmann-Rice and S. Kumar, "Orthogonal random features",
       *NeurIPS* 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> P = sm.projections.sorf(4, 6, rng=0)
    >>> np.sqrt(6) * np.linalg.norm(P.to_dense(), axis=1)
    array([2., 2., 2., 2., 2., 2.])
    """
    d, k = checked_sizes("sorf", d=d, k=k)
    source, n = RandomSource.of(rng, dtype, xp, device), hadamard_order(d)
    return math.sqrt(n / k) * (stack(k, n, lambda rows: truncate(rows, n) @ source.rotation(n)) @ pad(d, n))
