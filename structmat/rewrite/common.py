"""Predicates and constructors that the rules share."""

import cmath
import functools
import operator
from typing import Any

from structmat._backend import dtypes, namespaces
from structmat._backend.types import Array, DType
from structmat.core import LinearOperator
from structmat.core.bilinear import Adjoint, LeafView
from structmat.core.compose import Composite, Product, Scaled, Sum
from structmat.core.leaf import Leaf

Maybe = LinearOperator | None  # the result of a rule: the simpler operator, or None if the rule does not apply


def same(a: Any, b: Any) -> bool:
    """Tell whether two operators are equal by construction: they hold the same array objects, not equal values."""
    if a is b:
        return True
    if type(a) is not type(b) or namespaces.is_array(a):
        return False
    if isinstance(a, LinearOperator):
        theirs = b._fields
        return all(same(value, theirs[name]) for name, value in a._fields.items())
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def leaf_of(A: LinearOperator) -> Any:
    """Return the leaf inside adjoints, conjugates and inverses."""
    while isinstance(A, LeafView):
        A = A.of
    return A


def may_merge(*leaves: Any) -> bool:
    """Tell whether leaves may be merged: those with parameters are all learnable, or all frozen."""
    return len({leaf._frozen for leaf in leaves if leaf._param_fields}) < 2


def joint_dtype(a: Leaf, b: Leaf) -> DType:
    """Return the promoted dtype of two leaves of one library, None if they may not be merged."""
    return dtypes.result_dtype(a.xp, a.dtype, b.dtype) if may_merge(a, b) else None


def parameters(A: Any) -> dict[str, Array]:
    """Return the parameters of a leaf by name, frozen or not."""
    return {name: getattr(A, name) for name in A._param_fields}


def non_params(A: Any) -> dict[str, Any]:
    """Return the other fields of a leaf by name."""
    return {name: value for name, value in A._fields.items() if name not in A._param_fields}


def same_but_params(a: Any, b: Any) -> bool:
    """Tell whether two leaves are of one class and differ in their parameters only."""
    if type(a) is not type(b):
        return False
    theirs = non_params(b)
    return all(same(value, theirs[name]) for name, value in non_params(a).items())


def of_one_dtype(A: Any, dtype: DType = None) -> bool:
    """Tell whether all parameters of a leaf have a dtype, its own by default, so that arithmetic promotes none."""
    wanted = A.dtype if dtype is None else dtype
    return all(value.dtype == wanted for value in parameters(A).values())


def complex_like(A: LinearOperator, new: LinearOperator) -> LinearOperator:
    """Scale `new` by 1+0j if A is complex, so that a rewrite keeps A's dtype."""
    return scaled(1 + 0j, new) if A._is_complex else new


def split_scalar(A: LinearOperator) -> tuple[Any, LinearOperator]:
    """Return the scalar and the operator of a term s A."""
    return (A.scalar, A.of) if type(A) is Scaled else (1.0, A)


def scaled(scalar: Any, of: LinearOperator) -> LinearOperator:
    """Scale as the algebra does, except that 1+0j makes a real operator complex."""
    if type(of) is Scaled and (whole := scalar_product([scalar, of.scalar])) is not None:
        scalar, of = whole, of.of
    return of if scalar == 1 and (of._is_complex or not dtypes.is_complex_number(scalar)) else Scaled(of, scalar)


def scalar_product(scalars: list[Any]) -> Any:
    """Multiply scalars; None if finite nonzero scalars have a product that overflows or underflows."""
    whole = functools.reduce(operator.mul, scalars)
    ordinary = all(cmath.isfinite(s) and s != 0 for s in scalars)
    return None if ordinary and not (cmath.isfinite(whole) and whole != 0) else whole


def rebuilt(A: LinearOperator, children: tuple[LinearOperator, ...]) -> LinearOperator:
    """Return an operator with other parts: products and sums are flattened, and nested scalars multiplied."""
    if isinstance(A, Product | Sum):
        kind = type(A)
        parts = tuple(inner for part in children for inner in (part.parts if type(part) is kind else (part,)))
        if kind is Product:
            parts = tuple(part for part in parts if not part._is_identity) or parts[:1]
        return kind(parts) if len(parts) > 1 else parts[0]
    if isinstance(A, Scaled):
        return scaled(A.scalar, children[0])
    if isinstance(A, Composite):
        return A._rebuilt(children)
    return children[0].H if isinstance(A, Adjoint) else children[0].conj()
