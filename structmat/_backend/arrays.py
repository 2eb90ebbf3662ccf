"""What the core asks of an array, whichever library made it: namespace, device, dtype, kind and transfers."""

import math
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import lru_cache
from numbers import Complex, Real
from types import ModuleType
from typing import Any, TypeAlias

import array_api_compat as compat
import array_api_compat.numpy as numpy_namespace
import numpy as np

from structmat._backend.optional import optional

Array: TypeAlias = Any  #: an array of any supported library; there is no published protocol for it yet
Namespace: TypeAlias = Any  #: an array-API namespace, as `array_api_compat.array_namespace` answers
DType: TypeAlias = Any
Device: TypeAlias = Any
HostArray = np.ndarray

#: dtypes that files hold, and what safetensors calls their storage: complex numbers as pairs, bfloat16 as its bits
STORED = {
    "bool": "BOOL",
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
    **{f"float{bits}": f"F{bits}" for bits in (16, 32, 64)},
    "bfloat16": "U16",
    "complex64": "F32",
    "complex128": "F64",
}

BLOCK = 2**21  #: bytes of the pieces that large batches are divided into

_PROMOTED = {"float32", "float64", "complex64", "complex128"}
_REAL = {"complex32": "float16", "complex64": "float32", "complex128": "float64", "complex256": "longdouble"}


def native_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the dtype if it is a native one of NumPy, of single precision at least; else None, which no array has."""
    plain = xp is numpy_namespace and dtype is not None and dtype.isnative and dtype.char in "fdgFDG"
    return np.dtype(dtype.char) if plain else None


def is_array(x: object) -> bool:
    """Tell whether x is an array of a supported library."""
    if type(x) is np.ndarray:
        return True
    # no product would heed a mask, and a matrix has two axes whatever is asked of it
    return compat.is_array_api_obj(x) and not isinstance(x, np.ma.MaskedArray | np.matrix)


def namespace(x: Array) -> Namespace:
    """Return the array-API namespace of one array."""
    return numpy_namespace if type(x) is np.ndarray else compat.array_namespace(x)


def unmapped(x: Array) -> Array:
    """Return a file in memory as the plain array that it is; anything else as it is."""
    return x.view(np.ndarray) if isinstance(x, np.memmap) else x


def layout(x: Array) -> str:
    """Return "strided", or how else PyTorch keeps entries: "sparse_coo", "jagged", ..."""
    if type(x) is np.ndarray or not compat.is_torch_array(x):
        return "strided"
    return str(x.layout).removeprefix("torch.")


LIBRARIES = {  #: what users call array libraries, and the extra that brings each
    "numpy": None,
    "cupy": "cuda12",
    "torch": "torch",
    "jax": "jax",
    "jax.numpy": "jax",
    "dask.array": "dask",
    "array_api_strict": None,
}


def as_namespace(xp: ModuleType | str | None) -> Namespace:
    """Return the array-API namespace of a module that a user gave or named, such as "torch"; None is NumPy."""
    if xp is None:
        return numpy_namespace
    if isinstance(xp, str) and xp in LIBRARIES:
        xp = optional(f"xp={xp!r}", "jax.numpy" if xp == "jax" else xp, LIBRARIES[xp])
    if not isinstance(xp, ModuleType):
        raise TypeError(
            f"xp is {xp!r}; expected an array module such as numpy, cupy, torch or jax.numpy, or the name of one: "
            f"{', '.join(map(repr, LIBRARIES))}."
        )
    if xp.__name__ == "numpy":
        return numpy_namespace
    if xp.__name__ in {"cupy", "torch"}:
        return compat.array_namespace(xp.empty(0))
    if not hasattr(xp, "asarray"):
        raise TypeError(
            f"xp is the module {xp.__name__}, which makes no arrays; expected numpy, cupy, torch, jax.numpy."
        )
    return xp


def namespace_name(xp: Namespace) -> str:
    """Return the name that users know a namespace by."""
    return str(xp.__name__.removeprefix("array_api_compat.").split(".")[0])


def shape(x: Array) -> tuple[int, ...]:
    """Return the sizes of the axes, plain numbers also where torch.jit.trace makes tensors of them."""
    sizes = tuple(x.shape)
    return tuple(map(int, sizes)) if compat.is_torch_array(x) and sys.modules["torch"].jit.is_tracing() else sizes


def device(x: Array) -> Device:
    """Return the device of an array; None where it has none of its own (a JAX tracer)."""
    return "cpu" if type(x) is np.ndarray else compat.device(x)


def dtype_name(dtype: DType) -> str:
    """Return the bare name of a dtype: "float32" for numpy.float32, torch.float32, ..."""
    if isinstance(dtype, type | str):
        with suppress(TypeError):  # a name of another library's
            dtype = np.dtype(dtype)  # "f4", "<c16"
    if isinstance(dtype, np.dtype):
        return dtype.name  # without the byte order
    return str(dtype).rsplit(".", maxsplit=1)[-1]


def as_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return xp's own dtype for a dtype of any library or a name; None is the default of xp."""
    if dtype is None:
        return default_dtype(xp)
    name = dtype_name(dtype)
    found = getattr(xp, name, None)
    if found is None or kind(xp, found) is None:
        raise TypeError(f"dtype is {dtype!r}; expected a real or complex floating dtype of {namespace_name(xp)}.")
    return np.dtype(found) if xp is numpy_namespace else found


