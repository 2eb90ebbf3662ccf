"""Products of batches of vectors: argument validation, type promotion, chunks, and the dtype of the result."""

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from structmat._backend import devices, divided, dtypes, libraries, memory, namespaces, ops
from structmat._backend.types import Array, DType, HostArray, Namespace
from structmat.core import divided_products
from structmat.core.batches import OutputSpec, chunk_length, chunks, map_chunks
from structmat.core.parameters import Parameters

Kernel: TypeAlias = Callable[..., Any]  # (namespace, vectors, ...) to vectors, or to vectors and an auxiliary output


_LAZY_CALLS = "matvec", "rmatvec", "matmat", "rmatmat", "vjp"  # the methods that take arrays without values


class VectorProducts(Parameters):
    """Checked products, and the runner that they share."""

    def matvec(self, x: Array, *, out: Array | None = None, chunk_size: int | None = None) -> Array:
        """Multiply vectors by the operator, y = A x.

        Parameters
        ----------
        x : array, shape (..., n)
            Vectors along the last axis; leading axes are a batch, which may be empty. The blocks of a Dask array, in
            the library of the operator and with whole vectors, are multiplied when the product is computed.
        out : array, shape (..., m), optional
            Array to write the product to, of its dtype and in memory of its own. JAX arrays can't be written to.
        chunk_size : int, optional
            Number of vectors to multiply at a time, which bounds the memory of intermediate arrays. By default, large
            batches on the host are divided into chunks that fit into a cache, and no others are.

        Returns
        -------
        array, shape (..., m)
            Of dtype `result_type(A.dtype, x.dtype)`; `out` if it is given; a Dask array if x is.

        Raises
        ------
        ValueError
            The last axis of x is not n, or the one of a Dask array is divided; `out` has another shape than the
            product, is read-only, or shares memory with x or the operator; `chunk_size` is not a positive int.
        TypeError
            x is not an array, has no floating dtype, or belongs to another library or device than the operator; `out`
            belongs to another library or device than x, or has another dtype than the product.
        """
        if out is None is chunk_size and self._takes_fast_path(x, 1):
            return self._apply(self.xp, x)
        return self._multiply("matvec", x, self._apply, 1, out=out, chunk_size=chunk_size)

    def rmatvec(self, g: Array, *, out: Array | None = None, chunk_size: int | None = None) -> Array:
        """Multiply vectors by the conjugate transpose, A^H g.

        Parameters
        ----------
        g : array, shape (..., m)
            Vectors along the last axis; leading axes are a batch.
        out : array, shape (..., n), optional
            Array to write the product to, as for `matvec`.
        chunk_size : int, optional
            Number of vectors to multiply at a time, as for `matvec`.

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
        return self._multiply("rmatvec", g, self._apply_adjoint, 0, out=out, chunk_size=chunk_size)

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

    def _takes_fast_path(self, x: Any, side: int) -> bool:
        """Tell whether kernels take x as it is, an array of the operator's own: nothing to refuse, cast or divide."""
        native = self._native_dtype
        if native is None or getattr(x, "dtype", None) is not native or x.shape[-1:] != (self.shape[side],):
            return False
        if type(x) is HostArray:
            is_ready = x.ndim == 1 or x.flags.carray
        else:
            is_ready = libraries.of_array(x).is_ready(x, self.device)
        return is_ready and (
            x.ndim == 1 or x.nbytes <= memory.LARGE_BYTES or self._compiled_for(native, side) is not None
        )

    def _check_batch(self, call: str, x: Any, side: int, chunk_size: Any = None) -> tuple[Namespace, Array, int | None]:
        """Validate a batch of vectors; return namespace, batch and the number of vectors to multiply at a time."""
        if chunk_size is None and self._takes_fast_path(x, side):
            return self.xp, x, None
        xp, x = self._check_vector(call, "gx"[side], x, side), memory.from_memmap(x)
        length = chunk_length(self, call, x, chunk_size)
        if length is not None and chunk_size is None and self._compiled_for(x.dtype, side) is not None:
            length = None
        return xp, x, length

    def _multiply(self, call: str, x: Any, kernel: Kernel, side: int, *, out: Any, chunk_size: Any) -> Array:
        """Validate a batch for side 1 (x) or 0 (g), and run a kernel on it."""
        if divided.is_divided(x):
            return divided_products.multiply(self, call, x, side, out=out, chunk_size=chunk_size)
        xp, x, length = self._check_batch(call, x, side, chunk_size)
        if out is None is length and x.dtype is self._native_dtype:
            with ops.full_precision(x):
                return kernel(xp, self._widened(xp, x, x.dtype))
        if out is not None:
            self._check_out(call, out, x, side)
            if length is None and self._write_product(x, memory.from_memmap(out), side):
                return out
        spec = OutputSpec(
            xp, tuple(x.shape[:-1]), self.shape[1 - side], self._product_dtype(xp, x.dtype), memory.from_memmap(out)
        )
        y = self._run(kernel, x, x.dtype, spec, length=length)
        return y if out is None else out

    def _run(
        self,
        kernel: Kernel,
        x: Array,
        dtype: DType,
        spec: OutputSpec,
        *,
        length: int | None,
        residuals: Iterable[Any] = (),
        collect: Callable[[Any], object] | None = None,
    ) -> Array:
        """Run a kernel on a validated batch, `length` vectors at a time, or on all at once for None.

        Vectors are cast to the precision of products with `dtype`, results to the dtype of `spec`. `residuals`, if any,
        has a further argument of the kernel for each chunk. With `collect`, the kernel returns an auxiliary output
        beside the vectors, and `collect` is called with it.
        """
        run_chunk = functools.partial(self._run_chunk, kernel, dtype, spec, collect is not None)
        with ops.full_precision(x):
            if length is not None:
                parts = chunks(spec.xp, x, length)
                inputs = zip(parts, residuals, strict=True) if residuals else zip(parts, strict=True)
                return map_chunks(run_chunk, inputs, length, spec, collect)
            y, auxiliary = run_chunk(x, *residuals)
        if collect is not None:
            collect(auxiliary)
        if spec.out is None:
            return y
        spec.out[...] = y
        return spec.out

    def _run_chunk(
        self, kernel: Kernel, dtype: DType, spec: OutputSpec, has_auxiliary: bool, x: Array, *residuals: Any
    ) -> tuple[Array, Any]:
        """Run a kernel on one chunk: cast, multiply, cast back."""
        xp = spec.xp
        result = kernel(xp, self._widened(xp, x, dtype), *residuals)
        y, auxiliary = result if has_auxiliary else (result, None)
        return y if y.dtype is spec.dtype else dtypes.astype(xp, y, spec.dtype), auxiliary

    def _check_vector(self, call: str, name: str, x: Any, side: int, axis: int = -1) -> Namespace:
        """Validate vectors along an axis, for side 1 (x, of size n) or 0 (g, of size m); return their namespace."""
        whole, x = x, divided.sample(x)
        kind = type(x).__name__ if x is whole else f"Dask array of {type(x).__name__}"
        if not namespaces.is_array(x):
            raise TypeError(
                f"{self._head}.{call}: {name} is a {kind}; expected an array of NumPy, CuPy, PyTorch, JAX or another "
                f"array-API library."
            )
        if x is not whole and call not in _LAZY_CALLS:
            raise TypeError(
                f"{self._head}.{call}: {name} is a Dask array; expected its entries, {name}.compute(). Methods that "
                f"take Dask arrays are {', '.join(_LAZY_CALLS)}."
            )
        xp = namespaces.of(x)
        if memory.layout(x) != "strided":
            raise TypeError(
                f"{self._head}.{call}: {name} has the layout {memory.layout(x)}; expected a strided tensor."
            )
        if dtypes.kind(xp, x.dtype) is None:
            hint = "" if self.dtype is not None else " SciPy's solvers, which ask for a dtype so, take A.to_scipy()."
            raise TypeError(
                f"{self._head}.{call}: {name} has dtype {dtypes.name(x.dtype)}; expected a real or complex floating "
                f"dtype: convert it first, for example with {dtypes.cast_hint(xp, name)}.{hint}"
            )
        if self.xp is not None:
            if xp is not self.xp:
                raise TypeError(
                    f"{self._head}.{call}: {name} is an array of {namespaces.name(xp)}, the operator's are of "
                    f"{namespaces.name(self.xp)}; convert one, the operator with A.to(xp=...)."
                )
            where = devices.of(x)
            if devices.are_apart(where, self.device):
                raise TypeError(
                    f"{self._head}.{call}: {name} is on {where}, the operator on {self.device}; move one, the operator "
                    f"with A.to(device=...)."
                )
        x, place = whole, "last" if axis == -1 else "second to last"
        if x.ndim < -axis or x.shape[axis] != self.shape[side]:
            hint = ""
            if x.ndim >= -axis and x.shape[axis] != x.shape[axis]:  # NaN
                hint = f" Its size is unknown; {name}.compute_chunk_sizes() finds it."
            elif axis == -1 and x.ndim > 1 and x.shape[-2] == self.shape[side]:
                columns = f"A.{'r' * (side == 0)}matmat"
                hint = f" Columns of a matrix go through {columns}. SciPy's functions take A.to_scipy()."
            else:
                hint = _flatten_hint(name, tuple(x.shape), self.shape[side], "A.rmatvec" if side == 0 else "A.matvec")
            raise ValueError(
                f"{self._head}.{call}: {name} has shape {tuple(x.shape)}; its {place} axis must be "
                f"{self._size_note(side)}.{hint}"
            )
        if (parts := divided.parts_of_axis(x, axis)) is not None:
            raise ValueError(
                f"{self._head}.{call}: {name} has {parts} along its {place} axis; expected one, as of "
                f"{divided.joined_hint(x, name, axis)}."
            )
        return namespaces.of(x)

    def _admit(self, call: str, name: str, x: Any, side: int, axis: int = -1) -> tuple[Namespace, Array]:
        """Validate vectors as `_check_vector` does, and cast them to the precision of the product."""
        xp = self._check_vector(call, name, x, side, axis)
        return xp, self._widened(xp, x, x.dtype)

    def _widened(self, xp: Namespace, x: Array, dtype: DType) -> Array:
        """Cast vectors to the precision of products with a dtype; parts without parameters compute in that of x."""
        if x.dtype is dtype is self._native_dtype and (type(x) is not HostArray or x.flags.carray):
            return x
        x, wide = memory.native(x), dtypes.compute_dtype(xp, self._product_dtype(xp, dtype))
        if x.dtype == wide:
            return x
        if dtypes.is_complex(xp, x.dtype) == dtypes.is_complex(xp, wide):
            return dtypes.astype(xp, x, wide)
        return dtypes.astype(
            xp, x, dtypes.real_dtype(xp, wide) if dtypes.is_complex(xp, wide) else dtypes.complex_dtype(xp, wide)
        )

    def _check_out(self, call: str, out: Any, x: Array, side: int) -> None:
        """Validate the array to write the product of x to."""
        head, name, xp = f"{self._head}.{call}: out", "gx"[side], namespaces.of(x)
        if not namespaces.is_array(out) or namespaces.of(out) is not xp:
            what = (
                f"an array of {namespaces.name(namespaces.of(out))}"
                if namespaces.is_array(out)
                else f"a {type(out).__name__}"
            )
            raise TypeError(f"{head} is {what}; expected an array of {name}'s library, to write to.")
        if not memory.takes_writes(out):
            raise TypeError(
                f"{head} is an array of {namespaces.name(xp)} that takes no writes; expected one that is neither "
                f"immutable nor traced nor part of a graph."
            )
        if devices.are_apart(devices.of(out), devices.of(x)):
            raise TypeError(f"{head} is on {devices.of(out)}, {name} on {devices.of(x)}; expected one device.")
        shape, dtype = (*x.shape[:-1], self.shape[1 - side]), self._product_dtype(xp, x.dtype)
        if tuple(out.shape) != tuple(shape):
            raise ValueError(f"{head} has shape {tuple(out.shape)}; expected that of the product, {tuple(shape)}.")
        if out.dtype != dtype:
            expected = f"that of the product, {dtypes.name(dtype)}"
            raise TypeError(f"{head} has dtype {out.dtype}; expected {expected}.")
        if not memory.is_writable(out):
            raise ValueError(f"{head} is read-only; expected an array to write to.")
        if memory.self_overlaps(out):
            raise ValueError(f"{head} has entries that share memory; expected an array with a place for each.")
        if any(memory.overlap(array, out) for array in (x, *self._arrays)):
            raise ValueError(f"{head} shares memory with {name} or the operator; expected an array of its own.")

    def _product_dtype(self, xp: Namespace, dtype: DType) -> DType:
        if dtype is self._native_dtype:
            return dtype
        found = dtypes.result_dtype(xp, self.dtype, dtype)
        return dtypes.complex_dtype(xp, found) if self._is_complex and not dtypes.is_complex(xp, found) else found

    def _finish(self, xp: Namespace, x: Array, y: Array) -> Array:
        """Cast a product with x to its dtype."""
        return dtypes.astype(xp, y, self._product_dtype(xp, x.dtype))


def _flatten_hint(name: str, shape: tuple[int, ...], size: int, product: str) -> str:
    """Return a hint for an image or a tensor whose last axes together have as many entries as a vector."""
    for axes in range(2, len(shape) + 1):
        if math.prod(shape[-axes:]) == size:
            flat = f"{name}.ravel()" if axes == len(shape) else f"{name}.reshape(*{name}.shape[:-{axes}], {size})"
            return f" Its last {axes} axes have {size} entries together: flatten them, {product}({flat})."
    return ""
