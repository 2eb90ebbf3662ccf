"""Random expression trees of operators."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

import structmat as sm

DTYPES = ("float32", "float64", "complex64", "complex128")
scalars = st.sampled_from([-1, 2, 0.5, 1j, 1 - 2j])


def leaf(m: int, n: int, kind: str, dtype: str, rng: np.random.Generator) -> sm.LinearOperator:
    """An operator without parts, of shape m × n."""

    def draw(*shape: int) -> np.ndarray:
        host = rng.standard_normal(shape)
        return (host + 1j * rng.standard_normal(shape) if "complex" in dtype else host).astype(dtype)

    if kind in ("toeplitz", "hankel"):
        return {"toeplitz": sm.Toeplitz, "hankel": sm.Hankel}[kind](draw(m), draw(n))
    if kind == "zero":
        return sm.Zero(m, n)
    if m == n:
        square: dict[str, Any] = {
            "circulant": lambda: sm.Circulant(draw(n)),
            "diagonal": lambda: sm.Diagonal(draw(n)),
            "signs": lambda: sm.SignFlip.random(n, rng=rng),
            "identity": lambda: sm.identity(n),
            "dense": lambda: sm.Dense(draw(n, n)),
            "blocks": lambda: sm.BlockCirculant(draw(1, 1, n)),
            "skew": lambda: sm.SkewCirculant(draw(n)),
            "twisted": lambda: sm.FCirculant(draw(n), [-0.5, 2, 1j][rng.integers(3)]),
            "levels": lambda: sm.MultilevelCirculant(draw(2, n // 2) if n % 2 == 0 else draw(1, n)),
            "symmetric": lambda: sm.SymmetricToeplitz(draw(n)),
            "three": lambda: sm.Tridiagonal(draw(n - 1), draw(n), draw(n - 1)) if n > 1 else sm.Diagonal(draw(n)),
            "banded": lambda: sm.Banded(draw(3, n), *([1, 1] if rng.integers(2) else [0, 2])),
            "permutation": lambda: sm.Permutation.random(n, rng=rng),
            "shift": lambda: sm.Shift(n, int(rng.integers(-n, n))),
            "mirror": lambda: sm.Householder(draw(n)),
            "fourier": lambda: sm.DFT(n, norm=["ortho", "forward", None][rng.integers(3)]),
            "cosine": lambda: sm.DCT(n, norm="ortho"),
            "rank": lambda: sm.LowRank(draw(n, 2), draw(n, 2)),
        }
        return square[kind]()
    if kind in ("signs", "identity") and m != n:
        small, large = min(m, n), max(m, n)
        keep = sm.Restriction(large, rng.permutation(large)[:small] if kind == "signs" else slice(0, small))
        return keep if m < n else keep.H
    if kind in ("circulant", "blocks"):
        b = int(np.gcd(m, n))
        return sm.BlockCirculant(draw(m // b, n // b, b))
    return sm.LowRank(draw(m, 2), draw(n, 2)) if kind == "rank" else sm.Dense(draw(m, n))


KINDS = (
    *("circulant", "skew", "twisted", "levels", "blocks", "toeplitz", "symmetric", "hankel", "three", "banded"),
    *("diagonal", "signs", "identity", "zero", "permutation", "shift", "mirror", "fourier", "cosine", "dense", "rank"),
)


@st.composite
def trees(draw: st.DrawFn, dtypes: tuple[str, ...] = DTYPES, depth: int = 3) -> sm.LinearOperator:
    """A tree of up to `depth` levels whose leaves mix real and complex, single and double precision."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = st.integers(1, 6)

    def build(m: int, n: int, level: int) -> sm.LinearOperator:
        forms = ["leaf"] if level == 0 else ["leaf", "product", "sum", "scaled", "H", "T", "conj", "freeze"]
        if level and m == n:
            forms.append("power")
        if level and m > 1:
            forms.append("vstack")
        if level and n > 1:
            forms.append("hstack")
        if level and m > 1 and n > 1:
            forms.append("block_diag")
        if level and np.gcd(m, n) > 1:
            forms.append("repeat")
        if level and m * n > 1:
            forms.append("kron")
        form = draw(st.sampled_from(forms))
        if form == "leaf":
            return leaf(m, n, draw(st.sampled_from(KINDS)), draw(st.sampled_from(dtypes)), rng)
        if form == "product":
            inner = draw(sizes)
            return build(m, inner, level - 1) @ build(inner, n, level - 1)
        if form == "sum":
            return build(m, n, level - 1) + build(m, n, level - 1)
        if form == "scaled":
            return draw(scalars) * build(m, n, level - 1)
        if form == "H":
            return build(n, m, level - 1).H
        if form == "T":
            return build(n, m, level - 1).T
        if form == "conj":
            return build(m, n, level - 1).conj()
        if form == "freeze":
            return build(m, n, level - 1).freeze()
        if form == "power":
            return build(n, n, level - 1) ** draw(st.integers(0, 3))
        if form == "vstack":
            cut = draw(st.integers(1, m - 1))
            return sm.vstack([build(cut, n, level - 1), build(m - cut, n, level - 1)])
        if form == "hstack":
            cut = draw(st.integers(1, n - 1))
            return sm.hstack([build(m, cut, level - 1), build(m, n - cut, level - 1)])
        if form == "block_diag":
            row, column = draw(st.integers(1, m - 1)), draw(st.integers(1, n - 1))
            return sm.block_diag([build(row, column, level - 1), build(m - row, n - column, level - 1)])
        if form == "kron":
            rows, columns = (draw(st.sampled_from([d for d in range(1, size + 1) if size % d == 0])) for size in (m, n))
            return sm.kron(build(rows, columns, level - 1), build(m // rows, n // columns, level - 1))
        times = int(np.gcd(m, n))
        return sm.repeat(build(m // times, n // times, level - 1), times)

    return build(draw(sizes), draw(sizes), depth)
