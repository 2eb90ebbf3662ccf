"""Random projections."""

import warnings
from numbers import Real
from typing import Any, Literal, Self

from sklearn.exceptions import DataDimensionalityWarning
from sklearn.random_projection import johnson_lindenstrauss_min_dim
from sklearn.utils import check_array, check_scalar
from sklearn.utils.validation import check_is_fitted

from structmat._backend import dtypes
from structmat._backend.types import Array
from structmat.linalg import lstsq
from structmat.projections.kinds import PROJECTIONS, projection_by_name
from structmat.sklearn.base import ProjectionTransformer, accepted_dtypes, dense_rows, library_and_device


class StructuredProjection(ProjectionTransformer):
    """Random projection by a structured matrix, instead of `sklearn.random_projection.GaussianRandomProjection`.

    Parameters
    ----------
    n_components : int, "auto" or None, optional
        Output dimension k, smaller or larger than the number d of features. For "auto" it is
        `sklearn.random_projection.johnson_lindenstrauss_min_dim` of the number of samples and `eps`, as in
        scikit-learn, and must not exceed d. None means "auto" if `eps` is given, else d.
    kind : str, optional
        The projection of `structmat.projections`: "circulant", "fastfood", "fjlt", "gaussian" (dense, a baseline),
        "sorf", "srht" or "toeplitz".
    eps : float, optional
        For "auto": the relative error of squared distances, between 0 and 1; 0.1 unless given.
    compute_inverse_components : bool, optional
        Whether `fit` computes the dense pseudoinverse for `inverse_transform`, d k numbers.
    random_state : int, RandomState instance or None, optional
        Seed or generator, as in all estimators of scikit-learn.

    Attributes
    ----------
    projection_ : LinearOperator
        The projection, of shape (k, d), scaled so that it preserves squared lengths on average.
    n_components_ : int
        k.
    components_ : array, shape (k, d)
        The dense matrix of the projection, computed at each access.
    inverse_components_ : array, shape (d, k)
        Its pseudoinverse, with `compute_inverse_components` only.
    n_features_in_, feature_names_in_
        Number and names of the features of the data of `fit`, as in all estimators of scikit-learn.

    Notes
    -----
    `fit` uses only the shape, dtype, library and device of the data. For "circulant" it takes O(d) memory, and
    `transform` O(d log d) time for a row, or O(k log d) for k > d; `structmat.projections` has the cost of the others.

    Sparse data are converted to dense in blocks of rows, and results are dense.

    `structmat.projections` describes how many components preserve distances; the number of "auto" is proved for dense
    Gaussian matrices.

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
            Data; only their shape, dtype, library and device are used.
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
            `n_components` is less than 1, `eps` is not between 0 and 1, "auto" gives no components or more than there
            are features, or `kind` is unknown.
        """
        X = self._checked(X)
        draw = projection_by_name(type(self).__name__, self.kind, PROJECTIONS)
        self.n_components_ = self._checked_n_components(X)
        self.projection_ = draw(X.shape[1], self.n_components_, **self._random_options(X)).freeze()
        self._dtype = X.dtype
        if hasattr(self, "inverse_components_"):  # of an earlier fit
            delattr(self, "inverse_components_")
        if self.compute_inverse_components:
            xp, where = library_and_device(X)
            unit = xp.eye(self.n_components_, dtype=X.dtype, device=where)
            self.inverse_components_ = lstsq(self.projection_, unit)
        return self

    def _checked_n_components(self, X: Any, most: int | None = None) -> int:
        """Return `n_components` as an int; warn as scikit-learn does if it exceeds the number of features."""
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
        k = super()._checked_n_components(X, most)
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
        return dtypes.astype(self.projection_.xp, self.projection_.to_dense(), self._dtype)

    def inverse_transform(self, X: Any) -> Array:
        """Multiply by the pseudoinverse: return the vectors of least norm whose projections are nearest to X.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_components)
            Projections.

        Returns
        -------
        array, shape (n_samples, n_features)
            Vectors. For k ≤ d and a projection of full rank, `transform` maps them to X.

        Notes
        -----
        It is `structmat.linalg.lstsq`: exact if the structure has an exact pseudoinverse or there are at most 1024
        features and components; else an iteration for each row, for arrays of NumPy and CuPy only.
        """
        check_is_fitted(self)
        X = check_array(X, dtype=accepted_dtypes(X), accept_sparse="csr")
        X = dense_rows(self._check_same_place("inverse_transform", X, self.projection_))
        if X.shape[1] != self.n_components_:
            raise ValueError(f"X has {X.shape[1]} features, but the projection has {self.n_components_} components.")
        if hasattr(self, "inverse_components_"):
            return X @ self.inverse_components_.T
        return lstsq(self.projection_, X.T).T


class CirculantProjection(StructuredProjection):
    """Random circulant projection x ↦ R D x, instead of `sklearn.random_projection.GaussianRandomProjection`.

    Parameters
    ----------
    n_components, eps, compute_inverse_components, random_state : optional
        As for `StructuredProjection`.

    Attributes
    ----------
    projection_ : LinearOperator
        `structmat.projections.circulant_projection`, of shape (k, d).
    n_components_, components_, inverse_components_, n_features_in_, feature_names_in_
        As for `StructuredProjection`.

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
