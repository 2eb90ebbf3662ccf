"""Toeplitz systems: two columns of the inverse, dense factors, Cauchy-like elimination; each solution is checked.

A Toeplitz matrix T = (t_{i-j}) of n rows is inverted by the solutions of T x = e_1 and T z = (0, t_{1-n}, ..., t_{-1}):

    T^{-1} = 1/2 (S(x) C(e_1 - z) + S(e_1 + z) C(x)),

where C and S are the circulant and the skew-circulant matrix with a first column. It follows from the displacement
Z_1 T - T Z_{-1} of rank 2, as in G. Ammar and P. Gader (1991), and holds for every T that has an inverse.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

from structmat._backend import (
    Array,
    DenseFactors,
    LinAlgError,
    Namespace,
    astype,
    complex_as_real,
    complex_dtype,
    device,
    dft,
    dtype_name,
    fast_length,
    has_krylov,
    has_levinson,
    idft,
    is_complex,
    is_traced,
    levinson,
    may_keep,
    real_as_complex,
    real_dtype,
    result_dtype,
    root_powers,
    rows,
    substituted,
    takes_writes,
    to_host,
    toeplitz_matrix,
)
from structmat.core.base import LinearOperator
from structmat.core.bilinear import Adjoint, Conjugate
from structmat.linalg.iterative import Iteration, SolveResult, iterate, probes, warn
from structmat.operators import Circulant, Hankel, SkewCirculant, SymmetricToeplitz, Toeplitz

FEW = 4  # right-hand sides that an iteration is tried for, and whose residuals are all looked at
DENSE = 1024  # columns up to which `solved` takes singular values, where the library has no Levinson
KEPT = 512  # columns up to which dense factors, of n² numbers, are kept on the operator
LAPACK = 1536  # columns up to which dense factors are faster than elimination, whose n steps are in Python
FITS = 8192  # columns up to which a dense matrix is made at all
ITERATED = 4096  # columns from which an iteration that converges is faster than Levinson's recursion
ATTEMPT = 100  # products that such an iteration gets before another way is taken
DIRECT = 2**16  # columns up to which ways of O(n²) operations are taken: more take minutes
BLOCK = 2**15  # numbers of right-hand sides that are refined at a time
CHUNK = 64  # right-hand sides of one elimination, of whose complex numbers each step changes all
ROUNDS = 5  # of refinement
CLOSE = 0.05  # of what a singular matrix leaves of a random vector: an approximate inverse must leave less

# Nanoseconds on one core, by which the faster of two ways is guessed.
PER_FLOP, PER_LEVINSON, PER_COLUMN, CALL = 0.018, 1.5, 5.0, 6e5


class Columns(NamedTuple):
    """The inverse of a Toeplitz matrix by its generators x and z."""

    circulants: tuple[Circulant, Circulant]
    skews: tuple[SkewCirculant, SkewCirculant]

    @classmethod
    def of(cls, xp: Namespace, x: Array, z: Array) -> "Columns":
        """Make it of the solutions of T x = e_1 and T z = h."""
        first = _unit(xp, x)
        return cls((Circulant(first - z), Circulant(x)), (SkewCirculant(x), SkewCirculant(first + z)))

    def apply(self, xp: Namespace, b: Array) -> Array:
        """Multiply vectors (k, n) by the inverse, by one transform, two pairs, and one."""
        C, S = self.circulants, self.skews
        B = C[0]._right(xp, b)
        Y = [s.spectrum * s._right(xp, c._matvec(xp, B)) for c, s in zip(C, S, strict=True)]
        return S[0]._from(xp, (Y[0] + Y[1]) / 2, S[0]._untwist)


class Checked(NamedTuple):
    """Vectors that should solve a system, the residuals, and the backward errors ‖b - T x‖ / (‖T‖ ‖x‖ + ‖b‖)."""

    x: Array
    rest: Array
    errors: Array
    error: float


Leaf = Toeplitz | SymmetricToeplitz | Hankel
Way = Callable[[Array, Iteration], Checked | None]


class ToeplitzSystem:
    """A square Toeplitz matrix and what is known of its inverse."""

    def __init__(self, xp: Namespace, column: Array, row: Array, label: str) -> None:
        self.xp, self.n, self.label = xp, column.shape[0], label
        row = xp.concat((column[:1], row[1:]))
        size = max(_number(xp.max(xp.abs(side))) for side in (column, row))
        if not 0 < size < math.inf:
            raise LinAlgError(f"linalg.solve: {label} is singular: its largest entry is {size:.3g}.")
        self.range = float(xp.finfo(column.dtype).max) ** 0.25  # of numbers whose squares and products are no trouble
        self.scale = self._scale(size)
        self.T = Toeplitz(self.scale * column, self.scale * row)
        self.eps = float(xp.finfo(self.T.dtype).eps)
        self.norm = _number(xp.max(xp.abs(self.T._spectrum)))  # at least the spectral norm
        self.enough = 8 * self.eps  # backward error from which on refinement has nothing to gain
        self.most = self.enough * math.log2(2 * self.n)  # and what passes, as products are no more exact
        self.columns: Columns | None = None
        self.tried = 0  # of the two ways to the columns
        self.factors: DenseFactors | None = None

    # ------------------------------------------------------------------ the choice

    def _scale(self, size: float) -> float:
        """A power of two that brings numbers of a size into the range."""
        return 1.0 if 1 / self.range < size < self.range else 2.0 ** -math.frexp(size)[1]

    def scaled(self, B: Array, size: float, how: Iteration) -> Array | None:
        """Solve for finite vectors (k, n) with entries of up to a size."""
        if not size:
            return B
        scale = self._scale(size)
        back = self.scale / scale
        if back == scale == 1:
            return self.solve(B, how)
        if how.callback is not None:
            how = how._replace(callback=_scaled(how.callback, back))
        x = self.solve(scale * B, how)
        return None if x is None else back * x

    def solve(self, B: Array, how: Iteration) -> Array | None:
        """Solve for vectors (k, n) by the first way whose result holds; None where there is none of these."""
        best: Checked | None = None
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
        residual = self._largest(best.rest, B)
        return warn(self.label, SolveResult(best.x, False, residual, 0, "refinement")).x

    def _ways(self, k: int) -> list[Way]:
        """What to try, the fastest first."""
        n, on_host = self.n, has_levinson(self.xp)
        ways: list[Way] = []
        if self._lower is not None:
            ways += [self._by_series, self._by_substitution]
        if not on_host:
            ways += [self._by_factors] * (DENSE < n <= FITS)
            return ways + [self._by_iteration] * has_krylov(self.xp) + [self._by_elimination] * (DENSE < n <= DIRECT)
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

    def _by_columns(self, B: Array, how: Iteration) -> Checked | None:
        """Products with the inverse, from two columns that Levinson's recursion or elimination finds; refinement."""
        xp, T = self.xp, self.T
        if self.columns is None and self.tried < 1:
            self.tried = 1
            if (found := levinson(T.column, T.row, self._generators())) is not None:
                self._admit(astype(xp, found, T.dtype))
        if self.columns is None and self.tried < 2 and self.n > LAPACK and B.shape[0] > FEW:
            self.tried = 2
            self._admit(self._eliminated(self._generators()))
        return None if self.columns is None else self._in_blocks(B)

    def _in_blocks(self, B: Array) -> Checked:
        """Take few right-hand sides at a time, whose transforms stay in the cache."""
        multiply = self._times_columns
        found = [self._refined(multiply(part), part, multiply) for part in _parts(B, max(1, BLOCK // self.n))]
        if len(found) == 1:
            return found[0]
        x, rest, errors = (self.xp.concat([one[place] for one in found]) for place in range(3))
        return self._with_errors(x, rest, errors)

    def _times_columns(self, B: Array) -> Array:
        assert self.columns is not None
        return self.columns.apply(self.xp, B)

    def _by_factors(self, B: Array, how: Iteration) -> Checked:
        """Dense factors of LAPACK or of the arrays' library."""
        xp, n, k = self.xp, self.n, B.shape[0]
        if (factors := self.factors) is not None:
            x = factors.solve(B)
            return Checked(x, B, B, 0.0) if k > FEW else self._refined(x, B, factors.solve)
        factors = DenseFactors(xp, toeplitz_matrix(xp, self.T.row, self.T.column))  # of the transpose
        if factors.reciprocal_condition is not None:
            self._refuse(1 / max(factors.reciprocal_condition, 1e-300))
        x = factors.solve(xp.concat((B, self._probes())))
        images, x = x[k:, :], x[:k, :]
        self._refuse(self.norm * self._ratio(images))
        holds = self._checked(images, self._probes()).error <= self.most  # then substitution gives all others too
        if holds and n <= KEPT and factors.reciprocal_condition is not None:
            self.factors = factors
        return Checked(x, B, B, 0.0) if holds and k > FEW else self._refined(x, B, factors.solve)

    def _by_elimination(self, B: Array, how: Iteration) -> Checked:
        """Elimination with partial pivoting, which finds columns of the inverse as well."""
        xp, k = self.xp, B.shape[0]
        wanted = xp.concat((B, self._probes()))
        x = self._eliminated(xp.concat((wanted, self._generators())))
        if self.columns is None:
            self._admit(x[k + 2 :, :])
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

    def _by_iteration(self, B: Array, how: Iteration) -> Checked:
        """A preconditioned iteration, as the user wants it."""
        result = iterate(self.xp, self.T, B, how)
        found = self._checked(result.x, B)
        return found._replace(error=0.0) if result.converged else found

    def _by_attempt(self, B: Array, how: Iteration) -> Checked | None:
        """An iteration of few products, where other ways are left.

        A singular matrix may have a solution for B that an iteration finds, but not for a probe.
        """
        few = how._replace(rtol=self.enough, maxiter=min(how.maxiter, ATTEMPT), callback=None)
        images = iterate(self.xp, self.T, self._probes(), few).x
        if not (self._gap(images) < CLOSE and self._checked(images, self._probes()).error <= self.most):
            return None
        asked = few._replace(rtol=how.rtol or few.rtol, callback=how.callback)
        return self._by_iteration(B, asked) if how.rtol else self._checked(iterate(self.xp, self.T, B, asked).x, B)

    def _by_series(self, B: Array, how: Iteration) -> Checked:
        """The inverse of a triangular matrix, itself triangular and Toeplitz, from the series of 1 / t(z)."""
        xp, T = self.xp, self.T
        if bool(T.column[0] == 0):
            raise LinAlgError("linalg.solve: a triangular Toeplitz matrix with zeros on its diagonal is singular.")
        series = reciprocal_series(xp, T.column if self._lower else T.row)
        rest = xp.concat((series[:1], xp.zeros_like(series[1:])))
        inverse = Toeplitz(*((series, rest) if self._lower else (rest, series)))
        return self._refined(inverse._apply(xp, B), B, lambda R: inverse._apply(xp, R))

    def _by_substitution(self, B: Array, how: Iteration) -> Checked | None:
        xp, T = self.xp, self.T
        if self.n > FITS:
            return None
        x = substituted(xp, toeplitz_matrix(xp, T.column, T.row), B, lower=bool(self._lower))
        return None if x is None else self._checked(x, B)

    @functools.cached_property
    def _lower(self) -> bool | None:
        """Whether the matrix is lower triangular, or else upper; None if it is neither."""
        for lower, side in ((True, self.T.row), (False, self.T.column)):
            if bool(self.xp.all(side[1:] == 0)):
                return lower
        return None

    # ------------------------------------------------------------------ columns of the inverse

    def _generators(self) -> Array:
        """The right-hand sides e_1 and h of the two columns."""
        xp, T = self.xp, self.T
        h = xp.concat((xp.zeros_like(T.row[:1]), xp.flip(T.row[1:])))
        return xp.stack((_unit(T.xp, T.column), h))

    def _admit(self, found: Array) -> None:
        """Keep columns of the inverse if products with them come close enough to it for refinement."""
        xp, T, wanted = self.xp, self.T, self._generators()
        if not bool(xp.all(xp.isfinite(found))):
            return
        columns = Columns.of(xp, found[0, :], found[1, :])
        found = found + columns.apply(xp, wanted - T._apply(xp, found))
        columns = Columns.of(xp, found[0, :], found[1, :])
        images = columns.apply(xp, self._probes())
        if not self._gap(images) < CLOSE:
            return
        # T^{-H} v is the conjugate of J T^{-1} J conj(v): another step of the power method for the inverse's norm
        mirrored = xp.flip(xp.conj(images), axis=-1)
        sizes = [xp.linalg.vector_norm(v, axis=-1) for v in (columns.apply(xp, mirrored), mirrored)]
        self._refuse(self.norm * _number(xp.max(sizes[0] / sizes[1])))
        self.columns = columns

    # ------------------------------------------------------------------ checks

    def _checked(self, x: Array, B: Array) -> Checked:
        xp = self.xp
        rest = B - self.T._apply(xp, x)
        left, size, wanted = (xp.linalg.vector_norm(v, axis=-1) for v in (rest, x, B))
        errors = left / xp.where(wanted > 0, self.norm * size + wanted, 1)
        return self._with_errors(x, rest, xp.where(xp.isfinite(errors), errors, math.inf))

    def _with_errors(self, x: Array, rest: Array, errors: Array) -> Checked:
        return Checked(x, rest, errors, _number(self.xp.max(errors)))

    def _refined(self, x: Array, B: Array, correct: Callable[[Array], Array]) -> Checked:
        """Refine until the backward errors are those of rounding, or do not fall any more; keep the best of each."""
        xp, best = self.xp, self._checked(x, B)
        for _ in range(ROUNDS):
            if best.error <= self.enough or not math.isfinite(best.error):
                break
            new = self._checked(best.x + correct(best.rest), B)
            better = new.errors < best.errors
            falls = bool(xp.any(new.errors < best.errors / 2))
            x, rest = (xp.where(better[:, None], now, old) for now, old in zip(new[:2], best[:2], strict=True))
            best = self._with_errors(x, rest, xp.where(better, new.errors, best.errors))
            if not falls:
                break
        return best

    def _largest(self, rest: Array, B: Array) -> float:
        xp = self.xp
        left, size = (xp.linalg.vector_norm(v, axis=-1) for v in (rest, B))
        return _number(xp.max(left / xp.where(size > 0, size, 1)))

    def _gap(self, images: Array) -> float:
        """How far T times solutions for the probes is from them, over what a singular T leaves of a random vector."""
        return self._ratio(self.T._apply(self.xp, images) - self._probes())

    def _ratio(self, vectors: Array) -> float:
        """Norms over those of the probes, times sqrt(n); for solutions a guess of the norm of the inverse."""
        norms = [self.xp.linalg.vector_norm(each, axis=-1) for each in (vectors, self._probes())]
        return _number(self.xp.max(norms[0] / norms[1])) * math.sqrt(self.n)

    def _refuse(self, condition: float) -> None:
        """Raise if a condition number, by an estimate that may fall short of it, leaves no digit."""
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
    """Solve for vectors (..., n) with a square Toeplitz or Hankel leaf, its adjoint, conjugate or transpose, else None.

    With the exchange matrix J, T^T = J T J: all of them share what is kept of the leaf.
    """
    conjugated = isinstance(A, Conjugate)
    side = A.of if isinstance(A, Conjugate) else A
    leaf = side.of if isinstance(side, Adjoint) else side
    if not isinstance(leaf, Toeplitz | SymmetricToeplitz | Hankel):
        return None
    conjugated ^= side is not leaf
    turned = side is not leaf and not isinstance(leaf, Hankel)

    def seen(v: Array) -> Array:
        v = xp.conj(v) if conjugated else v
        return xp.flip(v, axis=-1) if turned else v

    x = _solved(xp, leaf, seen(B), how)
    if x is None:
        return None
    x = xp.flip(x, axis=-1) if isinstance(leaf, Hankel) else x  # H = T J
    return astype(xp, seen(x), A._product_dtype(xp, B.dtype))


def _solved(xp: Namespace, leaf: Leaf, B: Array, how: Iteration) -> Array | None:
    if not has_levinson(xp):
        if any(is_traced(x) for x in (B, *leaf._arrays)):  # there are no values to choose by
            return None
        if leaf.n <= DENSE and not any(bool(xp.all(side[1:] == 0)) for side in _sides(xp, leaf, leaf.dtype)):
            return None
    if is_complex(xp, B.dtype) and not leaf._is_complex:
        x = _solved(xp, leaf, complex_as_real(xp, B), how)
        return None if x is None else real_as_complex(xp, x)
    dtype = leaf._product_dtype(xp, B.dtype)
    if has_levinson(xp):  # double precision, which costs less than single precision loses
        dtype = result_dtype(xp, dtype, xp.float64)
    system = _system(xp, leaf, dtype)
    vectors = astype(xp, rows(xp, B), dtype)
    size = _number(xp.max(xp.abs(vectors))) if 0 not in vectors.shape else 0.0
    if math.isfinite(size):
        x = system.scaled(vectors, size, how)
        return None if x is None else xp.reshape(x, B.shape)
    finite = xp.all(xp.isfinite(vectors), axis=-1)[:, None]
    x = _solved(xp, leaf, xp.where(finite, vectors, 0), how)
    return None if x is None else xp.reshape(xp.where(finite, x, math.nan), B.shape)


def _scaled(callback: Callable[[Array], object], factor: float) -> Callable[[Array], object]:
    return lambda x: callback(factor * x)


def _system(xp: Namespace, leaf: Leaf, dtype: object) -> ToeplitzSystem:
    """What is kept of a leaf for systems of one precision."""
    key = ("toeplitz", dtype_name(dtype))
    found = leaf._cache.get(key)
    if isinstance(found, ToeplitzSystem) and may_keep(found.T.column, leaf._arrays):
        return found
    found = ToeplitzSystem(xp, *_sides(xp, leaf, dtype), leaf._label)
    if may_keep(found.T.column, leaf._arrays):
        leaf._cache[key] = found
    return found


def _sides(xp: Namespace, leaf: Leaf, dtype: object) -> tuple[Array, Array]:
    """First column and row of the Toeplitz matrix, for a Hankel matrix of that with its columns reversed."""
    if isinstance(leaf, Hankel):
        diagonals = xp.concat([astype(xp, side, dtype) for side in (leaf.column, leaf.row[1:])])
        return diagonals[leaf.n - 1 :], xp.flip(diagonals[: leaf.n])
    column, row = (astype(xp, side, dtype) for side in leaf._sides())
    return column, row


# ---------------------------------------------------------------------- algorithms


def eliminated(xp: Namespace, column: Array, row: Array, B: Array) -> Array | None:
    """Solve a Toeplitz system for vectors (k, n) by Gaussian elimination in O(n²) operations and O(n k) memory.

    Fourier transforms turn the matrix into a Cauchy-like one, C_ij = (g_i · b_j) / (s_i - t_j) with roots of 1 and of
    -1, which row exchanges leave Cauchy-like, so that pivots can be chosen (Gohberg, Kailath and Olshevsky, 1995). Rows
    of -1 below C and zeros below the right-hand sides end as the solution (Rodriguez, 2006): the one of column k takes
    the place of the k-th pivot row. None where all that is left of a column is zero.
    """
    n, kind = column.shape[0], complex_dtype(xp, column.dtype)
    places = xp.arange(n, device=device(column))
    half_turns = xp.conj(root_powers(xp, -1 + 0j, n, dtype=column.dtype, device=device(column)))  # exp(-i pi k / n)
    nodes = xp.concat((half_turns, -half_turns))
    angles = (astype(xp, places, real_dtype(xp, column.dtype)) + 1) * (math.pi / (2 * n))
    near = 0.5 - 0.5j * astype(xp, 1 / xp.tan(angles), kind)  # 1 / (1 - exp(-i pi d / n)) for d = 1, ..., n
    zero = xp.zeros_like(near[:1])
    turn = xp.concat((zero, near, xp.conj(xp.flip(near[: n - 1]))))
    gaps = xp.concat((turn, turn))  # of period 2n, so that no index is negative

    def transformed(v: Array) -> Array:
        return dft(xp, astype(xp, v, kind)) / math.sqrt(n)

    first = xp.stack((_unit(xp, column), xp.concat((column[:1], column[1:] + xp.flip(row[1:])))))
    last = xp.stack((xp.concat((xp.flip(column[1:]) - row[1:], column[:1])), xp.flip(_unit(xp, column))))
    W = xp.concat((transformed(first), transformed(B)))  # generators of the rows, and right-hand sides
    V = xp.conj(transformed(half_turns * xp.conj(last)))  # generators of the columns
    at, open_ = 2 * places, xp.ones_like(angles)
    weights = xp.conj(xp.take(nodes, at))
    odd = 2 * places + 1 + 2 * n
    writes = takes_writes(W)

    def put(x: Array, place: int, value: Array) -> Array:
        if not writes:
            return xp.where(places == place, value, x)
        x[..., place : place + 1] = value
        return x

    for k in range(n):
        v = V[:, k]
        c = xp.matmul(v, W[:2, :]) * weights * xp.take(gaps, 2 * k + 1 + 2 * n - at)
        sizes = (xp.real(c) ** 2 + xp.imag(c) ** 2) * open_
        p = int(xp.argmax(sizes))
        if not _number(sizes[p]) > 0:  # NaN included
            return None
        pivot, w = c[p], W[:, p : p + 1] + 0  # a copy
        r = xp.matmul(w[:2, 0], V) * xp.take(gaps, odd - at[p]) * (weights[p] / pivot)
        W = put(W - w * (c / pivot)[None, :], p, w / pivot)
        V = V - v[:, None] * r[None, :]
        at, open_, weights = put(at, p, 2 * k + 1), put(open_, p, 0), put(weights, p, xp.conj(nodes[2 * k + 1]))
    x = xp.take(W[2:, :], xp.argsort(at), axis=1)
    return xp.conj(half_turns) * idft(xp, x, n, real=False) * math.sqrt(n)


def reciprocal_series(xp: Namespace, column: Array) -> Array:
    """The first n coefficients of the series 1 / c(z), by Newton's iteration."""
    n, real = column.shape[0], not is_complex(xp, column.dtype)
    z = 1 / column[:1]
    while z.shape[0] < n:
        k = min(2 * z.shape[0], n)
        length = fast_length(2 * k)
        Z = dft(xp, z, length)
        rest = idft(xp, Z * dft(xp, column[:k], length), length, real=real)[:k]
        rest = xp.concat((2 - rest[:1], -rest[1:]))
        z = idft(xp, Z * dft(xp, rest, length), length, real=real)[:k]
    return z


def _unit(xp: Namespace, like: Array) -> Array:
    return xp.concat((xp.ones_like(like[:1]), xp.zeros_like(like[1:])))


def _number(x: Array) -> float:
    """The value of an array without axes, outside of any graph."""
    return float(to_host(x))


def _parts(B: Array, step: int) -> list[Array]:
    k = B.shape[0]
    return [B[start : min(start + step, k), :] for start in range(0, k, step)]
