"""array-api-strict: the standard and nothing else, with devices of its own."""

from typing import Any

import array_api_compat as compat
import numpy as np

from structmat._backend.libraries.generic import Library
from structmat._backend.types import Array


class Strict(Library):
    cast_hint = "xp.astype({}, xp.float64)"

    def to_host(self, x: Array) -> np.ndarray[Any, Any]:
        xp = compat.array_namespace(x)
        return np.asarray(compat.to_device(x, xp.Device("CPU_DEVICE")))


adapter = Strict()
