"""Which functions the structure of an operator makes exact."""

from structmat._backend import memory
from structmat._backend.linear_algebra import LinAlgError
from structmat.core.base import LinearOperator
from structmat.linalg._structure import (
    eigenvalues_of,
    exact_or_none,
    exact_values,
    inverse_or_none,
    singular_values_of,
)
from structmat.linalg._validation import checked, namespace_of
from structmat.linalg.eigenvectors import eigenpairs
from structmat.linalg.functions import function_of


@checked()
def exact(A: LinearOperator) -> tuple[str, ...]:
    """List the functions of this module that use the structure of an operator: no dense matrix, no iteration.

    Parameters
    ----------
    A : LinearOperator
        Any.

    Returns
    -------
    tuple of str
        Of "solve" (and `inv`), "pinv" (and `lstsq`), "det" (and `slogdet`), "eigvals", "eigh", "svdvals" (and `cond`,
        and the spectral and Frobenius norms) and "funm" (and `expm`, `sqrtm`, ...), those that are exact for A. `eigh`
        needs a Hermitian operator and `funm` a normal one, which depends on the values of the parameters.

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
        "pinv": inverse
        or (values is not None and exact_or_none(A, lambda form: form._pseudoinverse(xp, 0 * values[0])) is not None),
        "det": square and (eigenvalues is not None or exact_values(A, lambda form: form._slogdet(xp)) is not None),
        "eigvals": eigenvalues is not None,
        "eigh": square and eigenpairs(A) is not None,
        "svdvals": values is not None,
        "funm": square and function_of(A, lambda values: memory.copy(xp, values)) is not None,
    }
    return tuple(name for name, holds in found.items() if holds)


def _has_inverse(A: LinearOperator) -> bool:
    try:
        return inverse_or_none(A) is not None
    except LinAlgError:  # other values of the parameters may have an inverse
        return True
