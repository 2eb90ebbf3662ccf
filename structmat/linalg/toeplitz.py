"""Toeplitz and Hankel systems, by the fastest way whose solution has the backward error of rounding."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from structmat._backend import dtypes, linear_algebra, ops, solvers, tracing
from structmat._backend.linear_algebra import DenseFactors, LinAlgError
from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator
from structmat.core.leaf import Leaf
from structmat.linalg.displacement import InverseColumns, as_float, eliminated, reciprocal_series, unit_vector
from structmat.linalg.iterative import Iteration, SolveResult, iterate, probes, warn
from structmat.operators import Toeplitz

FEW = 4  # right-hand sides up to which an iteration is tried and all residuals are checked
DENSE = 1024  # columns up to which `solve` takes the general dense way, in a library without Levinson's recursion
KEPT = 512  # columns up to which dense factors, of n² numbers, are kept on the operator
LAPACK = 1536  # columns up to which dense factors are faster than elimination, whose n steps are in Python
FITS = 8192  # columns up to which a dense matrix is made at all
ITERATED = 4096  # columns from which an iteration that converges is faster than Levinson's recursion
ATTEMPT = 100  # products of such an iteration before another way is taken
DIRECT = 2**16  # columns up to which ways of O(n²) operations are taken: larger systems take minutes
BLOCK = 2**15  # entries of right-hand sides that are refined at a time
CHUNK = 64  # right-hand sides of one elimination, each step of which updates all their entries
ROUNDS = 5  # of refinement
CLOSE = 0.05  # largest error of an approximate inverse, relative to that of a singular matrix for a random vector

# Estimated nanoseconds on one core, to choose the faster of two ways.
PER_FLOP, PER_LEVINSON, PER_COLUMN, CALL = 0.018, 1.5, 5.0, 6e5


class Candidate(NamedTuple):
    """Approximate solutions, their residuals, and their backward errors ‖b - T x‖ / (‖T‖ ‖x‖ + ‖b‖)."""

    x: Array
    residuals: Array
    errors: Array
    error: float


Sides = tuple[Array, Array]  # first column and row
Way = Callable[[Array, Iteration], Candidate | None]


class ToeplitzSystem:
    """A square Toeplitz matrix, scaled, with the columns of its inverse or the factors that were computed so far."""

    def __init__(self, xp: Namespace, column: Array, row: Array, label: str) -> None:
        self.xp, self.n, self.label = xp, column.shape[0], label
        row = xp.concat((column[:1], row[1:]))
        size = max(as_float(xp.max(xp.abs(side))) for side in (column, row))
        if not 0 < size < math.inf:
            raise LinAlgError(f"linalg.solve: {label} is singular: its largest entry is {size:.3g}.")
        self.range = float(xp.finfo(column.dtype).max) ** 0.25  # squares of numbers below it do not overflow
        self.scale = self._scale(size)
        self.T = Toeplitz(self.scale * column, self.scale * row)
        self.eps = float(xp.finfo(self.T.dtype).eps)
        self.norm = as_float(xp.max(xp.abs(self.T._spectrum)))  # at least the spectral norm
        self.enough = 8 * self.eps  # backward error that refinement does not improve
        self.most = self.enough * math.log2(2 * self.n)  # largest backward error to accept: that of a product
        self.columns: InverseColumns | None = None
        self.tried = 0  # of the two ways to find the columns
        self.factors: DenseFactors | None = None

    # ------------------------------------------------------------------ the choice

    def _scale(self, size: float) -> float:
        """A power of two that brings numbers of a given size into the range."""
        return 1.0 if 1 / self.range < size < self.range else 2.0 ** -math.frexp(size)[1]

    def scaled(self, B: Array, size: float, how: Iteration) -> Array | None:
        """Solve for finite vectors (k, n), given the largest modulus of their entries."""
        if not size:
            return B
        scale = self._scale(size)
        back = self.scale / scale
        if back == scale == 1:
            return self.solve(B, how)
        if (callback := how.callback) is not None:
            how = how._replace(callback=lambda state: callback(dataclasses.replace(state, x=back * state.x)))
        x = self.solve(scale * B, how)
        return None if x is None else back * x

    def solve(self, B: Array, how: Iteration) -> Array | None:
        """Solve for vectors (k, n) by the first way whose error is small enough, else warn; None if no way applies."""
        best: Candidate | None = None
        for way in self._ways(B.shape[0]):
            found = way(B, how)
            if found is None:
                continue
            if found.error <= self.most:
                return found.x
            if best is None or found.error < best.error:
                best = found
        if best is None:
            return None
        off, size = (self.xp.linalg.vector_norm(v, axis=-1) for v in (best.residuals, B))
        residual = as_float(self.xp.max(off / self.xp.where(size > 0, size, 1)))
        return warn(self.label, SolveResult(best.x, False, residual, 0, "refinement")).x

    def _ways(self, k: int) -> list[Way]:
        """The ways to try, the fastest first."""
        n, on_host = self.n, linear_algebra.has_levinson(self.xp)
        ways: list[Way] = []
        if self._lower is not None:
            ways += [self._by_series, self._by_substitution]
        if not on_host:
            ways += [self._by_factors] * (DENSE < n <= FITS)
            return (
                ways
                + [self._by_iteration] * solvers.has_krylov(self.xp)
                + [self._by_elimination] * (DENSE < n <= DIRECT)
            )
        if n > DIRECT:
            return [*ways, self._by_iteration]
        if n <= LAPACK and self._prefers_factors(k):
            return [*ways, self._by_factors, self._by_elimination]
        ways += [self._by_attempt] * (n > ITERATED and k <= FEW and self.columns is None)
        last = [self._by_elimination, *[self._by_factors] * (n <= FITS)]
        return [*ways, self._by_columns, *(last if k <= FEW and n > LAPACK else reversed(last))]

    def _prefers_factors(self, k: int) -> bool:
        n = self.n
        factors = PER_FLOP * (2 * n * n * k + (0 if self.factors else 2 / 3 * n**3))
        columns = PER_COLUMN * n * math.log2(2 * n) * k
        return bool(factors < columns + (0 if self.columns else 2 * PER_LEVINSON * n * n + CALL))

    # ------------------------------------------------------------------ the ways

    def _by_columns(self, B: Array, how: Iteration) -> Candidate | None:
        """Products with the inverse, from two of its columns by Levinson's recursion or elimination; refinement."""
        xp, T = self.xp, self.T
        if self.columns is None and self.tried < 1:
            self.tried = 1
            if (found := linear_algebra.levinson(T.column, T.row, self._generators())) is not None:
                self._accept_columns(dtypes.astype(xp, found, T.dtype))
        if self.columns is None and self.tried < 2 and self.n > LAPACK and B.shape[0] > FEW:
            self.tried = 2
            self._accept_columns(self._eliminated(self._generators()))
        return None if self.columns is None else self._in_blocks(B)

    def _in_blocks(self, B: Array) -> Candidate:
        """Refine a few right-hand sides at a time, so that their transforms stay in the cache."""
        multiply = self._times_columns
        found = [self._refined(multiply(part), part, multiply) for part in _parts(B, max(1, BLOCK // self.n))]
        if len(found) == 1:
            return found[0]
        x, residuals, errors = (self.xp.concat([one[place] for one in found]) for place in range(3))
        return self._with_errors(x, residuals, errors)

    def _times_columns(self, B: Array) -> Array:
        assert self.columns is not None
        return self.columns.apply(self.xp, B)

    def _by_factors(self, B: Array, how: Iteration) -> Candidate:
        """Dense factors, from LAPACK or the array library."""
        xp, n, k = self.xp, self.n, B.shape[0]
        if (factors := self.factors) is not None:
            x = factors.solve(B)
            return Candidate(x, B, B, 0.0) if k > FEW else self._refined(x, B, factors.solve)
        factors = DenseFactors(xp, linear_algebra.toeplitz_matrix(xp, self.T.row, self.T.column))  # of the transpose
        if factors.reciprocal_condition is not None:
            self._refuse(1 / max(factors.reciprocal_condition, 1e-300))
        x = factors.solve(xp.concat((B, self._probes())))
        images, x = x[k:, :], x[:k, :]
        self._refuse(self.norm * self._ratio(images))
        # where substitution is accurate for the probes, it is for all right-hand sides
        holds = self._candidate(images, self._probes()).error <= self.most
        if holds and n <= KEPT and factors.reciprocal_condition is not None:
            self.factors = factors
        return Candidate(x, B, B, 0.0) if holds and k > FEW else self._refined(x, B, factors.solve)

    def _by_elimination(self, B: Array, how: Iteration) -> Candidate:
        """Elimination with partial pivoting, which also finds the columns of the inverse."""
        xp, k = self.xp, B.shape[0]
        wanted = xp.concat((B, self._probes()))
        x = self._eliminated(xp.concat((wanted, self._generators())))
        if self.columns is None:
            self._accept_columns(x[k + 2 :, :])
        x = x[: k + 2, :]
        if self.columns is not None:
            best = self._refined(x[:k, :], B, self._times_columns)
            if best.error <= self.most:
                return best
        x = x + self._eliminated(wanted - self.T._apply(xp, x))
        if not self._gap(x[k:, :]) < CLOSE:
            self._refuse(math.inf)
        return self._refined(x[:k, :], B, self._eliminated)

    def _eliminated(self, B: Array) -> Array:
        xp, T = self.xp, self.T
        found = [eliminated(xp, T.column, T.row, part) for part in _parts(B, CHUNK)]
        if any(x is None for x in found):
            self._refuse(math.inf)
        x = xp.concat(found)
        return x if T._is_complex else xp.real(x)

    def _by_iteration(self, B: Array, how: Iteration) -> Candidate:
        """A preconditioned iteration with the user's options."""
        result = iterate(self.xp, self.T, B, how)
        found = self._candidate(result.x, B)
        return found._replace(error=0.0) if result.converged else found

    def _by_attempt(self, B: Array, how: Iteration) -> Candidate | None:
        """An iteration of few products, where other ways remain.

        The probes are solved for first: a singular matrix may have a solution for B, but has none for a random vector.
        """
        few = how._replace(rtol=self.enough, maxiter=min(how.maxiter, ATTEMPT), callback=None)
        images = iterate(self.xp, self.T, self._probes(), few).x
        if not (self._gap(images) < CLOSE and self._candidate(images, self._probes()).error <= self.most):
            return None
        few = few._replace(rtol=how.rtol or few.rtol, callback=how.callback)
        return self._by_iteration(B, few) if how.rtol else self._candidate(iterate(self.xp, self.T, B, few).x, B)

    def _by_series(self, B: Array, how: Iteration) -> Candidate:
        """The inverse of a triangular matrix, itself triangular and Toeplitz, from the series of 1 / t(z)."""
        xp, T = self.xp, self.T
        if bool(T.column[0] == 0):
            raise LinAlgError("linalg.solve: a triangular Toeplitz matrix with zeros on its diagonal is singular.")
        series = reciprocal_series(xp, T.column if self._lower else T.row)
        rest = xp.concat((series[:1], xp.zeros_like(series[1:])))
        inverse = Toeplitz(*((series, rest) if self._lower else (rest, series)))
        return self._refined(inverse._apply(xp, B), B, lambda R: inverse._apply(xp, R))

    def _by_substitution(self, B: Array, how: Iteration) -> Candidate | None:
        xp, T = self.xp, self.T
        if self.n > FITS:
            return None
        x = linear_algebra.solve_triangular(
            xp, linear_algebra.toeplitz_matrix(xp, T.column, T.row), B, lower=bool(self._lower)
        )
        return None if x is None else self._candidate(x, B)

    @functools.cached_property
    def _lower(self) -> bool | None:
        """Whether the matrix is lower triangular, or else upper; None if it is neither."""
        for lower, side in ((True, self.T.row), (False, self.T.column)):
            if bool(self.xp.all(side[1:] == 0)):
                return lower
        return None

    # ------------------------------------------------------------------ columns of the inverse

    def _generators(self) -> Array:
        """The right-hand sides e_1 and h = (0, t_{1-n}, ..., t_{-1}) of the two columns."""
        xp, T = self.xp, self.T
        h = xp.concat((xp.zeros_like(T.row[:1]), xp.flip(T.row[1:])))
        return xp.stack((unit_vector(xp, T.column), h))

    def _accept_columns(self, found: Array) -> None:
        """Keep columns of the inverse if products with them are accurate enough for refinement to converge."""
        xp, T, wanted = self.xp, self.T, self._generators()
        if not bool(xp.all(xp.isfinite(found))):
            return
        columns = InverseColumns.of(xp, found[0, :], found[1, :])
        found = found + columns.apply(xp, wanted - T._apply(xp, found))
        columns = InverseColumns.of(xp, found[0, :], found[1, :])
        images = columns.apply(xp, self._probes())
        if not self._gap(images) < CLOSE:
            return
        # T^{-H} v is the conjugate of J T^{-1} J conj(v): another step of the power method for the inverse's norm
        start = xp.flip(xp.conj(images), axis=-1)
        sizes = [xp.linalg.vector_norm(v, axis=-1) for v in (columns.apply(xp, start), start)]
        self._refuse(self.norm * as_float(xp.max(sizes[0] / sizes[1])))
        self.columns = columns

    # ------------------------------------------------------------------ checks

    def _candidate(self, x: Array, B: Array) -> Candidate:
        xp = self.xp
        residuals = B - self.T._apply(xp, x)
        off, size, wanted = (xp.linalg.vector_norm(v, axis=-1) for v in (residuals, x, B))
        errors = off / xp.where(wanted > 0, self.norm * size + wanted, 1)
        return self._with_errors(x, residuals, xp.where(xp.isfinite(errors), errors, math.inf))

    def _with_errors(self, x: Array, residuals: Array, errors: Array) -> Candidate:
        return Candidate(x, residuals, errors, as_float(self.xp.max(errors)))

    def _refined(self, x: Array, B: Array, correct: Callable[[Array], Array]) -> Candidate:
        """Refine until the backward errors are those of rounding or no longer halve; keep the best of each vector."""
        xp, best = self.xp, self._candidate(x, B)
        for _ in range(ROUNDS):
            if best.error <= self.enough or not math.isfinite(best.error):
                break
            new = self._candidate(best.x + correct(best.residuals), B)
            better = new.errors < best.errors
            falls = bool(xp.any(new.errors < best.errors / 2))
            x, residuals = (xp.where(better[:, None], now, old) for now, old in zip(new[:2], best[:2], strict=True))
            best = self._with_errors(x, residuals, xp.where(better, new.errors, best.errors))
            if not falls:
                break
        return best

    def _gap(self, images: Array) -> float:
        """The error of T times solutions for the probes, relative to that of a singular T for a random vector."""
        return self._ratio(self.T._apply(self.xp, images) - self._probes())

    def _ratio(self, vectors: Array) -> float:
        """Norms of vectors over those of the probes, times sqrt(n): for solutions, about the norm of the inverse."""
        norms = [self.xp.linalg.vector_norm(each, axis=-1) for each in (vectors, self._probes())]
        return as_float(self.xp.max(norms[0] / norms[1])) * math.sqrt(self.n)

    def _refuse(self, condition: float) -> None:
        """Raise if an estimate of the condition number, which may be too small, leaves no correct digit."""
        if not 4 * condition * self.eps < 1:
            largest = self.norm / self.scale
            raise LinAlgError(
                f"linalg.solve: {self.label} is singular to working precision: its singular values run from about "
                f"{largest / condition:.3g} to {largest:.3g}."
            )

    def _probes(self) -> Array:
        return probes(self.xp, self.n, self.T.dtype, self.T.device)


# ---------------------------------------------------------------------- operators


def toeplitz_solution(xp: Namespace, A: LinearOperator, B: Array, how: Iteration) -> Array | None:
    """Solve for vectors (..., n) with a square Toeplitz or Hankel leaf; None for others, or if no way applies."""
    sides = A._toeplitz_sides() if isinstance(A, Leaf) else None
    if sides is None or (x := _solve_leaf(xp, A, sides, B, how)) is None:
        return None
    x = xp.flip(x, axis=-1) if A._is_hankel else x  # A = T J with the exchange matrix J
    return dtypes.astype(xp, x, A._product_dtype(xp, B.dtype))


def _solve_leaf(xp: Namespace, leaf: LinearOperator, sides: Sides, B: Array, how: Iteration) -> Array | None:
    if not linear_algebra.has_levinson(xp):
        if any(tracing.is_traced(x) for x in (B, *leaf._arrays)):  # the choice needs values
            return None
        if leaf.n <= DENSE and not any(bool(xp.all(side[1:] == 0)) for side in sides):
            return None
    if dtypes.is_complex(xp, B.dtype) and not leaf._is_complex:
        x = _solve_leaf(xp, leaf, sides, ops.complex_as_real(xp, B), how)
        return None if x is None else ops.real_as_complex(xp, x)
    dtype = leaf._product_dtype(xp, B.dtype)
    # double precision, whose cost is less than that of the digits single precision loses
    if linear_algebra.has_levinson(xp):
        dtype = dtypes.result_dtype(xp, dtype, xp.float64)
    system = _system(xp, leaf, sides, dtype)
    vectors = dtypes.astype(xp, ops.flatten_batch(xp, B), dtype)
    size = as_float(xp.max(xp.abs(vectors))) if 0 not in vectors.shape else 0.0
    if math.isfinite(size):
        x = system.scaled(vectors, size, how)
        return None if x is None else xp.reshape(x, B.shape)
    finite = xp.all(xp.isfinite(vectors), axis=-1)[:, None]
    x = _solve_leaf(xp, leaf, sides, xp.where(finite, vectors, 0), how)
    return None if x is None else xp.reshape(xp.where(finite, x, math.nan), B.shape)


def _system(xp: Namespace, leaf: LinearOperator, sides: Sides, dtype: object) -> ToeplitzSystem:
    """The system of a leaf in one precision, kept on the leaf."""
    key = ("toeplitz", dtypes.name(dtype))
    found = leaf._cache.get(key)
    if isinstance(found, ToeplitzSystem) and tracing.may_keep(found.T.column, leaf._arrays):
        return found
    column, row = (dtypes.astype(xp, side, dtype) for side in sides)
    found = ToeplitzSystem(xp, column, row, leaf._label)
    if tracing.may_keep(found.T.column, leaf._arrays):
        leaf._cache[key] = found
    return found


def _parts(B: Array, step: int) -> list[Array]:
    k = B.shape[0]
    return [B[start : min(start + step, k), :] for start in range(0, k, step)]
