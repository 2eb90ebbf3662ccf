"""Layers for PyTorch: `torch.nn.Linear`'s contract, every way that PyTorch differentiates and compiles, compression."""

import copy
import gc
import io
import math
import pickle
import shutil
import subprocess
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from backends import library

import structmat as sm
from structmat import _kernels

torch = library("torch")
Module = torch.nn.Module  # where PyTorch is left out, the file ends here
nn = library("structmat.nn.torch")
interop = library("structmat.interop.torch")
structures = library("structmat.interop.torch_structures")

pytestmark = [
    pytest.mark.filterwarnings("ignore:Torchinductor does not support code generation for complex"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning"),  # Inductor's own, as the next
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec:FutureWarning"),
    pytest.mark.filterwarnings("ignore:There is a performance drop because we have not yet implemented the batching"),
]

SIZES = [(12, 12), (12, 7), (7, 12), (13, 5), (1, 1), (1, 4), (4, 1)]
RANDOM = {
    "circulant": nn.CirculantLinear,
    "without signs": lambda d, k, **kw: nn.CirculantLinear(d, k, signs=False, **kw),
    "fixed": lambda d, k, **kw: nn.CirculantLinear(d, k, learn=False, **kw),
    "blocks": lambda d, k, **kw: nn.BlockCirculantLinear(d, k, min(3, max(d, k)), **kw),
    "blocks with signs": lambda d, k, **kw: nn.CirculantLinear(d, k, block_size=1, **kw),
    "toeplitz": nn.ToeplitzLinear,
    "fastfood": nn.FastfoodLinear,
    "low rank": lambda d, k, **kw: nn.LowRankLinear(d, k, 1, **kw),
}


def twice(rng: np.random.Generator) -> sm.LinearOperator:
    A = sm.Circulant(rng.standard_normal(6))
    return A.H @ sm.SignFlip.random(6, rng=rng) @ A


def complex_tree(rng: np.random.Generator) -> sm.LinearOperator:
    column = rng.standard_normal(6) + 1j * rng.standard_normal(6)
    return sm.Diagonal(rng.standard_normal(6)) @ sm.Circulant(column) @ sm.Permutation.random(6, rng=rng)


OPERATORS = {
    "one array in two places": twice,
    "complex": complex_tree,
    "no parameters": lambda rng: sm.SignFlip.random(6, rng=rng) @ sm.Hadamard(8)[:6, :6],
    "no arrays": lambda rng: sm.DCT(6),
    "frozen and not": lambda rng: sm.Diagonal(rng.standard_normal(6)).freeze() @ sm.Circulant(rng.standard_normal(6)),
    "sum": lambda rng: (
        sm.Toeplitz(rng.standard_normal(4), rng.standard_normal(6)) + sm.Dense(rng.standard_normal((4, 6)))
    ),
}


def operator(name: str) -> sm.LinearOperator:
    return OPERATORS[name](np.random.default_rng(0)).to(xp=torch)


def layer_of(name: str, **keywords: Any) -> Any:
    if name in OPERATORS:
        return nn.StructuredLinear(operator(name), **keywords).double()
    return RANDOM[name](6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), **keywords)


EVERY = [*RANDOM, *OPERATORS]


def inputs(*shape: int, dtype: Any = torch.float64) -> Any:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(1))


def affine(layer: Any, x: Any) -> Any:
    """The definition: the written-out matrix and the bias."""
    y = x.to(layer.to_dense().dtype) @ layer.to_dense().T
    return y if layer.bias is None else y + layer.bias


# ---------------------------------------------------------------------- the contract of nn.Linear


@pytest.mark.parametrize(("d", "k"), SIZES)
@pytest.mark.parametrize("name", RANDOM)
def test_any_sizes(name: str, d: int, k: int) -> None:
    layer = RANDOM[name](d, k, dtype=torch.float64)
    assert layer.to_dense().shape == layer.weight.shape == (k, d)
    for shape in ((d,), (0, d), (3, d), (2, 3, d)):
        x = inputs(*shape)
        assert layer(x).shape == (*shape[:-1], k)
        torch.testing.assert_close(layer(x), affine(layer, x))


def test_matrix_is_the_papers() -> None:
    layer = nn.CirculantLinear(5, 5, bias=False, dtype=torch.float64)
    column, signs = layer.column.detach().numpy(), layer.signs.numpy()
    wanted = scipy.linalg.circulant(column) * signs
    np.testing.assert_allclose(layer.to_dense().detach(), wanted, atol=1e-14)


@pytest.mark.parametrize("name", RANDOM)
def test_random_layer_has_the_variance_of_a_dense_one(name: str) -> None:
    """The mean square of an entry is 1/(3 d); over 100 layers the mean squares' own spread bounds the error."""
    d, k, draws = 48, 80, 100
    generator = torch.Generator().manual_seed(0)
    squares, biases = [], []
    for _ in range(draws):
        layer = RANDOM[name](d, k, generator=generator)
        squares.append(layer.to_dense().square().mean().item())
        biases.append(layer.bias.square().mean().item())
    for found in (squares, biases):
        error = np.std(found) / math.sqrt(draws)
        assert abs(np.mean(found) - 1 / (3 * d)) < 5 * error
    assert np.max(np.abs(biases)) <= 1 / d


def test_seed_decides() -> None:
    def values(make: Any) -> list[Any]:
        return [value.clone() for value in make().state_dict().values()]

    def same(first: list[Any], second: list[Any]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))

    given = [values(lambda: nn.FastfoodLinear(6, 4, generator=torch.Generator().manual_seed(3))) for _ in range(2)]
    assert same(*given)
    torch.manual_seed(5)
    first, second = values(lambda: nn.CirculantLinear(6, 4)), values(lambda: nn.CirculantLinear(6, 4))
    torch.manual_seed(5)
    assert same(first, values(lambda: nn.CirculantLinear(6, 4)))
    assert not same(first, second)


@pytest.mark.parametrize("name", RANDOM)
def test_reset_draws_anew(name: str) -> None:
    layer = RANDOM[name](64, 48)
    before = {key: value.clone() for key, value in layer.state_dict().items()}
    layer.reset_parameters(torch.Generator().manual_seed(7))
    assert not any(torch.equal(before[key], value) for key, value in layer.state_dict().items())
    again = RANDOM[name](64, 48, generator=torch.Generator().manual_seed(7))
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in layer.state_dict().items())
    x = inputs(3, 64, dtype=torch.float32)
    torch.testing.assert_close(layer(x), affine(layer, x))


def test_a_given_operator_keeps_its_values() -> None:
    A = operator("sum")
    layer = nn.StructuredLinear(A)
    layer.reset_parameters()
    torch.testing.assert_close(layer.to_dense(), A.to_dense())


@pytest.mark.parametrize("name", EVERY)
def test_parameters_are_real(name: str) -> None:
    layer = layer_of(name)
    assert all(p.is_floating_point() and p.requires_grad for p in layer.parameters())
    assert all(b.dtype in (torch.int8, torch.int64) or name in ("fixed", "frozen and not") for b in layer.buffers())
    x = inputs(3, 6)
    torch.testing.assert_close(layer(x), affine(layer, x))


