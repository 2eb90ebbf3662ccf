"""Dense matrices by their definitions, and random parts drawn as the library draws them."""

import numpy as np
import scipy.linalg


def hadamard(n: int) -> np.ndarray:
    """An orthogonal Hadamard matrix: Sylvester's by SciPy, times Paley's of order 12 or 20 by quadratic residues."""
    core = next(c for c in (1, 12, 20) if n % c == 0 and (n // c).bit_count() == 1)
    if core == 1:
        return scipy.linalg.hadamard(n) / np.sqrt(n)
    residues = {x * x % (core - 1) for x in range(1, core - 1)}
    chi = np.asarray([0 if x == 0 else 1 if x in residues else -1 for x in range(core - 1)])
    paley = np.eye(core)
    paley[0, 1:], paley[1:, 0] = 1, -1
    paley[1:, 1:] += scipy.linalg.circulant(chi)
    return np.kron(scipy.linalg.hadamard(n // core), paley) / np.sqrt(n)


def signs(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.diag(1.0 - 2 * rng.integers(0, 2, size=n, dtype=np.int8))
