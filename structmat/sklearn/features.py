"""Random features of the Gaussian kernel."""

import math
from numbers import Real
from typing import Any, Literal, Self

from sklearn.utils import check_scalar

from structmat._backend import Array, namespace
from structmat.core.base import LinearOperator
from structmat.learn import FourierFeatures
from structmat.sklearn.base import Transformer, blocks


def _scale(X: Any) -> float:
    """1 / (d · variance of X), or 1 where all entries are equal.

    The variance is that of (x - low) / (high - low), in double precision: it is more than 0 wherever two entries
    differ, and its terms neither over- nor underflow.
    """
    extremes = [(float(namespace(x).min(x)), float(namespace(x).max(x))) for x in blocks(X)]
    low, high = min(one for one, _ in extremes) / 2, max(other for _, other in extremes) / 2  # no difference overflows
    if low == high:
        return 1.0
    span, count = high - low, math.prod(X.shape)
    mean = sum(float(namespace(x).sum((x / 2 - low) / span)) for x in blocks(X)) / count
    variance = sum(float(namespace(x).sum(((x / 2 - low) / span - mean) ** 2)) for x in blocks(X)) / count
    gamma: float = 1 / (4 * X.shape[1] * variance) / span / span
    if not 0 < gamma < math.inf:
        raise ValueError(
            f"StructuredRFF: gamma is 'scale' and X runs from {2 * low:g} to {2 * high:g}, where 1 / (n_features * "
            f"X.var()) over- or underflows; scale X, or give gamma a number."
        )
    return gamma


class StructuredRFF(Transformer):
    r"""Random Fourier features of the Gaussian kernel, in the place of `sklearn.kernel_approximation.RBFSampler`.

    .. math:: z(x)^T z(y) \approx e^{-\gamma \|x - y\|^2}.

    Parameters
    ----------
    n_components : int, optional
        Features n.
    gamma : float or "scale", optional
        The kernel's γ, more than 0; "scale" is 1 / (d · variance of X), as in `sklearn.svm.SVC`, and 1 if all entries
        of X are equal.
    kind : str, optional
        The projection that the frequencies come from: "circulant", "fastfood", "gaussian" (dense, a baseline), "sorf"
        or "toeplitz".
    random_state : int, RandomState instance or None, optional
        As everywhere in scikit-learn.

    Attributes
    ----------
    features_ : structmat.learn.FourierFeatures
        The map: pairs of cosines and sines, which need half as many frequencies as features and have less variance
        than the random phases of `RBFSampler`.
    projection_ : LinearOperator
        Its frequencies.
    gamma_ : float
        γ.
    n_features_in_ : int
        Features of the data it was fitted to.
    feature_names_in_ : array
        Their names, if they all had some.

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
            Data, of which only shape and dtype matter, and the variance if gamma is "scale".
        y : object, optional
            Ignored.

        Returns
        -------
        StructuredRFF
            Itself.

        Warns
        -----
        UserWarning
            The kind is "sorf" and there are 8 features or fewer, which its features are biased for.

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
        features = FourierFeatures.random(
            X.shape[1], self._outputs(X), gamma=self.gamma_, kind=self.kind, **self._drawn(X)
        )
        self.features_ = features
        return self

    @property
    def projection_(self) -> LinearOperator:
        """The frequencies."""
        return self.features_.projection

    @property
    def _n_features_out(self) -> int:
        return self.features_.n_features

    def _mapped(self, X: Array) -> Array:
        return self.features_(X)
