"""A dense or structured layer and its block-circulant adapters."""

from __future__ import annotations  # the documentation is built without PyTorch

import functools
import math
import operator as operators
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer, check_adapters_to_merge
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from structmat.compounds import block_circulant
from structmat.interop.torch import Template
from structmat.nn._core import weight_shape
from structmat.nn.torch.dense import how_to_keep, is_transposed
from structmat.nn.torch.structured import StructuredLinear
from structmat.operators import BlockCirculant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structmat.core.base import LinearOperator
    from structmat.nn.peft.model import BlockCirculantConfig

FLOATING = (torch.float16, torch.bfloat16, torch.float32, torch.float64)  # of weights that adapters are added to


class BlockCirculantLayer(nn.Module, BaseTunerLayer):  # type: ignore[misc]
    """A dense layer and its block-circulant adapters, as `BlockCirculantModel` puts it in the layer's place.

    Parameters
    ----------
    base_layer : torch.nn.Module
        A `torch.nn.Linear`, a Conv1D of transformers, a structured layer, or a layer of PEFT around one.
    adapter_name : str
        Name of the first adapter.
    block_size : int
        Its block size.
    config : BlockCirculantConfig
        Its other options.

    Attributes
    ----------
    structmat_kernel : torch.nn.ParameterDict
        By adapter, the blocks' first rows, shape (⌈m/b⌉, ⌈n/b⌉, b).

    Raises
    ------
    TypeError
        The layer is of another class, or attention's output projection, whose weight is read without a call.
    ValueError
        `block_size` is larger than both sizes.
    """

    adapter_layer_names = ("structmat_kernel",)

    def __init__(self, base_layer: nn.Module, adapter_name: str, block_size: int, config: BlockCirculantConfig) -> None:
        super().__init__()
        self.base_layer = base_layer
        dense = self.get_base_layer()
        if is_transposed(dense):
            self.in_features, self.out_features = dense.weight.shape
        elif isinstance(dense, nn.Linear | StructuredLinear) and not isinstance(dense, NonDynamicallyQuantizableLinear):
            self.in_features, self.out_features = dense.in_features, dense.out_features
        else:
            raise TypeError(
                f"{type(self).__name__}: base_layer is {dense}; expected a torch.nn.Linear that is called as one, "
                f"a Conv1D of transformers or a structured layer."
            )
        self.structmat_kernel = nn.ParameterDict()
        self.register_buffer("structmat_unmerged", None, persistent=False)  # so that it moves with the weight
        self._structured: tuple[StructuredLinear, ...] = ()  # a structured base layer while others are merged into it
        self.merged_adapters: list[str] = []
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, block_size, config)

    def update_layer(self, adapter_name: str, block_size: int, config: BlockCirculantConfig) -> None:
        """Add an adapter, or make one anew."""
        m, n = self.out_features, self.in_features
        shape = weight_shape(f"{type(self).__name__}({n} → {m})", n, m, block_size)
        like = self._like()
        dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
        self.structmat_kernel[adapter_name] = nn.Parameter(torch.empty(shape, dtype=dtype, device=like.device))
        _initialise(self.structmat_kernel[adapter_name], config.init_weights, n, m)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def _like(self) -> torch.Tensor:
        """Return a tensor of the base layer's dtype and device."""
        base = self.get_base_layer()
        if not isinstance(base, StructuredLinear):
            return base.weight
        held = [value for value in (*base.parameters(), *base.buffers()) if value.is_floating_point()]
        return held[0] if held else torch.empty(0, device=next(base.buffers(), torch.empty(0)).device)

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        """Choose the active adapters, one or several, which add up."""
        super().set_adapter(adapter_names, inference_mode)
        active = tuple(self._present(self.active_adapters))
        alone = [(name,) for name in self.structmat_kernel]  # for batches whose rows choose
        self._templates = {names: Template(self._operator(names)) for names in {active, *alone} if names}

    def _operator(self, names: Sequence[str]) -> LinearOperator:
        """Return the sum of adapters as an operator."""
        shape = self.in_features, self.out_features
        terms = [block_circulant(each.detach(), shape).H for each in self._blocks(names)]
        return functools.reduce(operators.add, terms)

    def _present(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self.structmat_kernel]

    def _blocks(self, names: Sequence[str]) -> list[torch.Tensor]:
        """Return the blocks of Δᵀ / n by their first columns, the first rows of Δ's blocks: an array per block size."""
        sums: dict[int, torch.Tensor] = {}
        for name in names:
            kernel = self.structmat_kernel[name]
            kernel = kernel.to(torch.promote_types(kernel.dtype, torch.float32))
            b = kernel.shape[-1]
            sums[b] = sums[b] + kernel if b in sums else kernel
        return [kernel.permute(1, 0, 2) / self.in_features for kernel in sums.values()]

    def forward(
        self, x: torch.Tensor, *arguments: Any, adapter_names: Sequence[str] | None = None, **keywords: Any
    ) -> torch.Tensor:
        """Map vectors (..., n) to (..., m), in the precision of the base layer's result.

        `adapter_names` names an adapter for each entry of the first axis, instead of the active ones.
        """
        if adapter_names is not None:
            self._check_rows(x, adapter_names)
        if self.disable_adapters and self.merged:
            self.unmerge()
        y = self.base_layer(x, *arguments, **keywords)
        if self.disable_adapters or self.merged:
            return y
        if adapter_names is None:
            names = tuple(self._present(self.active_adapters))
            return y + self._delta(x, names).to(y.dtype) if names else y
        for name in self._present(list(dict.fromkeys(adapter_names))):
            rows = torch.tensor([place for place, each in enumerate(adapter_names) if each == name], device=x.device)
            y = y.index_add(0, rows, self._delta(x[rows], (name,)).to(y.dtype))
        return y

    def _check_rows(self, x: torch.Tensor, adapter_names: Sequence[str]) -> None:
        title = type(self).__name__
        if len(x) != len(adapter_names):
            raise ValueError(
                f"{title}: adapter_names has {len(adapter_names)} names; expected one for each of the {len(x)} rows of "
                f"x, whose shape is {tuple(x.shape)}."
            )
        if self.merged:
            raise ValueError(
                f"{title}: adapter_names is given while {', '.join(self.merged_adapters)} is merged; call "
                f"unmerge_adapter before."
            )

    def _delta(self, x: torch.Tensor, names: tuple[str, ...]) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self._templates[names].matvec(x, self._blocks(names), keep=False)

    def _matrix(self, names: list[str]) -> torch.Tensor:
        """The sum of adapters in the layout of the weight, read from the definition of the entries."""
        i = torch.arange(self.out_features, device=self._like().device)[:, None]
        j = torch.arange(self.in_features, device=i.device)[None, :]
        terms = [BlockCirculant(blocks) for blocks in self._blocks(names)]
        matrix = functools.reduce(operators.add, [A._entry(A.xp, j, i) for A in terms])
        return matrix.T if is_transposed(self.get_base_layer()) else matrix

    def get_delta_weight(self, adapter_name: str) -> torch.Tensor:
        """Write out what an adapter adds to the weight."""
        if adapter_name not in self.structmat_kernel:
            raise ValueError(f"{type(self).__name__}: there is no adapter {adapter_name!r}.")
        matrix, dtype = self._matrix([adapter_name]), self._like().dtype
        return matrix.to(dtype) if dtype in FLOATING else matrix

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add adapters, the active ones unless named, to the base layer's weight; `safe_merge` refuses NaN."""
        names = self._present(check_adapters_to_merge(self, adapter_names))
        if not names:
            return
        base = self.get_base_layer()
        structured = isinstance(base, StructuredLinear)
        computed = how_to_keep(
            base, [*({*base._template.names} - {*base._integers}), "bias"] if structured else ["weight"]
        )
        if computed is not None:
            raise TypeError(f"{type(self).__name__}.merge: the base layer can't hold the sum: {computed}.")
        if structured:
            self._merge_structured(names, safe_merge)
        else:
            self._merge_dense(names, safe_merge)
        self.merged_adapters += names

    def _merge_dense(self, names: list[str], safe_merge: bool) -> None:
        dense, title = self.get_base_layer(), f"{type(self).__name__}.merge"
        weight, matrix = dense.weight.data, self._matrix(names).detach()
        if type(weight) is not torch.Tensor or weight.dtype not in FLOATING or weight.shape != matrix.shape:
            raise TypeError(
                f"{title}: the weight has dtype {weight.dtype}, shape {tuple(weight.shape)} and class "
                f"{type(weight).__name__}; expected a floating torch.Tensor of shape {tuple(matrix.shape)}, which "
                f"adapters can be added to: merge into a model that is not quantised."
            )
        merged = (weight + matrix).to(weight.dtype)
        self._check_finite(merged, names, safe_merge)
        dense.weight.data = merged
        if dense.weight.data_ptr() != merged.data_ptr():
            raise TypeError(f"{title}: the weight of {dense} does not hold what it is set to.")
        if not self.merged:
            self.structmat_unmerged = weight

    def _merge_structured(self, names: list[str], safe_merge: bool) -> None:
        """Replace the base layer by one of the sum of operators, which shares its parameters."""
        base = self.get_base_layer()
        delta = self._operator(names).to(dtype=self._like().dtype)
        merged = StructuredLinear(base.operator + delta, bias=False)
        merged.requires_grad_(any(value.requires_grad for value in base.parameters()))
        _share(base, merged)
        if safe_merge:
            self._check_finite(merged.to_dense(), names, safe_merge)
        merged.train(base.training)
        self._holder().base_layer = merged
        if not self.merged:
            self._structured = (base,)

    def _check_finite(self, merged: torch.Tensor, names: list[str], safe_merge: bool) -> None:
        if safe_merge and not torch.isfinite(merged).all():
            raise ValueError(f"{type(self).__name__}.merge: with {', '.join(names)} the weight is not finite.")

    def _holder(self) -> nn.Module:
        """Return the innermost layer of PEFT around the base layer."""
        layer: nn.Module = self
        while hasattr(layer.base_layer, "base_layer"):
            layer = layer.base_layer
        return layer

    def unmerge(self) -> None:
        """Restore the weight that the base layer had before adapters were merged."""
        if not self.merged:
            return
        if self._structured:
            (base,) = self._structured
            _share(self.get_base_layer(), base)
            base.train(self.get_base_layer().training)
            self._holder().base_layer, self._structured = base, ()
        else:
            self.get_base_layer().weight.data = self.structmat_unmerged
            self.structmat_unmerged = None
        self.merged_adapters = []

    def supports_lora_conversion(self, adapter_name: str = "default") -> bool:
        """Tell that PEFT may approximate the adapter by one of low rank."""
        return True

    def __repr__(self) -> str:
        return f"structmat.{super().__repr__()}"


def _share(source: StructuredLinear, target: StructuredLinear) -> None:
    """Let two layers hold the same arrays and bias; the operator of one is a sum that begins with the other's."""
    for old, new in zip(source._template.names, target._template.names, strict=False):
        if old in source._integers:
            target._buffers[f"{new}_digits"] = source._buffers[f"{old}_digits"]
        else:
            held = "_parameters" if old in source._parameters else "_buffers"
            getattr(target, held)[new] = getattr(source, held)[old]
    target.bias = source.bias


def _initialise(kernel: nn.Parameter, how: bool | str, n: int, m: int) -> None:
    if how is True:
        nn.init.zeros_(kernel)
    elif how == "gaussian":
        nn.init.normal_(kernel)
    else:
        bound = math.sqrt(1 / n) if how == "kaiming_uniform" else math.sqrt(6 / (n + m))
        nn.init.uniform_(kernel, -bound, bound)