def test_names() -> None:
    assert list(nn.CirculantLinear(6, 4).state_dict()) == ["column", "bias", "signs_digits"]
    assert list(nn.StructuredLinear(operator("one array in two places"), bias=False).state_dict()) == [
        "column_0",
        "signs_digits",
    ]
    assert list(nn.FastfoodLinear(6, 4, bias=False).state_dict()) == [
        *("entries_0", "entries_1", "entries_2"),
        "index_digits",
    ]


def test_repr() -> None:
    assert repr(nn.LowRankLinear(6, 4, rank=2, bias=False)) == (
        "LowRankLinear(in_features=6, out_features=4, bias=False, rank=2, learn=True)"
    )
    assert "operator=Sum" in repr(nn.StructuredLinear(operator("sum")))


# ---------------------------------------------------------------------- keeping, moving, copying


@pytest.mark.parametrize("name", EVERY)
def test_state_goes_around(name: str, tmp_path: Any) -> None:
    layer, other = layer_of(name), layer_of(name)
    x = inputs(3, 6)
    wanted = layer(x)
    with torch.no_grad():
        for value in other.parameters():
            value.zero_()
    other(x)  # what it derives from its old arrays must not outlive them
    torch.save(layer.state_dict(), tmp_path / "layer.pt")
    other.load_state_dict(torch.load(tmp_path / "layer.pt", weights_only=True))
    assert torch.equal(other(x), wanted)
    if layer.state_dict():
        safetensors = library("safetensors.torch")
        safetensors.save_model(layer, str(tmp_path / "layer.safetensors"))
        with torch.no_grad():
            for value in other.parameters():
                value.zero_()
        safetensors.load_model(other, str(tmp_path / "layer.safetensors"))
        assert torch.equal(other(x), wanted)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), wanted)
        with torch.no_grad():
            for value in twin.parameters():
                value.zero_()
        assert torch.equal(layer(x), wanted)


def test_loaded_constants_count() -> None:
    """A layer keeps what it derives from constants, and must notice that they were written over."""
    first, second = (
        nn.StructuredLinear(sm.Permutation.random(9, rng=seed).to(xp=torch).H, bias=False) for seed in (0, 1)
    )
    x = inputs(9)
    first(x)
    first.load_state_dict(second.state_dict())
    assert torch.equal(first(x), second(x))
    fixed = nn.CirculantLinear(6, 4, learn=False)
    x = inputs(6, dtype=torch.float32)
    fixed(x)
    fixed.column.zero_()
    torch.testing.assert_close(fixed(x), fixed.bias)


def test_unseen_changes_of_parameters_count() -> None:
    """`p.data` changes a frozen parameter without a trace, as a moving average of a model does."""
    layer = nn.CirculantLinear(6, 4, bias=False).requires_grad_(False)
    x = inputs(6, dtype=torch.float32)
    y = layer(x)
    layer.column.data.mul_(2)
    torch.testing.assert_close(layer(x), 2 * y)
    assert torch.equal(layer.operator.matvec(x), layer(x))


@pytest.mark.parametrize("grad", [True, False])
def test_unseen_changes_of_buffers_count(grad: bool) -> None:
    """Code that copies a model's buffers by `b.data.copy_` changes signs and random columns without a trace."""
    layer, other = (nn.CirculantLinear(6, 6, bias=False, learn=False) for _ in range(2))
    x = inputs(3, 6, dtype=torch.float32)
    with torch.set_grad_enabled(grad):
        before = layer(x)
        for mine, theirs in zip(layer.buffers(), other.buffers(), strict=True):
            mine.data.copy_(theirs.data)
            before, last = layer(x), before
            assert not torch.equal(before, last)
        assert torch.equal(layer(x), other(x))
        column, signs = other.column.numpy(), other.signs.numpy()
        dense = np.stack([np.roll(column, shift) for shift in range(6)], axis=1) * signs
        np.testing.assert_allclose(layer(x), x.numpy() @ dense.T, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("learned", [True, False])
def test_conversions_after_a_call_count(name: str, learned: bool) -> None:
    """`Module.to` changes parameters in place; what a layer made of them before is of no use then."""
    layer = layer_of(name).requires_grad_(learned)
    x = inputs(3, 6, dtype=torch.float32)
    layer(x)
    for dtype in (torch.float64, torch.bfloat16, torch.float16):
        layer.to(dtype)
        fresh = copy.deepcopy(layer)
        for got, wanted in ((layer(x.to(dtype)), fresh(x.to(dtype))), (layer.weight, fresh.weight)):
            torch.testing.assert_close(got, wanted, rtol=0, atol=0)
            assert got.is_complex() or got.dtype == dtype or name == "no arrays"


def test_constants_of_inference_mode_count() -> None:
    """Changes of such tensors leave no trace."""
    with torch.inference_mode():
        first, second = (nn.CirculantLinear(8, 8, learn=False, bias=False) for _ in range(2))
    x = inputs(3, 8, dtype=torch.float32)
    first(x)
    with torch.inference_mode():
        first.load_state_dict(second.state_dict())
    assert torch.equal(first(x), second(x))


def test_no_graph_outlives_its_call() -> None:
    layer, x = nn.CirculantLinear(8, 8, bias=False), inputs(3, 8, dtype=torch.float32)
    column = 2 * layer.column
    torch.func.functional_call(layer, {"column": column}, (x,))
    alive = weakref.ref(column)
    del column
    assert alive() is None


def test_an_array_that_is_frozen_in_one_place() -> None:
    c = inputs(4)
    frozen, learned = sm.Circulant(c).freeze(), sm.Circulant(c)
    for A in (frozen + learned, learned + frozen):
        layer = nn.StructuredLinear(A, bias=False)
        assert len(list(layer.parameters())) == len(list(layer.buffers())) == 1
        wanted = layer(c) / 2
        with torch.no_grad():
            next(layer.parameters()).zero_()
        torch.testing.assert_close(layer(c), wanted)


def test_weight_in_a_compiled_loss() -> None:
    layer, x = nn.CirculantLinear(6, 6), inputs(3, 6, dtype=torch.float32)

    def loss(x: Any) -> Any:
        return layer(x).sum() + layer.weight.square().sum()

    compiled = torch.compile(loss, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), loss(x))


def test_autocast_leaves_operators_alone() -> None:
    rng = np.random.default_rng(0)
    for A in (sm.Dense(rng.standard_normal((6, 6))), sm.LowRank(*rng.standard_normal((2, 6, 2)))):
        B = A.to(xp=torch, dtype="float32")
        x = inputs(3, 6, dtype=torch.float32)
        wanted, (dx, grads), matrix = B.matvec(x), B.vjp(x, x), B.to_dense()
        with torch.autocast("cpu"):
            assert torch.equal(B.matvec(x), wanted)
            assert torch.equal(B.to_dense(), matrix)
            for got, right in zip((B.vjp(x, x)[0], *B.vjp(x, x)[1]), (dx, *grads), strict=True):
                assert torch.equal(got, right)


@pytest.mark.parametrize("name", EVERY)
def test_moves(name: str) -> None:
    layer = layer_of(name)
    wanted = layer(inputs(3, 6))
    dtypes = {key: value.dtype for key, value in layer.state_dict().items()}
    layer.to(torch.float32)
    torch.testing.assert_close(
        layer(inputs(3, 6).float()), wanted.to(layer(inputs(3, 6).float()).dtype), rtol=1e-4, atol=1e-4
    )
    for key, value in layer.state_dict().items():
        assert value.dtype == (torch.float32 if dtypes[key].is_floating_point else dtypes[key])
    empty = layer.to("meta")
    assert empty(torch.empty(2, 6, device="meta")).shape == (2, layer.out_features)


