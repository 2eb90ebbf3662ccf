"""The operator as its users see it: checked products, algebra, gradients, parameters and printing."""

import dataclasses
import functools
import math
import operator
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Complex, Real
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias, overload

from structmat._backend import (
    LIBRARIES,
    STORED,
    Array,
    Device,
    DType,
    HostArray,
    Namespace,
    as_namespace,
    astype,
    complex_dtype,
    compute_dtype,
    conversion,
    copied,
    device,
    dtype_name,
    full_precision,
    is_array,
    is_complex,
    is_writable,
    kind,
    layout,
    namespace,
    namespace_name,
    native,
    native_dtype,
    optional,
    overlap,
    real_dtype,
    repeats,
    result_dtype,
    takes_writes,
    unmapped,
    widest_dtype,
)
from structmat._backend import nbytes as array_bytes
from structmat.core.batches import Target, chunk, pieces, piecewise
from structmat.core.crossover import dense_product, is_small
from structmat.core.fields import as_integer

DENSE_LIMIT = 2**30  # bytes that `to_dense` makes without being asked


_SETTLED = (
    "m",
    "n",
    "shape",
    "dtype",
    "xp",
    "device",
    "_is_complex",
    "_native_dtype",
    "_cache",
    "_adjoint_of",
    "_adjoint_ref",
)
_ELSEWHERE = {  # what users and SciPy look for in an operator, and find elsewhere
    "trace": "structmat.linalg.trace(A) is its trace, and SciPy's functions take A.to_scipy()",
    "toarray": "A.to_dense() is its matrix",
    "todense": "A.to_dense() is its matrix",
    "copy": "operators are immutable, so that there is nothing to copy",
}
_SAVE = "spectrum", "input", "nothing"  # what `forward` may keep

Product: TypeAlias = Callable[[Namespace, Array], Array]
Solver: TypeAlias = Callable[["LinearOperator", Array], Array]  # A^{-1} b of an operator and vectors (..., n)
Places: TypeAlias = range | Array  # rows or columns: what lies side by side, or an array of any


class NoExactInverseError(TypeError):
    """The structure of an operator gives no exact inverse; `structmat.linalg.solve` has other ways."""


class Saved(NamedTuple):
    """What `forward` keeps for `backward`: opaque to users, valid for the operator that made it."""

    operator: "LinearOperator"
    tape: Any
    batch: tuple[int, ...]
    dtype: DType
    save: str
    step: int | None  # how many vectors were taken at a time


