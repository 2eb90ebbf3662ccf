"""Compact nonlinear maps: Fourier features whose projection is learned with the classifier."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Self

from structmat._backend import devices, namespaces, ops, random
from structmat._backend.types import RNG, Array
from structmat.learn.features import FourierFeatures
from structmat.learn.training import cross_entropy, train
from structmat.projections.parts import checked_sizes


@dataclasses.dataclass(frozen=True)
class CompactMap:
    r"""Linear classifier of Fourier features whose projection is learned with it.

    .. math:: s(x) = V \begin{pmatrix} \cos W x \\ \sin W x \end{pmatrix} + c,

    a score for each class. W is random at first, where s approximates a classifier with a Gaussian kernel, and is
    trained with V and c by gradient descent on the classification loss, so fewer features suffice [1]_. With a
    circulant W a step costs O(d log d) a vector, and W has O(d) parameters.

    Parameters
    ----------
    features : FourierFeatures
        The features. The parameters of their projection are trained; a frozen projection has none.
    weights : array, shape (classes, n_features)
        V.
    shift : array, shape (classes,)
        c.
    ridge : float, optional
        λ of the penalty λ/2 ‖V‖² in the loss.

    Attributes
    ----------
    params : tuple of array
        The parameters of the projection, V and c.

    Notes
    -----
    The features are `FourierFeatures` times √(n/2), so they are of order one.

    References
    ----------
    .. [1] F. X. Yu, S. Kumar, H. Rowley and S.-F. Chang, "Compact nonlinear maps and circulant extensions",
       arXiv 1503.03893, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> X = np.random.default_rng(0).standard_normal((400, 2))
    >>> labels = (np.sum(X * X, axis=1) > 1).astype(np.int64)  # inside the unit circle, or out of it
    >>> model = sm.learn.CompactMap.fit(X, labels, 8, gamma=0.5, rate=0.05, rng=0)
    >>> bool(np.mean(model.predict(X) == labels) > 0.95)
    True
    """

    features: FourierFeatures
    weights: Array
    shift: Array
    ridge: float = 0.0

    @classmethod
    def fit(
        cls,
        X: Array,
        labels: Array,
        n_features: int,
        *,
        gamma: float,
        kind: str = "circulant",
        learn: bool = True,
        epochs: int = 20,
        batch: int = 100,
        rate: float = 0.01,
        ridge: float = 1e-4,
        rng: RNG = None,
    ) -> Self:
        """Draw random features and train them with the classifier, by Adam on shuffled batches.

        Parameters
        ----------
        X : array, shape (N, d)
            Real vectors. The model has their library, device and dtype.
        labels : array of int, shape (N,)
            Their classes, counted from 0.
        n_features : int
            Number n of features.
        gamma : float
            γ of the Gaussian kernel that the initial features approximate.
        kind : {"circulant", "fastfood", "gaussian", "sorf", "toeplitz"}, optional
            The projection, as for `FourierFeatures.random`. "fastfood" and "sorf" have no parameters to train.
        learn : bool, optional
            Whether the projection is trained, or the classifier only.
        epochs : int, optional
            Number of passes over the data.
        batch : int, optional
            Number of vectors in a batch.
        rate : float, optional
            Initial step size; it decreases to zero along a cosine.
        ridge : float, optional
            λ of the penalty.
        rng : int, numpy.random.Generator or None, optional
            Seed or generator of the features and of the batches.

        Returns
        -------
        CompactMap
            The trained model.

        Raises
        ------
        ValueError
            X or `labels` has the wrong shape, a label is negative, or `n_features`, `epochs` or `batch` is not a
            positive int.
        """
        if X.ndim != 2 or tuple(labels.shape) != tuple(X.shape[:1]) or X.shape[0] == 0:
            raise ValueError(
                f"CompactMap.fit: X has shape {tuple(X.shape)}, labels {tuple(labels.shape)}; expected (N, d) and "
                f"(N,) with N ≥ 1."
            )
        epochs, batch = checked_sizes("CompactMap.fit", epochs=epochs, batch=batch)
        if devices.to_host(labels).min() < 0:
            raise ValueError("CompactMap.fit: a label is negative; expected classes counted from 0.")
        xp, rng, where = namespaces.of(X), random.generator(rng), devices.of(X)
        features = FourierFeatures.random(
            X.shape[1], n_features, gamma=gamma, kind=kind, rng=rng, dtype=X.dtype, xp=xp, device=where
        )
        if not learn:
            features = dataclasses.replace(features, projection=features.projection.freeze())
        classes = int(devices.to_host(labels).max()) + 1
        weights, shift = (xp.zeros(shape, dtype=X.dtype, device=where) for shape in ((classes, n_features), (classes,)))
        model = cls(features, weights, shift, ridge)
        for trained, _ in train(model, X, labels, epochs=epochs, batch=batch, rate=rate, rng=rng):
            model = trained
        return model

    @property
    def params(self) -> tuple[Array, ...]:
        """The parameters of the projection, V and c."""
        return (*self.features.params, self.weights, self.shift)

    def with_params(self, params: Sequence[Array]) -> Self:
        """Return the same model with other parameters.

        Parameters
        ----------
        params : sequence of array
            New values of ``params``.

        Returns
        -------
        CompactMap
            The model with these parameters.
        """
        *projection, weights, shift = params
        features = self.features.with_params(projection)
        return dataclasses.replace(self, features=features, weights=weights, shift=shift)

    @property
    def _amplitude(self) -> float:
        return math.sqrt(self.features.n_features / 2)

    def _scores(self, z: Array) -> Array:
        xp = namespaces.of(z)
        return xp.matmul(z, xp.matrix_transpose(self.weights)) * self._amplitude + self.shift

    def __call__(self, x: Array) -> Array:
        """Score vectors.

        Parameters
        ----------
        x : array, shape (..., d)
            Vectors.

        Returns
        -------
        array, shape (..., classes)
            A score for each class.
        """
        return self._scores(self.features(x))

    def predict(self, x: Array) -> Array:
        """Return the class of the largest score.

        Parameters
        ----------
        x : array, shape (..., d)
            Vectors.

        Returns
        -------
        array of int64, shape (...)
            Their classes.
        """
        scores = self(x)
        return namespaces.of(scores).argmax(scores, axis=-1)

    def loss_and_gradients(self, x: Array, labels: Array) -> tuple[float, tuple[Array, ...]]:
        """Return the loss of a batch and its gradient.

        Parameters
        ----------
        x : array, shape (B, d)
            Vectors.
        labels : array of int, shape (B,)
            Their classes.

        Returns
        -------
        loss : float
            Mean cross-entropy, plus the penalty.
        grads : tuple of array
            With respect to each of ``params``.
        """
        z, saved = self.features.forward(x)
        xp = namespaces.of(z)
        loss, g = cross_entropy(self._scores(z), labels)
        _, projection = self.features.backward(saved, xp.matmul(g, self.weights) * self._amplitude)
        weights = ops.outer_sum(xp, g, z) * self._amplitude + self.ridge * self.weights
        penalty = self.ridge / 2 * float(xp.sum(self.weights * self.weights))
        return loss + penalty, (*projection, weights, xp.sum(g, axis=0))