def default_dtype(xp: Namespace) -> DType:
    """Return what a library makes of Python's floats: double precision, but what PyTorch and JAX are set to."""
    if compat.is_torch_namespace(xp):
        return sys.modules["torch"].get_default_dtype()
    return np.dtype(np.float64) if xp is numpy_namespace else widest_dtype(xp)


def conversion(xp: Namespace, name: str) -> str:
    """Return the expression that makes a floating array of another one, for messages."""
    if compat.is_torch_namespace(xp):
        return f"{name}.to(torch.float64)"
    return f"xp.astype({name}, xp.float64)" if compat.is_array_api_strict_namespace(xp) else f'{name}.astype("float64")'


def widest_dtype(xp: Namespace) -> DType:
    """Return double precision, single where JAX has no other."""
    return xp.zeros(()).dtype if compat.is_jax_namespace(xp) else xp.float64


@lru_cache(maxsize=256)
def kind(xp: Namespace, dtype: DType) -> str | None:
    """Return "real" or "complex" for floating dtypes and None for all others."""
    if xp is numpy_namespace:
        return {"f": "real", "c": "complex"}.get(np.dtype(dtype).kind)
    if xp.isdtype(dtype, "real floating"):
        return "real"
    return "complex" if xp.isdtype(dtype, "complex floating") else None


def is_complex(xp: Namespace, dtype: DType) -> bool:
    """Tell whether a dtype is complex."""
    return kind(xp, dtype) == "complex"


def is_integer(xp: Namespace, dtype: DType) -> bool:
    """Tell whether a dtype is an integer one (bool is not)."""
    if xp is numpy_namespace:  # whose own function refuses dtypes of strings and records
        return np.dtype(dtype).kind in "iu"
    return bool(xp.isdtype(dtype, "integral"))


@lru_cache(maxsize=256)
def real_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the dtype of the real part: float32 for complex64."""
    return dtype if kind(xp, dtype) == "real" else as_dtype(xp, _REAL[dtype_name(dtype)])


@lru_cache(maxsize=256)
def complex_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the complex dtype of the same precision, complex64 at least."""
    return result_dtype(xp, dtype, xp.complex64)


@lru_cache(maxsize=256)
def compute_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the dtype that sums and transforms are done in: half precision computes in single."""
    if xp.finfo(dtype).bits != 16:
        return dtype
    return xp.float32 if kind(xp, dtype) == "real" else xp.complex64


def sum_dtype(x: Array) -> DType:
    """Return the dtype for sums of many entries like x's: at least double precision, where its library has that."""
    xp = namespace(x)
    wide = (
        xp.__array_namespace_info__()
        .dtypes(device=device(x))
        .get("complex128" if is_complex(xp, x.dtype) else "float64")
    )
    return compute_dtype(xp, x.dtype) if wide is None else xp.result_type(x.dtype, wide)


