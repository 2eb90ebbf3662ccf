"""Multiply the rows of a file by an operator into another file, with a progress bar."""

import sys

import numpy as np
from tqdm import trange

import structmat as sm

source, target = sys.argv[1:]
x = np.load(source, mmap_mode="r")
P = sm.projections.circulant_projection(x.shape[1], 64, rng=0, dtype=x.dtype)
y = np.lib.format.open_memmap(target, mode="w+", dtype=x.dtype, shape=(len(x), 64))
for start in trange(0, len(x), 4096):  # P.matvec(x, out=y) does the same without a bar
    P.matvec(x[start : start + 4096], out=y[start : start + 4096])
