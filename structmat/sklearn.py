"""Estimators for scikit-learn: random projections, random features, binary codes and ridge regression on all shifts."""

import math
import warnings
from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, Literal, Self

from structmat._backend import optional

optional("structmat.sklearn", "sklearn", "sklearn")

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.exceptions import DataDimensionalityWarning
from sklearn.random_projection import johnson_lindenstrauss_min_dim
from sklearn.utils import check_array, check_random_state, check_scalar, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from structmat._backend import (
    Array,
    Device,
    Namespace,
    astype,
    device,
    is_array,
    move,
    namespace,
    namespace_name,
    sum_dtype,
)
from structmat.core.base import LinearOperator
from structmat.core.batches import OutputSpec, chunk_length, chunks, map_chunks
from structmat.learn import FourierFeatures, cyclic_scores, optimize_embedding
from structmat.learn.ridge import checked_sample_weight, filter_of_blocks
from structmat.linalg import lstsq
from structmat.projections import circulant_projection
from structmat.projections.kinds import ALL, chosen
from structmat.projections.least_squares import row_blocks

__all__ = [
    "CirculantBinaryEmbedding",
    "CirculantProjection",
    "CirculantRidge",
    "StructuredProjection",
    "StructuredRFF",
]


def _dispatched(X: Any) -> bool:
    """Tell whether X stays in its library: only under array-API dispatch, else it becomes a NumPy array."""
    return bool(get_config()["array_api_dispatch"]) and is_array(X)


def _floating(X: Any) -> tuple[Any, Any]:
    """The dtypes that are kept; others become the first."""
    xp = namespace(X if _dispatched(X) else np.empty(0))
    return xp.float64, xp.float32


def _home(X: Any) -> tuple[Namespace, Device]:
    """The library and device of checked data; products with sparse ones are made by NumPy."""
    X = X.data if issparse(X) else X
    return namespace(X), device(X)


def _dense(X: Any, rows: slice = slice(None)) -> Array:
    """Rows of checked data as a plain array."""
    return X[rows].toarray() if issparse(X) else X[rows, ...]