@pytest.mark.parametrize("name", RANDOM)
def test_meta_device_then_reset(name: str) -> None:
    with torch.device("meta"):
        layer = RANDOM[name](6, 4)
    assert {value.device.type for value in layer.state_dict().values()} == {"meta"}
    wanted = RANDOM[name](6, 4, generator=torch.Generator().manual_seed(0))
    loaded = copy.deepcopy(layer)
    loaded.load_state_dict(wanted.state_dict(), assign=True)
    layer.to_empty(device="cpu").reset_parameters(torch.Generator().manual_seed(0))
    for got in (layer, loaded):
        assert torch.equal(got.to_dense(), wanted.to_dense())
        assert torch.equal(got.bias, wanted.bias)
        assert all(torch.equal(value, wanted.state_dict()[key]) for key, value in got.state_dict().items())


@pytest.mark.parametrize(
    ("make", "sizes"),
    [
        (nn.CirculantLinear, (6, 4)),
        (nn.BlockCirculantLinear, (6, 4, 3)),
        (nn.ToeplitzLinear, (6, 4)),
        (nn.FastfoodLinear, (6, 4)),
        (nn.LowRankLinear, (6, 4, 2)),
    ],
)
def test_skipped_initialisation(make: Any, sizes: tuple[int, ...]) -> None:
    """`skip_init` asks for `device` among the parameters; positions are those of `torch.nn.Linear`, the bias last."""
    layer = torch.nn.utils.skip_init(make, *sizes, bias=True, dtype=torch.float64)
    layer.reset_parameters(torch.Generator().manual_seed(0))
    wanted = make(*sizes, True, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert all(torch.equal(value, wanted.state_dict()[key]) for key, value in layer.state_dict().items())
    x = inputs(3, 6)
    torch.testing.assert_close(layer(x), affine(wanted, x))
    assert torch.nn.utils.skip_init(make, *sizes, False).bias is None


# ---------------------------------------------------------------------- averages and integers

averages = library("torch.optim.swa_utils")
WITH_INTEGERS = ["circulant", "fixed", "toeplitz", "fastfood", "one array in two places", "complex", "no parameters"]


def deciding(decay: float, **keywords: Any) -> list[dict[str, Any]]:
    """The ways to average by one decay, as options of `AveragedModel`."""
    return [
        {"avg_fn": averages.get_ema_avg_fn(decay), **keywords},
        {"multi_avg_fn": averages.get_ema_multi_avg_fn(decay), **keywords},
    ]


@pytest.mark.parametrize("name", WITH_INTEGERS)
def test_averages_of_buffers_leave_integers_alone(name: str) -> None:
    layer = layer_of(name)
    x = inputs(3, 6)
    wanted = layer(x)
    for options in [{}, *(each for decay in (0.3, 0.9, 0.9999, 0.99999) for each in deciding(decay))]:
        average = averages.AveragedModel(layer, use_buffers=True, **options)
        for _ in range(30):
            average.update_parameters(layer)
        torch.testing.assert_close(average(x), wanted)
        for key in layer._integers:
            assert torch.equal(getattr(average.module, key), getattr(layer, key))


def test_averages_of_a_large_permutation() -> None:
    """Truncation takes up to 49 off the number 4096 at this decay, and less than 4 off a digit's."""
    n = 4096
    layer = nn.StructuredLinear(sm.Permutation.random(n, rng=0).to(xp=torch), bias=False)
    x = torch.arange(n, dtype=torch.float64)
    wanted = layer(x)
    for options in deciding(0.99999):
        average = averages.AveragedModel(layer, use_buffers=True, **options)
        plain = layer.index.clone()
        for _ in range(100):
            average.update_parameters(layer)
            plain.copy_(plain * 0.99999 + layer.index * (1 - 0.99999))
        assert (plain != layer.index).any()  # what the test would miss without its digits
        assert torch.equal(average(x), wanted)
        compiled = torch.compile(average.module, backend="eager", fullgraph=True)
        assert torch.equal(compiled(x), wanted)


@pytest.mark.parametrize("name", WITH_INTEGERS)
def test_averages_of_state_dicts(name: str) -> None:
    """In place, as integers or as floats, also of half precision."""
    layer = layer_of(name)
    x = inputs(3, 6)
    wanted, state = layer(x), layer.state_dict()
    for value in state.values():
        value.copy_(value * 0.9 + value * (1 - 0.9))
    torch.testing.assert_close(layer(x), wanted)
    layer.load_state_dict({key: value.double() * 0.9 + value * 0.1 for key, value in state.items()})
    torch.testing.assert_close(layer(x), wanted)
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        converted = copy.deepcopy(layer).type(dtype)  # of all buffers
        assert {value.dtype for value in converted.buffers()} == {dtype}
        assert torch.equal(converted(x.to(dtype)), copy.deepcopy(layer).to(dtype)(x.to(dtype)))


@pytest.mark.parametrize("name", WITH_INTEGERS)
def test_checkpoints_of_earlier_releases(name: str) -> None:
    """They have the integers by their names; averages of them, as floats, say why they don't load."""
    layer, other = layer_of(name), layer_of(name)
    model = torch.nn.Sequential(torch.nn.Identity(), layer)
    x = inputs(3, 6)
    before = {f"1.{key}": value for key, value in layer.state_dict().items() if not key.endswith("_digits")}
    before |= {f"1.{key}": getattr(layer, key).clone() for key in layer._integers}
    other.reset_parameters()
    wanted = layer(x)
    for state in (before, {key: value.double() for key, value in before.items()}):
        assert not any("digits" in key for key in state)
        for assign in (False, True):
            fresh = torch.nn.Sequential(torch.nn.Identity(), copy.deepcopy(other)).double()
            assert not fresh.load_state_dict(state, assign=assign).missing_keys
            torch.testing.assert_close(fresh(x), wanted)
            assert all(value.dtype == torch.int8 for key, value in fresh.named_buffers() if "digits" in key)
    with pytest.raises(RuntimeError, match=r"1\.: .* has values that are no integers\. Averages of integers are lost"):
        model.load_state_dict(
            {key: value if value.is_floating_point() else value * 0.9 for key, value in before.items()}
        )
    torch.testing.assert_close(model(x), wanted)


@pytest.mark.parametrize("values", [[2, 1, 0, 0], [2, 1, 0, 4], [-1, 0, 1, 2]])
def test_integers_that_the_operator_cannot_have(values: list[int]) -> None:
    """Those of checkpoints, whose buffers were averaged by releases before this one, among them."""
    layer = nn.StructuredLinear(sm.Permutation.random(4, rng=0).to(xp=torch), bias=False)
    before = layer.index.clone()
    model = torch.nn.Sequential(layer)
    with pytest.raises(RuntimeError, match=r"0\.: Permutation: index .*Averages of integers are lost; load others"):
        model.load_state_dict({"0.index": torch.tensor(values)})
    with pytest.raises(ValueError, match="Permutation: index"):
        layer.index = torch.tensor(values)
    with pytest.raises(ValueError, match=r"index has shape \(3,\); expected \(4,\)"):
        layer.index = torch.tensor([0, 1, 2])
    with pytest.raises(TypeError, match=r"index is a list; expected a torch\.Tensor"):
        layer.index = values
    with pytest.raises(RuntimeError, match=r'Missing key.*"0\.index_digits"'):
        model.load_state_dict({})
    assert torch.equal(layer.index, before)
    circulant = nn.CirculantLinear(4, 4)
    with pytest.raises(RuntimeError, match="the layer: SignFlip: signs has entries other than"):
        circulant.load_state_dict({"column": circulant.column, "signs": torch.tensor([1, 0, -1, 1])})


def test_integers_are_written_through() -> None:
    """In the place of the buffers of a dense model: assigned, changed in place, and swapped by `functional_call`."""
    layer = nn.CirculantLinear(6, 6, bias=False, dtype=torch.float64)
    dense = layer.to_dense().detach() * layer.signs
    x = inputs(3, 6)
    layer.signs = -torch.ones(6, dtype=torch.int8)
    torch.testing.assert_close(layer(x), -x @ dense.T)
    layer.signs[1:3].neg_()
    signs = torch.tensor([-1, 1, 1, -1, -1, -1])
    torch.testing.assert_close(layer(x), (x * signs) @ dense.T)
    layer.signs.copy_(-layer.signs)
    torch.testing.assert_close(layer(x), -(x * signs) @ dense.T)
    y = torch.func.functional_call(layer, {"signs": signs}, (x,))
    torch.testing.assert_close(y, (x * signs) @ dense.T)
    torch.testing.assert_close(layer(x), -(x * signs) @ dense.T)
    with pytest.raises(ValueError, match="SignFlip: signs has entries other than"):
        layer.signs.zero_()
    with pytest.raises(RuntimeError, match=r"CirculantLinear.signs is made of its digits.*Assign layer.signs"):
        layer.signs.data = signs
    assert torch.equal(layer.signs, -signs)


@pytest.mark.parametrize("digits", [True, False])
def test_pickles_of_releases_before(digits: bool) -> None:
    """They have other attributes, and the earliest the integers themselves as buffers."""
    layer = nn.FastfoodLinear(6, 4, dtype=torch.float64)
    state = {**layer.__dict__, "_form": layer._template, "_slots": [*layer._template.names]}
    state["_kinds"] = [name in layer._complex for name in layer._template.names]
    for name in ("_template", "_complex"):
        del state[name]
    if not digits:
        del state["_integers"]
        state |= {"_buffers": {"index": layer.index.clone()}, "_non_persistent_buffers_set": set()}
    assert interop.Form is interop.Template
    old = nn.FastfoodLinear.__new__(nn.FastfoodLinear)
    old.__setstate__(copy.deepcopy(state))
    x = inputs(3, 6)
    assert torch.equal(old(x), layer(x))
    assert list(old.state_dict()) == list(layer.state_dict())
    assert torch.equal(pickle.loads(pickle.dumps(old)).index, layer.index)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64])
