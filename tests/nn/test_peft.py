"""Adapters in PEFT: against written-out matrices, against PEFT's own C3A, and through all that PEFT does with them."""

import copy
import math
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from backends import library
from hypothesis import given
from hypothesis import strategies as st

torch = library("torch")
Module = torch.nn.Module  # where PyTorch is left out, the file ends here
Dispatch = library("torch.utils._python_dispatch").TorchDispatchMode
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the packages that PEFT imports
    peft = library("peft")
    transformers = library("transformers")
    c3a = library("peft.tuners.c3a.layer")
    nn = library("structmat.nn.peft")
    layers = library("structmat.nn.torch")
    conv1d = library("transformers.pytorch_utils").Conv1D

# PEFT asks transformers by names that these deprecate.
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")


def inputs(*shape: int, dtype: Any = torch.float32, seed: int = 1) -> Any:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def layer_of(n: int, m: int, *sizes: int, base: Any = torch.nn.Linear, dtype: Any = torch.float32) -> Any:
    """A layer with adapters a, b, ... of these block sizes, all active, all with kernels of size one."""
    dense = (torch.nn.Linear(n, m) if base is torch.nn.Linear else conv1d(m, n)).to(dtype)
    names = [chr(ord("a") + place) for place in range(len(sizes))]
    first, *others = zip(names, sizes, strict=True)
    layer = nn.BlockCirculantLayer(dense, *first, nn.BlockCirculantConfig())
    for name, b in others:
        layer.update_layer(name, b, nn.BlockCirculantConfig())
    layer.set_adapter(names)
    for seed, kernel in enumerate(layer.structmat_kernel.values()):
        kernel.data = inputs(*kernel.shape, dtype=kernel.dtype, seed=seed + 10)
    return layer


def matrix(layer: Any, *names: str) -> Any:
    """The definition: circulants of SciPy from the first rows, stacked, cut, divided by n and summed."""
    total = np.zeros((layer.out_features, layer.in_features))
    for name in names:
        kernel = layer.structmat_kernel[name].detach().double().numpy()
        whole = np.block([[scipy.linalg.circulant(row).T for row in rows] for rows in kernel])
        total += whole[: layer.out_features, : layer.in_features] / layer.in_features
    return torch.asarray(total)


# ---------------------------------------------------------------------- one layer


@given(st.data(), st.integers(1, 12), st.integers(1, 12))
def test_any_sizes(data: Any, n: int, m: int) -> None:
    sizes = data.draw(st.lists(st.integers(1, max(m, n)), min_size=1, max_size=3))
    base = data.draw(st.sampled_from([torch.nn.Linear, conv1d]))
    layer = layer_of(n, m, *sizes, base=base, dtype=torch.float64)
    names = list(layer.structmat_kernel)
    for name, b in zip(names, sizes, strict=True):
        assert layer.structmat_kernel[name].shape == (math.ceil(m / b), math.ceil(n / b), b)
    for shape in ((n,), (0, n), (2, 3, n)):
        x = inputs(*shape, dtype=torch.float64)
        torch.testing.assert_close(layer(x), layer.base_layer(x) + x @ matrix(layer, *names).T)
    x = inputs(3, n, dtype=torch.float64)
    wanted, weight = layer(x), layer.base_layer.weight.detach().clone()
    for name in names:
        delta = matrix(layer, name)
        torch.testing.assert_close(layer.get_delta_weight(name), delta if base is torch.nn.Linear else delta.T)
    layer.merge()
    torch.testing.assert_close(layer(x), wanted)
    layer.unmerge()
    assert torch.equal(layer.base_layer.weight, weight)


@pytest.mark.parametrize(("n", "m", "b"), [(12, 8, 4), (8, 12, 1), (9, 9, 9), (10, 20, 5)])
def test_equals_c3a(n: int, m: int, b: int) -> None:
    """One kernel, one scaling: outputs, gradients of kernels, matrices and initial values.

    In PEFT 0.21 what C3A passes on to earlier layers is not the gradient of its product; ours is, by its matrix.
    """
    base = torch.nn.Linear(n, m)
    layers, results = [], []
    for make, config in ((nn.BlockCirculantLayer, nn.BlockCirculantConfig), (c3a.C3ALinear, peft.C3AConfig)):
        torch.manual_seed(3)
        options = config(init_weights="gaussian")
        order = (b, options) if make is nn.BlockCirculantLayer else (options, b)
        layers.append(make(copy.deepcopy(base), "a", *order))
    for layer, kernels in zip(layers, ("structmat_kernel", "c3a_kernel"), strict=True):
        x = inputs(2, 3, n).requires_grad_()
        kernel = getattr(layer, kernels)["a"]
        y = layer(x)
        y.square().sum().backward()
        delta = layer.get_delta_weight("a")
        results.append((y, kernel.grad, delta, kernel))
        if layer is layers[0]:
            torch.testing.assert_close(x.grad, 2 * y @ (base.weight + delta))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)
    assert torch.equal(results[0][-1], results[1][-1])


