"""Settings that every test shares."""

import re
from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import hypothesis
import numpy as np
import pytest
import scipy.fft
from backends import ALL, WITHOUT, library

import structmat
from benchmarks.ways import without_mkl_fft

if "jax" not in WITHOUT:
    library("jax").config.update("jax_enable_x64", True)

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


@pytest.fixture
def counted() -> Iterator[Counter]:
    """How many vectors each transform was given, by name."""
    calls: Counter = Counter()

    def counting(name: str) -> Any:
        transform = getattr(scipy.fft, name)

        def run(x: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
            calls[name, x.size // x.shape[-1]] += 1
            return transform(x, *arguments, **options)

        return run

    names = ("fft", "ifft", "rfft", "irfft")
    with structmat.set_fft_provider(SimpleNamespace(__name__="counting", **{name: counting(name) for name in names})):
        yield calls