def _blocks(X: Any) -> Iterator[Array]:
    """All rows of checked data, a bounded number at a time, in double precision."""
    for rows in row_blocks(*X.shape):
        block = _dense(X, rows)
        yield astype(namespace(block), block, sum_dtype(block))


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What all have in common: checked data in single or double precision, on the library where they are."""

    def _checked(self, X: Any, y: Any = "no_validation", *, reset: bool = True, **options: Any) -> Any:
        return validate_data(self, X, y, reset=reset, dtype=_floating(X), accept_sparse="csr", **options)

    def _same_place(self, method: str, X: Array, fitted: Array | LinearOperator) -> Array:
        """Refuse what is in another library or on another device than what was fitted."""
        if isinstance(fitted, LinearOperator):
            xp, where = fitted.xp, fitted.device
        else:
            xp, where = namespace(fitted), device(fitted)
        found, here = _home(X)
        if found is not xp or here != where:
            raise ValueError(
                f"Inputs passed to {type(self).__name__}.{method}() must use the same namespace and device as those "
                f"passed to fit(): {namespace_name(xp)} on {where}, not {namespace_name(found)} on {here}."
            )
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.sparse = True
        return tags


class _Projection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _Estimator):  # type: ignore[misc]
    """A transformer by the products with `projection_`."""

    def _drawn(self, X: Array) -> dict[str, Any]:
        """What a random operator for X is drawn with: one seed gives the same on every library."""
        seeds, (xp, where) = check_random_state(self.random_state).randint(2**31, size=4), _home(X)
        return {"rng": np.random.default_rng(seeds), "dtype": X.dtype, "xp": xp, "device": where}

    def _outputs(self, X: Array, most: int | None = None) -> int:
        """Return `n_components`, or the number of features for None."""
        if self.n_components is None:
            return int(X.shape[1])
        return int(check_scalar(self.n_components, "n_components", Integral, min_val=1, max_val=most))

    @property
    def _n_features_out(self) -> int:
        return int(self.projection_.m)

    def transform(self, X: Any) -> Array:
        """Map the rows of X.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Data.

        Returns
        -------
        array, shape (n_samples, n_components)
            Mapped data, dense, in single precision if X and the parameters of `projection_` are, which have the dtype
            of the data it was fitted to.
        """
        check_is_fitted(self)
        X = self._same_place("transform", self._checked(X, reset=False), self.projection_)
        xp, where = _home(X)
        size = np.broadcast_to(np.zeros(1, X.dtype), X.shape) if issparse(X) else X  # as large as the dense rows
        length = chunk_length(self.projection_, "transform", size, None)
        if length is None:
            return self._mapped(_dense(X))
        like = self._mapped(xp.zeros((0, X.shape[1]), dtype=X.dtype, device=where))
        spec, blocks = OutputSpec(xp, X.shape[:-1], like.shape[-1], like.dtype), map(_dense, chunks(xp, X, length))
        return map_chunks(lambda x: (self._mapped(x), None), zip(blocks, strict=True), length, spec)

    def _mapped(self, X: Array) -> Array:
        return self.projection_.matvec(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class StructuredProjection(_Projection):
    """Random projection by a structured matrix, in the place of `sklearn.random_projection.GaussianRandomProjection`.

    Parameters
    ----------
    n_components : int, "auto" or None, optional
        Output dimension k, smaller or larger than the number d of features. "auto" takes
        `sklearn.random_projection.johnson_lindenstrauss_min_dim` of the number of samples and `eps`, as scikit-learn
        does, and refuses data of fewer features than that. None is "auto" where `eps` is given, and else d.
    kind : str, optional
        The projection of `structmat.projections`: "circulant", "fastfood", "fjlt", "gaussian" (dense, a baseline),
        "sorf", "srht" or "toeplitz".
    eps : float, optional
        For "auto": the share, between 0 and 1, that squared distances may be off by; 0.1 unless given.
    compute_inverse_components : bool, optional
        Whether `fit` writes out the pseudoinverse for `inverse_transform`, d k numbers.
    random_state : int, RandomState instance or None, optional
        As everywhere in scikit-learn.

    Attributes
    ----------
    projection_ : LinearOperator
        The projection, of shape (k, d), scaled so that it keeps squared lengths on average.
    n_components_ : int
        k.
    components_ : array, shape (k, d)
        The dense matrix of the projection, which is written out each time it is asked for.
    inverse_components_ : array, shape (d, k)
        Its pseudoinverse, with `compute_inverse_components` only.
    n_features_in_ : int
        Features of the data it was fitted to.
    feature_names_in_ : array
        Their names, if they all had some.

    Notes
    -----
    Only the number, dtype and place of the features matter to `fit`. It costs O(d) memory, and a row O(d log d) time,
    or O(k log d) for k > d.

    Sparse data are made dense some rows at a time, and what comes out is dense.

    How many components keep distances is said in `structmat.projections`; the number that "auto" takes is proved for
    dense Gaussian matrices.

    References
    ----------
    .. [1] Y. Cheng, F. X. Yu, R. S. Feris, S. Kumar, A. Choudhary and S.-F. Chang, "An exploration of parameter
       redundancy in deep networks with circulant projections", *ICCV* 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.sklearn import StructuredProjection
    >>> X = np.random.default_rng(0).standard_normal((100, 1000))
    >>> StructuredProjection(50, kind="srht", random_state=0).fit_transform(X).shape
    (100, 50)
    """

    def __init__(
        self,
        n_components: int | Literal["auto"] | None = None,
        *,
        kind: str = "circulant",
        eps: float | None = None,
        compute_inverse_components: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.kind = kind
        self.eps = eps
        self.compute_inverse_components = compute_inverse_components
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw the projection.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Data, of which only shape and dtype matter.
        y : object, optional
            Ignored.

        Returns
        -------
        StructuredProjection
            Itself.

        Warns
        -----
        DataDimensionalityWarning
            There are more components than features.

        Raises
        ------
        ValueError
            `n_components` is less than 1, `eps` is not between 0 and 1, "auto" leads to no component or to more than
            there are features, or `kind` is unknown.
        """
        X = self._checked(X)
        draw = chosen(type(self).__name__, self.kind, ALL)
        self.n_components_ = self._outputs(X)
        self.projection_ = draw(X.shape[1], self.n_components_, **self._drawn(X)).freeze()
        self._dtype = X.dtype
        if hasattr(self, "inverse_components_"):  # of an earlier fit
            delattr(self, "inverse_components_")
        if self.compute_inverse_components:
            xp, where = _home(X)
            unit = xp.eye(self.n_components_, dtype=X.dtype, device=where)
            self.inverse_components_ = lstsq(self.projection_, unit)
        return self

    def _outputs(self, X: Any, most: int | None = None) -> int:
        """Also of "auto"; more components than features are allowed, with scikit-learn's warning."""
        samples, features = X.shape
        if isinstance(self.n_components, str) and self.n_components != "auto":
            raise ValueError(
                f"{type(self).__name__}: n_components is {self.n_components!r}; expected an int, 'auto' or None."
            )
        if self.n_components == "auto" or (self.n_components is None and self.eps is not None):
            given = 0.1 if self.eps is None else self.eps
            eps = float(check_scalar(given, "eps", Real, min_val=0, max_val=1, include_boundaries="neither"))
            k = int(johnson_lindenstrauss_min_dim(samples, eps=eps))
            if not 0 < k <= features:
                fault = "invalid" if k <= 0 else f"larger than the original space with n_features={features}"
                raise ValueError(
                    f"eps={eps:f} and n_samples={samples} lead to a target dimension of {k} which is {fault}"
                )
            return k
        k = super()._outputs(X, most)
        if k > features:
            warnings.warn(
                f"The number of components is higher than the number of features: {k} and {features}; "
                f"{type(self).__name__} does not reduce the dimension.",
                DataDimensionalityWarning,
                stacklevel=3,
            )
        return k

    @property
    def components_(self) -> Array:
        """The dense matrix of the projection."""
        return astype(self.projection_.xp, self.projection_.to_dense(), self._dtype)

    def inverse_transform(self, X: Any) -> Array:
        """Return the shortest vectors whose projections are nearest to X: products with the pseudoinverse.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_components)
            Projections.

        Returns
        -------
        array, shape (n_samples, n_features)
            Vectors. For k ≤ d and a projection of full rank, `transform` gives X again.

        Notes
        -----
        It is `structmat.linalg.lstsq`: exact where the structure gives a pseudoinverse and for up to 1024 features and
        components; else an iteration for each row, for arrays of NumPy and CuPy only.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=_floating(X), accept_sparse="csr")
        X = _dense(self._same_place("inverse_transform", X, self.projection_))
        if X.shape[1] != self.n_components_:
            raise ValueError(f"X has {X.shape[1]} features, but the projection has {self.n_components_} components.")
        if hasattr(self, "inverse_components_"):
            return X @ self.inverse_components_.T
        return lstsq(self.projection_, X.T).T


class CirculantProjection(StructuredProjection):
    """Random circulant projection x ↦ R D x, in the place of `sklearn.random_projection.GaussianRandomProjection`.

    Parameters
    ----------
    n_components : int, "auto" or None, optional
        Output dimension k, smaller or larger than the number d of features. "auto" takes
        `sklearn.random_projection.johnson_lindenstrauss_min_dim` of the number of samples and `eps`, as scikit-learn
        does, and refuses data of fewer features than that. None is "auto" where `eps` is given, and else d.
    eps : float, optional
        For "auto": the share, between 0 and 1, that squared distances may be off by; 0.1 unless given.
    compute_inverse_components : bool, optional
        Whether `fit` writes out the pseudoinverse for `inverse_transform`, d k numbers.
    random_state : int, RandomState instance or None, optional
        As everywhere in scikit-learn.

    Attributes
    ----------
    projection_ : LinearOperator
        `structmat.projections.circulant_projection`, of shape (k, d).
    n_components_, components_, inverse_components_
        As of `StructuredProjection`.
    n_features_in_ : int
        Features of the data it was fitted to.
    feature_names_in_ : array
        Their names, if they all had some.

    References
    ----------
    .. [1] Y. Cheng, F. X. Yu, R. S. Feris, S. Kumar, A. Choudhary and S.-F. Chang, "An exploration of parameter
       redundancy in deep networks with circulant projections", *ICCV* 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.sklearn import CirculantProjection
    >>> X = np.random.default_rng(0).standard_normal((100, 1000))
    >>> projection = CirculantProjection(50, random_state=0).fit(X)
    >>> projection.transform(X).shape, projection.projection_.nbytes
    ((100, 50), 9000)
    """

    kind = "circulant"

    def __init__(
        self,
        n_components: int | Literal["auto"] | None = None,
        *,
        eps: float | None = None,
        compute_inverse_components: bool = False,
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.eps = eps
        self.compute_inverse_components = compute_inverse_components
        self.random_state = random_state


def _scale(X: Any) -> float:
    """1 / (d · variance of X), or 1 where all entries are equal.

    The variance is that of (x - low) / (high - low), in double precision: it is more than 0 wherever two entries
    differ, and its terms neither over- nor underflow.
    """
    extremes = [(float(namespace(x).min(x)), float(namespace(x).max(x))) for x in _blocks(X)]
    low, high = min(one for one, _ in extremes) / 2, max(other for _, other in extremes) / 2  # no difference overflows
    if low == high:
        return 1.0
    span, count = high - low, math.prod(X.shape)
    mean = sum(float(namespace(x).sum((x / 2 - low) / span)) for x in _blocks(X)) / count
    variance = sum(float(namespace(x).sum(((x / 2 - low) / span - mean) ** 2)) for x in _blocks(X)) / count
    gamma: float = 1 / (4 * X.shape[1] * variance) / span / span
    if not 0 < gamma < math.inf:
        raise ValueError(
            f"StructuredRFF: gamma is 'scale' and X runs from {2 * low:g} to {2 * high:g}, where 1 / (n_features * "
            f"X.var()) over- or underflows; scale X, or give gamma a number."
        )
    return gamma


class StructuredRFF(_Projection):
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


class CirculantBinaryEmbedding(_Projection):
    """Binary codes by the signs of a circulant projection, whose Hamming distances tell angles.

    Parameters
    ----------
    n_components : int or None, optional
        Bits k; the number of features for None.
    method : {"random", "optimized"}, optional
        Whether the projection stays random, or is learned by `structmat.learn.optimize_embedding`, for k of at most
        the number of features.
    random_state : int, RandomState instance or None, optional
        As everywhere in scikit-learn.

    Attributes
    ----------
    projection_ : LinearOperator
        The projection, of shape (k, d).
    n_features_in_ : int
        Features of the data it was fitted to.
    feature_names_in_ : array
        Their names, if they all had some.

    Notes
    -----
    `transform` gives a byte for each bit, so that estimators with the metric "hamming" take its codes;
    `numpy.packbits(codes, axis=1)` are those of `structmat.learn.encode`. The data should be centred.

    References
    ----------
    .. [1] F. X. Yu, S. Kumar, Y. Gong and S.-F. Chang, "Circulant binary embedding", *ICML* 2014.

    Examples
    --------
    >>> import numpy as np
    >>> from structmat.sklearn import CirculantBinaryEmbedding
    >>> X = np.random.default_rng(0).standard_normal((100, 64))
    >>> codes = CirculantBinaryEmbedding(16, method="optimized", random_state=0).fit_transform(X)
    >>> codes.shape, codes.dtype
    ((100, 16), dtype('uint8'))
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        method: Literal["random", "optimized"] = "random",
        random_state: Any = None,
    ) -> None:
        self.n_components = n_components
        self.method = method
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Draw the projection, or learn it.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Data, which "optimized" needs whole and dense.
        y : object, optional
            Ignored.

        Returns
        -------
        CirculantBinaryEmbedding
            Itself.

        Raises
        ------
        ValueError
            `n_components` is out of range, or `method` is unknown.
        """
        X = self._checked(X)
        if self.method not in ("random", "optimized"):
            raise ValueError(f"{type(self).__name__}: method is {self.method!r}; expected 'random' or 'optimized'.")
        options = self._drawn(X)
        if self.method == "random":
            self.projection_ = circulant_projection(X.shape[1], self._outputs(X), **options).freeze()
        else:
            k = self._outputs(X, most=X.shape[1])
            self.projection_ = optimize_embedding(_dense(X), k, rng=options["rng"]).operator.freeze()
        return self

    def _mapped(self, X: Array) -> Array:
        xp = namespace(X)
        return astype(xp, self.projection_.matvec(X) >= 0, xp.uint8)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags


class CirculantRidge(RegressorMixin, _Estimator):  # type: ignore[misc]
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
    n_features_in_ : int
        Features of the data it was fitted to.
    feature_names_in_ : array
        Their names, if they all had some.

    Notes
    -----
    Targets y of shape (n_samples, n_features) say what each shift is to give, and `predict` gives the scores of all
    shifts. Targets of shape (n_samples,) are those of the samples as they are, whose shifts are to give 0, and
    `predict` gives ⟨w, x⟩. That makes a detector; for targets that have nothing to do with shifts take
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
            Samples; sparse ones are made dense some at a time.
        y : array-like, shape (n_samples,) or (n_samples, n_features)
            Their targets, or those of all their shifts. A column (n_samples, 1) is taken as (n_samples,), with
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
        if _dispatched(X):
            where = {"xp": namespace(X), "device": device(X)}
            y, sample_weight = (move(side, **where) if is_array(side) else side for side in (y, sample_weight))
        X, y = self._checked(X, y, multi_output=True, y_numeric=True)
        alpha = float(check_scalar(self.alpha, "alpha", Real, min_val=0, max_val=math.inf, include_boundaries="left"))
        (xp, where), (N, d) = _home(X), X.shape
        if y.ndim == 2 and y.shape[1] == 1 < d:
            y = column_or_1d(y, warn=True)
        self._all_shifts = y.ndim == 2
        if self._all_shifts and tuple(y.shape) != (N, d):
            raise ValueError(f"y has shape {tuple(y.shape)}; expected ({N},), or ({N}, {d}) with a target a shift.")
        y, weights = astype(xp, y, X.dtype), None
        if sample_weight is not None:
            each = [sample_weight] * N if isinstance(sample_weight, Real) else sample_weight
            weights = check_array(each, ensure_2d=False, dtype=_floating(X), input_name="sample_weight")
            weights = checked_sample_weight(type(self).__name__, xp.asarray(weights, device=where), N)

        def blocks() -> Iterator[tuple[Array, Array, Array | None]]:
            for rows in row_blocks(N, 2 * d):
                targets = y[rows, ...]
                if not self._all_shifts:
                    zeros = xp.zeros((targets.shape[0], d - 1), dtype=X.dtype, device=where)
                    targets = xp.concat((targets[:, None], zeros), axis=1)
                yield _dense(X, rows)[:, None, :], targets[:, None, :], None if weights is None else weights[rows]

        self.coef_ = astype(xp, filter_of_blocks(xp, blocks(), (d,), alpha, real=True), X.dtype)[0, :]
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
            Of the form of the targets it was fitted to.
        """
        check_is_fitted(self)
        X = self._same_place("predict", self._checked(X, reset=False), self.coef_)
        if not self._all_shifts:
            return X @ self.coef_
        scores = [cyclic_scores(self.coef_, _dense(X, rows)) for rows in row_blocks(X.shape[0], 2 * X.shape[1])]
        return _home(X)[0].concat(scores)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # the shifts of samples without structure say nothing, and count as much
        return tags
