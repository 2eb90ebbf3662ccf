"""Block-circulant adapters as a method of PEFT: options, model, and entries in PEFT's tables."""

from __future__ import annotations  # the documentation is built without PyTorch

import contextlib
import dataclasses
import enum
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from peft import PEFT_TYPE_TO_CONFIG_MAPPING, PEFT_TYPE_TO_TUNER_MAPPING, PeftConfig
from peft.mapping import PEFT_TYPE_TO_PREFIX_MAPPING
from peft.tuners.tuners_utils import BaseTuner
from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from peft.utils.other import AuxiliaryTrainingWrapper, get_pattern_key

from structmat.core.fields import checked_size
from structmat.nn.peft.layer import BlockCirculantLayer

if TYPE_CHECKING:
    from torch import nn

INITIAL = (True, False, "xavier_uniform", "kaiming_uniform", "gaussian")
BASE = "__base__"  # PEFT's name of no adapter, for rows of a batch


class Method(str, enum.Enum):  # noqa: UP042 (PEFT takes "Method." off its str)
    """A method's name in PEFT's tables: `register_peft_method` takes members of PEFT's own closed enumeration only."""

    STRUCTMAT_BLOCK_CIRCULANT = "STRUCTMAT_BLOCK_CIRCULANT"


@dataclasses.dataclass
class BlockCirculantConfig(PeftConfig):  # type: ignore[misc]
    r"""Block-circulant adapters for `peft.get_peft_model`, y = W x + b + Δ x / n for a layer of n inputs.

    Δ consists of circulant blocks given by their first rows, which alone are learned: for the same rows the adapter
    equals that of `peft.C3AConfig`. Here sizes and blocks need not divide each other, several active adapters add up,
    and unmerging restores the old weight of a layer, bit by bit.

    Parameters
    ----------
    block_size : int, optional
        Size b of the blocks, at most the larger size of a layer; an adapter has ⌈m/b⌉ ⌈n/b⌉ b parameters for m outputs.
        The last blocks are cut.
    target_modules : list of str or str, optional
        Layers to adapt, each a `torch.nn.Linear`, a Conv1D of transformers or a structured layer of
        `structmat.nn.torch`: ends of their names, a regular expression, or "all-linear"; by default the layers that
        LoRA adapts in known architectures.
    init_weights : bool or {"xavier_uniform", "kaiming_uniform", "gaussian"}, optional
        True, the default, starts with zeros, so that the model is unchanged. The others draw as C3A does, from
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
        A layer is of another class (raised when the model is made).

    Notes
    -----
    Importing `structmat.nn.peft` enters the method into PEFT's tables under the name "STRUCTMAT_BLOCK_CIRCULANT", so
    import it before `PeftModel.from_pretrained`, too. The whole of PEFT works from there: saving and loading, several
    adapters, merging, disabling and deleting them, mixed precision, and `torch.compile`.

    The derivative is the operator's own `backward`. Active adapters of one block size are one product, by the sum of
    their kernels. Kernels are kept in single precision beside a model in half precision.

    Merging adds the adapters' entries, which are read from the definition, to the weight. The old weight is kept until
    the adapters are unmerged, since a difference in floating point would not restore it; `merge_and_unload` keeps it
    for one layer at a time. A structured layer is replaced by a layer of the sum of its own operator and the adapters'.
    A weight that can't hold the sum, quantised or computed from other parameters, is refused.

    In evaluation mode `adapter_names` chooses an adapter for each row of a batch, as for LoRA; "__base__" is none:
    ``model(x, adapter_names=["default", "__base__"])``.

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
        """Check the options and convert them to PEFT's types."""
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
        if adapter_name not in self.active_adapters:  # an adapter that is added is not yet active
            layer.requires_grad_(False)
        self._replace_module(parent, target_name, layer, target)

    def _check_adapter_names(self, names: Sequence[str]) -> None:
        known = {
            name for part in self.modules() if isinstance(part, BlockCirculantLayer) for name in part.structmat_kernel
        }
        given = [names] if isinstance(names, str) else names
        unknown = [str(name) for name in dict.fromkeys(given) if name not in known]
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: adapter_names has {', '.join(unknown)}; the adapters are "
                f"{', '.join(sorted(known))}."
            )

    @contextlib.contextmanager
    def _enable_peft_forward_hooks(self, *_: Any, **keywords: Any) -> Iterator[None]:
        """Pass `adapter_names` to the layers while PEFT calls the model; beams repeat the rows of a decoder."""
        names = keywords.get("adapter_names")
        if names is None:
            yield
            return
        title = type(self).__name__
        if isinstance(names, str) or not isinstance(names, Sequence):
            raise TypeError(f"{title}: adapter_names is {names!r}; expected a list of names, one for each row.")
        if self.training:
            raise ValueError(f"{title}: adapter_names is given in training mode; call model.eval() before.")
        self._check_adapter_names([name for name in names if name != BASE])
        beams = keywords.get("num_beams") or 1
        repeated = [name for name in names for _ in range(beams)]
        encoder = self.model.get_encoder() if hasattr(self.model, "get_encoder") else self.model
        encoding = set() if encoder is None or encoder is self.model else set(encoder.modules())
        handles = [
            part.register_forward_pre_hook(_choice(list(names) if part in encoding else repeated), with_kwargs=True)
            for part in self.modules()
            if isinstance(part, BlockCirculantLayer | AuxiliaryTrainingWrapper)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def merge_adapter(self, adapter_names: list[str] | None = None, safe_merge: bool = False) -> None:
        """Merge adapters, the active ones unless named, into the base layers."""
        self._check_adapter_names(adapter_names or ())
        super().merge_adapter(adapter_names, safe_merge)

    def merge_and_unload(
        self, progressbar: bool = False, safe_merge: bool = False, adapter_names: list[str] | None = None
    ) -> nn.Module:
        """Merge adapters, the active ones unless named, and return the model without PEFT's layers."""
        self._check_adapter_names(adapter_names or ())
        return super().merge_and_unload(progressbar, safe_merge, adapter_names)


def _choice(names: list[str]) -> Callable[..., Any]:
    def hook(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        return given, {**named, "adapter_names": names}

    return hook


for table, entry in (
    (PEFT_TYPE_TO_CONFIG_MAPPING, BlockCirculantConfig),
    (PEFT_TYPE_TO_TUNER_MAPPING, BlockCirculantModel),
    (PEFT_TYPE_TO_PREFIX_MAPPING, BlockCirculantModel.prefix),
):
    table.update({Method.STRUCTMAT_BLOCK_CIRCULANT: entry})
