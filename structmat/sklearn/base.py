"""The base classes of the estimators: checked data on their own library, products with a projection."""

from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from structmat._backend import Array, Device, Namespace, astype, device, is_array, namespace, namespace_name, sum_dtype
from structmat.core.base import LinearOperator
from structmat.core.batches import Target, chunk, pieces, piecewise
from structmat.projections.least_squares import row_blocks


def dispatched(X: Any) -> bool:
    """Tell whether X stays in its library: only under array-API dispatch, else it becomes a NumPy array."""
    return bool(get_config()["array_api_dispatch"]) and is_array(X)


def floating(X: Any) -> tuple[Any, Any]:
    """The dtypes that are kept; others become the first."""
    xp = namespace(X if dispatched(X) else np.empty(0))
    return xp.float64, xp.float32


def home(X: Any) -> tuple[Namespace, Device]:
    """The library and device of checked data; products with sparse ones are made by NumPy."""
    X = X.data if issparse(X) else X
    return namespace(X), device(X)


def dense(X: Any, rows: slice = slice(None)) -> Array:
    """Rows of checked data as a plain array."""
    return X[rows].toarray() if issparse(X) else X[rows, ...]


def blocks(X: Any) -> Iterator[Array]:
    """All rows of checked data, a bounded number at a time, in double precision."""
    for rows in row_blocks(*X.shape):
        block = dense(X, rows)
        yield astype(namespace(block), block, sum_dtype(block))


class Estimator(BaseEstimator):  # type: ignore[misc]
    """What all have in common: checked data in single or double precision, on the library where they are."""

    def _checked(self, X: Any, y: Any = "no_validation", *, reset: bool = True, **options: Any) -> Any:
        return validate_data(self, X, y, reset=reset, dtype=floating(X), accept_sparse="csr", **options)

    def _same_place(self, method: str, X: Array, fitted: Array | LinearOperator) -> Array:
        """Refuse what is in another library or on another device than what was fitted."""
        if isinstance(fitted, LinearOperator):
            xp, where = fitted.xp, fitted.device
        else:
            xp, where = namespace(fitted), device(fitted)
        found, here = home(X)
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


class Transformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):  # type: ignore[misc]
    """A transformer by the products with `projection_`."""

    def _drawn(self, X: Array) -> dict[str, Any]:
        """What a random operator for X is drawn with: one seed gives the same on every library."""
        seeds, (xp, where) = check_random_state(self.random_state).randint(2**31, size=4), home(X)
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
        xp, where = home(X)
        size = np.broadcast_to(np.zeros(1, X.dtype), X.shape) if issparse(X) else X  # as large as the dense rows
        step = chunk(self.projection_, "transform", size, None)
        like = self._mapped(xp.zeros((0, X.shape[1]), dtype=X.dtype, device=where))
        target, blocks = Target(xp, X.shape[:-1], like.shape[-1], like.dtype), map(dense, pieces(xp, X, step))
        return piecewise(lambda x: (self._mapped(x), None), zip(blocks, strict=True), step, target)

    def _mapped(self, X: Array) -> Array:
        return self.projection_.matvec(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
