"""Old names while importers move."""

from structmat._backend import banded
from structmat._backend.devices import from_host as from_host
from structmat._backend.devices import move as move
from structmat._backend.devices import of as device
from structmat._backend.devices import to_host as to_host
from structmat._backend.dtypes import as_dtype as as_dtype
from structmat._backend.dtypes import as_scalar as as_number
from structmat._backend.dtypes import astype as astype
from structmat._backend.dtypes import cast_hint as conversion
from structmat._backend.dtypes import complex_dtype as complex_dtype
from structmat._backend.dtypes import compute_dtype as compute_dtype
from structmat._backend.dtypes import double_dtype as widest_dtype
from structmat._backend.dtypes import extended_dtype as widest
from structmat._backend.dtypes import is_complex as is_complex
from structmat._backend.dtypes import is_complex_number as is_complex_number
from structmat._backend.dtypes import is_integer as is_integer
from structmat._backend.dtypes import kind as kind
from structmat._backend.dtypes import name as dtype_name
from structmat._backend.dtypes import native_dtype as native_dtype
from structmat._backend.dtypes import real_dtype as real_dtype
from structmat._backend.dtypes import result_dtype as result_dtype
from structmat._backend.dtypes import scalar_arithmetic as scalars
from structmat._backend.dtypes import sum_dtype as sum_dtype
from structmat._backend.fft import apply_spectrum as apply_spectrum
from structmat._backend.fft import convolution_length as convolution_length
from structmat._backend.fft import convolve as convolve
from structmat._backend.fft import dft as dft
from structmat._backend.fft import dftn as dftn
from structmat._backend.fft import embedding_spectrum as embedding_spectrum
from structmat._backend.fft import fast_length as fast_length
from structmat._backend.fft import fold_aliased as fold_aliased
from structmat._backend.fft import idft as idft
from structmat._backend.fft import idftn as idftn
from structmat._backend.fft import provider_name as provider_name
from structmat._backend.hadamard import fwht as walsh
from structmat._backend.hadamard import signed_sums as signed_sums
from structmat._backend.linear_algebra import DenseFactors as DenseFactors
from structmat._backend.linear_algebra import LinAlgError as LinAlgError
from structmat._backend.linear_algebra import eigvals as general_eigenvalues
from structmat._backend.linear_algebra import function_of_spectrum as function_of_spectrum
from structmat._backend.linear_algebra import has_levinson as has_levinson
from structmat._backend.linear_algebra import levinson as levinson
from structmat._backend.linear_algebra import on_real_axis as on_real_axis
from structmat._backend.linear_algebra import pseudoinverse as pseudoinverse
from structmat._backend.linear_algebra import reciprocal as reciprocal
from structmat._backend.linear_algebra import solve_triangular as substituted
from structmat._backend.linear_algebra import toeplitz_matrix as toeplitz_matrix
from structmat._backend.memory import CHUNK_BYTES as BLOCK
from structmat._backend.memory import contiguous as packed
from structmat._backend.memory import copy as copied
from structmat._backend.memory import from_memmap as unmapped
from structmat._backend.memory import is_large as is_large
from structmat._backend.memory import is_writable as is_writable
from structmat._backend.memory import layout as layout
from structmat._backend.memory import native as native
from structmat._backend.memory import nbytes as nbytes
from structmat._backend.memory import overlap as overlap
from structmat._backend.memory import read_only as read_only
from structmat._backend.memory import self_overlaps as repeats
from structmat._backend.memory import takes_writes as takes_writes
from structmat._backend.namespaces import LIBRARIES as LIBRARIES
from structmat._backend.namespaces import is_array as is_array
from structmat._backend.namespaces import name as namespace_name
from structmat._backend.namespaces import of as namespace
from structmat._backend.namespaces import resolve as as_namespace
from structmat._backend.ops import batch_sum as batch_sum
from structmat._backend.ops import complex_as_real as complex_as_real
from structmat._backend.ops import conj as conj
from structmat._backend.ops import flatten_batch as rows
from structmat._backend.ops import full_precision as full_precision
from structmat._backend.ops import index_add as add_at
from structmat._backend.ops import matmul as matmul
from structmat._backend.ops import outer_sum as outer_sum
from structmat._backend.ops import pack_bits as pack_bits
from structmat._backend.ops import pad as pad
from structmat._backend.ops import popcount as popcount
from structmat._backend.ops import real_as_complex as real_as_complex
from structmat._backend.ops import reversed_mod_n as reversed_mod_n
from structmat._backend.ops import smallest_k as least
from structmat._backend.ops import sorted_moduli as descending
from structmat._backend.packages import how_to_install as how_to_install
from structmat._backend.packages import import_optional as optional
from structmat._backend.providers import set_fft_provider as set_fft_provider
from structmat._backend.random import generator as generator
from structmat._backend.random import normal as random_normal
from structmat._backend.random import permutation as random_permutation
from structmat._backend.random import signs as random_signs
from structmat._backend.solvers import METHODS as METHODS
from structmat._backend.solvers import has_krylov as has_krylov
from structmat._backend.solvers import krylov as krylov
from structmat._backend.solvers import linear_assignment as assignment
from structmat._backend.solvers import lsmr as lsmr
from structmat._backend.sparse import csr as compressed
from structmat._backend.sparse import matmul as sparse_product
from structmat._backend.storage import DTYPES as STORED
from structmat._backend.storage import decode as from_stored
from structmat._backend.storage import encode as to_stored
from structmat._backend.threads import Restore as Restore
from structmat._backend.threads import set_threads as set_threads
from structmat._backend.threads import starmap as side_by_side
from structmat._backend.tracing import UntraceableError as UntraceableError
from structmat._backend.tracing import is_traced as is_traced
from structmat._backend.tracing import may_keep as may_keep
from structmat._backend.tracing import static_shape as shape
from structmat._backend.tracing import stop_gradient as fixed
from structmat._backend.trigonometric import TRANSPOSED as TRANSPOSED
from structmat._backend.trigonometric import root_powers as root_powers
from structmat._backend.trigonometric import scipy_transform as scipy_transform
from structmat._backend.trigonometric import singular_values as singular_values
from structmat._backend.trigonometric import suits_scipy as suits_scipy
from structmat._backend.trigonometric import sums as trigonometric_sums
from structmat._backend.trigonometric import unit_root as unit_root
from structmat._backend.trigonometric import weights as trigonometric_weights
from structmat._backend.types import RNG as RNG
from structmat._backend.types import Array as Array
from structmat._backend.types import Device as Device
from structmat._backend.types import DType as DType
from structmat._backend.types import HostArray as HostArray
from structmat._backend.types import Namespace as Namespace

