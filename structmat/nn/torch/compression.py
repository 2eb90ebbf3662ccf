"""Models whose dense layers are replaced by structured ones, and back."""

from __future__ import annotations  # the documentation is built without PyTorch

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import nn

from structmat.nn.torch.dense import choose_layers, weight_of
from structmat.nn.torch.layers import (
    BlockCirculantLinear,
    CirculantLinear,
    FastfoodLinear,
    LowRankLinear,
    ToeplitzLinear,
)
from structmat.nn.torch.structured import StructuredLinear
from structmat.projections import fit, nearest

Method = Literal["nearest", "random", "data-aware"]
Rule = str | Callable[[str, nn.Module], dict[str, Any] | None]

RANDOM: dict[str, Callable[..., StructuredLinear]] = {
    "block_circulant": BlockCirculantLinear,
    "circulant": CirculantLinear,
    "fastfood": FastfoodLinear,
    "low_rank": LowRankLinear,
    "toeplitz": ToeplitzLinear,
}
FITTED = {structure: RANDOM[structure] for structure in ("block_circulant", "low_rank")}  # without random signs
ROWS = 4096  # vectors of a sample that a layer is fitted to


@dataclasses.dataclass(frozen=True)
class Replaced:
    """One layer that was replaced, or would be.

    Attributes
    ----------
    name : str
        Its place in the model.
    layer : StructuredLinear
        The new layer.
    parameters, bytes : pair of int
        Before and after, with bias and, in bytes, buffers.
    energy : float or None
        The share of the weight's squared norm that the structure retains, or for "data-aware" the share of the outputs'
        squared norm on the sample; None for "random".
    """

    name: str
    layer: StructuredLinear
    parameters: tuple[int, int]
    bytes: tuple[int, int]
    energy: float | None


@dataclasses.dataclass(frozen=True)
class Compression:
    """The report of `compress`: `print` shows a table.

    Attributes
    ----------
    layers : tuple of Replaced
        In the order of the model.
    parameters, bytes : pair of int
        Of the whole model, before and after.
    """

    layers: tuple[Replaced, ...]
    parameters: tuple[int, int]
    bytes: tuple[int, int]

    def __str__(self) -> str:
        rows = [("layer", "sizes", "parameters", "bytes", "energy")]
        for row in self.layers:
            energy = "" if row.energy is None else f"{row.energy:.3f}"
            sizes = f"{row.layer.in_features} → {row.layer.out_features}"
            rows.append((row.name, sizes, _change(row.parameters), _change(row.bytes), energy))
        rows.append(("model", "", _change(self.parameters), _change(self.bytes), ""))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([cells[0].ljust(widths[0]), *map(str.rjust, cells[1:], widths[1:])]).rstrip() for cells in rows
        )


def _change(pair: tuple[int, int]) -> str:
    return f"{pair[0]:,} → {pair[1]:,}"


