"""What the callback of an iterative solver is given, and a callback that keeps it."""

import dataclasses
import functools
from collections.abc import Callable

from structmat._backend.types import Array


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SolveState:
    """The state of an iterative solver after a step, which `callback(state)` is given.

    Attributes
    ----------
    iteration : int
        Number of the step, from 1 for each right-hand side; GMRES counts its restarts.
    column : int
        Index of the right-hand side. With MINRES and complex numbers the real and the imaginary part count as two.
    x : array, shape (n,)
        The current solution, a copy.
    products : int
        Products with A so far for this right-hand side.
    method : str
        The Krylov method.
    residual : float
        ‖b - A x‖ / ‖b‖, from a product with A when it is first read; `products` does not count it.
    """

    iteration: int
    column: int
    x: Array
    products: int
    method: str
    _measure: Callable[[], float]

    def __repr__(self) -> str:
        return f"SolveState({self.method}, iteration={self.iteration}, column={self.column}, products={self.products})"

    @functools.cached_property
    def residual(self) -> float:
        """‖b - A x‖ / ‖b‖, from a product with A when it is first read."""
        return self._measure()


class History:
    """A callback for iterative solvers that keeps the residual after every step.

    Attributes
    ----------
    residuals : list of float
        ‖b - A x‖ / ‖b‖ after each step, of one right-hand side after the other.
    columns, iterations, products : list of int
        The same attributes of each `SolveState`.

    Notes
    -----
    Cost: one product with A for each step; solutions are not kept. A history that is given to several solvers goes on.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> T, history = sm.SymmetricToeplitz(0.5 ** np.arange(2000.0)), sm.linalg.History()
    >>> result = sm.linalg.solve_iterative(T, np.ones(2000), callback=history)
    >>> history.residuals[-1] == result.residual
    True
    >>> history.residuals == sorted(history.residuals, reverse=True)
    True
    """

    def __init__(self) -> None:
        self.residuals: list[float] = []
        self.columns: list[int] = []
        self.iterations: list[int] = []
        self.products: list[int] = []

    def __call__(self, state: SolveState) -> None:
        """Keep the numbers of a state."""
        self.residuals.append(state.residual)
        self.columns.append(state.column)
        self.iterations.append(state.iteration)
        self.products.append(state.products)

    def __len__(self) -> int:
        return len(self.residuals)

    def __repr__(self) -> str:
        last = f", residual={self.residuals[-1]:.3g}" if self.residuals else ""
        return f"History({len(self)} steps{last})"

    def by_column(self) -> list[list[float]]:
        """Return the residuals of each right-hand side: a step that counts as the first begins the next list.

        Returns
        -------
        list of list of float
            `residuals`, divided.
        """
        lists: list[list[float]] = []
        for iteration, residual in zip(self.iterations, self.residuals, strict=True):
            if iteration == 1:
                lists.append([])
            lists[-1].append(residual)
        return lists
