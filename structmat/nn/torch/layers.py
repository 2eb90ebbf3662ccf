"""Layers: an operator's arrays as parameters and buffers of a module, its products as one node of the graph."""

from __future__ import annotations  # the documentation is built without PyTorch

import copy
import dataclasses
import functools
import math
import operator as operators
from collections import Counter
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from structmat._backend import as_namespace, namespace_name, real_dtype
from structmat.core.base import LinearOperator
from structmat.core.fields import checked_size
from structmat.core.leaf import Leaf
from structmat.interop.torch import Form, autocast_dtype
from structmat.nn.circulant import checked_block_size
from structmat.projections import (
    block_circulant_projection,
    circulant_projection,
    fastfood,
    low_rank,
    toeplitz_projection,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class StructuredLinear(nn.Module):  # type: ignore[misc]
    r"""Affine layer of any operator, y = A x + b, in the place of `torch.nn.Linear`.

    Parameters
    ----------
    operator : LinearOperator
        Of PyTorch, shape (out_features, in_features). Its parameters become those of the module and have its values;
        its other arrays, such as signs, and frozen parameters become buffers.
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
    axis of 2. A learned array that stands twice in the operator is one parameter.

    Arrays of integers, signs and permutations, are buffers of their digits, "signs_digits", which averages of buffers
    (`torch.optim.swa_utils.AveragedModel` with ``use_buffers=True``) don't change. The attribute "signs" has the
    integers themselves; they may be assigned or changed in place. `load_state_dict` takes "signs" as well, which
    checkpoints of earlier releases have, and refuses what the operator can't have, such as an index that is no
    permutation.

    Half precision, also that of `torch.autocast`, is that of inputs, outputs and parameters: products compute in single
    precision. The derivative is the operator's own `backward`, also in code that `torch.compile` makes; under
    `torch.func` and in forward mode PyTorch differentiates each step of the product.

    Weight decay multiplies parameters by 1 - lr * weight_decay a step, and so a matrix that is linear in them, as it
    does a dense one: all parameters but the bias belong into the group with weight decay, whatever their shapes;
    rules such as "no decay where ndim < 2" leave a circulant out. A product of p parameters, two in `LowRankLinear` and
    three in `FastfoodLinear`, decays p times as fast: divide the weight decay by p for the same rate.

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
        title = type(self).__name__
        if not isinstance(operator, LinearOperator):
            raise TypeError(f"{title}: operator is a {type(operator).__name__}; expected a LinearOperator.")
        if operator.xp is not None and operator.xp is not as_namespace(torch):
            raise TypeError(
                f"{title}: {operator._head} has arrays of {namespace_name(operator.xp)}; expected torch: convert it "
                f"with A.to(xp=torch)."
            )
        self.out_features, self.in_features = operator.shape
        self._form = Form(operator)
        self._slots: list[str] = []  # the name of each array
        self._integers: dict[str, torch.dtype] = {}
        self._last: dict[str, tuple[torch.Tensor, int, int, torch.Tensor]] = {}  # the integers of digits
        self._kinds = [array.is_complex() for array in operator._arrays]
        names: dict[tuple[int, bool], str] = {}
        for (name, is_param, bound), array in zip(_named(operator), operator._arrays, strict=True):
            one = id(array), is_param  # where it is frozen, it stays what it is
            if one not in names:
                names[one] = name
                held = torch.view_as_real(array) if array.is_complex() else array
                if is_param:
                    self.register_parameter(name, nn.Parameter(held.detach().clone()))
                elif not held.is_floating_point():
                    self._register_integers(name, held, bound)
                else:
                    self.register_buffer(name, held.detach().clone())
            self._slots.append(names[one])
        if bias:
            dtype = None if operator.dtype is None else real_dtype(operator.xp, operator.dtype)
            self.bias = nn.Parameter(torch.empty(self.out_features, dtype=dtype, device=operator.device))
            self._reset_bias(generator)
        else:
            self.register_parameter("bias", None)

    def _reset_bias(self, generator: torch.Generator | None) -> None:
        if self.bias is not None:
            draws = torch.rand(self.out_features, generator=generator, device=_home(generator))
            with torch.no_grad():
                self.bias.copy_((2 * draws - 1) / math.sqrt(self.in_features))

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the bias anew, as `torch.nn.Linear` does; an operator that was given keeps its values.

        Parameters
        ----------
        generator : torch.Generator, optional
            Source of the draws, PyTorch's own unless given.
        """
        self._reset_bias(generator)

    def _values(self) -> list[torch.Tensor]:
        """The operator's arrays."""
        values = [self._integer(name) if name in self._integers else getattr(self, name) for name in self._slots]
        return list(map(_as_complex, values, self._kinds)) if True in self._kinds else values

    def _register_integers(self, name: str, values: torch.Tensor, bound: int) -> None:
        if values.element_size() == 1:  # signs, no numbers of rows or columns
            bound = min(bound, 14)
        self._integers[name] = values.dtype
        self.register_buffer(f"{name}_digits", _as_digits(values, bound))

    def _integer(self, name: str) -> torch.Tensor:
        """The integers of a buffer of digits: those of the last time if it has not changed."""
        digits = getattr(self, f"{name}_digits")
        if torch.compiler.is_compiling() or torch.jit.is_tracing():
            return _as_integers(digits, self._integers[name])
        last = self._last.get(name)
        if last is not None and last[0] is digits and last[1:3] == (digits._version, digits.data_ptr()):
            return last[3]
        values = _as_integers(digits, self._integers[name])
        if _is_plain(digits) and not digits.is_inference():  # whose changes are not counted
            self._last[name] = digits, digits._version, digits.data_ptr(), values
        return values

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is derived."""
        return {**self.__dict__, "_last": {}}

    def __getattr__(self, name: str) -> Any:
        """Return integers, which are kept by their digits, beside what every module returns."""
        if name in self.__dict__.get("_integers", ()):
            values = self._integer(name).clone()
            what, hint = f"{type(self).__name__}.{name} is made of its digits", f"Assign layer.{name} = values."
            return _derived(values, _Origin(self, what, hint, lambda: self._set_integers({name: values})))
        return super().__getattr__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set integers by their digits, beside what every module sets."""
        if name in self.__dict__.get("_integers", ()):
            self._set_integers({name: value})
        elif name == "weight":
            if not (isinstance(value, _Derived) and value._origin.owner is self):  # PEFT puts back what it read
                raise RuntimeError(f"{type(self).__name__}.weight can't be set. {self._hint}")
        else:
            super().__setattr__(name, value)

    def _set_integers(self, given: dict[str, torch.Tensor]) -> None:
        for name, digits in self._new_digits(given).items():
            held = self._buffers[name]
            if held.is_meta or held.shape != digits.shape:
                self._buffers[name] = digits
            else:
                with torch.no_grad():
                    held.copy_(digits)

    def _new_digits(self, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The buffers of integers that are to be written over, unless the operator can't have them."""
        values = dict(zip(self._slots, self._values(), strict=True))
        for name, new in given.items():
            old, title = values[name], f"{type(self).__name__}: {name}"
            if not isinstance(new, torch.Tensor):
                raise TypeError(f"{title} is a {type(new).__name__}; expected a torch.Tensor.")
            if new.shape != old.shape:
                raise ValueError(f"{title} has shape {tuple(new.shape)}; expected {tuple(old.shape)}.")
            if new.is_complex() or (new.is_floating_point() and not new.is_meta and not torch.equal(new, new.round())):
                raise ValueError(f"{title} has values that are no integers.")
            values[name] = new.detach().to(old.dtype) if old.is_meta else new.detach().to(old)
        known = {name: values[name] for name in self._integers}
        if known and not any(value.is_meta for value in known.values()):
            where = next(iter(known.values())).device
            blank = {name: torch.zeros(value.shape, dtype=value.dtype, device=where) for name, value in values.items()}
            self._form.operator._with_arrays([{**blank, **known}[name] for name in self._slots])._map(_checked)
        count = {name: len(self._buffers[f"{name}_digits"]) for name in given}
        return {f"{name}_digits": _as_digits(values[name], 16 ** count[name] - 2) for name in given}

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        """Load the integers of checkpoints of earlier releases as digits."""
        given = {name: state_dict[f"{prefix}{name}"] for name in self._integers if f"{prefix}{name}" in state_dict}
        if given:
            digits = {f"{name}_digits": self._buffers[f"{name}_digits"] for name in given}
            try:
                digits |= self._new_digits(given)
            except (TypeError, ValueError) as error:
                arguments[-1].append(f"{prefix or 'the layer'}: {error} Averages of integers are lost; load others.")
            others = {key: value for key, value in state_dict.items() if key.removeprefix(prefix) not in given}
            state_dict = {**{f"{prefix}{name}": value for name, value in digits.items()}, **others}
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the state of a pickle, also of one from before integers were kept by their digits."""
        super().__setstate__(state)
        if "_integers" not in state:
            self._integers, self._last = {}, {}
            bounds = {name: bound for name, _, bound in _named(self._form.operator)}
            for name in set(self._slots) & set(self._buffers):
                if not self._buffers[name].is_floating_point():
                    self._register_integers(name, self._buffers.pop(name), bounds[name])

    @property
    def operator(self) -> LinearOperator:
        """The operator with the parameters as they are now: products with it are differentiated in them."""
        return self._form.filled(self._values())

    @property
    def weight(self) -> torch.Tensor:
        """The dense matrix, written out at each access, for code that asks a `torch.nn.Linear` for its weight.

        It can be read only: a change in place, which would be lost, raises a RuntimeError, of ``weight.data`` and other
        views too.
        """
        return _derived(self.to_dense(), _Origin(self, f"{type(self).__name__}.weight is written out", self._hint))

    @property
    def _hint(self) -> str:
        return (
            f"Change the parameters instead ({', '.join(name for name, _ in self.named_parameters())}), draw them anew "
            f"by reset_parameters(), or take structmat.nn.torch.decompress first, which makes a torch.nn.Linear. A "
            f"tensor of your own is layer.to_dense()."
        )

    def to_dense(self) -> torch.Tensor:
        """Write the matrix out.

        Returns
        -------
        torch.Tensor, shape (out_features, in_features)
            What `torch.nn.Linear` has as its weight; differentiated in the parameters.
        """
        if torch.compiler.is_compiling():  # it traces products, but not how operators are made
            values = self._values()
            reals = [value.real for value in (*values, self.bias) if value is not None]
            like = next((value for value in reals if value.is_floating_point()), torch.empty(0))
            eye = torch.eye(self.in_features, dtype=like.dtype, device=like.device)
            return self._form.matvec(eye, values).mT
        A = self.operator
        if A.dtype is not None:
            return A.to_dense()
        dtype = torch.get_default_dtype() if self.bias is None else self.bias.dtype
        return A.matmat(torch.eye(A.n, dtype=dtype, device=A.device))

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Map vectors (..., in_features) to (..., out_features)."""
        if isinstance(input, torch.Tensor) and input.shape[-1:] != (self.in_features,):
            raise ValueError(
                f"{type(self).__name__}: input has shape {tuple(input.shape)}; its last axis must be in_features = "
                f"{self.in_features}."
            )
        half = autocast_dtype(input)
        if half is None:
            return self._mapped(input)
        with torch.autocast(input.device.type, enabled=False):
            y = self._mapped(input)
        return y if y.is_complex() or y.dtype == torch.float64 else y.to(half)

    def _mapped(self, x: torch.Tensor) -> torch.Tensor:
        y = self._form.matvec(x, self._values())
        return y if self.bias is None else y + self.bias

    def extra_repr(self) -> str:
        """Describe the layer in one line."""
        sizes = f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
        return ", ".join(filter(None, (sizes, self._details)))

    @property
    def _details(self) -> str:
        return f"operator={type(self._form.operator).__name__}"


def _named(A: LinearOperator) -> list[tuple[str, bool, int]]:
    """A name for each array of an operator, whether it is a parameter, and the larger size of its leaf."""
    found: list[tuple[str, bool, int]] = []

    def look(leaf: LinearOperator) -> LinearOperator:
        learned = {name for name, _ in leaf._own_params}
        fields = leaf._array_fields if isinstance(leaf, Leaf) else ()
        found.extend((name, name in learned, max(leaf.shape)) for name in fields)
        return leaf

    A._map(look)
    totals = Counter(name for name, _, _ in found)
    seen: Counter[str] = Counter()
    named = []
    for name, is_param, size in found:
        named.append((f"{name}_{seen[name]}" if totals[name] > 1 else name, is_param, size))
        seen[name] += 1
    return named


def _checked(leaf: LinearOperator) -> LinearOperator:
    if isinstance(leaf, Leaf):
        leaf._check()
    return leaf


def _as_digits(values: torch.Tensor, bound: int) -> torch.Tensor:
    """Integers from -1 to `bound` by the hexadecimal digits of value + 1, along a first axis; others by all digits.

    A digit d is kept as 8 d + 4, so that a change by less than 4 doesn't matter: an average of equal integers is
    truncated, and loses 1 at first and up to 2 u x / (1 - decay) in the end, u = 2^-24. For the digits of all numbers
    that is less than 3 up to a decay of 0.999995; for the index 4096 itself it is 49 at 0.99999.
    """
    count = 1
    while 16**count < bound + 2:
        count += 1
    shifted = values.long() + 1
    if not values.is_meta and ((shifted < 0) | (shifted >> 4 * count != 0)).any():
        count = 2 * values.element_size()
    return torch.stack([8 * (shifted >> 4 * place & 15) + 4 for place in range(count)]).to(torch.int8)


def _as_integers(digits: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    digits = torch.div(digits.long(), 8, rounding_mode="floor")
    shifted = digits[-1]
    for place in reversed(range(len(digits) - 1)):
        shifted = 16 * shifted + digits[place]
    return (shifted - 1).to(dtype)


def _is_plain(value: torch.Tensor) -> bool:
    """Tell whether a tensor is one of PyTorch's own with memory of its own, outside of all that traces."""
    return not (
        type(value) not in (torch.Tensor, nn.Parameter)
        or torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._functorch.is_functorch_wrapped_tensor(value)
    )


@dataclasses.dataclass(frozen=True)
class _Origin:
    """Where a tensor comes from that is made anew at each access, and what becomes of a change in place."""

    owner: nn.Module
    what: str
    hint: str
    store: Callable[[], None] | None = None

    def refuse(self, change: str) -> None:
        raise RuntimeError(f"{self.what} at each access, so {change} would change nothing. {self.hint}")


class _Derived(torch.Tensor):  # type: ignore[misc]
    """A tensor that is made anew at each access: changes in place, of its views too, are stored or refused."""

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function of PyTorch, and see what it writes to."""
        kwargs = kwargs or {}
        tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, cls)]
        with torch._C.DisableTorchFunctionSubclass(), _Watch(tensors) as watch:
            if func.__name__ in ("__set__", "requires_grad_") and isinstance(args[0], cls):
                args[0]._origin.refuse("this")
            result = func(*args, **kwargs)
            if func.__name__ in ("numpy", "__array__"):
                result.flags.writeable = False
            elif type(result) in (list, tuple):  # of views
                result = type(result)(map(watch.derived, result))
            else:
                result = watch.derived(result)
        for store in watch.stores:
            store()
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a plain tensor."""
        with torch._C.DisableTorchFunctionSubclass():
            return self.as_subclass(torch.Tensor).clone().__reduce_ex__(protocol)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        """Return a plain tensor."""
        with torch._C.DisableTorchFunctionSubclass():
            return copy.deepcopy(self.as_subclass(torch.Tensor), memo)


class _Watch(TorchDispatchMode):  # type: ignore[misc]
    """Sees which of PyTorch's operations write to derived tensors, by their schemas."""

    def __init__(self, tensors: list[_Derived]) -> None:
        super().__init__()
        self.tensors = tensors
        self.stores: list[Callable[[], None]] = []

    def _source(self, value: Any) -> _Derived | None:
        """The tensor whose memory a value has."""
        if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
            return None
        return next((each for each in self.tensors if torch._C._is_alias_of(value, each)), None)

    def derived(self, value: Any) -> Any:
        """Mark a result that is a view of a derived tensor."""
        source = None if isinstance(value, _Derived) else self._source(value)
        return value if source is None else _derived(value, source._origin)

    def __torch_dispatch__(self, op: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        """Run an operation, unless it writes to what nothing stores."""
        kwargs = kwargs or {}
        for place, argument in enumerate(op._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                for value in tree_leaves(args[place] if place < len(args) else kwargs.get(argument.name)):
                    source = self._source(value)
                    if source is not None and source._origin.store is None:
                        source._origin.refuse(op._schema.name.removeprefix("aten::"))
                    if source is not None:
                        self.stores.append(source._origin.store)
        return op(*args, **kwargs)


def _derived(value: torch.Tensor, origin: _Origin) -> torch.Tensor:
    if not _is_plain(value):
        return value
    marked: torch.Tensor = value.as_subclass(_Derived)
    marked.__dict__["_origin"] = origin
    return marked


def _home(generator: torch.Generator | None) -> torch.device:
    """Where random numbers are drawn: on the host, so that one seed gives one layer on every device."""
    if not isinstance(generator, torch.Generator | None):
        raise TypeError(f"generator is a {type(generator).__name__}; expected a torch.Generator or None.")
    return torch.device("cpu") if generator is None else generator.device


def _as_complex(value: torch.Tensor, is_complex: bool) -> torch.Tensor:
    if not is_complex:
        return value
    return torch.view_as_complex(value.float() if value.dtype in (torch.float16, torch.bfloat16) else value)


class RandomLinear(StructuredLinear):
    """A layer whose operator is drawn: what the layers below share.

    Entries of the matrix have mean 0 and in the mean the variance of those of `torch.nn.Linear`, 1/(3 in_features).
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool,
        *,
        device: Any,
        dtype: torch.dtype | None,
        generator: torch.Generator | None,
        **options: Any,
    ) -> None:
        title = type(self).__name__
        for name, value in {"in_features": in_features, "out_features": out_features}.items():
            checked_size(title, name, value)
        dtype = torch.get_default_dtype() if dtype is None else dtype
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise TypeError(f"{title}: dtype is {dtype}; expected a real floating dtype of torch.")
        self.__dict__["options"] = options  # before the module is set up: the draw needs them
        drawn = self._drawn(in_features, out_features, dtype, generator)
        where = torch.get_default_device() if device is None else torch.device(device)
        super().__init__(drawn.to(device=where), bias, generator=generator)

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        """Draw a projection with E‖P x‖² = ‖x‖²."""
        raise NotImplementedError

    _scaled = slice(None)  # the parameters that the scale goes into: together they enter P linearly

    def _drawn(self, d: int, k: int, dtype: torch.dtype, generator: torch.Generator | None) -> LinearOperator:
        home = _home(generator)
        seed = int(torch.randint(2**63 - 1, (), generator=generator, device=home))
        P = self._projection(d, k, rng=seed, dtype=dtype, xp=torch, device=torch.device("cpu"))
        scaled = {id(value) for value in P.params[self._scaled]}
        scale = math.sqrt(k / (3 * d))
        P = P.with_params([value * scale if id(value) in scaled else value for value in P.params])
        if not self.options.get("signs", True):
            P = functools.reduce(operators.matmul, P.parts[:-1])  # type: ignore[attr-defined]
        return P if self.options.get("learn", True) else P.freeze()

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the operator and the bias anew.

        Parameters
        ----------
        generator : torch.Generator, optional
            Source of the draws, PyTorch's own unless given.
        """
        values = dict(zip(self._slots, self._values(), strict=True))
        dtype = next(value.real.dtype for value in values.values() if value.is_floating_point() or value.is_complex())
        arrays = self._drawn(self.in_features, self.out_features, dtype, generator)._arrays
        drawn = dict(zip(self._slots, arrays, strict=True))
        self._set_integers({name: drawn[name] for name in self._integers})
        with torch.no_grad():
            for name in values.keys() - self._integers:
                values[name].copy_(drawn[name])
        self._reset_bias(generator)

    @property
    def _details(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.options.items() if value is not None)


class CirculantLinear(RandomLinear):
    """Affine layer of a circulant matrix, y = R D x + b, in the place of `torch.nn.Linear`.

    D flips random signs, which are fixed; R is circulant and learned. Any sizes: out_features ≤ in_features takes the
    first outputs of one circulant, a larger out_features puts several on top of each other, which share one transform
    of x.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of x and y.
    bias : bool, optional
        Whether b is learned; otherwise there is none.
    block_size : int, optional
        Size of circulant blocks, from 1 (a dense matrix) to max(in_features, out_features); those at the ends are cut.
        One circulant, or a stack of them, unless given.
    signs : bool, optional
        Whether there is a D.
    learn : bool, optional
        Whether R is learned; otherwise it is random and fixed.
    device : device, optional
        Where the module is.
    dtype : torch.dtype, optional
        Of its parameters.
    generator : torch.Generator, optional
        Source of all draws, PyTorch's own unless given.

    Raises
    ------
    ValueError
        A size is not a positive int, or `block_size` is larger than both sizes.
    TypeError
        `dtype` is not a real floating one.

    Notes
    -----
    Cost: that of `circulant_projection` or `block_circulant_projection`; for square layers of n features O(n) memory
    and O(n log n) time a vector.

    References
    ----------
    .. [1] Y. Cheng, F. X. Yu, R. S. Feris, S. Kumar, A. Choudhary and S.-F. Chang, "An exploration of parameter
       redundancy in deep networks with circulant projections", *ICCV* 2015.

    Examples
    --------
    >>> import torch
    >>> from structmat.nn.torch import CirculantLinear
    >>> layer = CirculantLinear(784, 100)
    >>> layer(torch.zeros(32, 784)).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([32, 100]), 884)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        block_size: int | None = None,
        signs: bool = True,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        options = {"block_size": block_size, "signs": signs, "learn": learn}
        super().__init__(in_features, out_features, bias, device=device, dtype=dtype, generator=generator, **options)

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        block_size = self.options["block_size"]
        if block_size is None:
            return circulant_projection(d, k, **common)
        block_size = checked_block_size(type(self).__name__, d, k, block_size)
        return block_circulant_projection(d, k, block_size=block_size, **common)


class BlockCirculantLinear(CirculantLinear):
    """Affine layer of circulant blocks: `CirculantLinear` with a block size, and no signs unless asked for.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of x and y.
    block_size : int
        Size b of the blocks, which need not divide the sizes; at most the larger of these.
    bias : bool, optional
        Whether a bias is learned.
    signs, learn, device, dtype, generator
        As for `CirculantLinear`.

    Raises
    ------
    ValueError, TypeError
        As for `CirculantLinear`.

    References
    ----------
    .. [1] C. Ding et al., "CirCNN: accelerating and compressing deep neural networks using block-circulant weight
       matrices", *MICRO* 2017.

    Examples
    --------
    >>> from structmat.nn.torch import BlockCirculantLinear
    >>> BlockCirculantLinear(784, 100, block_size=50)
    BlockCirculantLinear(in_features=784, out_features=100, bias=True, block_size=50, signs=False, learn=True)
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        block_size: int,
        bias: bool = True,
        *,
        signs: bool = False,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        common = {"signs": signs, "learn": learn, "device": device, "dtype": dtype, "generator": generator}
        super().__init__(in_features, out_features, bias, block_size=block_size, **common)


class ToeplitzLinear(RandomLinear):
    """Affine layer of a Toeplitz matrix after fixed random signs.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of x and y.
    bias : bool, optional
        Whether a bias is learned.
    signs, learn, device, dtype, generator
        As for `CirculantLinear`.

    Raises
    ------
    ValueError, TypeError
        As for `CirculantLinear`.

    Examples
    --------
    >>> from structmat.nn.torch import ToeplitzLinear
    >>> sum(p.numel() for p in ToeplitzLinear(784, 100, bias=False).parameters())  # one entry has no effect
    884
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        signs: bool = True,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            in_features, out_features, bias, device=device, dtype=dtype, generator=generator, signs=signs, learn=learn
        )

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        return toeplitz_projection(d, k, **common)


class FastfoodLinear(RandomLinear):
    """Affine layer of adaptive Fastfood, S H G Π H B with learned diagonals and fixed transforms and permutation.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of x and y; x is padded to the next order of a Hadamard matrix.
    bias : bool, optional
        Whether a bias is learned.
    learn, device, dtype, generator
        As for `CirculantLinear`.

    Raises
    ------
    ValueError, TypeError
        As for `CirculantLinear`.

    References
    ----------
    .. [1] Z. Yang, M. Moczulski, M. Denil, N. de Freitas, A. Smola, L. Song and Z. Wang, "Deep fried convnets", *ICCV*
       2015.

    Examples
    --------
    >>> from structmat.nn.torch import FastfoodLinear
    >>> sum(p.numel() for p in FastfoodLinear(784, 500, bias=False).parameters())
    2548
    """

    _scaled = slice(None, None, 3)  # S of S, G and B in each block

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device=device, dtype=dtype, generator=generator, learn=learn)

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        return fastfood(d, k, adaptive=True, **common)


class LowRankLinear(RandomLinear):
    """Affine layer of a matrix of low rank, U Vᵀ.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of x and y.
    rank : int
        Columns of U and V; at most the smaller of the sizes.
    bias : bool, optional
        Whether a bias is learned.
    learn, device, dtype, generator
        As for `CirculantLinear`.

    Raises
    ------
    ValueError, TypeError
        As for `CirculantLinear`.

    References
    ----------
    .. [1] T. N. Sainath, B. Kingsbury, V. Sindhwani, E. Arisoy and B. Ramabhadran, "Low-rank matrix factorization for
       deep neural network training with high-dimensional output targets", *ICASSP* 2013.

    Examples
    --------
    >>> from structmat.nn.torch import LowRankLinear
    >>> sum(p.numel() for p in LowRankLinear(784, 100, rank=8, bias=False).parameters())
    7072
    """

    _scaled = slice(1)

    def __init__(
        self,
        in_features: int,
        out_features: int,
        rank: int,
        bias: bool = True,
        *,
        learn: bool = True,
        device: Any = None,
        dtype: torch.dtype | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(
            in_features, out_features, bias, device=device, dtype=dtype, generator=generator, rank=rank, learn=learn
        )

    def _projection(self, d: int, k: int, **common: Any) -> LinearOperator:
        rank = checked_size(type(self).__name__, "rank", self.options["rank"])
        if rank > min(d, k):
            raise ValueError(
                f"{type(self).__name__}: rank is {rank}; expected at most min(in_features, out_features) = {min(d, k)}."
            )
        return low_rank(d, k, rank, **common)
