"""The compiled extension: it agrees with NumPy's transforms, or refuses its arguments, and never writes elsewhere."""

import array
import copy
import itertools
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest
from convolutions import Convolution
from hypothesis import given, settings
from hypothesis import strategies as st

from structmat import _kernels

if _kernels.loaded is None:
    pytest.skip(f"no compiled kernels: {_kernels.reason}", allow_module_level=True)
extension = _kernels.loaded

Array = np.ndarray[Any, Any]

REAL = {"f": "f", "d": "d", "F": "f", "D": "d"}
LENGTHS = [*range(1, 11), 12, 14, 15, 16, 18, 20, 21, 24, 25, 27, 30, 32, 35, 36, 40, 48, 49, 50, 60, 64, 75, 80, 81]
LENGTHS += [96, 98, 105, 120, 125, 128, 160, 210, 243, 256, 320, 343, 360, 480, 512, 640, 686, 720, 768, 784, 960, 1000]
LENGTHS += [1024, 1050, 1280, 1536, 2048, 2187, 2240, 3072, 3125, 4096, 5120, 6144, 6720, 7680, 8192, 16384, 32768]
SHORT = [n for n in LENGTHS if n <= 128]
KINDS = list(itertools.product(extension.isas(), "fdFD", (1, -1)))


def exists(n: int, char: str, root: int) -> bool:
    return root == 1 or char in "FD" or n % 2 == 0


def normal(rng: np.random.Generator, char: str, *shape: int) -> Array:
    parts = rng.standard_normal((2, *shape))
    return np.asarray(parts[0] + 1j * parts[1] if char in "FD" else parts[0]).astype(char)


class Case:
    """A plan with a column, x and g, all random."""

    def __init__(
        self,
        n: int,
        char: str,
        root: int = 1,
        isa: str = "",
        *,
        rows: int = 5,
        k: int | None = None,
        m: int | None = None,
        batched: bool = True,
        diagonals: bool = False,
        conjugate: bool = False,
    ) -> None:
        rng = np.random.default_rng(n)
        self.char, self.conjugate = char, conjugate
        self.plan = extension.Plan(n, char, root, batched, isa)
        self.column = normal(rng, char, n)
        self.x, self.g = normal(rng, char, rows, k or n), normal(rng, char, rows, m or n)
        self.before = normal(rng, char, k or n) if diagonals else None
        self.after = normal(rng, char, m or n) if diagonals else None
        self.oracle = Convolution(n, root, self.column)
        self.spectrum = self.scalars(self.plan.spectrum_size)
        self.plan.spectrum(self.column, self.spectrum)

    def scalars(self, size: int) -> Array:
        return np.full(size, np.nan, REAL[self.char])

    def tape(self) -> Array:
        return self.scalars(self.plan.tape_size(len(self.x)))

    def product(
        self, x: Array | None = None, y: Array | None = None, tape: Array | None = None, threads: int = 1
    ) -> Array:
        x = self.x if x is None else x
        y = np.full((len(x), self.g.shape[1]), np.nan, self.char) if y is None else y
        self.plan.product(x, self.spectrum, y, self.before, self.after, tape, self.conjugate, threads)
        return y

    def gradient(self, tape: Array | None = None, threads: int = 1) -> tuple[Array, Array]:
        dx, sums = np.full_like(self.x, np.nan), self.scalars(self.plan.spectrum_size)
        x = self.x if tape is None else None
        arguments = (self.g, self.spectrum, dx, sums, self.before, self.after, self.conjugate, threads)
        self.plan.gradient(tape, x, *arguments)
        return dx, sums

    def check(self) -> None:
        """Compare all results with the oracle's. Transforms err by less than eps (2 + log2 n) in norm, each."""
        n, eps = self.plan.n, np.finfo(REAL[self.char]).eps
        options = (
            1.0 if self.before is None else self.before,
            1.0 if self.after is None else self.after,
            self.conjugate,
        )
        gain = np.abs(self.oracle.spectrum).max() * np.abs(options[0]).max() * np.abs(options[1]).max()
        tolerance = 3 * eps * (2 + np.log2(n))
        norm_x, norm_g = (np.linalg.norm(v.astype("D"), axis=1) for v in (self.x, self.g))

        tape = self.tape()
        expected = self.oracle.product(self.x, self.g.shape[1], *options)
        for y in (self.product(), self.product(tape=tape)):
            assert np.all(np.linalg.norm(y - expected, axis=1) <= tolerance * gain * norm_x)

        expected_dx, transformed = self.oracle.gradient(self.x, self.g, *options)
        expected_column = self.oracle.inverse(transformed, n)
        for dx, sums in (self.gradient(), self.gradient(tape)):
            assert np.all(np.linalg.norm(dx - expected_dx, axis=1) <= tolerance * gain * norm_g)
            column = np.empty(n, self.char)
            self.plan.column(sums, column)
            bound = np.sqrt(n) * np.abs(options[0]).max() * np.abs(options[1]).max() * (norm_x @ norm_g)
            assert np.linalg.norm(column - expected_column) <= tolerance * bound


