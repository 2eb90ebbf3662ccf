"""Ridge regression on all cyclic shifts of the data, linear and with a Gaussian kernel: correlation filters."""

import math
from collections.abc import Iterable, Iterator

from structmat._backend import (
    Array,
    DType,
    Namespace,
    astype,
    device,
    dftn,
    idftn,
    is_complex,
    is_traced,
    namespace,
    sum_dtype,
)
from structmat.core.fields import checked_floating, checked_size
from structmat.projections.least_squares import reduced, ridge_solution, row_blocks, transform_noise


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
        One sample, several, or several of q features each, as the channels of an image.
    Y : array, shape (grid) or (N, grid)
        y[s] is the target of the sample shifted by s: a peak at 0 makes a detector.
    alpha : float, optional
        Weight α ≥ 0 of the ridge. Where it is 0, w is the shortest of the best.
    axes : int, optional
        How many axes the grid has: 1 for signals, 2 for images.
    sample_weight : array, shape (N,) or (), optional
        Weights v ≥ 0 of the samples: 2 counts a sample twice, 0 leaves it out.

    Returns
    -------
    array, shape (grid) or (q, grid)
        The filter w, for `cyclic_scores`.

    Raises
    ------
    TypeError
        X, Y or the weights are no floating array, or they are of two libraries.
    ValueError
        The shapes do not fit, an axis is empty, α or a weight is negative or infinite, all weights are zero, or `axes`
        is not a positive int.

    Notes
    -----
    Sums over samples are made in double precision, where the library has it, some samples at a time, and no square of
    a spectrum is formed: single precision is lost neither to many samples, nor to a large mean, nor to features of
    unequal size. For α = 0 a frequency counts as missing in a feature if it is a rounding error of the others there.

    Cost: transforms of X and Y, and one ridge system of N equations in q unknowns for each frequency [1]_, in place of
    one of N n equations in q n unknowns; for one feature or one sample it is one quotient, as for one sample [2]_

    .. math:: \hat w = \frac{\hat x \odot \hat y}{|\hat x|^2 + \alpha}.

    References
    ----------
    .. [1] J. F. Henriques, J. Carreira, R. Caseiro and J. Batista, "Beyond hard negative mining: efficient detector
       learning via block-circulant decomposition", *ICCV* 2013.
    .. [2] J. F. Henriques, R. Caseiro, P. Martins and J. Batista, "High-speed tracking with kernelized correlation
       filters", *IEEE Transactions on Pattern Analysis and Machine Intelligence* 37(3), 2015.

    Examples
    --------
    The filter gives 1 to the sample as it is and 0 to its shifts:

    >>> import numpy as np
    >>> import structmat as sm
    >>> x = np.asarray([4.0, 1.0, 0.0, 2.0])
    >>> w = sm.learn.circulant_ridge(x, np.asarray([1.0, 0.0, 0.0, 0.0]), alpha=0)
    >>> bool(np.allclose(sm.learn.cyclic_scores(w, x), [1, 0, 0, 0]))
    True
    """
    title = "circulant_ridge"
    xp, x, y, grid = _admitted(title, X, Y, axes)
    _checked_weight(title, "alpha", alpha, least=0)
    weights = None
    if sample_weight is not None:
        weights = checked_sample_weight(
            title, checked_floating(title, X=X, sample_weight=sample_weight)[1][1], x.shape[0]
        )
    slices = row_blocks(x.shape[0], 2 * math.prod(x.shape[1:]))
    blocks = ((x[rows, ...], y[rows, ...], None if weights is None else weights[rows]) for rows in slices)
    w = astype(xp, filter_of_blocks(xp, blocks, grid, alpha, real=not is_complex(xp, x.dtype)), x.dtype)
    return w if X.ndim == axes + 2 else w[0, ...]


def filter_of_blocks(
    xp: Namespace,
    blocks: Iterable[tuple[Array, Array, Array | None]],
    grid: tuple[int, ...],
    alpha: float,
    *,
    real: bool,
) -> Array:
    """The filter (q, grid) of `circulant_ridge`, from blocks of samples (N, q, grid), targets (N, 1, grid), weights."""

    def spectra() -> Iterator[tuple[Array, Array]]:
        for *sides, weights in blocks:
            x, y = (astype(xp, side, sum_dtype(side)) for side in sides)
            if weights is not None:
                roots = xp.reshape(xp.sqrt(astype(xp, weights, sum_dtype(weights))), (-1, *(1 for _ in x.shape[1:])))
                x, y = roots * x, roots * y
            yield xp.conj(_stacked(xp, xp.conj(x), len(grid))), _stacked(xp, y, len(grid))

    R, C = reduced(xp, spectra())
    solution = ridge_solution(xp, R, C, alpha, transform_noise(xp, R, math.prod(grid)))
    return _unstacked(xp, solution, grid, real=real)[:, 0, ...]


def cyclic_scores(w: Array, X: Array, *, axes: int = 1) -> Array:
    """Score all cyclic shifts of samples by a filter.

    Parameters
    ----------
    w : array, shape (grid) or (q, grid)
        Filter from `circulant_ridge`.
    X : array, shape (..., grid) or (..., q, grid)
        Samples, of as many features as the filter has.
    axes : int, optional
        How many axes the grid has.

    Returns
    -------
    array, shape (..., grid)
        At s the score Σ_c ⟨w_c, P^s x_c⟩ of the sample shifted by s; ⟨w, x⟩ is Σ w[t] x[t], without conjugation. A
        pattern that stands by u further than in training gives the training score of s at s - u.

    Raises
    ------
    TypeError
        w or X is no floating array, or they are of two libraries.
    ValueError
        The shapes do not fit.

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
    w_, x = astype(xp, w_, wide), astype(xp, x, wide)
    products = xp.conj(dftn(xp, xp.conj(x), axes)) * dftn(xp, w_, axes)
    if w.ndim == axes + 1:
        products = xp.sum(products, axis=X.ndim - axes - 1)
    return idftn(xp, products, tail[w.ndim - axes :], real=not is_complex(xp, wide))