def widest(xp: Namespace) -> DType:
    """Return the real dtype to write definitions in: NumPy's extended precision, `widest_dtype` elsewhere."""
    return np.longdouble if xp is numpy_namespace else widest_dtype(xp)


def scalars(xp: Namespace, dtype: DType) -> tuple[Any, Callable[[Any], Any]]:
    """Return the type to compute constants in, and its square root: extended precision for NumPy's extended dtypes.

    The constants of all others are Python's floats, which widen no product; those of NumPy would.
    """
    extended = xp is numpy_namespace and np.dtype(dtype).char in "gG"
    return (np.longdouble, np.sqrt) if extended else (float, math.sqrt)


def as_number(xp: Namespace, dtype: DType, value: Any) -> Any:
    """Return a number as a plain one of Python, or in NumPy's extended precision where the dtype has that."""
    real = isinstance(value, Real)
    if dtype is None or scalars(xp, dtype)[0] is float:
        return float(value) if real else complex(value)
    return np.longdouble(value) if real else np.clongdouble(value)


def is_complex_number(value: Any) -> bool:
    """Tell whether a number is complex, of Python or NumPy."""
    return isinstance(value, Complex) and not isinstance(value, Real)


@lru_cache(maxsize=256)
def result_dtype(xp: Namespace, first: DType, second: DType) -> DType:
    """Return the dtype of a product of the two dtypes; None follows the other one."""
    if first is None or second is None:
        first = second = second if first is None else first
    if first == second:
        return first if getattr(first, "isnative", True) else first.newbyteorder("=")
    names = dtype_name(first), dtype_name(second)
    if compat.is_torch_namespace(xp) and set(names) <= _PROMOTED:  # torch.compile can't trace the library's own way
        bits = 64 if {"float64", "complex128"} & set(names) else 32
        return as_dtype(xp, f"complex{2 * bits}" if {"complex64", "complex128"} & set(names) else f"float{bits}")
    return xp.result_type(first, second)


def astype(xp: Namespace, x: Array, dtype: DType) -> Array:
    """Return x in the given dtype, x itself where it has it; a complex x loses its imaginary part to a real dtype."""
    if x.dtype == dtype:
        return x
    if is_complex(xp, x.dtype) and not is_complex(xp, dtype):
        x = xp.real(x)
    return x if x.dtype == dtype else xp.astype(x, dtype, copy=False)


def conj(xp: Namespace, x: Array) -> Array:
    """Conjugate complex entries, also on the way to ONNX, which has pairs of numbers and no operation for that."""
    if compat.is_torch_namespace(xp) and x.is_complex() and (torch := sys.modules["torch"]).onnx.is_in_onnx_export():
        return torch.complex(x.real, -x.imag)
    return xp.conj(x)


def full_precision(x: Array) -> AbstractContextManager[object]:
    """Return a context without PyTorch's autocast, in which products of matrices would be rounded to half precision."""
    if type(x) is np.ndarray or not compat.is_torch_array(x):
        return _AS_IT_IS
    torch, kind = sys.modules["torch"], x.device.type
    wanted = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    return torch.autocast(kind, enabled=False) if wanted else _AS_IT_IS


_AS_IT_IS = nullcontext()


def native(x: Array) -> Array:
    """Return arrays of NumPy in the machine's byte order and alignment, their strides multiples of an entry's size.

    Compiled functions refuse others or read them wrong: `numpy.linalg` does so in a field of records.
    """
    if not isinstance(x, np.ndarray):
        return x
    flags = x.flags
    if flags.aligned and x.dtype.isnative and (flags.forc or not any(stride % x.itemsize for stride in x.strides)):
        return x
    return np.array(x, x.dtype.newbyteorder("="), order="C")


def copied(xp: Namespace, x: Array) -> Array:
    """Return a copy of an array, which a graph goes through."""
    return x.clone() if compat.is_torch_array(x) else xp.asarray(x, copy=True)


