"""Packages that only some methods need."""

import importlib
from types import ModuleType


def optional(call: str, module: str, extra: str) -> ModuleType:
    """Import a module that a method needs, or say which extra brings it."""
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{call}: needs the package {package}: pip install 'structmat[{extra}]'") from error
