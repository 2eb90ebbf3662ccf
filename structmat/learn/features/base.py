"""Functions of the products with a projection, with gradients, and the projections whose rows are Gaussian vectors."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

from structmat._backend import namespaces
from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator
from structmat.projections.kinds import GAUSSIAN, projection_by_name
from structmat.projections.parts import RandomSource, warn_of_few_rotations


@dataclasses.dataclass(frozen=True)
class Features:
    """A function of the products with a projection, with its gradients."""

    projection: LinearOperator

    _title: ClassVar[str] = "Features"

    @property
    def n_features(self) -> int:
        """Number of features."""
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
            New values of ``params``.

        Returns
        -------
        Features
            The map with these parameters.
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
        return self._map(namespaces.of(y), y)[0]

    def forward(self, x: Array) -> tuple[Array, Any]:
        """Map vectors, and save the residuals for `backward`.

        Parameters
        ----------
        x : array, shape (..., d)
            Real vectors.

        Returns
        -------
        z : array, shape (..., n_features)
            Their features.
        saved : object
            Residuals for `backward`.
        """
        y, saved = self.projection.forward(x)
        z, residuals = self._map(namespaces.of(y), y)
        return z, (saved, residuals)

    def backward(self, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        """Compute gradients from the gradient with respect to the features.

        Parameters
        ----------
        saved : object
            From `forward`.
        g : array, shape (..., n_features)
            Gradient with respect to the features.

        Returns
        -------
        dx : array, shape (..., d)
            Gradient with respect to the vectors.
        grads : tuple of array
            With respect to each of ``params``, summed over the batch.
        """
        products, residuals = saved
        return self.projection.backward(products, self._pull(namespaces.of(g), residuals, g))

    def _map(self, xp: Namespace, y: Array) -> tuple[Array, Any]:
        """Return the features of products y, and the residuals for `_pull`."""
        raise NotImplementedError

    def _pull(self, xp: Namespace, residuals: Any, g: Array) -> Array:
        """Return the gradient with respect to the products."""
        raise NotImplementedError


def gaussian_rows(title: str, kind: str, d: int, k: int, source: RandomSource) -> LinearOperator:
    """Draw k rows that are approximately standard Gaussian vectors."""
    draw = projection_by_name(title, kind, GAUSSIAN)
    if kind == "sorf":
        fault, remedy = "so that products of features are biased", "another kind, such as 'circulant'"
        warn_of_few_rotations(title, d, fault, remedy, stacklevel=4)
    P = draw(d, k, rng=source.rng, dtype=source.dtype, xp=source.xp, device=source.device)
    return math.sqrt(k) * P
