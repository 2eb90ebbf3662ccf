"""From descriptions and files to operators: every value is validated, and a refusal names the place."""

import dataclasses
import json
import math
import os
import reprlib
import stat
import struct
from collections.abc import Callable
from types import ModuleType
from typing import Any, NoReturn

from structmat._backend import dtypes, namespaces, packages, storage
from structmat._backend.types import Array, Device, DType, Namespace
from structmat.core import Leaf, LinearOperator
from structmat.io.tree import (
    FORMAT,
    KEY,
    PLACES,
    WHOLE,
    check_inverse,
    checked_path,
    class_of,
    excess,
    excess_values,
    fields_of,
    is_whole,
)

LETTERS = 360  # length of a reason, which may quote the content of a file

# Exceptions of constructors that are given hostile values.
_COMPLAINTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class _Refusal(Exception):  # noqa: N818 (becomes the ValueError that names the file)
    """The reason why a file is not read."""


def _refuse(reason: str) -> NoReturn:
    """Refuse a file for a reason, escaped and cut, since it may quote the file; the traceback shows no other error."""
    letters = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in _cut(reason))
    raise _Refusal(_cut("".join(letters)).removesuffix(".")) from None  # the caller adds the full stop


def _cut(reason: str) -> str:
    """Leave out the middle of a long reason: it begins with the place and ends with the expected value."""
    half = LETTERS // 2 - 3
    return reason if len(reason) <= LETTERS else f"{reason[:half]} ... {reason[-half:]}"


class _Objects:
    """Hook that makes the objects of a JSON text; refuses duplicate keys and too many nodes."""

    def __init__(self) -> None:
        self._nodes = 0

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key occurs twice")
        self._nodes += "op" in found
        if self._nodes > PLACES:
            _refuse(f"it has over {PLACES} operators, which is the most")
        return found


def _whole(digits: str) -> int:
    value = int(digits)
    if not is_whole(value):
        raise ValueError("an integer is beyond 64 bits")
    return value


def _parsed(text: str) -> tuple[dict[str, Any], list[Any]]:
    """Return the tensors' entries and the nodes of a description."""
    if (over := excess_values(text)) is not None:
        _refuse(f"its description has {over}")
    try:
        tree = json.loads(text, object_pairs_hook=_Objects(), parse_int=_whole)
    except (ValueError, RecursionError) as error:
        _refuse(f"its description is not valid JSON ({error})")
    match tree:
        case {"format": int(version)} if version > FORMAT:
            _refuse(f"it has format {version}, and this structmat reads format {FORMAT}: a newer one may read it")
        case {"format": 1, "tensors": dict(tensors), "nodes": [_, *_] as nodes} if len(tree) == 3:
            return tensors, nodes
    _refuse("its description has not the form of a tree")