def gaussian_correlation(X: Array, Z: Array, gamma: float, *, axes: int = 1) -> Array:
    """Evaluate a Gaussian kernel between samples and all cyclic shifts of others.

    Parameters
    ----------
    X, Z : array, shape (grid), (N, grid) or (N, q, grid)
        Samples, real; both with features or both without.
    gamma : float
        The kernel is exp(-γ ‖x - z‖²), γ > 0.
    axes : int, optional
        How many axes the grid has.

    Returns
    -------
    array, shape (N_X, N_Z, grid)
        At i, j, s the kernel of x_i and P^s z_j.

    Raises
    ------
    TypeError
        X or Z is no real floating array, or they are of two libraries.
    ValueError
        The shapes do not fit, or γ is not positive.

    Notes
    -----
    Cost: transforms of X, Z and the result, and products of N_X × q and q × N_Z matrices at each frequency.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> x = np.asarray([1.0, 0.0, 0.0])
    >>> sm.learn.gaussian_correlation(x, x, 0.5)
    array([[[1.        , 0.36787944, 0.36787944]]])
    """
    xp, x, z, dtype = _checked_pair("gaussian_correlation", X, Z, gamma, axes)
    return astype(xp, _kernel(xp, x, z, gamma), dtype)


def kernel_circulant_ridge(X: Array, Y: Array, alpha: float = 1.0, *, gamma: float, axes: int = 1) -> Array:
    """Fit kernel ridge regression with a Gaussian kernel to all cyclic shifts of samples.

    Parameters
    ----------
    X : array, shape (grid), (N, grid) or (N, q, grid)
        Samples, real, as for `circulant_ridge`.
    Y : array, shape (grid) or (N, grid)
        y[s] is the target of the sample shifted by s.
    alpha : float, optional
        Weight α > 0 of the ridge.
    gamma : float
        The kernel is exp(-γ ‖x - z‖²), γ > 0.
    axes : int, optional
        How many axes the grid has.

    Returns
    -------
    array, shape of Y
        The dual coefficients, of each sample in each shift, for `kernel_cyclic_scores`.

    Raises
    ------
    TypeError
        X or Y is no real floating array, or they are of two libraries.
    ValueError
        The shapes do not fit, an axis is empty, or α or γ is not positive.

    Notes
    -----
    The kernel matrix of all shifts has circulant blocks, as the kernel does not change when both samples are shifted.
    Cost: N² transforms, and one system of N equations for each frequency; for one sample one quotient, the kernelized
    correlation filter [1]_.

    References
    ----------
    .. [1] J. F. Henriques, R. Caseiro, P. Martins and J. Batista, "High-speed tracking with kernelized correlation
       filters", *IEEE Transactions on Pattern Analysis and Machine Intelligence* 37(3), 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> x, y = np.asarray([3.0, 1.0, 0.0, 2.0]), np.asarray([1.0, 0.0, 0.0, 0.0])
    >>> dual = sm.learn.kernel_circulant_ridge(x, y, 1e-9, gamma=0.1)
    >>> scores = sm.learn.kernel_cyclic_scores(dual, x, np.roll(x, 1), gamma=0.1)
    >>> bool(np.allclose(scores, [0, 0, 0, 1]))
    True
    """
    title = "kernel_circulant_ridge"
    xp, x, y, grid = _admitted(title, X, Y, axes, real=True)
    _checked_weight(title, "alpha", alpha)
    _checked_weight(title, "gamma", gamma)
    K = xp.conj(_stacked(xp, _kernel(xp, x, x, gamma), axes))
    unit = xp.eye(K.shape[-1], dtype=K.dtype, device=device(x))
    solution = xp.linalg.solve(K + alpha * unit, _stacked(xp, astype(xp, y, sum_dtype(y)), axes))
    return xp.reshape(astype(xp, _unstacked(xp, solution, grid, real=True), y.dtype), tuple(Y.shape))


