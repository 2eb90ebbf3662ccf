"""The CUDA kernels on a GPU: correctness, then times of products and steps against `torch.fft` and `cupy.fft` by hand.

Times are also given as the part of the bandwidth that a copy of the same bytes reaches. With --tune, other layouts too.
"""

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cupy
import numpy as np
import torch

from structmat._backend import cuda
from structmat._backend.cuda import Layout, Plan, Rows

Array = Any
REAL = {"f": "f", "d": "d", "F": "f", "D": "d"}


def rows(x: Array) -> Rows:
    """Describe a CuPy array (B, n)."""
    return Rows(x.data.ptr, x.strides[0] // x.itemsize, x.shape[0])


class Kernels:
    """A plan with a column, for CuPy arrays."""

    def __init__(self, column: Array, held: Layout | None = None) -> None:
        char = column.dtype.char
        held = held or cuda.layout(column.size, char)
        assert held is not None
        self.plan: Plan = cuda.plan(char, held, cupy.cuda.runtime.getDevice())
        self.spectrum = cupy.empty(held.slots, self.plan.value)
        self.plan.spectrum(column.data.ptr, self.spectrum.data.ptr)

    def product(self, x: Array, y: Array, *, conjugate: bool = False) -> None:
        """Write the product to y."""
        self.plan.product(rows(x), rows(y), self.spectrum.data.ptr, conjugate=conjugate)

    def gradient(self, x: Array, g: Array, dx: Array, dc: Array, *, conjugate: bool = False) -> None:
        """Write the gradients to dx and dc."""
        memory = cupy.empty((self.plan.parts(x.shape[0]), self.spectrum.size), self.plan.value)
        spectrum, pointers = self.spectrum.data.ptr, (rows(x), rows(g), rows(dx), dc.data.ptr)
        self.plan.gradient(*pointers, spectrum, memory.data.ptr, conjugate=conjugate)


def normal(char: str, *shape: int) -> Array:
    """Return random entries."""
    values = cupy.random.standard_normal((*shape, 2), dtype=REAL[char])
    return (values[..., 0] + 1j * values[..., 1]).astype(char) if char in "FD" else values[..., 0].copy()


def exact(c: Array, x: Array, g: Array, conjugate: bool) -> tuple[Array, Array, Array]:
    """Return y, dx and dc in double precision."""
    C, X, G = (cupy.fft.fft(a.astype("D"), axis=-1) for a in (c, x, g))
    H = C.conj() if conjugate else C
    left, right = (G, X) if conjugate else (X, G)
    found = [cupy.fft.ifft(a, axis=-1) for a in (X * H, G * H.conj(), (left.conj() * right).sum(0))]
    return tuple(a if c.dtype.kind == "c" else a.real for a in found)


def off(found: Array, expected: Array) -> float:
    """Return the largest error relative to the norm of a row, over that of a single entry."""
    norm = cupy.linalg.norm(expected, axis=-1, keepdims=True) / expected.shape[-1] ** 0.5
    return float(cupy.abs((found - expected) / cupy.where(norm == 0, 1, norm)).max())


def check_case(n: int, char: str, B: int, gap: int, offset: int) -> tuple[float, float]:
    """Return the errors of the vectors and of the column, over the unit roundoff; repeated calls must agree."""

    def strided(fill: float | None = None) -> Array:
        whole = normal(char, B * (n + gap) + offset) if fill is None else cupy.full(B * (n + gap) + offset, fill, char)
        return whole[offset:].reshape(B, n + gap)[:, :n]

    c, x, g = normal(char, n), strided(), strided()
    kernels, worst = Kernels(c), [0.0, 0.0]
    eps = float(np.finfo(char).eps)
    for conjugate in (False, True):
        results = []
        for _ in range(2):
            y, dx, dc = strided(7), strided(7), cupy.empty_like(c)
            kernels.product(x, y, conjugate=conjugate)
            kernels.gradient(x, g, dx, dc, conjugate=conjugate)
            results.append((y, dx, dc))
            assert not gap or all(
                bool((a.base.reshape(-1)[offset:].reshape(B, n + gap)[:, n:] == 7).all()) for a in (y, dx)
            )
        for a, b in zip(*results, strict=True):
            assert bool((a == b).all()), (n, char, B, "repeated calls differ")
        y_, dx_, dc_ = exact(c, x, g, conjugate)
        y, dx, dc = results[0]
        worst = [max(worst[0], off(y, y_) / eps, off(dx, dx_) / eps), max(worst[1], off(dc, dc_) / eps)]
    return worst[0], worst[1]


def check_rows(n: int, char: str) -> None:
    """Rows that are huge, infinite or NaN leave the bits of the others as they are."""
    c, x = normal(char, n), normal(char, 70, n)
    kernels = Kernels(c)
    y, z = cupy.empty_like(x), cupy.empty_like(x)
    kernels.product(x, y)
    bad = x.copy()
    bad[3], bad[10, 5], bad[20, 7] = bad[3] * 1e12, np.inf, np.nan
    kernels.product(bad, z)
    good = [i for i in range(70) if i not in {3, 10, 20}]
    assert bool((y[good] == z[good]).all()), (n, char, "rows touch")
    assert off(z[3:4], exact(c, bad[3:4], bad[3:4], False)[0]) < 100 * float(np.finfo(char).eps)
    assert not bool(cupy.isfinite(z[[10, 20]]).any())


def check() -> None:
    """Check all lengths and dtypes."""
    for char in "fdFD":
        texts, layouts = [], {a: held for a in range(5, 16) if (held := cuda.layout(2**a, char)) is not None}
        compile_all(list(layouts.values()), char)
        for a in layouts:
            start, found = time.perf_counter(), []
            for B, gap, offset in ((1, 0, 0), (3, 1, 1), (67, 0, 3), (1500 if a < 12 else 300, 3, 0)):
                found.append(check_case(2**a, char, B, gap, offset))
            check_rows(2**a, char)
            vectors, column = (max(f[i] for f in found) for i in (0, 1))
            texts.append(f"{2**a}:{vectors:.1f}/{column:.1f}({time.perf_counter() - start:.1f}s)")
        print(f"errors in eps {char}, vectors/column:", *texts, flush=True)
    found64 = check_case(64, "f", 300_000, 0, 0)
    print(f"64 x 300000: {found64[0]:.1f}/{found64[1]:.1f}")


def measure(calls: dict[str, Callable[[int], Any]], buffers: int, rounds: int = 9) -> dict[str, float]:
    """Return median times in microseconds, of interleaved rounds of calls on rotating buffers."""
    stream, times = cupy.cuda.get_current_stream(), defaultdict[str, list[float]](list)
    repeat = max(buffers, 4)
    for call in calls.values():
        call(0)
    for _, (name, call) in itertools.product(range(rounds), calls.items()):
        start, end = cupy.cuda.Event(), cupy.cuda.Event()
        cupy.cuda.get_current_stream().synchronize()
        torch.cuda.synchronize()
        start.record(stream)
        for k in range(repeat):
            call(k % buffers)
        end.record(stream)
        end.synchronize()
        times[name].append(cupy.cuda.get_elapsed_time(start, end) * 1000 / repeat)
    return {name: float(np.median(t)) for name, t in times.items()}


def torch_calls(c: Array, xs: list[Array], gs: list[Array]) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    """Return the product and the step by hand."""
    n, column = c.size, torch.as_tensor(c, device="cuda")
    H = torch.fft.rfft(column)
    tx, tg = ([torch.as_tensor(a, device="cuda") for a in each] for each in (xs, gs))

    def product(k: int) -> Any:
        return torch.fft.irfft(torch.fft.rfft(tx[k]) * H, n)

    def step(k: int) -> Any:
        X, G = torch.fft.rfft(tx[k]), torch.fft.rfft(tg[k])
        y, dx = torch.fft.irfft(X * H, n), torch.fft.irfft(G * H.conj(), n)
        return y, dx, torch.fft.irfft((X.conj() * G).sum(0), n)

    return product, step


def cupy_calls(c: Array, xs: list[Array], gs: list[Array]) -> tuple[Callable[[int], Any], Callable[[int], Any]]:
    """Return the product and the step by hand."""
    n, H = c.size, cupy.fft.rfft(c)

    def product(k: int) -> Any:
        return cupy.fft.irfft(cupy.fft.rfft(xs[k]) * H, n)

    def step(k: int) -> Any:
        X, G = cupy.fft.rfft(xs[k]), cupy.fft.rfft(gs[k])
        y, dx = cupy.fft.irfft(X * H, n), cupy.fft.irfft(G * H.conj(), n)
        return y, dx, cupy.fft.irfft((X.conj() * G).sum(0), n)

    return product, step


def variants(n: int, char: str) -> Iterator[tuple[str, Layout]]:
    """Yield layouts to compare with the default one."""
    first = cuda.layout(n, char)
    assert first is not None
    bits = first.slots.bit_length() - 1
    for radices, threads in itertools.product((first.radices, *SIXTEENS.get(bits, ())), (64, 128, 256, 512, 1024)):
        held = max(8 * threads // first.slots, 1)
        if threads < first.slots // 32 or held > 4:
            continue
        for product, gradient in ((768, 384), (1024, 512), (1280, 640)) if radices == first.radices else ((1024, 512),):
            blocks = max(product // threads, 1), max(gradient // threads, 1)
            text = f"{'.'.join(map(str, radices))} {held}r {threads}t {blocks[0]}/{blocks[1]}b"
            yield text, Layout(radices, held, threads, *blocks)


def compile_all(layouts: list[Layout], char: str) -> None:
    """Compile kernels on all cores."""

    def one(held: Layout) -> None:
        plan = cuda.plan(char, held, cupy.cuda.runtime.getDevice())
        plan.kernel("product")
        plan.kernel("gradient")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(one, layouts))


SIXTEENS = {
    8: ((16, 16),),
    9: ((4, 16, 8), (2, 16, 16)),
    10: ((16, 8, 8),),
    11: ((16, 16, 8),),
    12: ((16, 16, 16),),
    13: ((16, 8, 8, 8),),
    14: ((16, 16, 8, 8),),
}


def bench(B: int, n: int, char: str, *, tune: bool = False) -> None:
    """Print a line for a shape, or with `tune` for each layout."""
    size = B * n * np.dtype(char).itemsize
    buffers = max(min(4, 2**32 // (5 * size)), 1) if size > 2**24 else 8
    xs, gs, ys = ([normal(char, B, n) for _ in range(buffers)] for _ in range(3))
    c, dc = normal(char, n), cupy.empty(n, char)
    default = cuda.layout(n, char)
    assert default is not None
    layouts = dict(variants(n, char)) if tune else {"": default}
    calls: dict[str, Callable[[int], Any]] = {"copy": lambda k: cupy.copyto(ys[k], xs[k])}
    for name, by_hand in (("torch", torch_calls), ("cupy", cupy_calls)) if not tune else ():
        calls[f"{name} p"], calls[f"{name} s"] = by_hand(c, xs, gs)
    if tune:
        compile_all(list(layouts.values()), char)
    made = {name: Kernels(c, held) for name, held in layouts.items()}
    for name, kernels in made.items():

        def product(k: int, kernels: Kernels = kernels) -> None:
            kernels.product(xs[k], ys[k])

        def gradient(k: int, kernels: Kernels = kernels) -> None:
            kernels.gradient(xs[k], gs[k], ys[k], dc)

        calls[f"p{name}"], calls[f"g{name}"] = product, gradient
    found = measure(calls, buffers, 5 if tune else 9)
    copy = found["copy"]
    for name, kernels in made.items():
        p, g = found[f"p{name}"], found[f"g{name}"]
        if tune:
            print(f"{B:6}x{n:<6}{char} p {p:7.1f} {copy / p:4.0%} g {g:7.1f} {1.5 * copy / g:4.0%} {name}", flush=True)
            continue
        text = f"{B:6}x{n:<6}{char} copy {copy:6.1f}us {2 * size / copy / 1e6:4.2f}TB/s p {p:6.1f} {copy / p:4.0%}"
        text += f" g {g:6.1f} {1.5 * copy / g:4.0%}"
        for m in ("torch", "cupy"):
            text += f" {m} p {found[f'{m} p'] / p:4.2f} s {found[f'{m} s'] / (p + g):4.2f}"
        for which in ("product", "gradient"):
            kernel = kernels.plan.kernel(which)
            text += f" {kernel.num_regs}+{kernel.local_size_bytes}"
        print(text, flush=True)


def main() -> None:
    """Check and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", action="store_true", help="compare layouts")
    parser.add_argument("--no-check", action="store_true", help="only measure")
    options = parser.parse_args()
    start = time.perf_counter()
    if not options.no_check:
        check()
    print(f"checks took {time.perf_counter() - start:.0f} s", flush=True)
    if options.tune:
        for B, n in ((16384, 1024), (8192, 2048), (4096, 4096), (2048, 8192), (1024, 16384), (512, 32768)):
            bench(B, n, "f", tune=True)
        return
    print("copy; product and gradient: us, part of the copy's rate; time of others over ours; registers")
    shapes = [(2**24 // n, n) for n in (64, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)]
    for B, n in [*shapes, (128, 1024), (1024, 1024), (256, 4096), (16384, 4096), (1, 1024)]:
        bench(B, n, "f")
    for n in (1024, 4096, 16384):
        bench(2**23 // n, n, "d")
    print(f"all took {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
