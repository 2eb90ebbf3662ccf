"""Products of every registered operator: the cases of `python -m benchmarks` and of airspeed velocity (`asv`).

This package stands alone, since asv imports it by itself; asv.conf.json names it.
"""

import tracemalloc
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import numpy as np

from structmat.core.registry import OPERATORS
from structmat.testing.reference import dense_pair, sensitivity

VERBS = ("matvec", "rmatvec", "vjp")
WRITTEN_OUT = 2**10  # columns up to which a matrix is written out in extended precision, to measure errors

Array = np.ndarray[Any, Any]


def lengths(x: Array) -> Array:
    """Norm of each row."""
    return np.sqrt(np.sum(np.abs(x) ** 2, axis=-1))


class Case:
    """One operator with about n columns, and a batch for it."""

    def __init__(self, name: str, n: int, batch: int, dtype: str) -> None:
        rng = np.random.default_rng(0)
        made = OPERATORS[name].example(n, rng)
        kind = np.result_type(dtype, np.complex64) if made._is_complex and made.params else np.dtype(dtype)
        self.A = made.to(dtype=kind.name)
        self.x, self.g = (rng.standard_normal((batch, size)).astype(dtype) for size in (self.A.n, self.A.m))
        self.eps = float(np.finfo(dtype).eps)

    def call(self, verb: str) -> Callable[[], Any]:
        """The product or the gradients, to be called."""
        arguments = {"matvec": (self.x,), "rmatvec": (self.g,), "vjp": (self.x, self.g)}[verb]
        return partial(getattr(self.A, verb), *arguments)

    def peak(self, verb: str) -> int:
        """Bytes that NumPy arrays take at the peak of a second call, results among them."""
        call = self.call(verb)
        call()
        tracemalloc.start()
        call()
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    @cached_property
    def written_out(self) -> tuple[list[Array], Array, Array, float, float]:
        """Directions of the parameters, the matrix, its derivative along them, and the scales of their rounding."""
        rng = np.random.default_rng(1)
        directions = [rng.standard_normal(value.shape).astype(value.dtype) for value in self.A.params]
        matrix, derivative = dense_pair(self.A, directions)
        norms = [float(np.linalg.norm(M.astype(complex), 2)) for M in (matrix, derivative)]
        steps = sum(float(np.linalg.norm(direction)) for direction in directions)
        return directions, matrix, derivative, norms[0], norms[1] + steps * (1 + sensitivity(self.A, norms[0]))

    def error(self, verb: str) -> float:
        """Error over ε ‖A‖ ‖x‖ of the worst vector, the ratio of LAPACK's tests; the contract's limit is 30.

        That of the parameters' gradients is ⟨gradient, direction⟩ against ⟨g, A'(direction) x⟩, over their size.
        """
        directions, matrix, derivative, norm, slope = self.written_out
        result = self.call(verb)()
        if verb == "matvec":
            return self.ratio(lengths(result - self.x @ matrix.T), norm * lengths(self.x))
        exact = self.g @ matrix.conj()
        if verb == "rmatvec":
            return self.ratio(lengths(result - exact), norm * lengths(self.g))
        dx, gradients = result
        pairs = zip(gradients, directions, strict=True)
        paired = sum((np.sum(p.conj() * d.astype(np.clongdouble)).real for p, d in pairs), np.longdouble(0))
        moved = np.sum(self.g * (self.x @ derivative.T)).real
        scale = slope * np.sum(lengths(self.x) * lengths(self.g))
        return max(
            self.ratio(lengths(dx - exact.real), norm * lengths(self.g)), self.ratio(np.abs(paired - moved), scale)
        )

    def ratio(self, off: Array, scale: Array) -> float:
        """The worst of errors over their scales and the precision."""
        return float(np.max(off / (self.eps * np.maximum(scale, np.finfo(float).tiny))))


class _Products:
    """Time, peak of memory and error of each product of an operator; parameters are told by asv."""

    operator: str
    params = ([2**8, 2**10, 2**12], [1, 32], ["float32", "float64"], list(VERBS))
    param_names = ("n", "batch", "dtype", "product")

    def setup(self, n: int, batch: int, dtype: str, product: str) -> None:
        self.case = Case(self.operator, n, batch, dtype)
        self.product = self.case.call(product)
        self.product()  # what is kept from product to product is made

    def time_product(self, *case: Any) -> None:
        self.product()

    def track_peak(self, *case: Any) -> int:
        return self.case.peak(case[-1])

    def track_error(self, n: int, *case: Any) -> float:
        return self.case.error(case[-1]) if n <= WRITTEN_OUT else float("nan")

    track_peak.unit = "bytes"  # type: ignore[attr-defined]
    track_error.unit = "ε ‖A‖ ‖x‖"  # type: ignore[attr-defined]


for _name in OPERATORS:  # `asv run -b Circulant` has its benchmarks by the operator's name
    globals()[_name] = type(_name, (_Products,), {"operator": _name, "__module__": __name__})
