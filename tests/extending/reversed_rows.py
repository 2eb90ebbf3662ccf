"""A composite: rows and columns of an operator in reverse order, J A J with the exchange matrix J."""

import dataclasses
from typing import Any

from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator
from structmat.core.composite import UnaryOperator
from structmat.core.contract import Solver


def flip(xp: Namespace, x: Array) -> Array:
    """Multiply vectors by J."""
    return xp.flip(x, axis=-1)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Reversed(UnaryOperator):
    """J A J, whose entry (i, j) is entry (m - 1 - i, n - 1 - j) of A."""

    of: LinearOperator

    def _apply(self, xp: Namespace, x: Array) -> Array:
        return flip(xp, self.of._apply(xp, flip(xp, x)))

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        return flip(xp, self.of._apply_adjoint(xp, flip(xp, g)))

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        y, saved = self.of._forward(xp, flip(xp, x))
        return flip(xp, y), saved

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        dx, grads = self.of._backward(xp, saved, flip(xp, g))
        return flip(xp, dx), grads

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        return self.of._entries(xp, self.m - 1 - i, self.n - 1 - j)

    def _inverse(self) -> LinearOperator:
        return Reversed(self.of**-1)

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        return self.of._eigenvalues(xp)

    def _singular_values(self, xp: Namespace) -> Array | None:
        return self.of._singular_values(xp)

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        return flip(xp, solve(self.of, flip(xp, b)))
