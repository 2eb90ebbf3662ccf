"""Project a column of vectors with Ray Data, one operator for each worker."""

import sys

import ray

import structmat as sm

source, target = sys.argv[1:]


class Project:
    def __init__(self):
        self.P = sm.projections.circulant_projection(128, 16, rng=0)

    def __call__(self, batch):
        return {**batch, "x": self.P.matvec(batch["x"].astype(float))}


rows = ray.data.read_parquet(source)
rows.map_batches(Project, concurrency=1, batch_size=1024).write_parquet(target)
