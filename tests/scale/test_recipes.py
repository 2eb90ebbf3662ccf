"""The recipes of the page "At scale" do what they say, those whose packages the tests need anyway."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import library
from recipes import RECIPES, run

import structmat as sm


def functions(name: str) -> dict[str, Any]:
    return runpy.run_path(str(RECIPES / name))


def test_memmap(tmp_path: Path) -> None:
    library("tqdm").tqdm  # noqa: B018  (skips where it is left out)
    x = np.random.default_rng(0).standard_normal((10_000, 96), dtype="f")
    np.save(tmp_path / "x.npy", x)
    run(str(RECIPES / "memmap.py"), str(tmp_path / "x.npy"), str(tmp_path / "y.npy"))
    P = sm.projections.circulant_projection(96, 64, rng=0, dtype="f")
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), P.matvec(x), rtol=1e-5, atol=1e-5)


def test_dask_and_zarr(tmp_path: Path) -> None:
    zarr, da = library("zarr"), library("dask.array")
    x = np.random.default_rng(0).standard_normal((700, 1024))
    da.from_array(x, chunks=(100, 512)).to_zarr(str(tmp_path / "x"))
    run(str(RECIPES / "dask_zarr.py"), str(tmp_path / "x"), str(tmp_path / "y"))
    P = sm.projections.circulant_projection(1024, 512, rng=0)
    np.testing.assert_allclose(zarr.open_array(str(tmp_path / "y"), mode="r")[:], P.matvec(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("parts", [1, 4])
def test_long_vectors_with_dask(parts: int) -> None:
    da = library("dask.array")
    c, x = np.random.default_rng(0).standard_normal((2, 2**12))
    C, X = (da.from_array(each, chunks=len(each) // parts) for each in (c, x))
    found = functions("long_dask.py")["circulant_product"](C, X, 64, 64, parts)
    np.testing.assert_allclose(found.compute(), sm.Circulant(c).matvec(x), rtol=1e-11, atol=1e-11)


def test_filters_with_dask() -> None:
    da = library("dask.array")
    rng = np.random.default_rng(0)
    taps, signal = rng.standard_normal(9), rng.standard_normal(1000)
    found = functions("filter_dask.py")["filtered"](da.from_array(signal, chunks=(300, 300, 300, 100)), taps)
    assert found.chunks == ((300, 300, 300, 100),)
    np.testing.assert_allclose(found.compute(), np.convolve(signal, taps)[:1000], rtol=1e-12, atol=1e-12)


LONG = """
import runpy, sys, numpy as np, jax, jax.numpy as jnp, structmat as sm
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
mesh = jax.make_mesh((8,), ("parts",), axis_types=(AxisType.Auto,))
c, x = (jnp.asarray(each, jnp.float32) for each in np.random.default_rng(0).standard_normal((2, 2**12)))
there = [jax.device_put(each, NamedSharding(mesh, P("parts"))) for each in (c, x)]
product = runpy.run_path(sys.argv[1])["circulant_product"](mesh, 64, 64)
expected = sm.Circulant(np.asarray(c, float)).matvec(np.asarray(x, float))
np.testing.assert_allclose(product(*there), expected, atol=1e-5 * np.abs(expected).max())
print("all-gather" in product.lower(*there).compile().as_text())
"""


def test_jax() -> None:
    library("jax").numpy  # noqa: B018
    devices = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8", "JAX_PLATFORMS": "cpu"}
    run(str(RECIPES / "jax_mesh.py"), **devices)
    assert run("-c", LONG, str(RECIPES / "long_jax.py"), **devices).split() == ["False"]