def packed(xp: Namespace, x: Array) -> Array:
    """Return x with its entries in the order of its axes; products of many strided matrices are slow."""
    if compat.is_torch_array(x):
        return x.contiguous()
    return xp.ascontiguousarray(x) if hasattr(xp, "ascontiguousarray") else x


def matmul(xp: Namespace, A: Array, B: Array) -> Array:
    """Multiply stacks of matrices; outer and inner products by entries, which libraries are slow at in stacks."""
    if A.shape[-1] == 1:
        return A * B
    if B.shape[-1] == 1 and A.shape[-2] == 1:
        return xp.sum(xp.matrix_transpose(A) * B, axis=-2, keepdims=True)
    return xp.matmul(A, B)


def complex_as_real(xp: Namespace, x: Array) -> Array:
    """Return complex vectors (..., n) as a batch of twice as many real ones, (2, ..., n)."""
    return xp.stack((xp.real(x), xp.imag(x)), axis=0)


def real_as_complex(xp: Namespace, pair: Array) -> Array:
    """Undo `split`."""
    imaginary = xp.astype(pair[1, ...], complex_dtype(xp, pair.dtype), copy=False)
    return pair[0, ...] + imaginary * 1j


def batch_sum(xp: Namespace, x: Array) -> Array:
    """Sum over all axes but the last: (..., n) -> (n,)."""
    return xp.sum(x, axis=tuple(range(x.ndim - 1))) if x.ndim > 1 else x


def add_at(xp: Namespace, x: Array, index: Array, n: int) -> Array:
    """Sum the entries that share an index: (..., k) -> (..., n), y[..., i] = sum of x[..., e] over index[e] = i."""
    y = xp.zeros((*x.shape[:-1], n), dtype=x.dtype, device=device(x))
    if compat.is_torch_array(x):
        return y.index_add(-1, index, x)
    if compat.is_jax_array(x):
        return y.at[..., index].add(x)
    if hasattr(xp.add, "at"):  # NumPy, CuPy
        xp.add.at(y, (..., index), x)
        return y
    places = xp.arange(n, dtype=index.dtype, device=device(index))
    return xp.matmul(x, xp.astype(index[:, None] == places[None, :], x.dtype))  # the standard has no scatter


def outer_sum(xp: Namespace, u: Array, v: Array) -> Array:
    """Sum the outer products u v^H over the batch: (..., m), (..., n) -> (m, n)."""
    u, v = rows(xp, u), rows(xp, v)
    return xp.matmul(xp.matrix_transpose(u), xp.conj(v))


def rows(xp: Namespace, x: Array) -> Array:
    """Return a batch of vectors (..., n) as the rows of a matrix (B, n)."""
    return xp.reshape(x, (-1, x.shape[-1])) if x.ndim != 2 else x


