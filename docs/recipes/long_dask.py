"""One circulant product of vectors that are larger than a machine, with Dask: four-step transforms.

With n = n1 n2, a transform is two batches of shorter ones, with twiddle factors between them. Each batch needs whole
rows or columns of the n1 x n2 matrix, and Dask moves all data between them. A spectrum keeps the order of the second
batch, so that the way back needs no further exchange.
"""

import dask.array as da
import numpy as np


def twiddled(block, sign, n, block_info=None):
    (first, _), (second, _) = block_info[0]["array-location"]
    k1 = first + np.arange(block.shape[0])[:, None]
    j2 = second + np.arange(block.shape[1])
    return block * np.exp(sign * 2j * np.pi / n * (k1 * j2 % n))


def spectrum(x, n1, n2, parts):
    X = x.reshape(n1, n2).rechunk((n1, n2 // parts))
    X = da.fft.fft(X, axis=0)
    X = X.map_blocks(twiddled, -1, n1 * n2, dtype=X.dtype)
    return da.fft.fft(X.rechunk((n1 // parts, n2)), axis=1)


def signal(X, n1, n2, parts):
    X = da.fft.ifft(X, axis=1).rechunk((n1, n2 // parts))
    X = X.map_blocks(twiddled, 1, n1 * n2, dtype=X.dtype)
    return da.fft.ifft(X, axis=0).rechunk((n1 // parts, n2)).reshape(n1 * n2)


def circulant_product(c, x, n1, n2, parts):
    """Multiply by the circulant matrix with first column c; c and x have parts chunks."""
    product = spectrum(x, n1, n2, parts) * spectrum(c, n1, n2, parts)
    return signal(product, n1, n2, parts).real