def test_digits_of_all_integers(dtype: Any) -> None:
    limits = torch.iinfo(dtype)
    values = torch.tensor([limits.min, limits.max, 0, 1, 14, 15, limits.max // 3], dtype=dtype)
    coding = library("structmat.nn.torch.digits")
    for bound in (0, 14, 4096):
        for given in (values, values[2:5], values[2:5, None].expand(3, 2), values[:0]):
            digits = coding.as_digits(given, bound)
            assert digits.dtype == torch.int8
            for change in (-4, 0, 3):
                assert torch.equal(coding.as_integers(digits + change, dtype), given)
    assert len(coding.as_digits(torch.tensor([-1, 1], dtype=torch.int8), 14)) == 1
    assert len(coding.as_digits(torch.arange(4095), 4095)) == 4


# ---------------------------------------------------------------------- the weight of code for dense layers

WRITES = {
    "xavier": torch.nn.init.xavier_uniform_,
    "kaiming": torch.nn.init.kaiming_normal_,
    "orthogonal": torch.nn.init.orthogonal_,
    "eye": torch.nn.init.eye_,
    "sparse": lambda w: torch.nn.init.sparse_(w, 0.5),
    "truncated": torch.nn.init.trunc_normal_,
    "zero": lambda w: w.zero_(),
    "data": lambda w: w.data.zero_(),
    "detached": lambda w: w.detach().mul_(2),
    "copy": lambda w: w.copy_(torch.ones(4, 6)),
    "transposed": lambda w: w.T.add_(1),
    "row": lambda w: w[0].fill_(1),
    "item": lambda w: operator_setitem(w, 0),
    "slice of data": lambda w: operator_setitem(w.data, slice(None)),
    "part": lambda w: w.chunk(2)[1].zero_(),
    "list": lambda w: next(iter(w)).zero_(),
    "set": lambda w: setattr(w, "data", torch.ones(4, 6)),
    "added": lambda w: w.data.__iadd__(1),
    "out": lambda w: torch.add(torch.ones(4, 6), 1, out=w.data),
    "foreach": lambda w: torch._foreach_mul_([w.data], 2.0),
    "relu": lambda w: torch.nn.functional.relu(w.data, inplace=True),
    "renormed": lambda w: torch.nn.functional.embedding(torch.tensor([0]), w.data, max_norm=1e-3),
    "frozen": lambda w: w.requires_grad_(False),
    "flag": lambda w: setattr(w, "requires_grad", False),
    "average": lambda w: w.lerp_(torch.ones(4, 6, dtype=torch.float64), 0.5),
}


def operator_setitem(w: Any, place: Any) -> None:
    w[place] = 1.0


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("how", WRITES)
def test_lost_changes_of_the_weight_are_refused(how: str, mode: Any) -> None:
    layer = layer_of("circulant")
    before = layer.to_dense().detach()
    with mode(), pytest.raises(RuntimeError, match=r"inplace|CirculantLinear\.weight .*\(column, bias\).*decompress"):
        WRITES[how](layer.weight)
    assert torch.equal(layer.to_dense(), before)


@pytest.mark.parametrize("name", EVERY)
def test_initialisers_of_dense_models(name: str) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(6, 6), layer_of(name))
    with pytest.raises(RuntimeError, match=r"\.weight is written out at each access"):
        model.apply(lambda part: hasattr(part, "weight") and part.weight.data.normal_())
    with pytest.raises(RuntimeError, match=r"\.weight can't be set.*reset_parameters"):
        model[1].weight = torch.nn.Parameter(torch.ones(model[1].to_dense().shape))
    array = model[1].weight.detach().numpy()
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


@pytest.mark.parametrize("name", EVERY)
def test_the_weight_is_read_as_ever(name: str) -> None:
    layer = layer_of(name)
    layer.requires_grad_(any(value.requires_grad for value in layer.parameters()))
    weight, wanted = layer.weight, layer.to_dense()
    assert (weight.shape, weight.dtype, weight.device) == (wanted.shape, wanted.dtype, wanted.device)
    assert isinstance(weight.shape, torch.Size)
    x = inputs(3, 6).to(weight.dtype)
    bias = None if weight.is_complex() else layer.bias
    y = torch.nn.functional.linear(x, weight, bias)
    assert type(y) is type(weight + 0) is type(weight.clone()) is torch.Tensor
    assert torch.equal(y, torch.nn.functional.linear(x, wanted, bias))
    params = list(layer.parameters())
    for ours, theirs in zip(
        *(torch.autograd.grad(w.abs().square().sum() + 0 * layer.bias.sum(), params) for w in (weight, wanted)),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
    assert torch.equal(weight[1:, 2], wanted[1:, 2])
    assert torch.equal(weight.abs().max(0).values, wanted.abs().max(0).values)
    dense = torch.nn.Linear(6, len(weight), dtype=weight.dtype)
    with torch.no_grad():
        dense.weight.copy_(weight)
        dense.weight.data = weight.clone()
        dense.weight.zero_()
    assert torch.equal(weight, wanted)
    for twin in (
        copy.deepcopy(weight.detach()),
        pickle.loads(pickle.dumps(weight.detach())),
        torch.nn.Parameter(weight.detach().clone()),
    ):
        assert torch.equal(twin, wanted)
        twin.detach().zero_()
    file = io.BytesIO()
    torch.save(weight.detach(), file)
    file.seek(0)
    assert type(torch.load(file, weights_only=True)) is torch.Tensor
    layer.weight = layer.weight  # as PEFT does
    assert torch.equal(layer.weight, wanted)


def test_parametrized_parameters() -> None:
    class Doubled(Module):
        def forward(self, value: Any) -> Any:
            return 2 * value

    layer = layer_of("circulant")
    x, wanted = inputs(3, 6), 2 * layer.to_dense().detach()
    torch.nn.utils.parametrize.register_parametrization(layer, "column", Doubled())
    torch.testing.assert_close(layer(x), x @ wanted.T + layer.bias)
    torch.testing.assert_close(nn.decompress(torch.nn.Sequential(layer))[0].weight, wanted)
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element"):
        torch.nn.utils.parametrize.register_parametrization(layer, "weight", Doubled())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", EVERY)
def test_half_precision_computes_in_single(name: str, dtype: Any) -> None:
    layer = layer_of(name, bias=False).to(dtype)
    x = inputs(3, 6).to(dtype).requires_grad_()
    y = layer(x)
    kept = [value for value in (*layer.parameters(), *layer.buffers()) if value.is_floating_point()]
    single = copy.deepcopy(layer).float()
    wanted = single(x.detach().float())
    if wanted.is_complex():
        assert y.dtype == torch.complex64
    else:
        assert y.dtype == (dtype if kept or name in ("no parameters", "no arrays") else torch.float32)
    torch.testing.assert_close(y, wanted.to(y.dtype))
    y.abs().sum().backward()
    assert x.grad.dtype == dtype
    assert all(p.grad.dtype == dtype for p in layer.parameters())


@pytest.mark.parametrize("name", RANDOM)
def test_autocast(name: str) -> None:
    """Products compute in single precision; what comes out is of autocast's dtype, as from a dense layer."""
    layer = RANDOM[name](64, 48)
    x = inputs(5, 64, dtype=torch.float32).requires_grad_()
    wanted = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(x)
        assert y.dtype == torch.nn.Linear(64, 48)(x).dtype == torch.bfloat16
        y.float().sum().backward()
    assert torch.equal(y, wanted.bfloat16())
    got = [x.grad, *(p.grad for p in layer.parameters())]
    gradients = torch.autograd.grad(wanted, [x, *layer.parameters()], torch.ones_like(wanted))
    for one, other in zip(got, gradients, strict=True):
        torch.testing.assert_close(one, other)


# ---------------------------------------------------------------------- derivatives


@pytest.mark.parametrize("name", EVERY)
def test_gradcheck(name: str) -> None:
    """First and second derivatives, backward and forward, with respect to everything."""
    layer = layer_of(name)
    names, params = zip(*layer.named_parameters(), strict=True) if list(layer.parameters()) else ((), ())
    given = [p.detach().clone().requires_grad_() for p in params]

    def call(x: Any, *params: Any) -> Any:
        return torch.func.functional_call(layer, dict(zip(names, params, strict=True)), (x,))

    x = inputs(2, 6).requires_grad_()
    assert torch.autograd.gradcheck(call, (x, *given), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(call, (x, *given))


@pytest.mark.parametrize("name", ["circulant", "complex", "low rank", "one array in two places"])
def test_complex_vectors(name: str) -> None:
    A = layer_of(name).operator
    params = [value.detach().clone().requires_grad_() for value in A.params]
    x = torch.complex(inputs(2, 6), inputs(2, 6)).requires_grad_()
    arrays = {id(old): new for old, new in zip(A.params, params, strict=True)}

    def call(x: Any, *params: Any) -> Any:
        return interop.matvec(A.with_params([params[order[id(value)]] for value in A.params]), x)

    order = {key: place for place, key in enumerate(arrays)}
    assert torch.autograd.gradcheck(call, (x, *arrays.values()))
    assert torch.autograd.gradgradcheck(call, (x, *arrays.values()))


@pytest.mark.parametrize("name", ["low rank", "fastfood", "complex", "sum"])
def test_every_pattern_of_what_needs_a_gradient(name: str) -> None:
    layer = layer_of(name)
    params = list(layer.parameters())
    for pattern in range(2 ** (len(params) + 1)):
        needs = [bool(pattern >> place & 1) for place in range(len(params) + 1)]
        for value, needed in zip(params, needs, strict=False):
            value.requires_grad_(needed)
            value.grad = None
        x = inputs(3, 6).requires_grad_(needs[-1])
        y, wanted = layer(x), affine(layer, x)
        assert y.requires_grad == any(needs)
        if any(needs):
            chosen = [value for value in (*params, x) if value.requires_grad]
            g = torch.ones_like(y)
            for ours, theirs in zip(*(torch.autograd.grad(v, chosen, g) for v in (y, wanted)), strict=True):
                torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", EVERY)
def test_function_transforms(name: str) -> None:
    layer = layer_of(name)
    x = inputs(3, 6)
    params = {key: value.detach() for key, value in layer.named_parameters()}
    W = layer.to_dense().detach()
    W = torch.cat([W.real, W.imag]) if W.is_complex() else W

    def call(params: Any, x: Any) -> Any:
        y = torch.func.functional_call(layer, params, (x,))
        return torch.cat([y.real, y.imag], dim=-1) if y.is_complex() else y

    torch.testing.assert_close(torch.func.vmap(layer)(x), layer(x))
    for jacobian in (torch.func.jacrev, torch.func.jacfwd):
        found = jacobian(call, argnums=1)(params, x[0])
        torch.testing.assert_close(found, W)

    def loss(params: Any, x: Any) -> Any:
        return call(params, x).square().sum()

    if params:
        each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(params, x)  # one gradient for each sample
        for key, value in each.items():
            for place in range(3):
                theirs = torch.autograd.grad(loss(dict(layer.named_parameters()), x[place]), layer.get_parameter(key))
                torch.testing.assert_close(value[place], theirs[0])
        ensemble = {key: torch.stack([value, 2 * value]) for key, value in params.items()}
        y = torch.func.vmap(call, in_dims=(0, None))(ensemble, x)
        torch.testing.assert_close(y[0], call(params, x))
        hessian = torch.func.hessian(loss, argnums=1)(params, x[0])
        torch.testing.assert_close(hessian, 2 * W.T @ W)


def real(y: Any) -> Any:
    return torch.cat([y.real, y.imag], dim=-1) if y.is_complex() else y


@pytest.mark.parametrize("name", EVERY)
def test_vectorised_jacobians(name: str) -> None:
    """The batches of cotangents that PyTorch's older vmap hides in a tensor; the matrix is written out to compare."""
    layer = layer_of(name)
    params, x = list(layer.parameters()), inputs(6)
    W = real(layer.to_dense().detach().mT).mT
    for strategy in ("reverse-mode", "forward-mode"):
        found = torch.autograd.functional.jacobian(lambda x: real(layer(x)), x, vectorize=True, strategy=strategy)
        torch.testing.assert_close(found, W)
    given = inputs(3, 6).requires_grad_()
    cotangents = torch.eye(3 * len(W), dtype=torch.float64).reshape(-1, 3, len(W))
    wanted, ours = (
        torch.autograd.grad(real(y), [given, *params], cotangents, is_grads_batched=True, materialize_grads=True)
        for y in (affine(layer, given), layer(given))
    )
    for one, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(one, other)

    def loss(x: Any) -> Any:
        return real(layer(x)).sin().sum()

    curvature = -W.T @ torch.diag(real(layer(x)).sin().detach()) @ W
    torch.testing.assert_close(torch.autograd.functional.hessian(loss, x, vectorize=True), curvature)
    graph = torch.autograd.functional.jacobian(loss, x, vectorize=True, create_graph=True)
    if params:
        found = torch.autograd.grad(graph.square().sum(), params)
        x = x.requires_grad_()
        (slope,) = torch.autograd.grad(real(affine(layer, x)).sin().sum(), x, create_graph=True)
        for one, other in zip(found, torch.autograd.grad(slope.square().sum(), params), strict=True):
            torch.testing.assert_close(one, other)


def test_checkpointing() -> None:
    model = torch.nn.Sequential(nn.CirculantLinear(6, 8), torch.nn.Tanh(), nn.ToeplitzLinear(8, 4))
    x = inputs(3, 6, dtype=torch.float32).requires_grad_()
    wanted = torch.autograd.grad(model(x).square().sum(), [x, *model.parameters()])
    for reentrant in (False, True):
        y = torch.utils.checkpoint.checkpoint(model, x, use_reentrant=reentrant)
        y.square().sum().backward()
        got = [x.grad, *(p.grad for p in model.parameters())]
        for one, other in zip(got, wanted, strict=True):
            torch.testing.assert_close(one, other)
        model.zero_grad()
        x.grad = None


def test_change_between_forward_and_backward_is_noticed() -> None:
    layer = nn.CirculantLinear(6, 4)
    y = layer(inputs(3, 6, dtype=torch.float32).requires_grad_())
    with torch.no_grad():
        layer.column.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("name", "factors"), [("circulant", 1), ("blocks", 1), ("toeplitz", 1), ("low rank", 2), ("fastfood", 3)]
)
def test_weight_decay_of_a_matrix(name: str, factors: int) -> None:
    """Divided by the number of parameters that are multiplied, it is that of a dense weight, to first order."""
    layer, rate = layer_of(name), 1e-3
    before = layer.to_dense().detach()
    values = [value for key, value in layer.named_parameters() if key != "bias"]
    for value in values:
        value.grad = torch.zeros_like(value)
    torch.optim.AdamW(values, lr=1.0, weight_decay=rate / factors).step()
    torch.testing.assert_close(layer.to_dense(), before * (1 - rate / factors) ** factors, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer.to_dense(), before * (1 - rate), rtol=2 * rate**2, atol=1e-12)


def test_training_learns() -> None:
    """Least squares, whose solution is in reach: gradients, optimiser and derived values play together."""
    torch.manual_seed(0)
    target, layer = nn.CirculantLinear(16, 16), nn.CirculantLinear(16, 16)
    layer.signs.copy_(target.signs)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.05)
    x = torch.randn(64, 16)
    y = target(x).detach()
    for _ in range(300):
        optimiser.zero_grad()
        loss = (layer(x) - y).square().mean()
        loss.backward()
        optimiser.step()
    assert loss < 1e-6 * y.square().mean()
    torch.testing.assert_close(layer.column, target.column, rtol=1e-2, atol=1e-3)


# ---------------------------------------------------------------------- compiling and exporting


COMPILED = [("aot_eager", name) for name in ("circulant", "blocks", "fastfood", "complex", "one array in two places")]
COMPILER = pytest.mark.skipif(not any(map(shutil.which, ("g++", "clang++"))), reason="Inductor needs a C++ compiler")


@pytest.mark.parametrize(("backend", "name"), [*COMPILED, pytest.param("inductor", "fastfood", marks=COMPILER)])
def test_compile(name: str, backend: str) -> None:
    """The whole layer is one graph, and its derivative that of the operator: no step of autograd's own is in it."""
    torch._dynamo.reset()
    layer = layer_of(name)
    compiled = torch.compile(layer, fullgraph=True, backend=backend)
    for batch in (3, 5):  # the second compiles for every batch
        x = inputs(batch, 6).requires_grad_()
        y = compiled(x)
        torch.testing.assert_close(y, layer(x))
        ours, theirs = (torch.autograd.grad(v.abs().square().sum(), [x, *layer.parameters()]) for v in (y, layer(x)))
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other)
    with torch.no_grad():
        torch.testing.assert_close(compiled(inputs(3, 6)), layer(inputs(3, 6)))


