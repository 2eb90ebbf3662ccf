"""Compressed models: networks of torchvision's layout, transformers' parts, what is reported and what is refused."""

from typing import Any

import pytest
from backends import library

import structmat as sm

torch = library("torch")
Module = torch.nn.Module  # where PyTorch is left out, the file ends here
nn = library("structmat.nn.torch")


class AlexNet(Module):
    """Torchvision's modules, with an n-th of their channels and features."""

    def __init__(self, n: int = 1, classes: int = 1000) -> None:
        super().__init__()
        part = torch.nn
        widths = [3, *(width // n for width in (64, 192, 384, 256, 256))]
        shapes = (11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)
        layers: list[Any] = []
        for place, (d, k, shape) in enumerate(zip(widths[:-1], widths[1:], shapes, strict=True)):
            layers += [part.Conv2d(d, k, *shape), part.ReLU(inplace=True)]
            layers += [part.MaxPool2d(3, 2)] * (place in (0, 1, 4))
        self.features = part.Sequential(*layers)
        self.avgpool = part.AdaptiveAvgPool2d(6)
        self.classifier = part.Sequential(
            part.Dropout(),
            part.Linear(widths[-1] * 36, 4096 // n),
            part.ReLU(inplace=True),
            part.Dropout(),
            part.Linear(4096 // n, 4096 // n),
            part.ReLU(inplace=True),
            part.Linear(4096 // n, classes),
        )

    def forward(self, x: Any) -> Any:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class VGG(AlexNet):
    """That of 11 layers."""

    def __init__(self, n: int = 1, classes: int = 1000) -> None:
        Module.__init__(self)
        part = torch.nn
        layers, d = [], 3
        for width in (64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"):
            if width == "M":
                layers.append(part.MaxPool2d(2))
            else:
                layers += [part.Conv2d(d, width // n, 3, padding=1), part.ReLU(inplace=True)]
                d = width // n
        self.features = part.Sequential(*layers)
        self.avgpool = part.AdaptiveAvgPool2d(7)
        self.classifier = part.Sequential(
            part.Linear(d * 49, 4096 // n),
            part.ReLU(inplace=True),
            part.Dropout(),
            part.Linear(4096 // n, 4096 // n),
            part.ReLU(inplace=True),
            part.Dropout(),
            part.Linear(4096 // n, classes),
        )


NETWORKS = {"AlexNet": AlexNet, "VGG": VGG}
DENSE = {"AlexNet": ["classifier.1", "classifier.4"], "VGG": ["classifier.0", "classifier.3"]}  # and classifier.6
SIZES = {"AlexNet": (8 * 36, 128), "VGG": (16 * 49, 128)}  # of the first of them


def network(name: str = "AlexNet") -> Any:
    """With an initialisation that keeps the variance of small networks."""
    torch.manual_seed(0)
    model = NETWORKS[name](32, classes=10)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    return model


def inputs(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def images(count: int) -> Any:
    return inputs(count, 3, 64, 64)


def count(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_random_compression(name: str) -> None:
    """Convolutions and the last layer stay; what is new is trained."""
    model = network(name)
    before, (d, k) = count(model), SIZES[name]
    stays = {key: part for key, part in model.named_modules() if key not in DENSE[name]}
    generator = torch.Generator().manual_seed(0)
    report = nn.compress(model, "circulant", "random", exclude="classifier.6", generator=generator)
    assert [row.name for row in report.layers] == DENSE[name]
    assert {type(model.get_submodule(key)) for key in DENSE[name]} == {nn.CirculantLinear}
    assert all(model.get_submodule(key) is part for key, part in stays.items())
    assert report.parameters == (before, count(model)) == (before, before - d * k - k * k + d + k)
    assert report.bytes == (4 * before, 4 * count(model) + d + k)  # a byte a sign
    assert report.layers[0].parameters == (d * k + k, d + k)
    assert report.layers[1].bytes == (4 * (k * k + k), 4 * (k + k) + k)
    assert all(row.energy is None for row in report.layers)
    assert str(report).splitlines()[-1].split() == [
        "model",
        *f"{before:,} → {count(model):,}".split(),
        *f"{report.bytes[0]:,} → {report.bytes[1]:,}".split(),
    ]
    assert model.train()(images(2)).shape == (2, 10)  # through dropout
    optimiser = torch.optim.Adam(model.eval().parameters(), lr=3e-3)
    x, y = images(8), torch.arange(8)
    losses = []
    for _ in range(20):
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_the_report_of_the_network_of_full_size() -> None:
    """Of its 61.1 million parameters 58.6 are in the classifier; on the meta device nothing is allocated for them."""
    with torch.device("meta"):
        model = AlexNet()
    report = nn.compress(model, "circulant", "random", exclude="classifier.6", dry_run=True)
    assert count(model) == report.parameters[0] == 61_100_840
    assert count(model.classifier) == 58_631_144
    assert [row.parameters for row in report.layers] == [(37_752_832, 9216 + 4096), (16_781_312, 4096 + 4096)]
    assert report.parameters[1] == 61_100_840 - 37_752_832 - 16_781_312 + 9216 + 3 * 4096
    assert report.bytes == (4 * 61_100_840, 4 * report.parameters[1] + 9216 + 4096)
    assert all(value.device.type == "meta" for value in model.parameters())


@pytest.mark.parametrize(
    ("name", "rule", "options"),
    [
        ("AlexNet", "circulant", {}),
        ("VGG", "toeplitz", {}),
        ("AlexNet", "block_circulant", {"block_size": 5}),
        ("VGG", "low_rank", {"rank": 3}),
    ],
)
def test_nearest_compression_and_back(name: str, rule: str, options: dict[str, int]) -> None:
    model = network(name).eval()
    before = count(model)
    dense = {key: part for key, part in model.named_modules() if type(part) is torch.nn.Linear}
    report = nn.compress(model, rule, **options)
    for row in report.layers:
        W, A = dense[row.name].weight.detach(), row.layer.to_dense().detach()
        wanted, energy = sm.projections.nearest(W, rule, **options)
        torch.testing.assert_close(A, wanted.to_dense())
        assert row.energy == pytest.approx(float(1 - (W - A).square().sum() / W.square().sum()), rel=1e-3)
        assert row.energy == pytest.approx(float(energy))
        assert row.layer.bias is dense[row.name].bias
        assert not row.layer.training
    assert [row.name for row in report.layers] == [*DENSE[name], "classifier.6"] == list(dense)
    assert report.parameters == (before, count(model))
    y = model(images(2))
    assert nn.decompress(model) is model
    assert {type(model.get_submodule(key)) for key in dense} == {torch.nn.Linear}
    assert count(model) == before
    torch.testing.assert_close(model(images(2)), y, rtol=1e-4, atol=1e-5)


def test_nearest_of_a_structured_weight_is_the_weight() -> None:
    model = torch.nn.Sequential(nn.BlockCirculantLinear(12, 8, 4), torch.nn.ReLU(), nn.BlockCirculantLinear(8, 4, 4))
    x = inputs(5, 12)
    wanted = model(x)
    assert nn.decompress(model) is model
    assert [type(part) for part in model[::2]] == [torch.nn.Linear] * 2
    torch.testing.assert_close(model(x), wanted)
    report = nn.compress(model, "block_circulant", block_size=4)
    assert [row.energy for row in report.layers] == pytest.approx([1, 1])
    assert report.parameters == (12 * 8 + 8 + 8 * 4 + 4, 12 * 8 // 4 + 8 + 8 * 4 // 4 + 4)
    torch.testing.assert_close(model(x), wanted)


@pytest.mark.parametrize("name", NETWORKS)
def test_data_aware_compression_is_the_better_one_on_the_data(name: str) -> None:
    x = images(64)
    with torch.no_grad():
        wanted = network(name).eval()(x)
    errors = {}
    for method in ("nearest", "data-aware"):
        model = network(name)
        sample = {"sample": x, "ridge": 1e-6} if method == "data-aware" else {}
        report = nn.compress(model, "low_rank", method, include="classifier.6", rank=3, **sample)
        assert model.training
        with torch.no_grad():
            error = (model.eval()(x) - wanted).square().sum() / (wanted - model.classifier[6].bias).square().sum()
        errors[method] = error.item()
    assert errors["data-aware"] < errors["nearest"] / 2
    assert report.layers[0].energy == pytest.approx(1 - errors["data-aware"], rel=1e-4)


@pytest.mark.parametrize("ridge", [0.0, 1e-6])
@pytest.mark.parametrize(("like", "options"), [("diagonal", {}), ("tridiagonal", {}), ("low_rank", {"rank": 6})])
def test_data_aware_compression_of_features_of_unequal_size(like: str, options: dict[str, int], ridge: float) -> None:
    """A layer that has the structure keeps the weights of features of sizes 1e-3 to 1e3, of many rows, in float32."""
    sizes = torch.logspace(-3, 3, 6)
    model = torch.nn.Sequential(torch.nn.Linear(6, 6, bias=False))
    weight = torch.diag(torch.arange(1.0, 7.0)) / sizes
    with torch.no_grad():
        model[0].weight.copy_(weight)
    nn.compress(model, like, "data-aware", sample=inputs(3000, 6) * sizes, ridge=ridge * 1e-3, **options)
    # of outputs of size 1 to 6, rounded to eps each
    torch.testing.assert_close(model[0].to_dense() * sizes, weight * sizes, rtol=0, atol=60 * torch.finfo().eps)


def test_rules_by_layer_and_dry_run() -> None:
    model = network()
    before = {name: id(part) for name, part in model.named_modules()}

    def rule(name: str, layer: Any) -> dict[str, Any] | None:
        return {"rule": "low_rank", "rank": layer.out_features // 10} if layer.out_features > 10 else None

    report = nn.compress(model, rule, "random", dry_run=True)
    assert {name: id(part) for name, part in model.named_modules()} == before
    assert [(row.name, row.layer.extra_repr().split(", ")[3]) for row in report.layers] == [
        (name, "rank=12") for name in DENSE["AlexNet"]
    ]
    assert report.parameters[1] < report.parameters[0] == count(model)


def test_shared_layers_and_shared_weights() -> None:
    shared = torch.nn.Linear(8, 8)
    model = torch.nn.ModuleDict(
        {"a": shared, "b": shared, "embed": torch.nn.Embedding(5, 8), "head": torch.nn.Linear(8, 5)}
    )
    model["head"].weight = model["embed"].weight
    report = nn.compress(model, "circulant", "random")
    assert model["a"] is model["b"]
    assert isinstance(model["a"], nn.CirculantLinear)
    assert type(model["head"]) is torch.nn.Linear
    assert [row.name for row in report.layers] == ["a"]


def test_attention_keeps_its_own_layers() -> None:
    """PyTorch's attention reads the weight of its projection; the two other layers of a block are replaced."""
    torch.manual_seed(0)
    block = torch.nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, dropout=0.0)
    report = nn.compress(block, "block_circulant", "random", block_size=4)
    assert [row.name for row in report.layers] == ["linear1", "linear2"]
    x = inputs(2, 5, 16)
    wanted = block.train()(x)
    torch.testing.assert_close(block.eval()(x), wanted)  # by autograd, and by PyTorch's own path from the weights
    with torch.no_grad():
        torch.testing.assert_close(block(x), wanted, rtol=1e-4, atol=1e-5)


def test_half_precision_and_frozen_weights_are_kept() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 8)).to(torch.bfloat16).requires_grad_(False)
    W = model[0].weight
    nn.compress(model, "toeplitz")
    wanted, _ = sm.projections.nearest(W.float(), "toeplitz")
    assert {value.dtype for value in model.parameters()} == {torch.bfloat16}
    assert not any(value.requires_grad for value in model.parameters())
    torch.testing.assert_close(model[0].to_dense(), wanted.to_dense().bfloat16(), rtol=1e-2, atol=1e-3)
    nn.decompress(model)
    assert not any(value.requires_grad for value in model.parameters())


class Halved(Module):
    """A parametrization."""

    def forward(self, value: Any) -> Any:
        return value / 2


utils = library("torch.nn.utils")
prune = library("torch.nn.utils.prune")
COMPUTED = {  # what computes a parameter, and what makes it permanent
    "pruned": (lambda layer: prune.l1_unstructured(layer, "weight", 0.5), lambda layer: prune.remove(layer, "weight")),
    "pruned in rows": (
        lambda layer: prune.ln_structured(layer, "weight", 0.5, 2, 0),
        lambda layer: prune.remove(layer, "weight"),
    ),
    "pruned bias": (
        lambda layer: prune.random_unstructured(layer, "bias", 3),
        lambda layer: prune.remove(layer, "bias"),
    ),
    "weight_norm": (utils.weight_norm, utils.remove_weight_norm),
    "spectral_norm": (utils.spectral_norm, utils.remove_spectral_norm),
    "weight-normed": (
        utils.parametrizations.weight_norm,
        lambda layer: utils.parametrize.remove_parametrizations(layer, "weight"),
    ),
    "spectral-normed": (
        utils.parametrizations.spectral_norm,
        lambda layer: utils.parametrize.remove_parametrizations(layer, "weight"),
    ),
    "orthogonal": (
        utils.parametrizations.orthogonal,
        lambda layer: utils.parametrize.remove_parametrizations(layer, "weight"),
    ),
    "parametrized": (
        lambda layer: utils.parametrize.register_parametrization(layer, "weight", Halved()),
        lambda layer: utils.parametrize.remove_parametrizations(layer, "weight"),
    ),
    "parametrized bias": (
        lambda layer: utils.parametrize.register_parametrization(layer, "bias", Halved()),
        lambda layer: utils.parametrize.remove_parametrizations(layer, "bias"),
    ),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("method", ["nearest", "random", "data-aware"])
@pytest.mark.parametrize("how", COMPUTED)
def test_weights_that_are_computed(how: str, method: str) -> None:
    """They are made permanent first, and compressed to their values then; other layers need not wait."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.Linear(8, 6)).double()
    compute, keep = COMPUTED[how]
    compute(model[0])
    x = inputs(20, 12).double()
    options = {"rank": 6, **({"sample": x} if method == "data-aware" else {})}
    before = {name: id(part) for name, part in model.named_modules()}
    name = "bias" if "bias" in how else "weight"
    with pytest.raises(ValueError, match=rf"compress: 0: its {name} is computed .*remove.*; or leave the layer out"):
        nn.compress(model, "low_rank", method, **options)
    assert {name: id(part) for name, part in model.named_modules()} == before
    model.eval()
    wanted = model(x).detach()
    nn.compress(model, "low_rank", method, include="1", **options)  # of full rank
    assert type(model[1]) is nn.LowRankLinear
    wanted = model(x).detach() if method == "random" else wanted
    torch.testing.assert_close(model(x), wanted)
    keep(model[0])
    torch.testing.assert_close(model(x), wanted)
    nn.compress(model, "low_rank", include="0", rank=8)
    torch.testing.assert_close(model(x), wanted)


@pytest.mark.parametrize("sizes", [(12, 8), (7, 10)])
@pytest.mark.parametrize("method", ["nearest", "data-aware"])
def test_structures_with_a_layer_of_their_own(method: str, sizes: tuple[int, int]) -> None:
    """A model of new layers loads the state of a compressed one; nothing is drawn."""
    x = inputs(20, sizes[0])
    sample = {"sample": x} if method == "data-aware" else {}
    for rule, options, made in (
        ("block_circulant", {"block_size": 4}, lambda: nn.BlockCirculantLinear(*sizes, 4)),
        ("low_rank", {"rank": 2}, lambda: nn.LowRankLinear(*sizes, 2)),
    ):
        model = torch.nn.Sequential(torch.nn.Linear(*sizes))
        weight, bias, state = model[0].weight, model[0].bias, torch.get_rng_state()
        nn.compress(model, rule, method, **options, **sample)
        assert torch.equal(torch.get_rng_state(), state)
        new = torch.nn.Sequential(made())
        assert (type(model[0]), repr(model)) == (type(new[0]), repr(new))
        assert model[0].bias is bias
        new.load_state_dict(model.state_dict())
        torch.testing.assert_close(new(x), model(x))
        if method == "nearest":
            torch.testing.assert_close(model[0].weight, sm.projections.nearest(weight, rule, **options)[0].to_dense())


def test_samples_and_inputs_by_name() -> None:
    class Named(Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(6, 6)

        def forward(self, x: Any, scale: float) -> Any:
            return self.layer(input=scale * x)

    x = inputs(9, 6)
    named, plain = Named(), torch.nn.Sequential(torch.nn.Linear(6, 6))
    plain[0].load_state_dict(named.layer.state_dict())
    nn.compress(named, "circulant", "data-aware", sample={"x": x, "scale": 2.0})
    nn.compress(plain, "circulant", "data-aware", sample=2 * x)
    torch.testing.assert_close(named.layer.to_dense(), plain[0].to_dense())


@pytest.mark.parametrize(
    ("error", "message", "arguments", "keywords"),
    [
        (ValueError, "rule is 'circular'; the method 'random' has block_circulant", ("circular", "random"), {}),
        (ValueError, "classifier.1 .* unknown|like is 'circular'", ("circular",), {}),
        (ValueError, "method is 'best'; expected", ("circulant", "best"), {}),
        (ValueError, "sample is missing for the method 'data-aware'", ("circulant", "data-aware"), {}),
        (ValueError, "sample is given for the method 'nearest'", ("circulant",), {"sample": 1}),
        (ValueError, "include has 'fc', which matches none", ("circulant",), {"include": "fc"}),
        (ValueError, "include has 'features.0', which matches none", ("circulant",), {"include": ["features.0"]}),
        (ValueError, "no dense layer that include and exclude leave", ("circulant",), {"exclude": "*"}),
        (ValueError, "the rule matches none of the layers", (lambda name, layer: None,), {}),
        (
            TypeError,
            "classifier.1: the rule returns 'toeplitz'",
            (lambda name, layer: "toeplitz",),
            {},
        ),
        (TypeError, "include is 3; expected a name with wildcards", ("circulant",), {"include": 3}),
        (ValueError, "generator is a int", ("circulant", "random"), {"generator": 3}),
        (ValueError, r"classifier.1 \(Linear.*rank", ("low_rank",), {"rank": 500}),
        (ValueError, r"classifier.6 \(Linear.*square", ("skew_circulant",), {"include": "*.6"}),
        (ValueError, r"classifier.1 \(Linear.*block_size is 300", ("circulant", "random"), {"block_size": 300}),
    ],
)
def test_refusals_of_compression(error: type[Exception], message: str, arguments: Any, keywords: Any) -> None:
    model = network()
    before = {name: id(part) for name, part in model.named_modules()}
    with pytest.raises(error, match=message):
        nn.compress(model, *arguments, **keywords)
    assert {name: id(part) for name, part in model.named_modules()} == before


def test_refusals_of_other_things() -> None:
    with pytest.raises(TypeError, match=r"model is a dict; expected a torch\.nn\.Module"):
        nn.compress({}, "circulant")
    with pytest.raises(ValueError, match="the model has no dense layer whose weight"):
        nn.compress(torch.nn.ReLU(), "circulant")
    with pytest.raises(TypeError, match="model is a layer itself"):
        nn.compress(torch.nn.Linear(3, 3), "circulant")

    class First(torch.nn.Sequential):
        def forward(self, x: Any) -> Any:
            return self[0](x)

    unreached = First(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3))
    with pytest.raises(ValueError, match="the sample does not reach 1"):
        nn.compress(unreached, "circulant", "data-aware", sample=torch.ones(4, 3))
    with pytest.raises(TypeError, match=r"StructuredLinear.* is complex"):
        nn.decompress(nn.StructuredLinear(sm.Circulant(torch.ones(3, dtype=torch.complex64))))
