"""The demonstration: the network's gradients, its training, and the figures, tables and picture it makes."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backends import library
from matplotlib.image import imread
from rich.console import Console

from structmat import demo
from structmat.demo import LAYERS, NARROW, PIXELS, WIDTH, report
from structmat.demo.network import BATCH, Images, Network, digits
from structmat.learn.training import train

SIZES = (8, 16, 32)


@pytest.fixture(scope="module")
def data() -> tuple[Images, Images]:
    return digits()


@pytest.fixture(scope="module")
def figures(data: tuple[Images, Images]) -> dict[str, Any]:
    """The whole demonstration on a quarter of the training images, with hasty timing."""
    training, test = data
    part = Images(training.pixels[::4], training.labels[::4])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "digits", lambda source: (part, test))
        patch.setattr(demo, "BUDGET", 0.01)
        return demo.run(Console(file=io.StringIO()), seeds=2, epochs=1, sizes=SIZES)


def show(figures: dict[str, Any], width: int, encoding: str = "utf-8") -> str:
    console = Console(file=io.StringIO(), width=width)
    for table in report.tables(figures, encoding):
        console.print(table)
    text: str = console.file.getvalue()
    return text


def test_digits_are_split_by_class(data: tuple[Images, Images]) -> None:
    training, test = data
    assert (np.bincount(training.labels) == 400).all()
    assert (np.bincount(test.labels) == 100).all()
    assert training.pixels.dtype == test.pixels.dtype == np.float32
    assert np.allclose(training.pixels.mean(axis=0), 0, atol=1e-4)
    assert abs(float(training.pixels.std()) - 1) < 1e-5
    both = np.concatenate([training.pixels, test.pixels])
    assert len(np.unique(both, axis=0)) == len(both) == 5000, "an image is in both parts"


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_those_of_the_loss(name: str, data: tuple[Images, Images]) -> None:
    """Along a random direction, in double precision, against a central difference."""
    rng = np.random.default_rng(0)
    net = Network.around(LAYERS[name].make(rng).to(dtype="float64"), rng)
    net = net.with_params([p.astype(np.float64) for p in net.params])
    batch = Images(data[0].pixels[::400].astype(np.float64), data[0].labels[::400])
    directions = [rng.standard_normal(p.shape) for p in net.params]
    slope = sum(float(np.sum(g * d)) for g, d in zip(net.loss_and_gradients(*batch)[1], directions, strict=True))
    step = 1e-6
    moved = [
        net.with_params([p + sign * step * d for p, d in zip(net.params, directions, strict=True)]).loss_and_gradients(
            *batch
        )[0]
        for sign in (1, -1)
    ]
    assert (moved[0] - moved[1]) / (2 * step) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_training_learns_and_leaves_a_frozen_layer(name: str, data: tuple[Images, Images]) -> None:
    rng = np.random.default_rng(0)
    start = Network.around(LAYERS[name].make(rng), rng)
    before = [array.copy() for array in start.hidden._arrays]
    *_, (end, last) = epochs = list(train(start, *data[0], epochs=2, batch=BATCH, rate=LAYERS[name].rate, rng=rng))
    assert last < epochs[0][1] < np.log(10)
    assert all(p.dtype == np.float32 for p in end.params)
    assert all((a == b).all() for a, b in zip(before, start.hidden._arrays, strict=True)), (
        "training wrote into an array"
    )
    kept = [(a == b).all() for a, b in zip(before, end.hidden._arrays, strict=True)]
    assert all(kept) == (name == "circulant, random")
    assert end.error(data[1]) < 0.5


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_pytorch_train_alike(name: str, data: tuple[Images, Images]) -> None:
    """Of the same values, through autograd; Adam makes steps of gradients that are noise, so only losses stay alike."""
    torch, layers = library("torch"), library("structmat.demo.layers")
    rng = np.random.default_rng(0)
    start = Network.around(LAYERS[name].make(rng), rng)
    part = Images(*(array[::16] for array in data[0]))
    pairs = (start, part), (layers.Layers(start), Images(*map(torch.asarray, part)))
    gradients, losses, errors = [], [], []
    for network, images in pairs:
        gradients.append(network.loss_and_gradients(*images)[1])
        trained, last = zip(*train(network, *images, epochs=2, batch=BATCH, rate=LAYERS[name].rate, rng=1), strict=True)
        losses.append(last)
        errors.append(trained[-1].error(images))
    for ours, theirs in zip(*gradients, strict=True):
        assert np.linalg.norm(theirs.numpy() - ours) < 1e-5 * np.linalg.norm(ours)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert errors[1] == pytest.approx(errors[0], abs=0.01)


def test_narrow_network_is_no_smaller_than_the_circulant_one(figures: dict[str, Any]) -> None:
    parameters = {layer["layer"]: layer["network_parameters"] for layer in figures["layers"]}
    assert 0 <= parameters["dense, narrow"] - parameters["circulant, learned"] < PIXELS


def test_figures_are_complete(figures: dict[str, Any]) -> None:
    figures = json.loads(json.dumps(figures, allow_nan=False))
    layers = {layer["layer"]: layer for layer in figures["layers"]}
    assert list(layers) == list(LAYERS)
    counts = {
        "dense": WIDTH * PIXELS,
        "circulant, learned": WIDTH,
        "circulant, random": 0,
        "dense, narrow": NARROW * PIXELS,
    }
    assert {name: layer["layer_parameters"] for name, layer in layers.items()} == counts
    assert layers["dense"]["layer_bytes"] == 4 * counts["dense"]
    # the columns in single precision, and one byte for each sign
    assert {layers[f"circulant, {kind}"]["layer_bytes"] for kind in ("learned", "random")} == {4 * WIDTH + PIXELS}
    for layer in layers.values():
        assert len(layer["test_errors_percent"]) == 2
        assert np.shape(layer["losses"]) == (2, 1)
        assert 0 < layer["test_error_percent"] < 50
        assert layer["test_error_percent_sd"] >= 0
        assert min(layer["seconds_per_epoch"], layer["microseconds_per_vector"]) > 0
    growth = figures["growth"]
    assert [row["d"] for row in growth["microseconds_per_vector"]] == list(SIZES)
    assert all(row["circulant"] > 0 and row["dense"] > 0 for row in growth["microseconds_per_vector"])
    assert list(growth["slopes"]) == ["circulant", "dense"]


@pytest.mark.parametrize("width", [60, 80, 100])
def test_tables_show_every_row_whole(figures: dict[str, Any], width: int) -> None:
    noisy = {"test_error_percent": 66.54, "test_error_percent_sd": 21.94}
    figures = figures | {"layers": [layer | noisy for layer in figures["layers"]]}
    text = show(figures, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for name in LAYERS:
        assert name in text
    for cell in ("1,229,312", "4,917,248", "slope", *map(str, SIZES)):
        assert cell in text
    plain = show(figures, width, "ascii")
    assert max(map(len, plain.splitlines())) <= width
    assert not {"±", "µ", "…"} & set(plain)


def test_sentence_says_what_was_shown(figures: dict[str, Any]) -> None:
    layers = [
        layer | {"test_error_percent": percent} for layer, percent in zip(figures["layers"], [4, 5, 6, 7], strict=True)
    ]
    rows = [
        {"d": 1024, "circulant": 2.0, "dense": 5.0},
        {"d": 2048, "circulant": 2.0, "dense": 9.0},
        {"d": 4096, "circulant": 3.0, "dense": None},
    ]
    said = report.sentence(figures | {"layers": layers, "growth": {"microseconds_per_vector": rows}})
    assert said == (
        "A circulant layer with 784 times fewer parameters than a dense one has a test error of 5.0 % instead of 4.0 "
        "%, and its product at d = 2,048 is 4.5 times as fast."
    )
    assert said.isascii()


def test_tables_leave_out_what_was_not_measured(figures: dict[str, Any]) -> None:
    alone = {"d": 64, "circulant": 1.5, "dense": None}
    growth = figures["growth"] | {"microseconds_per_vector": [*figures["growth"]["microseconds_per_vector"], alone]}
    layers = [layer | {"test_error_percent_sd": None} for layer in figures["layers"]]
    settings = figures["settings"] | {"seeds": 1}
    text = show({"growth": growth, "layers": layers, "settings": settings}, 100)
    assert "±" not in text
    assert "1 seed" in text
    assert "1 seeds" not in text
    assert "None" not in text


def test_picture(figures: dict[str, Any], tmp_path: Path) -> None:
    report.draw(figures, tmp_path / "picture")
    picture = imread(tmp_path / "picture", format="png")
    assert picture.shape[0] > 400
    assert picture.shape[1] > 1000
    assert len(np.unique(picture.reshape(-1, picture.shape[-1]), axis=0)) > 10
    for form, start in {"pdf": b"%PDF", "svg": b"<?xml"}.items():
        report.draw(figures, tmp_path / "picture", form)
        assert (tmp_path / "picture").read_bytes().startswith(start)
