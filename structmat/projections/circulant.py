"""The circulant projection of Cheng et al., and block circulant ones."""

import math
from types import ModuleType
from typing import Literal

from structmat._backend.types import RNG, Device, DType
from structmat.compounds import block_circulant
from structmat.core.base import LinearOperator
from structmat.operators import BlockCirculant, Circulant
from structmat.projections.parts import RandomSource, checked_sizes, pad, truncate


def circulant_projection(
    d: int,
    k: int | None = None,
    *,
    kind: Literal["truncate", "stack", "pad"] | None = None,
    rng: RNG = None,
    dtype: DType = None,
    xp: ModuleType | None = None,
    device: Device = None,
) -> LinearOperator:
    r"""Random circulant projection of d dimensions to k, x ↦ R D x.

    D flips random signs, which are fixed; R is circulant with a Gaussian column, the parameter. It replaces a dense
    k × d matrix with O(d) memory and O(d log d) time.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int, optional
        Output dimension; d unless given.
    kind : {"truncate", "stack", "pad"}, optional
        How to obtain k ≠ d outputs. "truncate" (k ≤ d, the default there) keeps the first k outputs of one circulant.
        "stack" (k ≥ d, the default for k > d) stacks ⌈k/d⌉ circulants, which share one transform of x, and keeps the
        first k outputs: O(k log d). "pad" (k ≥ d) pads x with zeros to length k for one circulant of size k:
        O(k log k).
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (k, d), with one parameter, scaled so that E‖P x‖² = ‖x‖². `.freeze()` makes R constant.

    Raises
    ------
    ValueError
        d or k is not a positive int, or `kind` is unknown or does not fit k.

    Notes
    -----
    Without D, R would map constant vectors to constant vectors. A distance is kept to a factor 1 ± ε with probability
    1 - δ for k of order ε⁻² log²(1/δ) [2]_, more than for a dense Gaussian projection.

    Gradient: see `Circulant` and `BlockCirculant`.

    References
    ----------
    .. [1] Y. Cheng, F. X. Yu, R. S. Feris, S. Kumar, A. Choudhary and S.-F. Chang, "An exploration of parameter
       redundancy in deep networks with circulant projections", *ICCV* 2015.
    .. [2] C. B. Freksen and K. G. Larsen, "On using Toeplitz and circulant matrices for Johnson-Lindenstrauss
       transforms", *Algorithmica* 82, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> P = sm.projections.circulant_projection(784, 100, rng=0, dtype="float32")
    >>> print(P)
    Product(100×784, 3 parts, dtype=float32, xp=numpy, device=cpu, params=784)
    ├─ Restriction(100×784, params=0)
    ├─ Circulant(784×784, dtype=float32, xp=numpy, device=cpu, params=784)
    └─ SignFlip(784×784, xp=numpy, device=cpu, params=0)
    >>> P.matvec(np.ones((5, 784), dtype=np.float32)).shape
    (5, 100)
    """
    k = d if k is None else k
    d, k = checked_sizes("circulant_projection", d=d, k=k)
    kind = kind or ("truncate" if k <= d else "stack")
    if kind not in ("truncate", "stack", "pad"):
        raise ValueError(f"circulant_projection: kind is {kind!r}; expected 'truncate', 'stack' or 'pad'.")
    if (k > d and kind == "truncate") or (k < d and kind != "truncate"):
        raise ValueError(
            f"circulant_projection: kind is {kind!r} with k = {k}, d = {d}; expected k {'<=' if k > d else '>='} d."
        )
    source = RandomSource.of(rng, dtype, xp, device)
    flips = source.signs(d)
    shape = {"truncate": (d,), "stack": (math.ceil(k / d), 1, d), "pad": (k,)}[kind]
    weights = source.normal(shape, k**-0.5)
    R: LinearOperator = BlockCirculant(weights) if kind == "stack" else Circulant(weights)
    return truncate(k, R.m) @ R @ pad(d, R.n) @ flips


def block_circulant_projection(
    d: int,
    k: int,
    *,
    block_size: int,
    rng: RNG = None,
    dtype: DType = None,
    xp: ModuleType | None = None,
    device: Device = None,
) -> LinearOperator:
    r"""Random projection of d dimensions to k by circulant blocks, x ↦ R D x.

    D flips random signs, which are fixed; R is a matrix of circulant blocks with Gaussian columns, the parameter. It is
    dense for blocks of size 1 and circulant for blocks of size k = d.

    Parameters
    ----------
    d : int
        Input dimension.
    k : int
        Output dimension, larger than d or not.
    block_size : int
        Size b of a block. If it does not divide d or k, the last blocks are truncated.
    rng, dtype, xp, device : optional
        Seed, dtype, library and device of the random arrays; see `structmat.projections`.

    Returns
    -------
    LinearOperator
        Of shape (k, d), with one parameter of shape (⌈k/b⌉, ⌈d/b⌉, b), scaled so that E‖P x‖² = ‖x‖². `.freeze()`
        makes R constant.

    Raises
    ------
    ValueError
        d, k or `block_size` is not a positive int.

    Notes
    -----
    Cost: O((d + k) log b + d k / b) time, O(d k / b) memory.

    Gradient: see `BlockCirculant`.

    References
    ----------
    .. [1] C. Ding et al., "CirCNN: accelerating and compressing deep neural networks using block-circulant weight
       matrices", *MICRO* 2017.

    Examples
    --------
    >>> import structmat as sm
    >>> P = sm.projections.block_circulant_projection(784, 100, block_size=50, rng=0)
    >>> P.shape, P.params[0].shape
    ((100, 784), (2, 16, 50))
    """
    d, k, block_size = checked_sizes("block_circulant_projection", d=d, k=k, block_size=block_size)
    source = RandomSource.of(rng, dtype, xp, device)
    flips = source.signs(d)
    shape = math.ceil(k / block_size), math.ceil(d / block_size), block_size
    return block_circulant(source.normal(shape, k**-0.5), (k, d)) @ flips
