"""The way to linear_operator: its own test cases, and gradients against autograd of the written-out matrix."""

import pickle
import sys
from unittest import TestCase

import numpy as np
import pytest
from backends import library

import structmat as sm

torch = library("torch")
cases = library("linear_operator.test.linear_operator_test_case")
pytestmark = [
    pytest.mark.filterwarnings("ignore:Sparse invariant checks"),  # linear_operator's indexing
    pytest.mark.filterwarnings("ignore::linear_operator.utils.warnings.NumericalWarning"),
]


def wide() -> sm.LinearOperator:
    rng = np.random.default_rng(0)
    C, D = (make(rng.standard_normal(6).astype(np.float32)) for make in (sm.Circulant, sm.Diagonal))
    return (sm.Restriction(6, np.asarray([4, 0, 2, 5])) @ sm.SignFlip.random(6, rng=rng) @ C @ D).to(xp=torch)


def definite() -> sm.LinearOperator:
    rng = np.random.default_rng(0)
    C = sm.Circulant(np.r_[3.0, rng.standard_normal(4) / 3].astype(np.float32))
    return (C @ C.H + sm.Diagonal(rng.uniform(1, 2, 5).astype(np.float32))).to(xp=torch)


class TestWide(cases.RectangularLinearOperatorTestCase, TestCase):
    """Rows of a product."""

    seed = 0

    def create_linear_op(self) -> object:
        return wide().to_linear_operator()

    def evaluate_linear_op(self, linear_op: object) -> object:
        return linear_op.operator.to_dense()


class TestDefinite(cases.LinearOperatorTestCase, TestCase):
    """Solvers, determinants and roots, which take positive definite matrices."""

    seed = 0
    should_call_lanczos = True

    def create_linear_op(self) -> object:
        return definite().to_linear_operator()

    def evaluate_linear_op(self, linear_op: object) -> object:
        return linear_op.operator.to_dense()


class TestBatch(TestDefinite):
    """One operator, repeated over a batch."""

    def create_linear_op(self) -> object:
        return definite().to_linear_operator().expand(3, 5, 5)

    def evaluate_linear_op(self, linear_op: object) -> object:
        return linear_op.operator.to_dense().expand(linear_op.shape)


def gradients(make: object, loss: object, arrays: tuple[object, ...]) -> list[list[object]]:
    """Those of a loss with respect to arrays: through the adapter, and through the dense matrix."""
    found = []
    for view in (lambda A: A.to_linear_operator(), lambda A: A.to_dense()):
        leaves = [array.clone().requires_grad_() for array in arrays]
        loss(view(make(*leaves))).backward()
        found.append([leaf.grad for leaf in leaves])
    return list(zip(*found, strict=True))


@pytest.mark.parametrize(("largest", "tolerance"), [(0, 1e-8), (5, 1e-12)], ids=["conjugate gradients", "Cholesky"])
def test_gradients_of_solutions(largest: int, tolerance: float) -> None:
    import linear_operator

    def make(c: object, d: object) -> sm.LinearOperator:
        return sm.Circulant(c) @ sm.Circulant(c).H + sm.Diagonal(d)

    b = torch.asarray(np.random.default_rng(1).standard_normal((5, 2)))
    arrays = tuple(value.double() for value in definite().params[1:])
    with linear_operator.settings.max_cholesky_size(largest), linear_operator.settings.cg_tolerance(1e-10):
        for one, other in gradients(make, lambda M: (torch.linalg.solve(M, b) ** 2).sum(), arrays):
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", [(6,), (6, 3), (2, 6, 3)])
def test_gradients_of_products(shape: tuple[int, ...]) -> None:
    A = wide().to(dtype="float64")
    rng = np.random.default_rng(1)
    x, y = (torch.asarray(rng.standard_normal((*shape[:-2], size, *shape[1:][-1:]))) for size in A.shape[::-1])
    for loss in (lambda M: ((M @ x) ** 2).sum(), lambda M: ((M.mT @ y) ** 2).sum()):
        for one, other in gradients(lambda *params: A.with_params(params), loss, A.params):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_operators_without_parameters() -> None:
    for A in (sm.DCT(6, norm="ortho"), sm.SignFlip.random(6, rng=0).to(xp=torch), definite().freeze()):
        L = A.to_linear_operator()
        assert L.dtype == torch.float32
        assert L.device == torch.device("cpu")
        x = torch.ones(A.n)
        torch.testing.assert_close(L @ x, A @ x)
        torch.testing.assert_close(L.to_dense(), A.matmat(torch.eye(A.n)))


def test_it_is_linear_operators() -> None:
    import linear_operator

    A = wide()
    L = A.to_linear_operator()
    assert isinstance(L, linear_operator.LinearOperator)
    assert L.shape == A.shape
    assert all(one is other for one, other in zip(L.representation(), A.params, strict=True))
    double = L.double()
    assert double.dtype == torch.float64
    assert double.operator.dtype == torch.float64
    again = pickle.loads(pickle.dumps(L))
    assert torch.equal(again.to_dense(), L.to_dense())


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        TypeError, match=r"Circulant\(3×3\).to_linear_operator: the operator has arrays of numpy; expected torch"
    ):
        sm.Circulant(np.ones(3)).to_linear_operator()
    with pytest.raises(TypeError, match=r"DFT\(3×3\).to_linear_operator: the operator is complex"):
        sm.DFT(3).to_linear_operator()
    monkeypatch.setitem(sys.modules, "linear_operator", None)
    with pytest.raises(ImportError, match=r"needs the package linear_operator: pip install 'linear[-_]operator>="):
        sm.identity(3).to_linear_operator()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_a_product_in_the_graph(dtype: str) -> None:
    """`structmat.interop.torch.matvec`: first and second derivatives against PyTorch's differences."""
    from structmat.interop.torch import matvec

    rng = np.random.default_rng(0)
    A = wide().to(dtype=dtype)
    params = [value.clone().requires_grad_() for value in A.params]
    for shape in ((6,), (2, 6)):
        x = torch.asarray(rng.standard_normal(shape).astype(dtype)).requires_grad_()

        def product(x: object, *params: object) -> object:
            return matvec(A.with_params(params), x)

        assert torch.autograd.gradcheck(product, (x, *params))
        assert torch.autograd.gradgradcheck(product, (x, *params))


def test_the_graph_keeps_what_forward_kept() -> None:
    """One pass back uses the transforms of the pass before; nothing is kept that PyTorch's hooks do not see."""
    from structmat.interop.torch import matvec

    packed: list[torch.Tensor] = []
    A = sm.Circulant(torch.randn(8, dtype=torch.float64).requires_grad_())
    x = torch.randn(3, 8, dtype=torch.float64).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t):
        y = matvec(A, x)
    transforms = [tensor for tensor in packed if tensor.shape not in {x.shape, A.column.shape}]
    assert len(transforms) == 1
    g = torch.randn(3, 8, dtype=torch.float64)
    y.backward(g)
    dx, (dc,) = A.vjp(x.detach(), g)
    torch.testing.assert_close(x.grad, dx)
    torch.testing.assert_close(A.column.grad, dc)
    frozen = matvec(A, x.detach())
    frozen.backward(g)  # what needs no gradient gets none
    torch.testing.assert_close(A.column.grad, 2 * dc)
