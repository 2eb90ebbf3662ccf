"""Any operator as a layer: its arrays as parameters and buffers, its products as one node of the graph."""

from __future__ import annotations  # the documentation is built without PyTorch

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from structmat._backend import dtypes
from structmat.interop.template import slots
from structmat.interop.torch import Template, autocast_dtype
from structmat.nn.torch.derived import Derived, Origin, derive
from structmat.nn.torch.digits import IntegerBuffers

if TYPE_CHECKING:
    from structmat.core.base import LinearOperator


class StructuredLinear(IntegerBuffers):
    r"""Affine layer of any operator, y = A x + b, in the place of `torch.nn.Linear`.

    Parameters
    ----------
    operator : LinearOperator
        Of PyTorch, shape (out_features, in_features). Copies of its parameters become parameters of the module, copies
        of its other arrays, such as signs, and of frozen parameters become buffers.
    bias : bool, optional
        Whether b is learned; otherwise there is none.
    generator : torch.Generator, optional
        Source of the bias, PyTorch's own unless given.

    Attributes
    ----------
    in_features, out_features : int
        Sizes of x and y.
    bias : torch.nn.Parameter or None
        Shape (out_features,).

    Raises
    ------
    TypeError
        `operator` is no operator, or its arrays are not PyTorch's.

    Notes
    -----
    Parameters and buffers have the names of the operator's fields, "column", with numbers where several have one name,
    "entries_0". All are real and of the time domain: a complex array is kept as real and imaginary parts along a last
    axis of 2. A learned array that occurs twice in the operator is one parameter.

    Arrays of integers, signs and permutations, are buffers of their digits, "signs_digits", which averages of buffers
    (``torch.optim.swa_utils.AveragedModel`` with ``use_buffers=True``) don't change. The attribute "signs" returns the
    integers themselves; they may be assigned or changed in place. `load_state_dict` takes "signs" of checkpoints of
    earlier releases as well, and rejects integers that the operator rejects, such as an index that is no permutation.

    Half precision, also of `torch.autocast`, is the precision of inputs, outputs and parameters; products compute in
    single precision. The derivative is the operator's own `backward`, also under `torch.compile`; under ``torch.func``
    and in forward mode PyTorch differentiates each step of the product.

    Weight decay multiplies parameters by 1 - lr * weight_decay a step, and therefore a matrix that is linear in them,
    like a dense one: all parameters but the bias belong into the group with weight decay, whatever their shapes; rules
    such as "no decay where ndim < 2" leave a circulant out. A product of p parameters, two in `LowRankLinear` and three
    in `FastfoodLinear`, decays p times as fast: divide the weight decay by p for the same rate.

    Examples
    --------
    >>> import torch
    >>> import structmat as sm
    >>> from structmat.nn.torch import StructuredLinear
    >>> hadamard, diagonal = sm.Hadamard(4, norm="ortho"), sm.Diagonal(torch.ones(4))
    >>> layer = StructuredLinear(hadamard @ diagonal @ hadamard, bias=False)
    >>> layer(torch.ones(2, 4)).shape, [name for name, _ in layer.named_parameters()]
    (torch.Size([2, 4]), ['entries'])

    Weight decay for every weight, dense or structured, and for no bias and no norm:

    >>> from structmat.nn.torch import CirculantLinear
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.LayerNorm(6), CirculantLinear(6, 6))
    >>> decayed, others = [], []
    >>> for part in model.modules():
    ...     for name, value in part.named_parameters(recurse=False):
    ...         is_weight = value.ndim > 1 or (isinstance(part, StructuredLinear) and name != "bias")
    ...         (decayed if is_weight else others).append(value)
    >>> groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    >>> optimiser = torch.optim.AdamW(groups)
    >>> [tuple(value.shape) for value in decayed]
    [(6, 8), (6,)]
    """

    def __init__(
        self, operator: LinearOperator, bias: bool = True, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self._template, found = Template.split(type(self).__name__, operator)
        self.out_features, self.in_features = operator.shape
        self._complex = {name for name, slot in found.items() if slot.array.is_complex()}
        for name, slot in found.items():
            held = (torch.view_as_real(slot.array) if name in self._complex else slot.array).detach()
            if slot.is_param:
                self.register_parameter(name, nn.Parameter(held.clone()))
            elif not held.is_floating_point():
                self._register_integers(name, held, slot.size)
            else:
                self.register_buffer(name, held.clone())
        if bias:
            dtype = None if operator.dtype is None else dtypes.real_dtype(operator.xp, operator.dtype)
            self.bias = nn.Parameter(torch.empty(self.out_features, dtype=dtype, device=operator.device))
            self._reset_bias(generator)
        else:
            self.register_parameter("bias", None)

    def _reset_bias(self, generator: torch.Generator | None) -> None:
        if self.bias is not None:
            draws = torch.rand(self.out_features, generator=generator, device=rng_device(generator))
            with torch.no_grad():
                self.bias.copy_((2 * draws - 1) / math.sqrt(self.in_features))

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the bias anew, as `torch.nn.Linear` does, by a generator or PyTorch's own; the operator stays."""
        self._reset_bias(generator)

    def _values(self) -> list[torch.Tensor]:
        values = []
        for name in self._template.names:
            value = self._integer(name) if name in self._integers else self._held(name)
            values.append(_as_complex(value) if name in self._complex else value)
        return values

    def _held(self, name: str) -> torch.Tensor | None:
        """Return a parameter or a buffer, parameters without the cost of `Module.__getattr__`."""
        return self._parameters[name] if name in self._parameters else getattr(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse a weight, and set other attributes as every layer with integers does."""
        if name != "weight":
            super().__setattr__(name, value)
        elif not (isinstance(value, Derived) and value.origin.owner is self):  # PEFT puts back what it read
            raise RuntimeError(f"{type(self).__name__}.weight can't be set. {self._hint}")

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a pickle, of earlier releases as well."""
        state = dict(state)
        if "_form" in state:
            names = tuple(state.pop("_slots"))
            state["_template"] = Template(state.pop("_form").operator, names)
            state["_complex"] = {name for name, flag in zip(names, state.pop("_kinds"), strict=True) if flag}
        super().__setstate__(state)
        if "_integers" not in state:  # they were buffers themselves
            self._integers, self._last = {}, {}
            sizes = {slot.name: slot.size for slot in slots(self._template.operator)}
            for name in {*self._template.names} & {*self._buffers}:
                if not self._buffers[name].is_floating_point():
                    self._register_integers(name, self._buffers.pop(name), sizes[name])

    @property
    def weight(self) -> torch.Tensor:
        """The dense matrix, written out at each access, for code that reads the weight of a `torch.nn.Linear`.

        It is read-only: a change in place, which would be lost, raises a RuntimeError, also through ``weight.data`` and
        other views.
        """
        return derive(self.to_dense(), Origin(self, f"{type(self).__name__}.weight is written out", self._hint))

    @property
    def _hint(self) -> str:
        return (
            f"Change the parameters instead ({', '.join(name for name, _ in self.named_parameters())}), draw them anew "
            f"by reset_parameters(), or take structmat.nn.torch.decompress first, which makes a torch.nn.Linear. "
            f"layer.to_dense() is a tensor that may be changed."
        )

    def to_dense(self) -> torch.Tensor:
        """Write the matrix out, shape (out_features, in_features), differentiated in the parameters."""
        values = self._values()
        if self._template.operator.dtype is not None and not torch.compiler.is_compiling():
            return self._template.bind(values).to_dense()
        # Compilers trace products, but not constructors of operators.
        held = [value.real for value in (*values, self.bias) if value is not None]
        dtype = next((value.dtype for value in held if value.is_floating_point()), torch.get_default_dtype())
        eye = torch.eye(self.in_features, dtype=dtype, device=held[0].device if held else None)
        return self._template.matvec(eye, values).mT

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Map vectors (..., in_features) to (..., out_features)."""
        if isinstance(input, torch.Tensor) and input.shape[-1:] != (self.in_features,):
            raise ValueError(
                f"{type(self).__name__}: input has shape {tuple(input.shape)}; its last axis must be in_features = "
                f"{self.in_features}."
            )
        half = autocast_dtype(input)
        if half is None:
            return self._affine(input)
        with torch.autocast(input.device.type, enabled=False):
            y = self._affine(input)
        return y if y.is_complex() or y.dtype == torch.float64 else y.to(half)

    def _affine(self, x: torch.Tensor) -> torch.Tensor:
        y = self._template.matvec(x, self._values())
        bias = self._held("bias")
        return y if bias is None else y + bias

    def extra_repr(self) -> str:
        """Describe the layer in one line."""
        sizes = f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        return ", ".join(filter(None, (sizes, self._details)))

    @property
    def _details(self) -> str:
        return f"operator={type(self._template.operator).__name__}"


def rng_device(generator: torch.Generator | None) -> torch.device:
    """Return the device that draws random numbers: the host by default, so that a seed gives one layer everywhere."""
    if not isinstance(generator, torch.Generator | None):
        raise TypeError(f"generator is a {type(generator).__name__}; expected a torch.Generator or None.")
    return torch.device("cpu") if generator is None else generator.device


def _as_complex(value: torch.Tensor) -> torch.Tensor:
    return torch.view_as_complex(value.float() if value.dtype in (torch.float16, torch.bfloat16) else value)