class _Reader:
    """Makes the nodes of a tree in order, each from earlier ones; subclasses supply the arrays."""

    def __init__(self, text: str) -> None:
        self._tensors, self._nodes = _parsed(text)
        self._arrays: dict[tuple[str, bool], Array] = {}
        self._below: list[list[int]] = []  # the children of each node
        self._made: dict[int, LinearOperator] = {}
        self._used: set[str] = set()

    def tree(self) -> LinearOperator:
        needed = self._needed()
        for place in needed:
            self._made[place] = self._node(place, self._nodes[place])
        if len(needed) < len(self._nodes) or len(self._used) < len(self._tensors):
            _refuse("it holds tensors or operators that belong to nothing")
        return self._made[needed[-1]]

    def _needed(self) -> list[int]:
        """The nodes that the last one is made of; a tree that is too large is refused before any node is made."""
        for place, node in enumerate(self._nodes):
            match node:
                case {"op": str(), "fields": dict(fields)} if node.keys() <= {"op", "fields", "frozen"}:
                    self._below.append(_children(place, fields))
                case _:
                    _refuse(f"node {place} is no description of an operator: {reprlib.repr(node)}")
        if (over := excess(self._below)) is not None:
            _refuse(over)
        needed = {len(self._below) - 1}
        for place in reversed(range(len(self._below))):  # parts come before the whole
            if place in needed:
                needed.update(self._below[place])
        return sorted(needed)

    def _node(self, place: int, node: dict[str, Any]) -> LinearOperator:
        name, frozen = node["op"], node.get("frozen", False)
        cls = class_of(name)
        if cls is None:
            _refuse(f"it names the operator {reprlib.repr(name)}, which is not registered; import what defines it")
        title, known = f"node {place} ({name})", fields_of(cls)
        missing = [
            field.name
            for field in known.values()
            if field.name not in node["fields"]
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ]
        strange = [field for field in node["fields"] if field not in known]
        if missing or strange:
            _refuse(f"{title} lacks fields or has too many: {reprlib.repr(missing + strange)}")
        is_leaf = issubclass(cls, Leaf)
        if not isinstance(frozen, bool) or (frozen and not is_leaf):
            _refuse(f"{title} has frozen {reprlib.repr(frozen)}; expected true, and a leaf")
        if is_leaf and self._below[place]:
            _refuse(f"{title} has operators in its fields, which no leaf has")
        values = {field: self._value(title, known[field], value) for field, value in node["fields"].items()}
        try:
            made = cls(**values)
            check_inverse(made)
        except _COMPLAINTS as error:
            _refuse(f"{title}: {error}")
        return made.freeze() if frozen else made

    def _value(self, title: str, field: dataclasses.Field[Any], value: Any, *, nested: bool = False) -> Any:
        match value:
            case None | bool() | int() | str():
                return value
            case {"float": str(bits)} if len(value) == 1:
                return self._number(title, bits)
            case {"complex": [str(real), str(imag)]} if len(value) == 1:
                return complex(self._number(title, real), self._number(title, imag))
            case {"slice": [start, stop, step]} if len(value) == 1:
                if all(end is None or is_whole(end) for end in (start, stop, step)):
                    return slice(start, stop, step)
            case {"tensor": str(name)} if len(value) == 1 and name in self._tensors:
                return self._tensor(name, field)
            case {"operator": int(child)} if len(value) == 1:
                return self._made[child]
            case {"tuple": list(items)} if len(value) == 1 and not nested:
                return tuple(self._value(title, field, item, nested=True) for item in items)
        _refuse(f"{title}: {field.name} is {reprlib.repr(value)}, which no field can hold")

    def _number(self, title: str, bits: str) -> float:
        try:
            return float(struct.unpack(">d", bytes.fromhex(bits))[0])
        except (ValueError, struct.error):
            _refuse(f"{title} has the number {reprlib.repr(bits)}; expected 16 hexadecimal digits")

    def _tensor(self, name: str, field: dataclasses.Field[Any]) -> Array:
        self._used.add(name)
        spec = field.metadata.get("array")
        is_param = spec is not None and spec.role == "parameter"
        if (name, is_param) not in self._arrays:
            self._arrays[name, is_param] = self._array(name, is_param)
        return self._arrays[name, is_param]

    def _array(self, name: str, is_param: bool) -> Array:
        raise NotImplementedError

    def _stored_dtype(self, name: str, dtype: Any) -> str:
        if not isinstance(dtype, str) or dtype not in storage.DTYPES:
            _refuse(
                f"tensor {reprlib.repr(name)} has dtype {reprlib.repr(dtype)}; expected {', '.join(storage.DTYPES)}"
            )
        return dtype


def _children(place: int, fields: dict[str, Any]) -> list[int]:
    """The nodes in the fields of a node, all of which precede it."""
    found: list[int] = []
    for value in fields.values():
        for item in value["tuple"] if isinstance(value, dict) and isinstance(value.get("tuple"), list) else [value]:
            if isinstance(item, dict) and "operator" in item:
                child = item["operator"]
                if type(child) is not int or not 0 <= child < place:
                    _refuse(f"node {place} has the part {reprlib.repr(child)}; parts come before the whole")
                found.append(child)
    return found


