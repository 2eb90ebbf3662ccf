"""Operators in files: the arrays as safetensors, the tree as a description in the metadata; no pickle."""

import dataclasses
import json
import math
import os
import reprlib
import stat
import struct
from collections.abc import Callable
from numbers import Integral
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from structmat._backend import (
    STORED,
    Array,
    Device,
    DType,
    Namespace,
    as_dtype,
    as_namespace,
    dtype_name,
    from_stored,
    is_array,
    optional,
    to_stored,
)
from structmat._files import replacing
from structmat.core import OPERATORS, LinearOperator
from structmat.core.bilinear import Adjoint, Bilinear, Conjugate, Inverse
from structmat.core.blocks import BlockDiag, HStack, Kron, Repeat, VStack
from structmat.core.compose import Power, Product, Scaled, Sum

KEY = "structmat"  # in the metadata of a safetensors file
FORMAT = 1
DEPTH = 200  # levels of a tree; Python's own limit on nested calls is near
PLACES = 100_000  # operators of a tree, each counted as often as it stands there
VALUES = 20 * PLACES  # brackets and commas of a description; Python makes an object for each
LETTERS = 360  # of a reason, which may quote what a file holds
WHOLE = 2**63  # integers are below it in modulus, so that every language reads them

# What a constructor that looks at hostile values may raise.
_COMPLAINTS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def _is_operator(value: Any) -> bool:
    return isinstance(value, LinearOperator)


def _is_form(value: Any) -> bool:
    return isinstance(value, Bilinear)


