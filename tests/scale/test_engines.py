"""Recipes with engines that `make test-scale` installs: Spark, which needs Java, and Ray."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from recipes import RECIPES, run

import structmat as sm

pandas = pytest.importorskip("pandas")


@pytest.mark.parametrize("name", ["spark.py", "ray_data.py"])
def test_tables(name: str, tmp_path: Path) -> None:
    if name == "spark.py":
        pytest.importorskip("pyspark")
        if shutil.which("java") is None:
            pytest.skip("Spark needs Java")
    else:
        pytest.importorskip("ray")
    x = np.random.default_rng(0).standard_normal((2000, 128))
    source, target = tmp_path / "x.parquet", tmp_path / "y"
    pandas.DataFrame({"number": range(len(x)), "x": list(x)}).to_parquet(source)
    run(
        str(RECIPES / name),
        str(source),
        str(target),
        PYSPARK_PYTHON=sys.executable,
        SPARK_LOCAL_IP="127.0.0.1",
        RAY_AUTH_MODE="disabled",
    )
    found = pandas.concat([pandas.read_parquet(part) for part in target.glob("*.parquet")]).sort_values("number")
    P = sm.projections.circulant_projection(128, 16, rng=0)
    assert found["number"].tolist() == list(range(len(x)))
    np.testing.assert_allclose(np.stack(found["x"]), P.matvec(x), rtol=1e-12, atol=1e-12)
