"""What structmat asks of CuPy, held against CuPy itself, which imports without a GPU: run by `make test-cupy-api`.

The names and the calls are read from the source of structmat, so that the list of them can't go stale.
"""

import ast
import importlib
import inspect
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import array_api_compat.cupy as xp
import cupy
import cupyx.scipy.fft
import cupyx.scipy.sparse.linalg
import numpy as np
import pytest

import structmat
from structmat._backend import fft, solvers

PACKAGE = Path(structmat.__file__).parent
# Modules of one other library each.
OTHERS = {"nn", "torch.py", "torch_fft.py", "jax.py", "strict.py", "linear_operator.py", "lineax.py"}
# Names that only other libraries are asked for, and where the source makes sure of that.
NOT_OF_CUPY = {
    "bfloat16": "PyTorch and JAX: `decode`",
}


class Use(NamedTuple):
    """A name, and how it is called; None if it is only read."""

    positional: int | None
    keywords: frozenset[str]
    more: bool  # of either, by a star

    def __str__(self) -> str:
        return (
            "read" if self.positional is None else f"({self.positional} arguments, {', '.join(sorted(self.keywords))})"
        )


def is_namespace(node: ast.expr) -> bool:
    """`xp`, `A.xp`, `namespaces.of(x)` and their like."""
    match node:
        case ast.Name("xp") | ast.Attribute(attr="xp"):
            return True
        case ast.Call(ast.Attribute(ast.Name("namespaces"), "of" | "resolve")):
            return True
    return False


def is_cupy(node: ast.expr) -> bool:
    """`sys.modules["cupy"]`."""
    return isinstance(node, ast.Subscript) and ast.unparse(node) == "sys.modules['cupy']"


def name_in(node: ast.expr, is_root: Any) -> str | None:
    """The dotted name below a namespace."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
        if is_root(node):
            return ".".join(reversed(names))
    return None


def uses(is_root: Any) -> dict[str, set[Use]]:
    """All names that structmat looks up below a namespace, with the ways it calls them."""
    found: dict[str, set[Use]] = defaultdict(set)
    for path in sorted(PACKAGE.rglob("*.py")):
        if OTHERS & set(path.relative_to(PACKAGE).parts):
            continue
        inner = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and (name := name_in(node.func, is_root)):
                more = any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords)
                keywords = frozenset(k.arg for k in node.keywords if k.arg)
                positional = sum(not isinstance(a, ast.Starred) for a in node.args)
                found[name].add(Use(positional, keywords, more))
                inner.add(node.func)
            elif isinstance(node, ast.Attribute) and node not in inner and (name := name_in(node, is_root)):
                found[name].add(Use(None, frozenset(), False))
    return {name: ways for name, ways in found.items() if not any(longer.startswith(f"{name}.") for longer in found)}


def look_up(owner: Any, name: str) -> Any:
    for part in name.split("."):
        owner = getattr(owner, part)
    return owner


def bind(function: Any, use: Use) -> None:
    """Raise TypeError if a function does not take a call."""
    if use.positional is None:
        return
    arguments, keywords = [None] * use.positional, dict.fromkeys(use.keywords)
    if isinstance(function, cupy.ufunc):
        if not use.more and not function.nin <= use.positional <= function.nin + function.nout:
            raise TypeError(f"{use.positional} arguments; expected {function.nin}")
        if not use.keywords <= {"out", "dtype", "casting"}:
            raise TypeError(f"unknown keywords {use.keywords}")
        return
    try:
        signature = inspect.signature(function)
    except ValueError:  # compiled, such as `add.at`
        assert callable(function)
        return
    (signature.bind_partial if use.more else signature.bind)(*arguments, **keywords)


def optional_names() -> set[str]:
    """Names that the source looks for with `hasattr` before it uses them."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(ast.Name("hasattr"), [ast.Name("xp"), ast.Constant(str(name))]):
                    found.add(name)
                case ast.Call(ast.Name("hasattr"), [ast.Attribute(ast.Name("xp"), part), ast.Constant(str(name))]):
                    found.add(f"{part}.{name}")
    return found


STANDARD = uses(is_namespace)
OWN = uses(is_cupy)
OPTIONAL = optional_names()


