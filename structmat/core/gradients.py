"""Gradients with respect to vectors and parameters."""

import operator
from typing import Any, NamedTuple

from structmat._backend import divided
from structmat._backend.types import Array, DType, Namespace
from structmat.core import divided_products
from structmat.core.batches import OutputSpec, chunks
from structmat.core.vector_products import VectorProducts

_SAVE = "spectrum", "input", "nothing"  # the values of `save` in `forward`


class Saved(NamedTuple):
    """What `forward` saves for `backward`: opaque to users, valid for the operator that made it."""

    operator: "Gradients"
    tape: Any
    batch: tuple[int, ...]
    dtype: DType
    save: str
    chunk_length: int | None  # number of vectors in a chunk; None if the batch is not divided


class Gradients(VectorProducts):
    """Reverse mode: `forward` saves residuals, `backward` consumes them."""

    def forward(self, x: Array, *, save: str = "spectrum", chunk_size: int | None = None) -> tuple[Array, Saved]:
        """Multiply vectors and save what `backward` needs.

        Parameters
        ----------
        x : array, shape (..., n)
            Vectors along the last axis; leading axes are a batch.
        save : {"spectrum", "input", "nothing"}, optional
            What to save. "spectrum": the prepared vectors, such as transforms of x, which take about as much memory as
            x for each factor of a product; operators that prepare nothing, such as `Diagonal`, save x itself. "input":
            x, which takes no further memory while it is held elsewhere; `backward` prepares it again. In both cases x
            must not change until then. "nothing": enough for the gradient with respect to x alone.
        chunk_size : int, optional
            Number of vectors to multiply at a time, as for `matvec`, here and in `backward`.

        Returns
        -------
        y : array, shape (..., m)
            The product, `matvec(x)` up to rounding.
        saved : Saved
            For `backward`.

        Raises
        ------
        ValueError
            `save` is none of the three values, or as for `matvec`.
        TypeError
            As for `matvec`.
        """
        if save not in _SAVE:
            raise ValueError(f"{self._head}.forward: save is {save!r}; expected one of {', '.join(map(repr, _SAVE))}.")
        xp, x, length = self._check_batch("forward", x, 1, chunk_size)
        batch = tuple(x.shape[:-1])
        spec = OutputSpec(xp, batch, self.m, self._product_dtype(xp, x.dtype))
        if save != "spectrum":
            y = self._run(self._apply, x, x.dtype, spec, length=length)
            return y, Saved(self, x if save == "input" else None, batch, x.dtype, save, length)
        tapes: list[Any] = []
        y = self._run(self._forward, x, x.dtype, spec, length=length, collect=tapes.append)
        return y, Saved(self, tuple(tapes), batch, x.dtype, save, length)

    def backward(self, saved: Saved, g: Array) -> tuple[Array, tuple[Array, ...]]:
        """Return the gradients with respect to x and the parameters, given the one with respect to y.

        Parameters
        ----------
        saved : Saved
            From `forward` of this operator; it may be used more than once.
        g : array, shape (..., m)
            Gradient of a real loss with respect to y, dL = Re Σ conj(g) dy. If y is real, the imaginary part of g has
            no effect.

        Returns
        -------
        dx : array, shape (..., n)
            A^H g, real if x is.
        grads : tuple of array
            One gradient for each of `params`, of its shape and dtype, summed over the batch; empty if "nothing" was
            saved.

        Raises
        ------
        ValueError
            `saved` comes from another operator, or the shape of g is not that of y.
        TypeError
            `saved` does not come from `forward`, or as for `rmatvec`.
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
        xp, g, _ = self._check_batch("backward", g, 0)
        if tuple(g.shape[:-1]) != saved.batch:
            raise ValueError(
                f"{self._head}.backward: g has shape {tuple(g.shape)}; expected that of y, {(*saved.batch, self.m)}."
            )
        dtype, length = saved.dtype, saved.chunk_length
        spec = OutputSpec(xp, saved.batch, self.n, dtype)
        if saved.save == "nothing":
            return self._run(self._apply_adjoint, g, dtype, spec, length=length), ()
        from_input = saved.save == "input"
        total: tuple[Array, ...] = ()

        def pull_back(xp: Namespace, g: Array, kept: Any) -> tuple[Array, tuple[Array, ...]]:
            tape = self._residuals(xp, self._widened(xp, kept, dtype)) if from_input else kept
            return self._backward(xp, tape, g)

        def add(grads: tuple[Array, ...]) -> None:
            nonlocal total
            total = tuple(map(operator.add, total, grads)) if total else grads

        residuals = saved.tape
        if from_input:
            residuals = (saved.tape,) if length is None else chunks(xp, saved.tape, length)
        dx = self._run(pull_back, g, dtype, spec, length=length, residuals=residuals, collect=add)
        return dx, total

    def vjp(self, x: Array, g: Array, *, chunk_size: int | None = None) -> tuple[Array, tuple[Array, ...]]:
        """Return both gradients at once, as `forward` and `backward` do, without the product.

        Parameters
        ----------
        x : array, shape (..., n)
            Vectors along the last axis; leading axes are a batch. Of Dask arrays x and g, the gradients are Dask arrays
            as well; those of the parameters are summed as a tree.
        g : array, shape (..., m)
            Gradient of a real loss with respect to A x.
        chunk_size : int, optional
            Number of vectors to multiply at a time, as for `matvec`.

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
        if divided.is_divided(x) or divided.is_divided(g):
            return divided_products.vjp(self, x, g, chunk_size=chunk_size)
        _, x, length = self._check_batch("vjp", x, 1, chunk_size)
        return self.backward(Saved(self, x, tuple(x.shape[:-1]), x.dtype, "input", length), g)
