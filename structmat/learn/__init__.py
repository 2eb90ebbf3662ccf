"""Algorithms on data, with no framework: what the structure of operators makes fast."""

from structmat.learn.hashing import CrossPolytopeHash, DHHash, HashIndex, HyperplaneHash

__all__ = ["CrossPolytopeHash", "DHHash", "HashIndex", "HyperplaneHash"]
