"""The base classes of the estimators: validation of data, and transformation by products with a projection."""

import copy
from collections.abc import Iterator
from numbers import Integral
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state, check_scalar
from sklearn.utils.validation import check_is_fitted, validate_data

from structmat._backend import devices, divided, dtypes, namespaces
from structmat._backend.types import Array, Device, Namespace
from structmat.core.base import LinearOperator
from structmat.core.batches import OutputSpec, chunk_length, chunks, map_chunks
from structmat.projections.least_squares import row_blocks


def keeps_library(X: Any) -> bool:
    """Return whether X stays in its library, under array-API dispatch; otherwise it becomes a NumPy array."""
    return bool(get_config()["array_api_dispatch"]) and namespaces.is_array(X)


def accepted_dtypes(X: Any) -> tuple[Any, Any]:
    """Return the dtypes that are kept; data of other dtypes are cast to the first."""
    xp = namespaces.of(X if keeps_library(X) else np.empty(0))
    return xp.float64, xp.float32


def library_and_device(X: Any) -> tuple[Namespace, Device]:
    """Return the library and device of validated data, NumPy's for sparse data."""
    X = X.data if issparse(X) else X
    return namespaces.of(X), devices.of(X)


def dense_rows(X: Any, rows: slice = slice(None)) -> Array:
    """Return rows of validated data as a dense array."""
    return X[rows].toarray() if issparse(X) else X[rows, ...]


def double_blocks(X: Any) -> Iterator[Array]:
    """Yield blocks of rows of validated data, of bounded size, in double precision."""
    for rows in row_blocks(*X.shape):
        block = dense_rows(X, rows)
        yield dtypes.astype(namespaces.of(block), block, dtypes.sum_dtype(block))


class Estimator(BaseEstimator):  # type: ignore[misc]
    """Base class of all estimators: data in single or double precision, dense or sparse, of any array library."""

    def _checked(self, X: Any, y: Any = "no_validation", *, reset: bool = True, **options: Any) -> Any:
        return validate_data(self, X, y, reset=reset, dtype=accepted_dtypes(X), accept_sparse="csr", **options)

    def _check_same_place(self, method: str, X: Array, fitted: Array | LinearOperator) -> Array:
        """Return X; raise ValueError unless it has the library and device of the data of `fit`."""
        if isinstance(fitted, LinearOperator):
            xp, where = fitted.xp, fitted.device
        else:
            xp, where = namespaces.of(fitted), devices.of(fitted)
        found, here = library_and_device(X)
        if found is not xp or devices.are_apart(here, where):
            raise ValueError(
                f"Inputs passed to {type(self).__name__}.{method}() must use the same namespace and device as those "
                f"passed to fit(): {namespaces.name(xp)} on {where}, not {namespaces.name(found)} on {here}."
            )
        return X

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.sparse = True
        return tags


def _transformed(X: Array, estimator: "ProjectionTransformer") -> Array:
    """Transform rows; scikit-learn's validation refuses to have none."""
    return (
        estimator.transform(X) if len(X) else estimator._map(estimator._checked(X, reset=False, ensure_min_samples=0))
    )


class ProjectionTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Estimator):  # type: ignore[misc]
    """Base class of the transformers, which take products with `projection_`."""

    def _random_options(self, X: Array) -> dict[str, Any]:
        """Return the arguments rng, dtype, xp and device of random operators for X."""
        seeds, (xp, where) = check_random_state(self.random_state).randint(2**31, size=4), library_and_device(X)
        return {"rng": np.random.default_rng(seeds), "dtype": X.dtype, "xp": xp, "device": where}

    def _checked_n_components(self, X: Array, most: int | None = None) -> int:
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
            Data. The blocks of a Dask array are mapped when the result is computed.

        Returns
        -------
        array, shape (n_samples, n_components)
            Mapped data, dense; in single precision if X and the data of `fit` are, else in double. A Dask array if X
            is.
        """
        check_is_fitted(self)
        if namespaces.is_array(X) and divided.is_lazy(X):
            return self._transformed_in_parts(X)
        X = self._check_same_place("transform", self._checked(X, reset=False), self.projection_)
        xp, where = library_and_device(X)
        as_dense = np.broadcast_to(np.zeros(1, X.dtype), X.shape) if issparse(X) else X  # for its size only
        length = chunk_length(self.projection_, "transform", as_dense, None)
        if length is None:
            return self._map(dense_rows(X))
        like = self._map(xp.zeros((0, X.shape[1]), dtype=X.dtype, device=where))
        spec, blocks = OutputSpec(xp, X.shape[:-1], like.shape[-1], like.dtype), map(dense_rows, chunks(xp, X, length))
        return map_chunks(lambda x: (self._map(x), None), zip(blocks, strict=True), length, spec)

    def _transformed_in_parts(self, X: Array) -> Array:
        """Plan the transformation of a lazy array, part by part."""
        none = self._checked(
            np.empty_like(divided.sample(X), shape=(0, *X.shape[1:])), reset=False, ensure_min_samples=0
        )
        if (parts := divided.parts_of_axis(X, -1)) is not None:
            raise ValueError(
                f"{type(self).__name__}.transform: X has {parts} along its features; expected one, as of "
                f"{divided.joined_hint(X, 'X', -1)}."
            )
        like = self._map(self._check_same_place("transform", none, self.projection_))
        fitted = copy.copy(self)  # `fit` may be called again before the parts are transformed
        return divided.map_vectors(_transformed, fitted, X, width=like.shape[-1], dtype=like.dtype)

    def _map(self, X: Array) -> Array:
        return self.projection_.matvec(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
