"""Project the rows of a zarr array, larger than memory, into another one."""

import sys

import dask.array as da

import structmat as sm

source, target = sys.argv[1:]
rows = da.from_zarr(source).rechunk({1: -1})  # each chunk has whole rows
P = sm.projections.circulant_projection(rows.shape[1], 512, rng=0)
P.matvec(rows).to_zarr(target)  # under distributed.Client() on its workers, which hold P once