def compress(
    model: nn.Module,
    rule: Rule,
    method: Method = "nearest",
    *,
    sample: Any = None,
    include: str | Sequence[str] = "*",
    exclude: str | Sequence[str] = (),
    ridge: float = 0.0,
    dry_run: bool = False,
    generator: torch.Generator | None = None,
    **options: Any,
) -> Compression:
    """Replace dense layers of a model by structured ones, in place.

    Replaced are `torch.nn.Linear` and the `Conv1D` of transformers, not their subclasses, which may do more than
    multiply, or be read by attention without a call. A weight that is computed from other parameters, by pruning,
    `weight_norm`, `spectral_norm` or ``torch.nn.utils.parametrize``, must be made permanent before.

    Parameters
    ----------
    model : torch.nn.Module
        A module that has the layers as parts, and is no layer itself.
    rule : str or callable
        The structure: for "nearest" and "data-aware" one of `structmat.projections.nearest` or `fit`, for
        "random" one of "block_circulant", "circulant", "fastfood", "low_rank" and "toeplitz". A callable gets the name
        of a layer and the layer, and returns a dictionary of "rule" and options, or None to leave it.
    method : {"nearest", "random", "data-aware"}, optional
        "nearest" takes the operator nearest to the weight, "data-aware" the operator whose outputs on the sample are
        nearest to the layer's, "random" a new layer to be trained, with a new bias. The first two keep the bias, and
        give a `BlockCirculantLinear` or `LowRankLinear` for these structures, otherwise a `StructuredLinear`.
    sample : tensor, tuple or dict, optional
        For "data-aware": arguments of the model, which is called in evaluation mode; a dictionary has arguments by
        name. Each layer is fitted to at most 4,096 of its input vectors, evenly spaced.
    include, exclude : str or sequence of str, optional
        Names of layers, with the wildcards of `fnmatch`; all unless given. Each must match a layer.
    ridge : float, optional
        For "data-aware": the weight of the squared parameters, as for `fit`.
    dry_run : bool, optional
        Whether to report only, and leave the model as it is.
    generator : torch.Generator, optional
        Source of the draws of "random".
    **options
        For the rule, such as `block_size` and `rank`.

    Returns
    -------
    Compression
        Layers, parameters, bytes and retained energy.

    Raises
    ------
    ValueError
        `rule` or `method` is unknown, an option is missing or wrong or does not fit a layer (the message names it), no
        layer is left to replace, a pattern matches none, a chosen layer computes its weight from other parameters, or
        "data-aware" has no sample or a layer never saw it.
    TypeError
        `model` is no module, or itself a layer; a callable `rule` returns no dictionary; `include` or `exclude` has no
        patterns.

    Notes
    -----
    If anything fails the model is as it was. A layer that stands in several places is replaced in all. Weights that
    other modules share, such as tied embeddings, are left alone. Hooks of a layer go with it.

    Examples
    --------
    >>> import torch
    >>> from structmat.nn.torch import compress
    >>> model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10))
    >>> report = compress(model, "circulant", "random", include="0")
    >>> print(report)
    layer    sizes     parameters           bytes  energy
    0      64 → 64    4,160 → 128    16,640 → 576
    model           4,810 → 778  19,240 → 3,176
    >>> model[0]
    CirculantLinear(in_features=64, out_features=64, bias=True, signs=True, learn=True)
    """
    chosen = choose_layers(model, include, exclude)
    if method not in ("nearest", "random", "data-aware"):
        raise ValueError(f"compress: method is {method!r}; expected 'nearest', 'random' or 'data-aware'.")
    if (sample is None) == (method == "data-aware"):
        raise ValueError(f"compress: sample is {'missing' if sample is None else 'given'} for the method {method!r}.")
    wanted = {}
    for name, dense in chosen.items():
        how = rule(name, dense) if callable(rule) else {"rule": rule}
        if how is not None:
            if not isinstance(how, Mapping):
                raise TypeError(f"compress: {name}: the rule returns {how!r}; expected a dictionary or None.")
            how = {**options, **how}
            wanted[name] = how.pop("rule", None), how
    if not wanted:
        raise ValueError("compress: the rule matches none of the layers.")
    inputs = _inputs(model, {name: chosen[name] for name in wanted}, sample) if method == "data-aware" else {}
    replaced = []
    for name, (structure, how) in wanted.items():
        dense = chosen[name]
        try:
            if method == "random":
                layer, energy = _random(dense, structure, how, generator), None
            else:
                layer, energy = _fitted(dense, structure, how, inputs.get(name), ridge)
        except (TypeError, ValueError) as error:
            raise ValueError(f"compress: {name} ({dense}): {error}") from error
        parameters, bytes_ = zip(_size(dense), _size(layer), strict=True)
        replaced.append(Replaced(name, layer, parameters, bytes_, energy))
    before = _size(model)
    _replace(model, {chosen[row.name]: row.layer for row in replaced})
    after = _size(model)
    if dry_run:
        _replace(model, {row.layer: chosen[row.name] for row in replaced})
    return Compression(tuple(replaced), *zip(before, after, strict=True))


def decompress(model: nn.Module) -> nn.Module:
    """Replace structured layers by dense ones that compute the same, in place.

    A weight is learned if any array of the operator is.

    Parameters
    ----------
    model : torch.nn.Module
        Has structured layers as parts, or is one itself.

    Returns
    -------
    torch.nn.Module
        The model; for a single layer a new `torch.nn.Linear`.

    Raises
    ------
    TypeError
        An operator is complex; a `torch.nn.Linear` is real.

    Examples
    --------
    >>> import torch
    >>> from structmat.nn.torch import CirculantLinear, decompress
    >>> decompress(torch.nn.Sequential(CirculantLinear(64, 10)))
    Sequential(
      (0): Linear(in_features=64, out_features=10, bias=True)
    )
    """
    if isinstance(model, StructuredLinear):
        return _dense(model)
    _replace(model, {part: _dense(part) for part in model.modules() if isinstance(part, StructuredLinear)})
    return model