@pytest.mark.parametrize(("isa", "char", "root"), KINDS)
def test_every_length_agrees_with_numpy(isa: str, char: str, root: int) -> None:
    for n in LENGTHS:
        if exists(n, char, root):
            Case(n, char, root, isa, rows=3 if n > 4096 else 9).check()


@pytest.mark.parametrize(("isa", "char", "root"), KINDS)
def test_options_agree_with_numpy(isa: str, char: str, root: int) -> None:
    options = itertools.product((True, False), (True, False), (True, False), (1, 2, 3, 8, 19), (8, 30, 64, 512, 1024))
    for batched, diagonals, conjugate, rows, n in options:
        k, m = (n // 2 + 1, n) if rows % 2 else (n, max(n // 3, 1))
        choices = {"batched": batched, "diagonals": diagonals, "conjugate": conjugate}
        Case(n, char, root, isa, rows=rows, k=k, m=m, **choices).check()


@pytest.mark.parametrize("char", "fdFD")
def test_columns_are_padded_and_cropped(char: str) -> None:
    case = Case(60, char)
    short, spectrum = case.column[:23], case.scalars(case.plan.spectrum_size)
    case.plan.spectrum(short, spectrum)
    padded = np.concatenate([short, np.zeros(37, char)])
    case.plan.spectrum(padded, case.spectrum)
    assert np.array_equal(spectrum, case.spectrum)

    _, sums = case.gradient()
    whole, cropped = np.empty(60, char), np.empty(23, char)
    case.plan.column(sums, whole)
    case.plan.column(sums, cropped)
    assert np.array_equal(whole[:23], cropped)


def test_vectors_are_single_rows() -> None:
    case = Case(16, "d", rows=1)
    y = np.empty(16)
    case.plan.product(case.x[0], case.spectrum, y, None, None, None, False, 1)
    assert np.array_equal(y, case.product()[0])


def test_no_rows() -> None:
    case = Case(16, "f", rows=0)
    dx, sums = case.gradient()
    assert dx.shape == case.product().shape == (0, 16)
    assert not sums.any()


def test_results_may_be_left_out() -> None:
    case = Case(48, "f", rows=7, diagonals=True)
    dx, sums = case.gradient()
    for wants_dx, wants_sums in itertools.product((True, False), repeat=2):
        some_dx, some_sums = np.zeros_like(dx), np.zeros_like(sums)
        outputs = some_dx if wants_dx else None, some_sums if wants_sums else None
        x = case.x if wants_sums else None
        case.plan.gradient(None, x, case.g, case.spectrum, *outputs, case.before, case.after, False, 1)
        assert np.allclose(some_dx, dx if wants_dx else 0, rtol=1e-4, atol=1e-4)
        assert np.allclose(some_sums, sums if wants_sums else 0, rtol=1e-4, atol=1e-3)


# -- rows are independent


@pytest.mark.parametrize(("isa", "char", "root"), KINDS)
def test_no_row_touches_another(isa: str, char: str, root: int) -> None:
    for n, bad in itertools.product((8, 60, 512), (np.inf, np.nan, 1e30)):
        case = Case(n, char, root, isa, rows=19)
        expected, (expected_dx, _) = case.product(), case.gradient()
        good = np.arange(19) % 5 != 2
        case.x[~good], case.g[~good] = bad, bad
        assert np.array_equal(case.product()[good], expected[good])
        assert np.array_equal(case.gradient()[0][good], expected_dx[good])


@pytest.mark.parametrize(("isa", "char", "root"), KINDS)
def test_bits_depend_neither_on_threads_nor_on_the_division_of_a_batch(isa: str, char: str, root: int) -> None:
    for n, rows in ((8, 300), (60, 75), (512, 39), (2048, 9)):
        case = Case(n, char, root, isa, rows=rows)
        tape = case.tape()
        y, kept_y = case.product(), case.product(tape=tape)
        gradients = case.gradient(), case.gradient(tape)
        for threads in (2, 3, 100):
            other = case.tape()
            assert np.array_equal(case.product(threads=threads), y)
            assert np.array_equal(case.product(tape=other, threads=threads), kept_y)
            again = case.gradient(threads=threads), case.gradient(other, threads)
            for (some_dx, some_sums), (dx, sums) in zip(again, gradients, strict=True):
                assert np.array_equal(some_dx, dx)
                assert np.array_equal(some_sums, sums)
        for size in (2, 3, 7):
            cuts = np.arange(0, rows - 1, size)[1:]
            assert np.array_equal(np.concatenate([case.product(part) for part in np.split(case.x, cuts)]), y)


def test_sums_over_many_rows_are_accurate() -> None:
    case = Case(16, "f", rows=65_536)
    case.x, case.g = np.abs(case.x), np.abs(case.g)
    _, transformed = case.oracle.gradient(case.x, case.g, 1.0, 1.0, False)
    column = np.empty(16, "f")
    case.plan.column(case.gradient()[1], column)
    expected = case.oracle.inverse(transformed, 16)
    assert np.linalg.norm(column - expected) < 3e-7 * np.linalg.norm(expected)


def test_subnormal_numbers_are_kept() -> None:
    case = Case(16, "f", rows=4)
    case.column[:] = 0
    case.column[0] = 1
    case.plan.spectrum(case.column, case.spectrum)
    case.x[:] = 0
    case.x[:, 3] = 2.0**-140
    assert np.allclose(case.product(), case.x, rtol=0, atol=16 * 2.0**-149)  # the least float32


# -- memory: any rows that the interface allows, or a refusal


def strided(char: str, shape: tuple[int, int], stride: int, offset: int) -> tuple[Array, Array]:
    """Return rows `stride` entries apart in a larger array, and that array, whose other entries must not change."""
    rows, width = shape
    span = max(rows - 1, 0) * abs(stride) + width
    memory = normal(np.random.default_rng(0), char, offset + span + 3)
    start = offset + (max(rows - 1, 0) * -stride if stride < 0 else 0)
    size = memory.itemsize
    view = np.lib.stride_tricks.as_strided(memory[start:], shape, (stride * size, size))
    return view, memory


@settings(max_examples=200)
@given(data=st.data())
def test_strided_rows(data: st.DataObject) -> None:
    draw = data.draw
    n, char, root = draw(st.sampled_from(SHORT)), draw(st.sampled_from("fdFD")), draw(st.sampled_from((1, -1)))
    if not exists(n, char, root):
        n += 1 if n + 1 in SHORT else n
    rows, k, m = draw(st.integers(0, 20)), draw(st.integers(1, n)), draw(st.integers(1, n))
    case = Case(
        n, char, root, draw(st.sampled_from(extension.isas())),
        rows=rows, k=k, m=m, batched=draw(st.booleans()), diagonals=draw(st.booleans()), conjugate=draw(st.booleans()),
    )  # fmt: skip
    threads = draw(st.sampled_from((1, 2)))
    expected, (expected_dx, expected_sums) = case.product(), case.gradient()

    def output(width: int) -> tuple[Array, Array]:
        stride = (width + draw(st.integers(0, 9))) * draw(st.sampled_from((1, -1)))
        return strided(char, (rows, width), stride, draw(st.integers(0, 5)))

    x, _ = strided(char, (rows, k), draw(st.integers(-2 * k, 2 * k)), draw(st.integers(0, 5)))
    if rows < 2 or abs(x.strides[0]) >= k * x.itemsize:
        x[...] = case.x
    else:  # rows overlap, so they have other values
        case.x = x.copy()
        expected, (expected_dx, expected_sums) = case.product(), case.gradient()
    (y, y_memory), (dx, dx_memory) = output(m), output(k)
    before_y, before_dx = y_memory.copy(), dx_memory.copy()
    case.product(x, y, threads=threads)
    sums = case.scalars(case.plan.spectrum_size)
    arguments = (case.before, case.after, case.conjugate, threads)
    case.plan.gradient(None, x, case.g, case.spectrum, dx, sums, *arguments)
    assert np.array_equal(y, expected)
    assert np.array_equal(dx, expected_dx)
    assert np.array_equal(sums, expected_sums)
    y[...], dx[...] = 0, 0
    for view, memory, original in ((y, y_memory, before_y), (dx, dx_memory, before_dx)):
        assert np.shares_memory(view, memory) or view.size == 0
        elsewhere = memory != 0
        assert np.array_equal(memory[elsewhere], original[elsewhere])
        assert np.count_nonzero(~elsewhere) == view.size


@pytest.mark.parametrize("char", "fdFD")
def test_x_may_become_y(char: str) -> None:
    for n, rows in ((16, 9), (60, 1), (512, 5)):
        case = Case(n, char, rows=rows)
        expected, x = case.product(), case.x.copy()
        assert np.array_equal(case.product(x, x), expected)


def test_columns_of_one_matrix_are_apart() -> None:
    case = Case(16, "f", rows=6)
    both = np.concatenate([case.x, case.x], axis=1)
    case.product(both[:, :16], both[:, 16:])
    assert np.array_equal(both[:, :16], case.x)
    assert np.array_equal(both[:, 16:], case.product())


def test_any_buffer_is_an_array() -> None:
    case = Case(16, "d", rows=1)
    y = array.array("d", [0.0] * 16)
    case.plan.product(array.array("d", case.x[0]), memoryview(case.spectrum), y, None, None, None, False, 1)
    assert np.array_equal(y, case.product()[0])


NAMES = ("x", "spectrum", "y", "before", "after", "tape", "conjugate", "threads")
GRADIENT = ("tape", "x", "g", "spectrum", "dx", "sums", "before", "after", "conjugate", "threads")
OUTPUTS = {"y", "dx", "sums"}


def unaligned(a: Array) -> Array:
    return np.frombuffer(bytearray(a.nbytes + 1), np.uint8)[1:].view(a.dtype).reshape(a.shape)


def read_only(a: Array) -> Array:
    b = a.copy()
    b.flags.writeable = False
    return b


def misplaced(a: Array) -> Array:
    """The same shape with gaps between the entries of a row."""
    return np.repeat(a, 2, axis=-1)[..., ::2]


WRONG = {
    "another precision": lambda a: a.astype({"f": "d", "d": "f", "F": "D", "D": "F"}[a.dtype.char]),
    "another byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "integers": lambda a: np.zeros(a.shape, np.int32),
    "real or complex": lambda a: a.astype({"f": "F", "d": "D", "F": "f", "D": "d"}[a.dtype.char]),
    "three dimensions": lambda a: a.reshape(1, 1, -1),
    "no dimension": lambda a: a.reshape(-1)[0].reshape(()),
    "gaps": misplaced,
    "too long": lambda a: np.concatenate([a, a], axis=-1),
    "empty": lambda a: a[..., :0],
    "unaligned": unaligned,
    "a list": lambda a: a.tolist(),
    "a number": lambda a: 1.0,
    "text": lambda a: "x",
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("char", "fD")
@pytest.mark.filterwarnings("ignore:Casting complex values")
def test_wrong_arrays_are_refused_by_name(wrong: str, char: str) -> None:
    case = Case(12, char, rows=3, diagonals=True)
    for method, names, tape in (("product", NAMES, case.tape()), ("gradient", GRADIENT, None)):
        arguments: dict[str, Any] = {
            "x": case.x, "spectrum": case.spectrum, "y": np.ones_like(case.g), "tape": tape,
            "before": case.before, "after": case.after, "g": case.g,
            "dx": np.ones_like(case.x), "sums": np.ones_like(case.spectrum), "conjugate": False, "threads": 1,
        }  # fmt: skip
        for name in names[:-2]:
            if arguments[name] is None or (name, wrong) == ("tape", "too long"):
                continue
            given = {**arguments, name: WRONG[wrong](arguments[name])}
            with pytest.raises((TypeError, ValueError), match=rf"^{method}: .*\b{name}\b"):
                getattr(case.plan, method)(*(given[each] for each in names))
            for output in OUTPUTS - {name}:
                assert np.all(arguments[output] == 1)


class Contradictions:
    """Arguments of a plan for n = 12, three rows, each good by itself."""

    case = Case(12, "f", rows=3, diagonals=True)
    x, h, y, tape = case.x, case.spectrum, np.zeros((3, 12), "f"), case.tape()
    sums, memory = np.zeros_like(h), np.zeros(1000, "f")
    some, shifted = memory[:36].reshape(3, 12), memory[5:41].reshape(3, 12)
    crowded = np.lib.stride_tricks.as_strided(y, (3, 12), (4, 4))
    narrow, wide = np.zeros((3, 6), "f"), np.zeros((3, 13), "f")
    none = None, None, None, False, 1
    plain = None, None, False, 1

    product: ClassVar = {
        "product: y is read-only": (x, h, read_only(y), *none),
        "product: rows of y overlap: they are 4 bytes apart, expected at least 48": (x, h, crowded, *none),
        "product: y has 2 rows, expected 3, as x": (x, h, y[:2], *none),
        "product: y has 13 entries along its last axis, expected 1 to 12": (x, h, wide, *none),
        "product: y shares memory with spectrum": (x[:1], memory[: len(h)], memory[:12], *none),
        "product: y shares memory with x": (some, h, shifted, *none),
        "product: y shares memory with before": (x, h, y, y[1], None, None, False, 1),
        "product: y shares memory with tape": (x, h, some, None, None, memory, False, 1),
        "product: tape shares memory with x": (some, h, y, None, None, memory, False, 1),
        "product: tape has 5 entries, expected at least": (x, h, y, None, None, tape[:5], False, 1),
        "product: x must be an array, got None": (None, h, y, *none),
        "product: threads is 0, expected at least 1": (x, h, y, None, None, None, False, 0),
        "product: threads must be an integer, got '2'": (x, h, y, None, None, None, False, "2"),
        "product takes 8 arguments by position, got 3": (x, h, y),
    }
    gradient: ClassVar = {
        "gradient: sums need either tape or x, got both": (tape, x, y, h, None, sums, *plain),
        "gradient: sums need either tape or x, got neither": (None, None, y, h, None, sums, *plain),
        "gradient: dx shares memory with g": (None, None, y, h, y, None, *plain),
        "gradient: dx shares memory with sums": (None, x[:1], y[:1], h, memory[:12], memory[: len(h)], *plain),
        "gradient: dx has 6 entries along its last axis, expected 12, as x": (None, x, y, h, narrow, sums, *plain),
        "gradient: before has 6 entries": (tape, None, y, h, np.zeros_like(y), sums, x[0, :6], None, False, 1),
        "gradient: g must be an array, got None": (tape, None, None, h, None, sums, *plain),
    }


@pytest.mark.parametrize("method", ["product", "gradient"])
def test_arguments_that_contradict_each_other_are_refused(method: str) -> None:
    call = getattr(Contradictions.case.plan, method)
    for message, arguments in getattr(Contradictions, method).items():
        with pytest.raises((TypeError, ValueError), match=message):
            call(*arguments)
    assert not Contradictions.memory.any()
    assert not Contradictions.y.any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "f"), "n is 0, expected a positive integer"),
        ((-4, "f"), "n is -4"),
        ((11, "f"), "n is 11, expected a positive integer without prime factors over 7"),
        ((2 * 1009, "D", -1), "n is 2018"),
        ((15, "f", -1), "n is 15, expected an even positive integer"),
        ((16, "g"), "char is 'g', expected 'f', 'd', 'F' or 'D'"),
        ((16, "f", 2), "root is 2, expected 1 or -1"),
        ((16, "f", 1, True, "sse9"), "isa is 'sse9', expected one of this processor's: "),
    ],
)
def test_plans_that_do_not_exist(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extension.Plan(*arguments)


def test_a_plan_shows_what_it_is() -> None:
    for isa, batched in itertools.product(extension.isas(), (True, False)):
        plan = extension.Plan(64, "F", -1, batched, isa)
        assert (plan.n, plan.char, plan.root, plan.isa) == (64, "F", -1, isa)
        assert plan.layout in ("along", "lanes")
        assert plan.nbytes > 0
        assert plan.tape_size(0) == plan.tape_size(1) <= plan.tape_size(10)
    assert plan.spectrum_size >= 128
    with pytest.raises(AttributeError):
        plan.n = 3
    with pytest.raises(MemoryError):
        plan.tape_size(sys.maxsize)
    with pytest.raises(ValueError, match="batch is -1"):
        plan.tape_size(-1)


def test_plans_are_neither_pickled_nor_copied() -> None:
    """They belong to a processor; what holds one makes it again."""
    plan = extension.Plan(8, "d")
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot pickle"):
            way(plan)


# -- threads, processes and signals


def test_python_threads_share_the_pool() -> None:
    case = Case(256, "f", rows=200)
    y, (dx, sums) = case.product(), case.gradient()

    def agree(threads: int) -> bool:
        some_dx, some_sums = case.gradient(threads=threads)
        same_y = np.array_equal(case.product(threads=threads), y)
        return same_y and np.array_equal(some_dx, dx) and np.array_equal(some_sums, sums)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(agree, [1, 2, 3, 4] * 20))


