"""Least squares: stacks of small systems, and the parameters of an operator by conjugate gradients."""

import math
from collections.abc import Iterable, Iterator, Sequence

from structmat._backend import devices, dtypes, ops, random
from structmat._backend.types import Array, DType, Namespace
from structmat.core.base import LinearOperator

NUMBERS = 2**22  # in a block of rows, 32 MiB in double precision
PROBES = 16  # the mean of 16 squared Gaussians is between a fifth and three times its expectation
ROUNDS = 3  # restarts with the true residual, as the recursively updated one drifts away from it
SPREAD = 32  # up to this ratio of sizes, conjugate gradients need no scaling


def positive_or_one(xp: Namespace, x: Array) -> Array:
    """Return x with 1 in place of entries that are not positive, for use as a divisor."""
    return xp.where(x > 0, x, xp.ones_like(x))


def row_blocks(N: int, numbers: int, width: int = 1) -> Iterator[slice]:
    """Divide N rows of `numbers` numbers into blocks of bounded memory, or of 4 `width` rows if that is more."""
    step = max(1, NUMBERS // numbers, 4 * width)
    for start in range(0, N, step):
        yield slice(start, min(start + step, N))


def reduce_rows(xp: Namespace, blocks: Iterable[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Reduce blocks of rows of X (..., N, q) and Y (..., N, k) to R and C of at most q rows.

    For all Z, ‖R Z - C‖² is ‖X Z - Y‖² up to a constant. Successive QR decompositions are as accurate as one of all
    rows, and form no squares.
    """
    R: Array | None = None
    C: Array | None = None
    for x, y in blocks:
        X, Y = (x, y) if R is None else (xp.concat((R, x), axis=-2), xp.concat((C, y), axis=-2))
        R, C = _qr_step(xp, X, Y)
    return R, C


def _qr_step(xp: Namespace, X: Array, Y: Array) -> tuple[Array, Array]:
    """Take one step of `reduce_rows`. Columns are scaled, so that no squared norm over- or underflows."""
    if X.shape[-2] <= X.shape[-1]:
        return X, Y
    if X.shape[-1] == 1:
        length, Q = _normalized(xp, X, -2)
        return dtypes.astype(xp, length, X.dtype), ops.matmul(xp, _adjoint(xp, Q), Y)
    scale = positive_or_one(xp, xp.max(xp.abs(X), axis=-2, keepdims=True))
    Q, R = xp.linalg.qr(X / scale)
    return R * scale, xp.matmul(_adjoint(xp, Q), Y)


def _normalized(xp: Namespace, X: Array, axis: int | tuple[int, ...]) -> tuple[Array, Array]:
    """Return norms over axes, which are kept, and X divided by them; no square over- or underflows."""
    moduli = xp.abs(X)
    scale = positive_or_one(xp, xp.max(moduli, axis=axis, keepdims=True))
    root = xp.sqrt(xp.sum((moduli / scale) ** 2, axis=axis, keepdims=True))
    return root * scale, X / scale / positive_or_one(xp, root)


def transform_noise(xp: Namespace, R: Array, n: int) -> Array:
    """Return the norms of columns, (1, 1, q), that are rounding errors of transforms of length n.

    The first axis of R is the frequency. The error of a fast transform is at most a small multiple of eps log2(n) times
    the root mean square over all frequencies (Higham, *Accuracy and Stability of Numerical Algorithms*, 2002,
    theorem 24.2).
    """
    lengths, _ = _normalized(xp, R, -2)
    total, _ = _normalized(xp, lengths, 0)
    return total * (float(xp.finfo(R.dtype).eps) * math.log2(2 * n) / math.sqrt(R.shape[0]))


def ridge_solution(xp: Namespace, R: Array, C: Array, ridge: float, noise: Array | None = None) -> Array:
    """Minimise ‖R Z - C‖² + ridge ‖Z‖² for each of a stack of matrices; return the minimiser Z of least norm.

    Each problem has a cutoff of its own, for columns scaled to equal norm: singular values that are rounding errors
    count as zero. Without a ridge, so do columns of norm `noise` or less.
    """
    q = R.shape[-1]
    if 1 not in R.shape[-2:] and ridge > 0:  # append the rows of the ridge to R
        rows = math.sqrt(ridge) * xp.eye(q, dtype=R.dtype, device=devices.of(R))
        R = xp.concat((R, xp.broadcast_to(rows, (*R.shape[:-2], q, q))), axis=-2)
        zeros = xp.zeros((*C.shape[:-2], q, C.shape[-1]), dtype=C.dtype, device=devices.of(C))
        R, C = _qr_step(xp, R, xp.concat((C, zeros), axis=-2))
    lengths, _ = _normalized(xp, R, -2)
    floor = xp.zeros_like(lengths) if noise is None or ridge > 0 else noise + xp.zeros_like(lengths)
    dead = lengths <= floor
    R = xp.where(dead, xp.zeros_like(R), R)
    if 1 in R.shape[-2:]:  # one singular value, without a decomposition
        value, unit = _normalized(xp, R, (-2, -1))
        root = math.sqrt(ridge)
        size = positive_or_one(xp, xp.where(value > root, value, xp.full_like(value, root)))
        share = value / size
        weight = share**2 + (root / size) ** 2  # 0, or from 1 to 2
        gain = share / positive_or_one(xp, weight) / size
        return ops.matmul(xp, _adjoint(xp, unit), dtypes.astype(xp, gain, C.dtype) * C)

    scale = xp.where(dead, xp.ones_like(lengths), lengths)
    U, values, Vh = xp.linalg.svd(R / scale, full_matrices=False)
    share = xp.where(dead, xp.zeros_like(floor), floor / scale)
    cutoff = q * float(xp.finfo(R.dtype).eps) + xp.sqrt(xp.sum(share**2, axis=-1))
    kept = values > cutoff * values[..., :1]
    gains = xp.where(kept, 1 / xp.where(kept, values, xp.ones_like(values)), xp.zeros_like(values))
    coordinates = dtypes.astype(xp, gains, C.dtype)[..., None] * xp.matmul(_adjoint(xp, U), C)
    V, scale = _adjoint(xp, Vh), xp.matrix_transpose(scale)
    Z = _shortest(xp, scale * V, coordinates, kept)  # R Z = U values V^H (scale Z)
    if values.shape[-1] == q:
        whole = xp.all(kept, axis=-1)[..., None, None]
        Z = xp.where(whole, xp.matmul(V, coordinates) / scale, Z)
    return xp.where(xp.matrix_transpose(dead), xp.zeros_like(Z), Z)


def _shortest(xp: Namespace, directions: Array, coordinates: Array, kept: Array) -> Array:
    """Return the Z of least norm with directions^H Z = coordinates in the rows that are kept, which come first."""
    Q, T = xp.linalg.qr(directions)
    both = kept[..., :, None] & kept[..., None, :]
    T = xp.where(both, T, xp.eye(T.shape[-1], dtype=T.dtype, device=devices.of(T)))
    return xp.matmul(Q, xp.linalg.solve(_adjoint(xp, T), coordinates))


def _adjoint(xp: Namespace, X: Array) -> Array:
    return xp.conj(xp.matrix_transpose(X))


def least_squares(A: LinearOperator, X: Array, Y: Array, ridge: float = 0.0) -> LinearOperator:
    """Minimise Σ ‖A(θ) x - y‖² + ridge ‖θ‖² over the parameters θ, for A(θ) that is affine in θ.

    Conjugate gradients on the normal equations (CGLS; Björck, *Numerical Methods for Least Squares Problems*, 1996,
    section 7.4), in the real inner product: A may depend on conjugates of its parameters. X and Y - A(0) X are scaled
    to size 1 first, so that no square over- or underflows.
    """
    xp = A.xp
    theta = [xp.zeros_like(value) for value in A.params]
    base = A.with_params(theta)
    target = Y - base.matvec(X)
    root = math.sqrt(ridge)
    unit_x, unit_y = max(_max_abs(xp, X), root) or 1.0, _max_abs(xp, target) or 1.0
    problem = _Problem(A, X / unit_x, target / unit_y, (root / unit_x) ** 2)
    sizes = problem.sizes()
    largest = max(_max_abs(xp, size) for size in sizes)
    least = min(float(xp.min(xp.where(size > 0, size, largest))) for size in sizes)
    eps = float(xp.finfo(X.dtype).eps)
    if least < eps**0.5 * largest:  # large ones first, as the rounding errors of their residual hide small ones
        theta, _ = problem.descend(theta, _scales(xp, sizes, eps**0.5 * largest), eps**0.5)
    scales = _scales(xp, sizes, largest if largest <= SPREAD * least else 0.0)
    before = math.inf
    for _ in range(ROUNDS):
        theta, slope = problem.descend(theta, scales, 4 * eps)
        if not slope < before:
            break
        before = slope
    return A.with_params([value * (unit_y / unit_x) for value in theta])


def _scales(xp: Namespace, sizes: Sequence[Array], floor: float) -> list[Array]:
    """Return reciprocals of sizes that are raised to `floor`, and 0 for sizes of 0."""
    raised = [xp.where(size > floor, size, floor or 1.0) for size in sizes]
    return [xp.where(size > 0, 1 / safe, xp.zeros_like(size)) for size, safe in zip(sizes, raised, strict=True)]


class _Problem:
    """The problem to minimise ‖A(θ) x - A(0) x - y‖² + ridge ‖θ‖²."""

    def __init__(self, A: LinearOperator, X: Array, Y: Array, ridge: float) -> None:
        self.A, self.X, self.Y, self.ridge, self.xp = A, X, Y, ridge, A.xp
        self.base = A.with_params([0 * value for value in A.params])
        self.offset, self.saved = self.base.forward(X)
        self.eps = float(self.xp.finfo(X.dtype).eps)
        self.steps = 2 * sum(math.prod(value.shape) for value in A.params) + 50
        self.start = 0.0

    def product(self, theta: Sequence[Array]) -> Array:
        """Return A(θ) x - A(0) x."""
        return self.A.with_params(theta).matvec(self.X) - self.offset

    def gradient(self, residual: Array) -> tuple[Array, ...]:
        """Return the gradient of Re⟨residual, A(θ) x⟩ with respect to θ."""
        return self.base.backward(self.saved, residual)[1]

    def sizes(self) -> list[Array]:
        """Return the norms of ∂(A x, √ridge θ) / ∂θ, with 0 for rounding errors of others in the same array.

        The gradient of a Gaussian residual has the variance ‖∂A x / ∂θ‖².
        """
        xp, rng = self.xp, random.generator(0)
        shape, options = tuple(self.Y.shape), {"dtype": self.Y.dtype, "xp": self.xp, "device": devices.of(self.Y)}
        draws = (self.gradient(random.normal(rng, shape, 1.0, **options)) for _ in range(PROBES))
        found = []
        for each in zip(*draws, strict=True):
            square = sum(xp.abs(g) ** 2 for g in each) / PROBES
            significant = square > (4 * self.eps * math.log2(2 * math.prod(square.shape))) ** 2 * xp.max(square)
            found.append(xp.where(significant, xp.sqrt(square + self.ridge), xp.zeros_like(square)))
        return found

    def descend(self, theta: Sequence[Array], scales: Sequence[Array], rtol: float) -> tuple[list[Array], float]:
        """Descend from θ in coordinates θ / scales to `rtol` times the largest first slope; return θ and its slope."""
        xp = self.xp

        def slopes() -> list[Array]:
            triples = zip(self.gradient(residual), theta, scales, strict=True)
            return [scale * (share - self.ridge * value) for share, value, scale in triples]

        residual = self.Y - self.product(theta)
        step = slope = slopes()
        size = first = least = _squared_norm(xp, slope)
        best = theta
        self.start = max(self.start, size)
        # slopes grow at most by the condition number, eps^(-1/2) or less where normal equations can be solved
        while rtol**2 * self.start < size < least / self.eps and self.steps:
            self.steps -= 1
            direction = [scale * part for scale, part in zip(scales, step, strict=True)]
            change = self.product(direction)
            length = size / (_squared_norm(xp, [change]) + self.ridge * _squared_norm(xp, direction))
            theta = _axpy(theta, length, direction)
            residual = residual - length * change
            slope = slopes()
            size, old = _squared_norm(xp, slope), size
            step = _axpy(slope, size / old, step)
            if size < least:
                least, best = size, theta
        return list(best), first


def _max_abs(xp: Namespace, X: Array) -> float:
    return float(xp.max(xp.abs(X)))


def require_affine(title: str, A: LinearOperator) -> None:
    """Raise TypeError unless A is jointly affine in its parameters, at the midpoint of two random values of them."""
    if not A.params:
        raise TypeError(f"{title}: {A._label} has no parameters; expected an operator with parameters.")
    xp, rng = A.xp, random.generator(0)

    def draw(shape: tuple[int, ...], dtype: DType) -> Array:
        return random.normal(rng, shape, 1.0, dtype=dtype, xp=xp, device=A.device)

    first, second = ([draw(value.shape, value.dtype) for value in A.params] for _ in range(2))
    middle = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
    x = draw((A.n,), A.dtype)
    left, right = (A.with_params(params).matvec(x) for params in (first, second))
    gap = A.with_params(middle).matvec(x) - (left + right) / 2
    if _squared_norm(xp, [gap]) > float(xp.finfo(A.dtype).eps) * _squared_norm(xp, [left, right]):
        raise TypeError(
            f"{title}: {A._label} is not jointly linear in its parameters; freeze some of them, or name a structure "
            f"such as 'low_rank'."
        )


def _squared_norm(xp: Namespace, arrays: Sequence[Array]) -> float:
    return sum(float(xp.sum(xp.abs(value) ** 2)) for value in arrays)


def _axpy(start: Sequence[Array], length: float, step: Sequence[Array]) -> list[Array]:
    return [value + length * change for value, change in zip(start, step, strict=True)]
