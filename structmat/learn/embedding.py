"""Circulant binary embedding: bits from the signs of a circulant projection, random or learned."""

from typing import NamedTuple

from structmat._backend import devices, dtypes, fft, namespaces, ops, random
from structmat._backend.types import RNG, Array, Namespace
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.learn.hashing.base import checked_finite
from structmat.operators import Circulant, SignFlip
from structmat.projections.least_squares import positive_or_one
from structmat.projections.structures import checked_matrices

_BLOCK = 2**22  # distances at a time, a few tens of megabytes


class Embedding(NamedTuple):
    """A learned projection, and the objective after each half-step."""

    operator: LinearOperator
    objectives: tuple[float, ...]


class Neighbors(NamedTuple):
    """Distances to the nearest codes, in ascending order, and the indices of these codes."""

    distances: Array
    indices: Array


def optimize_embedding(
    X: Array, k: int | None = None, *, n_iter: int = 10, lam: float | None = None, rng: RNG = None
) -> Embedding:
    r"""Learn a circulant projection whose signs are a binary code of the data.

    .. math::

       \min_{r,\, B \in \{\pm 1\}} \lVert B - X D R^T \rVert_F^2 + \lambda \lVert R R^T - I \rVert_F^2,
       \qquad R = \operatorname{circ}(r),

    by alternating minimisation over the bits B and r, from a random start [1]_. `circulant_projection` draws a random
    embedding.

    Parameters
    ----------
    X : array, shape (N, d)
        Real vectors; centred data give more balanced bits. One factor scales all to the mean squared length d, so that
        an orthogonal R gives projections of the size of the bits. Codes do not depend on the scale.
    k : int, optional
        Number of bits, at most d; d unless given. For k < d the last d - k columns of B are 0.
    n_iter : int, optional
        Number of iterations.
    lam : float, optional
        Weight λ > 0 of the orthogonality of R; N unless given, as the first term grows with N.
    rng : int, numpy.random.Generator or None, optional
        Seed or generator of the signs D and of the start.

    Returns
    -------
    operator : LinearOperator
        The first k rows of R D in the dtype of X, for `encode`.
    objectives : tuple of float
        The objective after each half-step, over B and over r alternately: 2 `n_iter` values, which do not increase but
        for rounding.

    Raises
    ------
    TypeError
        X is not a real floating array.
    ValueError
        X does not have two axes or is empty, k or `n_iter` is not a positive int, k exceeds d, or λ is not positive.

    Notes
    -----
    Cost: an iteration takes two transforms of N vectors, O(N d log d), and O(d) for r.

    The optimal B has the signs of the projections. In r, the objective is a sum over the frequencies of its spectrum z,

    .. math:: m |z|^2 - 2 \operatorname{Re}(\bar h z) + \lambda (|z|^2 - 1)^2 + \text{const},
       \qquad m = \tfrac1d \sum_i |\hat x_i|^2, \quad h = \tfrac1d \sum_i \bar{\hat x}_i \hat b_i.

    The minimiser has the phase of h, a sign at real frequencies, and its modulus is the only root ρ > 0 of
    2 λ ρ³ + (m - 2 λ) ρ = abs(h). Each half-step is thus exact.

    Learning improves codes that are short compared with d; for longer codes compare with a random embedding first, as
    the example in the gallery does.

    References
    ----------
    .. [1] F. X. Yu, S. Kumar, Y. Gong and S.-F. Chang, "Circulant binary embedding", *ICML* 2014.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> X = np.random.default_rng(0).standard_normal((100, 16))
    >>> P, objectives = sm.learn.optimize_embedding(X, 8, rng=0)
    >>> P.shape, sm.learn.encode(P, X).shape
    ((8, 16), (100, 1))
    >>> objectives[-1] < objectives[0]
    True
    """
    title = "optimize_embedding"
    xp, (x,) = checked_matrices(title, X=X)
    if dtypes.is_complex(xp, x.dtype):
        raise TypeError(f"{title}: X is complex; expected real vectors.")
    N, d = x.shape
    k = d if k is None else checked_size(title, "k", k)
    if k > d:
        raise ValueError(f"{title}: k is {k}; expected d = {d} or less.")
    n_iter = checked_size(title, "n_iter", n_iter)
    lam = float(N) if lam is None else lam
    if not lam > 0:
        raise ValueError(f"{title}: lam is {lam!r}; expected more than 0.")

    rng = random.generator(rng)
    flips = SignFlip.random(d, rng=rng, xp=xp, device=devices.of(x))
    start = random.normal(rng, (d,), d**-0.5, dtype=x.dtype, xp=xp, device=devices.of(x))
    largest = xp.max(xp.abs(x))
    x = x / positive_or_one(xp, largest)  # so that no square over- or underflows
    scale = xp.sqrt(N * d / positive_or_one(xp, xp.sum(x**2)))
    spectra = fft.dft(xp, flips.matvec(x) * scale)
    energies = xp.sum(xp.abs(spectra) ** 2, axis=0) / d
    frequencies = xp.arange(d // 2 + 1, device=devices.of(x))
    paired = (frequencies > 0) & (2 * frequencies < d)  # each has a conjugate in the other half of the spectrum
    multiplicity = xp.where(paired, 2 * xp.ones_like(energies), xp.ones_like(energies))

    def objective(z: Array, agreement: Array) -> float:
        """Return the objective for an agreement Σ B ∗ (X D R^T)."""
        squares = xp.abs(z) ** 2
        own = xp.sum(multiplicity * (energies * squares + lam * (squares - 1) ** 2))
        return float(own - 2 * agreement) + float(N * k)

    z, objectives = fft.dft(xp, start), []
    for _ in range(n_iter):
        projected = fft.idft(xp, z * spectra, d, real=True)[:, :k]
        signs = xp.where(projected < 0, -xp.ones_like(projected), xp.ones_like(projected))
        objectives.append(objective(z, xp.sum(signs * projected)))
        correlation = xp.sum(xp.conj(spectra) * fft.dft(xp, signs, d), axis=0) / d
        z = spectrum_step(xp, energies, correlation, lam)
        objectives.append(objective(z, xp.sum(multiplicity * xp.real(xp.conj(correlation) * z))))
    P = Circulant(fft.idft(xp, z, d, real=True))[:k] @ flips
    return Embedding(P.to(dtype=X.dtype), tuple(objectives))


def spectrum_step(xp: Namespace, m: Array, h: Array, lam: float) -> Array:
    """Minimise m |z|² - 2 Re(conj(h) z) + lam (|z|² - 1)² over z, for each entry of m ≥ 0 and h.

    The derivative in the modulus ρ, over 2, is convex for ρ ≥ 0 and has one sign change there. Newton's method thus
    decreases to the root from any point above it, such as sqrt(max(0, -slope) / 2 lam) + cbrt(|h| / 2 lam), or
    |h| / slope for slope = m - 2 lam > 0.
    """
    size = xp.abs(h)
    slope = m - 2 * lam
    zero, one = xp.zeros_like(m), xp.ones_like(m)
    rho = xp.sqrt(xp.where(slope < 0, -slope, zero) / (2 * lam)) + (size / (2 * lam)) ** (1 / 3)
    bound = size / xp.where(slope > 0, slope, one)
    rho = xp.where((slope > 0) & (bound < rho), bound, rho)
    for _ in range(8):
        rise = 6 * lam * rho**2 + slope
        rho = rho - ((2 * lam * rho**2 + slope) * rho - size) / xp.where(rise > 0, rise, one)
    has_phase = size > xp.finfo(m.dtype).smallest_normal
    phase = xp.where(has_phase, h, xp.ones_like(h)) / dtypes.astype(xp, xp.where(has_phase, size, one), h.dtype)
    return rho * phase


def encode(P: LinearOperator, X: Array) -> Array:
    """Encode vectors by the signs of their projections, eight to a byte.

    Parameters
    ----------
    P : LinearOperator
        Real, of shape (k, d): from `optimize_embedding`, or a random one such as `circulant_projection`.
    X : array, shape (..., d)
        Vectors, real.

    Returns
    -------
    array of uint8, shape (..., ⌈k/8⌉)
        A bit is 1 where the projection is 0 or more. The first bit is the most significant of the first byte, as in
        `numpy.packbits`; padding bits are 0.

    Raises
    ------
    TypeError
        P or X is complex, or P does not accept X.
    ValueError
        The last axis of X is not d, or a product is NaN or infinite.

    Notes
    -----
    For a random projection and two vectors at an angle θ, a bit differs with probability θ/π.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.learn.encode(sm.identity(9), np.asarray([1.0, -1, -1, -1, -1, -1, -1, 1, 1]))
    array([129, 128], dtype=uint8)
    """
    y = P.matvec(X)
    xp = namespaces.of(y)
    if dtypes.is_complex(xp, y.dtype):
        raise TypeError("encode: the projections are complex; expected real projections.")
    return ops.pack_bits(xp, checked_finite("encode", y) >= 0)


def hamming(queries: Array, codes: Array) -> Array:
    """Count the bits that differ, for each pair of codes.

    Parameters
    ----------
    queries : array of uint8, shape (Q, b)
        Codes from `encode`.
    codes : array of uint8, shape (N, b)
        Other codes.

    Returns
    -------
    array of int32, shape (Q, N)
        Hamming distances.

    Raises
    ------
    TypeError
        An argument is not an array of uint8.
    ValueError
        An argument does not have two axes, or the lengths b differ.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> codes = np.asarray([[0b0000], [0b0111]], dtype=np.uint8)
    >>> sm.learn.hamming(codes, codes)
    array([[0, 3],
           [3, 0]], dtype=int32)
    """
    xp = _checked_codes("hamming", queries, codes)
    distances = xp.zeros((queries.shape[0], codes.shape[0]), dtype=xp.int32, device=devices.of(codes))
    for byte in range(codes.shape[1]):
        differ = xp.bitwise_xor(queries[:, byte][:, None], codes[:, byte][None, :])
        distances = distances + dtypes.astype(xp, ops.popcount(xp, differ), xp.int32)
    return distances


def hamming_neighbors(queries: Array, codes: Array, n_neighbors: int = 10) -> Neighbors:
    """Find the nearest codes to each query by exhaustive search, in blocks of a few tens of megabytes.

    Parameters
    ----------
    queries : array of uint8, shape (Q, b)
        Codes from `encode`.
    codes : array of uint8, shape (N, b)
        Codes to search.
    n_neighbors : int, optional
        Number of neighbours, at most N.

    Returns
    -------
    distances : array of int, shape (Q, n_neighbors)
        In ascending order.
    indices : array of int, shape (Q, n_neighbors)
        Rows of `codes`; ties are in ascending order.

    Raises
    ------
    TypeError, ValueError
        As for `hamming`; or `n_neighbors` is not a positive int, or exceeds N.

    Notes
    -----
    Cost: O(Q N b) time.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> codes = np.asarray([[0b0000], [0b0111], [0b0001]], dtype=np.uint8)
    >>> distances, indices = sm.learn.hamming_neighbors(codes[:1], codes, 2)
    >>> distances, indices
    (array([[0, 1]]), array([[0, 2]]))
    """
    xp = _checked_codes("hamming_neighbors", queries, codes)
    N = codes.shape[0]
    if checked_size("hamming_neighbors", "n_neighbors", n_neighbors) > N:
        raise ValueError(
            f"hamming_neighbors: n_neighbors is {n_neighbors}; expected {N}, the number of codes, or less."
        )
    indices = xp.arange(N, device=devices.of(codes))
    width = min(N, _BLOCK)
    height = max(1, _BLOCK // width)
    found = []
    for top in range(0, queries.shape[0], height):
        block, best = queries[top : min(top + height, queries.shape[0]), :], []
        for first in range(0, N, width):
            last = min(first + width, N)
            distances = dtypes.astype(xp, hamming(block, codes[first:last, :]), indices.dtype)
            # keys in the order of the distances, then of the indices
            best.append(ops.smallest_k(xp, distances * N + indices[first:last], min(n_neighbors, last - first)))
        found.append(ops.smallest_k(xp, xp.concat(best, axis=-1), n_neighbors))
    keys = xp.concat(found) if found else xp.zeros((0, n_neighbors), dtype=indices.dtype, device=devices.of(codes))
    return Neighbors(keys // N, keys % N)


def _checked_codes(title: str, queries: Array, codes: Array) -> Namespace:
    for name, array in (("codes", codes), ("queries", queries)):
        if not namespaces.is_array(array) or array.dtype != (xp := namespaces.of(array)).uint8:
            got = (
                f"has dtype {dtypes.name(array.dtype)}"
                if namespaces.is_array(array)
                else f"is a {type(array).__name__}"
            )
            raise TypeError(f"{title}: {name} {got}; expected an array of uint8, as from encode.")
        if array.ndim != 2 or array.shape[1] != codes.shape[1]:
            raise ValueError(
                f"{title}: {name} has shape {tuple(array.shape)}; expected two axes, the second as long as in codes."
            )
    return xp
