"""Build the extension: a hook of hatchling, and a program that builds it beside this file.

The hook builds it where it can, and else says why not. If the environment variable STRUCTMAT_KERNELS is "0", the hook
skips it; if it is "1", a failure is an error. CXX, CXXFLAGS and LDFLAGS are those of make.
"""

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))  # such a Python has no stable ABI before 3.15
FILE = f"extension{sysconfig.get_config_var('EXT_SUFFIX') if FREE_THREADED else '.abi3.so'}"
FLAGS = ["-std=c++17", "-O3", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-fvisibility=hidden"]
FLAGS += ["-Wall", "-Wextra", "-Wno-psabi", "-Wno-ignored-optimization-argument"]
# GCC copies registers by memcpy otherwise, whose loads wait for the stores of two halves; Clang has no such flag.
FLAGS += ["-fno-tree-loop-distribute-patterns"]

# Flags of each instruction set. The first is linked first: where one function was compiled several times, the linker
# takes that one, which every processor can run.
X86_64 = {"baseline": ["-march=x86-64"], "avx2": ["-march=x86-64-v3"], "avx512": ["-march=x86-64-v4"]}
ARM64: dict[str, list[str]] = {"neon": []}
INSTRUCTION_SETS = {"x86_64": X86_64, "amd64": X86_64, "aarch64": ARM64, "arm64": ARM64}


class BuildError(Exception):
    """The extension cannot be built here."""


def platform_tag() -> str:
    """Return the platform of a wheel."""
    system, *version, machine = sysconfig.get_platform().split("-", 2)
    if system != "macosx":
        return "_".join([system, *version, machine]).replace(".", "_")
    machine = processor()
    major, minor = version[0].split(".")[:2]
    if machine == "arm64" and int(major) < 11:
        major, minor = "11", "0"
    return f"macosx_{major}_{minor}_{machine}"


def processor() -> str:
    """Return the processor that is built for."""
    machine = sysconfig.get_platform().rpartition("-")[2]
    return os.uname().machine if machine == "universal2" else machine


def compiler() -> list[str]:
    """Return the command of the C++ compiler."""
    if command := shlex.split(os.environ.get("CXX", "")):
        return command
    found = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), None)
    if found is None:
        raise BuildError("no C++ compiler was found; CXX names one")
    return [found]


def run(command: list[str]) -> None:
    """Run a compiler."""
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except OSError as error:
        raise BuildError(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        raise BuildError(f"{shlex.join(command)} failed:\n{done.stderr}")
    sys.stderr.write(done.stderr)  # warnings


def build(output: Path) -> None:
    """Compile the sources beside this file, those of the kernels once for each instruction set."""
    sets = INSTRUCTION_SETS.get(processor().lower())
    if os.name != "posix" or sets is None:
        raise BuildError(f"there are no kernels for {sysconfig.get_platform()}")
    cxx, flags = compiler(), [*FLAGS, *shlex.split(os.environ.get("CXXFLAGS", ""))]
    common = [f"-DSTRUCTMAT_HAS_{name.upper()}" for name in sets] + [f"-I{sysconfig.get_path('include')}"]
    kernels = HERE / "isa.cpp"
    units = {path.stem: (path, common) for path in sorted(HERE.glob("*.cpp")) if path != kernels}
    units |= {f"isa_{name}": (kernels, [f"-DSTRUCTMAT_ISA={name}", *sets[name]]) for name in sets}
    with tempfile.TemporaryDirectory(prefix="structmat-") as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = [f"{folder}/{name}.o" for name in units]
        commands = [
            [*cxx, *flags, *special, "-c", str(source), "-o", target]
            for (source, special), target in zip(units.values(), objects, strict=True)
        ]
        list(pool.map(run, reversed(commands)))  # the kernels first, as they take longest
        mac = ["-bundle", "-undefined", "dynamic_lookup"]
        link = mac if sys.platform == "darwin" else ["-shared", "-pthread"]
        fresh = output.with_suffix(".new")  # a process that has the old file loaded keeps it
        run([*cxx, *flags, *link, *objects, *shlex.split(os.environ.get("LDFLAGS", "")), "-o", str(fresh)])
        fresh.replace(output)


def summary(error: BuildError) -> str:
    """Return the message in one line: of a compiler's, its first error."""
    lines = str(error).splitlines()
    return next((line.strip() for line in lines if "error:" in line), lines[0])


def is_current(output: Path) -> bool:
    """Return whether no source is newer than the extension."""
    sources = [*HERE.glob("*.?pp"), Path(__file__)]
    return output.exists() and output.stat().st_mtime >= max(path.stat().st_mtime for path in sources)


def get_build_hook() -> type:
    """Return the class that hatchling calls."""
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface

    class Hook(BuildHookInterface):  # type: ignore[type-arg, misc, unused-ignore]
        """Build the extension into a wheel, or into the sources of an editable installation."""

        folder: str | None = None

        def initialize(self, version: str, build_data: dict[str, Any]) -> None:
            wish = os.environ.get("STRUCTMAT_KERNELS")
            if wish == "0":
                return
            try:
                self.add(version, build_data)
            except BuildError as error:
                if wish == "1":
                    raise
                self.app.display_warning(f"structmat is installed without compiled kernels: {summary(error)}")

        def add(self, version: str, build_data: dict[str, Any]) -> None:
            if version != "editable":
                self.add_to_wheel(build_data)
            elif not is_current(HERE / FILE):
                build(HERE / FILE)

        def add_to_wheel(self, build_data: dict[str, Any]) -> None:
            self.folder = tempfile.mkdtemp(prefix="structmat-")
            library = Path(self.folder, FILE)
            build(library)
            major, minor = sys.version_info[:2]
            python = f"cp{major}{minor}-cp{major}{minor}t" if FREE_THREADED else "cp311-abi3"
            build_data["force_include"][str(library)] = f"structmat/_kernels/{FILE}"
            build_data["pure_python"] = False
            build_data["tag"] = f"{python}-{platform_tag()}"

        def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
            if self.folder is not None:
                shutil.rmtree(self.folder)

    return Hook


if __name__ == "__main__":
    try:
        build(HERE / FILE)
    except BuildError as error:
        sys.exit(f"no compiled kernels: {error}")
