"""Random projections."""

import warnings
from numbers import Real
from typing import Any, Literal, Self

from sklearn.exceptions import DataDimensionalityWarning
from sklearn.random_projection import johnson_lindenstrauss_min_dim
from sklearn.utils import check_array, check_scalar
from sklearn.utils.validation import check_is_fitted

from structmat._backend import Array, astype
from structmat.linalg import lstsq
from structmat.projections.kinds import ALL, projection_by_name
from structmat.sklearn.base import Transformer, dense, floating, home


class StructuredProjection(Transformer):
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
        draw = projection_by_name(type(self).__name__, self.kind, ALL)
        self.n_components_ = self._outputs(X)
        self.projection_ = draw(X.shape[1], self.n_components_, **self._drawn(X)).freeze()
        self._dtype = X.dtype
        if hasattr(self, "inverse_components_"):  # of an earlier fit
            delattr(self, "inverse_components_")
        if self.compute_inverse_components:
            xp, where = home(X)
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
        X = check_array(X, dtype=floating(X), accept_sparse="csr")
        X = dense(self._same_place("inverse_transform", X, self.projection_))
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
