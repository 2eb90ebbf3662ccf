"""Callbacks are given true residuals, solutions of the system that was given, and counts of steps and products."""

import dataclasses
from typing import Any

import numpy as np
import pytest

import structmat as sm

L = sm.linalg
rng = np.random.default_rng(4)
DEFINITE = sm.SymmetricToeplitz(0.5 ** np.arange(300.0))
GENERAL = DEFINITE + 0.1 * sm.Circulant(rng.standard_normal(300) / 17)
ROUNDING = 64 * 16 * np.finfo(float).eps  # of b - A x relative to b, where ‖A‖ ‖x‖ <= 16 ‖b‖


def distance(A: sm.LinearOperator, x: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(b - A @ x) / np.linalg.norm(b))


@pytest.mark.parametrize(("method", "A"), [("cg", DEFINITE), ("minres", DEFINITE), ("gmres", GENERAL)])
def test_states(method: str, A: sm.LinearOperator) -> None:
    states: list[L.SolveState] = []
    b = rng.standard_normal((300, 2))
    result = L.solve_iterative(A, b, method=method, callback=states.append)
    assert {state.method for state in states} == {method}
    for column in (0, 1):
        own = [state for state in states if state.column == column]
        assert [state.iteration for state in own] == list(range(1, len(own) + 1))
        counts = [state.products for state in own]
        assert counts == sorted(counts)
        for state in own:
            assert abs(state.residual - distance(A, state.x, b[:, column])) <= ROUNDING
        assert len({state.x.ctypes.data for state in own}) == len(own)  # copies
        assert np.array_equal(own[-1].x, result.x[:, column])
    assert [states.index(state) for state in states] == sorted(range(len(states)), key=lambda i: states[i].column)


def test_a_residual_costs_one_product_where_it_is_read() -> None:
    products = 0

    def product(x: np.ndarray) -> np.ndarray:
        nonlocal products
        products += x.size // 300
        return DEFINITE @ x

    A = sm.FunctionOperator((300, 300), product, product)
    b, states = rng.standard_normal(300), []
    result = L.solve_iterative(A, b, method="cg", callback=states.append, preconditioner=sm.identity(300))
    assert products == result.products
    assert states[0].residual == states[0].residual
    assert products == result.products + 1
    history = L.History()
    again = L.solve_iterative(A, b, method="cg", callback=history, preconditioner=sm.identity(300))
    assert again.products == result.products
    assert products == 2 * result.products + 1 + len(history)


def test_history() -> None:
    history = L.History()
    assert repr(history) == "History(0 steps)"
    assert history.by_column() == []
    result = L.solve_iterative(DEFINITE, rng.standard_normal((300, 3)), callback=history)
    assert max(line[-1] for line in history.by_column()) == result.residual
    assert sum(map(len, history.by_column())) == len(history) == len(history.columns) == len(history.products)
    assert sorted(set(history.columns)) == [0, 1, 2]
    assert repr(history) == f"History({len(history)} steps, residual={history.residuals[-1]:.3g})"
    steps = len(history)
    L.solve_iterative(DEFINITE, np.ones(300), callback=history)
    assert len(history) > steps
    assert len(history.by_column()) == 4


def test_states_are_frozen_and_short() -> None:
    states: list[Any] = []
    L.solve_iterative(DEFINITE, np.ones(300), callback=states.append)
    with pytest.raises(dataclasses.FrozenInstanceError):
        states[0].iteration = 3
    assert repr(states[0]) == f"SolveState(cg, iteration=1, column=0, products={states[0].products})"


def test_scaled_toeplitz_systems_report_their_own_solutions() -> None:
    """Systems whose numbers would overflow are scaled first; residuals relative to b are those of the given system."""
    T = sm.SymmetricToeplitz(1e200 * 0.5 ** np.arange(4200.0))
    b, states = 1e-50 * rng.standard_normal(4200), []
    x = L.solve(T, b, rtol=1e-6, callback=states.append)
    assert np.allclose(states[-1].x, x, rtol=1e-6, atol=1e-6 * np.abs(x).max())
    scaled = distance(sm.SymmetricToeplitz(0.5 ** np.arange(4200.0)), 1e200 * states[-1].x * 1e50, 1e50 * b)
    assert abs(states[-1].residual - scaled) <= ROUNDING
