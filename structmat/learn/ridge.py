"""Ridge regression on all cyclic shifts of the data: correlation filters."""

import math
from collections.abc import Iterable, Iterator

from structmat._backend import dtypes, fft, namespaces, tracing
from structmat._backend.types import Array, Namespace
from structmat.core.fields import checked_floating
from structmat.learn.shifts import by_frequency, checked_samples_and_targets, checked_weight, from_frequencies
from structmat.projections.least_squares import reduce_rows, ridge_solution, row_blocks, transform_noise


def circulant_ridge(
    X: Array, Y: Array, alpha: float = 1.0, *, axes: int = 1, sample_weight: Array | None = None
) -> Array:
    r"""Fit a linear filter to all cyclic shifts of samples.

    .. math:: \min_w \sum_i v_i \sum_s \Bigl( y_i[s] - \sum_c \langle w_c, P^s x_{ic} \rangle \Bigr)^2
       + \alpha \lVert w \rVert^2, \qquad (P^s x)[t] = x[t - s],

    where s runs over all shifts, along each of the last axes, the grid, and c over features. The weights v are 1 unless
    given.

    Parameters
    ----------
    X : array, shape (grid), (N, grid) or (N, q, grid)
        One sample, N samples, or N samples of q features each, such as the channels of an image.
    Y : array, shape (grid) or (N, grid)
        y[s] is the target of the sample shifted by s: a peak at 0 makes a detector.
    alpha : float, optional
        Weight α ≥ 0 of the ridge. For 0, w is the minimiser of least norm.
    axes : int, optional
        Number of axes of the grid: 1 for signals, 2 for images.
    sample_weight : array, shape (N,) or (), optional
        Weights v ≥ 0 of the samples: 2 counts a sample twice, 0 leaves it out.

    Returns
    -------
    array, shape (grid) or (q, grid)
        The filter w, for `cyclic_scores`.

    Raises
    ------
    TypeError
        X, Y or the weights are not floating arrays, or they are of different libraries.
    ValueError
        The shapes do not match, an axis is empty, α or a weight is negative or infinite, all weights are zero, or
        `axes` is not a positive int.

    Notes
    -----
    Blocks of samples are summed in double precision, where the library has it, and no square of a spectrum is formed:
    many samples, a large mean or features of unequal size do not reduce the accuracy of data in single precision. For
    α = 0, a frequency of a feature counts as zero if it is within the rounding errors of its other frequencies.

    Cost: transforms of X and Y, and one ridge system of N equations in q unknowns for each frequency [1]_, instead of
    one of N n equations in q n unknowns. For one feature or one sample the system is a quotient, for one of both [2]_

    .. math:: \hat w = \frac{\hat x \odot \hat y}{|\hat x|^2 + \alpha}.

    References
    ----------
    .. [1] J. F. Henriques, J. Carreira, R. Caseiro and J. Batista, "Beyond hard negative mining: efficient detector
       learning via block-circulant decomposition", *ICCV* 2013.
    .. [2] J. F. Henriques, R. Caseiro, P. Martins and J. Batista, "High-speed tracking with kernelized correlation
       filters", *IEEE Transactions on Pattern Analysis and Machine Intelligence* 37(3), 2015.

    Examples
    --------
    The filter has the score 1 for the sample and 0 for its shifts:

    >>> import numpy as np
    >>> import structmat as sm
    >>> x = np.asarray([4.0, 1.0, 0.0, 2.0])
    >>> w = sm.learn.circulant_ridge(x, np.asarray([1.0, 0.0, 0.0, 0.0]), alpha=0)
    >>> bool(np.allclose(sm.learn.cyclic_scores(w, x), [1, 0, 0, 0]))
    True
    """
    title = "circulant_ridge"
    xp, x, y, grid = checked_samples_and_targets(title, X, Y, axes)
    checked_weight(title, "alpha", alpha, least=0)
    weights = None
    if sample_weight is not None:
        weights = checked_sample_weight(
            title, checked_floating(title, X=X, sample_weight=sample_weight)[1][1], x.shape[0]
        )
    slices = row_blocks(x.shape[0], 2 * math.prod(x.shape[1:]))
    blocks = ((x[rows, ...], y[rows, ...], None if weights is None else weights[rows]) for rows in slices)
    w = dtypes.astype(xp, filter_of_blocks(xp, blocks, grid, alpha, real=not dtypes.is_complex(xp, x.dtype)), x.dtype)
    return w if X.ndim == axes + 2 else w[0, ...]


