"""Block-circulant adapters for PEFT: what its C3A does, for layers and blocks of any sizes."""

from __future__ import annotations  # the documentation is built without PyTorch

import dataclasses
import enum
import functools
import math
import operator as operators
from typing import Any, Literal

import torch
from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING, PeftConfig
from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING
from peft.tuners.tuners_utils import BaseTuner, BaseTunerLayer, check_adapters_to_merge
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from peft.utils.other import get_pattern_key
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from structmat.compounds import block_circulant
from structmat.core.fields import checked_size
from structmat.interop.torch import Form
from structmat.nn.circulant import weight_shape
from structmat.nn.torch.compression import is_transposed
from structmat.operators import BlockCirculant

__all__ = ["BlockCirculantConfig", "BlockCirculantLayer", "BlockCirculantModel"]

INITIAL = (True, False, "xavier_uniform", "kaiming_uniform", "gaussian")


class Method(str, enum.Enum):  # noqa: UP042 (PEFT takes "Method." off its str)
    """A method's name in PEFT's tables. PEFT's own enumeration, which `register_peft_method` insists on, is closed."""

    STRUCTMAT_BLOCK_CIRCULANT = "STRUCTMAT_BLOCK_CIRCULANT"


@dataclasses.dataclass
class BlockCirculantConfig(PeftConfig):  # type: ignore[misc]
    r"""Block-circulant adapters for `peft.get_peft_model`, y = W x + b + Δ x / n for a layer of n inputs.

    Δ consists of circulant blocks given by their first rows, the one thing that is learned: for the same rows the
    adapter equals that of `peft.C3AConfig`. Here sizes and blocks need not divide each other, several active adapters
    add up, and the layer that an adapter is unmerged from has its old weight, bit by bit.

    Parameters
    ----------
    block_size : int, optional
        Size b of the blocks, at most the larger size of a layer; an adapter has ⌈m/b⌉ ⌈n/b⌉ b parameters for m outputs.
        The last blocks are cut.
    target_modules : list of str or str, optional
        Layers to adapt, each a `torch.nn.Linear` or a Conv1D of transformers: ends of their names, a regular
        expression, or "all-linear"; for known architectures those that LoRA takes, unless given.
    init_weights : bool or {"xavier_uniform", "kaiming_uniform", "gaussian"}, optional
        True, the default, starts with zeros, so that the model is what it was. The others draw as C3A does, from
        PyTorch's own generator; False is "xavier_uniform".
    block_size_pattern : dict, optional
        Block sizes of single layers, by the ends of their names or regular expressions.
    exclude_modules, modules_to_save, layers_to_transform, layers_pattern, bias, **options
        As for all methods of PEFT; `bias` is "none", "all" or "structmat_only".

    Raises
    ------
    ValueError
        `block_size` is no positive int, or larger than both sizes of a layer (raised when the model is made), or
        `init_weights` or `bias` is unknown.
    TypeError
        A layer is none of those above (raised when the model is made).

    Notes
    -----
    Importing `structmat.nn.peft` enters the method into PEFT's tables under the name "STRUCTMAT_BLOCK_CIRCULANT", so
    import it before `PeftModel.from_pretrained`, too. The whole of PEFT works from there: saving and loading, several
    adapters, merging, disabling and deleting them, mixed precision, and `torch.compile`.

    The derivative is the operator's own `backward`. Active adapters of one block size are one product, by the sum of
    their kernels. Kernels are kept in single precision beside a model in half precision.

    Merging adds the adapters' entries to the weight, which are read from the definition. The old weight is kept until
    it is unmerged, since a difference in floating point would not give it back; `merge_and_unload` keeps it for one
    layer at a time.

    References
    ----------
    .. [1] A. Chen, J. Cheng, Z. Liu, Z. Gao, F. Tsung, Y. Li and J. Li, "Parameter-efficient fine-tuning via circular
       convolution", *Findings of ACL* 2025.

    Examples
    --------
    >>> import peft
    >>> import torch
    >>> from structmat.nn.peft import BlockCirculantConfig
    >>> model = torch.nn.Sequential(torch.nn.Linear(100, 60), torch.nn.ReLU(), torch.nn.Linear(60, 10))
    >>> adapted = peft.get_peft_model(model, BlockCirculantConfig(block_size=20, target_modules=["0"]))
    >>> adapted.print_trainable_parameters()
    trainable params: 300 || all params: 6,970 || trainable%: 4.3042
    >>> adapted.base_model.model[0].structmat_kernel["default"].shape
    torch.Size([3, 5, 20])
    >>> adapted.merge_and_unload()[0]
    Linear(in_features=100, out_features=60, bias=True)
    """

    block_size: int = 256
    target_modules: list[str] | set[str] | str | None = None
    init_weights: bool | Literal["xavier_uniform", "kaiming_uniform", "gaussian"] = True
    block_size_pattern: dict[str, int] = dataclasses.field(default_factory=dict)
    exclude_modules: list[str] | str | None = None
    modules_to_save: list[str] | None = None
    layers_to_transform: list[int] | int | None = None
    layers_pattern: list[str] | str | None = None
    bias: str = "none"

    def __post_init__(self) -> None:
        """Check the options and take PEFT's form of them."""
        super().__post_init__()
        self.peft_type = Method.STRUCTMAT_BLOCK_CIRCULANT
        title = type(self).__name__
        for name, value in {"block_size": self.block_size, **self.block_size_pattern}.items():
            checked_size(title, name, value)
        for name, known in {"init_weights": INITIAL, "bias": ("none", "all", "structmat_only")}.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{title}: {name} is {getattr(self, name)!r}; expected one of {known}.")
        if isinstance(self.target_modules, list):
            self.target_modules = set(self.target_modules)
        elif isinstance(self.target_modules, str) and (self.layers_to_transform, self.layers_pattern) != (None, None):
            raise ValueError(f"{title}: layers_to_transform and layers_pattern need target_modules to be a list.")


