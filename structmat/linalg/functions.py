"""Functions of operators, through their eigenvalues."""

from collections.abc import Callable
from numbers import Complex, Real
from typing import Any

from structmat._backend import (
    Array,
    Namespace,
    complex_dtype,
    copied,
    device,
    is_array,
    is_complex,
    kind,
    namespace,
    namespace_name,
)
from structmat.core.operator import LinearOperator
from structmat.linalg._door import admits, known, namespace_of
from structmat.linalg.eigenvectors import eigenbasis
from structmat.linalg.systems import inv
from structmat.operators import Diagonal


@admits(square=True)
def funm(A: LinearOperator, function: Callable[[Array], Array]) -> LinearOperator:
    """Apply a function to the eigenvalues of a normal operator whose structure keeps it.

    Parameters
    ----------
    A : LinearOperator
        A circulant, skew-circulant, multilevel circulant or diagonal operator; a block diagonal, repetition, multiple
        or Kronecker product of such; or what `simplify` makes one of these.
    function : callable
        Of the array of eigenvalues, elementwise; for a circulant they are complex. It returns as many numbers, or one
        for all; truth values and integers become floating numbers, so that a comparison gives a spectral projector.

    Returns
    -------
    LinearOperator
        With parameters of its own: of the same structure, real if A and the result are; V f(Λ) V^H of a Kronecker
        product, with its eigenvectors V.

    Raises
    ------
    ValueError
        A is not square, or `function` returns an array of another shape.
    TypeError
        A has no such structure, or `function` returns neither an array of its library nor a number.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
    >>> bool(np.allclose(sm.linalg.funm(A, np.square).to_dense(), (A @ A).to_dense()))
    True
    """
    xp = namespace_of(A)

    def applied(values: Array) -> Array:
        result = function(copied(xp, values))
        return copied(xp, _checked_values(xp, values, result))  # nothing may write to what others hold

    found = known(A, lambda form: form._function(xp, applied))
    if found is None and (basis := eigenbasis(A)) is not None:
        eigenvalues, V = basis
        found = V @ Diagonal(applied(eigenvalues)) @ V.H
    if found is None:
        raise TypeError(f"linalg.funm: no structure is known for functions of {A._label}; take A.to_dense().")
    return found  # type: ignore[no-any-return]


def _checked_values(xp: Namespace, values: Array, result: Any) -> Array:
    """Return one number for each eigenvalue, of their dtype where a function has made no floating one."""
    if isinstance(result, Complex):  # what Python counts as such: all its numbers, and NumPy's scalars
        dtype = values.dtype if isinstance(result, Real) else complex_dtype(xp, values.dtype)
        result = xp.asarray(result, dtype=dtype, device=device(values))
    if not is_array(result) or namespace(result) is not xp:
        raise TypeError(
            f"linalg.funm: function returned a {type(result).__name__}; expected an array of {namespace_name(xp)} or a "
            f"number."
        )
    if result.shape not in ((), values.shape):
        raise ValueError(
            f"linalg.funm: function returned an array of shape {tuple(result.shape)}; expected {tuple(values.shape)}, "
            f"one number for each eigenvalue."
        )
    if kind(xp, result.dtype) is None:
        result = xp.astype(result, values.dtype)
    return xp.broadcast_to(result, values.shape)


@admits(square=True)
def expm(A: LinearOperator) -> LinearOperator:
    """Exponential of an operator; arguments, result and errors as for `funm`.

    Parameters
    ----------
    A : LinearOperator
        As for `funm`.

    Returns
    -------
    LinearOperator
        exp(A).

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.expm(sm.Diagonal(np.zeros(2))).to_dense()
    array([[1., 0.],
           [0., 1.]])
    """
    return funm(A, namespace_of(A).exp)


def _complex_if_negative(A: LinearOperator, function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Functions that leave the real line for negative numbers do so here as well."""
    xp = namespace_of(A)

    def wide(values: Array) -> Array:
        if not is_complex(xp, values.dtype) and bool(xp.any(values < 0)):
            values = xp.astype(values, xp.result_type(values.dtype, xp.complex64))
        return function(values)

    return wide


@admits(square=True)
def sqrtm(A: LinearOperator) -> LinearOperator:
    """Principal square root of an operator; arguments, result and errors as for `funm`.

    Parameters
    ----------
    A : LinearOperator
        As for `funm`.

    Returns
    -------
    LinearOperator
        S with S @ S = A and no eigenvalue of negative real part; complex where it has to be.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.sqrtm(sm.Diagonal(np.asarray([4.0, 9.0]))).entries
    array([2., 3.])
    """
    return funm(A, _complex_if_negative(A, namespace_of(A).sqrt))


@admits(square=True)
def logm(A: LinearOperator) -> LinearOperator:
    """Principal logarithm of an operator; arguments, result and errors as for `funm`.

    Parameters
    ----------
    A : LinearOperator
        As for `funm`, and nonsingular.

    Returns
    -------
    LinearOperator
        L with exp(L) = A; complex where it has to be.

    Raises
    ------
    numpy.linalg.LinAlgError
        A is singular to working precision.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.logm(sm.Diagonal(np.ones(2))).entries
    array([0., 0.])
    """
    inv(A)  # refuses singular operators
    return funm(A, _complex_if_negative(A, namespace_of(A).log))


@admits(square=True)
def fractional_matrix_power(A: LinearOperator, t: float) -> LinearOperator:
    """Power of an operator with any real exponent; arguments, result and errors as for `funm`.

    Parameters
    ----------
    A : LinearOperator
        As for `funm`; nonsingular if t is negative.
    t : int or float
        The exponent.

    Returns
    -------
    LinearOperator
        A^t, by the principal power of each eigenvalue; complex where it has to be.

    Raises
    ------
    numpy.linalg.LinAlgError
        t is negative and A is singular to working precision.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.fractional_matrix_power(sm.Diagonal(np.asarray([4.0, 9.0])), -0.5).entries
    array([0.5       , 0.33333333])
    """
    if t < 0:
        inv(A)  # refuses singular operators

    def power(values: Array) -> Array:
        return values**t

    return funm(A, power if float(t).is_integer() else _complex_if_negative(A, power))
