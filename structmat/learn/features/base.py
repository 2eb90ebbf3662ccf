"""Functions of the products with a projection, with gradients, and the projections whose rows are Gaussian vectors."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from structmat._backend import Array, Namespace, namespace
from structmat.core.base import LinearOperator
from structmat.projections.kinds import GAUSSIAN, projection_by_name
from structmat.projections.parts import RandomSource, warn_of_few_rotations


@dataclasses.dataclass(frozen=True)
class Features:
    """A function of each product with a projection, and its gradients."""

    projection: LinearOperator

    _title: ClassVar[str] = "Features"

    @property
    def n_features(self) -> int:
        """Features of a vector."""
        return self.projection.m

    @property
    def params(self) -> tuple[Array, ...]:
        """The parameters of the projection."""
        return self.projection.params

    def with_params(self, params: Sequence[Array]) -> Self:
        """Return the same map with other parameters.

        Parameters
        ----------
        params : sequence of array
            As ``params``.

        Returns
        -------
        Features
            Of the same kind.
        """
        return dataclasses.replace(self, projection=self.projection.with_params(params))

    def __call__(self, x: Array) -> Array:
        """Map vectors.

        Parameters
        ----------
        x : array, shape (..., d)
            Real vectors along the last axis; leading axes are a batch.

        Returns
        -------
        array, shape (..., n_features)
            Their features.
        """
        y = self.projection.matvec(x)
        return self._map(namespace(y), y)[0]

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Map vectors, and keep what `backward` needs.

        Parameters
        ----------
        x : array, shape (..., d)
            Real vectors.

        Returns
        -------
        z : array, shape (..., n_features)
            Their features.
        saved : object
            For `backward`.
        """
        y, saved = self.projection.forward(x)
        z, kept = self._map(namespace(y), y)
        return z, (saved, kept)

    def backward(self, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        """Return the gradients of a scalar whose gradient with respect to the features is given.

        Parameters
        ----------
        saved : object
            From `forward`.
        g : array, shape (..., n_features)
            That gradient.

        Returns
        -------
        dx : array, shape (..., d)
            Gradient with respect to the vectors.
        grads : tuple of array
            With respect to each of ``params``, summed over the batch.
        """
        products, kept = saved
        return self.projection.backward(products, self._pull(namespace(g), kept, g))

    def _map(self, xp: Namespace, y: Array) -> tuple[Array, Any]:
        """Features of products, and what the gradient needs."""
        raise NotImplementedError

    def _pull(self, xp: Namespace, kept: Any, g: Array) -> Array:
        """Gradient with respect to the products."""
        raise NotImplementedError


def gaussian_rows(title: str, kind: str, d: int, k: int, source: RandomSource) -> LinearOperator:
    """Draw k rows that are approximately standard Gaussian vectors."""
    draw = projection_by_name(title, kind, GAUSSIAN)
    if kind == "sorf":
        fault, remedy = "so that products of features are biased", "another kind, such as 'circulant'"
        warn_of_few_rotations(title, d, fault, remedy, stacklevel=4)
    P = draw(d, k, rng=source.rng, dtype=source.dtype, xp=source.xp, device=source.device)
    return math.sqrt(k) * P