class BlockCirculantLayer(nn.Module, BaseTunerLayer):  # type: ignore[misc]
    """A dense layer and its block-circulant adapters, as `BlockCirculantModel` puts it in the layer's place.

    Parameters
    ----------
    base_layer : torch.nn.Module
        A `torch.nn.Linear`, a Conv1D of transformers, or a layer of PEFT around one.
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
        The layer is another one, or attention's output projection, whose weight attention reads by itself.
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
        elif isinstance(dense, nn.Linear) and not isinstance(dense, NonDynamicallyQuantizableLinear):
            self.in_features, self.out_features = dense.in_features, dense.out_features
        else:
            raise TypeError(
                f"{type(self).__name__}: base_layer is {dense}; expected a torch.nn.Linear that is called as one, "
                f"or a Conv1D of transformers."
            )
        self.structmat_kernel = nn.ParameterDict()
        self.register_buffer("structmat_unmerged", None, persistent=False)  # so that it moves with the weight
        self.merged_adapters: list[str] = []
        self._active_adapter = adapter_name
        self.update_layer(adapter_name, block_size, config)

    def update_layer(self, adapter_name: str, block_size: int, config: BlockCirculantConfig) -> None:
        """Add an adapter, or make one anew."""
        m, n = self.out_features, self.in_features
        shape = weight_shape(f"{type(self).__name__}({n} → {m})", n, m, block_size)
        weight = self.get_base_layer().weight
        dtype = torch.promote_types(weight.dtype, torch.float32)
        self.structmat_kernel[adapter_name] = nn.Parameter(torch.empty(shape, dtype=dtype, device=weight.device))
        _initialise(self.structmat_kernel[adapter_name], config.init_weights, n, m)
        self.set_adapter(self.active_adapters, inference_mode=config.inference_mode)

    def set_adapter(self, adapter_names: str | list[str], inference_mode: bool = False) -> None:
        """Choose the active adapters, one or several, which add up."""
        super().set_adapter(adapter_names, inference_mode)
        blocks = self._blocks(self._present(self.active_adapters))
        shape = self.in_features, self.out_features
        terms = [block_circulant(each.detach(), shape).H for each in blocks]
        self._form = Form(functools.reduce(operators.add, terms)) if terms else None

    def _present(self, names: list[str]) -> list[str]:
        return [name for name in names if name in self.structmat_kernel]

    def _blocks(self, names: list[str]) -> list[torch.Tensor]:
        """The blocks of Δᵀ / n by their first columns, which are the rows of Δ's: one array for each block size."""
        sums: dict[int, torch.Tensor] = {}
        for name in names:
            kernel = self.structmat_kernel[name]
            kernel = kernel.to(torch.promote_types(kernel.dtype, torch.float32))
            b = kernel.shape[-1]
            sums[b] = sums[b] + kernel if b in sums else kernel
        return [kernel.permute(1, 0, 2) / self.in_features for kernel in sums.values()]

    def forward(self, x: torch.Tensor, *arguments: Any, **keywords: Any) -> torch.Tensor:
        """Map vectors (..., n) to (..., m), in the precision of the base layer's result."""
        if self.disable_adapters and self.merged:
            self.unmerge()
        y = self.base_layer(x, *arguments, **keywords)
        if self._form is None or self.disable_adapters or self.merged:
            return y
        with torch.autocast(x.device.type, enabled=False):
            delta = self._form.matvec(x, self._blocks(self._present(self.active_adapters)), keep=False)
        return y + delta.to(y.dtype)

    def _matrix(self, names: list[str]) -> torch.Tensor:
        """The sum of adapters in the layout of the weight, read from the definition of the entries."""
        i = torch.arange(self.out_features, device=self.get_base_layer().weight.device)[:, None]
        j = torch.arange(self.in_features, device=i.device)[None, :]
        terms = [BlockCirculant(blocks) for blocks in self._blocks(names)]
        matrix = functools.reduce(operators.add, [A._entry(A.xp, j, i) for A in terms])
        return matrix.T if is_transposed(self.get_base_layer()) else matrix

    def get_delta_weight(self, adapter_name: str) -> torch.Tensor:
        """Write out what an adapter adds to the weight."""
        if adapter_name not in self.structmat_kernel:
            raise ValueError(f"{type(self).__name__}: there is no adapter {adapter_name!r}.")
        return self._matrix([adapter_name]).to(self.get_base_layer().weight.dtype)

    def merge(self, safe_merge: bool = False, adapter_names: list[str] | None = None) -> None:
        """Add adapters, the active ones unless named, to the base layer's weight; `safe_merge` refuses NaN."""
        names = self._present(check_adapters_to_merge(self, adapter_names))
        if not names:
            return
        dense = self.get_base_layer()
        weight, matrix = dense.weight.data, self._matrix(names).detach()
        if not weight.is_floating_point() or weight.shape != matrix.shape:
            raise TypeError(
                f"{type(self).__name__}.merge: the weight has dtype {weight.dtype} and shape {tuple(weight.shape)}; "
                f"expected a floating one of shape {tuple(matrix.shape)}, which adapters can be added to."
            )
        merged = (weight + matrix).to(weight.dtype)
        if safe_merge and not torch.isfinite(merged).all():
            raise ValueError(f"{type(self).__name__}.merge: with {', '.join(names)} the weight is not finite.")
        if not self.merged:
            self.structmat_unmerged = weight
        dense.weight.data = merged
        self.merged_adapters += names

    def unmerge(self) -> None:
        """Give the base layer the weight back that it had before adapters were merged."""
        if self.merged:
            self.get_base_layer().weight.data = self.structmat_unmerged
            self.structmat_unmerged = None
            self.merged_adapters = []

    def supports_lora_conversion(self, adapter_name: str = "default") -> bool:
        """Tell that PEFT may approximate the adapter by one of low rank."""
        return True

    def __repr__(self) -> str:
        return f"structmat.{super().__repr__()}"


