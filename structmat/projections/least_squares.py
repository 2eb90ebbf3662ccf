"""Least squares: stacks of small systems, and parameters of an operator by conjugate gradients."""

import math
from collections.abc import Sequence

from structmat._backend import Array, DType, Namespace, generator, random_normal
from structmat.core.operator import LinearOperator


def ridge_solution(xp: Namespace, X: Array, Y: Array, ridge: float) -> Array:
    """Minimise ‖X Z - Y‖² + ridge ‖Z‖² for each of a stack of matrices; the shortest Z where there are several.

    Singular values that are rounding errors next to the largest of the whole stack count as zero.
    """

    def gains(values: Array) -> Array:
        """1 / (s² + ridge)."""
        kept = values > max(X.shape[-2:]) * float(xp.finfo(values.dtype).eps) * xp.max(values)
        return xp.where(kept, 1 / xp.where(kept, values**2 + ridge, xp.ones_like(values)), xp.zeros_like(values))

    if 1 in X.shape[-2:]:  # one singular value, which needs no decomposition
        value = xp.sqrt(xp.sum(xp.abs(X) ** 2, axis=(-2, -1), keepdims=True))
        return xp.matmul(_adjoint(xp, X), xp.astype(gains(value), Y.dtype) * Y)
    U, values, Vh = xp.linalg.svd(X, full_matrices=False)
    weights = xp.astype(values * gains(values), Y.dtype)
    return xp.matmul(_adjoint(xp, Vh), weights[..., None] * xp.matmul(_adjoint(xp, U), Y))


def _adjoint(xp: Namespace, X: Array) -> Array:
    return xp.conj(xp.matrix_transpose(X))


def least_squares(A: LinearOperator, X: Array, Y: Array, ridge: float = 0.0) -> LinearOperator:
    """Minimise Σ ‖A(θ) x - y‖² + ridge ‖θ‖² over the parameters, which A is an affine function of.

    Conjugate gradients on the normal equations (CGLS; Björck, *Numerical Methods for Least Squares Problems*, 1996,
    section 7.4), in the real inner product: A may depend on conjugates of its parameters.
    """
    xp = A.xp
    if X.shape[0] > X.shape[1]:  # a unitary turn of the rows changes the loss by a constant
        Q, X = xp.linalg.qr(X)
        Y = xp.matmul(_adjoint(xp, Q), Y)
    theta = [xp.zeros_like(value) for value in A.params]
    base = A.with_params(theta)
    offset, saved = base.forward(X)

    def gradient(residual: Array) -> list[Array]:
        pairs = zip(base.backward(saved, residual)[1], theta, strict=True)
        return [share - ridge * value for share, value in pairs]

    residual = Y - offset
    step = slope = gradient(residual)
    size = start = _square(xp, slope)
    eps = float(xp.finfo(X.dtype).eps)
    for _ in range(2 * sum(math.prod(value.shape) for value in theta) + 50):
        if size <= (4 * eps) ** 2 * start:
            break
        change = A.with_params(step).matvec(X) - offset
        length = size / (_square(xp, [change]) + ridge * _square(xp, step))
        theta = _moved(theta, length, step)
        residual = residual - length * change
        slope = gradient(residual)
        size, old = _square(xp, slope), size
        step = _moved(slope, size / old, step)
    return A.with_params(theta)


def require_affine(title: str, A: LinearOperator) -> None:
    """Refuse an operator that is no affine function of its parameters together, by a look between two random ones."""
    if not A.params:
        raise TypeError(f"{title}: {A._label} has no parameters; expected an operator that has some.")
    xp, rng = A.xp, generator(0)

    def draw(shape: tuple[int, ...], dtype: DType) -> Array:
        return random_normal(rng, shape, 1.0, dtype=dtype, xp=xp, device=A.device)

    first, second = ([draw(value.shape, value.dtype) for value in A.params] for _ in range(2))
    middle = [(one + other) / 2 for one, other in zip(first, second, strict=True)]
    x = draw((A.n,), A.dtype)
    left, right = (A.with_params(params).matvec(x) for params in (first, second))
    gap = A.with_params(middle).matvec(x) - (left + right) / 2
    if _square(xp, [gap]) > float(xp.finfo(A.dtype).eps) * _square(xp, [left, right]):
        raise TypeError(
            f"{title}: {A._label} is not linear in all its parameters together; freeze some of them, or name a "
            f"structure such as 'low_rank'."
        )


def _square(xp: Namespace, arrays: Sequence[Array]) -> float:
    return sum(float(xp.sum(xp.abs(value) ** 2)) for value in arrays)


def _moved(start: Sequence[Array], length: float, step: Sequence[Array]) -> list[Array]:
    return [here + length * way for here, way in zip(start, step, strict=True)]
