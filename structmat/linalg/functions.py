"""Functions of operators, through their eigenvalues."""

import functools
from collections.abc import Callable
from numbers import Complex, Real
from typing import Any

from structmat._backend import devices, dtypes, linear_algebra, memory, namespaces
from structmat._backend.types import Array, Namespace
from structmat.core.base import LinearOperator
from structmat.core.blocks import BlockDiag, Kron, Repeat
from structmat.core.compose import Composite, Scaled, scaled
from structmat.core.leaf import Leaf
from structmat.linalg._structure import exact_or_none, inverse_or_none, placed_in
from structmat.linalg._validation import checked, namespace_of
from structmat.linalg.eigenvectors import eigenbasis, eigenpairs
from structmat.operators import Circulant, Diagonal
from structmat.rewrite import simplify
from structmat.rewrite.levels import multilevel


@checked(square=True)
def funm(A: LinearOperator, function: Callable[[Array], Array]) -> LinearOperator:
    """Apply a function to the eigenvalues of a normal operator whose structure keeps it.

    Parameters
    ----------
    A : LinearOperator
        A circulant, skew-circulant, f-circulant, multilevel circulant or diagonal operator, a cyclic shift, signs or an
        identity; an adjoint, conjugate, inverse, power, multiple, block diagonal, repetition or Kronecker product of
        these; or an operator that `simplify` turns into one of them. An f-circulant is normal only if f has modulus 1,
        but has eigenvectors for every f; in a Kronecker product the other factor must then be an identity.
    function : callable
        Elementwise function of the array of eigenvalues, which are complex for a circulant. It returns as many numbers,
        or one for all; bools and integers are converted to floating point, so a comparison gives a spectral projector.

    Returns
    -------
    LinearOperator
        With parameters of its own, in the precision of A. It has the structure of A, and is real if A and the function
        values are; for a Kronecker product of circulants it is a multilevel circulant, for other Kronecker products
        V f(Λ) V^H with the eigenvectors V, complex if V is.

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
        result = function(memory.copy(xp, values))
        return memory.copy(xp, _checked_values(xp, values, result))  # the user may hold the result, and write to it

    found = function_of(A, applied)
    if found is None:
        raise TypeError(f"linalg.funm: no structure is known for functions of {A._label}; take A.to_dense().")
    return found


def function_of(A: LinearOperator, function: Callable[[Array], Array]) -> LinearOperator | None:
    """Return the operator with a function of the eigenvalues in place of them, where the structure gives it."""
    xp = namespace_of(A)
    found: LinearOperator | None = exact_or_none(A, lambda form: form._function(xp, function))
    if found is None:
        whole = simplify(A._map(functools.cache(_with_complex_arrays)))
        found = simplify(_closed(whole, A))._function(xp, function)
    if found is None and (pairs := eigenpairs(A)) is not None:
        values, V = pairs
        rounded = dtypes.is_complex(xp, values.dtype) and not simplify(V)._is_identity
        found = V @ Diagonal(function(linear_algebra.on_real_axis(xp, values) if rounded else values)) @ V.H
    return found


def _with_complex_arrays(leaf: LinearOperator) -> LinearOperator:
    """Make the real parameters of a complex leaf complex, as the column of an f-circulant with a complex f."""
    return leaf.to(dtype=leaf.dtype) if leaf._is_complex and leaf.dtype is not None else leaf


def _closed(A: LinearOperator, whole: LinearOperator) -> LinearOperator:
    """Rewrite parts whose functions are not of the same structure as operators that are closed under functions.

    A cyclic shift becomes a circulant, signs a diagonal, a Kronecker product of circulants a multilevel circulant, and
    the scalar of a multiple goes into the parts.
    """
    like = placed_in(A, whole)
    if isinstance(A, Kron):
        parts = tuple(part if part._is_identity else _closed(part, whole) for part in A.parts)
        if all(type(part) is Diagonal for part in parts):
            return Diagonal(like.diagonal())
        levels = None if any(part._is_identity for part in parts) else multilevel(like)
        return A._rebuilt(parts) if levels is None else levels
    if isinstance(A, Composite):
        parts = tuple(_closed(part, whole) for part in A._children)
        return _distributed(A.scalar, parts[0]) if isinstance(A, Scaled) else A._rebuilt(parts)
    if type(A)._function is not LinearOperator._function or (vectors := A._eigenvectors(eigenbasis)) is None:
        return A
    return Diagonal(like.diagonal()) if vectors._is_identity else Circulant(like[:, 0])


def _distributed(scalar: Any, A: LinearOperator) -> LinearOperator:
    """Multiply the parts that hold the eigenvalues by a scalar; a complex one makes real parts complex."""
    if isinstance(A, BlockDiag | Repeat) or (isinstance(A, Kron) and any(part._is_identity for part in A.parts)):
        skipped = isinstance(A, Kron)
        parts = (part if skipped and part._is_identity else _distributed(scalar, part) for part in A._children)
        return A._rebuilt(tuple(parts))
    if dtypes.is_complex_number(scalar) and isinstance(A, Leaf) and not A._is_complex and A.dtype is not None:
        A = A.to(dtype=dtypes.complex_dtype(A.xp, A.dtype))
    return scaled(scalar, A)


def _checked_values(xp: Namespace, values: Array, result: Any) -> Array:
    """Validate the result of a user's function; return one number for each eigenvalue, of a floating dtype."""
    if isinstance(result, Complex):  # Python's numbers and NumPy's scalars
        dtype = values.dtype if isinstance(result, Real) else dtypes.complex_dtype(xp, values.dtype)
        result = xp.asarray(result, dtype=dtype, device=devices.of(values))
    if not namespaces.is_array(result) or namespaces.of(result) is not xp:
        raise TypeError(
            f"linalg.funm: function returned a {type(result).__name__}; expected an array of {namespaces.name(xp)} or "
            f"a number."
        )
    if result.shape not in ((), values.shape):
        raise ValueError(
            f"linalg.funm: function returned an array of shape {tuple(result.shape)}; expected {tuple(values.shape)}, "
            f"one number for each eigenvalue."
        )
    complex_values = dtypes.is_complex(xp, result.dtype if dtypes.kind(xp, result.dtype) else values.dtype)
    dtype = dtypes.complex_dtype(xp, values.dtype) if complex_values else dtypes.real_dtype(xp, values.dtype)
    return xp.broadcast_to(dtypes.astype(xp, result, dtype), values.shape)


