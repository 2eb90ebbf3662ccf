"""Seeded mistakes, each of which the tests must notice: else they would pass on wrong mathematics.

Those of the circulant are planted by `make test`, all others by `make test-mutants`.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
CONTRACT = "tests/operators/test_contract.py", "-k", "numpy and Circulant and not BlockCirculant"


class Mutant(NamedTuple):
    """A mistake in a file of the package, and the tests that must fail on it."""

    file: str
    right: str  # stands there once
    wrong: str  # stands in its place in the mutant
    tests: tuple[str, ...] = CONTRACT  # arguments of pytest


MUTANTS = {
    "FFT sign": Mutant(
        "_backend/fft.py",
        'return _transform(xp, "rfft" if real else "fft", x, n)',
        'return xp.conj(_transform(xp, "rfft" if real else "fft", x, n))',
    ),
    "missing conjugate in the adjoint": Mutant(
        "operators/circulant.py",
        "return self._filtered(xp, G, ops.conj(xp, self._kernel), temporary=temporary)",
        "return self._filtered(xp, G, self._kernel, temporary=temporary)",
    ),
    "missing conjugate in the gradient": Mutant(
        "operators/circulant.py",
        "batch_sum(xp, xp.conj(X) * G)",
        "batch_sum(xp, X * G)",
    ),
    "wrong 1/n": Mutant(
        "operators/circulant.py",
        "return fft.apply_spectrum(xp, X, kernel, length, real=real, temporary=temporary)",
        "return 1.001 * fft.apply_spectrum(xp, X, kernel, length, real=real, temporary=temporary)",
    ),
    "batch not summed": Mutant(
        "operators/circulant.py",
        "batch_sum(xp, xp.conj(X) * G)",
        "xp.conj(X) * G",
    ),
}

#: Each with the tests that are held against it, by name.
OTHERS: dict[str, Mutant] = {
    "scale of a transform with the norm backward": Mutant(
        "rewrite/spectral.py",
        'powers = {None: 0.0, "backward": 0.0,',
        'powers = {None: 0.0, "backward": 1.0,',
        ("tests/core/test_simplify.py::test_scales_of_transforms_there_and_back",),
    ),
    "what stands between transforms thaws": Mutant(
        "rewrite/spectral.py",
        "return made._replace(_frozen=middle._frozen)",
        "return made",
        ("tests/core/test_simplify.py::test_what_stands_between_transforms_stays_frozen",),
    ),
    "a transposed f-circulant keeps its factor": Mutant(
        "operators/f_circulant.py",
        '"f": inverse}',
        '"f": self.f}',
        ("tests/core/test_simplify.py::test_rules[twisted-adjoint]",),
    ),
    "another matrix inherits facts": Mutant(
        "core/leaf.py",
        'if "_entry" in vars(cls) and',
        "if False and",
        ("tests/extending/test_extending.py::test_a_subclass_of_another_matrix_declares_its_own_facts",),
    ),
    "a complex multiple of zero becomes real": Mutant(
        "rewrite/composites.py",
        "return None if dtypes.is_complex_number(A.scalar) else A.of",
        "return A.of",
        ("tests/core/test_simplify.py::test_a_complex_zero_is_no_real_one",),
    ),
    "threads side by side start threads": Mutant(
        "_backend/threads.py",
        "    _here.threads = 1",
        "    pass",
        ("tests/core/test_transforms.py::test_pieces_side_by_side_are_transformed_alone",),
    ),
    "a trace is kept": Mutant(
        "core/fields.py",
        "        if tracing.may_keep(value, operator._arrays):\n",
        "        if True:\n",
        ("tests/core/test_cached_values.py::test_nothing_is_kept_of_a_trace_or_a_graph",),
    ),
    "what is kept is returned to a graph": Mutant(
        "core/fields.py",
        "if type(value) is HostArray or tracing.may_keep(value, operator._arrays):",
        "if True:",
        ("tests/core/test_batches.py::test_what_is_kept_cuts_no_graph",),
    ),
    "infinity norm as a maximum over blocks": Mutant(
        "linalg/spectra.py",
        "return xp.max(sum(xp.sum(xp.abs(block), axis=1) for _, block in A._column_blocks()))",
        "return max(xp.max(xp.sum(xp.abs(block), axis=1)) for _, block in A._column_blocks())",
        ("tests/linalg/test_linalg.py::test_norms_over_several_blocks_of_columns",),
    ),
    "threshold of singularity without n": Mutant(
        "core/bilinear.py",
        "if not least > self.n * eps * most:",
        "if not least > eps * most:",
        ("tests/linalg/test_linalg.py::test_singular_is_relative_to_size_and_precision",),
    ),
    "Woodbury without refinement": Mutant(
        "linalg/systems.py",
        "    x = x + updated(dtypes.astype(xp, solve_vectors(xp, rest, B - A._apply(xp, x), how), dtype))\n",
        "",
        ("tests/linalg/test_systems.py::test_large_updates_that_one_step_of_refinement_solves",),
    ),
    "conjugate gradients do not give way": Mutant(
        "linalg/iterative.py",
        '            how = how._replace(method="gmres")\n            continue\n',
        "            break\n",
        ("tests/linalg/test_systems.py::test_conjugate_gradients_give_way",),
    ),
    "inverses of files are not checked": Mutant(
        "io/reading.py",
        "            check_inverse(made)",
        "            pass",
        ("tests/core/test_io.py::test_inverses_of_singular_leaves_are_refused",),
    ),
    "views go to transforms as they are": Mutant(
        "_backend/fft.py",
        "memory.native(x.copy() if 0 in x.strides else x)",
        "memory.native(x)",
        ("tests/core/test_views.py::test_backends_of_scipy_are_given_plain_arrays",),
    ),
    "kept spectra are transformed in place": Mutant(
        "_backend/fft.py",
        "    if temporary:\n",
        "    if overwriting:\n",
        ("tests/core/test_cached_values.py::test_inverse_transforms_leave_what_is_kept",),
    ),
    "inputs that are prepared anew stay in single precision": Mutant(
        "core/gradients.py",
        "self._residuals(xp, self._widened(xp, kept, dtype))",
        "self._residuals(xp, kept)",
        ("tests/core/test_dtypes.py::test_gradients_past_parts_without_parameters",),
    ),
    "arrays of objects pass": Mutant(
        "_backend/dtypes.py",
        "        return None\n    if xp is not numpy_namespace:",
        "        return np.dtype(object)\n    if xp is not numpy_namespace:",
        ("tests/core/test_dtypes.py::test_no_dtype_passes_for_that_of_an_operator_without_one",),
    ),
    "parts keep their own precision in a dense matrix": Mutant(
        "core/entries.py",
        "return self._map(lambda leaf: leaf._in_precision(xp, dtype))",
        "return self._map(lambda leaf: leaf)",
        ("tests/core/test_to_dense.py::test_parts_of_lower_precision_are_widened_first",),
    ),
    "band systems without refinement": Mutant(
        "_backend/banded.py",
        "for _ in range(2):",
        "for _ in range(0):",
        ("tests/core/test_precision.py",),
    ),
    "entries of padded rows": Mutant(
        "core/product.py",
        "return xp.where((i < 0) | (j < 0), 0, entries)",
        "return entries",
        ("tests/core/test_to_dense.py::test_matrices_are_exact",),
    ),
    "factors that overflow together": Mutant(
        "core/product.py",
        "entries = xp.where((size >= info.smallest_normal) & (size <= info.max), entries * both, apart)",
        "entries = entries * both",
        ("tests/core/test_to_dense.py::test_factors_that_overflow_together_are_taken_one_by_one",),
    ),
    "row entries of a conjugate": Mutant(
        "core/bilinear.py",
        "return _conjugate_value(xp, self.of._row_entry(xp, j))",
        "return self.of._row_entry(xp, j)",
        ("tests/core/test_to_dense.py::test_matrices_are_exact",),
    ),
    "eigenvectors of a conjugate": Mutant(
        "core/bilinear.py",
        "return None if vectors is None else vectors.conj()",
        "return vectors",
        ("tests/linalg/test_spectra.py",),
    ),
    "eigenvalues of a Kronecker product in another order": Mutant(
        "core/blocks.py",
        "first[:, None] * second[None, :]",
        "first[None, :] * second[:, None]",
        ("tests/linalg/test_spectra.py",),
    ),
    "solve_vjp with the system itself": Mutant(
        "linalg/systems.py",
        "h = solve_vectors(xp, A.H, ",
        "h = solve_vectors(xp, A, ",
        ("tests/linalg/test_linalg.py::test_gradients_are_in_the_order_of_the_parameters",),
    ),
    "columns of a conjugate Toeplitz matrix": Mutant(
        "operators/toeplitz.py",
        "xp.flip(ops.conj(xp, solve(self, ops.conj(xp, xp.flip(g, axis=-1)))), axis=-1)",
        "xp.flip(solve(self, xp.flip(g, axis=-1)), axis=-1)",
        ("tests/linalg/test_toeplitz_systems.py::test_all_sides_share_what_is_kept",),
    ),
    "digits at the edge of their range": Mutant(
        "nn/torch/digits.py",
        " + 4 for place in range(count)",
        " for place in range(count)",
        ("tests/nn/test_torch_layers.py::test_averages_of_buffers_leave_integers_alone",),
    ),
    "views of a weight may be written": Mutant(
        "nn/torch/derived.py",
        "return derive(value, tensor.origin)",
        "return value",
        ("tests/nn/test_torch_layers.py::test_lost_changes_of_the_weight_are_refused",),
    ),
    "equal layers have keys of their own": Mutant(
        "interop/torch_structures.py",
        "key = describe(operator)",
        "key = uuid.uuid4().hex",
        ("tests/nn/test_torch_layers.py::test_equal_blocks_share_their_graphs",),
    ),
    "traces are written to in place": Mutant(
        "_backend/libraries/torch.py",
        "torch.compiler.is_compiling() or torch.jit.is_tracing() or (x.requires_grad",
        "torch.compiler.is_compiling() or (x.requires_grad",
        ("tests/nn/test_torch_layers.py::test_trace",),
    ),
    "rows of the other adapters": Mutant(
        "nn/peft/layer.py",
        "enumerate(adapter_names) if each == name",
        "enumerate(adapter_names) if each != name",
        ("tests/nn/test_peft.py::test_adapters_by_row",),
    ),
    "beams in another order": Mutant(
        "nn/peft/model.py",
        "repeated = [name for name in names for _ in range(beams)]",
        "repeated = [name for _ in range(beams) for name in names]",
        ("tests/nn/test_peft.py::test_generation_with_adapters_by_row",),
    ),
    "a merged layer with parameters of its own": Mutant(
        "nn/peft/layer.py",
        "_share(base, merged)",
        "merged.bias = base.bias",
        ("tests/nn/test_peft.py::test_merging_into_structured_layers",),
    ),
    "systems of one scale": Mutant(
        "projections/least_squares.py",
        "scale = xp.where(dead, xp.ones_like(lengths), lengths)",
        "scale = xp.ones_like(lengths)",
        ("tests/learn/test_ridge.py::test_stacks_of_systems_in_single_precision_alone",),
    ),
    "sums in single precision": Mutant(
        "projections/fit.py",
        "wide = xp.result_type(dtypes.sum_dtype(X_), dtypes.sum_dtype(Y_))",
        "wide = xp.result_type(X_.dtype, Y_.dtype)",
        ("tests/projections/test_fitting.py::test_permutation_of_columns_with_a_large_mean",),
    ),
    "weights of samples without a root": Mutant(
        "learn/ridge.py",
        "xp.sqrt(dtypes.astype(xp, weights, dtypes.sum_dtype(weights)))",
        "astype(xp, weights, dtypes.sum_dtype(weights))",
        ("tests/learn/test_ridge.py::test_ridge_with_weights_is_that_of_repeated_samples",),
    ),
    "a variance about zero": Mutant(
        "sklearn/features.py",
        "((x / 2 - low) / span - mean) ** 2",
        "((x / 2 - low) / span) ** 2",
        ("tests/learn/test_sklearn.py::test_scale_is_that_of_exact_arithmetic",),
    ),
    "a group gains rights": Mutant(
        "_files.py",
        "mode &= 0o1707 | (mode & 0o7) << 3",
        "mode &= 0o1777",
        ("tests/core/test_io.py::test_owners_are_kept_or_nobody_gains",),
    ),
    "writers do not wait": Mutant(
        "_files.py",
        "fcntl.flock(descriptor, fcntl.LOCK_EX)",
        "pass",
        ("tests/core/test_io.py::test_many_save_to_one_file_at_once",),
    ),
    "the tolerance of CuPy 14": Mutant(
        "_backend/solvers.py",
        '{"rtol" if "rtol" in inspect.signature(solver).parameters else "tol": rtol}',
        '{"rtol" if on_host else "tol": rtol}',
        ("tests/interop/test_cupyx.py::test_the_tolerance_has_the_name_that_a_solver_gives_it",),
    ),
    "sizes of a trace are divided": Mutant(
        "operators/trigonometric.py",
        "self._weighted(xp, x, before), self.n, transform",
        "self._weighted(xp, x, before), x.shape[-1], transform",
        ("tests/interop/test_torch_and_jax.py::test_torch_traces_keep_double_precision",),
    ),
    "nodes are made before they are needed": Mutant(
        "io/reading.py",
        "            if place in needed:",
        "            if True:",
        ("tests/core/test_io.py::test_many_nodes_are_refused_before_any_is_made",),
    ),
}


def passes(package: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests with another copy of the package; those of the circulant load no framework, as it takes seconds."""
    return subprocess.run(
        [*(sys.executable, "-m", "pytest", *tests), *("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist")],
        check=False,
        capture_output=True,
        text=True,
        cwd=package.parent,
        env={**os.environ, "PYTHONPATH": str(package.parent), "PYTHONDONTWRITEBYTECODE": "1", "STRUCTMAT_KERNELS": "0"}
        | ({"STRUCTMAT_TEST_WITHOUT": "torch jax pylops"} if tests == CONTRACT else {}),
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package with its tests, in a folder of its own."""
    for folder in ("structmat", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path / "structmat"


def kill(copy: Path, mutant: Mutant) -> None:
    """Plant a mistake, and assert that its tests fail."""
    source = (copy / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.right) == 1
    (copy / mutant.file).write_text(source.replace(mutant.right, mutant.wrong), encoding="utf-8")
    run = passes(copy, *mutant.tests)
    assert run.returncode == 1, run.stdout  # 1 is pytest's "tests failed"; not an error of its own


def test_the_copy_itself_passes(copy: Path) -> None:
    run = passes(copy, *CONTRACT)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_of_the_circulant_are_killed(copy: Path, name: str) -> None:
    kill(copy, MUTANTS[name])


@pytest.mark.mutants
def test_the_copy_itself_passes_all_tests(copy: Path) -> None:
    run = passes(copy, *dict.fromkeys(test for mutant in OTHERS.values() for test in mutant.tests))
    assert run.returncode == 0, run.stdout


@pytest.mark.mutants
@pytest.mark.parametrize("name", OTHERS)
def test_mutants_are_killed(copy: Path, name: str) -> None:
    kill(copy, OTHERS[name])
