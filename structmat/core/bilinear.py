"""The bilinear form of a leaf, its rule for real and complex vectors, and its adjoint, conjugate and inverse."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from structmat._backend import dtypes, namespaces, ops, tracing
from structmat._backend.convolution import Tape
from structmat._backend.linear_algebra import LinAlgError, rounding
from structmat._backend.types import Array, DType, Namespace
from structmat.core.base import LinearOperator
from structmat.core.compiled import Compiled
from structmat.core.contract import NonzeroEntry, Solver, conjugate_value
from structmat.core.notation import Notation

if TYPE_CHECKING:
    from structmat.core.leaf import Leaf


class Bilinear(Compiled):
    """An operator given by ⟨g, A(θ) x⟩ through prepared vectors: a leaf, or the adjoint or conjugate of one.

    Kernels take vectors in the precision of the leaf, real or complex as the leaf is: a real leaf multiplies complex
    vectors as a batch of two real ones (Re, Im), and a complex leaf casts real ones. With `_mixes = True` kernels take
    both unchanged. Kernels return memory of their own, never a view of a vector.
    """

    _mixes: ClassVar[bool] = False

    def _right(self, xp: Namespace, x: Array, /) -> Any:
        """Prepare an input vector (..., n)."""
        return x

    def _left(self, xp: Namespace, g: Array, /) -> Any:
        """Prepare an output-side vector (..., m)."""
        return g

    def _matvec(self, xp: Namespace, X: Any, /) -> Array:
        """A x from a prepared x."""
        raise NotImplementedError

    def _rmatvec(self, xp: Namespace, G: Any, /) -> Array:
        """A^H g from a prepared g."""
        raise NotImplementedError

    def _grad(self, xp: Namespace, X: Any, G: Any, /) -> tuple[Array, ...]:
        """The gradient of Re⟨g, A(θ) x⟩ with respect to each parameter, summed over the batch."""
        return ()

    def _apply_fused(self, xp: Namespace, x: Array, /) -> Array:
        """A x without residuals; a leaf overrides it if it has a faster method."""
        return self._matvec(xp, self._right(xp, x))

    def _apply_adjoint_fused(self, xp: Namespace, g: Array, /) -> Array:
        """A^H g without residuals."""
        return self._rmatvec(xp, self._left(xp, g))

    def _solve(self, xp: Namespace, X: Any, /) -> Array:
        """A^{-1} x of a square A from an x prepared by `_right`, if the structure gives it exactly."""
        raise NotImplementedError

    def _rsolve(self, xp: Namespace, G: Any, /) -> Array:
        """A^{-H} g from a g prepared by `_left`."""
        raise NotImplementedError

    def _solve_adjoint_by_parts(self, xp: Namespace, g: Array, solve: Solver) -> Array | None:
        """A^{-H} g by systems with other operators, as for `_solve_by_parts`."""
        return None

    def _in_precision(self, xp: Namespace, dtype: DType) -> "Bilinear":
        """Return this operator with its parameters in the precision of products with a dtype, real or complex as is."""
        raise NotImplementedError

    def _promote(self, xp: Namespace, x: Array) -> tuple["Bilinear", Array, bool]:
        """Promote operator and vectors to one dtype; tell whether complex vectors became real ones."""
        if x.dtype is self._native_dtype:
            return self, x, False
        leaf = self._in_precision(xp, x.dtype)
        if leaf.dtype is not None and leaf.dtype != x.dtype:
            wide = dtypes.real_dtype(xp, leaf.dtype)
            x = dtypes.astype(xp, x, dtypes.complex_dtype(xp, wide) if dtypes.is_complex(xp, x.dtype) else wide)
        if self._mixes or self._is_complex == dtypes.is_complex(xp, x.dtype):
            return leaf, x, False
        if self._is_complex:
            return leaf, dtypes.astype(xp, x, dtypes.complex_dtype(xp, x.dtype)), False
        return leaf, ops.complex_as_real(xp, x), True

    def _multiply_promoted(self, xp: Namespace, x: Array) -> Array:
        """A x, for an x that `_promote` returned."""
        y = None if (compiled := self._compiled) is None else compiled.apply(xp, x)
        return self._apply_fused(xp, x) if y is None else y

    def _multiply_adjoint_promoted(self, xp: Namespace, g: Array) -> Array:
        """A^H g."""
        x = None if (compiled := self._compiled) is None else compiled.adjoint.apply(xp, g)
        return self._apply_adjoint_fused(xp, g) if x is None else x

    def _apply(self, xp: Namespace, x: Array) -> Array:
        if x.dtype is self._native_dtype:
            return self._multiply_promoted(xp, x)
        leaf, x, was_split = self._promote(xp, x)
        y = leaf._multiply_promoted(xp, x)
        return ops.real_as_complex(xp, y) if was_split else y

    def _apply_adjoint(self, xp: Namespace, g: Array) -> Array:
        if g.dtype is self._native_dtype:
            return self._multiply_adjoint_promoted(xp, g)
        leaf, g, was_split = self._promote(xp, g)
        x = leaf._multiply_adjoint_promoted(xp, g)
        return ops.real_as_complex(xp, x) if was_split else x

    def _forward(self, xp: Namespace, x: Array) -> tuple[Array, Any]:
        leaf, met, was_split = self._promote(xp, x)
        X = None
        if not self.params:
            y = leaf._multiply_promoted(xp, met)
        elif (compiled := leaf._compiled) is not None and (found := compiled.forward(xp, met)) is not None:
            y, X = found
        else:
            X = leaf._right(xp, met)
            y = leaf._matvec(xp, X)
        return ops.real_as_complex(xp, y) if was_split else y, (X, x.dtype)

    def _residuals(self, xp: Namespace, x: Array) -> Any:
        if not self.params:
            return None, x.dtype
        leaf, met, _ = self._promote(xp, x)
        X = None if (compiled := leaf._compiled) is None else compiled.recorded(met)
        return leaf._right(xp, met) if X is None else X, x.dtype

    def _backward(self, xp: Namespace, saved: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        X, x_dtype = saved
        if not (g.dtype is x_dtype is self._native_dtype):
            g = dtypes.astype(xp, g, self._product_dtype(xp, x_dtype))
        leaf, g, was_split = self._promote(xp, g)
        dx, grads = leaf._pull_back(xp, X, g)
        dx = ops.real_as_complex(xp, dx) if was_split else dx
        dx = dx if dx.dtype is x_dtype else dtypes.astype(xp, dx, x_dtype)
        pairs = zip(grads, self.params, strict=X is not None)
        return dx, tuple(
            [grad if grad.dtype is old.dtype else dtypes.astype(xp, grad, old.dtype) for grad, old in pairs]
        )

    def _pull_back(self, xp: Namespace, X: Any, g: Array) -> tuple[Array, tuple[Array, ...]]:
        """Gradients with respect to x and the parameters, none of these for X = None."""
        if X is None:
            return self._multiply_adjoint_promoted(xp, g), ()
        if type(X) is Tape:
            found = X.convolution.pull_back(xp, X, g)
            if found is not None:
                return found[0], self._column_grads(xp, found[1])
            X = self._right(xp, X.x)  # g has a graph
        G = self._left(xp, g)
        return self._rmatvec(xp, G), self._grad(xp, X, G)

    def _adjoint(self) -> LinearOperator:
        return Adjoint(self)

    def _conj(self) -> LinearOperator:
        return Conjugate(self)

    def _extremes(self, xp: Namespace) -> tuple[Array, Array, str] | None:
        """Extreme singular values, or moduli of eigenvalues, and which of both they are, for the error message."""
        values, what = self._singular_values(xp), "singular values"
        if values is None and (eigenvalues := self._eigenvalues(xp)) is not None:
            values, what = ops.sorted_moduli(xp, eigenvalues), "eigenvalues' moduli"
        return None if values is None else (values[-1], values[0], what)

    def _inverse(self) -> LinearOperator:
        if type(self)._solve is Bilinear._solve:
            return super()._inverse()
        xp = namespaces.resolve(None) if self.xp is None else self.xp
        precise = self if self.dtype is None else self._in_precision(xp, dtypes.compute_dtype(xp, self.dtype))
        extremes = precise._extremes(xp)
        if extremes is None:
            return super()._inverse()
        smallest, largest, what = extremes
        if not tracing.is_traced(smallest):
            eps = float(xp.finfo(xp.float64 if precise.dtype is None else precise.dtype).eps)
            least, most = float(tracing.stop_gradient(smallest)), float(tracing.stop_gradient(largest))
            if not least > rounding(self.n) * eps * most:
                raise LinAlgError(
                    f"{self._head} ** -1: the operator is singular to working precision: its {what} run from "
                    f"{least:.3g} to {most:.3g}."
                )
        return Inverse(self)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LeafView(Bilinear):
    """An operator derived from a leaf, with the leaf's parameters."""

    of: Bilinear

    def _check_fields(self) -> None:
        if not isinstance(self.of, Bilinear):
            raise TypeError(f"{type(self).__name__}: of is a {type(self.of).__name__}; expected a leaf or its view.")

    def _setup(self) -> None:
        of = self.of
        self._settle(self._shape_of(of), of.dtype, of.xp, of.device, of._is_complex)
        self.__dict__["_native_dtype"] = of._native_dtype

    def _shape_of(self, of: Bilinear) -> tuple[int, int]:
        return of.shape

    @property
    def _mixes(self) -> bool:  # type: ignore[override]
        return self.of._mixes

    @property
    def _children(self) -> tuple[LinearOperator, ...]:
        return (self.of,)

    def _singular_values(self, xp: Namespace) -> Array | None:
        return self.of._singular_values(xp)

    def _map(self, change: Callable[["Leaf"], LinearOperator]) -> LinearOperator:
        return self._same_side(self.of._map(change))

    def _inverse(self) -> LinearOperator:
        return self._same_side(self.of._inverse())

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        return conjugate(xp, self.of._eigenvalues(xp))

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator | None:
        """Inverse and pseudoinverse commute with adjoint and conjugate."""
        found = self.of._pseudoinverse(xp, cutoff)
        return None if found is None else self._same_side(found)

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator | None:
        return self.of._eigenvectors(basis)

    def _same_side(self, of: LinearOperator) -> LinearOperator:
        """Return the adjoint (or conjugate) of another operator, as this one is of its leaf."""
        raise NotImplementedError

    def _in_precision(self, xp: Namespace, dtype: DType) -> Bilinear:
        of = self.of._in_precision(xp, dtype)
        return self if of is self.of else self._replace(of=of)