def operations_of(compiled: Any, *arguments: Any) -> set[str]:
    """Return structmat's operations in the graphs of a compiled function, forward and backward."""
    found: set[str] = set()

    def look(graph: Any, example: Any) -> Any:
        found.update(str(node.target) for node in graph.graph.nodes if "structmat" in str(node.target))
        return graph

    from torch._dynamo.backends.common import aot_autograd

    backend = aot_autograd(fw_compiler=look, bw_compiler=look)
    torch._dynamo.reset()
    torch.compile(compiled, fullgraph=True, backend=backend)(*arguments)
    return found


KERNELS = pytest.mark.skipif(_kernels.loaded is None, reason="needs the compiled kernels")


@KERNELS
@pytest.mark.parametrize("name", ["circulant", "blocks", "fastfood", "complex", "one array in two places"])
def test_compiled_graphs_leave_products_to_the_kernels(name: str) -> None:
    layer, x = layer_of(name), inputs(3, 6).requires_grad_()

    assert operations_of(layer, x) == {"structmat.product.default"}
    for transform in (torch.func.vmap, torch.func.grad, torch.func.jacfwd, torch.func.jacrev):
        if layer.operator._is_complex and transform in (torch.func.jacfwd, torch.func.jacrev):
            continue  # PyTorch refuses them
        scalar = transform is torch.func.grad

        def transformed(x: torch.Tensor, transform: Any = transform, scalar: bool = scalar) -> torch.Tensor:
            return transform(lambda x: layer(x).abs().sum() if scalar else layer(x))(x)

        assert not operations_of(transformed, x)
        torch._dynamo.reset()
        compiled = torch.compile(transformed, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(x), transformed(x))


