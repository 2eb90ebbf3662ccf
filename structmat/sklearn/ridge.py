"""Ridge regression on all cyclic shifts."""

import math
from collections.abc import Iterator
from numbers import Real
from typing import Any, Self

from sklearn.base import RegressorMixin
from sklearn.utils import check_array, check_scalar, column_or_1d
from sklearn.utils.validation import check_is_fitted

from structmat._backend import devices, dtypes, namespaces
from structmat._backend.types import Array
from structmat.learn import cyclic_scores
from structmat.learn.ridge import checked_sample_weight, filter_of_blocks
from structmat.projections.least_squares import row_blocks
from structmat.sklearn.base import Estimator, accepted_dtypes, dense_rows, keeps_library, library_and_device


class CirculantRidge(RegressorMixin, Estimator):  # type: ignore[misc]
    r"""Ridge regression on all cyclic shifts of the samples: a correlation filter.

    .. math:: \min_w \sum_i \sum_s \Bigl( y_i[s] - \langle w, P^s x_i \rangle \Bigr)^2 + \alpha \lVert w \rVert^2,
       \qquad (P^s x)[t] = x[t - s].

    Parameters
    ----------
    alpha : float, optional
        Weight α ≥ 0 of the ridge.

    Attributes
    ----------
    coef_ : array, shape (n_features,)
        The filter w.
    n_features_in_, feature_names_in_
        Number and names of the features of the data of `fit`, as in all estimators of scikit-learn.

    Notes
    -----
    Targets y of shape (n_samples, n_features) are the wanted scores of all shifts, and `predict` returns the scores of
    all shifts. Targets of shape (n_samples,) are the wanted scores of the samples, with 0 for their other shifts, and
    `predict` returns ⟨w, x⟩. The result is a detector; for targets that are unrelated to shifts use
    `sklearn.linear_model.Ridge`.

    Cost: O(N d log d) for N samples, see `structmat.learn.circulant_ridge`.

    References
    ----------
    .. [1] J. F. Henriques, R. Caseiro, P. Martins and J. Batista, "High-speed tracking with kernelized correlation
       filters", *IEEE Transactions on Pattern Analysis and Machine Intelligence* 37(3), 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.sklearn import CirculantRidge
    >>> x = np.random.default_rng(0).standard_normal((1, 50))
    >>> detector = CirculantRidge(alpha=1e-3).fit(x, np.eye(1, 50))  # 1 for x itself, 0 for its shifts
    >>> int(np.argmax(detector.predict(np.roll(x, -7, axis=1))))  # shifted on by 7, it is x again
    7
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Fit the filter.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples; sparse ones are converted to dense in blocks of rows.
        y : array-like, shape (n_samples,) or (n_samples, n_features)
            Targets of the samples, or of all their shifts. A column (n_samples, 1) is reshaped to (n_samples,), with
            scikit-learn's warning, unless there is one feature.
        sample_weight : float or array-like, shape (n_samples,), optional
            Weights of the samples, 0 or more; all 1 unless given.

        Returns
        -------
        CirculantRidge
            Itself.

        Raises
        ------
        ValueError
            alpha is negative or infinite, y has another shape, or a weight is negative, or all are zero.
        """
        if keeps_library(X):
            where = {"xp": namespaces.of(X), "device": devices.of(X)}
            y, sample_weight = (
                devices.move(side, **where) if namespaces.is_array(side) else side for side in (y, sample_weight)
            )
        X, y = self._checked(X, y, multi_output=True, y_numeric=True)
        alpha = float(check_scalar(self.alpha, "alpha", Real, min_val=0, max_val=math.inf, include_boundaries="left"))
        (xp, where), (N, d) = library_and_device(X), X.shape
        if y.ndim == 2 and y.shape[1] == 1 < d:
            y = column_or_1d(y, warn=True)
        self._all_shifts = y.ndim == 2
        if self._all_shifts and tuple(y.shape) != (N, d):
            raise ValueError(f"y has shape {tuple(y.shape)}; expected ({N},), or ({N}, {d}) with one for each shift.")
        y, weights = dtypes.astype(xp, y, X.dtype), None
        if sample_weight is not None:
            each = [sample_weight] * N if isinstance(sample_weight, Real) else sample_weight
            weights = check_array(each, ensure_2d=False, dtype=accepted_dtypes(X), input_name="sample_weight")
            weights = checked_sample_weight(type(self).__name__, xp.asarray(weights, device=where), N)

        def blocks() -> Iterator[tuple[Array, Array, Array | None]]:
            for rows in row_blocks(N, 2 * d):
                targets = y[rows, ...]
                if not self._all_shifts:
                    zeros = xp.zeros((targets.shape[0], d - 1), dtype=X.dtype, device=where)
                    targets = xp.concat((targets[:, None], zeros), axis=1)
                yield dense_rows(X, rows)[:, None, :], targets[:, None, :], None if weights is None else weights[rows]

        self.coef_ = dtypes.astype(xp, filter_of_blocks(xp, blocks(), (d,), alpha, real=True), X.dtype)[0, :]
        return self

    def predict(self, X: Any) -> Array:
        """Score samples, or all their shifts.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array, shape (n_samples,) or (n_samples, n_features)
            Scores, of the form of the targets of `fit`.
        """
        check_is_fitted(self)
        X = self._check_same_place("predict", self._checked(X, reset=False), self.coef_)
        if not self._all_shifts:
            return X @ self.coef_
        scores = [cyclic_scores(self.coef_, dense_rows(X, rows)) for rows in row_blocks(X.shape[0], 2 * X.shape[1])]
        return library_and_device(X)[0].concat(scores)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # it also fits the shifts of the samples, which are noise in the checks
        return tags