def _dense(layer: StructuredLinear) -> nn.Linear:
    with torch.no_grad():
        weight = layer.to_dense()
    if weight.is_complex():
        raise TypeError(f"decompress: {layer} is complex; torch.nn.Linear is real.")
    dense = nn.Linear(layer.in_features, layer.out_features, device="meta")
    learned = any(value.requires_grad for name, value in layer.named_parameters() if name != "bias")
    dense.weight, dense.bias = nn.Parameter(weight, requires_grad=learned), layer.bias
    return dense.train(layer.training)


def _random(
    dense: nn.Module, structure: Any, options: dict[str, Any], generator: torch.Generator | None
) -> StructuredLinear:
    if structure not in RANDOM:
        raise ValueError(f"rule is {structure!r}; the method 'random' has {', '.join(RANDOM)}.")
    weight = weight_of(dense)
    out_features, in_features = weight.shape
    common = {"device": weight.device, "dtype": weight.dtype, "generator": generator}
    layer: StructuredLinear = RANDOM[structure](
        in_features, out_features, bias=dense.bias is not None, **options, **common
    )
    layer.train(dense.training)
    return layer


def _fitted(
    dense: nn.Module, structure: Any, options: dict[str, Any], X: torch.Tensor | None, ridge: float
) -> tuple[StructuredLinear, float]:
    weight = weight_of(dense)
    W = weight.to(torch.promote_types(weight.dtype, torch.float32))  # half precision computes in single
    if X is None:
        A, energy = nearest(W, structure, **options)
    else:
        X = X.to(W.dtype)
        Y = X @ W.T
        A = fit(X, Y, structure, ridge=ridge, **options)
        energy = 1 - (A.matvec(X) - Y).square().sum() / Y.square().sum()
    layer = StructuredLinear(A.to(dtype=weight.dtype), bias=False)
    if structure in FITTED and not weight.is_complex():
        fitted = layer.state_dict(keep_vars=True)
        sizes = layer.in_features, layer.out_features
        layer = FITTED[structure](*sizes, bias=False, **options, device="meta", generator=torch.Generator())
        layer.load_state_dict(fitted, assign=True)
    layer.train(dense.training)
    for value in layer.parameters():
        value.requires_grad_(dense.weight.requires_grad)
    layer.bias = dense.bias
    return layer, float(energy)


def _inputs(model: nn.Module, layers: dict[str, nn.Module], sample: Any) -> dict[str, torch.Tensor]:
    """Return the input vectors of each layer when the model is called with the sample."""
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in layers}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            (x,) = (*given, *named.values())
            vectors = x.detach().reshape(-1, x.shape[-1])
            seen[name].append(vectors[:: -(-len(vectors) // ROWS)])

        return hook

    handles = [layer.register_forward_pre_hook(keep(name), with_kwargs=True) for name, layer in layers.items()]
    modes = [(part, part.training) for part in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            if isinstance(sample, Mapping):
                model(**sample)
            else:
                model(*(sample if isinstance(sample, tuple) else (sample,)))
    finally:
        for part, mode in modes:
            part.training = mode
        for handle in handles:
            handle.remove()
    unseen = [name for name, vectors in seen.items() if not vectors]
    if unseen:
        raise ValueError(f"compress: the sample does not reach {', '.join(unseen)}.")
    return {name: torch.cat(vectors) for name, vectors in seen.items()}


def _replace(model: nn.Module, by: dict[nn.Module, nn.Module]) -> None:
    """Replace modules by others in all places."""
    for part in list(model.modules()):
        for name, child in part._modules.items():
            if child in by:
                part._modules[name] = by[child]


def _size(model: nn.Module) -> tuple[int, int]:
    """Return the number of parameters, and the bytes of parameters and buffers."""
    values = list(model.parameters())
    return sum(map(torch.numel, values)), sum(value.nbytes for value in (*values, *model.buffers()))
