"""What the structure of an operator gives exactly."""

from structmat._backend import Array, LinAlgError, copied
from structmat.core.base import LinearOperator
from structmat.linalg._door import admits, eigenvalues_of, inverse_of, known, namespace_of, numbers, singular_values_of
from structmat.linalg.eigenvectors import eigenpairs
from structmat.linalg.functions import function_of


@admits()
def exact(A: LinearOperator) -> tuple[str, ...]:
    """Tell which functions of this module use the structure of an operator, and make no dense matrix and no iteration.

    Parameters
    ----------
    A : LinearOperator
        Any.

    Returns
    -------
    tuple of str
        Of "solve" (and `inv`), "pinv" (and `lstsq`), "det" (and `slogdet`), "eigvals", "eigh", "svdvals" (and `cond`,
        and the spectral and Frobenius norms) and "funm" (and `expm`, `sqrtm`, ...), those that are exact for A. `eigh`
        asks for a Hermitian operator, `funm` for a normal one, which not all values of the parameters may give.

    Notes
    -----
    Cost: that of these functions.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.exact(sm.Tridiagonal(np.ones(2), np.ones(3), np.ones(2)))
    ('solve', 'pinv', 'det')
    >>> sm.linalg.exact(sm.Hadamard(4))
    ('solve', 'pinv', 'svdvals')
    """
    xp, square = namespace_of(A), A.m == A.n
    values = singular_values_of(A)
    eigenvalues = eigenvalues_of(A) if square else None
    inverse = square and _has_inverse(A)
    found = {
        "solve": inverse,
        "pinv": inverse or (values is not None and _has_pseudoinverse(A, 0 * values[0])),
        "det": square and (eigenvalues is not None or numbers(A, lambda form: form._slogdet(xp)) is not None),
        "eigvals": eigenvalues is not None,
        "eigh": square and eigenpairs(A) is not None,
        "svdvals": values is not None,
        "funm": square and function_of(A, lambda values: copied(xp, values)) is not None,
    }
    return tuple(name for name, holds in found.items() if holds)


def _has_inverse(A: LinearOperator) -> bool:
    try:
        return inverse_of(A) is not None
    except LinAlgError:  # these values have none, but others may
        return True


def _has_pseudoinverse(A: LinearOperator, cutoff: Array) -> bool:
    return known(A, lambda form: form._pseudoinverse(namespace_of(form), cutoff)) is not None
