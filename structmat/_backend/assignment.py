"""Linear assignment, solved on the host."""

from structmat._backend.arrays import Array, Namespace, device, from_host, to_host


def assignment(xp: Namespace, scores: Array) -> Array:
    """Return the permutation that maximises Σ_i scores[i, index[i]], as int64."""
    from scipy.optimize import linear_sum_assignment  # slow to import

    index = linear_sum_assignment(to_host(scores), maximize=True)[1]
    return from_host(index, xp, device=device(scores), dtype=xp.int64)