class _FileReader(_Reader):
    """Reads the arrays from a file."""

    def __init__(self, file: Any, xp: Namespace, device: Device, dtype: DType) -> None:
        self._file, self._xp, self._device, self._dtype = file, xp, device, dtype
        metadata = file.metadata()
        if metadata is None or KEY not in metadata:
            _refuse("it is a safetensors file, but not one of structmat's")
        super().__init__(metadata[KEY])
        if sorted(file.keys()) != sorted(self._tensors):
            _refuse("its tensors are not those that its description lists")

    def _array(self, name: str, is_param: bool) -> Array:
        dtype, found = self._stored_dtype(name, self._tensors[name]), self._file.get_slice(name)
        pairs = dtype.startswith("complex")
        if found.get_dtype() != storage.DTYPES[dtype] or (pairs and found.get_shape()[-1:] != [2]):
            _refuse(
                f"tensor {reprlib.repr(name)} is stored as {found.get_dtype()} of shape {found.get_shape()}, which "
                f"holds no {dtype}"
            )
        try:
            stored = self._file.get_tensor(name)
        except _COMPLAINTS as error:
            _refuse(f"tensor {reprlib.repr(name)}: {error}")
        wanted = self._dtype if is_param else None
        return storage.decode(stored, dtype, self._xp, device=self._device, wanted=wanted)


class _DescriptionReader(_Reader):
    """Makes arrays from their dtypes and shapes alone."""

    def __init__(self, text: str, empty: Callable[[str, tuple[int, ...]], Array]) -> None:
        super().__init__(text)
        self._empty = empty

    def _array(self, name: str, is_param: bool) -> Array:
        match self._tensors[name]:
            case [dtype, [*shape]] if all(type(width) is int and width >= 0 for width in shape) and (
                math.prod(shape) < WHOLE // 16
            ):
                return self._empty(self._stored_dtype(name, dtype), tuple(shape))
        _refuse(f"tensor {reprlib.repr(name)} is {reprlib.repr(self._tensors[name])}; expected a dtype and a shape")


def described(call: str, text: str, empty: Callable[[str, tuple[int, ...]], Array]) -> LinearOperator:
    """Undo `describe`, with arrays from `empty(dtype, shape)`; ValueError for an invalid description."""
    try:
        return _DescriptionReader(text, empty).tree()
    except _Refusal as refusal:
        raise ValueError(f"{call}: {refusal}.") from None


def load(
    path: str | os.PathLike[str], *, xp: ModuleType | None = None, device: Device = None, dtype: DType = None
) -> LinearOperator:
    """Read an operator from a file that `save` wrote.

    Parameters
    ----------
    path : str or path
        The file.
    xp : module, optional
        Array library to load to, NumPy unless given; it need not be the one that the operator was saved from.
    device : device, optional
        Device of that library.
    dtype : dtype or str, optional
        Floating dtype for the parameters instead of the one they were saved in; signs and indices keep theirs.

    Returns
    -------
    LinearOperator
        The same tree with the same arrays, bit by bit; shared operators and arrays are shared again.

    Raises
    ------
    ValueError
        `path` has a null character; or the file is not one of structmat's, incomplete, damaged, of a newer format, too
        large (see `save`), or describes an operator that is not registered or invalid, such as the inverse of a
        singular one. The message names the file and the reason; quotations of the file are escaped and cut.
    TypeError
        `path` is no path, the library lacks a dtype of the file, or complex parameters would become real.
    OSError
        The file cannot be opened.
    ImportError
        The package safetensors is missing: ``pip install safetensors``.

    See Also
    --------
    save : Write an operator to a file.

    Notes
    -----
    A file is data: it names operators that are registered already, and their constructors check the arrays as if a
    user had given them. Nothing is imported and no code in it is run. An operator of another package is registered by
    importing that package first.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import numpy as np
    >>> import structmat as sm
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "operator.safetensors"
    ...     sm.save(path, 2 * sm.Diagonal(np.asarray([1.0, 2.0, 3.0])))
    ...     sm.load(path, dtype="float32").to_dense()
    array([[2., 0., 0.],
           [0., 4., 0.],
           [0., 0., 6.]], dtype=float32)
    """
    target, source = namespaces.resolve(xp), checked_path("load", path)
    safetensors = packages.import_optional("load", "safetensors", "io")
    if dtype is not None:
        dtype = dtypes.as_dtype(target, dtype)
    try:
        if not stat.S_ISREG(source.stat().st_mode):
            _refuse("it is no regular file")
        with source.open("rb"):
            pass  # an unreadable file raises OSError here; `safe_open` may raise another error
        try:
            file = safetensors.safe_open(source, framework="numpy")
        except (safetensors.SafetensorError, OSError) as error:
            _refuse(f"it is no safetensors file, or not all of one ({error})")
        with file:
            return _FileReader(file, target, device, dtype).tree()
    except _Refusal as refusal:
        raise ValueError(f"load: {source}: {refusal}.") from None
