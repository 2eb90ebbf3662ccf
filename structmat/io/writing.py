"""From operators to descriptions and files."""

import json
import os
import reprlib
import struct
from collections.abc import Callable
from typing import Any

from structmat._backend import dtypes, namespaces, packages, storage
from structmat._backend.types import Array
from structmat._files import replacing
from structmat.core import LinearOperator
from structmat.io.tree import (
    FORMAT,
    KEY,
    check_inverse,
    checked_path,
    class_of,
    excess,
    excess_values,
    fields_of,
    is_whole,
)


def _bits(value: float) -> str:
    """Return the 64 bits of a number in hexadecimal: decimal digits would lose the payload of a NaN."""
    return struct.pack(">d", value).hex()


class _Writer:
    """Serialises the nodes of a tree in post-order, and its arrays; shared operators and arrays are written once."""

    def __init__(self, root: LinearOperator) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.arrays: dict[str, Array] = {}
        self.made: list[LinearOperator] = []
        self._places: dict[int, int] = {}
        self._names: dict[int, str] = {}
        children: list[list[int]] = []
        stack = [root]  # no recursion: a tree that is too deep is to raise the error below
        while stack:
            A = stack[-1]
            waiting = [child for child in A._children if id(child) not in self._places]
            if waiting:
                stack += reversed(waiting)
                continue
            stack.pop()
            if id(A) not in self._places:
                self.nodes.append(self._node(A))
                self.made.append(A)
                self._places[id(A)] = len(children)
                children.append([self._places[id(child)] for child in A._children])
        if (over := excess(children)) is not None:
            raise ValueError(f"save: {over}.")

    def _node(self, A: LinearOperator) -> dict[str, Any]:
        name = type(A).__name__
        if class_of(name) is not type(A):
            raise TypeError(
                f"save: {A._head} is not registered as an operator, so no file can name it; make its class one with "
                f"structmat.custom.register_operator."
            )
        fields = {field: self._value(A, field, getattr(A, field)) for field in fields_of(type(A))}
        frozen = {"frozen": True} if getattr(A, "_frozen", False) else {}
        return {"op": name, "fields": fields, **frozen}

    def _value(self, A: LinearOperator, field: str, value: Any, *, nested: bool = False) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if id(value) in self._places:
            return {"operator": self._places[id(value)]}
        if is_whole(value):
            return int(value)
        if isinstance(value, float):
            return {"float": _bits(value)}
        if isinstance(value, complex):
            return {"complex": [_bits(value.real), _bits(value.imag)]}
        if namespaces.is_array(value):
            return {"tensor": self._tensor(A, field, value)}
        if isinstance(value, slice):
            ends = value.start, value.stop, value.step
            if all(end is None or is_whole(end) for end in ends):
                return {"slice": [None if end is None else int(end) for end in ends]}
        if isinstance(value, tuple) and not nested:
            return {"tuple": [self._value(A, field, item, nested=True) for item in value]}
        raise TypeError(
            f"save: {A._head} holds in {field} what no file can: {reprlib.repr(value)}, a {type(value).__name__}."
        )

    def _tensor(self, A: LinearOperator, field: str, array: Array) -> str:
        if id(array) not in self._names:
            if (dtype := dtypes.name(array.dtype)) not in storage.DTYPES:
                raise TypeError(f"save: {A._head}: {field} has dtype {dtype}; files hold {', '.join(storage.DTYPES)}.")
            name = self._names[id(array)] = f"{len(self.arrays)}.{field}"
            self.arrays[name] = array
        return self._names[id(array)]

    def text(self, entry: Callable[[Array], Any]) -> str:
        """Return the description, with an entry for each array."""
        tensors = {name: entry(array) for name, array in self.arrays.items()}
        text = json.dumps({"format": FORMAT, "tensors": tensors, "nodes": self.nodes}, separators=(",", ":"))
        if (over := excess_values(text)) is not None:
            raise ValueError(f"save: the description of the tree has {over}.")
        return text


def describe(A: LinearOperator) -> str:
    """Describe an operator, with the dtypes and shapes of its arrays in place of their values.

    Raises TypeError and ValueError as `save` does.
    """
    return _Writer(A).text(lambda array: [dtypes.name(array.dtype), list(array.shape)])


def save(path: str | os.PathLike[str], A: LinearOperator) -> None:
    """Write an operator to a file.

    Parameters
    ----------
    path : str or path
        The file. An existing file is replaced in one step once the new one is complete; if anything fails it stays
        unchanged. The new file keeps its mode and, where the system allows it, its owner. A link is followed. Several
        processes that save to one file do so one after the other.
    A : LinearOperator
        Any tree of registered operators, its arrays of any library and on any device.

    Raises
    ------
    TypeError
        `path` is no path; A is no operator; an operator in A is not registered, or holds anything but arrays, numbers,
        strings, slices and operators, such as the functions of a `FunctionOperator`; or an array has a dtype that
        files do not hold.
    ValueError
        `path` has a null character; or the tree has over 200 levels, 100,000 operators or 2,000,000 values in its
        description.
    numpy.linalg.LinAlgError
        The tree holds the inverse of an operator that is singular to working precision: `load` would refuse it.
    OSError
        The file cannot be written, its folder is not writable, or the path is not that of a regular file.
    ImportError
        The package safetensors is missing: ``pip install safetensors``.

    See Also
    --------
    load : Read it back.

    Notes
    -----
    The file is a `safetensors <https://github.com/huggingface/safetensors>`_ file, which many languages read. Arrays
    are stored bit by bit: complex ones as real and imaginary parts along a last axis of 2, bfloat16 as uint16. The tree
    is a JSON text in the metadata. A shared operator or array is stored once.

    Until it is complete, the new file lies beside the old one, under a name that begins with a dot and ends with
    ``.tmp``. A process that is killed may leave it; the next `save` to the same path removes it.

    Derived values such as spectra, the array library, the device and PyTorch's ``requires_grad`` are not saved.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> import structmat as sm
    >>> A = sm.Circulant(np.asarray([1.0, 2.0, 3.0])) @ sm.SignFlip.random(3, rng=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "operator.safetensors"
    ...     sm.save(path, A)
    ...     print(sm.load(path))
    Product(3×3, 2 parts, dtype=float64, xp=numpy, device=cpu, params=3)
    ├─ Circulant(3×3, dtype=float64, xp=numpy, device=cpu, params=3)
    └─ SignFlip(3×3, xp=numpy, device=cpu, params=0)
    """
    if not isinstance(A, LinearOperator):
        raise TypeError(f"save: A is a {type(A).__name__}; expected a LinearOperator.")
    target = checked_path("save", path)
    arrays = packages.import_optional("save", "safetensors.numpy", "io")
    writer = _Writer(A)
    for part in writer.made:  # `load` would refuse it
        check_inverse(part)
    tensors = {name: storage.encode(array) for name, array in writer.arrays.items()}
    # one key, since safetensors writes several in any order, and equal operators are to make equal files
    data = arrays.save(tensors, metadata={KEY: writer.text(lambda array: dtypes.name(array.dtype))})
    with replacing(target) as file:
        file.write_bytes(data)
