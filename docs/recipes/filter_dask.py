"""Filter a signal that is larger than memory: a banded Toeplitz product needs only the neighbours of a chunk."""

import dask.array as da
import numpy as np

import structmat as sm


def product(chunk, taps, block_id=None):
    column, row = np.zeros(len(chunk)), np.zeros(len(chunk))
    column[: len(taps)], row[0] = taps, taps[0]
    y = sm.Toeplitz(column, row).matvec(chunk)
    return y[len(taps) - 1 :] if block_id[0] else y


def filtered(signal, taps):
    """Convolve a signal with causal taps, y[i] = sum of taps[k] signal[i - k]; chunks are longer than the taps."""
    with_neighbours = da.overlap.overlap(signal, depth={0: (len(taps) - 1, 0)}, boundary="none")
    return with_neighbours.map_blocks(product, taps, dtype=float, chunks=signal.chunks, meta=np.empty(0))
