"""Files: what is saved comes back bit by bit, and what is no such file is refused."""

# ruff: noqa: E501 (the tables have one row a case)

import contextlib
import dataclasses
import functools
import json
import operator as python_operator
import os
import pickle
import signal
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import array_api_strict
import numpy as np
import pytest
import safetensors.numpy
from backends import ALL, Backend, library
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trees import trees

import structmat as sm
from structmat._backend import devices, namespaces, storage
from structmat.core import OPERATORS, bilinear, blocks, compose
from structmat.io import tree as limits

jax = library("jax")
jnp = library("jax.numpy")
torch = library("torch")

C = sm.Circulant(np.asarray([1.0, 2.0, 3.0]))
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "operator.safetensors"


def bits(x: Any) -> tuple[tuple[int, ...], bytes]:
    stored = storage.encode(x)
    return stored.shape, stored.tobytes()


def facts(A: sm.LinearOperator) -> list[Any]:
    """All that a tree is made of, arrays as their bytes; equal lists are equal operators."""

    def fact(name: str, value: Any) -> Any:
        if isinstance(value, sm.LinearOperator):
            return facts(value)
        if isinstance(value, tuple):
            return [fact(name, part) for part in value]
        if isinstance(value, float | complex):
            return struct.pack(">2d", value.real, value.imag), type(value)
        return (str(value.dtype), bits(value)) if name in getattr(A, "_array_fields", {}) else value

    return [type(A), str(A), A.param_names, [(name, fact(name, value)) for name, value in A._fields.items()]]


def places(A: sm.LinearOperator) -> list[int]:
    """Which of the arrays, and of the operators, are one and the same."""
    seen: dict[int, int] = {}

    def visit(B: sm.LinearOperator) -> list[int]:
        own = [seen.setdefault(id(B), len(seen))]
        if not B._children:
            return own + [seen.setdefault(id(array), len(seen)) for array in B._arrays]
        return own + [place for child in B._children for place in visit(child)]

    return visit(A)


def back(path: Path, A: sm.LinearOperator, **where: Any) -> sm.LinearOperator:
    sm.save(path, A)
    return sm.load(path, **where)


# ---------------------------------------------------------------------- there and back


@given(trees())
@same_folder
def test_trees_come_back(tmp_path: Path, A: sm.LinearOperator) -> None:
    B = back(tmp_path / "tree", A)
    assert facts(B) == facts(A)
    assert places(B) == places(A)
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((2, A.n)), rng.standard_normal((2, A.m))
    assert bits(B(x)) == bits(A(x))
    assert bits(B.rmatvec(g)) == bits(A.rmatvec(g))
    assert list(map(bits, B.vjp(x, g)[1])) == list(map(bits, A.vjp(x, g)[1]))


@pytest.mark.parametrize("name", sorted(OPERATORS.keys() - {"FunctionOperator"}))
def test_every_operator_comes_back(path: Path, name: str) -> None:
    A = OPERATORS[name].example(8, np.random.default_rng(0))
    assert facts(back(path, A)) == facts(A)
    assert facts(back(path, A.freeze().H)) == facts(A.freeze().H)


def test_functions_stay_here(path: Path) -> None:
    A = OPERATORS["FunctionOperator"].example(8, np.random.default_rng(0))
    with pytest.raises(TypeError, match=r"save: FunctionOperator\(5×8\) holds in product what no file can"):
        sm.save(path, A)


@pytest.mark.parametrize("backend", ALL, ids=repr)
@pytest.mark.parametrize("dtype", ["float32", "complex128"])
def test_every_backend(path: Path, backend: Backend, dtype: str) -> None:
    rng = np.random.default_rng(0)
    host = rng.standard_normal(12).view("complex128" if dtype == "complex128" else "float64").astype(dtype)
    host = host[:6]
    signs = sm.SignFlip.random(6, rng=0)
    A = sm.Circulant(host).H @ signs + 2j * sm.Diagonal(host).conj() @ signs
    A = sm.Restriction(6, np.asarray([4, 0, 1])) @ A.freeze()
    there = backend.bring(A)
    sm.save(path, there)
    again = sm.load(path, xp=backend.xp, device=backend.device)
    assert again.xp is there.xp
    assert again.device == there.device
    assert facts(again) == facts(there)
    assert facts(sm.load(path)) == facts(A)


HALVES = [(torch, "float16"), (torch, "bfloat16"), (jnp, "float16"), (jnp, "bfloat16"), (np, "float16")]