@KERNELS
@pytest.mark.parametrize("name", ["circulant", "blocks", "complex", "no parameters", "one array in two places"])
def test_opcheck_of_products_that_stay_whole(name: str) -> None:
    layer = layer_of(name)
    values = [value.detach().requires_grad_(value.is_floating_point()) for value in layer._values()]
    arguments = inputs(3, 6).requires_grad_(), values, layer._template.structure
    torch.library.opcheck(torch.ops.structmat.product.default, arguments)


def test_compiled_graphs_see_changes_of_signs() -> None:
    torch._dynamo.reset()
    A = sm.Circulant(inputs(6)) @ sm.SignFlip.random(6, rng=0, xp=torch)
    layer, x = nn.StructuredLinear(A, bias=False), inputs(3, 6)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    with torch.no_grad():
        for _ in range(3):
            torch.testing.assert_close(compiled(x), layer(x))
            for buffer in layer.buffers():
                buffer.copy_(torch.as_tensor(-np.asarray(buffer)))
        for value in layer.parameters():
            value.mul_(2)
        torch.testing.assert_close(compiled(x), layer(x))


def test_operators_die_with_their_layers() -> None:
    """Equal layers share a structure, which keeps an operator for each of them."""
    layers = [nn.CirculantLinear(6, 6, dtype=torch.float64) for _ in range(4)]
    for layer in layers:
        layer(inputs(3, 6))
    (shared,) = {layer._template._shared for layer in layers}
    assert len(shared._bound) == len(shared.templates) == 4
    parameters = [weakref.ref(layer.column) for layer in layers]
    del layers[1:]
    gc.collect()
    layer(inputs(3, 6))  # one of those that are gone from the list
    del layer
    layers[0].column = torch.nn.Parameter(torch.zeros(6, dtype=torch.float64))
    layers[0](inputs(3, 6))
    gc.collect()
    assert len(shared._bound) == len(shared.templates) == 1
    assert not any(parameter() is not None for parameter in parameters)
    key = shared.key
    del layers, shared
    gc.collect()
    assert key not in structures._STRUCTURES