def _initialise(kernel: nn.Parameter, how: bool | str, n: int, m: int) -> None:
    if how is True:
        nn.init.zeros_(kernel)
    elif how == "gaussian":
        nn.init.normal_(kernel)
    else:
        bound = math.sqrt(1 / n) if how == "kaiming_uniform" else math.sqrt(6 / (n + m))
        nn.init.uniform_(kernel, -bound, bound)


class BlockCirculantModel(BaseTuner):  # type: ignore[misc]
    """The tuner behind `BlockCirculantConfig`; `peft.get_peft_model` makes it."""

    prefix = "structmat_"
    tuner_layer_cls = BlockCirculantLayer
    target_module_mapping = TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING

    def _create_and_replace(  # noqa: PLR0917 (PEFT passes them so)
        self,
        config: BlockCirculantConfig,
        adapter_name: str,
        target: nn.Module,
        target_name: str,
        parent: nn.Module,
        current_key: str,
        **_: Any,
    ) -> None:
        key = get_pattern_key(config.block_size_pattern, current_key)
        block_size = config.block_size_pattern.get(key, config.block_size)
        if isinstance(target, BlockCirculantLayer):
            target.update_layer(adapter_name, block_size, config)
            return
        layer = BlockCirculantLayer(target, adapter_name, block_size, config)
        if adapter_name not in self.active_adapters:  # one that is added waits to be chosen
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)


for table, entry in (
    (PEFT_TYPE_TO_CONFIG_MAPPING, BlockCirculantConfig),
    (PEFT_TYPE_TO_TUNER_MAPPING, BlockCirculantModel),
    (PEFT_TYPE_TO_PREFIX_MAPPING, BlockCirculantModel.prefix),
):
    table.update({Method.STRUCTMAT_BLOCK_CIRCULANT: entry})
