"""Settings that every test shares."""

from collections import Counter
from typing import Any

import hypothesis
import jax
import numpy as np
import pytest
import scipy.fft

jax.config.update("jax_enable_x64", True)

# The same examples in every run: a failure that nobody's change caused helps nobody.
hypothesis.settings.register_profile(
    "structmat",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("structmat")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How many vectors each transform was given, by name."""
    calls: Counter = Counter()

    def counting(name: str) -> Any:
        transform = getattr(scipy.fft, name)

        def run(x: np.ndarray, *arguments: Any, **options: Any) -> np.ndarray:
            calls[name, x.size // x.shape[-1]] += 1
            return transform(x, *arguments, **options)

        return run

    for name in ("fft", "ifft", "rfft", "irfft"):
        monkeypatch.setattr(scipy.fft, name, counting(name))
    return calls
