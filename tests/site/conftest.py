"""`make test-docs` builds the site, looks for a browser, and runs these tests; no other run does."""

import os

collect_ignore = [] if os.environ.get("STRUCTMAT_TEST_SITE") else ["test_site.py"]