def filter_of_blocks(
    xp: Namespace,
    blocks: Iterable[tuple[Array, Array, Array | None]],
    grid: tuple[int, ...],
    alpha: float,
    *,
    real: bool,
) -> Array:
    """Fit the filter (q, grid) to blocks of samples (N, q, grid), targets (N, 1, grid) and weights (N,) or None."""

    def spectra() -> Iterator[tuple[Array, Array]]:
        for *sides, weights in blocks:
            x, y = (dtypes.astype(xp, side, dtypes.sum_dtype(side)) for side in sides)
            if weights is not None:
                roots = xp.reshape(
                    xp.sqrt(dtypes.astype(xp, weights, dtypes.sum_dtype(weights))), (-1, *(1 for _ in x.shape[1:]))
                )
                x, y = roots * x, roots * y
            yield xp.conj(by_frequency(xp, xp.conj(x), len(grid))), by_frequency(xp, y, len(grid))

    R, C = reduce_rows(xp, spectra())
    solution = ridge_solution(xp, R, C, alpha, transform_noise(xp, R, math.prod(grid)))
    return from_frequencies(xp, solution, grid, real=real)[:, 0, ...]


def cyclic_scores(w: Array, X: Array, *, axes: int = 1) -> Array:
    """Score all cyclic shifts of samples by a filter.

    Parameters
    ----------
    w : array, shape (grid) or (q, grid)
        Filter from `circulant_ridge`.
    X : array, shape (..., grid) or (..., q, grid)
        Samples, of as many features as the filter has.
    axes : int, optional
        Number of axes of the grid.

    Returns
    -------
    array, shape (..., grid)
        At s the score Σ_c ⟨w_c, P^s x_c⟩ of the sample shifted by s; ⟨w, x⟩ is Σ w[t] x[t], without conjugation. A
        sample that is shifted by u has at s - u the score of the original sample at s.

    Raises
    ------
    TypeError
        w or X is not a floating array, or they are of different libraries.
    ValueError
        The shapes do not match.

    Notes
    -----
    Cost: transforms of w, X and the scores.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.learn.cyclic_scores(np.asarray([1.0, 0.0, 0.0]), np.asarray([1.0, 2.0, 3.0]))
    array([1., 3., 2.])
    """
    xp, (w_, x) = checked_floating("cyclic_scores", w=w, X=X)
    tail = tuple(w.shape)
    if w.ndim not in (axes, axes + 1) or tuple(X.shape[X.ndim - w.ndim :]) != tail:
        raise ValueError(
            f"cyclic_scores: w has shape {tail} and X {tuple(X.shape)}; expected X to end in the shape of w, which is "
            f"{axes} axes of a grid after at most one of features."
        )
    wide = xp.result_type(w_.dtype, x.dtype)
    w_, x = dtypes.astype(xp, w_, wide), dtypes.astype(xp, x, wide)
    products = xp.conj(fft.dftn(xp, xp.conj(x), axes)) * fft.dftn(xp, w_, axes)
    if w.ndim == axes + 1:
        products = xp.sum(products, axis=X.ndim - axes - 1)
    return fft.idftn(xp, products, tail[w.ndim - axes :], real=not dtypes.is_complex(xp, wide))


def checked_sample_weight(title: str, weights: Array, N: int) -> Array:
    """Validate real floating weights of N samples; return them with the shape (N,)."""
    xp = namespaces.of(weights)
    if dtypes.is_complex(xp, weights.dtype):
        raise TypeError(f"{title}: sample_weight is complex; expected real weights.")
    if tuple(weights.shape) not in ((), (N,)):
        raise ValueError(f"{title}: sample_weight has shape {tuple(weights.shape)}; expected ({N},), or () for all.")
    if not tracing.is_traced(weights):
        if not bool(xp.all((weights >= 0) & xp.isfinite(weights))):
            raise ValueError(f"{title}: sample_weight has an entry that is negative or not finite; expected 0 or more.")
        if not bool(xp.any(weights > 0)):
            raise ValueError(f"{title}: sample_weight is zero throughout; expected at least one positive weight.")
    return xp.broadcast_to(weights, (N,))
