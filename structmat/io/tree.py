"""The JSON description of a tree: the classes that it may name, its limits, and checks of both directions."""

import dataclasses
import os
import reprlib
from numbers import Integral
from pathlib import Path
from typing import Any

from structmat.core import OPERATORS, LinearOperator
from structmat.core.bilinear import Inverse, LeafView
from structmat.core.compose import Composite

KEY = "structmat"  # in the metadata of a safetensors file
FORMAT = 1
DEPTH = 200  # levels of a tree, well below Python's limit on nested calls
PLACES = 100_000  # operators of a tree, a shared one counted at each of its places
VALUES = 20 * PLACES  # brackets and commas of a description; Python makes an object for each
WHOLE = 2**63  # bound of the modulus of integers, so that every language reads them


def _concrete(cls: type[LinearOperator]) -> list[type[LinearOperator]]:
    below = cls.__subclasses__()
    return [each for part in below for each in _concrete(part)] if below else [cls]


#: Composites and views of leaves by name: the classes of the core without subclasses of their own.
COMPOSITES = {cls.__name__: cls for cls in _concrete(Composite) + _concrete(LeafView)}


def class_of(name: str) -> type[LinearOperator] | None:
    """Return the class that a name in a file means: a composite or a registered operator, and nothing else."""
    if name in COMPOSITES:
        return COMPOSITES[name]
    return OPERATORS[name].cls if name in OPERATORS else None


def fields_of(cls: type[LinearOperator]) -> dict[str, dataclasses.Field[Any]]:
    """Return the fields that the constructor takes."""
    return {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]


def excess(children: list[list[int]]) -> str | None:
    """Return which limit a tree exceeds, given the children of each node; None if it exceeds none."""
    depth: list[int] = []
    places: list[int] = []
    for below in children:
        depth.append(1 + max((depth[child] for child in below), default=0))
        places.append(min(1 + sum(places[child] for child in below), PLACES + 1))
    if depth[-1] > DEPTH:
        return f"the tree has {depth[-1]} levels; {DEPTH} is the most"
    return f"the tree has over {PLACES} operators, which is the most" if places[-1] > PLACES else None


def excess_values(description: str) -> str | None:
    """Return the limit that an unparsed description exceeds; None if it does not."""
    return f"over {VALUES} values, which is the most" if sum(map(description.count, "[{,")) > VALUES else None


def check_inverse(A: LinearOperator) -> None:
    """Raise what ``B ** -1`` raises, if A is the `Inverse` of B: the constructor does not look at values."""
    if isinstance(A, Inverse) and type(A.of**-1) is not Inverse:
        raise TypeError(f"{A.of._head} has no Inverse: {A.of._head} ** -1 is another operator")


def is_whole(value: Any) -> bool:
    """Tell whether a value is an integer that files may hold."""
    return isinstance(value, Integral) and -WHOLE < int(value) < WHOLE


def checked_path(call: str, path: Any) -> Path:
    """Return a path that a user gave."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"{call}: path is a {type(path).__name__}; expected a str or a path.")
    try:
        if b"\0" not in os.fsencode(path):
            return Path(path)
    except UnicodeEncodeError:
        pass
    shown = reprlib.repr(os.fspath(path))
    raise ValueError(f"{call}: path is {shown}; expected one without null characters and lone surrogates.")
