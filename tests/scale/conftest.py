"""The recipes with engines run in `make test-scale`, which installs these; others run in every test run."""

import os

collect_ignore = [] if os.environ.get("STRUCTMAT_TEST_SCALE") else ["test_engines.py"]
