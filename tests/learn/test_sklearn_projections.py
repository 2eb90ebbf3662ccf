"""Scikit-learn's own tests of random projections, on `CirculantProjection` in the place of its own classes.

Left out are those of its matrices and of the bound of Johnson and Lindenstrauss, which call no estimator, and the one
of sparse output, which a projection to dense vectors has none of.
"""

import pytest
from sklearn.exceptions import DataDimensionalityWarning

from structmat.sklearn import CirculantProjection

theirs = pytest.importorskip(
    "sklearn.tests.test_random_projection", reason="this build of scikit-learn comes without its tests"
)
theirs.all_RandomProjection[:] = theirs.all_DenseRandomProjection[:] = [CirculantProjection]
theirs.all_SparseRandomProjection[:] = []

pytestmark = pytest.mark.filterwarnings(f"ignore::{DataDimensionalityWarning.__module__}.DataDimensionalityWarning")


@pytest.fixture
def global_random_seed() -> int:
    """The seed that scikit-learn's configuration of pytest takes unasked."""
    return 42


TESTS = (
    "test_random_projection_transformer_invalid_input",
    "test_try_to_transform_before_fit",
    "test_too_many_samples_to_find_a_safe_embedding",
    "test_random_projection_embedding_quality",
    "test_correct_RandomProjection_dimensions_embedding",
    "test_warning_n_components_greater_than_n_features",
    "test_works_with_sparse_data",
    "test_random_projection_feature_names_out",
    "test_inverse_transform",
    "test_random_projection_dtype_match",
    "test_random_projection_numerical_consistency",
)
globals().update({name: getattr(theirs, name) for name in TESTS})
