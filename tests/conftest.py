"""Settings that every test shares."""

import ast
import atexit
import ctypes
import gc
import os
import re
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import scipy.fft
from backends import ALL, WITHOUT, library
from transforms import Watching

import structmat
from benchmarks.measuring import resident
from benchmarks.peers.implementations import without_mkl_fft

if "jax" not in WITHOUT:
    # JAX compiles every operation for every shape. All workers of a run share the programs in a folder of the run.
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="structmat-jax-")
        atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
    for name, value in {
        "jax_enable_x64": True,
        "jax_compilation_cache_dir": os.environ["JAX_COMPILATION_CACHE_DIR"],
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }.items():
        library("jax").config.update(name, value)

if "pylops" not in WITHOUT:
    with without_mkl_fft():
        library("pylops")

# The same examples in every run: a failure that nobody's change caused helps nobody.
hypothesis.settings.register_profile(
    "structmat",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("structmat")


def pytest_configure(config: pytest.Config) -> None:
    """Let `--hypothesis-seed` have its way, which `derandomize` would ignore."""
    if config.getoption("--hypothesis-seed", default=None) is not None:
        hypothesis.settings.register_profile("seeded", hypothesis.settings.default, derandomize=False, database=None)
        hypothesis.settings.load_profile("seeded")


def _imported(path: Path) -> set[str]:
    """The packages that a module can't be loaded without."""
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    names = [alias.name for node in statements if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in statements if isinstance(node, ast.ImportFrom) and node.module]
    return {name.partition(".")[0] for name in names}


TESTS = Path(__file__).parent
collect_ignore = ["interop/cupy_api.py", "helpers/keras_layer.py"]  # for `make test-cupy-api` and nn/test_keras.py
collect_ignore += [str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py") if _imported(path) & WITHOUT]


@pytest.hookimpl(tryfirst=True)
def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Let no test module go missing: `--doctest-ignore-import-errors` skips those that can't be imported."""
    if report.skipped and report.nodeid.startswith("tests/") and "unable to import module" in str(report.longrepr):
        report.outcome = "failed"


def pytest_report_header() -> str:
    left_out = f", without {', '.join(sorted(WITHOUT))}" if WITHOUT else ""
    return f"backends: {', '.join(map(repr, ALL))}{left_out}; numpy {np.__version__}, scipy {scipy.__version__}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Examples of the documentation run where what they import is in the run."""
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            source = "".join(example.source for example in item.dtest.examples)
            missing = WITHOUT.intersection(re.findall(r"^(?:import|from) (\w+)", source, flags=re.MULTILINE))
            if missing:
                item.add_marker(pytest.mark.skip(f"STRUCTMAT_TEST_WITHOUT leaves {', '.join(missing)} out"))


GROWTH = 3 * 2**29  # bytes that a worker may gain before it is made to give them back
_memory = {"least": resident()}


@pytest.hookimpl(trylast=True)
def pytest_runtest_logfinish() -> None:
    """Free the programs that JAX has compiled once they take too much: they would add up to 5 GB a worker."""
    now, jax = resident(), sys.modules.get("jax")
    if now is None or jax is None or now - (_memory["least"] or now) < GROWTH:
        return
    jax.clear_caches()
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):  # glibc keeps what is freed
        libc.malloc_trim(0)
    _memory["least"] = resident()


@pytest.fixture
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let operators that are made in the test do without the compiled kernels."""
    monkeypatch.setattr(structmat._kernels, "loaded", None)


@pytest.fixture
def counted(without_kernels: None) -> Iterator[Counter]:
    """How many vectors each transform was given, by name."""
    calls: Counter = Counter()

    def count(name: str, x: np.ndarray) -> None:
        calls[name, x.size // x.shape[-1]] += 1

    with scipy.fft.set_backend(Watching(count)):
        yield calls
