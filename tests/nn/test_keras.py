"""The Keras layer on each backend, which Keras fixes once for a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from backends import WITHOUT

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_layer(backend: str) -> None:
    left_out = WITHOUT & {backend, "keras"}
    if left_out:
        pytest.skip(f"STRUCTMAT_TEST_WITHOUT leaves {', '.join(left_out)} out")
    options = ["-q", "--noconftest", "-p", "no:cacheprovider", "-p", "no:xdist", "-W"]
    keras_itself = "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options,
            keras_itself,
            "tests/helpers/keras_layer.py",
            "structmat/nn/keras.py",
        ],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "skipped" not in ran.stdout
