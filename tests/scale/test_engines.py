"""Recipes and benchmarks with engines that take long or that `make test-scale` installs; clusters of Dask that fail."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recipes import RECIPES, ROOT, run

import structmat as sm
from benchmarks.scale import __main__ as scale
from structmat.core import OPERATORS

pandas = pytest.importorskip("pandas")
RESULTS = ROOT / "benchmarks/results"


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


@pytest.mark.parametrize("name", ["torch_ddp.py", "torch_fsdp2.py"])
def test_torch(name: str, tmp_path: Path) -> None:
    launch = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d")
    run(*launch, "--rdzv-endpoint=127.0.0.1:0", "--local-addr=127.0.0.1", str(RECIPES / name), str(tmp_path / "out"))
    assert (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the cluster's connections
def test_dask_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "dask.json"
    assert scale.main(["dask", "--quick", "--json", str(target)]) == 0
    measured = json.loads(target.read_text(encoding="utf-8"))
    kept = json.loads((RESULTS / "scale_dask.json").read_text(encoding="utf-8"))
    for figures in (measured, kept):
        goals, ours = figures["goals"], figures["operator"]["ways"]["A.matvec(x)"]
        assert 1 <= ours["spectra"] <= goals["spectra"]
        assert ours["tasks_a_chunk"] == goals["tasks_a_chunk"] == 2
        assert ours["bytes_sent"] <= goals["bytes_sent"]
        assert {row["operator"] for row in figures["errors"]} >= set(OPERATORS)
        assert max(max(row["errors"].values()) for row in figures["errors"]) < goals["error"]
        assert figures["rows"]["difference"] == 0
        assert figures["rows"]["peak_bytes"] < goals["peak_bytes"]
    assert kept["operator"]["n"] == 2**20
    assert not kept["quick"]
    printed = capsys.readouterr().out
    assert all(way in printed for way in measured["operator"]["ways"])


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of the cluster's connections
def test_vectors_in_parts_are_measured(tmp_path: Path) -> None:
    """In a process of its own, which makes two devices of JAX on one CPU."""
    target = tmp_path / "vectors.json"
    run("-m", "benchmarks.scale", "vectors", "--quick", "--json", str(target))
    figures = [json.loads(file.read_text(encoding="utf-8")) for file in (target, RESULTS / "scale_vectors.json")]
    for rows in (each["rows"] for each in figures):
        assert {row["recipe"] for row in rows} == {"long_dask.py", "long_jax.py", "filter_dask.py"}
        assert all(row["processes"] == 2 for row in rows)
        assert all(row["difference"] < (1e-5 if row["recipe"] == "long_jax.py" else 1e-13) for row in rows)
    assert [each["quick"] for each in figures] == [True, False]


@pytest.fixture
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    import dask

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize("failure", ["a worker dies", "a worker lacks structmat"])
def test_clusters_that_fail(failure: str, client: Any) -> None:
    """The error is Dask's own, and the operator is as before."""
    import dask.array as da
    from distributed import KilledWorker

    A, x = sm.projections.circulant_projection(12, 5, rng=0), np.random.default_rng(0).standard_normal((4, 12))
    expected = A.matvec(x)
    X = da.from_array(x, chunks=(2, -1))
    if failure == "a worker dies":
        X = X.map_blocks(lambda _: os._exit(1), dtype=float, meta=np.empty((0, 0)))
    else:
        client.run(lambda: sys.modules.update({"structmat": None}))
    with pytest.raises(KilledWorker):
        A.matvec(X).compute()
    np.testing.assert_array_equal(A.matvec(x), expected)