def test_compiled_training_sees_new_parameters() -> None:
    torch._dynamo.reset()
    model = torch.nn.Sequential(nn.CirculantLinear(6, 8), torch.nn.ReLU(), nn.CirculantLinear(8, 4))
    twin = copy.deepcopy(model)
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    x = inputs(5, 6, dtype=torch.float32)
    for net in (compiled, twin):
        optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
        for _ in range(3):
            optimiser.zero_grad()
            net(x).square().sum().backward()
            optimiser.step()
    torch.testing.assert_close(model(x), twin(x))


def test_compile_of_products_that_mix_real_and_complex() -> None:
    torch._dynamo.reset()
    A, x = operator("complex"), inputs(3, 6).float()
    with pytest.warns(UserWarning, match="lru_cache"):  # of array_api_compat; layers do not come there
        y = torch.compile(A.matvec, fullgraph=True, backend="aot_eager")(x)
    torch.testing.assert_close(y, A.matvec(x))


@pytest.mark.parametrize(
    ("name", "strict"),
    [*((name, False) for name in ("circulant", "blocks", "fastfood", "low rank", "toeplitz")), ("circulant", True)],
)
def test_export(name: str, strict: bool) -> None:
    """What is exported runs without structmat: PyTorch's own operations are all that is left."""
    torch._dynamo.reset()
    layer = layer_of(name)
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(layer, (inputs(3, 6),), dynamic_shapes=({0: batch},), strict=strict)
    program = program.run_decompositions()
    assert not [node for node in program.graph.nodes if "structmat" in str(node.target)]
    file = io.BytesIO()
    torch.export.save(program, file)
    file.seek(0)
    module = torch.export.load(file).module()
    torch.testing.assert_close(module(inputs(7, 6)), layer(inputs(7, 6)))


@pytest.mark.parametrize("name", ["circulant", "complex", "low rank"])
def test_opcheck(name: str) -> None:
    layer = layer_of(name)
    values = [value.detach().requires_grad_(value.is_floating_point()) for value in layer._values()]
    arguments = inputs(3, 6).requires_grad_(), values, layer._template.structure
    torch.library.opcheck(torch.ops.structmat.matvec.default, arguments)


@pytest.mark.parametrize("name", ["circulant", "blocks", "toeplitz", "fastfood", "low rank", "complex", "sum"])
def test_equal_blocks_share_their_graphs(name: str) -> None:
    """As many as one block needs, for a first input without a gradient and the others with one."""
    torch._dynamo.reset()
    graphs: list[Any] = []

    def backend(graph: Any, example: Any) -> Any:
        graphs.append(graph)
        return graph

    layers = [layer_of(name) for _ in range(9)]
    layers += [copy.deepcopy(layers[0]), pickle.loads(pickle.dumps(layers[0]))]
    for layer in layers:
        for value in layer.parameters():
            value.data.normal_()
        layer.compile(backend=backend, fullgraph=True)
        for x in (inputs(3, 6), inputs(3, 6).requires_grad_()):
            torch.testing.assert_close(layer(x), affine(layer, x))
    assert len(graphs) == 2


def test_keys_tell_structures_apart() -> None:
    rng = np.random.default_rng(0)
    signs, column = sm.SignFlip.random(6, rng=0), rng.standard_normal(6)
    trees = [
        sm.Circulant(column),
        sm.Circulant(column[:5]),
        sm.Circulant(column + 0j),
        sm.Circulant(column).freeze(),
        sm.Circulant(column).H,
        sm.Circulant(column) ** -1,
        sm.SkewCirculant(column),
        sm.Circulant(column) @ signs,
        signs @ sm.Circulant(column),
        2 * sm.Circulant(column),
        2j * sm.Circulant(column),
        sm.Circulant(column)[:3],
        sm.Circulant(column)[3:],
        sm.Circulant(column)[::2],
    ]
    keys = [interop.Template(A.to(xp=torch)).structure for A in trees]
    assert len(set(keys)) == len(keys)
    again = [
        interop.Template((A * 1).with_params([2 * value + 1 for value in A.params]).to(xp=torch)).structure
        for A in trees
    ]
    assert again == keys
    assert "SignFlip" in keys[7]
    assert str(float(column[0])) not in keys[0]


@pytest.mark.parametrize("name", EVERY)
def test_a_key_is_the_operator(name: str) -> None:
    """What another process makes of it: the tree, to be filled with arrays."""
    layer, x = layer_of(name), inputs(3, 6)
    structures._structure_described.cache_clear()
    template = structures._structure_described(layer._template.structure).operator
    assert {array.device.type for array in template._arrays} <= {"meta"}
    filled = template._with_arrays(layer._values())
    assert str(filled) == str(layer.operator)
    assert torch.equal(filled.matvec(x), layer.operator.matvec(x))


