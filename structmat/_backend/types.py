"""Types for annotations. Array libraries share no published protocol, so most are `Any`."""

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any  #: an array of any supported library
Namespace: TypeAlias = Any  #: an array-API namespace, as returned by `array_api_compat.array_namespace`
DType: TypeAlias = Any
Device: TypeAlias = Any
HostArray = np.ndarray
RNG: TypeAlias = np.random.Generator | int | None