__all__ = [
    "BLOCK",
    "LIBRARIES",
    "METHODS",
    "RNG",
    "STORED",
    "TRANSPOSED",
    "Array",
    "DType",
    "DenseFactors",
    "Device",
    "HostArray",
    "LinAlgError",
    "Namespace",
    "Restore",
    "UntraceableError",
    "add_at",
    "apply_spectrum",
    "as_dtype",
    "as_namespace",
    "as_number",
    "assignment",
    "astype",
    "banded",
    "batch_sum",
    "complex_as_real",
    "complex_dtype",
    "compressed",
    "compute_dtype",
    "conj",
    "conversion",
    "convolution_length",
    "convolve",
    "copied",
    "descending",
    "device",
    "dft",
    "dftn",
    "dtype_name",
    "embedding_spectrum",
    "fast_length",
    "fixed",
    "fold_aliased",
    "from_host",
    "from_stored",
    "full_precision",
    "function_of_spectrum",
    "general_eigenvalues",
    "generator",
    "has_krylov",
    "has_levinson",
    "how_to_install",
    "idft",
    "idftn",
    "is_array",
    "is_complex",
    "is_complex_number",
    "is_integer",
    "is_large",
    "is_traced",
    "is_writable",
    "kind",
    "krylov",
    "layout",
    "least",
    "levinson",
    "lsmr",
    "matmul",
    "may_keep",
    "move",
    "namespace",
    "namespace_name",
    "native",
    "native_dtype",
    "nbytes",
    "on_real_axis",
    "optional",
    "outer_sum",
    "overlap",
    "pack_bits",
    "packed",
    "pad",
    "popcount",
    "provider_name",
    "pseudoinverse",
    "random_normal",
    "random_permutation",
    "random_signs",
    "read_only",
    "real_as_complex",
    "real_dtype",
    "reciprocal",
    "repeats",
    "result_dtype",
    "reversed_mod_n",
    "root_powers",
    "rows",
    "scalars",
    "scipy_transform",
    "set_fft_provider",
    "set_threads",
    "shape",
    "side_by_side",
    "signed_sums",
    "singular_values",
    "sparse_product",
    "substituted",
    "suits_scipy",
    "sum_dtype",
    "takes_writes",
    "to_host",
    "to_stored",
    "toeplitz_matrix",
    "trigonometric_sums",
    "trigonometric_weights",
    "unit_root",
    "unmapped",
    "walsh",
    "widest",
    "widest_dtype",
]
