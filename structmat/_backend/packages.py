"""Optional packages: import them, or explain how to install them."""

import importlib
import importlib.metadata
import re
from types import ModuleType


def import_optional(call: str, module: str, extra: str | None) -> ModuleType:
    """Import a module for a call; the ImportError names the command that installs it, or the cause of the failure."""
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ImportError as error:
        if not (isinstance(error, ModuleNotFoundError) and error.name == package):
            raise ImportError(f"{call}: the package {package} is there, but its import fails: {error}") from error
        how = how_to_install(extra) if extra else f"pip install {package}"
        raise ImportError(f"{call}: needs the package {package}: {how}") from error


def how_to_install(extra: str) -> str:
    """Return the commands that install the requirements of an extra of structmat, elsewhere and in a clone."""
    wanted = " ".join(repr(each) if set("<>=[") & set(each) else each for each in _requirements(extra))
    clone = f"in a clone of structmat: pip install '.[{extra}]'"
    return f"pip install {wanted} ({clone})" if wanted else clone


def _requirements(extra: str) -> list[str]:
    try:
        lines = importlib.metadata.requires("structmat") or []
    except importlib.metadata.PackageNotFoundError:  # a source tree on the path
        return []
    found: list[str] = []
    for line in lines:
        wanted, _, marker = line.partition(";")
        if (named := re.search(r"extra *== *['\"](.+?)['\"]", marker)) and _normal(named[1]) == _normal(extra):
            own = re.match(r"structmat\[(.*)\]", wanted)
            others = [each for name in own[1].split(",") for each in _requirements(name)] if own else [wanted.strip()]
            found += [each for each in others if each not in found]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
