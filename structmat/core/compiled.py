"""Operators that the compiled kernels multiply and differentiate."""

from typing import Any

from structmat._backend import kernels, tracing
from structmat._backend.convolution import Convolution
from structmat._backend.device_convolution import DeviceConvolution
from structmat._backend.hadamard import Transform
from structmat._backend.types import DType
from structmat.core.base import LinearOperator


class Compiled(LinearOperator):
    """An operator that may be a corner of a circulant or skew-circulant matrix, or a Hadamard matrix."""

    def _compile(self) -> Convolution | DeviceConvolution | Transform | None:
        """The same matrix for the compiled kernels, which multiply and differentiate in one call; None without them.

        It belongs to the values that the arrays have now. The gradient of its column goes through `_column_grads`.
        """
        return None

    @property
    def _compiles(self) -> bool:  # type: ignore[override]
        return type(self)._compile is not Compiled._compile

    @property
    def _compiled(self) -> Any:
        """`_compile`, kept while the arrays are constants, or have the values of the last time."""
        cache = self._cache
        known = cache.get("compiled")
        if known is not None and known.is_lasting:
            return known
        if not kernels.serve(self.device) or (known is None and "compiled" in cache):
            return None
        arrays = self._arrays
        if all(tracing.may_keep(array, arrays) for array in arrays):
            if known is None:
                known = cache["compiled"] = self._compile()
            return known
        values = kernels.values(arrays)
        last, made = cache.get("compiled values", (None, None))
        if values is None or values != last:
            made = self._compile()
            if values is not None:
                cache["compiled values"] = values, made
        return made

    def _compiled_for(self, dtype: DType, side: int) -> Any:
        compiled = self._compiled if dtype is self._native_dtype or self.dtype is None else None
        if compiled is None or (self.dtype is None and not compiled.takes(dtype)):
            return None
        return compiled if side else compiled.adjoint
