"""The contract of an operator class: hooks, construction, and the facts that construction settles."""

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from structmat._backend import dtypes
from structmat._backend.types import Array, Device, DType, Namespace
from structmat.core.extensions import extensions

if TYPE_CHECKING:
    import weakref

    from structmat.core.base import LinearOperator
    from structmat.core.leaf import Leaf

_LINALG = ("cond", "det", "eigvals", "expm", "inv", "norm", "pinv", "slogdet", "solve", "svdvals")
_MOVES = {"cpu": "cpu", "cuda": "cuda", "double": "float64", "float": "float32", "half": "float16", "numpy": "numpy"}
_HINTS = {  # attributes of matrices, tensors and SciPy's operators that this class lacks
    **{name: f"structmat.linalg has {name}" for name in _LINALG},
    **{name: f'A.to("{target}") converts it' for name, target in _MOVES.items()},
    "detach": "A.freeze() has no gradients",
    "dims": 'declare it in the class, such as dims = "n", "n"',
    "mH": "A.H is its conjugate transpose",
    "mT": "A.T is its transpose",
    "trace": "structmat.linalg.trace(A) is its trace, and SciPy's functions take A.to_scipy()",
    "toarray": "A.to_dense() is its matrix",
    "todense": "A.to_dense() is its matrix",
    "copy": "operators are immutable, so that there is nothing to copy",
}


NonzeroEntry: TypeAlias = tuple[Array, Array | None] | None  # index (-1: none) and value (None: 1); None: unknown
Solver: TypeAlias = Callable[["LinearOperator", Array], Array]  # A^{-1} b, from A and vectors b (..., n)


class NoExactInverseError(TypeError):
    """The structure of an operator gives no exact inverse; `structmat.linalg.solve` has other methods."""