def test_the_source_is_read() -> None:
    assert len(STANDARD) > 70
    assert {"linalg.qr", "finfo", "astype", "ascontiguousarray"} <= set(STANDARD)
    assert "may_share_memory" in OWN


@pytest.mark.parametrize("name", sorted(STANDARD.keys() - NOT_OF_CUPY))
def test_names_of_the_namespace(name: str) -> None:
    try:
        function = look_up(xp, name)
    except AttributeError:
        assert name in OPTIONAL, "some releases of CuPy lack it, and structmat does not ask first"
        return
    for use in STANDARD[name]:
        bind(function, use)


@pytest.mark.parametrize("name", sorted(NOT_OF_CUPY))
def test_exceptions_are_up_to_date(name: str) -> None:
    assert name in STANDARD
    assert not hasattr(xp, name)


@pytest.mark.parametrize("name", sorted(OWN))
def test_names_of_cupy(name: str) -> None:
    for use in OWN[name]:
        bind(look_up(cupy, name), use)


def methods_of_arrays() -> Iterator[str]:
    """Methods that the adapter of CuPy calls on arrays."""
    source = (PACKAGE / "_backend/libraries/cupy.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(ast.Attribute(ast.Name("x" | "y"), method)):
                yield method


@pytest.mark.parametrize("method", sorted(methods_of_arrays()))
def test_methods_of_arrays(method: str) -> None:
    assert callable(getattr(cupy.ndarray, method))


def binder(function: Any, calls: list[str], result: Any) -> Any:
    """A function in the place of one of CuPy's, which takes what that takes."""
    signature = inspect.signature(function)

    def run(*arguments: Any, **keywords: Any) -> Any:
        signature.bind(*arguments, **keywords)
        calls.append(function.__name__)
        return result(*arguments, **keywords) if callable(result) else result

    run.__signature__ = signature  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize("method", solvers.METHODS)
@pytest.mark.parametrize("preconditioner", [None, lambda v: v])
def test_krylov_methods(method: str, preconditioner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call reaches CuPy's function with a tolerance that it takes; host arrays do, since no work is done."""
    module, b, calls = cupyx.scipy.sparse.linalg, np.ones(4, np.float32), []
    monkeypatch.setattr(module, method, binder(getattr(module, method), calls, (b, 0)))
    options: dict[str, Any] = {"rtol": 1e-5, "maxiter": 10, "callback": None}
    assert solvers.krylov(xp, method, lambda v: v, preconditioner, b, **options) is b
    assert calls == [method]


def test_lsmr(monkeypatch: pytest.MonkeyPatch) -> None:
    module, b, calls = cupyx.scipy.sparse.linalg, np.ones(4, np.float32), []
    monkeypatch.setattr(module, "lsmr", binder(module.lsmr, calls, (b, 1, 3)))
    monkeypatch.setattr(xp, "astype", lambda x, dtype, copy=True: x)
    _, converged, steps = solvers.lsmr(xp, (4, 4), lambda v: v, lambda v: v, b, rtol=1e-5, maxiter=9)
    assert (converged, steps, calls) == (True, 3, ["lsmr"])


def test_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    module, calls = cupyx.scipy.fft, []
    for name in ("fft", "ifft", "rfft", "irfft"):
        monkeypatch.setattr(module, name, binder(getattr(module, name), calls, None))
    wanted = ["rfft", "irfft", "irfft", "fft", "ifft", "ifft"]
    for name, norm in zip(wanted, ("backward", "backward", "forward") * 2, strict=True):
        fft._transform(xp, name, np.ones(4), 4, temporary=name.startswith("i"), norm=norm)
    assert calls == wanted


def test_the_adapter() -> None:
    """CuPy's base class takes it, and its solvers take their tolerances as documented."""
    adapter = importlib.import_module("structmat.interop.cupyx")
    A = adapter.to_cupyx(structmat.identity(4), np.float32)
    assert isinstance(A, cupyx.scipy.sparse.linalg.LinearOperator)
    assert isinstance(A.H, adapter.CuPyOperator)
    assert (A.shape, A.dtype) == ((4, 4), np.float32)