@pytest.mark.parametrize("how", [False, "xavier_uniform", "kaiming_uniform", "gaussian", True])
def test_initial_values_are_those_of_c3a(how: Any) -> None:
    kernels = []
    for config in (nn.BlockCirculantConfig, peft.C3AConfig):
        torch.manual_seed(0)
        options = config(target_modules=["0"], block_size=4, init_weights=how)
        adapted = peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(12, 8)), options)
        kernels += [value for name, value in adapted.named_parameters() if "kernel" in name]
    assert torch.equal(*kernels)
    assert kernels[0].any() == (how is not True)


@pytest.mark.parametrize("sizes", [(4, 4), (4, 3), (5, 2, 5)])
def test_active_adapters_add_up(sizes: tuple[int, ...]) -> None:
    """Each gets the gradient that it would get alone, and those that are not active get none."""
    layer = layer_of(12, 8, *sizes, dtype=torch.float64)
    names = list(layer.structmat_kernel)
    x = inputs(5, 12, dtype=torch.float64)
    base = layer.base_layer(x)
    alone, gradients = [], []
    for name in names:
        layer.set_adapter(name)
        y = layer(x)
        assert [value.requires_grad for value in layer.structmat_kernel.values()] == [key == name for key in names]
        alone.append(y - base)
        gradients += torch.autograd.grad(y, layer.structmat_kernel[name], torch.ones_like(y))
    layer.set_adapter(names)
    y = layer(x)
    torch.testing.assert_close(y, base + sum(alone))
    found = torch.autograd.grad(y, list(layer.structmat_kernel.values()), torch.ones_like(y))
    for one, other in zip(found, gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_gradcheck() -> None:
    layer = layer_of(7, 5, 3, 2, dtype=torch.float64)
    kernels = [value.detach().clone().requires_grad_() for value in layer.structmat_kernel.values()]
    names = [f"structmat_kernel.{name}" for name in layer.structmat_kernel]

    def call(x: Any, *kernels: Any) -> Any:
        return torch.func.functional_call(layer, dict(zip(names, kernels, strict=True)), (x,))

    x = inputs(2, 7, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(call, (x, *kernels))
    assert torch.autograd.gradgradcheck(call, (x, *kernels))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("base", [torch.nn.Linear, conv1d])
def test_merging_rounds_once_and_unmerging_is_exact(base: Any, dtype: Any) -> None:
    layer = layer_of(13, 10, 4, 4, 6, base=base, dtype=dtype)
    weight = layer.base_layer.weight.detach().clone()
    layer.merge(adapter_names=["b"])
    with pytest.warns(UserWarning, match="additionally merging a,c"):
        layer.merge(safe_merge=True, adapter_names=["a", "b", "c"])
    assert layer.merged_adapters == ["b", "a", "c"]
    assert layer.base_layer.weight.dtype == dtype
    layer.structmat_kernel["a"].data.zero_()  # what happens to a kernel while it is merged is not taken off
    layer.unmerge()
    assert torch.equal(layer.base_layer.weight, weight)
    assert not layer.merged
    wanted = weight.double() + (matrix(layer, "a", "b", "c") if base is torch.nn.Linear else matrix(layer, *"abc").T)
    layer.merge()
    error = (layer.base_layer.weight.double() - wanted).abs() / wanted.abs()
    assert error.max() < torch.finfo(dtype).eps / 2 + 8 * torch.finfo(torch.float32).eps * (1 / wanted.abs()).max()
    x = inputs(2, 13, dtype=dtype)
    assert torch.equal(layer(x), layer.base_layer(x))


def test_merging_takes_no_product() -> None:
    """Entries are read: no transform, no matrix product, no identity."""
    seen = []

    class Watch(Dispatch):
        def __torch_dispatch__(self, op: Any, types: Any, arguments: Any = (), keywords: Any = None) -> Any:
            seen.append(op.overloadpacket.__name__)
            return op(*arguments, **(keywords or {}))

    layer = layer_of(12, 8, 5)
    with Watch():
        layer.merge()
    assert "index" in seen
    assert not [name for name in seen if "fft" in name or "mm" in name or "eye" in name or "dot" in name]


def test_unmerging_follows_the_weight() -> None:
    layer = layer_of(12, 8, 4)
    weight = layer.base_layer.weight.detach().clone()
    layer.merge()
    assert set(layer.state_dict()) == {"base_layer.weight", "base_layer.bias", "structmat_kernel.a"}
    layer.double().unmerge()
    assert torch.equal(layer.base_layer.weight, weight.double())
    layer.unmerge()  # there is nothing to do
    assert torch.equal(layer.base_layer.weight, weight.double())


def test_disabling_unmerges() -> None:
    layer = layer_of(12, 8, 4)
    x = inputs(3, 12)
    wanted = layer.base_layer(x)
    layer.merge()
    layer.enable_adapters(False)
    assert torch.equal(layer(x), wanted)
    layer.enable_adapters(True)
    assert not torch.equal(layer(x), wanted)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype: Any) -> None:
    """Kernels stay single beside a half-precision model, or compute in single when they are half themselves."""
    layer = layer_of(12, 8, 4, 3, dtype=dtype)
    assert {value.dtype for value in layer.structmat_kernel.values()} == {torch.float32}
    x = inputs(5, 12, dtype=dtype).requires_grad_()
    wanted = layer.base_layer(x) + (x.float() @ matrix(layer, "a", "b").float().T).to(dtype)
    y = layer(x)
    torch.testing.assert_close(y, wanted, rtol=2 * torch.finfo(dtype).eps, atol=2 * torch.finfo(dtype).eps)
    y.float().sum().backward()
    assert x.grad.dtype == dtype
    layer.to(dtype)
    assert layer(x).dtype == dtype
    torch.testing.assert_close(layer(x), wanted, rtol=2e-2, atol=2e-2)


def test_autocast() -> None:
    layer = layer_of(12, 8, 4)
    x = inputs(5, 12).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
        wanted = layer.base_layer(x) + (x.double() @ matrix(layer, "a").T).bfloat16()
        assert y.dtype == torch.bfloat16
        y.float().sum().backward()
    torch.testing.assert_close(y, wanted, rtol=1e-2, atol=1e-2)
    assert x.grad.dtype == layer.structmat_kernel["a"].grad.dtype == torch.float32


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec:FutureWarning")
def test_compiles_to_one_graph() -> None:
    layer = layer_of(12, 8, 4, 3)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
    x = inputs(5, 12)
    kernels = list(layer.structmat_kernel.values())
    for one, other in zip(*((y, *torch.autograd.grad(y.sum(), kernels)) for y in (compiled(x), layer(x))), strict=True):
        torch.testing.assert_close(one, other)


def test_copies() -> None:
    layer = layer_of(12, 8, 4, 3)
    x = inputs(5, 12)
    wanted = layer(x)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), wanted)
        twin.structmat_kernel["a"].data.zero_()
        assert torch.equal(layer(x), wanted)
        assert not torch.equal(twin(x), wanted)


