"""The cost of a step, counted in transforms and not hoped for."""

from collections import Counter

import numpy as np

import structmat as sm

B, D = 7, 12


def step(A: sm.LinearOperator, dtype: type = float) -> None:
    x, g = np.ones((B, A.n), dtype=dtype), np.ones((B, A.m), dtype=dtype)
    _, saved = A.forward(x)
    A.backward(saved, g)


def test_real_circulant(counted: Counter) -> None:
    step(sm.Circulant(np.ones(D)))
    assert counted == {("rfft", B): 2, ("irfft", B): 2, ("rfft", 1): 1, ("irfft", 1): 1}


def test_complex_circulant(counted: Counter) -> None:
    step(sm.Circulant(np.ones(D, dtype=complex)), complex)
    assert counted == {("fft", B): 2, ("ifft", B): 2, ("fft", 1): 1, ("ifft", 1): 1}


def test_real_circulant_of_complex_vectors_is_a_batch_of_twice_as_many_real_ones(counted: Counter) -> None:
    step(sm.Circulant(np.ones(D)), complex)
    assert counted == {("rfft", 2 * B): 2, ("irfft", 2 * B): 2, ("rfft", 1): 1, ("irfft", 1): 1}


def test_the_spectrum_is_transformed_once(counted: Counter) -> None:
    A = sm.Circulant(np.ones(D))
    for _ in range(3):
        A.matvec(np.ones((B, D)))
    assert counted == {("rfft", B): 3, ("irfft", B): 3, ("rfft", 1): 1}


def test_a_frozen_circulant_pays_for_no_gradient(counted: Counter) -> None:
    step(sm.Circulant(np.ones(D)).freeze())
    assert counted == {("rfft", B): 2, ("irfft", B): 2, ("rfft", 1): 1}


def test_gradients_alone_need_no_product(counted: Counter) -> None:
    A = sm.Circulant(np.ones(D)) @ sm.SignFlip.random(D, rng=0)
    A.vjp(np.ones((B, D)), np.ones((B, D)))
    assert counted == {("rfft", B): 2, ("irfft", B): 1, ("rfft", 1): 1, ("irfft", 1): 1}


def test_stacked_circulants_share_one_transform(counted: Counter) -> None:
    p = 3
    step(sm.projections.circulant_projection(D, p * D - 1, kind="stack", rng=0))
    # x once, p pieces of y back; p pieces of g, x back; and the p columns with their gradients
    assert counted == {("rfft", B): 1, ("irfft", p * B): 1, ("rfft", p * B): 1, ("irfft", B): 1} | {
        ("rfft", p): 1,
        ("irfft", p): 1,
    }


def test_blocks_cost_p_plus_q_transforms(counted: Counter) -> None:
    p, q = 3, 2
    step(sm.BlockCirculant(np.ones((p, q, D))))
    assert counted == {("rfft", q * B): 1, ("irfft", p * B): 1, ("rfft", p * B): 1, ("irfft", q * B): 1} | {
        ("rfft", p * q): 1,
        ("irfft", p * q): 1,
    }


def test_nothing_dense_is_made() -> None:
    import tracemalloc

    n = 2**20
    x = np.ones(n, dtype=np.float32)
    tracemalloc.start()
    A = sm.projections.circulant_projection(n, rng=0, dtype="float32")
    A.vjp(x, x)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * n  # a dense matrix would take 4 n², a quarter of a million times the vector