def _are_operators(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(map(_is_operator, value))


def _are_pair(value: Any) -> bool:
    return _are_operators(value) and len(value) == 2


def _is_square(value: Any) -> bool:
    return isinstance(value, LinearOperator) and value.m == value.n


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_positive(value: Any) -> bool:
    return _is_count(value) and value > 0


Check = Callable[[Any], bool]

# Composites, and what their fields hold: their classes check sizes only, and leave types to the functions that call.
COMPOSITES: dict[type[LinearOperator], dict[str, Check]] = {
    Adjoint: {"of": _is_form},
    Conjugate: {"of": _is_form},
    Inverse: {"of": _is_form},
    Product: {"parts": _are_operators},
    Sum: {"parts": _are_operators},
    HStack: {"parts": _are_operators},
    VStack: {"parts": _are_operators},
    BlockDiag: {"parts": _are_operators},
    Kron: {"parts": _are_pair},
    Scaled: {"of": _is_operator, "scalar": _is_number},
    Power: {"of": _is_square, "exponent": _is_count},
    Repeat: {"of": _is_operator, "times": _is_positive},
}
_NAMED = {cls.__name__: cls for cls in COMPOSITES}


def _class_of(name: str) -> type[LinearOperator] | None:
    """The class that a name in a file stands for: a composite or a registered operator, and nothing else."""
    if name in _NAMED:
        return _NAMED[name]
    return OPERATORS[name].cls if name in OPERATORS else None


def _fields_of(cls: type[LinearOperator]) -> dict[str, dataclasses.Field[Any]]:
    """The fields that the constructor takes."""
    return {field.name: field for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]


def _excess(children: list[list[int]]) -> str | None:
    """What is too much of a tree, given the nodes below each node."""
    depth: list[int] = []
    places: list[int] = []
    for below in children:
        depth.append(1 + max((depth[child] for child in below), default=0))
        places.append(min(1 + sum(places[child] for child in below), PLACES + 1))
    if depth[-1] > DEPTH:
        return f"the tree has {depth[-1]} levels; {DEPTH} is the most"
    return f"the tree has over {PLACES} operators, which is the most" if places[-1] > PLACES else None


def _is_too_long(description: str) -> bool:
    return sum(map(description.count, "[{,")) > VALUES


def _check_inverse(A: LinearOperator) -> None:
    """Raise what ``B ** -1`` raises, if an operator is the inverse of B: its constructor compares sizes only."""
    if isinstance(A, Inverse) and type(A.of**-1) is not Inverse:
        raise TypeError(f"{A.of._head} has no Inverse: {A.of._head} ** -1 is another operator")


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and -WHOLE < int(value) < WHOLE


def _bits(value: float) -> str:
    """The 64 bits of a number: decimal digits would lose the payload of a NaN."""
    return struct.pack(">d", value).hex()


# ---------------------------------------------------------------------- writing


class _Writer:
    """Describes the nodes of a tree, parts before wholes, and its arrays; whatever stands twice is taken once."""

    def __init__(self, root: LinearOperator) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.arrays: dict[str, Array] = {}
        self.dtypes: dict[str, str] = {}
        self.made: list[LinearOperator] = []
        self._places: dict[int, int] = {}
        self._names: dict[int, str] = {}
        children: list[list[int]] = []
        stack = [root]  # not recursion: a tree that is too deep should say so
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
        excess = _excess(children)
        if excess is not None:
            raise ValueError(f"save: {excess}.")

    def _node(self, A: LinearOperator) -> dict[str, Any]:
        name = type(A).__name__
        if _class_of(name) is not type(A):
            raise TypeError(
                f"save: {A._head} is not registered as an operator, so no file can name it; make its class one with "
                f"structmat.custom.register_operator."
            )
        fields = {field: self._value(A, field, getattr(A, field)) for field in _fields_of(type(A))}
        frozen = {"frozen": True} if getattr(A, "_frozen", False) else {}
        return {"op": name, "fields": fields, **frozen}

    def _value(self, A: LinearOperator, field: str, value: Any, *, nested: bool = False) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if id(value) in self._places:
            return {"operator": self._places[id(value)]}
        if _is_whole(value):
            return int(value)
        if isinstance(value, float):
            return {"float": _bits(value)}
        if isinstance(value, complex):
            return {"complex": [_bits(value.real), _bits(value.imag)]}
        if is_array(value):
            return {"tensor": self._tensor(A, field, value)}
        if isinstance(value, slice):
            ends = value.start, value.stop, value.step
            if all(end is None or _is_whole(end) for end in ends):
                return {"slice": [None if end is None else int(end) for end in ends]}
        if isinstance(value, tuple) and not nested:
            return {"tuple": [self._value(A, field, item, nested=True) for item in value]}
        raise TypeError(
            f"save: {A._head} holds in {field} what no file can: {reprlib.repr(value)}, a {type(value).__name__}."
        )

    def _tensor(self, A: LinearOperator, field: str, array: Array) -> str:
        if id(array) not in self._names:
            dtype = dtype_name(array.dtype)
            if dtype not in STORED:
                raise TypeError(f"save: {A._head}: {field} has dtype {dtype}; files hold {', '.join(STORED)}.")
            name = f"{len(self.arrays)}.{field}"
            self.arrays[name], self.dtypes[name] = array, dtype
            self._names[id(array)] = name
        return self._names[id(array)]

    def text(self, tensors: dict[str, Any]) -> str:
        """The description, with what it says of each array."""
        text = json.dumps({"format": FORMAT, "tensors": tensors, "nodes": self.nodes}, separators=(",", ":"))
        if _is_too_long(text):
            raise ValueError(f"save: the description of the tree has over {VALUES} values, which is the most.")
        return text


def describe(A: LinearOperator) -> str:
    """Describe an operator but for the values of its arrays, of which dtypes and shapes are told.

    Raises TypeError and ValueError as `save` does, for operators that no description holds.
    """
    writer = _Writer(A)
    return writer.text({name: [writer.dtypes[name], list(array.shape)] for name, array in writer.arrays.items()})


def save(path: str | os.PathLike[str], A: LinearOperator) -> None:
    """Write an operator to a file.

    Parameters
    ----------
    path : str or path
        The file. One that exists is replaced in one step once the new one is complete; if anything fails it stays as
        it was. The new one keeps its mode and, where the system allows it, its owner. A link is followed. Of several
        processes that save to one file, each waits for the one before.
    A : LinearOperator
        Any tree of registered operators, its arrays of any library and on any device.

    Raises
    ------
    TypeError
        `path` is no path; A is no operator; or one in it is not registered, or holds something else than arrays,
        numbers, strings, slices and operators, such as the functions of a `FunctionOperator`; or an array has a dtype
        that files do not hold.
    ValueError
        `path` has a null character; or the tree has over 200 levels, 100,000 operators or 2,000,000 values in its
        description.
    numpy.linalg.LinAlgError
        The tree holds the inverse of an operator that is singular to working precision: `load` would refuse it.
    OSError
        The file cannot be written, its folder takes no new file, or the path leads to something else than a file.
    ImportError
        The package safetensors is missing: ``pip install safetensors``.

    See Also
    --------
    load : Read it back.

    Notes
    -----
    The file is a `safetensors <https://github.com/huggingface/safetensors>`_ file, which many languages read. Arrays
    are kept bit by bit: a complex one as real and imaginary parts along a last axis of 2, bfloat16 as uint16. The tree
    is a JSON text in the metadata. An operator or an array that stands in several places is stored once.

    Until it is complete, the new file stands beside the old one, under a name that begins with a dot and ends with
    ``.tmp``. A process that is killed may leave it; the next `save` to the same path removes it.

    Not saved are derived values such as spectra, the array library and the device, and whether a PyTorch tensor asks
    for a gradient.

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
    target = _checked_path("save", path)
    arrays = optional("save", "safetensors.numpy", "io")
    writer = _Writer(A)
    for part in writer.made:  # what no `load` would read is not written
        _check_inverse(part)
    tensors = {name: to_stored(array) for name, array in writer.arrays.items()}
    # one key: safetensors writes several in any order, and one operator should make one file
    data = arrays.save(tensors, metadata={KEY: writer.text(writer.dtypes)})
    with replacing(target) as file:
        file.write_bytes(data)


def _checked_path(call: str, path: Any) -> Path:
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str):
        raise TypeError(f"{call}: path is a {type(path).__name__}; expected a str or a path.")
    try:
        if b"\0" not in os.fsencode(path):
            return Path(path)
    except UnicodeEncodeError:
        pass
    shown = reprlib.repr(os.fspath(path))
    raise ValueError(f"{call}: path is {shown}; expected one without null characters and lone surrogates.")


# ---------------------------------------------------------------------- reading


class _Refusal(Exception):  # noqa: N818 (becomes the ValueError that names the file)
    """Why a file is not read."""


def _refuse(reason: str) -> NoReturn:
    """Refuse a file; what the reason quotes of it is escaped and cut, and no other error is shown beside it."""
    letters = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in _cut(reason))
    raise _Refusal(_cut("".join(letters)).removesuffix(".")) from None  # whoever tells it ends the sentence


def _cut(reason: str) -> str:
    """Leave out the middle of what is long: a reason begins with the place and ends with what was expected."""
    half = LETTERS // 2 - 3
    return reason if len(reason) <= LETTERS else f"{reason[:half]} ... {reason[-half:]}"


class _Objects:
    """Makes the objects of a JSON text, none of whose keys may stand twice and few enough of which may be nodes."""

    def __init__(self) -> None:
        self._nodes = 0

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise ValueError("a key stands twice")
        self._nodes += "op" in found
        if self._nodes > PLACES:
            _refuse(f"it has over {PLACES} operators, which is the most")
        return found


def _whole(digits: str) -> int:
    value = int(digits)
    if not _is_whole(value):
        raise ValueError("an integer is beyond 64 bits")
    return value


def _parsed(text: str) -> tuple[dict[str, Any], list[Any]]:
    """What a description says of the tensors, and the nodes."""
    if _is_too_long(text):
        _refuse(f"its description has over {VALUES} values, which is the most")
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
    """Makes the nodes of a tree one after the other, each from earlier ones."""

    def __init__(self, text: str) -> None:
        self._tensors, self._nodes = _parsed(text)
        self._arrays: dict[tuple[str, bool], Array] = {}
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
        """The nodes that the last is made of; a tree that is too large is refused before any of it is made."""
        children: list[list[int]] = []
        for place, node in enumerate(self._nodes):
            match node:
                case {"op": str(), "fields": dict(fields)} if node.keys() <= {"op", "fields", "frozen"}:
                    children.append(self._below(place, fields))
                case _:
                    _refuse(f"node {place} is no description of an operator: {reprlib.repr(node)}")
        excess = _excess(children)
        if excess is not None:
            _refuse(excess)
        needed = {len(children) - 1}
        for place in reversed(range(len(children))):  # parts come before the whole
            if place in needed:
                needed.update(children[place])
        return sorted(needed)

    def _below(self, place: int, fields: dict[str, Any]) -> list[int]:
        below = []
        for value in fields.values():
            for item in value["tuple"] if isinstance(value, dict) and isinstance(value.get("tuple"), list) else [value]:
                if isinstance(item, dict) and "operator" in item:
                    child = item["operator"]
                    if not _is_count(child) or child >= place:
                        _refuse(f"node {place} has the part {reprlib.repr(child)}; parts come before the whole")
                    below.append(child)
        return below

    def _node(self, place: int, node: dict[str, Any]) -> LinearOperator:
        name, frozen = node["op"], node.get("frozen", False)
        cls = _class_of(name)
        if cls is None:
            _refuse(f"it names the operator {reprlib.repr(name)}, which is not registered; import what defines it")
        title, known = f"node {place} ({name})", _fields_of(cls)
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
        if not isinstance(frozen, bool) or (frozen and cls in COMPOSITES):
            _refuse(f"{title} has frozen {reprlib.repr(frozen)}; expected true, and a leaf")
        values = {field: self._value(title, known[field], value) for field, value in node["fields"].items()}
        for field, value in values.items():
            fits = COMPOSITES[cls][field](value) if cls in COMPOSITES else not _holds_operators(value)
            if not fits:
                _refuse(f"{title}: {field} is {reprlib.repr(node['fields'][field])}, which no {name} has")
        try:
            made = cls(**values)
            _check_inverse(made)
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
                if all(end is None or _is_whole(end) for end in (start, stop, step)):
                    return slice(start, stop, step)
            case {"tensor": str(name)} if len(value) == 1 and name in self._tensors:
                return self._tensor(name, field)
            case {"operator": int(child)} if len(value) == 1:
                return self._made[child]
            case {"tuple": list(items)} if len(value) == 1 and not nested:
                return tuple(self._value(title, field, item, nested=True) for item in items)
        _refuse(f"{title}: {field.name} is {reprlib.repr(value)}, which is nothing that a field can hold")

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
        if not isinstance(dtype, str) or dtype not in STORED:
            _refuse(f"tensor {reprlib.repr(name)} has dtype {reprlib.repr(dtype)}; expected {', '.join(STORED)}")
        return dtype


class _FileReader(_Reader):
    """Takes the arrays from a file."""

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
        if found.get_dtype() != STORED[dtype] or (pairs and found.get_shape()[-1:] != [2]):
            _refuse(
                f"tensor {reprlib.repr(name)} is stored as {found.get_dtype()} of shape {found.get_shape()}, which "
                f"holds no {dtype}"
            )
        try:
            stored = self._file.get_tensor(name)
        except _COMPLAINTS as error:
            _refuse(f"tensor {reprlib.repr(name)}: {error}")
        wanted = self._dtype if is_param else None
        return from_stored(stored, dtype, self._xp, device=self._device, wanted=wanted)


class _DescriptionReader(_Reader):
    """Makes arrays that have a dtype and a shape only."""

    def __init__(self, text: str, empty: Callable[[str, tuple[int, ...]], Array]) -> None:
        super().__init__(text)
        self._empty = empty

    def _array(self, name: str, is_param: bool) -> Array:
        match self._tensors[name]:
            case [dtype, [*shape]] if all(map(_is_count, shape)) and math.prod(shape) < WHOLE // 16:
                return self._empty(self._stored_dtype(name, dtype), tuple(shape))
        _refuse(f"tensor {reprlib.repr(name)} is {reprlib.repr(self._tensors[name])}; expected a dtype and a shape")


def _holds_operators(value: Any) -> bool:
    return _is_operator(value) or (isinstance(value, tuple) and any(map(_is_operator, value)))


def described(call: str, text: str, empty: Callable[[str, tuple[int, ...]], Array]) -> LinearOperator:
    """Undo `describe`, with arrays of `empty(dtype, shape)`; ValueError where `load` would refuse the same tree."""
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
        The same tree with the same arrays, bit by bit; what was shared in it is shared again.

    Raises
    ------
    ValueError
        `path` has a null character; or the file is not one of structmat's, not complete, damaged, of a newer format,
        too large (see `save`), or describes an operator that is not registered or cannot be, such as the inverse of a
        singular one. The message names the file and the reason; what it quotes is escaped and cut.
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
    target, source = as_namespace(xp), _checked_path("load", path)
    safetensors = optional("load", "safetensors", "io")
    if dtype is not None:
        dtype = as_dtype(target, dtype)
    try:
        if not stat.S_ISREG(source.stat().st_mode):
            _refuse("it is no regular file")
        with source.open("rb"):
            pass  # so that an unreadable file is an OSError, whatever the mapping below makes of it
        try:
            file = safetensors.safe_open(source, framework="numpy")
        except (safetensors.SafetensorError, OSError) as error:
            _refuse(f"it is no safetensors file, or not all of one ({error})")
        with file:
            return _FileReader(file, target, device, dtype).tree()
    except _Refusal as refusal:
        raise ValueError(f"load: {source}: {refusal}.") from None