# ---------------------------------------------------------------------- models, by PEFT's own functions


def model_of(kind: str) -> Any:
    """A model of two layers of transformers, with random weights."""
    torch.manual_seed(0)
    if kind == "gpt2":  # its layers are Conv1D
        sizes = {"n_layer": 2, "n_embd": 36, "n_head": 2, "n_positions": 16}
        config = transformers.GPT2Config(**sizes, vocab_size=50, bos_token_id=0, eos_token_id=0)
        return transformers.GPT2LMHeadModel(config).eval()
    sizes = {"hidden_size": 32, "intermediate_size": 56, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = transformers.LlamaConfig(**sizes, vocab_size=50, max_position_embeddings=16)
    return transformers.LlamaForCausalLM(config).eval()


TARGETS = {"gpt2": ["c_attn", "mlp.c_proj"], "llama": ["q_proj", "v_proj", "down_proj"]}
TOKENS = torch.arange(10).reshape(2, 5)


def config_of(kind: str, b: int = 20, **options: Any) -> Any:
    return nn.BlockCirculantConfig(block_size=b, target_modules=TARGETS[kind], **options)


def adapted_by_two(kind: str) -> tuple[Any, Any]:
    """A model with two adapters, and what it computes without any."""
    model = model_of(kind)
    before = model(TOKENS).logits
    adapted = peft.get_peft_model(model, config_of(kind, init_weights="gaussian")).eval()
    adapted.add_adapter("second", config_of(kind, 7, init_weights="gaussian"))
    return adapted, before


@pytest.fixture(params=["gpt2", "llama"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_model_starts_as_it_was_and_learns(kind: str) -> None:
    model = model_of(kind)
    before = model(TOKENS).logits
    adapted = peft.get_peft_model(model, config_of(kind), autocast_adapter_dtype=True)
    assert torch.equal(adapted(TOKENS).logits, before)
    learned = [value for value in adapted.parameters() if value.requires_grad]
    assert len(learned) == 2 * len(TARGETS[kind])
    optimiser = torch.optim.Adam(learned, lr=1.0)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = adapted(TOKENS, labels=TOKENS).loss
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.3
    with adapted.disable_adapter():
        assert torch.equal(adapted(TOKENS).logits, before)
    assert torch.equal(adapted.unload()(TOKENS).logits, before)


def test_saved_and_loaded(kind: str, tmp_path: Any) -> None:
    adapted, _ = adapted_by_two(kind)
    adapted.save_pretrained(tmp_path)
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 60_000
    outputs = {}
    for name in ("default", "second"):
        adapted.set_adapter(name)
        outputs[name] = adapted(TOKENS).logits
    for options in ({}, {"low_cpu_mem_usage": True}):
        loaded = peft.PeftModel.from_pretrained(model_of(kind), tmp_path, **options).eval()
        config = loaded.peft_config["default"]
        assert (type(config), config.block_size) == (nn.BlockCirculantConfig, 20)
        assert torch.equal(loaded(TOKENS).logits, outputs["default"])
    loaded.load_adapter(tmp_path / "second", "second")
    loaded.set_adapter("second")
    assert torch.equal(loaded(TOKENS).logits, outputs["second"])
    state = peft.get_peft_model_state_dict(adapted, adapter_name="second")
    injected = peft.inject_adapter_in_model(config_of(kind, 7), model_of(kind), "any")
    peft.set_peft_model_state_dict(injected, state, "any")
    torch.testing.assert_close(injected(TOKENS).logits, outputs["second"])


def test_several_adapters_merged_unmerged_and_deleted(kind: str) -> None:
    adapted, before = adapted_by_two(kind)
    weights = {name: value.clone() for name, value in adapted.named_parameters() if name.endswith("base_layer.weight")}
    assert len(weights) == 2 * len(TARGETS[kind])
    alone = adapted(TOKENS).logits
    adapted.base_model.set_adapter(["default", "second"])
    both = adapted(TOKENS).logits
    assert not torch.allclose(both, alone, atol=1e-3)
    adapted.merge_adapter()
    torch.testing.assert_close(adapted(TOKENS).logits, both)
    adapted.unmerge_adapter()
    assert all(torch.equal(value, weights[name]) for name, value in adapted.named_parameters() if name in weights)
    assert torch.equal(adapted(TOKENS).logits, both)
    with adapted.disable_adapter():
        assert torch.equal(adapted(TOKENS).logits, before)
    adapted.delete_adapter("second")
    torch.testing.assert_close(adapted(TOKENS).logits, alone)
    plain = adapted.merge_and_unload()
    assert not any(isinstance(part, nn.BlockCirculantLayer) for part in plain.modules())
    torch.testing.assert_close(plain(TOKENS).logits, alone)


def test_generates(kind: str) -> None:
    adapted, _ = adapted_by_two(kind)
    options = {"max_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    wanted = adapted.generate(input_ids=TOKENS, attention_mask=torch.ones_like(TOKENS), **options)
    assert wanted.shape == (2, 9)
    merged = adapted.merge_and_unload()
    assert torch.equal(merged.generate(TOKENS, attention_mask=torch.ones_like(TOKENS), **options), wanted)


# ---------------------------------------------------------------------- adapters chosen by row

MIXED = ["second", "__base__", "default", "second", "__base__", "only"]
ROWS = torch.arange(30).reshape(6, 5)


def adapted_by_three(kind: str) -> Any:
    """A model with three adapters, of which one is in some of the layers only."""
    adapted, _ = adapted_by_two(kind)
    some = nn.BlockCirculantConfig(block_size=5, target_modules=TARGETS[kind][:1], init_weights="gaussian")
    adapted.add_adapter("only", some)
    return adapted.eval()


def row_by_row(adapted: Any, names: list[str], call: Any) -> list[Any]:
    """What each row gets from its adapter alone, by PEFT's own choice of one adapter for all rows."""
    found = []
    for place, name in enumerate(names):
        if name == "__base__":
            with adapted.disable_adapter():
                found.append(call(place))
        else:
            adapted.set_adapter(name)
            found.append(call(place))
    adapted.set_adapter("default")
    return found


def test_adapters_by_row(kind: str) -> None:
    adapted = adapted_by_three(kind).double()
    wanted = torch.cat(row_by_row(adapted, MIXED, lambda place: adapted(ROWS[place : place + 1]).logits))
    for names in (MIXED, tuple(MIXED)):
        torch.testing.assert_close(adapted(ROWS, adapter_names=names).logits, wanted)
    differences = (wanted[:, None] - adapted(ROWS).logits[:, None]).abs().amax((1, 2, 3))
    assert [bool(each > 1e-3) for each in differences] == [name != "default" for name in MIXED]
    torch.testing.assert_close(adapted(ROWS, adapter_names=["default"] * 6).logits, adapted(ROWS).logits)
    with adapted.disable_adapter():
        base = adapted(ROWS).logits
        assert torch.equal(adapted(ROWS, adapter_names=MIXED).logits, base)
    assert torch.equal(adapted(ROWS, adapter_names=["__base__"] * 6).logits, base)
    assert not any(part._forward_pre_hooks for part in adapted.modules())


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_with_adapters_by_row(kind: str, beams: int) -> None:
    adapted = adapted_by_three(kind).double()
    options = {"min_new_tokens": 4, "max_new_tokens": 4, "do_sample": False, "pad_token_id": 0, "num_beams": beams}

    def generate(rows: Any, **more: Any) -> Any:
        return adapted.generate(input_ids=rows, attention_mask=torch.ones_like(rows), **options, **more)

    wanted = torch.cat(row_by_row(adapted, MIXED, lambda place: generate(ROWS[place : place + 1])))
    assert torch.equal(generate(ROWS, adapter_names=MIXED), wanted)


@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings=True`:UserWarning")
def test_adapters_by_row_of_encoders_and_modules_to_save() -> None:
    """Beams repeat the rows of the decoder, not those of the encoder, and PEFT's own wrappers choose as well."""
    torch.manual_seed(0)
    sizes = {
        "d_model": 16,
        "d_kv": 8,
        "d_ff": 24,
        "num_layers": 1,
        "num_heads": 2,
        "vocab_size": 40,
        "tie_word_embeddings": False,
    }
    model = transformers.T5ForConditionalGeneration(transformers.T5Config(**sizes, decoder_start_token_id=0))
    config = nn.BlockCirculantConfig(
        block_size=8,
        target_modules=["q", "wo"],
        modules_to_save=["lm_head"],
        init_weights="gaussian",
        task_type="SEQ_2_SEQ_LM",
    )
    adapted = peft.get_peft_model(model, config).eval()
    adapted.add_adapter("second", config)
    for seed, head in enumerate(adapted.base_model.model.lm_head.modules_to_save.values()):
        head.weight.data = inputs(40, 16, seed=seed)
    names, rows = ["second", "__base__", "default"], ROWS[:3]

    def generate(rows: Any, **more: Any) -> Any:
        return adapted.generate(input_ids=rows, num_beams=2, max_new_tokens=4, do_sample=False, **more)

    wanted = row_by_row(adapted, names, lambda place: generate(rows[place : place + 1]))
    found = generate(rows, adapter_names=names)
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one[: other.shape[1]], other[0])
    y = adapted(rows, decoder_input_ids=rows, adapter_names=names).logits
    wanted = row_by_row(
        adapted, names, lambda place: adapted(rows[place : place + 1], decoder_input_ids=rows[place : place + 1]).logits
    )
    torch.testing.assert_close(y, torch.cat(wanted))


def test_gradients_of_adapters_by_row() -> None:
    """The layer itself takes names with a graph; each adapter gets the gradient of its rows."""
    layer = layer_of(12, 8, 4, 5, dtype=torch.float64)
    layer.set_adapter(["a", "b"])
    x = inputs(4, 3, 12, dtype=torch.float64).requires_grad_()
    names = ["b", "a", "__base__", "b"]
    y = layer(x, adapter_names=names)
    kernels = [x, *layer.structmat_kernel.values()]
    matrices = {"__base__": torch.zeros(8, 12), "a": matrix(layer, "a"), "b": matrix(layer, "b")}
    weight = layer.base_layer.weight
    wanted = torch.stack(
        [row @ (weight + matrices[name]).T + layer.base_layer.bias for row, name in zip(x, names, strict=True)]
    )
    torch.testing.assert_close(y, wanted)
    found = torch.autograd.grad(y.sum(), kernels)
    torch.testing.assert_close(found[0], torch.autograd.grad(wanted.sum(), x)[0])
    for name, gradient in zip("ab", found[1:], strict=True):
        layer.set_adapter(name)
        rows = x.detach()[[place for place, each in enumerate(names) if each == name]]
        alone = torch.autograd.grad(layer(rows).sum(), layer.structmat_kernel[name])[0]
        torch.testing.assert_close(gradient, alone)


def test_refusals_of_adapters_by_row() -> None:
    adapted = adapted_by_three("llama")
    for error, message, names in (
        (
            ValueError,
            "adapter_names has nonsense, Default; the adapters are default, only, second",
            ["nonsense", "Default"] * 3,
        ),
        (ValueError, "adapter_names has 2 names; expected one for each of the 6 rows", ["default", "second"]),
        (TypeError, "adapter_names is 'default'; expected a list of names", "default"),
    ):
        with pytest.raises(error, match=message):
            adapted(ROWS, adapter_names=names)
        assert not any(part._forward_pre_hooks for part in adapted.modules())
    for call in (adapted.merge_adapter, adapted.merge_and_unload):
        with pytest.raises(ValueError, match="adapter_names has nonsense; the adapters are"):
            call(adapter_names=["nonsense"])
    adapted.merge_adapter()
    with pytest.raises(ValueError, match="adapter_names is given while default is merged; call unmerge_adapter before"):
        adapted(ROWS, adapter_names=MIXED)
    adapted.unmerge_adapter()
    adapted.train()
    with pytest.raises(ValueError, match=r"in training mode; call model\.eval\(\) before"):
        adapted(ROWS, adapter_names=MIXED)


# ---------------------------------------------------------------------- merging into layers that are not dense

RULES = {
    "circulant": {},
    "toeplitz": {},
    "low_rank": {"rank": 3},
    "block_circulant": {"block_size": 4},
    "fastfood": {"method": "random"},  # with integers and a product of parameters
}


def compressed(rule: str, base: Any = torch.nn.Linear, first: bool = False) -> Any:
    """A model with two adapters on a layer, compressed before or below them."""
    torch.manual_seed(0)
    options = {"rule": rule, **RULES[rule]}
    model = torch.nn.Sequential(base(12, 8) if base is torch.nn.Linear else conv1d(8, 12), torch.nn.ReLU()).double()
    config = nn.BlockCirculantConfig(block_size=5, target_modules=["0"], init_weights="gaussian")
    if first:
        layers.compress(model, **options)
    adapted = peft.get_peft_model(model, config).eval()
    adapted.add_adapter("second", nn.BlockCirculantConfig(block_size=3, target_modules=["0"], init_weights="gaussian"))
    if not first:
        layers.compress(adapted, **options, include="*base_layer")
    adapted.base_model.set_adapter(["default", "second"])
    return adapted


@pytest.mark.parametrize(("base", "first"), [(torch.nn.Linear, True), (torch.nn.Linear, False), (conv1d, False)])
@pytest.mark.parametrize("rule", RULES)
def test_merging_into_structured_layers(rule: str, base: Any, first: bool) -> None:
    """A + Δ by the written-out matrices; what is unmerged is what it was, bit by bit."""
    adapted = compressed(rule, base, first)
    layer = adapted.base_model.model[0]
    below, state = layer.base_layer, {key: value.clone() for key, value in layer.base_layer.state_dict().items()}
    A, held = below.to_dense().detach(), set(map(id, below.parameters()))
    x = inputs(4, 12, dtype=torch.float64)

    def wanted(*names: str) -> Any:
        total = A + sum((matrix(layer, name) for name in names), torch.zeros(8, 12, dtype=torch.float64))
        return torch.relu(x @ total.T + below.bias)

    torch.testing.assert_close(adapted(x), wanted("default", "second"))
    adapted.merge_adapter(["second"])
    torch.testing.assert_close(adapted(x), wanted("second"))
    with pytest.warns(UserWarning, match="additionally merging default"):
        adapted.merge_adapter(safe_merge=True)
    torch.testing.assert_close(adapted(x), wanted("default", "second"))
    torch.testing.assert_close(layer.base_layer.to_dense(), A + matrix(layer, "default", "second"))
    assert held < set(map(id, layer.base_layer.parameters()))  # an optimiser that has them still trains them
    learned = {any(value.requires_grad for value in part.parameters()) for part in (layer.base_layer, below)}
    assert learned == {rule == "fastfood" and not first}  # which is new; others are frozen as their weight was
    adapted.unmerge_adapter()
    assert layer.base_layer is below
    assert set(map(id, below.parameters())) == held
    assert all(torch.equal(value, state[key]) for key, value in below.state_dict().items())
    torch.testing.assert_close(adapted(x), wanted("default", "second"))
    adapted.merge_adapter()
    with adapted.disable_adapter():
        torch.testing.assert_close(adapted(x), wanted())
    assert layer.base_layer is below
    twin, expected = copy.deepcopy(adapted), wanted("default", "second")
    plain = adapted.merge_and_unload(safe_merge=True)
    assert isinstance(plain[0], layers.StructuredLinear)
    torch.testing.assert_close(plain(x), expected)
    torch.testing.assert_close(layers.decompress(plain)(x), expected)
    twin.merge_adapter()
    twin.float().double().unmerge_adapter()  # what is below follows while others are merged into it
    x = x.float().double()
    torch.testing.assert_close(twin(x), expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(twin.unload()(x), torch.relu(x @ A.T + below.bias), rtol=1e-5, atol=1e-5)


def test_merging_into_structured_layers_of_half_precision() -> None:
    """Each entry of the two is rounded once."""
    adapted = compressed("circulant")
    layer = adapted.base_model.model[0]
    layer.base_layer.bfloat16()
    wanted = layer.base_layer.to_dense().double() + matrix(layer, "default", "second")
    layer.merge()
    assert {value.dtype for value in layer.base_layer.parameters()} == {torch.bfloat16}
    error = (layer.base_layer.operator.to(dtype="float64").to_dense() - wanted).abs().max()
    assert error < torch.finfo(torch.bfloat16).eps / 2 * 2 * (layer.structmat_kernel["default"].abs().max() / 12)
    layer.structmat_kernel["second"].data[0, 0, 0] = math.nan
    layer.unmerge()
    with pytest.raises(ValueError, match="with default, second the weight is not finite"):
        layer.merge(safe_merge=True)
    assert not layer.merged


@pytest.mark.parametrize("safe", [False, True])
@pytest.mark.parametrize("how", ["merge_adapter", "merge_and_unload"])
@pytest.mark.parametrize(
    "config",
    [
        peft.LoraConfig(r=2, target_modules=["0"], init_lora_weights=False),
        peft.LoraConfig(r=2, target_modules=["0"], use_dora=True, init_lora_weights=False),
        peft.C3AConfig(block_size=4, target_modules=["0"], init_weights="gaussian"),
        peft.IA3Config(target_modules=["0"], feedforward_modules=[], init_ia3_weights=False),
        peft.OFTConfig(oft_block_size=4, target_modules=["0"], init_weights=False),
        peft.HRAConfig(r=2, target_modules=["0"], init_weights=False),
    ],
    ids=["lora", "dora", "c3a", "ia3", "oft", "hra"],
)
def test_merges_of_others_into_structured_layers_are_refused(config: Any, how: str, safe: bool) -> None:
    """They write to a weight that is written out for them, so nothing would be merged."""
    adapted = peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(12, 8)), config).eval()
    layers.compress(adapted, "low_rank", rank=8, include="*base_layer")
    x = inputs(4, 12)
    wanted = adapted(x)
    with pytest.raises(RuntimeError, match=r"LowRankLinear.weight is written out .*structmat\.nn\.torch\.decompress"):
        getattr(adapted, how)(safe_merge=safe)
    assert torch.equal(adapted(x), wanted)
    with adapted.disable_adapter():
        base = adapted(x)
    assert not torch.allclose(wanted, base, atol=1e-3)
    torch.testing.assert_close(copy.deepcopy(adapted).unload()(x), base)
    layers.decompress(adapted)
    torch.testing.assert_close(adapted.merge_and_unload(safe_merge=safe)(x), wanted)


class Quantised(torch.nn.Linear):
    """As quantised layers are: the weight is written out from integers at each access."""

    def __init__(self, n: int, m: int) -> None:
        super().__init__(n, m)
        weight = self.weight.detach()
        del self.weight
        self.scale = weight.abs().max() / 127
        self.register_buffer("integers", (weight / self.scale).round().to(torch.int8))

    @property
    def weight(self) -> Any:
        return self.integers * self.scale

    @weight.setter
    def weight(self, value: Any) -> None:
        self.register_parameter("weight", value)

    @weight.deleter
    def weight(self) -> None:
        del self._parameters["weight"]


class Wrapped(torch.Tensor):
    """A tensor of another class, as torchao's."""


utils = library("torch.nn.utils")
prune = library("torch.nn.utils.prune")


def with_weight(make: Any) -> Any:
    dense = torch.nn.Linear(12, 8)
    dense.weight = torch.nn.Parameter(make(dense.weight.detach()), requires_grad=False)
    return dense


def changed(change: Any, *arguments: Any) -> Any:
    dense = torch.nn.Linear(12, 8)
    change(dense, *arguments)
    return dense


LOSING = {
    "quantised": (lambda: Quantised(12, 8), "its weight is no parameter, but computed or quantised"),
    "of integers": (lambda: with_weight(lambda w: w.to(torch.int8)), "the weight has dtype torch.int8"),
    "of eight bits": (lambda: with_weight(lambda w: w.to(torch.float8_e4m3fn)), "the weight has dtype torch.float8"),
    "of another class": (lambda: with_weight(lambda w: w.as_subclass(Wrapped)), "and class Wrapped"),
    "pruned": (lambda: changed(prune.l1_unstructured, "weight", 0.5), r"prune\.remove\(layer, 'weight'\)"),
    "normed": (lambda: changed(utils.weight_norm), "remove_weight_norm"),
    "spectral": (lambda: changed(utils.spectral_norm), "remove_spectral_norm"),
    "parametrized": (lambda: changed(utils.parametrizations.weight_norm), "remove_parametrizations"),
    "structured and pruned": (
        lambda: (layer := layers.CirculantLinear(12, 8), prune.l1_unstructured(layer, "column", 0.5))[0],
        r"prune\.remove\(layer, 'column'\)",
    ),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
@pytest.mark.parametrize("how", LOSING)
def test_merges_that_would_be_lost_are_refused(how: str) -> None:
    make, message = LOSING[how]
    layer = nn.BlockCirculantLayer(make(), "a", 4, nn.BlockCirculantConfig(init_weights="gaussian")).eval()
    delta = layer.get_delta_weight("a")
    assert delta.is_floating_point()
    torch.testing.assert_close(delta.double(), matrix(layer, "a"))
    for safe in (False, True):
        with pytest.raises(TypeError, match=message):
            layer.merge(safe_merge=safe)
        assert not layer.merged
    if how not in ("of integers", "of eight bits"):
        x = inputs(4, 12)
        y = torch.Tensor(layer(x))
        torch.testing.assert_close(y, torch.Tensor(layer.base_layer(x) + x @ delta.T), rtol=1e-5, atol=1e-6)


def test_model_in_half_precision(tmp_path: Any) -> None:
    adapted = peft.get_peft_model(model_of("llama").to(torch.bfloat16), config_of("llama", init_weights="gaussian"))
    assert {value.dtype for value in adapted.parameters() if value.requires_grad} == {torch.float32}
    y = adapted(TOKENS).logits
    assert y.dtype == torch.bfloat16
    y.float().sum().backward()
    assert all(value.grad.dtype == torch.float32 for value in adapted.parameters() if value.requires_grad)


def test_block_sizes_by_layer_and_bias() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(12, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    options = nn.BlockCirculantConfig(
        block_size=4, target_modules="all-linear", block_size_pattern={"0": 5}, bias="structmat_only"
    )
    adapted = peft.get_peft_model(model, options)
    assert {name.removeprefix("base_model.model."): tuple(value.shape) for name, value in adapted.named_parameters()
            if value.requires_grad} == {
        "0.structmat_kernel.default": (2, 3, 5),
        "0.base_layer.bias": (8,),
        "2.structmat_kernel.default": (1, 2, 4),
        "2.base_layer.bias": (4,),
    }  # fmt: skip
    assert adapted.get_model_status().peft_types == {"default": "STRUCTMAT_BLOCK_CIRCULANT"}
    assert repr(adapted.base_model.model[0]).startswith("structmat.BlockCirculantLayer(")


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("message", "options"),
    [
        ("BlockCirculantConfig: block_size", {"block_size": 0}),
        ("BlockCirculantConfig: q_proj", {"block_size_pattern": {"q_proj": -1}}),
        ("BlockCirculantConfig: init_weights is 'zeros'; expected one of", {"init_weights": "zeros"}),
        ("BlockCirculantConfig: bias is 'c3a_only'; expected one of", {"bias": "c3a_only"}),
        ("layers_pattern need target_modules to be a list", {"target_modules": ".*", "layers_to_transform": 1}),
    ],
)
def test_refusals_of_options(message: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=message):
        nn.BlockCirculantConfig(**options)


def test_refusals_of_layers() -> None:
    config = nn.BlockCirculantConfig(block_size=20, target_modules=["0"])
    with pytest.raises(ValueError, match=r"BlockCirculantLayer\(12 → 8\): block_size is 20; expected at most .* 12"):
        peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(12, 8)), config)
    with pytest.raises(TypeError, match=r"base_layer is Embedding.*; expected a torch\.nn\.Linear"):
        peft.get_peft_model(torch.nn.Sequential(torch.nn.Embedding(12, 8)), config)
    attention = torch.nn.MultiheadAttention(12, 2).out_proj
    with pytest.raises(TypeError, match="base_layer is NonDynamicallyQuantizableLinear"):
        nn.BlockCirculantLayer(attention, "a", 4, config)
    layer = layer_of(12, 8, 4)
    with pytest.raises(ValueError, match="BlockCirculantLayer: there is no adapter 'b'"):
        layer.get_delta_weight("b")
    weight = layer.base_layer.weight.detach().clone()
    layer.structmat_kernel["a"].data[0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="with a the weight is not finite"):
        layer.merge(safe_merge=True)
    assert not layer.merged
    assert torch.equal(layer.base_layer.weight, weight)
    layer.base_layer.weight = torch.nn.Parameter(weight.to(torch.int8), requires_grad=False)  # as quantised layers have
    with pytest.raises(TypeError, match=r"merge: the weight has dtype torch\.int8"):
        layer.merge()


# ---------------------------------------------------------------------- the benchmark


def benchmark() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return library("benchmarks.layers")


@pytest.mark.parametrize("block_size", [None, 3])
def test_benchmark_compares_equal_layers(block_size: int | None) -> None:
    compared = benchmark().layers(9, block_size)
    x = inputs(4, 9).requires_grad_()
    for name in ("rfft", "c3a"):
        torch.testing.assert_close(compared[name](x), compared["structmat"](x))
    for layer in compared.values():
        benchmark().step(layer, x, torch.ones(4, 9))
        assert all(p.grad is not None for p in layer.parameters())
    ours, theirs = benchmark().adapters(8, 4).values()
    x = inputs(4, 8)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.usefixtures("without_kernels")
def test_benchmark_measures() -> None:
    layers = benchmark()
    threads = torch.get_num_threads()
    rows = list(layers.measure(1, 1, ((16, None, 8), (16, 4, 8))))
    torch.set_num_threads(threads)
    steps = ["training step", "training step", "adapter step"]
    assert [row["what"] for row in rows] == [*steps, "forward", "forward with graph"]
    assert all(min(row["microseconds"].values()) > 0 for row in rows)
    assert rows[0]["bytes_kept"] == {**rows[0]["bytes_kept"], "structmat": 8 * 9 * 8, "dense": 0}
    assert rows[1]["peak_bytes"].keys() == {"structmat", "rfft", "c3a", "dense"}
    table = layers.table("", rows, "microseconds", 1)
    assert len(table.rows) == 5


def test_peak_memory_is_exact() -> None:
    x = torch.zeros(1000)
    peak = benchmark().peak(lambda: x.clone().neg().neg())  # two of the large ones at a time
    assert peak == 8000
    assert benchmark().peak(list) == 0