class Adjoint(LeafView):
    """The conjugate transpose of a leaf: its bilinear form with the two sides swapped."""

    _notation = Notation("Aᴴ", frame=r"{parts}^{{\mathsf{{H}}}}", binds=3, holds=4)

    def _shape_of(self, of: Bilinear) -> tuple[int, int]:
        return of.n, of.m

    def _right(self, xp: Namespace, x: Array) -> Any:
        return self.of._left(xp, x)

    def _left(self, xp: Namespace, g: Array) -> Any:
        return self.of._right(xp, g)

    def _matvec(self, xp: Namespace, X: Any) -> Array:
        return self.of._rmatvec(xp, X)

    def _rmatvec(self, xp: Namespace, G: Any) -> Array:
        return self.of._matvec(xp, G)

    def _apply_fused(self, xp: Namespace, x: Array) -> Array:
        return self.of._apply_adjoint_fused(xp, x)

    def _apply_adjoint_fused(self, xp: Namespace, g: Array) -> Array:
        return self.of._apply_fused(xp, g)

    @property
    def _compiles(self) -> bool:  # type: ignore[override]
        return self.of._compiles

    @property
    def _compiled(self) -> Any:
        compiled = self.of._compiled
        return None if compiled is None else compiled.adjoint

    def _column_grads(self, xp: Namespace, column: Array) -> tuple[Array, ...]:
        return self.of._column_grads(xp, column)

    def _grad(self, xp: Namespace, X: Any, G: Any) -> tuple[Array, ...]:
        return self.of._grad(xp, G, X)

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        entries = self.of._entries(xp, j, i)
        return conjugate(xp, entries) if self._is_complex else entries

    def _row_entry(self, xp: Namespace, i: Array) -> NonzeroEntry:
        return conjugate_value(xp, self.of._column_entry(xp, i))

    def _column_entry(self, xp: Namespace, j: Array) -> NonzeroEntry:
        return conjugate_value(xp, self.of._row_entry(xp, j))

    def _same_side(self, of: LinearOperator) -> LinearOperator:
        return of.H

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        return self.of._solve_adjoint_by_parts(xp, b, solve)

    def _setup(self) -> None:
        super()._setup()
        self.__dict__["_adjoint_of"] = self.of