def run(code: str) -> str:
    call = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code)]
    return subprocess.run(call, check=True, capture_output=True, text=True, timeout=60).stdout


PREPARED = """
    import os, sys, threading
    import numpy as np
    from structmat._kernels import extension
    plan = extension.Plan(256, "f")
    h, x = np.zeros(plan.spectrum_size, "f"), np.ones((500, 256), "f")
    plan.spectrum(np.eye(1, 256, dtype="f")[0], h)

    def product():
        y = np.zeros_like(x)
        plan.product(x, h, y, None, None, None, False, 4)
        return np.allclose(y, 1, atol=1e-5)
"""


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="needs fork")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="GCC's sanitizer may deadlock after a fork")
def test_a_child_of_fork_has_threads_of_its_own() -> None:
    out = run(
        PREPARED
        + """
    product()
    busy = threading.Thread(target=lambda: [product() for _ in range(200)])
    busy.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            os._exit(0 if product() and product() else 1)
        assert os.waitpid(child, 0)[1] == 0
    busy.join()
    print(product())
    """
    )
    assert out == "True\n"


def test_the_process_ends_while_products_run() -> None:
    """Threads of the pool do not keep the interpreter from ending, nor do those that Python leaves behind."""
    out = run(
        PREPARED
        + """
    for _ in range(3):
        threading.Thread(target=lambda: [product() for _ in range(10**9)], daemon=True).start()
    print(product())
    """
    )
    assert out == "True\n"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_a_long_product_answers_signals() -> None:
    n, rows = 2**20, 40  # three pieces
    plan = extension.Plan(n, "f")
    h = np.zeros(plan.spectrum_size, "f")
    x, y = np.broadcast_to(np.zeros(n, "f"), (rows, n)), np.full((rows, n), np.nan, "f")
    done = np.zeros(rows, bool)

    def interrupt(*_: object) -> None:
        raise InterruptedError

    def interrupted_product() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        plan.product(x, h, y, None, None, None, False, 1)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        while not done.any():  # on a busy machine the signal may come before the product
            with pytest.raises(InterruptedError):
                interrupted_product()
            done = ~np.isnan(y[:, 0])
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0 < done.sum() < rows
    assert done[: done.sum()].all()


def test_memory_that_cannot_be_had() -> None:
    if "asan" in os.environ.get("LD_PRELOAD", "") or sys.platform != "linux":
        pytest.skip("memory can't be limited")
    out = run("""
    import resource
    from pathlib import Path
    from structmat._kernels import extension
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 2**26
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        extension.Plan(2**24, "d")
    except MemoryError:
        print("MemoryError")
    """)
    assert out == "MemoryError\n"


def test_interpreters_share_nothing() -> None:
    interpreters = pytest.importorskip("concurrent.interpreters", reason="needs Python 3.14")
    code = "from structmat._kernels import extension; assert extension.Plan(8, 'f').n == 8"
    interpreter = interpreters.create()
    try:
        interpreter.exec(code)
    finally:
        interpreter.close()
