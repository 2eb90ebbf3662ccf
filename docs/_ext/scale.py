"""Write the table of docs/scale.rst from the committed results before each build."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from catalogue import table

if TYPE_CHECKING:
    from sphinx.application import Sphinx

RESULTS = Path(__file__).parents[2] / "benchmarks/results"
HEADINGS = ["Engine", "Task", "How", "Measured"]
VECTORS = ["Recipe", "n", "One process", "In parts", "Memory of one", "Of a worker"]


def results(name: str) -> Any:
    return json.loads((RESULTS / f"scale_{name}.json").read_text(encoding="utf-8"))


def dask() -> tuple[str, str]:
    """What a product costs the cluster, and the rate of rows."""
    figures = results("dask")
    ours, naive = (figures["operator"]["ways"][way] for way in ("A.matvec(x)", "x.map_blocks(A.matvec)"))
    rows = figures["rows"]
    alone = rows["rates"][0]["dask_over_it_per_processor_second"]
    together = rows["rates"][1]["dask_over_it_per_second"]
    product = (
        f"n = {figures['operator']['n']:,}, {figures['operator']['chunks']} chunks, {figures['workers']} workers: "
        f"{ours['spectra']} spectra and {ours['bytes_sent'] / 1e6:.0f} MB sent; by ``map_blocks`` of the method "
        f"{naive['spectra']} and {naive['bytes_sent'] / 1e6:.0f} MB"
    )
    store = (
        f"{rows['gigabytes']:.0f} GB: {together:.2f} of the rate of two processes without Dask, {alone:.2f} of one "
        f"in processor time; workers take {rows['peak_bytes'] / 2**20:.0f} MiB"
    )
    return product, store


def jax() -> tuple[str, str]:
    """Collectives of meshes with explicit and automatic axes."""
    cases = results("jax")["cases"]
    explicit, auto = ([case for case in cases if case["axes"] == kind] for kind in ("explicit", "auto"))
    gathers = max(case[part]["all-gather"] for case in explicit for part in ("product", "step"))
    reductions = max(case["step"]["all-reduce"] for case in explicit)
    gathered = sum(case["product"]["all-gather"] > 0 for case in auto)
    devices = results("jax")["devices"]
    return (
        f"{len(explicit)} operators on {devices} devices: {gathers} gathers, {reductions} reduction of the gradients",
        f"under plain ``jit``, {gathered} of {len(auto)} operators gather the batch; none under ``shard_map``",
    )


def memory() -> tuple[str, str]:
    """Files and long vectors."""
    figures = results("memory")
    file, vector = figures["file"], figures["vector"]
    return (
        f"{file['gigabytes']:.0f} GiB with {file['bytes'] / 2**20:.1f} MiB of own memory",
        f"n = {vector['n']:,} in single precision: {vector['vectors']:.1f} vectors of memory, y among them",
    )


def in_parts(recipe: str) -> str:
    """Time and memory of one vector in parts beside those of one process, at the largest size."""
    row = max((row for row in results("vectors")["rows"] if row["recipe"] == recipe), key=lambda row: row["n"])
    one, parts = row["one"], row["parts"]
    told = (
        f"n = {row['n']:,} on {row['processes']}: {parts['seconds'] / one['seconds']:.2g} times the time of one process"
    )
    if one["bytes"] is None:
        return told
    return f"{told}; a worker takes {parts['bytes'] / 2**20:.0f} MiB, one process {one['bytes'] / 2**20:,.0f} MiB"


def vectors() -> list[list[str]]:
    """Rows of the table of one vector in parts."""

    def size(value: int | None) -> str:
        return "" if value is None else f"{value / 2**20:,.0f} MiB"

    return [
        [
            row["recipe"],
            f"{row['n']:,}",
            *(f"{row[way]['seconds']:.2g} s" for way in ("one", "parts")),
            *(size(row[way]["bytes"]) for way in ("one", "parts")),
        ]
        for row in sorted(results("vectors")["rows"], key=lambda row: (row["recipe"], row["n"]))
    ]


def rows() -> list[list[str]]:
    """The table: engines and tasks."""
    (product, store), (explicit, auto), (file, vector) = dask(), jax(), memory()
    training = "two processes: parameters and gradients of one, to 1e-10"
    recipe = "tested"
    return [
        ["Dask", "products, gradients, estimators", "``A @ x``", product],
        ["Dask, zarr", "rows beyond memory", "`dask_zarr.py`_", store],
        ["Dask", "one vector beyond memory", "`long_dask.py`_", in_parts("long_dask.py")],
        ["Dask", "filter of a signal beyond memory", "`filter_dask.py`_", in_parts("filter_dask.py")],
        ["JAX", "sharded batch, explicit axes", "`jax_mesh.py`_", explicit],
        ["JAX", "sharded batch, automatic axes", "`jax_mesh.py`_", auto],
        ["JAX", "one vector over devices", "`long_jax.py`_", f"no gathers; {in_parts('long_jax.py')}"],
        ["PyTorch DDP", "data parallelism, ``no_sync``", "`torch_ddp.py`_", training],
        ["PyTorch FSDP2", "sharded parameters, checkpoints", "`torch_fsdp2.py`_", training],
        ["PyTorch", "distributed batches and modules", "``DTensor``", training],
        ["NumPy memmap", "file to file", "`memmap.py`_", file],
        ["NumPy", "one long vector", "``A @ x``", vector],
        ["Spark", "column of a table", "`spark.py`_", recipe],
        ["Ray Data", "column of a table", "`ray_data.py`_", recipe],
    ]


def generate(app: "Sphinx") -> None:
    """Write the table."""
    target = Path(app.srcdir, "_generated/scale.txt")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(table([HEADINGS, *rows()], widths="14 26 18 42", header=1, classes="engines"), encoding="utf-8")
    text = table([VECTORS, *vectors()], widths="22 18 14 14 16 16", header=1, classes="figures")
    target.with_name("scale_vectors.txt").write_text(text, encoding="utf-8")


def setup(app: "Sphinx") -> dict[str, bool]:
    app.connect("builder-inited", generate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
