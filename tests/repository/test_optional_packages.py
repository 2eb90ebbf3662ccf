"""Modules that are imported on demand, and what is said where their packages are missing."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from backends import WITHOUT

import structmat as sm


def python(code: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(sm.__file__).parents[1]
    )
    return run.stdout + run.stderr


def test_modules_on_demand() -> None:
    code = (
        "import sys, structmat as sm; assert {'learn', 'nn', 'sklearn', 'testing'} <= set(dir(sm)); "
        "assert not {'structmat.learn', 'structmat.testing'} & sys.modules.keys(); assert sm.learn.encode; "
        "sm.testing.check_operator(sm.identity(2)); "
        "assert {'torch', 'jax'} <= set(dir(sm.nn)); print('torch' in sys.modules, sm.nn.__name__)"
    )
    assert python(code) == "False structmat.nn\n"
    if "torch" not in WITHOUT:
        assert sm.nn.torch.CirculantLinear.__module__ == "structmat.nn.torch.layers"
    with pytest.raises(AttributeError, match=r"module 'structmat' has no attribute 'foo'"):
        sm.foo  # noqa: B018
    with pytest.raises(
        AttributeError, match=r"module 'structmat.nn' has no attribute 'foo'; it has equinox, flax, jax"
    ):
        sm.nn.foo  # noqa: B018


@pytest.mark.parametrize(
    ("module", "package", "wanted"),
    [
        ("nn.torch", "torch", "pip install 'torch>="),
        ("nn.jax", "jax", "pip install 'jax>="),
        ("nn.flax", "flax", "pip install 'flax>="),
        ("nn.equinox", "equinox", "pip install 'equinox>="),
        ("nn.keras", "keras", "pip install 'keras>="),
        ("nn.peft", "peft", "pip install 'peft>="),
        ("sklearn", "sklearn", "pip install 'scikit-learn>="),
        ("plot", "matplotlib", "pip install 'matplotlib>="),
    ],
)
def test_missing_packages_are_named_with_what_installs_them(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str, wanted: str
) -> None:
    name = f"structmat.{module}"
    for loaded in [each for each in sys.modules if each == name or each.startswith(f"{name}.")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError) as raised:
        importlib.import_module(name)
    extra = module.rpartition(".")[2]
    assert f"{name}: needs the package {package}: {wanted}" in str(raised.value)
    assert f"in a clone of structmat: pip install '.[{extra}]'" in str(raised.value)


def test_what_an_extra_installs(monkeypatch: pytest.MonkeyPatch) -> None:
    from structmat._backend.packages import how_to_install

    lines = [
        "numpy>=2",
        "one>=1; extra == 'a'",
        "two; python_version < '4' and extra == \"a\"",
        "structmat[a,c_d]; extra == 'b'",
        "three; extra == 'c-d'",
    ]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: lines)
    assert how_to_install("a") == "pip install 'one>=1' two (in a clone of structmat: pip install '.[a]')"
    assert how_to_install("b") == "pip install 'one>=1' two three (in a clone of structmat: pip install '.[b]')"

    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr("importlib.metadata.requires", missing)
    assert how_to_install("a") == "in a clone of structmat: pip install '.[a]'"