class LinearOperator:
    """A matrix that is never stored densely: the base of all operators.

    Operators are immutable. Their arrays are borrowed, never copied and never written. Vectors are batched over leading
    axes, operators are not. A product has the dtype `result_type(A.dtype, x.dtype)`; half precision computes in single.

    Attributes
    ----------
    shape : tuple of int
        Rows m and columns n.
    m, n : int
        Rows and columns.
    dtype : dtype or None
        Common dtype of the operator's parameters; None for an operator without any, whose products have x's dtype.
    xp : module or None
        Array-API namespace of the operator's arrays; None for an operator without any, which takes all.
    device : device or None
        Where the arrays are.

    Notes
    -----
    Subclass `Leaf` for new mathematics. Gradients follow dL = Re⟨g, dy⟩ with ⟨u, v⟩ = Σ conj(u) v: the gradient with
    respect to x is `rmatvec(g)`, as in PyTorch.
    """

    ndim = 2
    __array_ufunc__ = None  # so that `array @ A` and `scalar * A` reach this class
    _is_identity = False
    _is_unitary = False  # for all values of its arrays, so that it cancels with its own adjoint
    _is_hankel = False  # with the columns of the Toeplitz matrix of `_toeplitz_sides` in reverse order
    _is_normal = False  # for all values of its arrays, so that functions of it are functions of its eigenvalues

    m: int
    n: int
    shape: tuple[int, int]
    dtype: DType
    xp: Namespace
    device: Device
    _is_complex: bool
    _native_dtype: DType  # of NumPy's arrays whose products need no conversion; None if there are none
    _cache: dict[object, Any]
    _adjoint_of: "LinearOperator | None"  # the operator that this one is the adjoint of
    _adjoint_ref: "weakref.ref[LinearOperator] | None"  # its adjoint, while someone holds it

    # ------------------------------------------------------------------ what a kind of operator supplies

    def _setup(self) -> None:
        """Derive sizes, dtype, namespace and device from the declared fields; looks at no values."""
        raise NotImplementedError

    def _apply(self, xp: Namespace, x: Array) -> Array:
        """A x."""
        raise NotImplementedError

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        """A^H g."""
        raise NotImplementedError

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        """A x, and a nested tuple that `_backward` consumes."""
        raise NotImplementedError

    def _residuals(self, xp: Namespace, x: Array) -> Any:
        """What `_forward` keeps, where A x itself is not wanted."""
        return self._forward(xp, x)[1]

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        """Gradients with respect to x (of x's kind, real or complex) and to each parameter."""
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
        """All eigenvalues, in any order, where the structure gives them exactly; None where it does not.

        In the precision of the operator; that of one without parameters is the whole's, which `_value_dtype` says.
        """
        return None

    def _singular_values(self, xp: Namespace) -> Array | None:
        """All singular values in descending order, where the structure gives them exactly."""
        return None

    def _slogdet(self, xp: Namespace) -> tuple[Array, Array] | None:
        """Sign and logarithm of the modulus of the determinant, where the structure gives them but no eigenvalues."""
        return None

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> "LinearOperator | None":
        """The operator with a function of the eigenvalues in place of these, where that has the same structure."""
        return None

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> "LinearOperator | None":
        """Moore-Penrose inverse where the structure gives it; singular values of at most the cut-off count as zero."""
        return None

    def _eigenvectors(self, basis: Callable[..., "LinearOperator"]) -> "LinearOperator | None":
        """Unitary V with A V = V diag(`_eigenvalues`) where the structure gives it.

        `basis(n, widths=(), twist=None)` makes diag(twist) F^H with the unitary Fourier transform F along axes of the
        given widths, whose product is n; F is the identity without widths.
        """
        return None

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        """A^{-1} b of vectors (..., n) from systems with other operators, `solve(part, b)`, where these give it."""
        return None

    def _toeplitz_sides(self) -> tuple[Array, Array] | None:
        """First column and row (its first entry ignored) of T, if A is a Toeplitz T, or T reversed (`_is_hankel`)."""
        return None

    def _low_rank_factors(self, xp: Namespace) -> tuple[Array, Array] | None:
        """U (m, r) and V (n, r) with A = U V^H, where A is given by them."""
        return None

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        """A[i, j] for integer arrays that broadcast, where the definition gives entries without a product."""
        return None

    def _block(self, xp: Namespace, i: Places, j: Places, where: Device) -> Array:
        """The submatrix of rows i and columns j: from the entries, or from products where these are unknown.

        It is made on the device `where`, which an operator without arrays has none of its own of.
        """
        rows, columns = (as_places(xp, places, where) for places in (i, j))
        if (block := self._block_of_entries(xp, rows, columns)) is not None:
            return block
        if is_all(i, self.m) or columns.shape[0] <= rows.shape[0]:
            block = self._unit_products(xp, columns)
            return block if is_all(i, self.m) else xp.take(block, rows, axis=0)
        block = self.T._unit_products(xp, rows)
        return xp.matrix_transpose(block if is_all(j, self.n) else xp.take(block, columns, axis=0))

    def _block_of_entries(self, xp: Namespace, rows: Array, columns: Array) -> Array | None:
        """The same from the entries alone, some rows at a time, so that arrays of indices stay small."""
        shape = rows.shape[0], columns.shape[0]
        step = max(1, (2**18 if type(rows) is HostArray else 2**22) // max(1, shape[1]))
        first = self._entries(xp, rows[: shape[0] if shape[0] <= step else 1, None], columns[None, :])
        if first is None:
            return None
        if shape[0] <= step:
            return first if tuple(first.shape) == shape else copied(xp, xp.broadcast_to(first, shape))

        def read(chosen: Array) -> tuple[Array, None]:
            block = self._entries(xp, chosen[:, None], columns[None, :])
            return xp.broadcast_to(block, (chosen.shape[0], shape[1])), None

        parts = ((rows[start : min(start + step, shape[0])],) for start in range(0, shape[0], step))
        return piecewise(read, parts, step, Target(xp, (shape[0],), shape[1], first.dtype))

    def _row_entry(self, xp: Namespace, i: Array) -> tuple[Array, Array | None] | None:
        """For rows with one nonzero entry at most: its column, -1 for none, and its value; None instead of ones.

        Products with such an operator only move and scale entries, so the entries of the product are known as well.
        """
        return None

    def _column_entry(self, xp: Namespace, j: Array) -> tuple[Array, Array | None] | None:
        """The same for columns with one nonzero entry at most."""
        return None

    @property
    def _children(self) -> tuple["LinearOperator", ...]:
        return ()

    @property
    def _own_params(self) -> tuple[tuple[str, Array], ...]:
        return ()

    def _map(self, change: Callable[["LinearOperator"], "LinearOperator"]) -> "LinearOperator":
        """Rebuild the tree with each leaf changed, leaves taken from left to right."""
        raise NotImplementedError

    # ------------------------------------------------------------------ construction and copies

    def __post_init__(self) -> None:
        self._admit_fields()
        self._setup()

    def _settle(self, shape: tuple[int, int], dtype: DType, xp: Namespace, where: Device, is_complex: bool) -> None:
        if sys.modules.get("jax") is not None and "structmat.interop.jax" not in sys.modules:
            from structmat.interop import jax  # noqa: F401 (it makes operators pytrees, which `jax.jit` takes)
        facts: tuple[Any, ...] = (*shape, shape, dtype, xp, where, is_complex, native_dtype(xp, dtype), {}, None, None)
        self.__dict__.update(zip(_SETTLED, facts, strict=True))

    @property
    def _fields(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}  # type: ignore[arg-type]

    @classmethod
    def _make(cls, fields: dict[str, Any]) -> Self:
        """Construct from fields that were checked before: no value is looked at."""
        made = cls._of(fields)
        made._setup()
        return made

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Self:
        """Hold fields, which may be anything until the operator is used: JAX puts what it likes into its pytrees."""
        made = object.__new__(cls)
        made.__dict__.update(fields)
        return made

    if not TYPE_CHECKING:  # it would hide misspelt names from type checkers

        def __getattr__(self, name: str) -> Any:
            """Set up at first use what `_of` made."""
            if name not in _SETTLED:
                hint = f"; {_ELSEWHERE[name]}" if name in _ELSEWHERE else ""
                raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'{hint}")
            try:
                self._admit_fields()
                self._setup()
            except (TypeError, ValueError) as error:
                error.add_note("A batch of operators is applied by jax.vmap, which takes their leading axes off.")
                raise
            return self.__dict__[name]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        register = getattr(sys.modules.get("structmat.interop.jax"), "register", None)  # None: its import has failed
        if register is not None:
            register(cls)

    def _admit_fields(self) -> None:
        """Check what the fields hold, but for the values of arrays."""

    def _replace(self, **changes: Any) -> Self:
        return self._make({**self._fields, **changes})

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self)._make, (self._fields,)

    # ------------------------------------------------------------------ the door

    @property
    def _head(self) -> str:
        return f"{type(self).__name__}({self.m}×{self.n})"

    @property
    def _label(self) -> str:
        return f"{type(self).__name__} {self.m}×{self.n}"

    def _size_note(self, side: int) -> str:
        return f"{'mn'[side]} = {self.shape[side]}"

    def _check_vector(self, call: str, name: str, x: Any, side: int, axis: int = -1) -> Namespace:
        """Check one argument, whose given axis must have the size of a side."""
        if not is_array(x):
            raise TypeError(
                f"{self._head}.{call}: {name} is a {type(x).__name__}; expected an array of NumPy, CuPy, PyTorch, "
                f"JAX or another array-API library."
            )
        xp = namespace(x)
        if layout(x) != "strided":
            raise TypeError(f"{self._head}.{call}: {name} has the layout {layout(x)}; expected a strided tensor.")
        if kind(xp, x.dtype) is None:
            hint = "" if self.dtype is not None else " SciPy's solvers, which ask for a dtype so, take A.to_scipy()."
            raise TypeError(
                f"{self._head}.{call}: {name} has dtype {dtype_name(x.dtype)}; expected a real or complex floating "
                f"dtype: convert it first, for example with {conversion(xp, name)}.{hint}"
            )
        if self.xp is not None:
            if xp is not self.xp:
                raise TypeError(
                    f"{self._head}.{call}: {name} is an array of {namespace_name(xp)}, the operator's are of "
                    f"{namespace_name(self.xp)}; convert one, the operator with A.to(xp=...)."
                )
            where = device(x)
            if where != self.device and where is not None and self.device is not None:
                raise TypeError(
                    f"{self._head}.{call}: {name} is on {where}, the operator on {self.device}; move one, the operator "
                    f"with A.to(device=...)."
                )
        if x.ndim < -axis or x.shape[axis] != self.shape[side]:
            place = "last" if axis == -1 else "second to last"
            hint = ""
            if axis == -1 and x.ndim > 1 and x.shape[-2] == self.shape[side]:
                columns = f"A.{'r' * (side == 0)}matmat"
                hint = f" Columns of a matrix go through {columns}. SciPy's functions take A.to_scipy()."
            else:
                hint = _to_flatten(name, tuple(x.shape), self.shape[side], "A.rmatvec" if side == 0 else "A.matvec")
            raise ValueError(
                f"{self._head}.{call}: {name} has shape {tuple(x.shape)}; its {place} axis must be "
                f"{self._size_note(side)}.{hint}"
            )
        return xp

    def _admit(self, call: str, name: str, x: Any, side: int, axis: int = -1) -> tuple[Namespace, Array]:
        """Check one argument, and bring it to the precision of the product."""
        xp = self._check_vector(call, name, x, side, axis)
        return xp, self._widened(xp, x, x.dtype)

    def _widened(self, xp: Namespace, x: Array, dtype: DType) -> Array:
        """Bring vectors to the precision of products with a dtype: parts without parameters compute in that of x."""
        if x.dtype is dtype is self._native_dtype and x.flags.carray:
            return x
        x, wide = native(x), compute_dtype(xp, self._product_dtype(xp, dtype))
        if x.dtype == wide:
            return x
        if is_complex(xp, x.dtype) == is_complex(xp, wide):
            return astype(xp, x, wide)
        return astype(xp, x, real_dtype(xp, wide) if is_complex(xp, wide) else complex_dtype(xp, wide))

    def _admit_out(self, call: str, out: Any, x: Array, *, side: int) -> None:
        """Check where the product of x, with as many entries as one side, shall be written to."""
        head, name, xp = f"{self._head}.{call}: out", "gx"[side], namespace(x)
        if not is_array(out) or namespace(out) is not xp:
            what = f"an array of {namespace_name(namespace(out))}" if is_array(out) else f"a {type(out).__name__}"
            raise TypeError(f"{head} is {what}; expected an array of {name}'s library, to write to.")
        if not takes_writes(out):
            raise TypeError(
                f"{head} is an array of {namespace_name(xp)} that takes no writes; expected one that is neither "
                f"immutable nor traced nor part of a graph."
            )
        if device(out) != device(x):
            raise TypeError(f"{head} is on {device(out)}, {name} on {device(x)}; expected one device.")
        shape, dtype = (*x.shape[:-1], self.shape[1 - side]), self._product_dtype(xp, x.dtype)
        if tuple(out.shape) != tuple(shape):
            raise ValueError(f"{head} has shape {tuple(out.shape)}; expected that of the product, {tuple(shape)}.")
        if out.dtype != dtype:
            expected = f"that of the product, {dtype_name(dtype)}"
            raise TypeError(f"{head} has dtype {out.dtype}; expected {expected}.")
        if not is_writable(out):
            raise ValueError(f"{head} is read-only; expected an array to write to.")
        if repeats(out):
            raise ValueError(f"{head} has entries that share memory; expected an array with a place for each.")
        if any(overlap(array, out) for array in (x, *self._arrays)):
            raise ValueError(f"{head} shares memory with {name} or the operator; expected an array of its own.")

    def _takes_fast_path(self, x: Any, side: int) -> bool:
        """Tell whether x is what most solvers ask for: one vector of NumPy, nothing to refuse, convert or divide."""
        return (
            type(x) is HostArray
            and x.dtype is self._native_dtype
            and x.shape == (self.shape[side],)
            and not is_small(self)
        )

    def _run(self, call: str, x: Any, product: Product, *, side: int, out: Any = None, chunk_size: Any = None) -> Array:
        """Multiply vectors with as many entries as one side, some at a time where there are many."""
        xp = self._check_vector(call, "gx"[side], x, side)
        x = unmapped(x)
        step = chunk(self, call, x, chunk_size)
        if out is not None:
            self._admit_out(call, out, x, side=side)

        def multiplied(vectors: Array) -> tuple[Array, None]:
            inner = self._widened(xp, vectors, x.dtype)
            with full_precision(vectors):
                y = dense_product(self, xp, inner, side=side) if is_small(self) else None
                return self._finish(xp, x, product(xp, inner) if y is None else y), None

        if step is None and out is None:
            return multiplied(x)[0]
        target = Target(xp, tuple(x.shape[:-1]), self.shape[1 - side], self._product_dtype(xp, x.dtype), unmapped(out))
        y = piecewise(multiplied, zip(pieces(xp, x, step), strict=True), step, target)
        return y if out is None else out

    def _product_dtype(self, xp: Namespace, dtype: DType) -> DType:
        found = result_dtype(xp, self.dtype, dtype)
        return complex_dtype(xp, found) if self._is_complex and not is_complex(xp, found) else found

    # ------------------------------------------------------------------ products

    def matvec(self, x: Array, *, out: Array | None = None, chunk_size: int | None = None) -> Array:
        """Multiply vectors by the operator, y = A x.

        Parameters
        ----------
        x : array, shape (..., n)
            Vectors along the last axis; leading axes are a batch, which may be empty.
        out : array, shape (..., m), optional
            Where to write the product: an array of its dtype, in memory of its own. Arrays of JAX can't be written to.
        chunk_size : int, optional
            How many vectors to take at a time: it bounds the memory of what lies between x and the product. Unless it
            is given, large batches on the host are taken in pieces that fit into a cache, all others at once.

        Returns
        -------
        array, shape (..., m)
            Of dtype `result_type(A.dtype, x.dtype)`; `out` if it is given.

        Raises
        ------
        ValueError
            The last axis of x is not n; `out` has another shape than the product, is read-only, or shares memory with x
            or the operator; `chunk_size` is not positive.
        TypeError
            x is no array, has no floating dtype, or belongs to another library or device than the operator; so does
            `out`, or it has another dtype than the product.
        """
        if out is None is chunk_size and self._takes_fast_path(x, 1):
            return self._apply(self.xp, x)
        return self._run("matvec", x, self._apply, side=1, out=out, chunk_size=chunk_size)

    def rmatvec(self, g: Array, *, out: Array | None = None, chunk_size: int | None = None) -> Array:
        """Multiply vectors by the conjugate transpose, A^H g.

        Parameters
        ----------
        g : array, shape (..., m)
            Vectors along the last axis; leading axes are a batch.
        out : array, shape (..., n), optional
            Where to write the product, as for `matvec`.
        chunk_size : int, optional
            How many vectors to take at a time, as for `matvec`.

        Returns
        -------
        array, shape (..., n)
            Of dtype `result_type(A.dtype, g.dtype)`; `out` if it is given.

        Raises
        ------
        ValueError
            The last axis of g is not m, or `out` or `chunk_size` are not as for `matvec`.
        TypeError
            g or `out` are not as for `matvec`.
        """
        if out is None is chunk_size and self._takes_fast_path(g, 0):
            return self._apply_adjoint(self.xp, g)
        return self._run("rmatvec", g, self._apply_adjoint, side=0, out=out, chunk_size=chunk_size)

    def _finish(self, xp: Namespace, x: Array, y: Array) -> Array:
        """Give a product its dtype."""
        if y.dtype is x.dtype is self._native_dtype:
            return y
        return astype(xp, y, self._product_dtype(xp, x.dtype))

    __call__ = matvec

    def matmat(self, X: Array) -> Array:
        """Multiply matrices by the operator, A X.

        Parameters
        ----------
        X : array, shape (..., n, k)
            Matrices whose columns are vectors; leading axes are a batch.

        Returns
        -------
        array, shape (..., m, k)
            Of dtype `result_type(A.dtype, X.dtype)`.

        Raises
        ------
        ValueError
            X has fewer than two axes, or its second to last is not n.
        TypeError
            As for `matvec`.
        """
        xp = self._check_vector("matmat", "X", X, 1, axis=-2)
        return xp.matrix_transpose(self.matvec(xp.matrix_transpose(X)))

    def rmatmat(self, Y: Array) -> Array:
        """Multiply matrices by the conjugate transpose, A^H Y.

        Parameters
        ----------
        Y : array, shape (..., m, k)
            Matrices whose columns are vectors; leading axes are a batch.

        Returns
        -------
        array, shape (..., n, k)
            Of dtype `result_type(A.dtype, Y.dtype)`.

        Raises
        ------
        ValueError
            Y has fewer than two axes, or its second to last is not m.
        TypeError
            As for `rmatvec`.
        """
        xp = self._check_vector("rmatmat", "Y", Y, 0, axis=-2)
        return xp.matrix_transpose(self.rmatvec(xp.matrix_transpose(Y)))

    def to_dense(self, max_bytes: int = DENSE_LIMIT) -> Array:
        """Write the matrix out.

        Parameters
        ----------
        max_bytes : int, optional
            Largest matrix to make, in bytes; 1 GiB unless given.

        Returns
        -------
        array, shape (m, n)
            Of the operator's namespace, device and dtype (NumPy and double precision for an operator without any).

        Raises
        ------
        MemoryError
            The matrix would be larger than `max_bytes`.
        TypeError
            `max_bytes` is no number.

        Notes
        -----
        The entries are those of the definition, the same bits as `A[i, j]`, for operators and their adjoints, sums,
        multiples, Kronecker products and blocks, and for products with diagonal matrices, sign flips, permutations,
        shifts and selections. The columns of other products, of powers, of inverses, of `Sparse` and of a
        `FunctionOperator` are products with the operator, accurate to rounding as these are.

        Cost: O(m n) where the entries are known, n products elsewhere.

        Examples
        --------
        >>> import numpy as np
        >>> import structmat as sm
        >>> sm.Toeplitz(np.asarray([1.0, 1e20, 0.0]), np.asarray([1.0, 0.0, 0.0])).to_dense()
        array([[1.e+00, 0.e+00, 0.e+00],
               [1.e+20, 1.e+00, 0.e+00],
               [0.e+00, 1.e+20, 1.e+00]])
        """
        limit: Any = max_bytes
        if not isinstance(limit, Real):
            raise TypeError(f"{self._head}.to_dense: max_bytes is {limit!r}; expected a number.")
        xp, dtype = self._library
        needed = self.m * self.n * int(xp.finfo(dtype).bits) // 8 * (2 if is_complex(xp, dtype) else 1)
        if needed > max_bytes:
            raise MemoryError(
                f"{self._head}.to_dense: the matrix takes {needed:,} bytes, over the limit of {max_bytes:,}; "
                f"if you want it all the same, pass max_bytes={needed}."
            )
        A = self._in_one_precision(xp)
        return astype(xp, A._block(xp, range(A.m), range(A.n), self.device), dtype)

    # ------------------------------------------------------------------ entries

    @property
    def _library(self) -> tuple[Namespace, DType]:
        """Namespace and dtype of the matrix: NumPy and double precision for an operator without any."""
        xp = as_namespace(None) if self.xp is None else self.xp
        return xp, self._matrix_dtype(xp)

    def _matrix_dtype(self, xp: Namespace) -> DType:
        return self._product_dtype(xp, widest_dtype(xp) if self.dtype is None else self.dtype)

    def _in_one_precision(self, xp: Namespace) -> "LinearOperator":
        """Bring all parts to the precision that the operator computes in, before entries are put together."""
        if self.dtype is None:
            return self
        dtype = compute_dtype(xp, self.dtype)
        precision = real_dtype(xp, dtype)
        if all(kind(xp, value.dtype) is None or real_dtype(xp, value.dtype) == precision for value in self._arrays):
            return self
        return self._map(lambda leaf: leaf._in_precision(xp, dtype))  # type: ignore[attr-defined]

    def _value_dtype(self, xp: Namespace) -> DType:
        """Real dtype of singular values, and the precision of eigenvalues."""
        return real_dtype(xp, compute_dtype(xp, self._matrix_dtype(xp)))

    def _unit_products(self, xp: Namespace, chosen: Array) -> Array:
        """Columns of the matrix, for an array of their places."""
        places = xp.arange(self.n, device=device(chosen))
        return self.matmat(xp.astype(places[:, None] == chosen[None, :], self._matrix_dtype(xp)))

    def _column_blocks(self) -> Iterator[tuple[int, Array]]:
        """Blocks of columns of the matrix, each of a few megabytes at most, with the place of their first."""
        xp, dtype = self._library
        width = max(1, min(self.n, 2**20 // max(self.m, self.n)))
        A = self._in_one_precision(xp)
        for first in range(0, self.n, width):
            yield (
                first,
                astype(xp, A._block(xp, range(self.m), range(self.n)[first : first + width], self.device), dtype),
            )

    def diagonal(self) -> Array:
        """Read the diagonal of the matrix.

        Returns
        -------
        array, shape (min(m, n),)
            The entries A[i, i].

        Notes
        -----
        Cost: O(n), exact, where the entries are known, as `to_dense` says; n products with the operator, in blocks of a
        few megabytes, for other compositions.

        Examples
        --------
        >>> import numpy as np
        >>> import structmat as sm
        >>> sm.Circulant(np.asarray([1.0, 2.0, 3.0])).diagonal()
        array([1., 1., 1.])
        """
        xp, dtype = self._library
        places = xp.arange(min(self.shape), device=self.device)
        entries = self._in_one_precision(xp)._entries(xp, places, places)
        if entries is not None:
            return astype(xp, entries, dtype)
        blocks = ((first, block) for first, block in self._column_blocks() if first < self.m)
        return xp.concat([xp.linalg.diagonal(block[first:, :]) for first, block in blocks])

    def __getitem__(self, key: Any) -> Any:
        """Select rows and columns, `A[rows, columns]`: an operator, a vector, or an entry; see `structmat.select`."""
        from structmat.compounds import selected

        return selected(self, key)

    __contains__ = None  # `x in A` would search the rows, each an array

    # ------------------------------------------------------------------ gradients

    def forward(self, x: Array, *, save: str = "spectrum", chunk_size: int | None = None) -> tuple[Array, Saved]:
        """Multiply vectors and keep what `backward` needs.

        Parameters
        ----------
        x : array, shape (..., n)
            Vectors along the last axis; leading axes are a batch.
        save : {"spectrum", "input", "nothing"}, optional
            What to keep. "spectrum" are the prepared vectors, such as transforms of x, in about as much memory as x
            takes for each factor of a product; operators that prepare nothing, such as `Diagonal`, keep x itself.
            "input" is x, which costs no memory while others hold it; `backward` prepares it anew. Either way x must not
            change until then. "nothing" is for gradients with respect to x alone.
        chunk_size : int, optional
            How many vectors to take at a time, as for `matvec`, here and in `backward`.

        Returns
        -------
        y : array, shape (..., m)
            The product, `matvec(x)` up to rounding.
        saved : Saved
            For `backward`.

        Raises
        ------
        ValueError
            `save` is none of the three, or as for `matvec`.
        TypeError
            As for `matvec`.
        """
        if save not in _SAVE:
            raise ValueError(f"{self._head}.forward: save is {save!r}; expected one of {', '.join(map(repr, _SAVE))}.")
        xp, x = self._check_vector("forward", "x", x, 1), unmapped(x)
        step = chunk(self, "forward", x, chunk_size)
        batch = tuple(x.shape[:-1])
        if save != "spectrum":
            y = self._run("forward", x, self._apply, side=1, chunk_size=step)
            return y, Saved(self, x if save == "input" else None, batch, x.dtype, save, step)
        tapes: list[Any] = []

        def multiplied(vectors: Array) -> tuple[Array, Any]:
            with full_precision(vectors):
                y, tape = self._forward(xp, self._widened(xp, vectors, x.dtype))
                return self._finish(xp, x, y), tape

        target = Target(xp, batch, self.m, self._product_dtype(xp, x.dtype))
        y = piecewise(multiplied, zip(pieces(xp, x, step), strict=True), step, target, tapes.append)
        return y, Saved(self, tuple(tapes), batch, x.dtype, save, step)

    def backward(self, saved: Saved, g: Array) -> tuple[Array, tuple[Array, ...]]:
        """Turn the gradient with respect to y into those with respect to x and to the parameters.

        Parameters
        ----------
        saved : Saved
            From `forward` of this very operator; it may be used more than once.
        g : array, shape (..., m)
            Gradient of a real loss with respect to y, dL = Re Σ conj(g) dy. The imaginary part of a g that belongs to a
            real y has no effect.

        Returns
        -------
        dx : array, shape (..., n)
            A^H g, real if x is.
        grads : tuple of array
            One gradient for each of `params`, of its shape and dtype, summed over the batch; none where "nothing" was
            saved.

        Raises
        ------
        ValueError
            `saved` comes from another operator, or g has not the shape of y.
        TypeError
            `saved` is not what `forward` returned, or g is not as for `rmatvec`.
        """
        if not isinstance(saved, Saved):
            raise TypeError(
                f"{self._head}.backward: saved is a {type(saved).__name__}; expected what forward returned."
            )
        if saved.operator is not self:
            raise ValueError(
                f"{self._head}.backward: saved comes from another operator ({saved.operator._label}); expected what "
                f"forward of this one returned."
            )
        xp, g = self._check_vector("backward", "g", g, 0), unmapped(g)
        if tuple(g.shape[:-1]) != saved.batch:
            raise ValueError(
                f"{self._head}.backward: g has shape {tuple(g.shape)}; expected that of y, {(*saved.batch, self.m)}."
            )
        if saved.save == "nothing":
            g = self._widened(xp, g, saved.dtype)
            dx = self._run("backward", g, self._apply_adjoint, side=0, chunk_size=saved.step)
            return astype(xp, dx, saved.dtype), ()
        total: tuple[Array, ...] = ()

        def pulled(vectors: Array, kept: Any) -> tuple[Array, tuple[Array, ...]]:
            with full_precision(vectors):
                tape = self._residuals(xp, self._widened(xp, kept, saved.dtype)) if saved.save == "input" else kept
                dx, grads = self._backward(xp, tape, self._widened(xp, vectors, saved.dtype))
                return astype(xp, dx, saved.dtype), grads

        def add(grads: tuple[Array, ...]) -> None:
            nonlocal total
            total = tuple(map(operator.add, total, grads)) if total else grads

        kept = pieces(xp, saved.tape, saved.step) if saved.save == "input" else iter(saved.tape)
        parts = zip(pieces(xp, g, saved.step), kept, strict=True)
        dx = piecewise(pulled, parts, saved.step, Target(xp, saved.batch, self.n, saved.dtype), add)
        return dx, total

    def vjp(self, x: Array, g: Array, *, chunk_size: int | None = None) -> tuple[Array, tuple[Array, ...]]:
        """Return both gradients at once: `forward` and `backward` without the product.

        Parameters
        ----------
        x : array, shape (..., n)
            Vectors along the last axis; leading axes are a batch.
        g : array, shape (..., m)
            Gradient of a real loss with respect to A x.
        chunk_size : int, optional
            How many vectors to take at a time, as for `matvec`.

        Returns
        -------
        dx : array, shape (..., n)
            A^H g, real if x is.
        grads : tuple of array
            One gradient for each of `params`, summed over the batch.

        Raises
        ------
        ValueError, TypeError
            As for `forward` and `backward`.
        """
        self._check_vector("vjp", "x", x, 1)
        x = unmapped(x)
        step = chunk(self, "vjp", x, chunk_size)
        return self.backward(Saved(self, x, tuple(x.shape[:-1]), x.dtype, "input", step), g)

    # ------------------------------------------------------------------ parameters and arrays

    @property
    def _named_params(self) -> tuple[tuple[str, Array], ...]:
        children = self._children
        prefix = "{}." if len(children) > 1 else ""
        inherited = (
            (prefix.format(place) + name, value)
            for place, child in enumerate(children)
            for name, value in child._named_params
        )
        return (*self._own_params, *inherited)

    @property
    def params(self) -> tuple[Array, ...]:
        """The arrays that gradients are taken with respect to, left to right through the tree."""
        known: tuple[Array, ...] | None = self.__dict__.get("_params")  # each product asks
        if known is None:
            known = self.__dict__["_params"] = tuple(value for _, value in self._named_params)
        return known

    @property
    def param_names(self) -> tuple[str, ...]:
        """A name for each of `params`: the field, after the places of its operator in the tree ("0.column")."""
        return tuple(name for name, _ in self._named_params)

    @property
    def _arrays(self) -> tuple[Array, ...]:
        return tuple(array for child in self._children for array in child._arrays)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays of the operator, parameters or not; an array that stands twice counts once."""
        return sum(array_bytes(array) for array in {id(array): array for array in self._arrays}.values())

    def with_params(self, params: Sequence[Array]) -> Self:
        """Return the same operator with other parameters.

        Parameters
        ----------
        params : sequence of array
            One for each of `params`, of the same shape, namespace and device; floating or complex dtypes may change.

        Returns
        -------
        LinearOperator
            A new operator; this one is left as it is.

        Raises
        ------
        ValueError
            The number of arrays or a shape is wrong.
        TypeError
            An array has no floating dtype, or belongs to another library or device.
        """
        named, given = self._named_params, tuple(params)
        if len(given) != len(named):
            names = ", ".join(self.param_names)
            raise ValueError(f"{self._head}.with_params: got {len(given)} arrays; expected {len(named)} ({names}).")
        for (name, old), new in zip(named, given, strict=True):
            self._admit_param(name, old, new)
        supply = iter(given)
        return self._map(lambda leaf: leaf._take_params(supply))  # type: ignore[return-value]

    def _admit_param(self, name: str, old: Array, new: Any) -> None:
        call = f"{self._head}.with_params"
        if not is_array(new):
            raise TypeError(f"{call}: {name} is a {type(new).__name__}; expected an array.")
        xp = namespace(new)
        if xp is not namespace(old):
            raise TypeError(
                f"{call}: {name} is an array of {namespace_name(xp)}; expected one of {namespace_name(namespace(old))}."
            )
        if tuple(new.shape) != tuple(old.shape):
            raise ValueError(f"{call}: {name} has shape {tuple(new.shape)}; expected {tuple(old.shape)}.")
        if kind(xp, new.dtype) is None:
            raise TypeError(f"{call}: {name} has dtype {dtype_name(new.dtype)}; expected a floating or complex one.")
        if device(new) != device(old) and None not in (device(new), device(old)):
            raise TypeError(f"{call}: {name} is on {device(new)}; expected {device(old)}.")

    def _take_params(self, supply: Iterable[Array]) -> "LinearOperator":
        return self

    def _with_arrays(self, arrays: Iterable[Array]) -> "LinearOperator":
        """Return the same operator of other arrays, one for each of `_arrays`; checks sizes, devices and libraries."""
        supply = iter(arrays)
        return self._map(lambda leaf: leaf._take_arrays(supply))

    def _take_arrays(self, supply: Iterable[Array]) -> "LinearOperator":
        return self

    def unflatten(self, grads: Sequence[Array]) -> dict[str, Array]:
        """Name the gradients that `backward` returned.

        Parameters
        ----------
        grads : sequence of array
            One for each of `params`.

        Returns
        -------
        dict
            Arrays by parameter name.

        Raises
        ------
        ValueError
            Their number is not that of the parameters.
        """
        names, given = self.param_names, tuple(grads)
        if len(given) != len(names):
            raise ValueError(
                f"{self._head}.unflatten: got {len(given)} arrays; expected {len(names)} ({', '.join(names)})."
            )
        return dict(zip(names, given, strict=True))

    def freeze(self) -> Self:
        """Return the same operator without parameters: its arrays are constants that `backward` spends nothing on."""
        return self._map(lambda leaf: leaf._frozen_copy())  # type: ignore[return-value]

    def _frozen_copy(self) -> "LinearOperator":
        return self

    def to(
        self, target: Any = None, /, *, xp: ModuleType | str | None = None, device: Device = None, dtype: DType = None
    ) -> Self:
        """Move the operator to an array library, a device, a dtype, or several of them.

        This is the one place where arrays move between libraries and devices.

        Parameters
        ----------
        target : dtype, module, device or str, optional
            One of the three that follow, whichever it is: `A.to("float32")`, `A.to("torch")`, `A.to("cuda")`.
        xp : module or str, optional
            numpy, cupy, torch, jax.numpy, ..., or its name.
        device : device, optional
            A device of that library.
        dtype : dtype or str, optional
            Floating dtype for the parameters; signs and indices keep theirs.

        Returns
        -------
        LinearOperator
            A new operator, which shares the arrays that needed no change.

        Raises
        ------
        TypeError
            The library lacks the dtype, complex parameters would become real, or `target` is none of these or given
            twice.
        ImportError
            The library is not installed.
        """
        if target is not None:
            what = _kind_of_target(target)
            given = {"xp": xp, "device": device, "dtype": dtype}
            if what is None or given[what] is not None:
                twice = f", and {what}= is given as well" if what else ""
                raise TypeError(
                    f"{self._head}.to: got {target!r}{twice}; expected a dtype such as 'float32', a library such as "
                    f"'torch', or a device such as 'cuda'."
                )
            return self.to(**{**given, what: target})
        library = None if xp is None else as_namespace(xp)
        # a leaf that stands twice moves once, so that the copies go on sharing their arrays
        move = functools.cache(lambda leaf: leaf._moved(library, device, dtype))
        return self._map(move)  # type: ignore[return-value]

    def _moved(self, xp: Namespace | None, device: Device, dtype: DType) -> "LinearOperator":
        return self

    # ------------------------------------------------------------------ other libraries' operators

    def to_scipy(self, dtype: DType = None) -> Any:
        """Wrap the operator as a `scipy.sparse.linalg.LinearOperator`.

        Solvers that multiply one vector at a time take an operator as it is, if it has a dtype. Those that multiply
        several columns, or ask for SciPy's own class, such as `svds`, `lobpcg` and `expm_multiply`, need the wrapper,
        and so do operators without numbers, such as `DCT`.

        Parameters
        ----------
        dtype : dtype, optional
            What the wrapper says of itself: the operator's, or double precision for an operator without parameters.

        Returns
        -------
        SciPyOperator
            A subclass of SciPy's class with batched `matmat` and `rmatmat`; it pickles, and its attribute `operator`
            is this operator.

        Raises
        ------
        TypeError
            The operator's arrays are not NumPy's and SciPy is older than 1.18.

        Notes
        -----
        With SciPy 1.18 and later the wrapper of an operator of another library has the methods `matvec`, `rmatvec`,
        `matmat` and `rmatmat`. SciPy's own algebra, such as `S @ x` and `S + S`, needs the environment variable
        SCIPY_ARRAY_API=1 then, and most of its solvers take NumPy only.

        Examples
        --------
        >>> import numpy as np
        >>> import structmat as sm
        >>> from scipy.sparse.linalg import svds
        >>> A = sm.Circulant(np.asarray([4.0, 1.0, 0.0, 1.0]))
        >>> svds(A.to_scipy(), k=1, return_singular_vectors=False)
        array([6.])
        """
        from structmat.interop.scipy import to_scipy

        return to_scipy(self, dtype)

    def to_cupyx(self, dtype: DType = None) -> Any:
        """Wrap the operator as a `cupyx.scipy.sparse.linalg.LinearOperator`.

        Parameters
        ----------
        dtype : dtype, optional
            What the wrapper says of itself: the operator's, or double precision for an operator without parameters.

        Returns
        -------
        CuPyOperator
            A subclass of CuPy's class with batched `matmat` and `rmatmat`; it pickles, and its attribute `operator` is
            this operator.

        Raises
        ------
        ImportError
            CuPy is not installed.
        TypeError
            The operator's arrays are not CuPy's.

        Notes
        -----
        CuPy's solvers convert the right-hand side to the operator's dtype, so one in single precision solves in single
        precision.
        """
        optional(f"{self._head}.to_cupyx", "cupyx.scipy.sparse.linalg", "cuda12")
        from structmat.interop.cupyx import to_cupyx

        return to_cupyx(self, dtype)

    def to_pylops(self) -> Any:
        """Wrap the operator as a `pylops.LinearOperator`, for PyLops' solvers and combinations.

        Returns
        -------
        pylops.LinearOperator
            Of this operator's shape and dtype.

        Raises
        ------
        ImportError
            PyLops is not installed.
        TypeError
            As for `to_scipy`.
        """
        return optional(f"{self._head}.to_pylops", "pylops", "pylops").aslinearoperator(self.to_scipy())

    def to_linear_operator(self) -> Any:
        """Wrap the operator for the package linear_operator, which GPyTorch is built on.

        Returns
        -------
        TorchOperator
            A subclass of `linear_operator.LinearOperator`, represented by the parameters, which its solvers,
            determinants and products send gradients to; its attribute `operator` is this operator.

        Raises
        ------
        ImportError
            The package is not installed.
        TypeError
            The operator's arrays are not PyTorch's, or it is complex, which linear_operator's derivatives are not made
            for.
        """
        optional(f"{self._head}.to_linear_operator", "linear_operator", "linear_operator")
        from structmat.interop.linear_operator import to_linear_operator

        return to_linear_operator(self)

    def to_lineax(self, dtype: DType = None, tags: Any = ()) -> Any:
        """Wrap the operator as a `lineax.AbstractLinearOperator`, for lineax's solvers in JAX.

        Parameters
        ----------
        dtype : dtype, optional
            Dtype of the vectors that it multiplies: the operator's, or JAX's default for an operator without
            parameters.
        tags : lineax tag or iterable of them, optional
            What is known of the matrix, such as `lineax.positive_semidefinite_tag`, which `lineax.CG` asks for. Tags
            are trusted. None are guessed: whether a matrix is symmetric depends on the values of its parameters.

        Returns
        -------
        LineaxOperator
            A pytree whose leaves are this operator's arrays; its attribute `operator` is this operator, put together
            again.

        Raises
        ------
        ImportError
            lineax is not installed.
        TypeError
            The operator's arrays are not JAX's.

        Notes
        -----
        Gradients are taken by JAX, so complex ones are the conjugates of `vjp`'s.
        """
        optional(f"{self._head}.to_lineax", "lineax", "lineax")
        from structmat.interop.lineax import to_lineax

        return to_lineax(self, dtype, tags)

    # ------------------------------------------------------------------ algebra

    @property
    def H(self) -> "LinearOperator":
        """Conjugate transpose; `A.H.H is A`."""
        if self._adjoint_of is not None:
            return self._adjoint_of
        adjoint = None if self._adjoint_ref is None else self._adjoint_ref()
        if adjoint is None:
            adjoint = self._adjoint()
            if adjoint is not self:
                adjoint.__dict__["_adjoint_of"] = self
                self.__dict__["_adjoint_ref"] = weakref.ref(adjoint)  # weak: a cycle would keep device memory
        return adjoint

    @property
    def T(self) -> "LinearOperator":
        """Transpose, without conjugation."""
        return self.H.conj()

    def conj(self) -> "LinearOperator":
        """Return the elementwise complex conjugate; the operator itself if it is real."""
        return self._conj() if self._is_complex else self

    def adjoint(self) -> "LinearOperator":
        """Return the conjugate transpose, `A.H`, by the name that SciPy's class has for it."""
        return self.H

    def transpose(self) -> "LinearOperator":
        """Return the transpose, `A.T`, by the name that SciPy's class has for it."""
        return self.T

    def dot(self, other: Any) -> Any:
        """Multiply by an array or operator, `A @ other`, or by a scalar, by the name that SciPy's class has for it."""
        return self * other if isinstance(_scalar(other), Complex) else self @ other

    @property
    def args(self) -> tuple[Any, ...]:
        """What a composition is made of: operators, a scalar, an exponent; empty for other operators, as in SciPy."""
        held = [value for name, value in self._fields.items() if not name.startswith("_")] if self._children else []
        return tuple(each for value in held for each in (value if isinstance(value, tuple) else (value,)))

    @overload
    def __matmul__(self, other: "LinearOperator") -> "LinearOperator": ...
    @overload
    def __matmul__(self, other: Any) -> Any: ...
    def __matmul__(self, other: Any) -> Any:
        if isinstance(other, LinearOperator):
            return compose.product(self, other)
        if is_array(other):
            return self.matvec(other) if other.ndim < 2 else self.matmat(other)
        if hint := _not_multiplied(other):
            raise TypeError(f"{self._head} @ {_named(other)}: @ takes operators and arrays; {hint}.")
        return NotImplemented

    def __rmatmul__(self, other: Any) -> Any:
        if is_array(other):
            return self.T.matvec(other)
        if hint := _not_multiplied(other):
            raise TypeError(f"{_named(other)} @ {self._head}: @ takes operators and arrays; {hint}.")
        return NotImplemented

    def __array__(self, *arguments: Any, **options: Any) -> HostArray[Any, Any]:
        """Refuse to be an entry of an array of objects, which NumPy's functions would make of an operator."""
        raise TypeError(
            f"{self._head}: NumPy's functions take no operators; write A @ x, or take A.to_dense(). SciPy's functions "
            f"of linear operators take A.to_scipy()."
        )

    def __mul__(self, other: Any) -> "LinearOperator":
        other = _scalar(other)
        if isinstance(other, Complex):
            return compose.scaled(other, self)
        if isinstance(other, LinearOperator) or is_array(other):
            raise TypeError(f"{self._head} * {_named(other)}: * takes scalars; use @ for products.")
        return NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "LinearOperator":
        other = _scalar(other)
        if not isinstance(other, Complex):
            return NotImplemented
        if other == 0:
            raise ZeroDivisionError(f"{self._head} / {other!r}: division by zero.")
        return compose.scaled(1 / compose.number(other, self), self)

    def __neg__(self) -> "LinearOperator":
        return compose.scaled(-1, self)

    def __add__(self, other: Any) -> "LinearOperator":
        return compose.added(self, other) if isinstance(other, LinearOperator) else _no_term(self, "+", other)

    def __radd__(self, other: Any) -> "LinearOperator":
        return self if as_integer(other) == 0 else _no_term(other, "+", self)  # `sum` starts from 0

    def __sub__(self, other: Any) -> "LinearOperator":
        return compose.added(self, -other) if isinstance(other, LinearOperator) else _no_term(self, "-", other)

    def __rsub__(self, other: Any) -> Any:
        return _no_term(other, "-", self)

    def __pow__(self, exponent: Any) -> "LinearOperator":
        power = as_integer(exponent)
        if power is None:
            raise TypeError(f"{self._head} ** {exponent!r}: expected an int.")
        if self.m != self.n:
            raise ValueError(f"{self._head} ** {power}: powers need a square operator.")
        return compose.power(self if power >= 0 else self._inverse(), abs(power))

    # ------------------------------------------------------------------ printing

    @property
    def _details(self) -> str:
        return ""

    def __repr__(self) -> str:
        try:
            self.shape  # noqa: B018
        except (TypeError, ValueError):
            shown = ((name, value) for name, value in self._fields.items() if not name.startswith("_"))
            held = (f"{name}={getattr(value, 'shape', value)}" for name, value in shown)
            return f"{type(self).__name__}({', '.join(held)})"
        facts = [f"{self.m}×{self.n}{self._details}"]
        if self.xp is not None:
            facts += [] if self.dtype is None else [f"dtype={dtype_name(self.dtype)}"]
            facts += [f"xp={namespace_name(self.xp)}", f"device={self.device}"]
        facts.append(f"params={sum(math.prod(value.shape) for value in self.params)}")
        return f"{type(self).__name__}({', '.join(facts)})"

    def __str__(self) -> str:
        lines = [repr(self)]
        for place, child in enumerate(self._children):
            last = place == len(self._children) - 1
            first, *rest = str(child).split("\n")
            lines.append(("└─ " if last else "├─ ") + first)
            lines += [("   " if last else "│  ") + line for line in rest]
        return "\n".join(lines)


def as_places(xp: Namespace, places: Places, where: Device) -> Array:
    """Return places as an array."""
    if not isinstance(places, range):
        return places
    return xp.arange(places.start, places.stop, places.step, device=where)


def count(places: Places) -> int:
    """How many places there are."""
    return len(places) if isinstance(places, range) else int(places.shape[0])


def is_all(places: Places, size: int) -> bool:
    """Tell whether places are known to be all in their order."""
    return isinstance(places, range) and places == range(size)


def _kind_of_target(target: Any) -> str | None:
    """Tell whether a user means a library, a dtype or a device; None if it is none of them."""
    named = isinstance(target, str)
    if isinstance(target, ModuleType) or (named and target in LIBRARIES):
        return "xp"
    if (name := dtype_name(target)) in STORED or name.startswith(("float", "longdouble", "complex", "clongdouble")):
        return "dtype"
    known = named and target.partition(":")[0] in {"cpu", "cuda", "gpu", "meta", "mps", "tpu", "xpu"}
    return "device" if known or "device" in type(target).__name__.lower() else None


def _to_flatten(name: str, shape: tuple[int, ...], size: int, product: str) -> str:
    """What to do with an image or a tensor that has as many entries on its last axes as a vector."""
    for axes in range(2, len(shape) + 1):
        if math.prod(shape[-axes:]) == size:
            flat = f"{name}.ravel()" if axes == len(shape) else f"{name}.reshape(*{name}.shape[:-{axes}], {size})"
            return f" Its last {axes} axes have {size} entries together: flatten them, {product}({flat})."
    return ""


def _no_term(left: Any, sign: str, right: Any) -> Any:
    """Refuse to add numbers and arrays to operators; other types may know how to."""
    if all(isinstance(x, LinearOperator | Complex) or is_array(x) for x in (left, right)):
        hint = " SciPy's functions take A.to_scipy()." if is_array(left) or is_array(right) else ""
        raise TypeError(
            f"{_named(left)} {sign} {_named(right)}: operators add to operators, such as sm.identity(n).{hint}"
        )
    return NotImplemented


def _scalar(x: Any) -> Any:
    """Take NumPy's arrays of no axes for the numbers they hold; those of other libraries may be in a graph."""
    return x[()] if type(x) is HostArray and x.ndim == 0 else x


def _not_multiplied(x: Any) -> str | None:
    """What to do with that which is no array, but comes in the place of one."""
    if isinstance(x, Complex):
        return f"scale with {x!r} * A"
    if hasattr(x, "to_numpy"):  # pandas, polars
        return "x.to_numpy() is an array"
    if isinstance(x, HostArray):  # a subclass
        return "convert it to a plain array"
    return "sm.aslinearoperator makes operators of sparse matrices" if hasattr(x, "tocsr") else None


def _named(x: Any) -> str:
    return x._head if isinstance(x, LinearOperator) else repr(x) if isinstance(x, Complex) else f"a {type(x).__name__}"


from structmat.core import compose  # noqa: E402  (the algebra makes composites, and composites are operators)