def kernel_cyclic_scores(dual: Array, X: Array, Z: Array, *, gamma: float, axes: int = 1) -> Array:
    """Score all cyclic shifts of samples by a kernel filter.

    Parameters
    ----------
    dual : array, shape (grid) or (N, grid)
        From `kernel_circulant_ridge`.
    X : array
        The samples it was fitted to.
    Z : array, shape (grid), (M, grid) or (M, q, grid)
        The samples to score.
    gamma : float
        As it was fitted.
    axes : int, optional
        How many axes the grid has.

    Returns
    -------
    array, shape (grid) or (M, grid)
        At s the score of the sample shifted by s, as of `cyclic_scores`.

    Raises
    ------
    TypeError, ValueError
        As for `gaussian_correlation` and `kernel_circulant_ridge`.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> dual, x = np.asarray([1.0, 0.0, 0.0]), np.asarray([1.0, 0.0, 0.0])
    >>> sm.learn.kernel_cyclic_scores(dual, x, np.roll(x, 1), gamma=0.5)
    array([0.36787944, 0.36787944, 1.        ])
    """
    xp, _, a, grid = _admitted("kernel_cyclic_scores", X, dual, axes, real=True, name="dual")
    _, z, x, dtype = _checked_pair("gaussian_correlation", Z, X, gamma, axes)
    K = _stacked(xp, _kernel(xp, z, x, gamma), axes)
    scores = xp.matmul(xp.conj(K), _stacked(xp, astype(xp, a, sum_dtype(a)), axes))
    scores = astype(xp, _unstacked(xp, scores, grid, real=True), xp.result_type(dtype, a.dtype))
    return xp.reshape(scores, (*(Z.shape[:1] if Z.ndim > axes else ()), *grid))


def _checked_pair(title: str, X: Array, Z: Array, gamma: float, axes: int) -> tuple[Namespace, Array, Array, DType]:
    """Check what a kernel is to be evaluated between; samples (N, q, grid), and the dtype of the result."""
    xp, (x, z) = checked_floating(title, X=X, Z=Z)
    _checked_weight(title, "gamma", gamma)
    wide = xp.result_type(x.dtype, z.dtype)
    if is_complex(xp, wide):
        raise TypeError(f"{title}: X or Z is complex; expected real samples.")
    x, z = _samples(title, "X", x, axes), _samples(title, "Z", z, axes)
    if x.shape[1:] != z.shape[1:]:
        raise ValueError(
            f"{title}: X has shape {tuple(X.shape)} and Z {tuple(Z.shape)}; expected one grid and the same features."
        )
    return xp, x, z, wide