@pytest.mark.parametrize(("xp", "dtype"), HALVES)
def test_half_precision(path: Path, xp: Any, dtype: str) -> None:
    """All 65536 values of two bytes, NaNs with payloads among them."""
    everything = np.arange(2**16, dtype=np.uint16)
    if xp is torch:
        values = torch.asarray(everything.view(np.int16)).view(getattr(torch, dtype))
    else:
        values = xp.asarray(everything).view(getattr(xp, dtype))
    A = sm.Diagonal(values)
    B = back(path, A, xp=xp)
    assert B.dtype == A.dtype
    assert storage.encode(B.entries).tobytes() == everything.tobytes()
    wide = sm.load(path, dtype="float32").entries
    np.testing.assert_array_equal(wide, devices.to_host(values).astype(np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("xp", [np, torch, jnp, array_api_strict])
def test_every_bit_is_kept(path: Path, dtype: str, xp: Any) -> None:
    payload = {"f": 0x7FA00001, "d": 0x7FF4000000000001}
    kind = "f" if dtype in ("float32", "complex64") else "d"
    special = np.frombuffer(struct.pack(f"<{'I' if kind == 'f' else 'Q'}", payload[kind]), f"<{kind}")[0]
    values = np.asarray([special, -0.0, np.inf, -np.inf, np.nan, 5e-324, 1.0, -special], dtype=kind).view(dtype)
    B = back(path, sm.Diagonal(xp.asarray(values)), xp=xp)
    assert devices.to_host(B.entries).tobytes() == devices.to_host(xp.asarray(values)).tobytes() == values.tobytes()


@pytest.mark.parametrize("scalar", [0.1, -0.0, float("inf"), 1j, complex(-0.0, 0.1), complex(0, float("nan")), 1e-310])
def test_scalars_are_exact(path: Path, scalar: complex) -> None:
    for number in (scalar, struct.unpack(">d", bytes.fromhex("7ff8000000000123"))[0]):
        A = number * C
        assert facts(back(path, A)) == facts(A)


def test_what_is_one_stays_one(path: Path) -> None:
    column = np.asarray([1.0, 2.0, 3.0])
    A, D = sm.Circulant(column), sm.Diagonal(column)
    whole = sm.block_diag([A @ A, A.H, D, A.freeze(), A**2, sm.repeat(D, 2)])
    loaded = back(path, whole)
    assert places(loaded) == places(whole)
    assert loaded.nbytes == column.nbytes
    assert places(sm.load(path, xp=torch, dtype="float32")) == places(whole)
    assert len(safetensors.numpy.load_file(path)) == 1


def test_the_format_stands(path: Path) -> None:
    """Written once and for all: a file of format 1 looks like this, and one operator makes one file."""
    R = sm.Restriction(3, slice(0, 2))
    D = sm.Diagonal(np.asarray([1j, 2, 3], dtype="complex64")).freeze()
    A = R @ (0.5 * D)
    sm.save(path, A)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
        assert list(file.keys()) == ["0.entries"]
        np.testing.assert_array_equal(file.get_tensor("0.entries"), np.asarray([[0, 1], [2, 0], [3, 0]], "float32"))
    assert list(metadata) == ["structmat"]
    assert json.loads(metadata["structmat"]) == {
        "format": 1,
        "tensors": {"0.entries": "complex64"},
        "nodes": [
            {"op": "Restriction", "fields": {"n": 3, "index": {"slice": [0, 2, None]}}},
            {"op": "Diagonal", "fields": {"entries": {"tensor": "0.entries"}}, "frozen": True},
            {"op": "Scaled", "fields": {"of": {"operator": 1}, "scalar": {"float": "3fe0000000000000"}}},
            {"op": "Product", "fields": {"parts": {"tuple": [{"operator": 0}, {"operator": 2}]}}},
        ],
    }
    data = path.read_bytes()
    sm.save(path, sm.load(path))
    assert path.read_bytes() == data


def test_dtype_and_strided_arrays(path: Path) -> None:
    strided = np.arange(12.0).reshape(3, 4).T[::2]
    swapped = np.arange(6.0).reshape(3, 2).astype(">f8")
    assert bits(back(path, sm.Dense(strided)).matrix) == bits(strided.copy())
    assert bits(back(path, sm.Dense(swapped)).matrix) == bits(swapped.astype("<f8"))
    sm.save(path, sm.Circulant(np.asarray([1.0, 2.0, 3.0])) @ sm.SignFlip.random(3, rng=0))
    A = sm.load(path, dtype="complex64", xp=torch)
    assert [array.dtype for array in A._arrays] == [torch.complex64, torch.int8]
    sm.save(path, sm.Diagonal(np.asarray([1j])))
    with pytest.raises(TypeError, match=r"dtype is float32 and a parameter is complex; expected a complex one\."):
        sm.load(path, dtype="float32")
    with pytest.raises(TypeError, match=r"dtype is 'int8'; expected a real or complex floating dtype of numpy\."):
        sm.load(path, dtype="int8")
    sm.save(path, sm.Diagonal(torch.ones(3, dtype=torch.bfloat16)))
    with pytest.raises(
        TypeError, match=r"numpy has no dtype bfloat16; choose another one with dtype=, or another library"
    ):
        sm.load(path)


def test_jax_without_64_bits(path: Path) -> None:
    sm.save(path, C @ sm.Restriction(3, np.asarray([0, 2, 1])))
    with jax.enable_x64(False):
        with pytest.raises(TypeError, match=r"jax makes float32 of float64 here; allow it 64 bits \(jax_enable_x64\)"):
            sm.load(path, xp=jnp)
        assert sm.load(path, xp=jnp, dtype="float32").dtype == jnp.float32


def test_gradient_flags_are_not_saved(path: Path) -> None:
    column = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    assert not back(path, sm.Circulant(column), xp=torch).column.requires_grad


def test_operators_of_other_packages(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    class Odd(sm.custom.Leaf):
        dims = "n", "n"
        n: int = sm.custom.size()
        mask: Any = sm.custom.constant("n")  # noqa: RUF009 (what `operator` makes a dataclass of)
        power: float = 0.5
        names: tuple[Any, ...] = ("é", None, True, 2j)

    A = Odd(3, np.asarray([True, False, True]))
    with pytest.raises(TypeError, match=r"save: Odd\(3×3\) is not registered as an operator"):
        sm.save(path, A)
    monkeypatch.setitem(OPERATORS, "Odd", dataclasses.replace(OPERATORS["Identity"], cls=Odd))
    B = back(path, A, xp=torch)
    assert (B.mask.tolist(), B.power, B.names) == ([True, False, True], 0.5, ("é", None, True, 2j))
    tree, tensors = opened(path)
    del tree["nodes"][0]["fields"]["power"]  # as if a release without this field had written it
    write(path, tree, tensors)
    assert sm.load(path).power == 0.5
    for value in (print, [1], (1, (2,)), slice("a"), 2**63, {"a": 1}):
        with pytest.raises(TypeError, match=r"save: Odd\(3×3\) holds in power what no file can: .*, a \w+\."):
            sm.save(path, A._replace(power=value))


def test_all_composites_are_known() -> None:
    """A kind of operator that the core adds has to be given its place in the table."""

    def kinds(cls: type) -> set[type]:
        return {cls}.union(*map(kinds, cls.__subclasses__()))

    composites = kinds(bilinear.LeafView) | kinds(compose.Composite)
    abstract = {
        bilinear.LeafView,
        compose.Composite,
        compose.NaryOperator,
        compose.UnaryOperator,
        compose.Parallel,
        blocks.Stack,
    }
    assert {cls for cls in composites - abstract if cls.__module__.startswith("structmat.")} == set(
        limits.COMPOSITES.values()
    )


# ---------------------------------------------------------------------- writing


def test_bad_arguments(path: Path) -> None:
    with pytest.raises(TypeError, match=r"save: A is a ndarray; expected a LinearOperator\."):
        sm.save(path, np.ones(3))
    with pytest.raises(TypeError, match=r"save: Diagonal\(2×2\): entries has dtype \w+; files hold bool, int8, "):
        sm.save(path, sm.Diagonal(np.ones(2, dtype=np.longdouble)))
    with pytest.raises(TypeError, match="xp is 'NumPy'; expected an array module"):
        sm.load(path, xp="NumPy")
    with pytest.raises(FileNotFoundError):
        sm.load(path)
    with pytest.raises(FileNotFoundError):
        sm.save(path / "nowhere" / "file", C)
    with pytest.raises(FileExistsError, match="exists and is no regular file"):
        sm.save(path.parent, C)
    with pytest.raises(ValueError, match="it is no regular file"):
        sm.load(path.parent)
    assert list(path.parent.iterdir()) == []


def test_without_safetensors(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (lambda: sm.save(path, C), lambda: sm.load(path)):
        with pytest.raises(ImportError, match=r"needs the package safetensors: pip install 'safetensors>="):
            call()


def deep(levels: int) -> sm.LinearOperator:
    return functools.reduce(lambda A, _: compose.Power(A, 2), range(levels - 1), C)


def test_trees_too_large_are_not_saved(path: Path) -> None:
    assert back(path, deep(limits.DEPTH)).shape == C.shape
    with pytest.raises(ValueError, match=r"save: the tree has 201 levels; 200 is the most\."):
        sm.save(path, deep(limits.DEPTH + 1))
    with pytest.raises(ValueError, match=r"save: the tree has 5000 levels"):
        sm.save(path, deep(5000))
    wide = functools.reduce(lambda A, _: compose.Sum((A, A)), range(20), C)
    with pytest.raises(ValueError, match=r"save: the tree has over 100000 operators, which is the most\."):
        sm.save(path, wide)


FAILURES: list[tuple[Any, str]] = [
    (safetensors.numpy, "save"),
    (os, "fsync"),
    (Path, "replace"),
    (storage, "encode"),
    (json, "dumps"),
]


@pytest.mark.parametrize(("owner", "name"), FAILURES)
@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, MemoryError])
def test_a_failure_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, error: type[BaseException]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error("full")

    for before in (None, b"something else"):
        if before is not None:
            path.write_bytes(before)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(error):
                sm.save(path, C)
        assert list(path.parent.iterdir()) == ([] if before is None else [path])
        assert before is None or path.read_bytes() == before
    sm.save(path, C)
    assert facts(sm.load(path)) == facts(C)


def test_a_short_write_changes_nothing(path: Path) -> None:
    """The disk fills up while the file is written."""
    resource = pytest.importorskip("resource")
    signal = pytest.importorskip("signal")
    sm.save(path, C)
    before = path.read_bytes()
    handler, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OSError, match="File too large"):
            sm.save(path, sm.Diagonal(np.ones(10_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_files_have_usual_rights_and_links_are_followed(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    sm.save(str(link), C)
    assert link.is_symlink()
    plain = path.with_name("plain")
    plain.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    assert facts(sm.load(link)) == facts(C)
    loop = path.with_name("loop")
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        sm.save(loop, C)
    assert loop.is_symlink()


POSIX = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither modes nor owners nor signals")


@POSIX
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o664, 0o755, 0o400, 0o666])
def test_modes_are_kept(path: Path, mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also behind a link; and while it is written, nobody else may read what replaces a file."""
    sm.save(path, C)
    path.chmod(mode)
    (path.parent / "link").symlink_to(path.name)
    seen = []
    write_bytes = Path.write_bytes

    def watched(file: Path, data: bytes) -> int:
        seen.append(stat.S_IMODE(file.stat().st_mode))
        return write_bytes(file, data)

    monkeypatch.setattr(Path, "write_bytes", watched)
    sm.save(path.parent / "link", C.H)
    assert seen == [0o600]
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert facts(sm.load(path)) == facts(C.H)


@POSIX
@pytest.mark.parametrize(
    ("allowed", "mode", "kept"),
    [
        ("owner and group", 0o4751, 0o4751),
        ("group", 0o6751, 0o751),
        ("group", 0o640, 0o640),
        ("nothing", 0o640, 0o600),
        ("nothing", 0o674, 0o644),
        ("nothing", 0o2775, 0o755),
    ],
)
def test_owners_are_kept_or_nobody_gains(
    path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str, mode: int, kept: int
) -> None:
    """Where the system refuses an owner, bits for its name fall; another group may do what all others may."""
    sm.save(path, C)
    path.chmod(mode)
    old, asked = path.stat(), []

    def chown(file: Any, uid: int, gid: int) -> None:
        asked.append((uid, gid))
        if not ("owner" in allowed if uid != -1 else "group" in allowed):
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chown", chown)
    sm.save(path, C.H)
    assert asked == [(old.st_uid, old.st_gid), (-1, old.st_gid)][: len(asked)]
    assert len(asked) == 1 + ("owner" not in allowed)
    assert stat.S_IMODE(path.stat().st_mode) == kept


@POSIX
def test_another_owner_s_file_stays_theirs(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    sm.save(path, C)
    os.chown(path, 1234, 2345)
    sm.save(path, C.H)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


@pytest.mark.skipif(sys.platform != "linux", reason="access control lists are read by Linux' calls")
def test_access_control_lists_are_kept(path: Path) -> None:
    """The bits of a file with a list are its mask: with them alone, the group would gain what one user was given."""
    sm.save(path, C)
    nobody = 0xFFFFFFFF
    entries = [
        (1, 6, nobody),
        (2, 4, 1234),
        (4, 0, nobody),
        (16, 4, nobody),
        (32, 0, nobody),
    ]  # acl(5): tag, rights, id
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    sm.save(path, C.H)
    assert os.getxattr(path, "system.posix_acl_access") == acl
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def in_another_process(code: str, path: Path) -> "subprocess.Popen[str]":
    head = "import os, sys, pathlib, numpy as np, structmat as sm; path = pathlib.Path(sys.argv[1]);"
    return subprocess.Popen([sys.executable, "-c", f"{head}\n{code}", str(path)], stdout=subprocess.PIPE, text=True)


@POSIX
def test_a_folder_that_is_read_only() -> None:
    """Nothing can take the place of a file there, though the file itself might be written: the error says so."""
    code = """
if os.geteuid() == 0:  # root may write anywhere
    os.setegid(65534), os.seteuid(65534)
try:
    sm.save(path, sm.Circulant(np.ones(2)))
except PermissionError as error:
    print(error)
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "operator"
        sm.save(path, C)
        path.chmod(0o666)
        path.parent.chmod(0o555)
        try:
            said, _ = in_another_process(code, path).communicate(timeout=60)
        finally:
            path.parent.chmod(0o755)
        reason = "Permission denied; a file is replaced by a new one in its folder, which has to be writable"
        assert said.strip().endswith(f"{reason}: {str(path)!r}")
        assert facts(sm.load(path)) == facts(C)


@POSIX
def test_a_killed_process_leaves_one_file_and_the_next_removes_it(path: Path) -> None:
    """Whatever number of processes is killed, and wherever in a save."""
    sm.save(path, C)
    for function in ("os.fsync", "pathlib.Path.replace"):
        code = f"{function} = lambda *_: os.kill(os.getpid(), 9); sm.save(path, sm.Circulant(np.ones(9)))"
        process = in_another_process(code, path)
        process.communicate(timeout=60)
        assert process.returncode == -signal.SIGKILL
        assert len(list(path.parent.iterdir())) == 2
        assert facts(sm.load(path)) == facts(C)
    other = path.with_name("other" + "ß" * 120)  # 245 bytes, of the 255 that a name may have
    sm.save(other, C)
    assert len(list(path.parent.iterdir())) == 3  # what is left belongs to the other target
    sm.save(path, C.H)
    assert set(path.parent.iterdir()) == {path, other}
    assert facts(sm.load(path)) == facts(C.H)


@POSIX
def test_what_stands_in_the_way_is_left_alone(path: Path) -> None:
    code = "os.fsync = lambda *_: os.kill(os.getpid(), 9); sm.save(path, sm.Circulant(np.ones(9)))"
    in_another_process(code, path).communicate(timeout=60)
    (scratch,) = path.parent.iterdir()
    victim = path.with_name("victim")
    victim.write_text("precious", encoding="utf-8")
    for obstacle in (lambda: scratch.symlink_to(victim), scratch.mkdir, lambda: os.mkfifo(scratch)):
        if scratch.is_dir() and not scratch.is_symlink():
            scratch.rmdir()
        else:
            scratch.unlink(missing_ok=True)
        obstacle()
        with pytest.raises(FileExistsError, match="exists and is no regular file"):
            sm.save(path, C)
        assert victim.read_text(encoding="utf-8") == "precious"
        assert not path.exists()


def test_many_save_to_one_file_at_once(path: Path) -> None:
    """One after the other: a reader finds a whole file at any time, and no temporary one stays."""
    sizes = (2, 300, 40_000)
    sm.save(path, sm.Diagonal(np.ones(2)))
    failures: list[BaseException] = []

    def run(size: int) -> None:
        try:
            for _ in range(8):
                sm.save(path, sm.Diagonal(np.full(size, float(size))))
        except BaseException as error:  # noqa: BLE001 (told by the test)
            failures.append(error)

    code = "[sm.save(path, sm.Diagonal(np.full(7, 7.0))) for _ in range(8)]"
    processes = [in_another_process(code, path) for _ in range(2)]
    threads = [threading.Thread(target=run, args=(size,)) for size in sizes]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads) or any(process.poll() is None for process in processes):
        entries = sm.load(path).entries
        assert (entries == len(entries)).all() or len(entries) == 2
    for process in processes:
        process.communicate(timeout=60)
    assert failures == []
    assert [process.returncode for process in processes] == [0, 0]
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("bad", ["a\0b", "\0", "a" * 5000 + "\0", "\ud800"], ids=ascii)
@pytest.mark.parametrize("make", [str, Path])
def test_paths_that_no_system_takes(bad: str, make: Callable[[str], Any]) -> None:
    for call, act in (("save", lambda: sm.save(make(bad), C)), ("load", lambda: sm.load(make(bad)))):
        with pytest.raises(ValueError, match=rf"^{call}: path is '.*'; expected one without null characters") as caught:
            act()
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 200
    for call, act in (("save", lambda: sm.save(b"a", C)), ("load", lambda: sm.load(b"a"))):
        with pytest.raises(TypeError, match=rf"{call}: path is a bytes; expected a str or a path\."):
            act()


def test_tracers_are_not_saved(path: Path) -> None:
    with pytest.raises(TypeError):
        jax.jit(lambda x: sm.save(path, sm.Diagonal(x)))(jnp.ones(3))
    assert list(path.parent.iterdir()) == []


# ---------------------------------------------------------------------- files that are refused


def opened(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with safetensors.safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["structmat"]), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def write(path: Path, tree: Any, tensors: dict[str, np.ndarray]) -> None:
    text = tree if isinstance(tree, str) else json.dumps(tree)
    safetensors.numpy.save_file(tensors, path, metadata={"structmat": text})


def raw(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def refused(path: Path, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        sm.load(path)
    message = str(caught.value)
    assert type(caught.value) is ValueError
    assert message.startswith(f"load: {path}: ")
    assert "\n" not in message
    assert len(message) < len(str(path)) + 400


def test_truncated_files(path: Path) -> None:
    sm.save(path, C @ sm.SignFlip.random(3, rng=0))
    data = path.read_bytes()
    for length in {*range(0, len(data), 64), *range(10), len(data) - 1}:
        path.write_bytes(data[:length])
        refused(path, r"it is no safetensors file, or not all of one \(.+\)\.$")
    path.write_bytes(data + b"\0")
    refused(path, "not all of one")


NO_SAFETENSORS = {
    "empty": b"",
    "text": b"column = [1, 2, 3]\n" * 20,
    "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }" + b" " * 100,
    "pickle": pickle.dumps(C),
    "not UTF-8": raw(b'{"\xff":1}'),
    "deep header": raw(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "long header": struct.pack("<Q", 2**63) + b"{}",
    "huge shape": raw({"a": {"dtype": "F64", "shape": [2**62, 2**62], "data_offsets": [0, 8]}}, bytes(8)),
    "huge claim": raw({"a": {"dtype": "F64", "shape": [2**40], "data_offsets": [0, 2**43]}}, bytes(8)),
    "beyond": raw({"a": {"dtype": "F64", "shape": [1], "data_offsets": [8, 16]}}, bytes(8)),
    "metadata": raw({"__metadata__": {"structmat": 1}}),
}


@pytest.mark.parametrize("case", NO_SAFETENSORS)
def test_files_of_other_kinds(path: Path, case: str) -> None:
    path.write_bytes(NO_SAFETENSORS[case])
    refused(path, "it is no safetensors file, or not all of one")


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_safetensors_of_others(path: Path, metadata: Any) -> None:
    safetensors.numpy.save_file({"weight": np.ones(3)}, path, metadata=metadata)
    refused(path, r"it is a safetensors file, but not one of structmat's\.")


Edit = Callable[[dict[str, Any], dict[str, np.ndarray]], Any]


def edit(place: str, value: Any) -> Edit:
    """Put a value at a place such as "nodes.0.fields.n" of the description of `base`."""
    *way, last = [int(step) if step.isdigit() else step for step in place.replace("::", "\0").split(".")]

    def change(tree: dict[str, Any], _: Any) -> None:
        python_operator.setitem(functools.reduce(python_operator.getitem, way, tree), last, value)

    return change


def base() -> sm.LinearOperator:
    """Node 0 is a Circulant, 1 its adjoint, 2 a Restriction, 3 a product, 4 scaled, 5 a power, 6 a repetition."""
    R = sm.Restriction(3, np.asarray([2, 0, 1]))
    return sm.repeat((0.5 * (C.H @ R)) ** 3, 2)


def chain(levels: int) -> Edit:
    def change(tree: dict[str, Any], _: Any) -> None:
        for _ in range(levels):
            last = len(tree["nodes"]) - 1
            tree["nodes"].append({"op": "Power", "fields": {"of": {"operator": last}, "exponent": 2}})

    return change


def doubling(tree: dict[str, Any], _: Any) -> None:
    """A tree of 2^150 operators in a few lines."""
    for last in range(len(tree["nodes"]) - 1, len(tree["nodes"]) + 149):
        tree["nodes"].append({"op": "Sum", "fields": {"parts": {"tuple": [{"operator": last}] * 2}}})


def tensor(value: np.ndarray, dtype: str | None = None) -> Edit:
    def change(tree: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        tensors["0.column"] = value
        tree["tensors"]["0.column"] = dtype or tree["tensors"]["0.column"]

    return change


HOSTILE: dict[str, tuple[Edit, str]] = {
    # the description as a whole
    "no JSON": (lambda *_: "{'op'", "its description is not valid JSON"),
    "no text": (lambda *_: "", "its description is not valid JSON"),
    "deep JSON": (lambda *_: "[" * 200_000, "its description is not valid JSON"),
    "key twice": (lambda *_: '{"format":1,"format":1}', r"not valid JSON \(a key occurs twice\)"),
    "long number": (lambda *_: '{"format":1' + "0" * 10_000 + "}", "not valid JSON"),
    "large number": (edit("nodes.6.fields.times", 2**63), r"not valid JSON \(an integer is beyond 64 bits\)"),
    "a list": (lambda *_: [], "its description has not the form of a tree"),
    "null": (lambda *_: None, "its description has not the form of a tree"),
    "no nodes": (edit("nodes", []), "its description has not the form of a tree"),
    "nodes": (edit("nodes", {"0": 1}), "its description has not the form of a tree"),
    "more": (edit("more", 1), "its description has not the form of a tree"),
    "newer": (edit("format", 2), "it has format 2, and this structmat reads format 1: a newer one may read it"),
    "older": (edit("format", 0), "its description has not the form of a tree"),
    "text format": (edit("format", "1"), "its description has not the form of a tree"),
    # nodes
    "no node": (edit("nodes.0", None), "node 0 is no description of an operator: None"),
    "no op": (edit("nodes.0", {"fields": {}}), "node 0 is no description of an operator"),
    "node has more": (edit("nodes.0.run", "os.system"), "node 0 is no description of an operator"),
    "code": (edit("nodes.0.op", "os.system"), "it names the operator 'os.system', which is not registered; import"),
    "eval": (edit("nodes.0.op", "eval"), "it names the operator 'eval', which is not registered"),
    "path": (edit("nodes.0.op", "structmat.Circulant"), "it names the operator 'structmat.Circulant'"),
    "base class": (edit("nodes.0.op", "LinearOperator"), "it names the operator 'LinearOperator'"),
    "dunder": (edit("nodes.0.op", "__class__"), "it names the operator '__class__'"),
    "long name": (edit("nodes.0.op", "x" * 10_000), "it names the operator 'xxx"),
    "lacks a field": (edit("nodes.0.fields", {}), r"node 0 \(Circulant\) lacks fields or has too many: \['column'\]"),
    "field too many": (edit("nodes.0.fields.dims", ["n", "n"]), r"lacks fields or has too many: \['dims'\]"),
    "private field": (edit("nodes.0.fields._frozen", True), r"lacks fields or has too many: \['_frozen'\]"),
    "frozen": (edit("nodes.0.frozen", 1), r"node 0 \(Circulant\) has frozen 1; expected true, and a leaf"),
    "frozen product": (edit("nodes.3.frozen", True), r"node 3 \(Product\) has frozen True"),
    "unused": (edit("nodes.3.fields.parts.tuple", [{"operator": 2}]), "it holds tensors or operators that belong to no"),
    # the way from node to node
    "cycle": (edit("nodes.1.fields.of", {"operator": 3}), "node 1 has the part 3; parts come before the whole"),
    "itself": (edit("nodes.1.fields.of", {"operator": 1}), "node 1 has the part 1"),
    "from behind": (edit("nodes.1.fields.of", {"operator": -1}), "node 1 has the part -1"),
    "true": (edit("nodes.1.fields.of", {"operator": True}), "node 1 has the part True"),
    "by name": (edit("nodes.1.fields.of", {"operator": "0"}), "node 1 has the part '0'"),
    "too deep": (chain(300), "the tree has 306 levels; 200 is the most"),
    "too deep by far": (chain(2000), "the tree has 2006 levels"),
    "doubling": (doubling, "the tree has over 100000 operators, which is the most"),
    # values
    "text for tensor": (edit("nodes.0.fields.column", "0.column"), r"node 0 \(Circulant\): Circulant: column is a str"),
    "number for tensor": (edit("nodes.0.fields.column", 1), r"node 0 \(Circulant\): Circulant: column is a int"),
    "operator for tensor": (edit("nodes.2.fields.index", {"operator": 0}), r"node 2 \(Restriction\) has operators in its fields"),
    "operators for tensor": (edit("nodes.2.fields.index", {"tuple": [{"operator": 0}]}), "which no leaf has"),
    "bare number": (edit("nodes.4.fields.scalar", 0.5), r"node 4 \(Scaled\): scalar is 0.5, which no field can hold"),
    "NaN": (lambda *_: '{"format":NaN}', "its description has not the form of a tree"),
    "list": (edit("nodes.0.fields.column", [1, 2, 3]), "which no field can hold"),
    "object": (edit("nodes.0.fields.column", {"py/object": "os.system"}), "which no field can hold"),
    "two in one": (edit("nodes.4.fields.scalar", {"float": "00" * 8, "tensor": "0.column"}), "which no field can hold"),
    "short float": (edit("nodes.4.fields.scalar", {"float": "00"}), r"has the number '00'; expected 16 hexadecimal"),
    "no float": (edit("nodes.4.fields.scalar", {"float": "zz" * 8}), "expected 16 hexadecimal"),
    "text scalar": (edit("nodes.4.fields.scalar", "2"), r"node 4 \(Scaled\): Scaled: scalar is '2'; expected a num"),
    "true scalar": (edit("nodes.4.fields.scalar", True), "scalar is True; expected a number"),
    "tensor scalar": (edit("nodes.4.fields.scalar", {"tensor": "0.column"}), r"scalar is array\(.*; expected a number"),
    "negative power": (edit("nodes.5.fields.exponent", -1), r"node 5 \(Power\): Power: exponent is -1; expected an"),
    "no times": (edit("nodes.6.fields.times", 0), r"node 6 \(Repeat\): Repeat: times is 0; expected a pos"),
    "slice": (edit("nodes.2.fields.index", {"slice": [0, 2]}), "which no field can hold"),
    "slice of text": (edit("nodes.2.fields.index", {"slice": ["a", None, None]}), "which no field can hold"),
    "empty slice": (edit("nodes.2.fields.index", {"slice": [7, 9, None]}), r"node 2 \(Restriction\): Restriction: index"),
    "no parts": (edit("nodes.3.fields.parts", {"tuple": []}), "Product: parts is empty; expected at least one"),
    "one part": (edit("nodes.3.fields.parts", {"operator": 0}), "Product: parts is a Circulant; expected operators"),
    "numbers as parts": (edit("nodes.3.fields.parts", {"tuple": [1, 2]}), "part 1 is a int; expected a LinearOperator"),
    "nested": (edit("nodes.3.fields.parts", {"tuple": [{"tuple": []}]}), "which no field can hold"),
    "adjoint of a product": (edit("nodes.4", {"op": "Adjoint", "fields": {"of": {"operator": 3}}}), "of is a Product; expected a leaf or its view"),
    "size": (edit("nodes.2.fields.n", 0), r"node 2 \(Restriction\): Restriction: n is 0; expected a positive int\."),
    "sizes that differ": (edit("nodes.2.fields.n", 4), r"node 3 \(Product\)|node 5 \(Power\)"),
    "index out of range": (edit("nodes.2.fields.n", 2), "index runs from 0 to 2; expected 0 to n - 1 = 1"),
    # tensors
    "missing tensor": (lambda _, tensors: tensors.pop("0.column"), "its tensors are not those that its description"),
    "tensor too many": (lambda _, tensors: tensors.update(x=np.ones(1)), "its tensors are not those that its"),
    "unlisted": (edit("tensors", {}), "its tensors are not those that its description"),
    "other name": (edit("nodes.0.fields.column", {"tensor": "other"}), "which no field can hold"),
    "other dtype": (tensor(np.ones(3, "float32")), "tensor '0.column' is stored as F32 of shape .*, which holds no float64"),
    "integers": (tensor(np.ones(3, "int64"), "int64"), r"Circulant: column has dtype int64; expected a real or complex"),
    "no dtype": (tensor(np.ones(3), "object"), "tensor '0.column' has dtype 'object'; expected bool, int8"),
    "dtype is a list": (tensor(np.ones(3), ["float64"]), "has dtype .*; expected bool, int8"),
    "no pairs": (tensor(np.ones(3), "complex128"), "stored as F64 of shape .3., which holds no complex128"),
    "no pair": (tensor(np.asarray(1.0), "complex128"), "stored as F64 of shape .*, which holds no complex128"),
    "axes": (tensor(np.ones((3, 1))), r"Circulant: column has shape \(3, 1\); expected 1 axes"),
    "empty axis": (tensor(np.ones(0)), "expected no empty axis"),
    "size of a tensor": (tensor(np.ones(4)), r"node 3 \(Product\)|node 5 \(Power\)"),
    "shared by two": (edit("nodes.2.fields.index", {"tensor": "0.column"}), "index has dtype float64; expected an integer"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_descriptions(path: Path, case: str) -> None:
    change, reason = HOSTILE[case]
    sm.save(path, base())
    tree, tensors = opened(path)
    changed = change(tree, tensors)
    write(path, changed if isinstance(changed, str | list) or case == "null" else tree, tensors)
    refused(path, reason)


STRANGE = [
    ({"dtype": "F64", "shape": [0, 2**62], "data_offsets": [0, 0]}, b"", "float64"),
    ({"dtype": "F64", "shape": [1] * 100, "data_offsets": [0, 8]}, bytes(8), "float64"),
    ({"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}, bytes(8), "int8"),
    ({"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}, bytes(8), "bfloat16"),
]


@pytest.mark.parametrize(("entry", "data", "dtype"), STRANGE)
def test_strange_tensors(path: Path, entry: dict[str, Any], data: bytes, dtype: str) -> None:
    nodes = [{"op": "Circulant", "fields": {"column": {"tensor": "c"}}}]
    tree = {"format": 1, "tensors": {"c": dtype}, "nodes": nodes}
    path.write_bytes(raw({"__metadata__": {"structmat": json.dumps(tree)}, "c": entry}, data))
    refused(path, "tensor 'c'")


QUOTED: list[tuple[str, Edit]] = [
    ("DCT", edit("nodes.0.fields.norm", "x" * 5000)),
    ("DCT", edit("nodes.0.fields.norm", "\x1b[2J\u202e\r\n\0" * 500)),
    ("Circulant", edit("nodes.0.fields.column", "\x1b" * 5000)),
    ("Restriction", edit("nodes.0.fields.n", "\x1b" * 5000)),
    ("Circulant", edit("nodes.0.op", "\x1b[31m" * 1000)),
    ("Circulant", edit("nodes.0.fields." + "\x1b" * 5000, 1)),
    ("Circulant", edit("nodes.0." + "\x1b" * 5000, 1)),
    ("Circulant", edit("nodes.0.fields.column", {"\x1b" * 5000: ["\x1b" * 5000] * 100})),
    ("Circulant", edit("tensors", {"0.column": "\x1b" * 5000})),
    ("Circulant", lambda *_: '{"format":1,"a\x1b'),
]


@pytest.mark.parametrize(("name", "change"), QUOTED, ids=map(str, range(len(QUOTED))))
def test_messages_are_short_and_plain(path: Path, name: str, change: Edit) -> None:
    """Whatever a file holds, neither the message nor the traceback moves a terminal's cursor or fills its screen."""
    sm.save(path, OPERATORS[name].example(8, np.random.default_rng(0)))
    tree, tensors = opened(path)
    write(path, change(tree, tensors) or tree, tensors)
    with pytest.raises(ValueError, match="load: ") as caught:
        sm.load(path)
    reason = str(caught.value).removeprefix(f"load: {path}: ")
    assert len(reason) < 400
    assert reason.isprintable()
    shown = "".join(traceback.format_exception(caught.value)).replace("\n", "")
    assert "\x1b" not in shown
    assert len(shown) < 4000


def test_messages_keep_what_was_expected(path: Path) -> None:
    sm.save(path, sm.DCT(3))
    tree, tensors = opened(path)
    tree["nodes"][0]["fields"]["norm"] = "x" * 5000
    write(path, tree, tensors)
    refused(path, r"node 0 \(DCT\): DCT: norm is 'xxx.* \.\.\. .*xxx'; expected ")


@pytest.mark.parametrize("spelling", ['"op"', '"\\u006fp"'])
def test_many_nodes_are_refused_before_any_is_made(path: Path, monkeypatch: pytest.MonkeyPatch, spelling: str) -> None:
    """By their number, whether or not they are used; below it, nothing is made of those that are not used."""
    made = []
    monkeypatch.setattr(sm.Identity, "_setup", made.append)

    def node(n: int) -> str:
        return f'{{{spelling}:"Identity","fields":{{"n":{n}}}}}'

    for count, reason in (
        (limits.PLACES + 1, "it has over 100000 operators"),
        (limits.VALUES // 4 + 1, "over 2000000 values"),
    ):
        text = '{"format":1,"tensors":{},"nodes":[' + ",".join([node(3)] * count) + "]}"
        path.write_bytes(raw({"__metadata__": {"structmat": text}}))
        refused(path, reason)
    assert made == []
    monkeypatch.undo()
    built = []
    setup = sm.Identity._setup
    monkeypatch.setattr(sm.Identity, "_setup", lambda self: (built.append(self.n), setup(self)))
    unused = '{"op":"Power","fields":{"of":{"operator":0},"exponent":2}}'
    text = '{"format":1,"tensors":{},"nodes":[' + ",".join([node(3)] * 2000 + [unused, node(4)]) + "]}"
    path.write_bytes(raw({"__metadata__": {"structmat": text}}))
    refused(path, "it holds tensors or operators that belong to nothing")
    assert set(built) == {4}


def test_what_no_load_would_read_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "VALUES", 20)
    with pytest.raises(ValueError, match=r"save: the description of the tree has over 20 values, which is the most\."):
        sm.save(path, base())
    monkeypatch.undo()
    singular = (C**-1).with_params([np.ones(3)])  # as a step of training might make it
    with pytest.raises(np.linalg.LinAlgError, match=r"Circulant\(3×3\) \*\* -1: the operator is singular to working"):
        sm.save(path, 2 * sm.block_diag([C, singular.H]))
    assert list(path.parent.iterdir()) == []


SOLVABLE: dict[str, Callable[..., sm.LinearOperator]] = {  # from the first column of a 6×6 matrix
    "Banded": lambda c: sm.Banded(np.stack([c, c]), 1, 0),
    "BlockCirculant": lambda c: sm.BlockCirculant(np.stack([[c[:3], 0 * c[:3]], [0 * c[:3], c[:3]]])),
    "Circulant": sm.Circulant,
    "Dense": lambda c: sm.Dense(np.stack([np.roll(c, shift) for shift in range(6)])),
    "Diagonal": sm.Diagonal,
    "FCirculant": lambda c: sm.FCirculant(c, 2.0),
    "MultilevelCirculant": lambda c: sm.MultilevelCirculant(c.reshape(2, 3)),
    "SkewCirculant": sm.SkewCirculant,
    "Tridiagonal": lambda c: sm.Tridiagonal(c[1:], c, c[1:]),
}
SINGULAR_IF_CONSTANT = {"BlockCirculant", "Circulant", "Dense", "MultilevelCirculant"}


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("name", SOLVABLE)
def test_inverses_of_singular_leaves_are_refused(path: Path, name: str, dtype: str) -> None:
    """Of zeros, of NaN, and of rows that are equal but for a rounding."""
    A = SOLVABLE[name](np.asarray([8, 1, 1, 1, 1, 1], dtype)) ** -1
    assert facts(back(path, A)) == facts(A)
    tree, tensors = opened(path)
    rounded = 1 + np.finfo(dtype).eps
    for value in [0.0, np.nan] + [1.0, rounded] * (name in SINGULAR_IF_CONSTANT):
        bad = {key: np.ones_like(tensor) for key, tensor in tensors.items()}
        for tensor in bad.values():
            tensor.flat[:: 1 if value != rounded else tensor.size] = value
        write(path, tree, bad)
        with np.errstate(invalid="ignore"):
            refused(path, rf"node 1 \(Inverse\): ({name}.* \*\* -1: the operator is singular|SVD did not converge)")


@pytest.mark.parametrize("xp", [np, torch, jnp, array_api_strict])
def test_inverses_of_singular_leaves_are_refused_by_every_library(path: Path, xp: Any) -> None:
    A = sm.Circulant(xp.asarray(np.asarray([4.0, 1, 0, 1]))) ** -1
    assert facts(back(path, A, xp=xp)) == facts(A)
    tree, tensors = opened(path)
    write(path, tree, {key: np.ones_like(value) for key, value in tensors.items()})
    with pytest.raises(ValueError, match=r"node 1 \(Inverse\): Circulant\(4×4\) \*\* -1: the operator is singular"):
        sm.load(path, xp=xp)
    write(path, tree, {key: np.asarray([1, 1e-9, 0, -1]) for key in tensors})  # condition 1e9
    assert sm.load(path, xp=xp).dtype == A.dtype
    with pytest.raises(ValueError, match="the operator is singular to working precision"):
        sm.load(path, xp=xp, dtype="float32")


@pytest.mark.parametrize("name", sorted(OPERATORS.keys() - {*SOLVABLE, "FunctionOperator"}))
def test_inverses_of_leaves_without_one_are_refused(path: Path, name: str) -> None:
    """An `Inverse` is what ``A ** -1`` is, and of these it is another operator or none: not square, or only solvable."""
    sm.save(path, OPERATORS[name].example(8, np.random.default_rng(0)))
    tree, tensors = opened(path)
    tree["nodes"].append({"op": "Inverse", "fields": {"of": {"operator": 0}}})
    write(path, tree, tensors)
    refused(path, rf"node 1 \(Inverse\): {name}.* \*\* -1")
    tree["nodes"][1:] = [
        {"op": "Adjoint", "fields": {"of": {"operator": 0}}},
        {"op": "Inverse", "fields": {"of": {"operator": 1}}},
    ]
    write(path, tree, tensors)
    refused(path, r"node 2 \(Inverse\): ")


def test_masks_are_true_or_false() -> None:
    """A byte other than 0 and 1 would make a boolean that is neither."""
    made = storage.decode(np.asarray([0, 1, 7], dtype=np.uint8).view(np.bool_), "bool", namespaces.resolve(None))
    assert made.view(np.uint8).tolist() == [0, 1, 1]


def test_nothing_is_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a description names, no module is imported for it."""
    sm.save(path, base())
    tree, tensors = opened(path)
    imported = set(sys.modules)
    for name in ("antigravity.open", "antigravity", "antigravity:open", "builtins.exec", "structmat.io.load"):
        for place in ("nodes.0.op", "nodes.0.fields.column", "nodes.4.fields.scalar"):
            changed = json.loads(json.dumps(tree))
            edit(place, name)(changed, tensors)
            write(path, changed, tensors)
            refused(path, "names the operator|scalar is .*; expected a number|is a str")
    assert "antigravity" not in set(sys.modules) - imported


@given(st.data())
@same_folder
def test_damaged_files(tmp_path: Path, data: st.DataObject) -> None:
    """A file with some bytes changed is an operator still, or is refused."""
    path = tmp_path / "damaged"
    sm.save(path, base())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(ValueError):
        assert isinstance(sm.load(path), sm.LinearOperator)
