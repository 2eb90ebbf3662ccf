"""Compiled kernels, which are optional: `loaded` is the compiled module, or None.

The environment variable STRUCTMAT_KERNELS, read at import, is "auto" or unset: use the extension if it can be loaded;
"0": do not; "1": fail without it; or the name of an instruction set of this processor: use that one, or fail.
"""

import os
import warnings
from importlib import import_module
from types import ModuleType

VARIABLE = "STRUCTMAT_KERNELS"
INTERFACE = 2  # the extension's `interface_version`; another one is stale
HOW_TO_BUILD = (
    "build it by `STRUCTMAT_KERNELS=1 pip install .` in the sources of structmat, with GCC or Clang for C++17"
)


def _load(wish: str) -> tuple[ModuleType | None, str | None, str]:
    """Return the extension and its instruction set, or None and the reason."""
    if wish == "0":
        return None, None, f"{VARIABLE} is 0"
    name = f"{__name__}.extension"
    problem = ""
    try:
        module = import_module(name)
        if (number := getattr(module, "INTERFACE", None)) != INTERFACE:
            problem = f"it has interface {number}, and structmat needs {INTERFACE}"
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            if wish == "auto":
                return None, None, "the extension is not built"
            raise ImportError(f"{VARIABLE}={wish}: the extension is not built; {HOW_TO_BUILD}") from None
        problem = str(error)
    if problem:
        reason = f"the extension is broken: {problem}"
        if wish != "auto":
            raise ImportError(f"{VARIABLE}={wish}: {reason}; {HOW_TO_BUILD}")
        warnings.warn(f"structmat uses no compiled kernels: {reason}; {HOW_TO_BUILD}", RuntimeWarning, stacklevel=2)
        return None, None, reason
    names: tuple[str, ...] = module.isas()
    if wish in ("auto", "1"):
        return module, names[0], ""
    if wish not in names:
        expected = f"'auto', '0', '1' or an instruction set of this processor: {', '.join(names)}"
        raise ImportError(f"{VARIABLE} is {wish!r}, expected {expected}")
    return module, wish, ""


# Not `extension`: whoever imports the submodule of that name sets the attribute.
loaded: ModuleType | None
loaded, _isa, reason = _load(os.environ.get(VARIABLE) or "auto")
is_refused = os.environ.get(VARIABLE) == "0"


def isa() -> str | None:
    """Return the instruction set in use, which calls pass to the extension, or None without the extension."""
    return _isa
