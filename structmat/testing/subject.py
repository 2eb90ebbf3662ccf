"""An operator under test, with its dense references, random vectors and assertions."""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np

from structmat._backend import devices, dtypes, namespaces, random
from structmat._backend.types import RNG, Array, Device
from structmat.core.base import LinearOperator
from structmat.testing.reference import DIFFERENCE_ERROR, dense_pair, norm_bound, sensitivity

RATIO = 30.0  # the threshold of LAPACK's tests: error / (eps ‖A‖ ‖x‖)

Transform = Callable[[Callable[..., Any]], Callable[..., Any]]


class Subject:
    """An operator under test, with its dense references, random vectors and assertions."""

    def __init__(
        self,
        A: LinearOperator,
        rng: RNG,
        batches: Iterable[tuple[int, ...]],
        transform: Transform,
        *,
        xp: ModuleType | None,
        device: Device,
    ) -> None:
        self.A, self.rng, self.batches, self.transform = A, random.generator(rng), tuple(batches), transform
        self.xp, self.device = (namespaces.resolve(xp), device) if A.xp is None else (A.xp, A.device)
        self.dtype = self.xp.float64 if A.dtype is None else A.dtype
        self.directions = [self.draw(value.shape, value.dtype) for value in A.params]
        self.matrix, self.derivative = dense_pair(A, self.directions)
        self.norm = norm_bound(A)
        self.eps = float(self.xp.finfo(self.dtype).eps)

    def draw(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Draw a Gaussian array of the library and device of the operator."""
        host = self.rng.standard_normal(shape)
        if dtypes.is_complex(self.xp, dtype):
            host = host + 1j * self.rng.standard_normal(shape)
        return devices.from_host(host, self.xp, device=self.device, dtype=dtype)

    def dtypes(self) -> list[Any]:
        """Return the real and complex dtypes of the operator's precision; for half precision the real one only."""
        real = self.dtype if dtypes.kind(self.xp, self.dtype) == "real" else dtypes.real_dtype(self.xp, self.dtype)
        return [real] if dtypes.compute_dtype(self.xp, real) != real else [real, dtypes.complex_dtype(self.xp, real)]

    def vectors(self, side: int) -> Iterable[Array]:
        """Yield vectors for a side of the operator, of each batch shape and dtype."""
        for batch in self.batches:
            for dtype in self.dtypes():
                yield self.draw((*batch, self.A.shape[side]), dtype)

    def assert_close(self, got: Array, wanted: np.ndarray[Any, Any], scale: Any, what: str) -> None:
        """Compare vectors with a reference, normwise: ‖error‖ ≤ RATIO eps scale."""
        host = devices.to_host(got)
        if host.shape != wanted.shape:
            raise AssertionError(f"{what}: shape {host.shape}, expected {wanted.shape}")
        error = np.sqrt(np.sum(np.abs(host - wanted) ** 2, axis=-1))
        bound = RATIO * self.eps * np.asarray(scale, dtype=float)
        if not np.all(error <= bound):
            found = np.max(error / np.maximum(bound, np.finfo(float).tiny)) * RATIO
            raise AssertionError(f"{what}: {found:.3g} eps ‖A‖ ‖x‖, expected at most {RATIO:g}")

    def assert_gradients(
        self,
        A: LinearOperator,
        reference: tuple[np.ndarray[Any, Any], list[Array]],
        vectors: tuple[Array, Array],
        grads: tuple[Array, ...],
        what: str,
    ) -> None:
        """Compare gradients with a derivative and its directions: Re⟨p', d⟩ = Re⟨g, A'(d) x⟩ to rounding."""
        (derivative, directions), (x, g) = reference, map(devices.to_host, vectors)
        # a gradient is rounded to the precision of its parameter, which may be lower than that of the products
        coarsest = max([self.eps, *(float(self.xp.finfo(value.dtype).eps) for value in self.A.params)])
        steps = sum(float(np.linalg.norm(devices.to_host(d).astype(complex))) for d in directions)
        nonlinear = sensitivity(A, self.norm)
        scale = RATIO * coarsest * (_norm(derivative) + steps * (1 + nonlinear)) + DIFFERENCE_ERROR * nonlinear * steps
        bound = scale * float(np.sum(lengths(vectors[0]) * lengths(vectors[1])))
        wanted = np.sum(g.conj() * (x @ derivative.T)).real
        pairs = zip(grads, directions, strict=True)
        got = sum(np.sum(devices.to_host(p).astype(np.clongdouble).conj() * devices.to_host(d)).real for p, d in pairs)
        if not abs(got - wanted) <= bound:
            off = abs(got - wanted) / bound * RATIO
            raise AssertionError(f"{what}: off by {off:.3g} eps, expected at most {RATIO:g}")

    def assert_placed(self, got: Array, like: Array, dtype: Any, what: str) -> None:
        """Compare the library and device of a result with those of an array, and its dtype."""
        found = (namespaces.of(got), devices.of(got), dtypes.name(got.dtype))
        wanted = (namespaces.of(like), devices.of(like), dtypes.name(dtype))
        if found != wanted:
            raise AssertionError(f"{what}: on {found}, expected {wanted}")


def _norm(matrix: np.ndarray[Any, Any]) -> float:
    narrow = matrix.astype(np.complex128 if matrix.dtype.kind == "c" else np.float64)
    return float(np.linalg.norm(narrow, 2))


def lengths(x: Array) -> np.ndarray[Any, Any]:
    """Return the Euclidean norms of vectors."""
    host = devices.to_host(x)
    found: np.ndarray[Any, Any] = np.sqrt(np.sum(np.abs(host.astype(np.complex128)) ** 2, axis=-1))
    return found


def assert_same(got: Array, wanted: Array, what: str) -> None:
    """Assert that two arrays are equal, bit by bit."""
    if not np.array_equal(devices.to_host(got), devices.to_host(wanted), equal_nan=True):
        raise AssertionError(f"{what}: differs")
