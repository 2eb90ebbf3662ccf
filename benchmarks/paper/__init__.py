"""The experiments of Cheng et al. (ICCV 2015) with this library's layers: `python -m benchmarks.paper --help`.

`data` reads, `models` builds, `train` trains, `experiments` says what is trained, `tables` counts, `report` writes and
draws, `compare` sets ours beside the paper's.
"""