def _kernel(xp: Namespace, x: Array, z: Array, gamma: float) -> Array:
    """At i, j, s the kernel of x_i and P^s z_j, from samples (N, q, grid), in double precision if there is one."""
    grid = tuple(x.shape[2:])
    x, z = (astype(xp, side, sum_dtype(side)) for side in (x, z))
    # a constant of a feature changes no distance; squared lengths are to be no larger than distances
    centre = xp.mean(z, axis=(0, *range(2, z.ndim)), keepdims=True)
    x, z = x - centre, z - centre
    inner = xp.matmul(_stacked(xp, x, len(grid)), xp.conj(xp.matrix_transpose(_stacked(xp, z, len(grid)))))
    squares, others = (
        xp.reshape(xp.sum(side**2, axis=tuple(range(1, side.ndim))), (*shape, *(1 for _ in grid)))
        for side, shape in ((x, (-1, 1)), (z, (1, -1)))
    )
    distances = squares + others - 2 * _unstacked(xp, inner, grid, real=True)
    return xp.exp(-gamma * xp.where(distances > 0, distances, xp.zeros_like(distances)))


def _stacked(xp: Namespace, x: Array, axes: int) -> Array:
    """The matrices that an array (a, b, grid) of sequences has at each frequency: (frequencies, a, b)."""
    spectra = dftn(xp, x, axes)
    return xp.permute_dims(xp.reshape(spectra, (*x.shape[:2], math.prod(spectra.shape[2:]))), (2, 0, 1))


def _unstacked(xp: Namespace, spectra: Array, grid: tuple[int, ...], *, real: bool) -> Array:
    width = grid[-1] // 2 + 1 if real else grid[-1]
    whole = xp.reshape(xp.permute_dims(spectra, (1, 2, 0)), (*spectra.shape[1:], *grid[:-1], width))
    return idftn(xp, whole, grid, real=real)


def _samples(title: str, name: str, x: Array, axes: int, most: int = 2) -> Array:
    """Bring samples to the shape (N, q, grid)."""
    leading = x.ndim - checked_size(title, "axes", axes)
    if not 0 <= leading <= most or 0 in x.shape:
        raise ValueError(
            f"{title}: {name} has shape {tuple(x.shape)}; expected {axes} axes of a grid after at most {most} others, "
            f"none empty."
        )
    sizes = (*x.shape[:leading], *(1 for _ in range(2 - leading)))
    return namespace(x).reshape(x, (*sizes, *x.shape[leading:]))


def _admitted(
    title: str, X: Array, Y: Array, axes: int, *, real: bool = False, name: str = "Y"
) -> tuple[Namespace, Array, Array, tuple[int, ...]]:
    """Check samples and their targets; bring them to the shapes (N, q, grid) and (N, 1, grid) and to one dtype."""
    xp, (x, y) = checked_floating(title, **{"X": X, name: Y})
    wide = xp.result_type(x.dtype, y.dtype)
    if real and is_complex(xp, wide):
        raise TypeError(f"{title}: X or {name} is complex; expected real ones.")
    x, y = _samples(title, "X", astype(xp, x, wide), axes), _samples(title, name, astype(xp, y, wide), axes, most=1)
    grid = tuple(x.shape[2:])
    if tuple(y.shape) != (x.shape[0], 1, *grid):
        raise ValueError(
            f"{title}: X has shape {tuple(X.shape)} and {name} {tuple(Y.shape)}; expected one target for each sample, "
            f"on the same grid."
        )
    return xp, x, y, grid


def _checked_weight(title: str, name: str, value: float, *, least: float | None = None) -> None:
    if not (0 < value < math.inf or value == least):
        raise ValueError(
            f"{title}: {name} is {value!r}; expected {'more than 0' if least is None else '0 or more'}, and finite."
        )


def checked_sample_weight(title: str, weights: Array, N: int) -> Array:
    """Check real floating weights of N samples; they come back as (N,)."""
    xp = namespace(weights)
    if is_complex(xp, weights.dtype):
        raise TypeError(f"{title}: sample_weight is complex; expected real weights.")
    if tuple(weights.shape) not in ((), (N,)):
        raise ValueError(f"{title}: sample_weight has shape {tuple(weights.shape)}; expected ({N},), or () for all.")
    if not is_traced(weights):
        if not bool(xp.all((weights >= 0) & xp.isfinite(weights))):
            raise ValueError(f"{title}: sample_weight has an entry that is negative or not finite; expected 0 or more.")
        if not bool(xp.any(weights > 0)):
            raise ValueError(f"{title}: sample_weight is zero throughout; expected one weight at least that is not.")
    return xp.broadcast_to(weights, (N,))
