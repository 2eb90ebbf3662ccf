"""Project a column of vectors with Ray Data, one operator for each worker."""

import sys

import numpy as np
import ray

import structmat as sm

source, target = sys.argv[1:]


class Project:
    def __init__(self):
        self.P = sm.projections.circulant_projection(128, 16, rng=0)

    def __call__(self, batch):
        y = self.P.matvec(np.stack(batch["x"]).astype(float))
        return {**batch, "x": y.tolist()}


rows = ray.data.read_parquet(source)
rows.map_batches(Project, concurrency=1, batch_size=1024).write_parquet(target)
