"""Packages that only some methods need."""

import importlib
from types import ModuleType


def optional(call: str, module: str, extra: str) -> ModuleType:
    """Import a module that a method needs, or say which extra brings it, or what keeps it from working."""
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ImportError as error:
        if not (isinstance(error, ModuleNotFoundError) and error.name == package):
            raise ImportError(f"{call}: the package {package} is there, but its import fails: {error}") from error
        raise ImportError(f"{call}: needs the package {package}: pip install 'structmat[{extra}]'") from error
