"""Project a column of vectors of a Spark table: a worker receives the operator with its first task."""

import sys

import numpy as np
from pyspark.sql import SparkSession

import structmat as sm

source, target = sys.argv[1:]
P = sm.projections.circulant_projection(128, 16, rng=0)


def project(frames):
    for frame in frames:
        y = P.matvec(np.stack(frame["x"]).astype(float))
        yield frame.assign(x=list(y))


spark = SparkSession.builder.getOrCreate()
table = spark.read.parquet(source)
table.mapInPandas(project, table.schema).write.parquet(target)