class Conjugate(LeafView):
    """The elementwise conjugate of a complex leaf or of its adjoint, conj(A) x = conj(A conj(x))."""

    _notation = Notation("Ā", frame=r"\overline{{{parts}}}")

    def _right(self, xp: Namespace, x: Array) -> Any:
        return self.of._right(xp, xp.conj(x))

    def _left(self, xp: Namespace, g: Array) -> Any:
        return self.of._left(xp, xp.conj(g))

    def _matvec(self, xp: Namespace, X: Any) -> Array:
        return xp.conj(self.of._matvec(xp, X))

    def _rmatvec(self, xp: Namespace, G: Any) -> Array:
        return xp.conj(self.of._rmatvec(xp, G))

    def _grad(self, xp: Namespace, X: Any, G: Any) -> tuple[Array, ...]:
        return self.of._grad(xp, X, G)

    def _entries(self, xp: Namespace, i: Array, j: Array) -> Array | None:
        return conjugate(xp, self.of._entries(xp, i, j))

    def _row_entry(self, xp: Namespace, i: Array) -> NonzeroEntry:
        return conjugate_value(xp, self.of._row_entry(xp, i))

    def _column_entry(self, xp: Namespace, j: Array) -> NonzeroEntry:
        return conjugate_value(xp, self.of._column_entry(xp, j))

    def _same_side(self, of: LinearOperator) -> LinearOperator:
        return of.conj()

    def _eigenvectors(self, basis: Callable[..., LinearOperator]) -> LinearOperator | None:
        vectors = self.of._eigenvectors(basis)
        return None if vectors is None else vectors.conj()

    def _solve_by_parts(self, xp: Namespace, b: Array, solve: Solver) -> Array | None:
        return ops.conj(xp, solve(self.of, ops.conj(xp, b)))

    def _adjoint(self) -> LinearOperator:
        return self.of.H.conj()

    def _conj(self) -> LinearOperator:
        return self.of


