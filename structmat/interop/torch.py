"""Products in PyTorch's graph, by the operator's own `forward` and `backward`."""

from __future__ import annotations  # the documentation is built without PyTorch

import sys
import warnings
from typing import TYPE_CHECKING, Any

import torch

from structmat.core.base import LinearOperator, Saved
from structmat.interop import template
from structmat.interop.torch_structures import Structure, structure_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_ORDINARY = {torch.Tensor, torch.nn.Parameter}  # classes of tensors that are no DTensors


class _Place(int):
    """The place of a tensor in a list."""


def _pack(tape: tuple[Any, ...], tensors: list[torch.Tensor]) -> tuple[Any, ...]:
    """Append the tensors of a nested tuple to a list, and return the tuple with their places there."""
    packed = list(tape)
    for place, item in enumerate(tape):
        if isinstance(item, tuple):
            packed[place] = _pack(item, tensors)
        elif isinstance(item, torch.Tensor):
            packed[place] = _Place(len(tensors))
            tensors.append(item)
    return getattr(type(tape), "_make", tuple)(packed)


def _unpack(packed: tuple[Any, ...], tensors: Sequence[torch.Tensor]) -> tuple[Any, ...]:
    """Return the nested tuple that `_pack` was given."""
    tape = list(packed)
    for place, item in enumerate(packed):
        if isinstance(item, tuple):
            tape[place] = _unpack(item, tensors)
        elif isinstance(item, _Place):
            tape[place] = tensors[item]
    return getattr(type(packed), "_make", tuple)(tape)


def autocast_dtype(x: torch.Tensor) -> torch.dtype | None:
    """Return autocast's dtype on the device of x, None if autocast is off; None also if x is no tensor."""
    if not isinstance(x, torch.Tensor):
        return None
    device_type = x.device.type
    is_known = device_type == "cpu" or torch.amp.is_autocast_available(device_type)
    is_on = is_known and torch.is_autocast_enabled(device_type)
    return torch.get_autocast_dtype(device_type) if is_on else None


class _Product(torch.autograd.Function):  # type: ignore[misc]
    """A x as one node of the graph, whose inputs are x and the parameters of A."""

    @staticmethod
    def forward(ctx: Any, A: LinearOperator, x: torch.Tensor, *params: torch.Tensor) -> torch.Tensor:
        y, (_, tape, *facts) = A.forward(x)
        tensors = [x, *params]
        ctx.operator, ctx.facts, ctx.tape = A, facts, _pack((tape,), tensors)
        ctx.save_for_backward(*tensors)
        return y

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        A, (x, *rest) = ctx.operator, ctx.saved_tensors

        def vjp(g: torch.Tensor) -> tuple[torch.Tensor, ...]:
            if torch.is_grad_enabled():  # for derivatives of derivatives: the tape has no graph
                dx, grads = A.with_params(rest[: len(A.params)]).vjp(x, g)
            else:
                (tape,) = _unpack(ctx.tape, (x, *rest))
                dx, grads = A.backward(Saved(A, tape, *ctx.facts), g)
            return dx, *grads

        with torch.autocast(g.device.type, enabled=False):
            grads = (None, *_for_each(vjp, g))
        return tuple([grad if needed else None for grad, needed in zip(grads, ctx.needs_input_grad, strict=True)])


