"""Models of transformers, small and with random weights, compressed: Conv1D and Linear, tied weights, generation."""

import warnings
from typing import Any

import pytest
from backends import library

torch = library("torch")
Module = torch.nn.Module  # where PyTorch is left out, the file ends here
with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of the packages that transformers imports
    transformers = library("transformers")
    conv1d = library("transformers.pytorch_utils").Conv1D
nn = library("structmat.nn.torch")

TOKENS = torch.arange(12).reshape(2, 6)
LLAMA = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
GPT2 = {"n_layer": 2, "n_embd": 32, "n_head": 2, "n_positions": 16, "bos_token_id": 0, "eos_token_id": 0}
BERT = {**LLAMA, "intermediate_size": 40}


def model_of(kind: str) -> Any:
    torch.manual_seed(0)
    make = {
        "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(**GPT2, vocab_size=50)),
        "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(**LLAMA, vocab_size=50)),
        "llama tied": lambda: transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**LLAMA, vocab_size=50, tie_word_embeddings=True)
        ),
        "bert": lambda: transformers.BertForMaskedLM(transformers.BertConfig(**BERT, vocab_size=50)),
    }
    return make[kind]().eval()


LAYERS = {  # of a block, and of the whole model
    "gpt2": (["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"], []),
    "llama": (
        [*(f"self_attn.{part}_proj" for part in "qkvo"), *(f"mlp.{part}_proj" for part in ("gate", "up", "down"))],
        ["lm_head"],
    ),
    "llama tied": (
        [*(f"self_attn.{part}_proj" for part in "qkvo"), *(f"mlp.{part}_proj" for part in ("gate", "up", "down"))],
        [],
    ),
    "bert": (
        [
            *(f"attention.self.{part}" for part in ("query", "key", "value")),
            *("attention.output.dense", "intermediate.dense", "output.dense"),
        ],
        ["cls.predictions.transform.dense"],
    ),
}


def generated(model: Any) -> Any:
    options = {"attention_mask": torch.ones_like(TOKENS), "max_new_tokens": 4, "do_sample": False, "pad_token_id": 0}
    return model.generate(TOKENS, **options)


@pytest.fixture(params=LAYERS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_all_layers_but_tied_ones(kind: str) -> None:
    """After compression the model is trained through its layers; tied embeddings stay tied and dense."""
    model = model_of(kind)
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert tied == (kind != "llama")
    before = sum(value.numel() for value in model.parameters())
    report = nn.compress(model, "circulant", "random", generator=torch.Generator().manual_seed(0))
    names = [row.name for row in report.layers]
    block, others = LAYERS[kind]
    assert len(names) == 2 * len(block) + len(others)
    assert all(sum(name.endswith(part) for name in names) >= 2 for part in block)
    assert set(others) <= set(names)
    assert report.parameters == (before, sum(value.numel() for value in model.parameters()))
    assert not any(isinstance(part, conv1d) for part in model.modules())
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == tied
    model(TOKENS, labels=TOKENS).loss.backward()
    assert all(value.grad is not None for part in report.layers for value in part.layer.parameters())


def test_structured_weights_survive_there_and_back(kind: str) -> None:
    """Dense layers whose weights are block circulant: compression finds them, decompression writes them out."""
    model = model_of(kind)
    nn.compress(model, "block_circulant", "random", block_size=8)
    logits = model(TOKENS).logits
    assert nn.decompress(model) is model
    torch.testing.assert_close(model(TOKENS).logits, logits)
    report = nn.compress(model, "block_circulant", block_size=8)
    assert [row.energy for row in report.layers] == pytest.approx([1] * len(report.layers))
    torch.testing.assert_close(model(TOKENS).logits, logits)


def test_nearest_layers_and_generation(kind: str) -> None:
    model = model_of(kind)
    dense = torch.nn.Linear, conv1d
    weights = {name: part.weight.detach().clone() for name, part in model.named_modules() if type(part) in dense}
    report = nn.compress(model, "low_rank", rank=4)
    for row in report.layers:
        W = weights[row.name].T if kind == "gpt2" else weights[row.name]
        values = torch.linalg.svdvals(W.double()).square()
        assert row.energy == pytest.approx(float(values[:4].sum() / values.sum()), rel=1e-4)
    logits = model(TOKENS).logits
    tokens = None if kind == "bert" else generated(model)
    nn.decompress(model)
    torch.testing.assert_close(model(TOKENS).logits, logits)
    if kind != "bert":
        assert tokens.shape == (2, 10)
        assert torch.equal(generated(model), tokens)


def test_data_aware_and_chosen_layers() -> None:
    """Fitted to its own inputs a layer does better on them than the one nearest to its weight."""
    wanted = model_of("gpt2")(TOKENS).logits.detach()
    errors = {}
    for method in ("nearest", "data-aware"):
        model = model_of("gpt2")
        sample = {"sample": TOKENS, "ridge": 1e-6} if method == "data-aware" else {}
        report = nn.compress(model, "low_rank", method, include="*.mlp.*", rank=6, **sample)
        assert len(report.layers) == 4
        assert isinstance(model.transformer.h[0].attn.c_attn, conv1d)
        errors[method] = (model(TOKENS).logits - wanted).square().sum()
    assert errors["data-aware"] < errors["nearest"] / 2


def test_state_of_a_compressed_model(tmp_path: Any) -> None:
    """Its weights go into a file and back into a model that was compressed the same way."""
    first, second = model_of("llama tied"), model_of("llama tied")
    for seed, model in enumerate((first, second)):
        nn.compress(model, "circulant", "random", generator=torch.Generator().manual_seed(seed))
    assert not torch.equal(first(TOKENS).logits, second(TOKENS).logits)
    first.save_pretrained(tmp_path)
    library("safetensors.torch").load_model(second, str(tmp_path / "model.safetensors"), strict=False)
    second.tie_weights()
    assert torch.equal(first(TOKENS).logits, second(TOKENS).logits)
