"""Dtypes: names, kinds, precisions and type promotion."""

import math
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from numbers import Complex, Real
from typing import Any

import array_api_compat as compat
import array_api_compat.numpy as numpy_namespace
import numpy as np

from structmat._backend import libraries, namespaces
from structmat._backend.types import Array, DType, Namespace

_REAL = {"complex32": "float16", "complex64": "float32", "complex128": "float64", "complex256": "longdouble"}


def name(dtype: DType) -> str:
    """Return the bare name of a dtype: "float32" for numpy.float32, torch.float32, "f4", ..."""
    if isinstance(dtype, type | str):
        with suppress(TypeError):  # a dtype that NumPy lacks
            dtype = np.dtype(dtype)
    if isinstance(dtype, np.dtype):
        return dtype.name  # without the byte order
    return str(dtype).rsplit(".", maxsplit=1)[-1]


def as_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the floating dtype of xp for a dtype of any library or a name; None is the default dtype of xp."""
    if dtype is None:
        return libraries.of_namespace(xp).default_dtype(xp)
    found = getattr(xp, name(dtype), None)
    if found is None or kind(xp, found) is None:
        raise TypeError(f"dtype is {dtype!r}; expected a real or complex floating dtype of {namespaces.name(xp)}.")
    return np.dtype(found) if xp is numpy_namespace else found


def native_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return `dtype` if kernels compute in it: native, at least single precision. Else None, which no array has."""
    if dtype is None:
        return None
    if xp is not numpy_namespace:
        return dtype if dtype in libraries.of_namespace(xp).native_dtypes else None
    return np.dtype(dtype.char) if dtype.isnative and dtype.char in "fdgFDG" else None


def cast_hint(xp: Namespace, array: str) -> str:
    """Return an expression that converts the array of a name to double precision, for error messages."""
    return libraries.of_namespace(xp).cast_hint.format(array)


@lru_cache(maxsize=256)
def kind(xp: Namespace, dtype: DType) -> str | None:
    """Return "real" or "complex" for floating dtypes and None for all others."""
    return libraries.of_namespace(xp).kind(xp, dtype)


def is_complex(xp: Namespace, dtype: DType) -> bool:
    """Tell whether a dtype is complex."""
    return kind(xp, dtype) == "complex"


def is_integer(xp: Namespace, dtype: DType) -> bool:
    """Tell whether a dtype is an integer dtype (bool is not)."""
    return libraries.of_namespace(xp).is_integer(xp, dtype)


def double_dtype(xp: Namespace) -> DType:
    """Return double precision, or single where JAX has no other."""
    return libraries.of_namespace(xp).double_dtype(xp)


def extended_dtype(xp: Namespace) -> DType:
    """Return the real dtype to compute definitions in: NumPy's extended precision, `double_dtype` elsewhere."""
    return np.longdouble if xp is numpy_namespace else double_dtype(xp)


@lru_cache(maxsize=256)
def real_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the dtype of the real part: float32 for complex64."""
    return dtype if kind(xp, dtype) == "real" else as_dtype(xp, _REAL[name(dtype)])


@lru_cache(maxsize=256)
def complex_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the complex dtype of the same precision, complex64 at least."""
    return result_dtype(xp, dtype, xp.complex64)


@lru_cache(maxsize=256)
def compute_dtype(xp: Namespace, dtype: DType) -> DType:
    """Return the dtype that sums and transforms are computed in: single precision for half precision."""
    if xp.finfo(dtype).bits != 16:
        return dtype
    return xp.float32 if kind(xp, dtype) == "real" else xp.complex64


def sum_dtype(x: Array) -> DType:
    """Return the dtype for long sums of entries of x: double precision at least, where the device of x has it."""
    xp = namespaces.of(x)
    available = xp.__array_namespace_info__().dtypes(device=compat.device(x))
    wide = available.get("complex128" if is_complex(xp, x.dtype) else "float64")
    return compute_dtype(xp, x.dtype) if wide is None else xp.result_type(x.dtype, wide)


@lru_cache(maxsize=256)
def result_dtype(xp: Namespace, first: DType, second: DType) -> DType:
    """Return the dtype that two dtypes are promoted to; None is promoted to the other one."""
    if first is None or second is None:
        first = second = second if first is None else first
    if first == second:
        return first if getattr(first, "isnative", True) else first.newbyteorder("=")
    return libraries.of_namespace(xp).result_dtype(xp, first, second)


def astype(xp: Namespace, x: Array, dtype: DType) -> Array:
    """Return x in a dtype, x itself if it has it; a conversion from complex to real drops the imaginary part."""
    if x.dtype == dtype:
        return x
    if is_complex(xp, x.dtype) and not is_complex(xp, dtype):
        x = xp.real(x)
    return x if x.dtype == dtype else xp.astype(x, dtype, copy=False)


def scalar_arithmetic(xp: Namespace, dtype: DType) -> tuple[Any, Callable[[Any], Any]]:
    """Return the type of constants for a dtype, and its square root: extended precision for NumPy's extended dtypes.

    For all other dtypes it is Python's float, which is not promoted; NumPy scalars would widen products.
    """
    extended = xp is numpy_namespace and np.dtype(dtype).char in "gG"
    return (np.longdouble, np.sqrt) if extended else (float, math.sqrt)


def as_scalar(xp: Namespace, dtype: DType, value: Any) -> Any:
    """Return a number as a Python float or complex, or in NumPy's extended precision for a dtype of that precision."""
    real = isinstance(value, Real)
    if dtype is None or scalar_arithmetic(xp, dtype)[0] is float:
        return float(value) if real else complex(value)
    return np.longdouble(value) if real else np.clongdouble(value)


def is_complex_number(value: Any) -> bool:
    """Tell whether a Python or NumPy number is complex."""
    return isinstance(value, Complex) and not isinstance(value, Real)
