"""Binary codes by the signs of a circulant projection."""

from typing import Any, Literal, Self

from structmat._backend import dtypes, namespaces
from structmat._backend.types import Array
from structmat.learn import optimize_embedding
from structmat.projections import circulant_projection
from structmat.sklearn.base import ProjectionTransformer, dense_rows


class CirculantBinaryEmbedding(ProjectionTransformer):
    """Binary codes from the signs of a circulant projection; their Hamming distances estimate angles.

    Parameters
    ----------
    n_components : int or None, optional
        Number k of bits; the number of features for None.
    method : {"random", "optimized"}, optional
        Whether the projection is random, or learned by `structmat.learn.optimize_embedding`, which needs k of at most
        the number of features.
    random_state : int, RandomState instance or None, optional
        Seed or generator, as in all estimators of scikit-learn.

    Attributes
    ----------
    projection_ : LinearOperator
        The projection, of shape (k, d).
    n_features_in_, feature_names_in_
        Number and names of the features of the data of `fit`, as in all estimators of scikit-learn.

    Notes
    -----
    `transform` returns a byte for each bit, as estimators with the metric "hamming" expect; `numpy.packbits` of the
    codes along ``axis=1`` equals the result of `structmat.learn.encode`. The data should be centred.

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
        """Draw or learn the projection.

        Parameters
        ----------
        X : array-like or sparse matrix, shape (n_samples, n_features)
            Data; "optimized" converts all to dense.
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
        options = self._random_options(X)
        if self.method == "random":
            self.projection_ = circulant_projection(X.shape[1], self._checked_n_components(X), **options).freeze()
        else:
            k = self._checked_n_components(X, most=X.shape[1])
            self.projection_ = optimize_embedding(dense_rows(X), k, rng=options["rng"]).operator.freeze()
        return self

    def _map(self, X: Array) -> Array:
        xp = namespaces.of(X)
        return dtypes.astype(xp, self.projection_.matvec(X) >= 0, xp.uint8)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
