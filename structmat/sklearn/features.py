"""Random features of the Gaussian kernel."""

import math
from numbers import Real
from typing import Any, Literal, Self

from sklearn.utils import check_scalar

from structmat._backend import namespaces
from structmat._backend.types import Array
from structmat.core.base import LinearOperator
from structmat.learn import FourierFeatures
from structmat.sklearn.base import ProjectionTransformer, double_blocks


def _scale(X: Any) -> float:
    """Return 1 / (d · variance of X), or 1 if all entries are equal.

    It computes the variance of (x - low) / (high - low) in double precision, which is positive if two entries differ,
    and whose terms neither over- nor underflow.
    """
    extremes = [(float(namespaces.of(x).min(x)), float(namespaces.of(x).max(x))) for x in double_blocks(X)]
    low, high = min(one for one, _ in extremes) / 2, max(other for _, other in extremes) / 2  # no difference overflows
    if low == high:
        return 1.0
    span, count = high - low, math.prod(X.shape)
    mean = sum(float(namespaces.of(x).sum((x / 2 - low) / span)) for x in double_blocks(X)) / count
    variance = sum(float(namespaces.of(x).sum(((x / 2 - low) / span - mean) ** 2)) for x in double_blocks(X)) / count
    gamma: float = 1 / (4 * X.shape[1] * variance) / span / span
    if not 0 < gamma < math.inf:
        raise ValueError(
            f"StructuredRFF: gamma is 'scale' and X runs from {2 * low:g} to {2 * high:g}, where 1 / (n_features * "
            f"X.var()) over- or underflows; scale X, or give gamma a number."
        )
    return gamma


class StructuredRFF(ProjectionTransformer):
    r"""Random Fourier features of the Gaussian kernel, instead of `sklearn.kernel_approximation.RBFSampler`.

    .. math:: z(x)^T z(y) \approx e^{-\gamma \|x - y\|^2}.

    Parameters
    ----------
    n_components : int, optional
        Number n of features.
    gamma : float or "scale", optional
        γ > 0 of the kernel; "scale" is 1 / (d · variance of X), as in `sklearn.svm.SVC`, and 1 if all entries of X are
        equal.
    kind : str, optional
        The projection of the frequencies: "circulant", "fastfood", "gaussian" (dense, a baseline), "sorf" or
        "toeplitz".
    random_state : int, RandomState instance or None, optional
        Seed or generator, as in all estimators of scikit-learn.

    Attributes
    ----------
    features_ : structmat.learn.FourierFeatures
        The map to pairs of cosines and sines, which need half as many frequencies as features and have a smaller
        variance than the random phases of `RBFSampler`.
    projection_ : LinearOperator
        Its frequencies.
    gamma_ : float
        γ.
    n_features_in_, feature_names_in_
        Number and names of the features of the data of `fit`, as in all estimators of scikit-learn.

    References
    ----------
    .. [1] A. Rahimi and B. Recht, "Random features for large-scale kernel machines", *NeurIPS* 2007.
    .. [2] F. X. Yu, S. Kumar, H. Rowley and S.-F. Chang, "Compact nonlinear maps and circulant extensions",
       arXiv 1503.03893, 2015.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import RidgeClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from structmat.sklearn import StructuredRFF
    >>> X, y = load_digits(return_X_y=True)
    >>> model = make_pipeline(StructuredRFF(500, gamma="scale", random_state=0), RidgeClassifier())
    >>> model.fit(X[:1000], y[:1000]).score(X[1000:], y[1000:]) > 0.93
    True
    """

    def __init__(
        self,
        n_components: int = 100,
        *,
        gamma: float | Literal["scale"] = 1.0,
        kind: str = "circulant",
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.gamma = gamma
        self.kind = kind
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw the frequencies.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Data; only their shape, dtype, library and device are used, and their variance if gamma is "scale".
        y : object, optional
            Ignored.

        Returns
        -------
        StructuredRFF
            Itself.

        Warns
        -----
        UserWarning
            `kind` is "sorf" and X has 8 features or fewer, for which the random features are biased.

        Raises
        ------
        ValueError
            `n_components` is less than 1, gamma is not positive, its square root over- or underflows in the precision
            of X, or `kind` is unknown.
        """
        X = self._checked(X)
        if isinstance(self.gamma, str):
            if self.gamma != "scale":
                raise ValueError(f"{type(self).__name__}: gamma is {self.gamma!r}; expected a number or 'scale'.")
            self.gamma_ = _scale(X)
        else:
            self.gamma_ = float(check_scalar(self.gamma, "gamma", Real, min_val=0, include_boundaries="neither"))
        self.features_ = FourierFeatures.random(
            X.shape[1], self._checked_n_components(X), gamma=self.gamma_, kind=self.kind, **self._random_options(X)
        )
        return self

    @property
    def projection_(self) -> LinearOperator:
        """The frequencies."""
        return self.features_.projection

    @property
    def _n_features_out(self) -> int:
        return self.features_.n_features

    def _map(self, X: Array) -> Array:
        return self.features_(X)