class Inverse(LeafView):
    """The inverse of a leaf, with the leaf's parameters.

    y = A^{-1} x and h = A^{-H} g give d/dθ Re⟨g, A(θ)^{-1} x⟩ = -d/dθ Re⟨h, A(θ) y⟩ at fixed h and y.
    """

    _notation = Notation("A⁻", frame="{parts}^{{-1}}", binds=3, holds=4)

    def _right(self, xp: Namespace, x: Array) -> Any:
        return self.of._right(xp, x)

    def _left(self, xp: Namespace, g: Array) -> Any:
        return self.of._left(xp, g)

    def _matvec(self, xp: Namespace, X: Any) -> Array:
        return self.of._solve(xp, X)

    def _rmatvec(self, xp: Namespace, G: Any) -> Array:
        return self.of._rsolve(xp, G)

    def _grad(self, xp: Namespace, X: Any, G: Any) -> tuple[Array, ...]:
        y, h = self.of._solve(xp, X), self.of._rsolve(xp, G)
        return tuple(-grad for grad in self.of._grad(xp, self.of._right(xp, y), self.of._left(xp, h)))

    def _map(self, change: Callable[["Leaf"], LinearOperator]) -> LinearOperator:
        return self._replace(of=self.of._map(change))

    def _inverse(self) -> LinearOperator:
        return self.of

    def _pseudoinverse(self, xp: Namespace, cutoff: Array) -> LinearOperator:
        return self.of

    def _singular_values(self, xp: Namespace) -> Array | None:
        values = self.of._singular_values(xp)
        return None if values is None else 1 / xp.flip(values)

    def _eigenvalues(self, xp: Namespace) -> Array | None:
        values = self.of._eigenvalues(xp)
        return None if values is None else 1 / values

    def _function(self, xp: Namespace, function: Callable[[Array], Array]) -> LinearOperator | None:
        return self.of._function(xp, lambda values: function(1 / values))


def conjugate(xp: Namespace, values: Array | None) -> Array | None:
    """Conjugate values; None if they are unknown."""
    return None if values is None else xp.conj(values)