def test_few_keys_are_kept() -> None:
    for n in range(1, 400):  # of layers that are gone
        structures.structure_of(interop.Template(sm.Circulant(torch.ones(n))).structure)
    assert structures._structure_described.cache_info().currsize == 256


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Circulant", "Pickle", "names the operator 'Pickle', which is not registered"),
        ("Circulant", "__import__", "names the operator '__import__', which is not registered"),
        ('"format":1', '"format":2', "it has format 2"),
        ("[6]", "[-6]", "expected a dtype and a shape"),
        ("[6]", "[9223372036854775807]", "expected a dtype and a shape"),
        ("[6]", "[99999999999999999999]", "an integer is beyond 64 bits"),
        ("[6]", "[2,3]", r"expected 1 axes \(n\)"),
        ("float64", "object", "has dtype 'object'; expected bool"),
        ("float64", "int64", "expected a real or complex floating dtype"),
        ("}]}", "", "is not valid JSON"),
        ('"tensors":{', '"tensors":{"1.other":["float64",[3]],', "belong to nothing"),
    ],
)
def test_keys_are_checked_as_files_are(old: str, new: str, message: str) -> None:
    key = interop.Template(sm.Circulant(inputs(6))).structure
    assert key.count(old) == 1
    with pytest.raises(ValueError, match=f"structmat::matvec: .*{message}"):
        torch.ops.structmat.matvec(inputs(6), [inputs(6)], key.replace(old, new))


def test_functions_stay_in_their_process() -> None:
    torch._dynamo.reset()
    A = sm.FunctionOperator((6, 6), lambda x: 2 * x, lambda g: 2 * g)
    layer = nn.StructuredLinear(A)
    x = inputs(3, 6, dtype=torch.float32)
    torch.testing.assert_close(torch.compile(layer, fullgraph=True, backend="eager")(x), layer(x))
    with pytest.raises(ValueError, match="holds functions, or a class that is not registered"):
        torch.ops.structmat.matvec(x, [], "of another process")


ELSEWHERE = """
import sys, torch, structmat.nn.torch
x, wanted, gradient = torch.load(sys.argv[1] + ".io")
module = torch.export.load(sys.argv[1]).module()
torch.testing.assert_close(module(x), wanted)
module(x.requires_grad_()).abs().square().sum().backward()
torch.testing.assert_close(x.grad, gradient)
"""


def test_strictly_exported_programs_run_elsewhere(tmp_path: Any) -> None:
    torch._dynamo.reset()
    layers = [layer_of(name) for name in ("circulant", "fastfood", "low rank", "one array in two places")]
    model = torch.nn.Sequential(*(torch.nn.Sequential(each, torch.nn.LazyLinear(6).double()) for each in layers))
    x = inputs(3, 6).requires_grad_()
    wanted = model(x)
    (gradient,) = torch.autograd.grad(wanted.square().sum(), x)
    program = torch.export.export(model, (x.detach(),), strict=True)
    assert sum(str(node.target) == "structmat.matvec.default" for node in program.graph.nodes) == len(layers)
    torch.export.save(program, tmp_path / "model.pt2")
    torch.save((x.detach(), wanted.detach(), gradient), tmp_path / "model.pt2.io")
    command = [sys.executable, "-W", "ignore", "-c", ELSEWHERE, str(tmp_path / "model.pt2")]
    root = str(Path(sm.__file__).parents[1])
    ran = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.filterwarnings("ignore:`torch.jit.*is deprecated:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*Converting a tensor:torch.jit.TracerWarning:structmat.nn.torch")
@pytest.mark.filterwarnings("ignore:Using len to get tensor shape:torch.jit.TracerWarning:structmat.nn.torch")
@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize("name", EVERY)
def test_trace(name: str, recorded: bool) -> None:
    """Traced with and without gradients, for other batches, and differentiated: `check_trace` traces it twice."""
    layer = layer_of(name)
    with torch.set_grad_enabled(recorded):
        traced = torch.jit.trace(layer, inputs(3, 6))
    for shape in ((5, 6), (1, 6)):
        x = inputs(*shape).requires_grad_()
        y, wanted = traced(x), affine(layer, x)
        torch.testing.assert_close(y, wanted, rtol=1e-12, atol=1e-12)  # a step in single precision would show
        chosen = [x, *layer.parameters()]
        for ours, theirs in zip(
            *(torch.autograd.grad(v.abs().square().sum(), chosen) for v in (y, wanted)), strict=True
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    copy.deepcopy(layer)  # nothing of the trace is left in it


# ---------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (ValueError, "CirculantLinear: in_features is 0; expected a positive int", lambda: nn.CirculantLinear(0, 3)),
        (ValueError, "out_features is -1; expected a positive int", lambda: nn.FastfoodLinear(3, -1)),
        (ValueError, "in_features is 3.0; expected", lambda: nn.ToeplitzLinear(3.0, 4)),
        (ValueError, "block_size is 0; expected a positive int", lambda: nn.CirculantLinear(3, 4, block_size=0)),
        (
            ValueError,
            "block_size is 5; expected at most the larger of the sizes, 4",
            lambda: nn.BlockCirculantLinear(3, 4, 5),
        ),
        (ValueError, r"rank is 4; expected at most .* = 3", lambda: nn.LowRankLinear(3, 4, 4)),
        (ValueError, "rank is 0; expected a positive int", lambda: nn.LowRankLinear(3, 4, 0)),
        (ValueError, "block_size is 2.0; expected a positive int", lambda: nn.BlockCirculantLinear(3, 4, 2.0)),
        (
            TypeError,
            "dtype is float32; expected a real floating dtype of torch",
            lambda: nn.LowRankLinear(3, 4, 1, dtype="float32"),
        ),
        (TypeError, "dtype is torch.int8", lambda: nn.CirculantLinear(3, 4, dtype=torch.int8)),
        (TypeError, "dtype is torch.complex64", lambda: nn.CirculantLinear(3, 4, dtype=torch.complex64)),
        (TypeError, "operator is a Tensor; expected a LinearOperator", lambda: nn.StructuredLinear(torch.ones(2, 2))),
        (TypeError, "has arrays of numpy; expected torch", lambda: nn.StructuredLinear(sm.Circulant(np.ones(3)))),
        (TypeError, "x has dtype int64", lambda: nn.CirculantLinear(3, 4)(torch.ones(3, dtype=torch.int64))),
        (
            TypeError,
            "x is on meta, the operator on cpu",
            lambda: nn.CirculantLinear(3, 4)(torch.ones(3, device="meta")),
        ),
        (TypeError, "x has dtype bool", lambda: nn.CirculantLinear(3, 4)(torch.ones(3, dtype=torch.bool))),
        (TypeError, "x is a list; expected an array", lambda: nn.CirculantLinear(3, 4)([1.0, 2.0, 3.0])),
        (TypeError, "x is an array of numpy", lambda: nn.CirculantLinear(3, 4)(np.ones(3))),
        (ValueError, r"CirculantLinear: input has shape \(\)", lambda: nn.CirculantLinear(1, 4)(torch.tensor(1.0))),
        (
            ValueError,
            r"CirculantLinear: input has shape \(2, 4\); its last axis must be in_features = 3\.",
            lambda: nn.CirculantLinear(3, 4)(torch.ones(2, 4)),
        ),
        (TypeError, "x has the layout sparse_coo", lambda: nn.CirculantLinear(3, 4)(torch.ones(2, 3).to_sparse())),
        (TypeError, "generator is a int; expected a torch.Generator", lambda: nn.CirculantLinear(3, 4, generator=3)),
    ],
)
def test_refusals(error: type[Exception], message: str, make: Any) -> None:
    with pytest.raises(error, match=message):
        make()
