"""Settings that every test shares."""

import hypothesis
import jax

jax.config.update("jax_enable_x64", True)

# The same examples in every run: a failure that nobody's change caused helps nobody.
hypothesis.settings.register_profile(
    "structmat",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("structmat")
