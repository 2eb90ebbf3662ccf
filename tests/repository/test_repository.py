"""The repository keeps its own promises: versions, import cost and layers."""

import ast
import doctest
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from backends import WITHOUT, library
from scipy_doctest import DTChecker

import structmat

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "structmat"
FRAMEWORKS = {
    "torch",
    "jax",
    "cupy",
    "cupyx",
    "dask",
    "equinox",
    "flax",
    "keras",
    "linear_operator",
    "lineax",
    "peft",
    "pylops",
    "sklearn",
    "matplotlib",
    "rich",
    "mlxtend",
    "safetensors",
    "transformers",
}
ARRAY_LIBRARIES = {"numpy", "scipy", "cupy", "cupyx", "array_api_compat", "torch", "jax", "dask"}

OPERATORS = sorted(p for p in PACKAGE.glob("operators/*.py") if p.name != "__init__.py")
MATHEMATICS = sorted([*PACKAGE.glob("core/*.py"), *OPERATORS])


def short(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python(code: str) -> str:
    """What a fresh interpreter prints when it runs the code."""
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT).stdout


def test_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert structmat.__version__ == importlib.metadata.version("structmat") == citation["version"]


def test_python_versions_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    oldest = project["project"]["requires-python"].removeprefix(">=")
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert f"Programming Language :: Python :: {oldest}" in project["project"]["classifiers"]


def test_all_is_exact() -> None:
    names = structmat.__all__
    assert len(names) == len(set(names))  # ruff keeps them sorted
    assert not [name for name in names if not hasattr(structmat, name)]


def test_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_import_loads_no_framework() -> None:
    loaded = set(python("import sys, structmat; print(*sys.modules)").split())
    assert not loaded & FRAMEWORKS


def test_import_is_quick() -> None:
    """At most 2.5 times that of scipy.fft, in processor time; a framework would take many times as long."""
    clock = "import time; t = time.process_time(); import {}; print(time.process_time() - t)"
    modules = "structmat", "scipy.fft"
    rounds = [[float(python(clock.format(module))) for module in modules] for _ in range(5)]
    structmat_s, scipy_s = map(min, zip(*rounds, strict=True))
    assert structmat_s < 2.5 * scipy_s


def test_what_the_quick_run_leaves_out_exists() -> None:
    """pytest takes a name to ignore that no file has."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    names = " ".join(re.findall(r"^(?:SLOW|INDIRECT) := (.+)$", makefile, flags=re.MULTILINE)).split()
    assert len(names) > 3
    assert all((ROOT / f"tests/{name}.py").is_file() for name in names)


INTERRUPTED = """
import sys
import numpy as np, array_api_compat.numpy, scipy.fft

module = sys.argv[1]

def trace(frame, event, _):
    if frame.f_globals.get("__name__") != module or frame.f_code.co_name != "<module>":
        return None
    if event == "line" and frame.f_lineno >= int(sys.argv[2]):
        sys.settrace(None)
        raise KeyboardInterrupt
    return trace

sys.settrace(trace)
try:
    import structmat
    print("was not interrupted")
except KeyboardInterrupt:
    pass

import structmat as sm
A, x = sm.Circulant(np.asarray([4.0, 1.0, 0.0, 1.0])), np.arange(4.0)
B = 2 * A + A @ A
print(np.abs(sm.linalg.solve(B, B @ x) - x).max() < 1e-12 and isinstance(sm.simplify(B), sm.Circulant))
"""


@pytest.mark.parametrize("module", ["core.base", "core.contract", "core.product", "core.compose", "core.blocks"])
def test_an_interrupted_import_is_made_good_by_the_next(module: str) -> None:
    """Whatever modules are loaded by then, none may hold an unfinished one."""
    body = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")).body
    call = [sys.executable, "-c", INTERRUPTED, f"structmat.{module}", str(body[len(body) // 2].lineno)]
    assert subprocess.run(call, check=True, capture_output=True, text=True, cwd=ROOT).stdout == "True\n"


def test_an_adapter_is_used_once_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where its import has failed or goes on; and what an interrupted import has registered stays registered."""
    monkeypatch.setitem(sys.modules, "structmat.interop.jax", ModuleType("structmat.interop.jax"))

    class Odd(structmat.Identity):
        pass

    monkeypatch.undo()
    adapter = library("structmat.interop.jax") if "jax" not in WITHOUT else pytest.skip("needs JAX")
    adapter.register(Odd)
    adapter.register(Odd)
    assert library("jax").tree_util.tree_leaves(Odd(3)) == []


@pytest.mark.parametrize("path", MATHEMATICS, ids=short)
def test_mathematics_imports_no_array_library(path: Path) -> None:
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            imported.add((node.module or "").partition(".")[0])
    assert not imported & ARRAY_LIBRARIES


def test_no_module_is_long() -> None:
    """A module has one subject, so it is short enough to be read whole."""
    lines = {short(path): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {name: count for name, count in lines.items() if count > 400} == {}


def test_readme_examples_run() -> None:
    """The `pycon` blocks give what they show, and the `python` blocks run; later blocks may use earlier names."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```(pycon|python)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    assert blocks
    names: dict[str, object] = {}
    runner = doctest.DocTestRunner(DTChecker(), verbose=False)
    for language, block in blocks:
        if WITHOUT.intersection(re.findall(r"^(?:import|from) (\w+)", block, flags=re.MULTILINE)):
            continue
        if language == "python":
            exec(block, names)
        else:
            example = doctest.DocTestParser().get_doctest(block, names, "README.md", "README.md", None)
            runner.run(example, clear_globs=False)
            names |= example.globs
    assert runner.summarize(verbose=False).failed == 0
