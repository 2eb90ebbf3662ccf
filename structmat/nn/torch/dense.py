"""The dense layers of a model: which of them can be replaced, and how their weights are laid out."""

from __future__ import annotations  # the documentation is built without PyTorch

import fnmatch
import sys
from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize


def is_transposed(layer: nn.Module) -> bool:
    """Tell whether a layer is the Conv1D of transformers, whose weight is (in, out)."""
    library = sys.modules.get("transformers.pytorch_utils")
    return library is not None and _class(layer) is library.Conv1D


def _class(layer: nn.Module) -> type:
    """Return the class of a layer, without parametrizations."""
    return type(layer).__bases__[0] if parametrize.is_parametrized(layer) else type(layer)


def how_to_keep(layer: nn.Module, names: Sequence[str]) -> str | None:
    """Return how to make computed parameters of a layer permanent; None if none is computed."""
    for name in names:
        if name in layer._parameters or name in layer._buffers:
            continue
        if parametrize.is_parametrized(layer, name):
            how = f"torch.nn.utils.parametrize.remove_parametrizations(layer, {name!r})"
        elif f"{name}_mask" in layer._buffers:
            how = f"torch.nn.utils.prune.remove(layer, {name!r})"
        elif f"{name}_g" in layer._parameters:
            how = f"torch.nn.utils.remove_weight_norm(layer, {name!r})"
        elif f"{name}_u" in layer._buffers:
            how = f"torch.nn.utils.remove_spectral_norm(layer, {name!r})"
        else:
            return f"its {name} is no parameter, but computed or quantised; expected a torch.nn.Parameter"
        return f"its {name} is computed from other parameters; make it permanent: {how}"
    return None


def weight_of(dense: nn.Module) -> torch.Tensor:
    """Return the weight of a dense layer, shape (out_features, in_features), without a graph."""
    return (dense.weight.T if is_transposed(dense) else dense.weight).detach()


def choose_layers(model: nn.Module, include: str | Sequence[str], exclude: str | Sequence[str]) -> dict[str, nn.Module]:
    """Return the dense layers whose names match the patterns, each under the first of its names."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"compress: model is a {type(model).__name__}; expected a torch.nn.Module.")
    if _class(model) is nn.Linear or is_transposed(model):
        raise TypeError("compress: model is a layer itself; take StructuredLinear of structmat.projections.nearest.")
    owners: dict[int, int] = {}
    for part in model.modules():
        for value in part.parameters(recurse=False):
            owners[id(value)] = owners.get(id(value), 0) + 1
    dense = {
        name: part
        for name, part in model.named_modules()
        if (_class(part) is nn.Linear or is_transposed(part)) and owners.get(id(part._parameters.get("weight")), 1) == 1
    }
    if not dense:
        raise ValueError("compress: the model has no dense layer whose weight no other module shares.")
    matched = [_matching(dense, side, patterns) for side, patterns in (("include", include), ("exclude", exclude))]
    chosen = {name: part for name, part in dense.items() if name in matched[0] - matched[1]}
    if not chosen:
        raise ValueError("compress: the model has no dense layer that include and exclude leave.")
    for name, part in chosen.items():
        computed = how_to_keep(part, ("weight", "bias"))
        if computed is not None:
            raise ValueError(f"compress: {name}: {computed}; or leave the layer out by exclude.")
    return chosen


def _matching(names: Iterable[str], side: str, patterns: str | Sequence[str]) -> set[str]:
    found: set[str] = set()
    given = [patterns] if isinstance(patterns, str) else patterns
    if not isinstance(given, Iterable):
        raise TypeError(f"compress: {side} is {patterns!r}; expected a name with wildcards, or several.")
    for pattern in given:
        matched = set(fnmatch.filter(names, pattern))
        if not matched:
            raise ValueError(f"compress: {side} has {pattern!r}, which matches none of the dense layers {[*names]}.")
        found |= matched
    return found