def in_blocks(function: Callable[[Array], Array], x: Array, width: int) -> Array:
    """Apply a function of rows (N, n), which makes arrays of about `width` numbers a row, to some rows at a time.

    On the host the arrays between stay in the cache then, and are not taken from the system anew each time.
    """
    if not compat.is_numpy_array(x):
        return function(x)
    step = max(1, BLOCK // (x.itemsize * width))
    y = function(x[:step])
    if len(x) <= step:
        return y
    whole = np.empty((len(x), *y.shape[1:]), y.dtype)
    whole[:step] = y
    for start in range(step, len(x), step):
        whole[start : start + step] = function(x[start : start + step])
    return whole


def is_large(x: Array) -> bool:
    """Tell whether a batch is worth taking in pieces unasked: on the host, of more than some blocks, not in a trace.

    Of PyTorch it must not be in a graph either.
    """
    if x.ndim < 2:
        return False
    if type(x) is np.ndarray:
        return x.nbytes > 2 * BLOCK
    torch = sys.modules.get("torch")
    if torch is None or type(x) is not torch.Tensor or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return False  # in a trace, where it is of another type, its size may be a symbol
    return bool(x.nbytes > 2 * BLOCK and x.device.type == "cpu" and takes_writes(x))


def takes_writes(x: Array) -> bool:
    """Tell whether entries of an array like x, fresh from a product, can be set without harm to a graph or a trace."""
    if type(x) is np.ndarray:
        return True
    if compat.is_torch_array(x):
        torch = sys.modules["torch"]
        if torch.compiler.is_compiling() or torch.jit.is_tracing() or (x.requires_grad and torch.is_grad_enabled()):
            return False
        return not torch._C._functorch.is_functorch_wrapped_tensor(x)
    return not (compat.is_jax_array(x) or compat.is_dask_array(x))


def is_writable(x: Array) -> bool:
    """Tell whether an array is not read-only, where its library knows that."""
    return bool(x.flags.writeable) if isinstance(x, np.ndarray) else True


def repeats(x: Array) -> bool:
    """Tell whether entries of an array share memory, as in a broadcast view, where its library shows strides.

    The rare views whose entries interleave without sharing memory count as such too.
    """
    if compat.is_torch_array(x):
        strides, width = x.stride(), 1
    elif (strides := getattr(x, "strides", None)) is not None:
        width = x.itemsize
    else:
        return False
    for stride, size in sorted((abs(stride), size) for stride, size in zip(strides, x.shape, strict=True) if size > 1):
        if stride < width:
            return True
        width += stride * (size - 1)
    return False


def read_only(value: Any) -> Any:
    """Return a view of an array of NumPy that refuses to be written to, also in tuples; anything else as it is."""
    if isinstance(value, np.ndarray):
        view = value.view()
        view.flags.writeable = False
        return view
    if isinstance(value, tuple):
        return getattr(value, "_make", tuple)(map(read_only, value))
    return value


def overlap(x: Array, y: Array) -> bool:
    """Tell whether writing to y might change x."""
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        return np.may_share_memory(x, y)
    if compat.is_torch_array(x) and compat.is_torch_array(y):
        return bool(x.untyped_storage().data_ptr() == y.untyped_storage().data_ptr())
    if compat.is_cupy_array(x) and compat.is_cupy_array(y):
        return bool(sys.modules["cupy"].may_share_memory(x, y))
    return x is y


def descending(xp: Namespace, values: Array) -> Array:
    """Return moduli, the largest first."""
    return xp.sort(xp.abs(values), descending=True)


def function_of_spectrum(
    xp: Namespace,
    function: Callable[[Array], Array],
    spectrum: Array,
    back: Callable[[Array], Array],
    pairs: int | None,
) -> Array:
    """Apply a function to eigenvalues that a Fourier transform computed, and transform them back.

    Those of real matrices are conjugate to those in the places of `reversed_mod_n` by `pairs`. If the new ones are so
    too, as for every function that is real on the real line, the entries are real. For complex matrices `pairs` is
    None.
    """

    def partners(values: Array) -> Array:
        return xp.conj(reversed_mod_n(xp, values, *range(values.ndim), by=pairs or 1))

    if pairs is not None:
        spectrum = (spectrum + partners(spectrum)) / 2  # conjugate to the last bit: a function has no slope to enlarge
    values = on_real_axis(xp, xp.reshape(spectrum, (-1,)))
    spectrum = xp.reshape(astype(xp, function(values), spectrum.dtype), spectrum.shape)
    if pairs is None:
        return back(spectrum)
    off = spectrum - partners(spectrum)
    error, largest = (float(xp.max(xp.abs(fixed(part)))) for part in (off, spectrum))
    paired = error <= 64 * float(xp.finfo(spectrum.dtype).eps) * largest
    return xp.real(back(spectrum)) if paired else back(spectrum)


def on_real_axis(xp: Namespace, values: Array) -> Array:
    """Take the imaginary parts away that are no more than the rounding of the Fourier transform of as many numbers.

    Eigenvalues on the negative real axis, where roots and logarithms have their branch cut, stay on it so. Gradients
    are those of the values that were given.
    """
    part = fixed(xp.imag(values))
    limit = 4 * (1 + math.log2(values.shape[0])) * float(xp.finfo(values.dtype).eps) * xp.max(xp.abs(values))
    return values - 1j * astype(xp, xp.where(xp.abs(part) <= limit, part, 0), values.dtype)


def fixed(x: Array) -> Array:
    """Return an array that gradients do not flow through."""
    if compat.is_torch_array(x):
        return x.detach()
    return sys.modules["jax"].lax.stop_gradient(x) if compat.is_jax_array(x) else x


def reciprocal(xp: Namespace, values: Array, cutoff: Array) -> Array:
    """Return 1 / values, and zero for values of at most the cut-off in modulus."""
    kept = xp.abs(values) > cutoff
    return xp.where(kept, 1 / xp.where(kept, values, 1), 0)


def pseudoinverse(xp: Namespace, matrices: Array, cutoff: Array) -> Array:
    """Return the Moore-Penrose inverses of matrices (..., m, n), with one cut-off for the singular values of all."""
    U, values, Vh = xp.linalg.svd(matrices, full_matrices=False)
    V = xp.conj(xp.matrix_transpose(Vh))
    return xp.matmul(V * reciprocal(xp, values, cutoff)[..., None, :], xp.conj(xp.matrix_transpose(U)))


def reversed_mod_n(xp: Namespace, array: Array, *axes: int, by: int = 1) -> Array:
    """Take index k to by - 1 - k modulo the width, along axes.

    That is to -k unless `by` is given: what transposing does to a circulant's first column.
    """
    return xp.roll(xp.flip(array, axis=axes), (by,) * len(axes), axis=axes)


def pad(xp: Namespace, x: Array, before: int, after: int) -> Array:
    """Put zeros before and after the last axis."""
    parts = [
        x if width is None else xp.zeros((*x.shape[:-1], width), dtype=x.dtype, device=device(x))
        for width in (before, None, after)
        if width != 0
    ]
    return xp.concat(parts, axis=-1) if len(parts) > 1 else x


def nbytes(x: Array) -> int:
    """Return the bytes that the entries of an array take."""
    xp = namespace(x)
    info = xp.iinfo if is_integer(xp, x.dtype) else xp.finfo
    return compat.size(x) * int(info(x.dtype).bits) // 8 * (2 if is_complex(xp, x.dtype) else 1)


def may_keep(value: Array, sources: tuple[Array, ...]) -> bool:
    """Tell whether a value derived from the sources may outlive this call.

    It may not if it is a tracer of JAX, or a PyTorch tensor that carries a graph, would have to carry one, or lives
    only inside a transformation: kept on an operator it would leak out of its trace or cut a graph. Nor may what is
    derived from a `torch.nn.Parameter`, whose entries optimisers change in place, some of them unseen (`p.data`).
    """
    if isinstance(value, tuple):
        return all(may_keep(each, sources) for each in value)
    if type(value) is np.ndarray:
        return True
    if compat.is_torch_array(value):
        torch = sys.modules["torch"]
        if torch.compiler.is_compiling() or value.is_inference():
            return False
        for x in (*sources, value):
            if type(x) is not torch.Tensor or x.requires_grad or torch._C._functorch.is_functorch_wrapped_tensor(x):
                return False
        return True
    if compat.is_jax_array(value):
        return not isinstance(value, sys.modules["jax"].core.Tracer)
    return True


def is_traced(x: Array) -> bool:
    """Tell whether an array has no values to look at (a tracer, a batch in a `vmap`, or on PyTorch's device "meta")."""
    if type(x) is np.ndarray:
        return False
    if compat.is_jax_array(x):
        return isinstance(x, sys.modules["jax"].core.Tracer)
    if compat.is_torch_array(x):
        torch = sys.modules["torch"]
        if x.is_meta or type(x).__name__ == "FakeTensor" or torch.compiler.is_compiling():
            return True
        functorch = torch._C._functorch
        while functorch.is_functorch_wrapped_tensor(x) and not functorch.is_batchedtensor(x):
            x = functorch.get_unwrapped(x)
        return bool(functorch.is_batchedtensor(x))
    return bool(compat.is_dask_array(x))


def to_host(x: Array) -> np.ndarray[Any, Any]:
    """Copy an array of any library to a NumPy array on the host; bfloat16 becomes float32."""
    xp = namespace(x)
    if compat.is_torch_array(x):
        x = x.detach().cpu().resolve_conj().resolve_neg()
        return np.asarray(x.float() if x.dtype == xp.bfloat16 else x)
    if compat.is_cupy_array(x):
        return np.asarray(x.get())
    if compat.is_array_api_strict_namespace(xp):
        x = compat.to_device(x, xp.Device("CPU_DEVICE"))
    return np.asarray(x)


def from_host(x: np.ndarray[Any, Any], xp: Namespace, *, device: Device = None, dtype: DType = None) -> Array:
    """Copy a NumPy array to another namespace and device; the dtype keeps its name unless one is given."""
    if dtype is None and x.dtype.kind in "iu" and compat.is_jax_namespace(xp):
        return xp.asarray(x.copy(), device=device)  # without 64 bits JAX narrows integers, and warns if they are named
    target = dtype if dtype is not None else getattr(xp, dtype_name(x.dtype))
    return xp.asarray(x.copy(), dtype=target, device=device)


def move(x: Array, *, xp: Namespace | None = None, device: Device = None) -> Array:
    """Move an array to a namespace, a device or both, keeping its dtype; the array itself if it is there already."""
    source = namespace(x)
    if xp is None or xp is source:
        return x if device is None or device == compat.device(x) else compat.to_device(x, device)
    name = dtype_name(x.dtype)
    if not hasattr(xp, name):
        raise TypeError(f"{namespace_name(xp)} has no dtype {name}; convert the operator first, with A.to(dtype=...).")
    host = native(to_host(x))  # other libraries know one byte order
    return from_host(host, xp, device=device, dtype=as_dtype(xp, name) if kind(source, x.dtype) else None)


def to_stored(x: Array) -> np.ndarray[Any, Any]:
    """Copy an array to the host in the form that files hold it in (`STORED`), bit by bit."""
    halved = dtype_name(x.dtype) == "bfloat16"
    if halved:
        x = (x.detach() if compat.is_torch_array(x) else x).view(namespace(x).int16)
    host: np.ndarray[Any, Any] = to_host(x)
    host = np.asarray(host.astype(host.dtype.newbyteorder("="), copy=False), order="C")
    if host.dtype.kind == "c":
        pairs: np.ndarray[Any, Any] = host.reshape(-1).view(real_dtype(numpy_namespace, host.dtype))
        return pairs.reshape(*host.shape, 2)
    return host.view(np.uint16) if halved else host


def from_stored(
    stored: np.ndarray[Any, Any], name: str, xp: Namespace, *, device: Device = None, wanted: DType = None
) -> Array:
    """Undo `to_stored` in any namespace, given the dtype's name; convert where another floating dtype is wanted."""
    target = name if wanted is None else dtype_name(wanted)
    library = namespace_name(xp)
    if not hasattr(xp, target):
        raise TypeError(
            f"{library} has no dtype {target}; choose another one with dtype=, or another library with xp=."
        )
    host = stored
    if name == "bool":
        host = stored.view(np.uint8) != 0
    elif name == "bfloat16" == target:
        return xp.asarray(stored.view(np.int16), device=device).view(xp.bfloat16)
    elif name == "bfloat16":
        host = (stored.astype(np.uint32) << 16).view(np.float32)
    elif name.startswith("complex"):
        host = stored.reshape(-1).view(name).reshape(stored.shape[:-1])
        if not target.startswith("complex"):
            raise TypeError(f"dtype is {target} and a parameter is complex; expected a complex one.")
    if target != name and hasattr(np, target):
        host = host.astype(target)
    made = xp.asarray(np.asarray(host), device=device)
    if wanted is not None:
        made = astype(xp, made, wanted)
    got = dtype_name(made.dtype)
    if got != target and not (is_integer(xp, made.dtype) and np.array_equal(to_host(made), host)):
        raise TypeError(f"{library} makes {got} of {target} here; allow it 64 bits (jax_enable_x64), or pass dtype=.")
    return made
