"""Kernel ridge regression on all cyclic shifts of the data: kernelized correlation filters."""

from structmat._backend import devices, dtypes
from structmat._backend.types import Array, DType, Namespace
from structmat.core.fields import checked_floating
from structmat.learn.shifts import (
    by_frequency,
    checked_samples,
    checked_samples_and_targets,
    checked_weight,
    from_frequencies,
)


def gaussian_correlation(X: Array, Z: Array, gamma: float, *, axes: int = 1) -> Array:
    """Evaluate a Gaussian kernel between samples and all cyclic shifts of other samples.

    Parameters
    ----------
    X, Z : array, shape (grid), (N, grid) or (N, q, grid)
        Real samples; both with features or both without.
    gamma : float
        The kernel is exp(-γ ‖x - z‖²), γ > 0.
    axes : int, optional
        Number of axes of the grid.

    Returns
    -------
    array, shape (N_X, N_Z, grid)
        At i, j, s the kernel of x_i and P^s z_j.

    Raises
    ------
    TypeError
        X or Z is not a real floating array, or they are of different libraries.
    ValueError
        The shapes do not match, or γ is not positive and finite.

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
    return dtypes.astype(xp, _kernel(xp, x, z, gamma), dtype)


def kernel_circulant_ridge(X: Array, Y: Array, alpha: float = 1.0, *, gamma: float, axes: int = 1) -> Array:
    """Fit kernel ridge regression with a Gaussian kernel to all cyclic shifts of samples.

    Parameters
    ----------
    X : array, shape (grid), (N, grid) or (N, q, grid)
        Real samples, as for `circulant_ridge`.
    Y : array, shape (grid) or (N, grid)
        y[s] is the target of the sample shifted by s.
    alpha : float, optional
        Weight α > 0 of the ridge.
    gamma : float
        The kernel is exp(-γ ‖x - z‖²), γ > 0.
    axes : int, optional
        Number of axes of the grid.

    Returns
    -------
    array, shape of Y
        The dual coefficients of each sample in each shift, for `kernel_cyclic_scores`.

    Raises
    ------
    TypeError
        X or Y is not a real floating array, or they are of different libraries.
    ValueError
        The shapes do not match, an axis is empty, or α or γ is not positive and finite.

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
    xp, x, y, grid = checked_samples_and_targets(title, X, Y, axes, real=True)
    checked_weight(title, "alpha", alpha)
    checked_weight(title, "gamma", gamma)
    K = xp.conj(by_frequency(xp, _kernel(xp, x, x, gamma), axes))
    unit = xp.eye(K.shape[-1], dtype=K.dtype, device=devices.of(x))
    solution = xp.linalg.solve(K + alpha * unit, by_frequency(xp, dtypes.astype(xp, y, dtypes.sum_dtype(y)), axes))
    return xp.reshape(dtypes.astype(xp, from_frequencies(xp, solution, grid, real=True), y.dtype), tuple(Y.shape))


def kernel_cyclic_scores(dual: Array, X: Array, Z: Array, *, gamma: float, axes: int = 1) -> Array:
    """Score all cyclic shifts of samples by a kernel filter.

    Parameters
    ----------
    dual : array, shape (grid) or (N, grid)
        From `kernel_circulant_ridge`.
    X : array
        The samples of the fit.
    Z : array, shape (grid), (M, grid) or (M, q, grid)
        The samples to score.
    gamma : float
        γ of the fit.
    axes : int, optional
        Number of axes of the grid.

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
    title = "kernel_cyclic_scores"
    xp, _, a, grid = checked_samples_and_targets(title, X, dual, axes, real=True, name="dual")
    _, x, z, dtype = _checked_pair(title, X, Z, gamma, axes)
    K = by_frequency(xp, _kernel(xp, z, x, gamma), axes)
    scores = xp.matmul(xp.conj(K), by_frequency(xp, dtypes.astype(xp, a, dtypes.sum_dtype(a)), axes))
    scores = dtypes.astype(xp, from_frequencies(xp, scores, grid, real=True), xp.result_type(dtype, a.dtype))
    return xp.reshape(scores, (*(Z.shape[:1] if Z.ndim > axes else ()), *grid))


def _checked_pair(title: str, X: Array, Z: Array, gamma: float, axes: int) -> tuple[Namespace, Array, Array, DType]:
    """Validate the arguments of a kernel; return samples (N, q, grid), and the dtype of the result."""
    xp, (x, z) = checked_floating(title, X=X, Z=Z)
    checked_weight(title, "gamma", gamma)
    wide = xp.result_type(x.dtype, z.dtype)
    if dtypes.is_complex(xp, wide):
        raise TypeError(f"{title}: X or Z is complex; expected real samples.")
    x, z = checked_samples(title, "X", x, axes), checked_samples(title, "Z", z, axes)
    if x.shape[1:] != z.shape[1:]:
        raise ValueError(
            f"{title}: X has shape {tuple(X.shape)} and Z {tuple(Z.shape)}; expected one grid and the same features."
        )
    return xp, x, z, wide


def _kernel(xp: Namespace, x: Array, z: Array, gamma: float) -> Array:
    """Return the kernel of x_i and P^s z_j at i, j, s, for samples (N, q, grid), in double precision if possible."""
    grid = tuple(x.shape[2:])
    x, z = (dtypes.astype(xp, side, dtypes.sum_dtype(side)) for side in (x, z))
    # without centring, rounding errors of long vectors' squares could exceed the distances
    centre = xp.mean(z, axis=(0, *range(2, z.ndim)), keepdims=True)
    x, z = x - centre, z - centre
    inner = xp.matmul(by_frequency(xp, x, len(grid)), xp.conj(xp.matrix_transpose(by_frequency(xp, z, len(grid)))))
    squares, others = (
        xp.reshape(xp.sum(side**2, axis=tuple(range(1, side.ndim))), (*shape, *(1 for _ in grid)))
        for side, shape in ((x, (-1, 1)), (z, (1, -1)))
    )
    distances = squares + others - 2 * from_frequencies(xp, inner, grid, real=True)
    return xp.exp(-gamma * xp.where(distances > 0, distances, xp.zeros_like(distances)))