class Contract:
    """Hooks that operator classes override, construction from fields, and settled facts: sizes, dtype, namespace."""

    _compiles = False  # whether there may be a matrix for the compiled kernels, with one column or no parameters
    _is_identity = False
    _is_unitary = False  # for all values of its arrays, so that it cancels with its adjoint
    _is_hankel = False  # the Toeplitz matrix of `_toeplitz_sides` with its columns in reverse order
    _is_normal = False  # for all values of its arrays: functions act on its eigenvalues

    # settled by `_settle`, in this order
    m: int
    n: int
    shape: tuple[int, int]
    dtype: DType
    xp: Namespace
    device: Device
    _is_complex: bool
    _native_dtype: DType  # of NumPy and PyTorch input that needs no conversion; None if there is none
    _cache: dict[object, Any]
    _adjoint_of: "LinearOperator | None"  # the operator whose adjoint this one is
    _adjoint_ref: "weakref.ref[LinearOperator] | None"  # the adjoint, while it is in use elsewhere

    # ------------------------------------------------------------------ hooks

    def _setup(self) -> None:
        """Derive sizes, dtype, namespace and device from the declared fields, without reading values."""
        raise NotImplementedError

    def _apply(self, xp: Namespace, x: Array) -> Array:
        """A x."""
        raise NotImplementedError

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        """A^H g."""
        raise NotImplementedError

    def _compiled_for(self, dtype: DType, side: int) -> Any:
        """The matrix of A x for side 1, or of A^H x for side 0, for one compiled call without a cast of x; else None.

        Such a product has no arrays in between, so that it takes whole batches.
        """
        return None

    def _write_product(self, x: Array, out: Array, side: int) -> bool:
        """Write such a product to `out`, and return True; False, and nothing is done, if no method writes to arrays."""
        compiled = self._compiled_for(x.dtype, side)
        return compiled is not None and compiled.write(x, out)

    def _column_grads(self, xp: Namespace, column: Array, /) -> tuple[Array, ...]:
        """The gradient of each parameter from the one of the column of a compiled convolution."""
        raise NotImplementedError

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        """A x, and a nested tuple of residuals for `_backward`."""
        raise NotImplementedError

    def _residuals(self, xp: Namespace, x: Array) -> Any:
        """The residuals of `_forward`, without A x."""
        return self._forward(xp, x)[1]

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        """Gradients with respect to x (real if x is real) and to each parameter."""
        raise NotImplementedError

    def _adjoint(self) -> "LinearOperator":
        raise NotImplementedError

    def _conj(self) -> "LinearOperator":
        raise NotImplementedError

    def _inverse(self) -> "LinearOperator":
        raise NoExactInverseError(
            f"{self._head} ** -1: {type(self).__name__} has no exact inverse; structmat.linalg.solve finds solutions"
            f"{', and structmat.simplify may find an operator that has one' if self._children else ''}."
        )

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        """All eigenvalues, in any order, if the structure gives them exactly, else None.

        They have the precision of the operator; for an operator without parameters, that of `_value_dtype`.
        """
        return None

    def _singular_values(self, xp: Namespace) -> Array | None:
        """All singular values in descending order, if the structure gives them exactly, else None."""
        return None

    def _slogdet(self, xp: Namespace) -> tuple[Array, Array] | None:
        """Sign and log-modulus of the determinant, for structures that give these but no eigenvalues; else None."""
        return None

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> "LinearOperator | None":
        """The operator f(A), with f applied to the eigenvalues, if it has the same structure, else None."""
        return None

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> "LinearOperator | None":
        """Moore-Penrose inverse, if the structure gives it; singular values up to the cut-off count as zero."""
        return None

    def _eigenvectors(self, basis: Callable[..., "LinearOperator"]) -> "LinearOperator | None":
        """Unitary V with A V = V diag(`_eigenvalues`), if the structure gives it, else None.

        `basis(n, widths=(), twist=None)` makes diag(twist) F^H with the unitary Fourier transform F along axes of the
        given widths, whose product is n; F is the identity without widths.
        """
        return None

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        """A^{-1} b of vectors (..., n) by systems with other operators, `solve(part, b)`, if possible, else None."""
        return None

    def _toeplitz_sides(self) -> tuple[Array, Array] | None:
        """First column and first row of T if A is a Toeplitz matrix T, or T reversed (`_is_hankel`), else None.

        The first entry of the row is ignored.
        """
        return None

    def _low_rank_factors(self, xp: Namespace) -> tuple[Array, Array] | None:
        """U (m, r) and V (n, r) with A = U V^H, for an operator given by such factors, else None."""
        return None

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        """A[i, j] for integer arrays that broadcast, if the definition gives entries without a product, else None."""
        return None

    def _row_entry(self, xp: Namespace, i: Array) -> NonzeroEntry:
        """Column and value of the entry of row i, if rows have at most one nonzero entry, else None.

        A product with this operator moves and scales the entries of the other factor, so its entries are known if
        theirs are.
        """
        return None

    def _column_entry(self, xp: Namespace, j: Array) -> NonzeroEntry:
        """Row and value of the entry of column j, as for `_row_entry`."""
        return None

    @property
    def _children(self) -> tuple["LinearOperator", ...]:
        return ()

    @property
    def _own_params(self) -> tuple[tuple[str, Array], ...]:
        return ()

    def _map(self, change: Callable[["Leaf"], "LinearOperator"]) -> "LinearOperator":
        """Rebuild the tree with each leaf changed, from left to right."""
        raise NotImplementedError

    def _check_fields(self) -> None:
        """Validate the fields, except the values of arrays."""

    # ------------------------------------------------------------------ construction

    def __post_init__(self) -> None:
        self._check_fields()
        self._setup()

    def _settle(self, shape: tuple[int, int], dtype: DType, xp: Namespace, where: Device, is_complex: bool) -> None:
        if extensions.register_pytree is None and sys.modules.get("jax") is not None:
            extensions.adapter("jax")  # operators become pytrees
        facts: tuple[Any, ...] = (
            *shape,
            shape,
            dtype,
            xp,
            where,
            is_complex,
            dtypes.native_dtype(xp, dtype),
            {},
            None,
            None,
        )
        self.__dict__.update(zip(_SETTLED, facts, strict=True))

    @property
    def _fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def _make(cls, fields: dict[str, Any]) -> Self:
        """Construct from validated fields, without reading values."""
        made = cls._of(fields)
        made._setup()
        return made

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Self:
        """Hold fields without validation until first use: JAX puts arbitrary objects into its pytrees."""
        made = object.__new__(cls)
        made.__dict__.update(fields)
        return made

    if not TYPE_CHECKING:  # it would hide misspelt names from type checkers

        def __getattr__(self, name: str) -> Any:
            """Set up an operator made by `_of` at first use."""
            if name not in _SETTLED:
                hint = f"; {_HINTS[name]}" if name in _HINTS else ""
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{hint}")
            try:
                self._check_fields()
                self._setup()
            except (TypeError, ValueError) as error:
                error.add_note("A batch of operators is applied by jax.vmap, which takes their leading axes off.")
                raise
            return self.__dict__[name]

    def _replace(self, **changes: Any) -> Self:
        return self._make({**self._fields, **changes})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._make, (self._fields,)

    # ------------------------------------------------------------------ names in messages

    @property
    def _head(self) -> str:
        return f"{type(self).__name__}({self.m}×{self.n})"

    @property
    def _label(self) -> str:
        return f"{type(self).__name__} {self.m}×{self.n}"

    def _size_note(self, side: int) -> str:
        return f"{'mn'[side]} = {self.shape[side]}"


_SETTLED = tuple(Contract.__annotations__)


def conjugate_value(xp: Namespace, found: NonzeroEntry) -> NonzeroEntry:
    """Conjugate the value of the only nonzero entry of each row, or column."""
    if found is None or found[1] is None or dtypes.kind(xp, found[1].dtype) != "complex":
        return found
    return found[0], xp.conj(found[1])