def _for_each(function: Callable[..., tuple[torch.Tensor, ...]], g: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Apply a function to each gradient of a hidden batch, of vectorised Jacobians and of `is_grads_batched`.

    Such a tensor is batched by a mechanism older than torch.func, which has rules for few operations.
    """
    if not torch._C._functorch.is_legacy_batchedtensor(g):
        return function(g)
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    batch = torch._remove_batch_dim(g, level, 0, 0)
    return tuple(torch._add_batch_dim(found, 0, level) for found in torch.func.vmap(function)(batch))


def _is_recorded() -> bool:
    """Tell whether torch.func, forward mode or torch.jit.trace is active, which record each step of a product."""
    return (
        torch._C._functorch.peek_interpreter_stack() is not None
        or torch.autograd.forward_ad._current_level >= 0
        or torch.jit.is_tracing()
    )


def _is_transformed() -> bool:
    """Tell `torch.compile` whether torch.func or forward mode is active."""
    return torch._C._are_functorch_transforms_active() or bool(torch.autograd.forward_ad._current_level >= 0)


def matvec(A: LinearOperator, x: torch.Tensor) -> torch.Tensor:
    """Multiply PyTorch vectors (..., n) by an operator, as one node of PyTorch's graph.

    `A.matvec(x)` records every step of the product for autograd; here `A.backward` itself is the derivative, with the
    transforms that `A.forward` kept.
    """
    return _matvec(A, x, A._arrays, _is_recorded())


def _matvec(A: LinearOperator, x: torch.Tensor, arrays: Sequence[torch.Tensor], is_recorded: bool) -> torch.Tensor:
    """Multiply vectors by an operator; the caller has its arrays at hand, and knows whether a product is recorded."""
    if not _ORDINARY.issuperset(map(type, (x, *arrays))) and any(map(_is_distributed, (x, *arrays))):
        return _distributed_product(A, x, arrays)
    if is_recorded:
        if torch.jit.is_tracing() and torch.onnx.is_in_onnx_export():
            return _dense_product(A, x)
        if torch.autograd.forward_ad._current_level >= 0 and x.ndim == 1:
            return A.matvec(x[None, :])[0]  # PyTorch fails at two products of matrices with one vector
        return A.matvec(x)
    return _Product.apply(A, x, *A.params) if torch.is_grad_enabled() else A.matvec(x)


def _dense_product(A: LinearOperator, x: torch.Tensor) -> torch.Tensor:
    """Multiply by the dense matrix, a constant: PyTorch's older exporter to ONNX, by a trace, has no FFTs."""
    state = torch._C._get_tracing_state()
    torch._C._set_tracing_state(None)
    try:
        with torch.no_grad():
            matrix = A.matvec(torch.eye(A.n, dtype=A.dtype or x.dtype, device=x.device)).detach()
    finally:
        torch._C._set_tracing_state(state)
    return x @ matrix


def _is_distributed(x: Any) -> bool:
    """Tell whether a tensor is a DTensor."""
    module = sys.modules.get("torch.distributed.tensor")
    return isinstance(x, getattr(module, "DTensor", ()))


def _distributed_product(A: LinearOperator, x: Any, arrays: Sequence[Any]) -> torch.Tensor:
    """Multiply the vectors of each device by the whole operator.

    DTensors lack rules for some operations of products. None is needed: vectors are independent.
    """
    if not _is_distributed(x):
        raise TypeError(
            f"{A._head}.matvec: x is a {type(x).__name__} and the operator's arrays are DTensors; expected a DTensor: "
            f"make it one with torch.distributed.tensor.distribute_tensor."
        )
    from torch.distributed.tensor import DTensor, Partial, Replicate, Shard  # PyTorch 2.5

    mesh, last = x.device_mesh, x.ndim - 1
    places = [place if type(place) is Shard and place.dim < last else Replicate() for place in x.placements]
    everywhere = [Replicate()] * mesh.ndim
    summed = [Replicate() if place.is_replicate() else Partial() for place in places]  # gradients, over the vectors

    def local(array: Any) -> torch.Tensor:
        if _is_distributed(array):
            if array.device_mesh != mesh:
                raise TypeError(f"{A._head}.matvec: x and the operator are on two meshes; expected one.")
            return array.redistribute(mesh, everywhere).to_local(grad_placements=summed)
        if array.requires_grad:
            raise TypeError(
                f"{A._head}.matvec: x is a DTensor and a parameter of the operator a {type(array).__name__}, whose "
                f"gradient would be that of one device's vectors; expected DTensors: make them so with "
                f"torch.distributed.tensor.distribute_module."
            )
        return array

    whole_operator = A._with_arrays(list(map(local, arrays)))
    y = matvec(whole_operator, x.redistribute(mesh, places).to_local(grad_placements=places))
    shape = torch.Size((*x.shape[:-1], A.m))
    stride = torch.empty(shape, device="meta").stride()
    return DTensor.from_local(y, mesh, places, run_check=False, shape=shape, stride=stride)


class Template(template.Template):
    """An operator without its arrays, for PyTorch.

    Attributes
    ----------
    operator : LinearOperator
        The operator with arrays on PyTorch's device "meta", which have shapes and dtypes only.
    """

    library = "torch"
    structure: str

    def __init__(self, operator: LinearOperator, names: tuple[str, ...] | None = None) -> None:
        super().__init__(operator, names)
        self._shared = Structure.of(operator.to(device="meta"))
        self._shared.templates[id(self)] = self
        self.operator, self.structure = self._shared.operator, self._shared.key

    def __reduce__(self) -> tuple[Any, ...]:
        return Template, (self.operator, self.names)

    def bind(self, arrays: Sequence[torch.Tensor]) -> LinearOperator:
        """Return the operator with the given arrays, the last one again if they are the same and unchanged."""
        if torch.compiler.is_compiling():
            return self.operator._with_arrays(arrays)
        return self._shared.bind(arrays)

    def matvec(self, x: torch.Tensor, arrays: Sequence[torch.Tensor], *, keep: bool = True) -> torch.Tensor:
        """Multiply vectors by the operator that has these arrays; `torch.compile` sees one operation.

        The operator is kept for the next product by default; ``keep=False`` is for arrays made for one product.
        """
        if torch.compiler.is_dynamo_compiling():
            takes_kernels = self._shared.is_compiled and x.device.type == "cpu" and type(x) in _ORDINARY
            if takes_kernels and not torch.compiler.is_exporting() and not _is_transformed():
                return torch.ops.structmat.product(x, arrays, self.structure)
            return torch.ops.structmat.matvec(x, arrays, self.structure)
        if torch.jit.is_tracing():
            with warnings.catch_warnings():  # of sizes, which the operator has to be compared with
                warnings.simplefilter("ignore", torch.jit.TracerWarning)
                return _matvec(self.operator._with_arrays(arrays), x, arrays, is_recorded=True)
        is_recorded = _is_recorded()
        keep = keep and not is_recorded  # arrays of a trace must not outlive it
        return _matvec(self.bind(arrays) if keep else self.operator._with_arrays(arrays), x, arrays, is_recorded)


Form = Template  # its name in pickles of earlier releases


# CompositeImplicitAutograd: PyTorch decomposes the operation for autograd, meta tensors and vmap, so none of these
# needs a rule. Exported programs hold the names of its arguments.
torch.library.define("structmat::matvec", "(Tensor x, Tensor[] arrays, str form) -> Tensor")


@torch.library.impl("structmat::matvec", "CompositeImplicitAutograd")  # type: ignore[untyped-decorator]
def _matvec_of_structure(x: torch.Tensor, arrays: Sequence[torch.Tensor], form: str) -> torch.Tensor:
    return _matvec(structure_of(form).operator._with_arrays(arrays), x, arrays, _is_recorded())


@torch.library.register_vmap("structmat::matvec")  # type: ignore[untyped-decorator]
def _matvec_of_batch(
    info: Any, in_dims: tuple[Any, ...], x: torch.Tensor, arrays: Sequence[torch.Tensor], form: str
) -> tuple[torch.Tensor, int]:
    """Multiply a hidden batch of vectors, or each of its members if the operators differ."""
    at, array_dims, _ = in_dims
    if all(dim is None for dim in array_dims):
        return torch.ops.structmat.matvec(x.movedim(at, 0), arrays, form), 0
    products = []
    for k in range(info.batch_size):
        values = [array if dim is None else array.select(dim, k) for array, dim in zip(arrays, array_dims, strict=True)]
        products.append(torch.ops.structmat.matvec(x if at is None else x.select(at, k), values, form))
    return torch.stack(products), 0