@checked(square=True)
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


def _principal(A: LinearOperator, function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Let a function with a branch cut map negative numbers to complex ones, with the values from above the cut."""
    xp = namespace_of(A)

    def wide(values: Array) -> Array:
        if dtypes.is_complex(xp, values.dtype):
            cut = (xp.imag(values) == 0) & (xp.real(values) < 0)
            values = xp.where(cut, dtypes.astype(xp, xp.real(values), values.dtype), values)  # -0 becomes 0
        elif bool(xp.any(values < 0)):
            values = xp.astype(values, dtypes.complex_dtype(xp, values.dtype))
        return function(values)

    return wide


@checked(square=True)
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

    Notes
    -----
    Negative eigenvalues have roots on the positive imaginary axis. Eigenvalues of circulants count as real where their
    imaginary parts are within the rounding of the transform that computes them.

    Examples
    --------
    >>> import numpy as np
    >>> import structmat as sm
    >>> sm.linalg.sqrtm(sm.Diagonal(np.asarray([4.0, 9.0]))).entries
    array([2., 3.])
    """
    return funm(A, _principal(A, namespace_of(A).sqrt))


@checked(square=True)
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
    inverse_or_none(A)  # raises for singular operators
    return funm(A, _principal(A, namespace_of(A).log))


@checked(square=True)
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
        inverse_or_none(A)  # raises for singular operators

    def power(values: Array) -> Array:
        return values**t

    return funm(A, power if float(t).is_integer() else _principal(A, power))
